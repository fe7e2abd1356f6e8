"""Sums over views, from which heads in closed form are solved: phones send them once, instead of heads.

Sums of disjoint sets of views add up. A phone's sums are rounded to multiples of kernel.QUANTUM, so those of
many phones add up exactly: to the same bits in any order and grouping. A seeded Gaussian projection makes
them smaller (Indyk and Motwani 1998, doi:10.1145/276698.276876): features (n, D) times (D, d) / sqrt(d).

To add a kind of sums, write a class here and name it in SUMS: phones compute whichever kind the order names.
"""

from abc import ABC, abstractmethod
from dataclasses import dataclass, fields
from typing import ClassVar, TypeVar

import numpy as np

from fer_models.errors import RunError
from fer_models.local import kernel
from fer_models.local.phone_rows import PhoneData
from fer_models.seeding import stream

_CHUNK = 2048  # views in float64 at a time
Kind = TypeVar("Kind", bound="Sums")


@dataclass(frozen=True)
class Sums(ABC):
    """Sums over some views: a frozen dataclass of float64 arrays, X'Y and whatever a kind adds to it."""

    xy: (
        np.ndarray
    )  # X'Y (D + 1, C); the last feature is the constant 1, Y is one-hot: the last row counts the classes
    name: ClassVar[str]

    @property
    def n(self) -> int:
        """How many views."""
        return int(self.xy[-1].sum())

    @classmethod
    @abstractmethod
    def shapes(cls, width: int, classes: int) -> dict[str, tuple[int, int]]:
        """The shape of each array for features of this width."""

    @classmethod
    @abstractmethod
    def payload(cls, width: int, classes: int) -> int:
        """Bytes that a real phone sends."""

    @classmethod
    @abstractmethod
    def batch(cls, x: np.ndarray, y: np.ndarray) -> dict[str, np.ndarray]:
        """The arrays for features x (n, D + 1), with the constant, and one-hot classes y (n, C)."""

    @property
    @abstractmethod
    def bound(self) -> float:
        """A bound on the size of every element, and of every element of any part of these sums."""

    def sent(self: Kind) -> Kind:
        """The sums as a phone sends them; default: unchanged."""
        return self

    @property
    def arrays(self) -> dict[str, np.ndarray]:
        """The arrays by name."""
        return {field.name: getattr(self, field.name) for field in fields(self)}

    def __add__(self: Kind, other: Kind) -> Kind:
        return type(self)(**{name: array + other.arrays[name] for name, array in self.arrays.items()})

    @classmethod
    def nothing(cls: type[Kind], width: int, classes: int) -> Kind:
        """The sums over no views."""
        return cls(**{name: np.zeros(shape) for name, shape in cls.shapes(width, classes).items()})

    @classmethod
    def over(
        cls: type[Kind],
        features: np.ndarray,
        labels: np.ndarray,
        rows: np.ndarray,
        classes: int,
        *,
        chunk: int = _CHUNK,
    ) -> Kind:
        """The sums over the views `rows` (n,) of features (m, D), which may be a memory map, and labels (m,).

        At most `chunk` views are held at a time; the chunk size only affects the last bits.
        """
        width = features.shape[1]
        total = cls.nothing(width, classes).arrays
        for start in range(0, len(rows), chunk):
            part = rows[start : start + chunk]
            x = np.ones((len(part), width + 1))
            x[:, :-1] = features[part]
            for name, array in cls.batch(x, np.eye(classes)[labels[part]]).items():
                total[name] += array
        return cls(**total)


