"""What models read of photos: gray pixels, in Pillow's arithmetic."""

import numpy as np
from PIL import Image

from fer_models.encoders.encoder import GrayPixels, gray


def test_gray_is_what_pillow_makes_of_colour() -> None:
    images = np.random.default_rng(0).integers(0, 256, (4, 3, 50, 50), dtype=np.uint8)
    expected = [np.asarray(Image.fromarray(image.transpose(1, 2, 0)).convert("L")) for image in images]
    np.testing.assert_array_equal(gray(images)[:, 0], expected)
    assert gray(images).dtype == np.uint8


def test_gray_images_stay_as_they_are_and_equal_their_threefold_copy() -> None:
    images = np.arange(256, dtype=np.uint8).reshape(1, 1, 16, 16)
    np.testing.assert_array_equal(GrayPixels()(images), images)
    np.testing.assert_array_equal(gray(np.repeat(images, 3, axis=1)), images)
