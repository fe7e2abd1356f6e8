"""Accuracy and macro-F1 of test predictions, as measured and under many weights of the people at once.

Photos of one person are alike, so people are what a resample draws, each with all their photos. A person's
photos are counts for each class, so that the scores of a resample are one matrix product away.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from fer_models.metrics import confusion, ratios

MEASURES = ("accuracy", "macro_f1")


@dataclass(frozen=True)
class Replicate:
    """The test predictions of one run of one arm.

    Fields:
        fold: the fold, or the split's seed: replicates of one fold share test people.
        seed: of partition and training.
        truth, answers: (n,) int, indices of classes.
        people: (n,) int or str, who is on each photo; a photo without a known person is its own person.
    """

    fold: int
    seed: int
    truth: np.ndarray
    answers: np.ndarray
    people: np.ndarray

    def __post_init__(self) -> None:
        if not len(self.truth) == len(self.answers) == len(self.people) > 0:
            lengths = f"{len(self.truth)}, {len(self.answers)}, {len(self.people)}"
            raise ValueError(f"truth, answers and people must be as long and not empty, got {lengths}")


@dataclass(frozen=True)
class Estimate:
    """A number and its 95% interval."""

    mean: float
    low: float
    high: float


def score(measure: str, truth: np.ndarray, answers: np.ndarray, classes: int) -> float:
    """The measure, one of MEASURES, of answers (n,) against truth (n,)."""
    counts = confusion(truth, answers, classes)
    return float(ratios(np.diag(counts), counts.sum(axis=1), counts.sum(axis=0))[measure])


def tallies(
    truth: np.ndarray, answers: np.ndarray, person: np.ndarray, people: int, classes: int
) -> np.ndarray:
    """Counts (people, 3, classes) of each person (n,): correct photos, photos, answers."""
    counts = np.zeros((people, 3, classes))
    np.add.at(counts[:, 0], (person, truth), truth == answers)
    np.add.at(counts[:, 1], (person, truth), 1)
    np.add.at(counts[:, 2], (person, answers), 1)
    return counts


def weighted(measure: str, counts: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """The measure (b,) of `tallies` under weights (b, people)."""
    folded = (weights @ counts.reshape(len(counts), -1)).reshape(len(weights), *counts.shape[1:])
    return ratios(folded[:, 0], folded[:, 1], folded[:, 2])[measure]


def numbered(replicates: Sequence[Replicate]) -> tuple[list[np.ndarray], int]:
    """The people of each replicate (n,) as indices that all of them share, and how many people there are."""
    names, person = np.unique(np.concatenate([each.people for each in replicates]), return_inverse=True)
    ends = np.cumsum([len(each.people) for each in replicates])[:-1]
    return np.split(person, ends), len(names)
