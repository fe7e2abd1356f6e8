"""The input of a model: uint8 images in, one row each out. Nothing here is trained.

Second stage of the rows that models are trained on: the raw pixels here, the frozen MobileNetV2 in
backbone.py, histograms of gradients in hog.py.
"""

from typing import Protocol

import numpy as np


class Encoder(Protocol):
    """Turns images into rows; a row depends only on its own image."""

    @property
    def key(self) -> str:
        """Everything that shapes the rows, the versions of libraries included, as text."""

    def __call__(self, images: np.ndarray) -> np.ndarray:
        """Rows (n, ...) of uint8 images (n, 1 or 3, s, s); their shape and type depend only on s."""


class GrayPixels:
    """The pixels themselves, for networks trained end to end."""

    key = "gray pixels 1"

    def __call__(self, images: np.ndarray) -> np.ndarray:
        """Gray images (n, 1, s, s), uint8."""
        return gray(images)


def gray(images: np.ndarray) -> np.ndarray:
    """Luma (ITU-R BT.601, in Pillow's arithmetic) of uint8 images (n, 1 or 3, s, s): uint8 (n, 1, s, s)."""
    if images.shape[1] == 1:
        return images
    red, green, blue = (images[:, c : c + 1].astype(np.uint32) for c in range(3))
    return ((19595 * red + 38470 * green + 7471 * blue + 32768) >> 16).astype(np.uint8)
