"""Histograms of oriented gradients with logistic regression: the approach before deep learning.

uint8 images in, descriptors (n, D) float32 out, in place of the frozen encoder; then a linear head
(C, D + 1). Source: Dalal and Triggs 2005, doi:10.1109/CVPR.2005.177, via scikit-image, an optional extra.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from importlib.metadata import version
from typing import TYPE_CHECKING, Any, ClassVar, Literal

import numpy as np

from fer_models.encoders.encoder import gray
from fer_models.errors import InputError
from fer_models.heads import LinearHead
from fer_models.linear import logistic
from fer_models.model import Fitted
from fer_models.run_folder.summary import Chosen

if TYPE_CHECKING:
    from fer_models.evaluation import HeldOut
    from fer_models.local.phone_rows import PhoneRows

ORIENTATIONS = 9  # unsigned gradient directions
CELL, CELLS = 8, 8  # a cell's side in pixels, at least; cells along an image's side, at most
BLOCK = 2  # cells along the side of a block, whose histograms are normalised together (L2-Hys)
CHOICES = (0.003, 0.01, 0.03, 0.1, 0.3, 1.0, 3.0)  # of scikit-learn's C; a small one is a strong penalty


@dataclass(frozen=True)
class HogModel(Fitted):
    """`hog`: the traditional approach."""

    about: ClassVar[str] = "histograms of oriented gradients and logistic regression"
    reads: ClassVar[Literal["descriptors"]] = "descriptors"
    size: ClassVar[int] = 128
    weights: ClassVar[bool] = False
    preprocessing: ClassVar[Mapping[str, Any]] = {
        "channels": "gray",
        "orientations": ORIENTATIONS,
        "block": BLOCK,
    }
    requires: ClassVar[tuple[str, str] | None] = ("skimage", "scikit-image")

    def width(self, size: int) -> int:
        """Length of the descriptor."""
        return length(size)

    def fit(
        self, pooled: "PhoneRows", validation: "HeldOut", photos: np.ndarray
    ) -> tuple[LinearHead, Chosen]:
        """Logistic regression on all training views."""
        return logistic.fit(pooled, validation, len(photos), choices=CHOICES)


class Hog:
    """Descriptors of gray images. InputError if scikit-image is not installed."""

    def __init__(self) -> None:
        try:
            from skimage.feature import hog
        except ImportError as error:
            raise InputError(
                "model.name = hog needs scikit-image, which is not installed; install it with"
                " pip install scikit-image, or choose another model"
            ) from error
        self._hog = hog
        self.key = (
            f"hog 1 orientations {ORIENTATIONS} cell {CELL} cells {CELLS} block {BLOCK}"
            f" scikit-image {version('scikit-image')}"
        )

    def __call__(self, images: np.ndarray) -> np.ndarray:
        """Descriptors (n, length(s)), float32, of uint8 images (n, 1 or 3, s, s)."""
        size = images.shape[-1]
        cell, cells = grid(size)
        edge = (size - cell * cells) // 2
        inner = slice(edge, edge + cell * cells)
        rows = np.empty((len(images), length(size)), np.float32)
        for row, image in zip(rows, gray(images)[:, 0, inner, inner], strict=True):
            row[:] = self._hog(
                image,
                orientations=ORIENTATIONS,
                pixels_per_cell=(cell, cell),
                cells_per_block=(BLOCK, BLOCK),
                block_norm="L2-Hys",
            )
        return rows


def grid(size: int) -> tuple[int, int]:
    """A cell's side in pixels, and the cells along a side, for images of side `size` >= 32.

    Cells are 8 pixels wide; in images beyond 64 pixels they grow with the image, so that a descriptor never
    has more than 1,764 values and more pixels make it finer, not longer. The remainder, at most 7
    pixels, is cropped around the edge.
    """
    cell = max(CELL, size // CELLS)
    return cell, size // cell


def length(size: int) -> int:
    """Length of the descriptor of an image of side `size`: 324 at 32 pixels, 1,764 from 64 on."""
    _, cells = grid(size)
    return (cells - BLOCK + 1) ** 2 * BLOCK**2 * ORIENTATIONS
