"""A split as near as possible to the wanted shares of every class: of photos, and of people as a last resort.

Groups (a photo with its exact copies, or the photos of one person) are never divided. Heaviest first, each
goes to the part with the largest deficit; single moves then bring the shares of every class, and of the
groups themselves, closer to their targets. (Without the latter, people with many photos would gather in one
part.) If that leaves a class without a photo in some part, a short search first assigns groups so that no
part lacks a class, if such an assignment exists. A person with many photos is in the largest part for nearly
every seed, so people are divided at random first (fer_models/data/group_split.py).
"""

from collections.abc import Sequence

import numpy as np

from fer_models.seeding import stream

_SEARCH_STEPS = 50_000
_PASSES = 10
_HEADS = 0.3  # weight of an even share of the groups, relative to 1 for an even share of a class

Group = list[tuple[int, float]]  # (class, share of all photos of that class)


def split_photos(
    labels: np.ndarray, groups: np.ndarray, shares: Sequence[float], *, classes: int, seed: int
) -> np.ndarray:
    """The part of each photo, (n,) int8 into SPLITS, from labels (n,) int64 < classes and groups (n,) of
    anything that np.unique sorts. No group is in two parts.
    """
    _, group = np.unique(groups, return_inverse=True)
    count = int(group.max(initial=-1)) + 1
    table = np.zeros((count, classes))
    np.add.at(table, (group, labels), 1)
    table /= np.maximum(table.sum(axis=0), 1)
    sparse: list[Group] = [[(classes, _HEADS / count)] for _ in range(count)]  # each is one of all groups
    for g, c in zip(*np.nonzero(table), strict=True):
        sparse[g].append((int(c), float(table[g, c])))
    order = _heavy_first(table.sum(axis=1), stream(seed, "split"))
    seats = _Seats(sparse, shares, classes)
    seats.place_all(order)
    if seats.lacks():
        anchors = _anchors(sparse, order, len(shares), classes)
        if anchors is not None:
            seats = _Seats(sparse, shares, classes)
            for g, part in anchors.items():
                seats.put(g, part)
            seats.place_all([g for g in order if g not in anchors])
    seats.improve(order)
    return np.asarray(seats.part, dtype=np.int8)[group]


def _heavy_first(weights: np.ndarray, rng: np.random.Generator) -> list[int]:
    """Groups by descending power of two of their weight, shuffled within each: no placement is fixed."""
    order = rng.permutation(len(weights))
    powers = np.floor(np.log2(weights[order])) if len(order) else weights
    strongest: list[int] = order[np.argsort(-powers, kind="stable")].tolist()
    return strongest


class _Seats:
    """The part of each group, and how far each part is above its target share of each class.

    The cost of an assignment is the sum of (actual share - target share)^2 / target share over parts and
    classes.
    """

    def __init__(self, groups: list[Group], shares: Sequence[float], classes: int) -> None:
        self.groups = groups
        self.shares = list(shares)
        self.part = [-1] * len(groups)
        self.over = [[-share] * classes + [-share * _HEADS] for share in shares]
        self.members = [[0] * (classes + 1) for _ in shares]

    def put(self, g: int, part: int) -> None:
        """Assigns group `g` to a part, removing it from its former one."""
        old, self.part[g] = self.part[g], part
        for c, share in self.groups[g]:
            self.over[part][c] += share
            self.members[part][c] += 1
            if old >= 0:
                self.over[old][c] -= share
                self.members[old][c] -= 1

    def place_all(self, order: list[int]) -> None:
        """Assigns each group to the part where the cost grows least."""
        for g in order:
            costs = [self._joining(g, part) for part in range(len(self.shares))]
            self.put(g, costs.index(min(costs)))

    def _joining(self, g: int, part: int) -> float:
        over = self.over[part]
        return sum(share * (2 * over[c] + share) for c, share in self.groups[g]) / self.shares[part]

    def lacks(self) -> bool:
        """Whether some part has no group of a class that exists."""
        there = [any(members[c] for members in self.members) for c in range(len(self.over[0]))]
        return any(there[c] and not members[c] for members in self.members for c in range(len(there)))

    def improve(self, order: list[int]) -> None:
        """Moves single groups while that lowers the cost; never the last one of a class in a part."""
        for _ in range(_PASSES):
            moved = False
            for g in order:
                here, group = self.part[g], self.groups[g]
                if any(self.members[here][c] == 1 for c, _ in group):
                    continue
                leaving = sum(share * (share - 2 * self.over[here][c]) for c, share in group)
                costs = [
                    leaving / self.shares[here] + self._joining(g, part) for part in range(len(self.shares))
                ]
                costs[here] = 0.0
                best = costs.index(min(costs))
                if costs[best] < -1e-12:
                    self.put(g, best)
                    moved = True
            if not moved:
                return


def _anchors(groups: list[Group], order: list[int], parts: int, classes: int) -> dict[int, int] | None:
    """Groups assigned so that every class that exists is in every part: {group: part}.

    A backtracking search, the (class, part) with the fewest groups left first. None if there is no such
    assignment, or none was found in _SEARCH_STEPS steps.
    """
    enough = parts * classes  # no assignment needs more groups, so more per class are never tried
    holders: list[list[int]] = [[] for _ in range(classes)]
    for g in reversed(order):  # light groups first: they distort the shares least
        for c, _ in groups[g]:
            if c < classes and len(holders[c]) < enough:
                holders[c].append(g)
    present = [c for c in range(classes) if holders[c]]
    seated: dict[int, int] = {}
    steps = 0

    def search() -> bool:
        nonlocal steps
        steps += 1
        open_pairs = []
        for c in present:
            free = [g for g in holders[c] if g not in seated]
            wanted = set(range(parts)) - {seated[g] for g in holders[c] if g in seated}
            if len(wanted) > len(free):
                return False
            open_pairs += [(len(free) - len(wanted), part, free) for part in wanted]
        if not open_pairs:
            return True
        _, part, free = min(open_pairs, key=lambda pair: pair[:2])
        for g in free:
            if steps > _SEARCH_STEPS:
                return False
            seated[g] = part
            if search():
                return True
            del seated[g]
        return False

    return dict(seated) if search() else None
