"""Histograms of oriented gradients by hand and against scikit-image, and the classifier on them."""

import sys

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image
from skimage.feature import hog as reference

from fer_models.errors import InputError
from fer_models.evaluation import HeldOut
from fer_models.hog import CHOICES, Hog, HogModel, grid, length
from fer_models.linear import logistic
from fer_models.local.phone_rows import PhoneRows


def noise(n: int, size: int, channels: int = 1, *, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 256, (n, channels, size, size)).astype(np.uint8)


def stripes(n: int, *, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Noisy waves across, along and aslant, uint8 (n, 1, 64, 64), and which of them."""
    rng = np.random.default_rng(seed)
    labels = np.arange(n) % 3
    y, x = np.mgrid[:64, :64]
    across = np.stack([x, y, x + y])[labels] + rng.uniform(0, 9, (n, 1, 1))
    waves = 128 + 60 * np.sin(across / 4) + rng.normal(0, 40, (n, 64, 64))
    return waves.clip(0, 255).astype(np.uint8)[:, None], labels


def test_a_slope_by_hand() -> None:
    """Brighter to the right: one direction in every cell; a block has four, equal once cut off: 1/2."""
    slope = np.broadcast_to(np.arange(64, dtype=np.uint8) * 3, (1, 1, 64, 64))
    rows = Hog()(slope).reshape(7, 7, 2, 2, 9)
    np.testing.assert_allclose(rows[..., 0], 0.5, atol=1e-6)
    assert not rows[..., 1:].any()
    upright = Hog()(slope.swapaxes(2, 3)).reshape(7, 7, 2, 2, 9)
    np.testing.assert_allclose(upright[..., 4], 0.5, atol=1e-6)  # 90 degrees of 180: the fifth of nine
    assert not Hog()(np.full((1, 1, 64, 64), 7, np.uint8)).any()


def test_at_64_pixels_it_is_what_scikit_image_gives_with_cells_of_8() -> None:
    images = noise(3, 64)
    rows = Hog()(images)
    assert (rows.shape, rows.dtype) == ((3, 1764), np.float32)
    for row, image in zip(rows, images, strict=True):
        expected = reference(image[0], 9, (8, 8), (2, 2), "L2-Hys")
        np.testing.assert_array_equal(row, expected.astype(np.float32))


def test_a_row_depends_on_its_own_image_alone() -> None:
    images = noise(5, 40)
    rows = Hog()(images)
    for i in range(5):
        np.testing.assert_array_equal(Hog()(images[i : i + 1])[0], rows[i])
    assert Hog()(images[:0]).shape == (0, length(40))


def test_colour_is_turned_gray_as_pillow_does() -> None:
    coloured = noise(2, 64, 3)
    luma = np.stack(
        [np.array(Image.fromarray(one.transpose(1, 2, 0)).convert("L"))[None] for one in coloured]
    )
    np.testing.assert_array_equal(Hog()(coloured), Hog()(luma))
    three = np.repeat(luma, 3, axis=1)
    np.testing.assert_array_equal(Hog()(three), Hog()(luma))


@given(st.integers(32, 1024))
def test_every_size_has_its_grid_and_no_descriptor_grows_without_end(size: int) -> None:
    cell, cells = grid(size)
    assert cell >= 8
    assert 4 <= cells <= 8
    assert 0 <= size - cell * cells <= 7
    assert length(size) == (cells - 1) ** 2 * 36 <= 1764


@pytest.mark.parametrize("size", [32, 39, 63, 64, 65, 71, 100, 224, 1024])
def test_rows_have_the_length_that_is_told(size: int) -> None:
    assert Hog()(noise(1, size)).shape == (1, length(size))
    assert (length(32), length(64), length(1024)) == (324, 1764, 1764)


def test_what_does_not_fill_a_cell_is_left_out_on_both_sides() -> None:
    images = noise(1, 69)  # 64 used: 2 before, 3 after
    rows = Hog()(images)
    framed = np.zeros_like(images)
    framed[..., 2:66, 2:66] = images[..., 2:66, 2:66]
    np.testing.assert_array_equal(Hog()(framed), rows)
    np.testing.assert_array_equal(Hog()(images[..., 2:66, 2:66]), rows)


def test_the_key_names_what_shapes_a_row() -> None:
    for word in ("orientations 9", "cell 8", "block 2", "scikit-image"):
        assert word in Hog().key


def test_without_scikit_image_the_extra_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "skimage.feature", None)
    with pytest.raises(InputError, match=r"needs scikit-image, which .* pip install scikit-image") as caught:
        Hog()
    assert "\n" not in str(caught.value)


def training() -> tuple[PhoneRows, HeldOut]:
    images, labels = stripes(60)
    held, truth = stripes(30, seed=1)
    shards = PhoneRows(Hog()(images), labels, np.arange(60)[::-1], np.array([0, 60]))
    return shards, HeldOut(Hog()(held), truth)


@pytest.mark.slow
def test_the_classifier_is_logistic_regression_with_its_own_choices() -> None:
    shards, validation = training()
    head, said = HogModel().fit(shards, validation, np.ones(3))
    expected, same = logistic.fit(shards, validation, 3, choices=CHOICES)
    np.testing.assert_array_equal(head.values, expected.values)
    assert said == same
    assert (head.probabilities(validation.features).argmax(axis=1) == validation.labels).mean() > 0.9
