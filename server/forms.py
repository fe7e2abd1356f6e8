"""The single round of a closed form: the phones' sums in, a head out (server/strategies/closed_form.py)."""

import time
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

import numpy as np
from flwr.serverapp import Grid

from fer_models.evaluation import HeldOut
from fer_models.linear import bounded
from fer_models.linear.statistics import check_exact
from fer_models.order import Order
from server.collect import asking, enough, finish
from server.exchange import Exchange, Sums
from server.job import Plan
from server.result import RoundResult
from server.strategies.base import Algorithm, State
from server.strategies.closed_form import ClosedForm, PrivateForm, Projected

if TYPE_CHECKING:
    from server.mechanisms.privacy.central import Central, Released

_KIND = "query.sums"


@dataclass(frozen=True)
class Solution:
    """A head that was solved from a round of sums."""

    head: np.ndarray  # (C, D + 1) float32
    state: State  # how it was chosen
    result: RoundResult
    sent: int  # bytes that real phones would have sent; in a private run, those expected
    released: "Released | None" = None  # of a private run


@dataclass(frozen=True)
class Forms:
    """What it takes to ask phones for sums."""

    grid: Grid
    plan: Plan
    algorithm: Algorithm
    validation: HeldOut
    began: float = field(default_factory=time.perf_counter)

    def solved(self, form: ClosedForm, head: np.ndarray) -> Solution:
        """The head, of the shape of `head`, from the sums of all phones.

        Raises RunError if too few phones sent usable sums.
        """
        plan = self.plan
        projected = Projected(head.shape[1] - 1, plan.strategy.projection, plan.seed)
        order = plan.order(self.algorithm, 0)
        order = replace(order, sums=form.sums.name, projection=plan.strategy.projection)

        def ask() -> Exchange:
            return asking(plan, order, head, np.arange(len(plan.sizes)), kind=_KIND)

        def read(exchange: Exchange) -> Sums:
            return exchange.sums(form.sums, projected.width, len(head))

        sums, wire_bytes = enough(self.grid, plan, 1, ask, read, len(plan.sizes))
        check_exact(sums.total)
        solved, state = projected.solved(form, sums.total, self.validation)
        result = self._result(sums.phones, sums.total.n, wire_bytes, sums.dropped)
        return Solution(solved, state, result, sums.phones * sums.total.payload(projected.width, len(head)))

    def solved_privately(self, form: PrivateForm, private: "Central", head: np.ndarray) -> Solution:
        """The same from the phones' moments as vectors of bounded norm, with noise on their sum."""
        plan, kept, classes, width = self.plan, private.begin(), len(head), head.shape[1] - 1
        order: Order = replace(plan.order(self.algorithm, 1, private.clip(kept)), radius=plan.radius)
        exchange = asking(plan, order, head, private.select(1), kind=_KIND)
        finish(exchange, self.grid, plan)
        update, dropped = exchange.vectors(bounded.size(width, classes), order.clip)
        released = private.release(update, 1, kept)
        phones, total = released.update.phones, released.update.total[0]
        moments = bounded.decoded(total / phones, width, classes, plan.radius)
        noise = bounded.noise_of_moments(private.deviation(kept) / phones, width, plan.radius)
        solved, state = Projected(width, 0, plan.seed).solved_by(
            lambda: form.solve_private(moments, noise, self.validation)
        )
        result = self._result(update.phones, update.photos, exchange.wire_bytes, dropped)
        return Solution(solved, state, result, total.nbytes * phones, released)

    def _result(self, phones: int, views: int, wire_bytes: int, dropped: dict[int, str]) -> RoundResult:
        seconds = time.perf_counter() - self.began
        return RoundResult(1, phones, views, None, seconds, wire_bytes, dropped)
