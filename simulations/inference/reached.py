"""Rounds until a goal is reached, where some runs never reach it: restricted means.

A run that does not reach the goal within the horizon counts as the horizon, as in survival analysis (Royston
and Parmar, "Restricted mean survival time", BMC Medical Research Methodology, 2013): a median or mean over
the successes would favour a method that seldom succeeds.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from simulations.inference.paired_t import PairedT, paired_t


@dataclass(frozen=True)
class Reached:
    """Several runs on their way to a goal.

    Fields:
        rounds: mean rounds to the goal, failures counted as `horizon`. reached: how many got there. runs: of
        how many.
    """

    rounds: float
    reached: int
    runs: int
    horizon: int


def restricted(arrivals: Sequence[int | None], horizon: int) -> np.ndarray:
    """Rounds (n,) until each run reached the goal, at most `horizon`; None never did."""
    if horizon < 1:
        raise ValueError(f"horizon: at least 1 round, got {horizon}")
    return np.array([horizon if at is None else min(at, horizon) for at in arrivals], dtype=np.float64)


def reached(arrivals: Sequence[int | None], horizon: int) -> Reached:
    """The restricted mean of runs, and how many reached the goal; ValueError without runs."""
    if not arrivals:
        raise ValueError("no runs to average")
    successes = sum(at is not None and at <= horizon for at in arrivals)
    return Reached(float(restricted(arrivals, horizon).mean()), successes, len(arrivals), horizon)


def fewer_rounds(
    a: Mapping[tuple[int, int], int | None],
    b: Mapping[tuple[int, int], int | None],
    horizon: int,
    *,
    every: int = 1,
    test_share: float,
) -> PairedT:
    """Restricted rounds of `a` minus those of `b`, paired by (fold, seed), the seeds of a fold averaged.

    Arrivals are known to the `every` rounds between two evaluations only: the standard error is at least that
    of rounding both, so that few folds that happen to agree prove nothing. ValueError for fewer than two
    folds in common.
    """
    keys = sorted(a.keys() & b.keys())
    gaps = restricted([a[key] for key in keys], horizon) - restricted([b[key] for key in keys], horizon)
    fold = np.array([key[0] for key in keys], dtype=np.int64)
    found = paired_t(np.array([gaps[fold == each].mean() for each in np.unique(fold)]), test_share=test_share)
    return replace(found, error=max(found.error, every * (1 / 6 / len(keys)) ** 0.5))
