"""The part of each photo: before anything else, seeded, near the wanted shares of every class.

By person where people are known (a random draw of people, fer_models/data/group_split.py), else by photo
(stratified, fer_models/data/split.py). Exact copies stay together. With `data.folds` the test part is one of
so many folds, each group of photos is in exactly one, and validation is cut from the others.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from fer_models.config import SPLITS, DataConfig
from fer_models.data.given_parts import VALIDATION
from fer_models.data.group_split import split_groups
from fer_models.data.split import split_photos
from fer_models.errors import InputError
from fer_models.photos.choice import FEWEST
from fer_models.run_folder.data_facts import GroupDraw
from fer_models.seeding import key

_TRAIN, _VALIDATION, _TEST = range(3)


@dataclass(frozen=True)
class Parts:
    """The part of each photo, (n,) int8 into SPLITS, and how people were divided, if they were."""

    split: np.ndarray
    drawn: tuple[GroupDraw, ...]


def assign(
    data: DataConfig,
    labels: np.ndarray,
    subjects: np.ndarray | None,
    digests: tuple[str, ...],
    *,
    seed: int,
    given: np.ndarray | None = None,
) -> Parts:
    """The parts of n photos: those `given` (n,), one fold, or shares.

    InputError if a class is missing in some part.
    """
    if data.split_by == "subject" and subjects is None:
        raise InputError(
            'data.split_by is "subject" but no subjects are known; add a column subject to the CSV'
            ' (labels.csv in a folder), or set data.split_by to "photo"'
        )
    for name, photos in zip(data.classes, np.bincount(labels, minlength=len(data.classes)), strict=True):
        if photos < FEWEST:
            raise InputError(
                f'class "{name}" has {photos} usable photos, {FEWEST} are needed to train and evaluate'
                f" it; {_more(data)}, or remove the class from data.classes"
            )
    by_subject = subjects is not None and data.split_by != "photo"
    groups = _together(subjects, digests) if subjects is not None and by_subject else np.array(digests)
    cut = _Cut(labels, groups, len(data.classes), by_subject)
    if given is not None:
        parts, other = _completed(cut, given, seed), ", or let fedfer split: data.split=[0.6, 0.2, 0.2]"
    elif data.folds:
        parts, other = _one_fold(cut, data, seed), ", or lower data.folds"
    else:
        assert data.split != "given"
        parts, other = (
            cut("parts", data.split, seed),
            ', or set data.split_by to "photo"' if by_subject else "",
        )
    _check_classes(cut, data, parts.split, other)
    return parts


@dataclass(frozen=True)
class _Cut:
    """Cuts photos into parts; no group is divided."""

    labels: np.ndarray  # (n,)
    groups: np.ndarray  # (n,)
    classes: int
    by_subject: bool

    def __call__(self, what: str, shares: Sequence[float], seed: int, of: np.ndarray | None = None) -> Parts:
        """The part of each photo, or of the photos `of` (k,)."""
        rows = np.arange(len(self.labels)) if of is None else of
        labels, groups = self.labels[rows], self.groups[rows]
        if not self.by_subject:
            return Parts(split_photos(labels, groups, shares, classes=self.classes, seed=seed), ())
        split, draw = split_groups(labels, groups, shares, classes=self.classes, seed=seed, what=what)
        return Parts(split, (draw,))


def _completed(cut: _Cut, given: np.ndarray, seed: int) -> Parts:
    """The given parts, with a validation part split off from training if there is none."""
    if (given == _VALIDATION).any():
        return Parts(given, ())
    split, training = given.copy(), np.flatnonzero(given == _TRAIN)
    parts = cut("validation", (1 - VALIDATION, VALIDATION), seed, training)
    split[training[parts.split == 1]] = _VALIDATION
    return Parts(split, parts.drawn)


def _one_fold(cut: _Cut, data: DataConfig, seed: int) -> Parts:
    """Fold `data.fold` as the test part; of the others the shares of training and validation."""
    assert data.split != "given"
    _check_folds(cut, data)
    folds = cut("folds", (1 / data.folds,) * data.folds, seed)
    for c, name in enumerate(data.classes):
        if len(np.unique(folds.split[cut.labels == c])) < data.folds:
            raise InputError(
                f'data.folds: class "{name}" is missing in some of {data.folds} folds; lower it,'
                " or remove the class from data.classes"
            )
    rest = np.flatnonzero(folds.split != data.fold)
    train, validation, _ = data.split
    shares = (train / (train + validation), validation / (train + validation))
    parts = cut("validation", shares, key(seed, "fold", data.fold), rest)
    split = np.full(len(cut.labels), _TEST, np.int8)
    split[rest] = parts.split
    return Parts(split, folds.drawn + parts.drawn)


def _check_folds(cut: _Cut, data: DataConfig) -> None:
    """InputError if there are fewer people than folds, altogether or of a class."""
    unit = "people" if cut.by_subject else "different photos"
    mine = [(f' of class "{name}"', cut.groups[cut.labels == c]) for c, name in enumerate(data.classes)]
    for whose, groups in [("", cut.groups), *mine]:
        if (found := len(np.unique(groups))) < data.folds:
            what = f"set it to {found} or less" if found > 1 else "set it to 0"
            other = ", or remove the class from data.classes" if whose else ""
            raise InputError(f"data.folds: {data.folds} folds, but only {found} {unit}{whose}; {what}{other}")


def _check_classes(cut: _Cut, data: DataConfig, split: np.ndarray, other: str) -> None:
    """InputError if a class has no photo in some part; `other` says what else helps."""
    for part, name in enumerate(SPLITS):
        here = np.bincount(cut.labels[split == part], minlength=len(data.classes))
        for c in np.flatnonzero(here == 0).tolist():
            own = cut.labels == c
            whose = f" of {len(np.unique(cut.groups[own]))} subjects" if cut.by_subject else ""
            raise InputError(
                f'class "{data.classes[c]}" has no photo in the {name} part: its photos'
                f" ({np.count_nonzero(own)}{whose}) do not fill all three parts; {_more(data)}, remove the"
                f" class from data.classes{other}"
            )


def _more(data: DataConfig) -> str:
    return "raise sketch.faces and sketch.subjects" if data.source == "sketch" else "add photos"


def _together(subjects: np.ndarray, digests: tuple[str, ...]) -> np.ndarray:
    """Groups (n,) int of photos linked by a shared person or identical bytes, directly or through others."""
    from scipy.sparse import coo_array
    from scipy.sparse.csgraph import connected_components

    people, person = np.unique(subjects, return_inverse=True)
    copies, copy = np.unique(np.array(digests), return_inverse=True)
    nodes = len(people) + len(copies)
    links = coo_array((np.ones(len(person)), (person, len(people) + copy)), shape=(nodes, nodes))
    return np.asarray(connected_components(links, directed=False)[1][person])
