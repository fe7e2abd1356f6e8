"""Replies of nodes to a training order: as they are scheduled, stored in a checkpoint, and folded."""

import operator
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import reduce

import numpy as np

from fer_models.local.training import Update
from fer_models.local.transforms import same_names

_COUNTS, _SUMS = ("views", "photos", "phones"), ("loss", "reach")  # of an Update, as they are stored
_PARTS = ("each", "own", "metrics")


@dataclass(frozen=True)
class Reply:
    """What one node sent of its phones, or the fold of several such replies."""

    rounds: np.ndarray  # (k,) int64, in which each phone's update was requested
    phones: np.ndarray  # (k,) int64, ids of the phones included, sorted
    update: Update  # the sum over them
    each: Mapping[str, np.ndarray] = field(default_factory=dict)  # one row per phone, if requested
    own: Mapping[str, np.ndarray] = field(default_factory=dict)  # personal heads
    metrics: Mapping[str, np.ndarray] = field(default_factory=dict)  # of transforms, (k,) each
    rings: Mapping[str, np.ndarray] = field(default_factory=dict)  # of hidden updates, one sum for each group

    def arrays(self) -> dict[str, np.ndarray]:
        """The reply as named arrays, for a checkpoint."""
        update = self.update
        found = {
            "rounds": self.rounds,
            "phones": self.phones,
            "total": update.total,
            "counts": np.array([getattr(update, name) for name in _COUNTS]),
            "sums": np.array([getattr(update, name) for name in _SUMS]),
            "within": np.array(update.within),
        }
        for part in _PARTS:
            found |= {f"{part}.{name}": array for name, array in getattr(self, part).items()}
        return found

    @classmethod
    def of(cls, arrays: Mapping[str, np.ndarray]) -> "Reply":
        """The reply from the output of `arrays`."""
        counts, sums = map(int, arrays["counts"]), map(float, arrays["sums"])
        update = Update(arrays["total"], *counts, *sums)
        update = replace(update, within=int(arrays.get("within", 0)))
        parts = {
            part: {
                name.removeprefix(f"{part}."): array
                for name, array in arrays.items()
                if name.startswith(f"{part}.")
            }
            for part in _PARTS
        }
        return cls(arrays["rounds"], arrays["phones"], update, **parts)


@dataclass(frozen=True)
class Replies:
    """All usable replies to an order, and the phones in none of them."""

    nodes: tuple[Reply, ...]  # one per node, by its first phone
    dropped: dict[int, str]  # the other phones' ids, and why
    metrics: Mapping[str, float] = field(default_factory=dict)  # of how they were collected
    traffic: tuple[int, int] = (0, 0)  # bytes that real phones received and sent for it, besides heads

    @property
    def phones(self) -> int:
        """The number of phones included."""
        return sum(reply.update.phones for reply in self.nodes)

    @property
    def reach(self) -> float:
        """The bound of their sum; exact while below kernel.EXACT_BELOW."""
        return sum(reply.update.reach for reply in self.nodes)


def folded(replies: Sequence[Reply], shape: tuple[int, ...]) -> Reply:
    """The replies as one, sorted by phone, then by round, with updates of this shape (C, D + 1).

    A phone that is in several is in the fold as often. Sums are exact: no grouping changes a bit. RunError if
    transforms measured different things.
    """
    nothing = Update(np.zeros(shape), 0, 0, 0, 0.0, 0.0)
    none = np.empty(0, np.int64)
    phones = np.concatenate([none, *(reply.phones for reply in replies)])
    rounds = np.concatenate([none, *(reply.rounds for reply in replies)])
    order = np.lexsort((rounds, phones))
    return Reply(
        rounds[order],
        phones[order],
        reduce(operator.add, (reply.update for reply in replies), nothing),
        *(_joined([getattr(reply, part) for reply in replies], order) for part in _PARTS),
    )


def _joined(parts: Sequence[Mapping[str, np.ndarray]], order: np.ndarray) -> dict[str, np.ndarray]:
    """The arrays of all parts, concatenated, their rows in the given order; RunError unless all have them."""
    return {name: np.concatenate([part[name] for part in parts])[order] for name in same_names(parts)}
