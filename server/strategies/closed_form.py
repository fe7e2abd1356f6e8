"""Closed forms: phones send sums over their views once, and the head is solved from their total.

The phones' sums add up to those of the pooled views, so the head is the centralized one, however non-IID the
phones are. A page says which sums it needs and how its head is solved; what a phone sends follows from the
sums. With a projection P (D, d) phones send the sums for x P, and the head is projected back.
"""

import json
from abc import ABC, abstractmethod
from dataclasses import dataclass
from functools import cached_property
from typing import Any, ClassVar

import numpy as np

from fer_models.evaluation import HeldOut
from fer_models.linear.closed_form import Solved
from fer_models.linear.statistics import Moments, Sums, expanded, projection
from fer_models.run_folder.summary import Chosen
from server.strategies.base import State
from server.strategies.fedavg import FedAvg

_CHOSEN = "chosen"  # in the state: what was chosen, as JSON


@dataclass(frozen=True)
class ClosedForm(FedAvg, ABC):
    """One round of sums, from which `solve` computes the head; `step` is never called."""

    mean_only: ClassVar[bool] = False
    closed_form: ClassVar[bool] = True
    sums: ClassVar[type[Sums]] = Moments

    @abstractmethod
    def solve(self, sums: Any, validation: HeldOut) -> Solved:
        """The head from the total of the phones' sums, which are of the type `sums`, and what was chosen."""

    def chosen(self, state: State) -> Chosen:
        """What `solve` chose."""
        found: Chosen = json.loads(state[_CHOSEN].tobytes()) if _CHOSEN in state else {}
        return found


def check_given(option: str, value: float | None, choose: str) -> None:
    """ValueError if the value of an option is missing with choose = fixed, or given without it."""
    if value is None and choose == "fixed":
        raise ValueError(f"{option} must be a number with strategy.choose = fixed, got none; set it")
    if value is not None and choose != "fixed":
        raise ValueError(
            f"{option} is for strategy.choose = fixed, got {value:g} with {choose}; leave one of them out"
        )


@dataclass(frozen=True)
class Projected:
    """Features of `whole` numbers, projected to `size` of them by the run's `seed`; 0: as they are."""

    whole: int
    size: int
    seed: int

    @property
    def width(self) -> int:
        """Numbers after the projection."""
        return self.size or self.whole

    @cached_property
    def _matrix(self) -> np.ndarray | None:
        return projection(self.whole, self.size, seed=self.seed)

    def solved(self, form: ClosedForm, sums: Sums, validation: HeldOut) -> tuple[np.ndarray, State]:
        """The head (C, D + 1) float32 of a closed form, and its choice, for `ClosedForm.chosen`.

        On one thread, so that its bits do not depend on the number of cores.
        """
        import scipy.linalg  # noqa: F401  # before the limit, which applies to libraries loaded so far
        from threadpoolctl import threadpool_limits

        with threadpool_limits(1, user_api="blas"):
            if self._matrix is not None:
                validation = HeldOut(validation.features @ self._matrix, validation.labels)
            found = form.solve(sums, validation)
        text = json.dumps(dict(found.chosen)).encode()
        return expanded(found.head, self._matrix), {_CHOSEN: np.frombuffer(text, np.uint8)}
