"""Flower's strategies, fed with blocks of phones: select, order, fold, take the server step.

A round, as Flower's own `Strategy.start` runs it:
1. `configure_train` selects the phones, cuts them into blocks and writes one order to each node.
2. The nodes train their blocks and reply with one exact sum each.
3. `aggregate_train` adds the sums, which in this arithmetic no order can change, and moves the head.
"""

import time
from collections import Counter
from collections.abc import Iterable
from dataclasses import asdict, dataclass, field, replace

import numpy as np
from flwr.app import Array, ArrayRecord, ConfigRecord, Message, MessageType, MetricRecord
from flwr.serverapp import Grid
from flwr.serverapp.strategy import FedAvg

from fer_models import stamp
from fer_models.config import TrainConfig
from fer_models.errors import RunError
from fer_models.local import kernel
from fer_models.order import Order
from fer_models.statistics import check_exact
from server.config import StrategyConfig
from server.exchange import NOT_FINITE, Answers, Exchange, Sums
from server.selection import select
from server.strategies.base import Asked, Came, State
from server.strategies.registry import check, make

_NAMED = 10  # phones that an error names


@dataclass(frozen=True)
class Plan:
    """What the strategy needs to know of the run; every field is fixed from start to end."""

    prepared: str  # absolute path of the prepared shards
    sizes: np.ndarray  # (phones,) int64, views of each phone
    phones_per_round: int  # 0: all
    epochs: int  # local epochs
    block: int  # phones that a node is given at a time, at most
    train: TrainConfig
    seed: int
    strategy: StrategyConfig = field(default_factory=StrategyConfig)
    min_phones: int = 1  # whose updates a round needs
    stamp: str = ""  # of the prepared files, which must not change; "": nobody looks


@dataclass(frozen=True)
class Folded:
    """What came back in one round."""

    number: int
    phones: int
    photos: int  # views processed
    train_loss: float | None  # mean over the views processed; None where phones do not say it
    seconds: float  # from writing the orders to the new head
    wire_bytes: int  # payload of the simulation's own messages, both ways
    state: State  # of the algorithm, after the round
    dropped: dict[int, str] = field(default_factory=dict)  # phones whose updates were left out, and why


