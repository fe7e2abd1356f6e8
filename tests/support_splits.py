"""Sets of photos to split, and what their splits must keep to."""

import numpy as np
from hypothesis import strategies as st

WANTED = (0.6, 0.2, 0.2)


@st.composite
def photo_sets(draw: st.DrawFn, most_groups: int = 60) -> tuple[np.ndarray, np.ndarray, int]:
    """(labels, groups, classes): groups of up to 6 photos of uneven classes."""
    classes = draw(st.integers(2, 4))
    label = st.integers(0, classes - 1) | st.just(0)
    group = st.lists(label, min_size=1, max_size=6)
    sizes = draw(st.lists(group, min_size=3, max_size=most_groups))
    labels = np.array([c for labels in sizes for c in labels], dtype=np.int64)
    groups = np.array([f"p{g}" for g, labels in enumerate(sizes) for _ in labels])
    return labels, groups, classes


def reaches_all(labels: np.ndarray, split: np.ndarray, parts: int = 3) -> bool:
    """Whether every part has every class."""
    return all(len(set(split[labels == c].tolist())) == parts for c in np.unique(labels))


def shares_of(labels: np.ndarray, split: np.ndarray, parts: int = 3) -> np.ndarray:
    """The share of each part in every class, and in all photos: (parts, classes + 1)."""
    rows = [np.bincount(split[labels == c], minlength=parts) for c in np.unique(labels)]
    rows.append(np.bincount(split, minlength=parts))
    shares: np.ndarray = np.array([row / row.sum() for row in rows]).T
    return shares
