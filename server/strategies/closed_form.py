"""Closed forms: phones send sums over their views once, and the head is solved from their total.

The phones' sums add up to those of the pooled views, so the head is the centralized one, however non-IID the
phones are. A page says which sums it needs and how its head is solved; what a phone sends follows from the
sums. With a projection P (D, d) phones send the sums for x P, and the head is projected back.
"""

import json
from abc import ABC, abstractmethod
from collections.abc import Callable
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


@dataclass(frozen=True)
class PrivateForm(ClosedForm, ABC):
    """One that can also be solved from noisy moments, which are private."""

    @property
    def can_be_private(self) -> bool:
        """It can."""
        return True

    @abstractmethod
    def solve_private(self, moments: Moments, noise: float, validation: HeldOut) -> Solved:
        """The head from the moments of one view on average, with noise of this spectral norm in X'X."""


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

        def solve() -> Solved:
            if self._matrix is None:
                return form.solve(sums, validation)
            return form.solve(sums, HeldOut(validation.features @ self._matrix, validation.labels))

        head, chosen = self.solved_by(solve)
        return expanded(head, self._matrix), chosen

    def solved_by(self, solve: Callable[[], Solved]) -> tuple[np.ndarray, State]:
        """The head that `solve` finds, and its choice; on one thread."""
        import scipy.linalg  # noqa: F401  # before the limit, which applies to libraries loaded so far
        from threadpoolctl import threadpool_limits

        with threadpool_limits(1, user_api="blas"):
            found = solve()
        text = json.dumps(dict(found.chosen)).encode()
        return found.head, {_CHOSEN: np.frombuffer(text, np.uint8)}