class BlockStrategy(FedAvg):
    """The algorithm that the plan names, over blocks of phones; what it knows of Flower is all here.

    `done` rounds lie behind: Flower's round r is round done + r of the run. `state` is the algorithm's after
    them; empty before the first round.
    """

    def __init__(self, plan: Plan, done: int = 0, state: State | None = None) -> None:
        super().__init__(fraction_evaluate=0.0)
        self.plan, self.done = plan, done
        self.algorithm = make(plan.strategy)
        self._state = state or {}
        self.folded: Folded | None = None
        self._head = np.empty((0, 0), np.float32)
        self._selected = np.empty(0, np.int64)
        self._started = 0.0
        self.homes: dict[int, int] | None = None  # the node of each phone, where phones are devices

    def summary(self) -> None:
        """Nothing to log: the run folder holds the settings."""

    def sums(self, grid: Grid, head: np.ndarray) -> Sums:
        """The sums of all phones for ridge regression; RunError where too few can be used."""
        order = replace(self.order(0), projection=self.plan.strategy.projection)
        shape = (order.projection or head.shape[1] - 1) + 1, len(head)
        wire_bytes = 0
        for again in (True, False):
            exchange = self._exchange(order, head, np.arange(len(self.plan.sizes)), kind="query.sums")
            self._finish(exchange, grid)
            wire_bytes += exchange.wire_bytes
            sums = exchange.sums(shape)
            if sums.phones >= self.plan.min_phones or not again:
                break
        if short := self._short(sums.phones):
            raise _too_few(sums, len(self.plan.sizes), 1, short)
        check_exact(sums.moments)
        return replace(sums, wire_bytes=wire_bytes)

    def order(self, number: int) -> Order:
        """The order of round `number`."""
        plan, algorithm = self.plan, self.algorithm
        train = plan.train
        if algorithm.sgd_rate is not None:
            train = train.model_copy(update={"optimizer": "sgd", "lr": algorithm.sgd_rate})
        return Order.of(
            plan.prepared,
            train,
            epochs=plan.epochs,
            seed=plan.seed,
            number=number,
            stamp=plan.stamp,
            each=algorithm.stacked,
            losses=algorithm.losses,
            **asdict(algorithm.local),
            own=algorithm.own,
            own_pull=algorithm.toward,
        )

    def configure_train(
        self, server_round: int, arrays: ArrayRecord, config: ConfigRecord, grid: Grid
    ) -> Iterable[Message]:
        """One message to each node that has work: the order, its phones and the head."""
        self._started, self._grid = time.perf_counter(), grid
        plan, number = self.plan, self.done + server_round
        self._selected = select(len(plan.sizes), plan.phones_per_round, seed=plan.seed, number=number)
        self._head = arrays["values"].numpy()
        self._state = self._state or self.algorithm.begin(self._head)
        self._under_way = self._asked(number)
        return self._under_way.messages(grid)

    def _asked(self, number: int) -> Exchange:
        """What the selected phones are asked in round `number`."""
        asked = self.algorithm.ask(self._head, self._selected, *self._lengths(self._selected), self._state)
        return self._exchange(self.order(number), self._head, self._selected, asked=asked)

    def adapt(self, grid: Grid, head: np.ndarray, phones: np.ndarray, number: int) -> np.ndarray:
        """Own heads (k, C, D + 1) of `phones`: each trains `head` further, after round `number`.

        A phone whose update cannot be used keeps the head as it is.
        """
        order = replace(self.order(number + 1), epochs=self.algorithm.epochs_after, each=True, losses=False)
        exchange = self._exchange(order, head, phones)
        self._finish(exchange, grid)
        came, own = exchange.answers(), np.repeat(head[None], len(phones), axis=0)
        own[np.searchsorted(phones, came.ids)] += came.each.get("updates", own[:0])
        return own

    def _exchange(
        self,
        order: Order,
        head: np.ndarray,
        phones: np.ndarray,
        *,
        kind: str = MessageType.TRAIN,
        asked: Asked | None = None,
    ) -> Exchange:
        plan = self.plan
        return Exchange(
            order, head, phones, plan.sizes, kind=kind, block=plan.block, asked=asked, homes=self.homes
        )

    def _lengths(self, phones: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Views of `phones`, (k,) int64, and the optimiser steps that each takes in a round."""
        views = self.plan.sizes[phones]
        return views, self.plan.epochs * -(-views // self.plan.train.batch)

    def aggregate_train(
        self, server_round: int, replies: Iterable[Message]
    ) -> tuple[ArrayRecord | None, MetricRecord | None]:
        """The next head, as the algorithm makes it of the mean update, or of all of them.

        What nodes failed to answer is asked for again. RunError where too few phones remain.
        """
        self._under_way.take(list(replies))
        number = self.done + server_round
        got, wire_bytes = self._enough(number)
        views, steps = self._lengths(got.ids)
        update = got.update
        came = Came(
            got.ids,
            views,
            update.total / update.views,
            got.each.get("updates"),
            got.each.get("losses"),
            steps,
            update.views / int(self.plan.sizes.sum()),
            got.own.get("heads"),
        )
        head, self._state = self.algorithm.step(self._head, came, self._state)
        self.folded = Folded(
            number=number,
            phones=update.phones,
            photos=update.photos,
            train_loss=update.loss / update.photos,
            seconds=time.perf_counter() - self._started,
            wire_bytes=wire_bytes,
            state=self._state,
            dropped=got.dropped,
        )
        return ArrayRecord({"values": Array(head)}), None

    def _enough(self, number: int) -> tuple[Answers, int]:
        """What came of enough phones, and the bytes on the wire; a round with too few is repeated once."""
        exchange, wire_bytes = self._under_way, 0
        for again in (True, False):
            self._finish(exchange, self._grid)
            wire_bytes += exchange.wire_bytes
            came = exchange.answers()
            if not (short := self._short(came.phones)):
                break
            if not again:
                raise _too_few(came, len(self._selected), number, short)
            exchange = self._asked(number)
        if not came.update.reach < kernel.EXACT_BELOW:
            raise RunError(
                f"training diverged in round {number}: the updates are too large; lower train.lr",
                resumable=False,
            )
        return came, wire_bytes

    def _finish(self, exchange: Exchange, grid: Grid) -> None:
        """Has every phone answered for; where prepared files changed, the error says so."""
        try:
            exchange.finish(grid)
        except RunError:
            stamp.check(self.plan.stamp)
            raise

    def _short(self, phones: int) -> str:
        """Why so many phones are too few for a round; "" where they are enough."""
        if phones < self.plan.min_phones:
            return f"fewer than federation.min_phones = {self.plan.min_phones}"
        try:
            check(self.plan.strategy, phones)
        except ValueError as error:
            return f"too few for the strategy: {error}"
        return ""


def _too_few(came: Answers | Sums, asked: int, number: int, short: str) -> RunError:
    """Why a round could not be folded."""
    named = ", ".join(map(str, list(came.dropped)[:_NAMED])) + (", ..." if len(came.dropped) > _NAMED else "")
    reasons = Counter(came.dropped.values()).most_common(1)
    why = f"; dropped: {named} ({reasons[0][0]})" if reasons else ""
    diverged = bool(reasons) and reasons[0][0] == NOT_FINITE
    return RunError(
        f"in round {number} the updates of {came.phones} of {asked} phones can be used, {short}, also when "
        f"it was repeated{why}{'; lower train.lr if training diverged' if diverged else ''}",
        resumable=not diverged,
    )
