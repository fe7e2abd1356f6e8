"""Random splits of whole groups (people), near the wanted shares of every class: rejection sampling.

A draw shuffles the groups and cuts the row to the shares, rounded up or down at random: a group is in a part
with a probability that is exactly the part's share. The first draw is accepted in which every part has photos
of every class, and no share of a class, or of all photos, differs from its target by more than the
tolerance: TOLERANCE times the smallest target (0.15 for 0.6, 0.2, 0.2). It is wide on purpose: a narrow one
would confine a person with many photos of a class to one part. Each EACH draws without success widen it by
STEP times the smallest target. Where none of DRAWS fits, since a class has hardly enough groups, the search
of fer_models/data/split.py takes over, whose splits vary little.
"""

from collections.abc import Sequence

import numpy as np

from fer_models.data.split import split_photos
from fer_models.run_folder.data_facts import GroupDraw
from fer_models.seeding import stream

TOLERANCE, STEP = 0.75, 0.25
EACH, DRAWS = 20, 400


def split_groups(
    labels: np.ndarray, groups: np.ndarray, shares: Sequence[float], *, classes: int, seed: int, what: str
) -> tuple[np.ndarray, GroupDraw]:
    """The part of each photo, (n,) int8, and how it was drawn.

    From labels (n,) int64 < classes and groups (n,) of anything that np.unique sorts; no group is in two
    parts. `what` names the draw, and its stream of random numbers.
    """
    _, group = np.unique(groups, return_inverse=True)
    table = _shares(labels, group, classes)
    wanted = np.asarray(shares)[:, None]
    for number in range(DRAWS):
        tolerance = round((TOLERANCE + STEP * (number // EACH)) * min(shares), 4)
        part = _draw(len(table), shares, stream(seed, "split", what, number))
        got = np.zeros((len(shares), table.shape[1]))
        np.add.at(got, part, table)
        if got.all() and np.abs(got - wanted).max() <= tolerance:
            return part[group], GroupDraw(what, number + 1, tolerance)
    found = split_photos(labels, groups, shares, classes=classes, seed=seed)
    return found, GroupDraw(what, DRAWS, None)


def _shares(labels: np.ndarray, group: np.ndarray, classes: int) -> np.ndarray:
    """Each group's share of the photos of every existing class, and of all photos: (groups, classes + 1)."""
    table = np.zeros((int(group.max(initial=-1)) + 1, classes + 1))
    np.add.at(table, (group, labels), 1)
    table[:, classes] = table.sum(axis=1)
    table = table[:, table.any(axis=0)]
    shares: np.ndarray = table / table.sum(axis=0)
    return shares


def _draw(groups: int, shares: Sequence[float], rng: np.random.Generator) -> np.ndarray:
    """The part (groups,) int8 of each group: part k with probability shares[k]; each part has its share of
    the groups, rounded up or down.
    """
    cuts = np.floor(np.cumsum(shares)[:-1] * groups + rng.random()).astype(np.int64)
    part = np.empty(groups, np.int8)
    part[rng.permutation(groups)] = np.searchsorted(cuts, np.arange(groups), side="right")
    return part
