"""Flower's strategies, fed with blocks of phones: select, order, fold, take the server step.

A round, as Flower's own `Strategy.start` runs it:
1. `configure_train` selects the phones, cuts them into blocks and writes one order to each node.
2. The nodes train their blocks and reply with one exact sum each.
3. `aggregate_train` adds the sums, which in this arithmetic no order can change, and moves the head.
"""

import time
from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
from flwr.app import Array, ArrayRecord, ConfigRecord, Message, MessageType, MetricRecord, RecordDict
from flwr.serverapp import Grid
from flwr.serverapp.strategy import FedAvg

from fer_models import kernel
from fer_models.config import TrainConfig
from fer_models.errors import RunError
from fer_models.heads import joined, named
from fer_models.order import Order
from fer_models.training import Update
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


@dataclass(frozen=True)
class Folded:
    """What came back in one round."""

    number: int
    phones: int
    photos: int  # views processed
    train_loss: float  # mean over the views processed
    seconds: float  # from writing the orders to the new head
    wire_bytes: int  # payload of the simulation's own messages, both ways


class BlockFedAvg(FedAvg):
    """Federated averaging (McMahan et al., 2017), weighted by views, over blocks of phones.

    `done` rounds lie behind: Flower's round r is round done + r of the run.
    """

    def __init__(self, plan: Plan, done: int = 0) -> None:
        super().__init__(fraction_evaluate=0.0)
        self.plan, self.done = plan, done
        self.folded: Folded | None = None
        self._head = np.empty((0, 0), np.float32)
        self._selected = np.empty(0, np.int64)
        self._started, self._sent = 0.0, 0

    def summary(self) -> None:
        """Nothing to log: the run folder holds the settings."""

    def order(self, number: int) -> Order:
        """The order of round `number`."""
        plan = self.plan
        return Order.of(plan.prepared, plan.train, epochs=plan.epochs, seed=plan.seed, number=number)

    def configure_train(
        self, server_round: int, arrays: ArrayRecord, config: ConfigRecord, grid: Grid
    ) -> Iterable[Message]:
        """One message to each node that has work: the order, its phones and the head."""
        self._started = time.perf_counter()
        plan, number, nodes = self.plan, self.done + server_round, sorted(grid.get_node_ids())
        self._selected = select(len(plan.sizes), plan.phones_per_round, seed=plan.seed, number=number)
        self._head = joined({name: array.numpy() for name, array in arrays.items()})
        shares = share_out(self._selected, plan.sizes, plan.block, len(nodes))
        order = ConfigRecord(self.order(number).scalars())
        messages = [
            Message(
                RecordDict({"head": arrays, "order": order, "phones": ArrayRecord({"ids": Array(phones)})}),
                dst_node_id=node,
                message_type=MessageType.TRAIN,
            )
            for node, phones in zip(nodes, shares, strict=True)
            if len(phones)
        ]
        self._sent = sum(_payload(message) for message in messages)
        return messages

    def aggregate_train(
        self, server_round: int, replies: Iterable[Message]
    ) -> tuple[ArrayRecord | None, MetricRecord | None]:
        """The next head: the old one plus the mean update weighted by views."""
        replies, number = list(replies), self.done + server_round
        update = fold(replies, len(self._selected), number)
        head = (self._head + update.total / update.views).astype(np.float32)
        self.folded = Folded(
            number=number,
            phones=update.phones,
            photos=update.photos,
            train_loss=update.loss / update.photos,
            seconds=time.perf_counter() - self._started,
            wire_bytes=self._sent + sum(_payload(reply) for reply in replies),
        )
        return ArrayRecord({name: Array(a) for name, a in named(head).items()}), None


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


def reason(reply: Message) -> str:
    """Why a node failed, in one short line; the logs of the run have all of it."""
    line = " ".join(str(reply.error.reason).split())
    return line if len(line) <= _REASON else f"{line[:_REASON]}... (see the logs of the run)"


def _payload(message: Message) -> int:
    return sum(
        len(array.data) for record in message.content.array_records.values() for array in record.values()
    )
