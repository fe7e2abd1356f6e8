"""Clipped updates on the lattice, checked in integers of any size."""

from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from fer_models.local.kernel import QUANTUM
from server.mechanisms.privacy.clipping import on_lattice

SHAPES = arrays.array_shapes(min_dims=2, max_dims=2, min_side=1, max_side=40)
NUMBERS = st.floats(allow_nan=True, allow_infinity=True, width=64)
UPDATES = st.one_of(
    arrays.arrays(np.float64, SHAPES, elements=NUMBERS),
    arrays.arrays(np.float32, SHAPES, elements=st.floats(-3, 3, width=32)),
)


def squared(row: np.ndarray) -> int:
    """Exactly, in quanta."""
    return sum(int(k) ** 2 for k in row)


def within(row: np.ndarray, clip: float) -> bool:
    return squared(row) <= (Fraction(clip) / Fraction(QUANTUM)) ** 2


@given(UPDATES, st.floats(1e-6, 1e6))
def test_no_norm_is_above_the_clip(updates: np.ndarray, clip: float) -> None:
    found = on_lattice(updates, clip)
    assert found.dtype == np.int64
    assert found.shape == updates.shape
    assert all(within(row, clip) for row in found)


@given(UPDATES, st.floats(1e-3, 1e6))
def test_what_is_within_the_clip_is_only_rounded_towards_zero(updates: np.ndarray, clip: float) -> None:
    for row, found in zip(updates, on_lattice(updates, clip), strict=True):
        if not np.isfinite(row).all():
            assert not found.any()
            continue
        largest = float(np.abs(row).max())
        norm = largest * float(np.linalg.norm(row.astype(float) / largest)) if largest else 0.0
        if norm < clip * (1 - 1e-8):
            np.testing.assert_array_equal(found, np.trunc(row.astype(np.float64) / QUANTUM))
        else:
            length = np.sqrt(float(squared(found))) * QUANTUM
            assert length >= clip * (1 - 2e-9) - QUANTUM * np.sqrt(len(row)) * 1.01
        assert (np.sign(found) * np.sign(row) >= 0).all()


@pytest.mark.parametrize("clip", [1.0, 0.3, 2.0**-10])
def test_heads_whose_norm_is_right_at_the_clip(clip: float) -> None:
    rng = np.random.default_rng(0)
    updates = rng.normal(size=(20, 6_405))
    updates *= clip / np.linalg.norm(updates, axis=1, keepdims=True)
    nudged = updates * (1 + rng.uniform(-1e-9, 1e-9, (20, 1)))
    for rows in (updates, nudged, updates.astype(np.float32), 50 * updates):
        found = on_lattice(rows, clip)
        assert all(within(row, clip) for row in found)
        assert np.linalg.norm(found * QUANTUM, axis=1) == pytest.approx(clip, rel=1e-3)
    nearest = np.rint(updates / QUANTUM).astype(np.int64)  # what the margin and the rounding are for
    assert not all(within(row, clip) for row in nearest)


def test_what_cannot_be_clipped() -> None:
    for clip in (0.0, -1.0, float("nan"), float("inf")):
        with pytest.raises(ValueError, match="clip must be above 0"):
            on_lattice(np.zeros((1, 2)), clip)
    with pytest.raises(ValueError, match=r"updates must be \(b, n\)"):
        on_lattice(np.zeros(3), 1.0)
    assert on_lattice(np.zeros((0, 3)), 1.0).shape == (0, 3)