@dataclass(frozen=True)
class Moments(Sums):
    """First and second moments: what regression on the classes and their pooled covariance need."""

    xx: np.ndarray  # X'X (D + 1, D + 1)
    name: ClassVar[str] = "moments"

    @classmethod
    def shapes(cls, width: int, classes: int) -> dict[str, tuple[int, int]]:
        """X'X and X'Y."""
        return {"xx": (width + 1, width + 1), "xy": (width + 1, classes)}

    @classmethod
    def payload(cls, width: int, classes: int) -> int:
        """float64; X'X is symmetric."""
        return 8 * ((width + 1) * (width + 2) // 2 + (width + 1) * classes)

    @classmethod
    def batch(cls, x: np.ndarray, y: np.ndarray) -> dict[str, np.ndarray]:
        """Two products."""
        return {"xx": x.T @ x, "xy": x.T @ y}

    @property
    def bound(self) -> float:
        """On the diagonal of X'X: products of two features sum to no more than their squares do."""
        return float(np.diag(self.xx).max(initial=0.0))

    @property
    def spread(self) -> float:
        """Sum over the views of a feature's squared distance from its mean, averaged over the features."""
        squares, sums = np.diag(self.xx)[:-1], self.xx[-1, :-1]
        return max(0.0, float((squares - sums**2 / self.n).mean()))


@dataclass(frozen=True)
class ClassSums(Sums):
    """The sum of the features of each class, and the class counts: what class means need."""

    reach: np.ndarray  # (1, 1): the sum over the views of their largest absolute feature
    name: ClassVar[str] = "class sums"

    @classmethod
    def shapes(cls, width: int, classes: int) -> dict[str, tuple[int, int]]:
        """X'Y and the bound."""
        return {"xy": (width + 1, classes), "reach": (1, 1)}

    @classmethod
    def payload(cls, width: int, classes: int) -> int:
        """float32."""
        return 4 * ((width + 1) * classes + 1)

    @classmethod
    def batch(cls, x: np.ndarray, y: np.ndarray) -> dict[str, np.ndarray]:
        """One product."""
        return {"xy": x.T @ y, "reach": np.abs(x).max(axis=1, initial=0).sum().reshape(1, 1)}

    def sent(self) -> "ClassSums":
        """Rounded to float32: class means need no more."""
        return ClassSums(*(a.astype(np.float32).astype(np.float64) for a in (self.xy, self.reach)))

    @property
    def bound(self) -> float:
        """No sum of features is larger than the sum of the largest ones."""
        return float(self.reach[0, 0])


SUMS: dict[str, type[Sums]] = {kind.name: kind for kind in (Moments, ClassSums)}


def phone_sums(
    held: PhoneData,
    phones: np.ndarray,
    classes: int,
    kind: type[Kind],
    projection: np.ndarray | None = None,
) -> tuple[Kind, np.ndarray]:
    """Exact sums over the views of `phones` (k,), and the ids of the phones included: those with finite data.

    `projection` (D, d) float64 is applied to features. Runs on one thread, so that a phone's bits do not
    depend on the number of cores. RunError if the sums become too large to be exact.
    """
    from threadpoolctl import threadpool_limits

    rows, firsts, lasts = held.of(phones)
    width = held.features.shape[1] if projection is None else projection.shape[1]
    total, sound = kind.nothing(width, classes).arrays, np.zeros(len(phones), np.bool_)
    with threadpool_limits(1, user_api="blas"):
        for place, (first, last) in enumerate(zip(firsts, lasts, strict=True)):
            own = rows[first:last]
            x, y = held.features[own], held.labels[own]
            if not np.isfinite(x).all():
                continue
            if projection is not None:
                x = x @ projection
            found = kind.over(x, y, np.arange(len(own)), classes).sent()
            sound[place] = True
            for name, array in found.arrays.items():
                kernel.add_rounded(total[name], array)
    sums = kind(**total)
    check_exact(sums)
    return sums, phones[sound]


def check_exact(sums: Sums) -> None:
    """RunError if sums are outside the range in which they are exact."""
    if not sums.bound < kernel.EXACT_BELOW:
        raise RunError(
            "the sums of the phones are too large to be exact; scale the features", resumable=False
        )


def projection(width: int, size: int, *, seed: int) -> np.ndarray | None:
    """The projection (width, size) float64 of a run; None if `size` is 0."""
    if not size:
        return None
    return np.asarray(stream(seed, "projection").standard_normal((width, size)) / np.sqrt(size))


def expanded(head: np.ndarray, projection: np.ndarray | None) -> np.ndarray:
    """The head (C, D + 1) on features that is equivalent to `head` (C, d + 1) on projected ones."""
    if projection is None:
        return head
    weight = head[:, :-1].astype(np.float64) @ projection.T
    return np.column_stack([weight, head[:, -1]]).astype(np.float32)
