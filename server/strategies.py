"""Flower's strategies, fed with blocks of phones: select, order, fold, take the server step.

A round, as Flower's own `Strategy.start` runs it:
1. `configure_train` selects the phones, cuts them into blocks and writes one order to each node.
2. The nodes train their blocks and reply with one exact sum each.
3. `aggregate_train` adds the sums, which in this arithmetic no order can change, and moves the head.
"""

import operator
import time
from collections.abc import Iterable
from dataclasses import asdict, dataclass, field, replace
from functools import reduce

import numpy as np
from flwr.app import Array, ArrayRecord, ConfigRecord, Message, MessageType, MetricRecord, RecordDict
from flwr.serverapp import Grid
from flwr.serverapp.strategy import FedAvg

from fer_models import kernel
from fer_models.closed_form import Moments
from fer_models.config import TrainConfig
from fer_models.errors import RunError
from fer_models.order import Order
from fer_models.statistics import check_exact
from fer_models.training import Update
from server.algorithm import Asked, Came, State
from server.algorithms import make
from server.config import StrategyConfig
from server.selection import select, share_out

_REASON = 200  # characters of a node's failure that are shown


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
        self._started, self._sent = 0.0, 0

    def summary(self) -> None:
        """Nothing to log: the run folder holds the settings."""

    def sums(self, grid: Grid, head: np.ndarray) -> tuple[Moments, int]:
        """The sums of all phones for ridge regression, and the bytes on the wire."""
        order = replace(self.order(0), projection=self.plan.strategy.projection)
        phones = np.arange(len(self.plan.sizes))
        messages = self._messages(
            order, ArrayRecord({"values": Array(head)}), phones, Asked(), grid, "query.sums"
        )
        replies = list(grid.send_and_receive(messages))
        return add(replies, len(phones)), sum(_payload(m) for m in [*messages, *replies])

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
        self._started = time.perf_counter()
        plan, number = self.plan, self.done + server_round
        self._selected = select(len(plan.sizes), plan.phones_per_round, seed=plan.seed, number=number)
        self._head = arrays["values"].numpy()
        self._state = self._state or self.algorithm.begin(self._head)
        asked = self.algorithm.ask(self._head, self._selected, *self._lengths(), self._state)
        messages = self._messages(self.order(number), arrays, self._selected, asked, grid)
        self._sent = sum(_payload(message) for message in messages)
        return messages

    def adapt(self, grid: Grid, head: np.ndarray, phones: np.ndarray, number: int) -> np.ndarray:
        """Own heads (k, C, D + 1) of `phones`: each trains `head` further, after round `number`."""
        order = replace(self.order(number + 1), epochs=self.algorithm.epochs_after, each=True, losses=False)
        arrays = ArrayRecord({"values": Array(head)})
        replies = list(grid.send_and_receive(self._messages(order, arrays, phones, Asked(), grid)))
        fold(replies, len(phones), number + 1)
        own: np.ndarray = head + gather(replies, phones, "each")["updates"]
        return own

    def _messages(
        self,
        order: Order,
        head: ArrayRecord,
        phones: np.ndarray,
        asked: Asked,
        grid: Grid,
        kind: str = MessageType.TRAIN,
    ) -> list[Message]:
        """One for each node that has some of `phones` (k,) to work for."""
        nodes, scalars = sorted(grid.get_node_ids()), ConfigRecord(order.scalars())
        shares = share_out(phones, self.plan.sizes, self.plan.block, len(nodes))
        beside = {name: values for name, values in vars(asked).items() if values is not None}
        messages = []
        for node, share in zip(nodes, shares, strict=True):
            if len(share):
                place = np.searchsorted(phones, share)
                arrays = {"ids": share} | {name: values[place] for name, values in beside.items()}
                record = ArrayRecord({name: Array(np.ascontiguousarray(a)) for name, a in arrays.items()})
                content = RecordDict({"head": head, "order": scalars, "phones": record})
                messages.append(Message(content, dst_node_id=node, message_type=kind))
        return messages

    def _lengths(self) -> tuple[np.ndarray, np.ndarray]:
        """Views of the selected phones, (k,) int64, and the optimiser steps that each takes in the round."""
        views = self.plan.sizes[self._selected]
        return views, self.plan.epochs * -(-views // self.plan.train.batch)

    def aggregate_train(
        self, server_round: int, replies: Iterable[Message]
    ) -> tuple[ArrayRecord | None, MetricRecord | None]:
        """The next head, as the algorithm makes it of the mean update, or of all of them."""
        replies, number = list(replies), self.done + server_round
        update = fold(replies, len(self._selected), number)
        views, steps = self._lengths()
        each = gather(replies, self._selected, "each")
        came = Came(
            self._selected,
            views,
            update.total / update.views,
            each.get("updates"),
            each.get("losses"),
            steps,
            update.views / int(self.plan.sizes.sum()),
            gather(replies, self._selected, "own").get("heads"),
        )
        head, self._state = self.algorithm.step(self._head, came, self._state)
        self.folded = Folded(
            number=number,
            phones=update.phones,
            photos=update.photos,
            train_loss=update.loss / update.photos,
            seconds=time.perf_counter() - self._started,
            wire_bytes=self._sent + sum(_payload(reply) for reply in replies),
            state=self._state,
        )
        return ArrayRecord({"values": Array(head)}), None


def fold(replies: list[Message], phones: int, number: int) -> Update:
    """The sum of what the nodes sent in round `number`; RunError unless all `phones` are in it."""
    total = None
    for reply in replies:
        if reply.has_error():
            raise RunError(f"a node failed in round {number}: {reason(reply)}")
        counts = reply.content.metric_records["counts"]
        update = Update(
            reply.content.array_records["update"]["total"].numpy(),
            **{name: counts[name] for name in ("views", "photos", "phones", "loss", "reach")},  # type: ignore[arg-type]
        )
        total = update if total is None else total + update
    if total is None or total.phones != phones:
        came = 0 if total is None else total.phones
        raise RunError(f"in round {number} only {came} of {phones} phones came back from the nodes")
    if not total.reach < kernel.EXACT_BELOW:
        raise RunError(
            f"training diverged in round {number}: the updates are too large; lower train.lr", resumable=False
        )
    return total


def add(replies: list[Message], phones: int) -> Moments:
    """The sums of what the nodes summed; RunError unless all `phones` are in it."""
    parts, came = [], 0
    for reply in replies:
        if reply.has_error():
            raise RunError(f"a node failed: {reason(reply)}")
        arrays, counts = reply.content.array_records["sums"], reply.content.metric_records["counts"]
        parts.append(Moments(arrays["xx"].numpy(), arrays["xy"].numpy(), int(counts["views"])))  # type: ignore[arg-type]
        came += int(counts["phones"])  # type: ignore[arg-type]
    if came != phones:
        raise RunError(f"only {came} of {phones} phones came back from the nodes")
    total = reduce(operator.add, parts)
    check_exact(total)
    return total


def gather(replies: list[Message], phones: np.ndarray, record: str) -> dict[str, np.ndarray]:
    """What nodes sent of each phone in `record`: arrays with a row for each of `phones`, in their order."""
    parts = [reply.content.array_records[record] for reply in replies if record in reply.content]
    if not parts:
        return {}
    ids = np.concatenate([part["phones"].numpy() for part in parts])
    order = np.argsort(ids)
    if not np.array_equal(ids[order], phones):
        raise RunError("the nodes sent updates of other phones than those that were asked")
    names = [name for name in parts[0] if name != "phones"]
    return {name: np.concatenate([part[name].numpy() for part in parts])[order] for name in names}


def reason(reply: Message) -> str:
    """Why a node failed, in one short line; the logs of the run have all of it."""
    line = " ".join(str(reply.error.reason).split())
    return line if len(line) <= _REASON else f"{line[:_REASON]}... (see the logs of the run)"


def _payload(message: Message) -> int:
    return sum(
        len(array.data) for record in message.content.array_records.values() for array in record.values()
    )
