"""One request to phones: which nodes it goes to, where it goes if one fails, and the replies.

A failed node costs nothing but time: its phones are reassigned to other nodes, and sums are exact, so no bit
depends on which node trained which phone. Replies are checked as they are read (server/reading.py): an update
that is not finite, too large, or not of the head's shape is dropped, and the round's record says so.
"""

import logging
import operator
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial, reduce
from typing import TypeVar

import numpy as np
from flwr.app import Array, ArrayRecord, ConfigRecord, Message, RecordDict
from flwr.serverapp import Grid

from fer_models.errors import RunError
from fer_models.linear import statistics
from fer_models.local.terms import PhoneInputs
from fer_models.local.training import Update
from fer_models.order import Order
from server.reading import (
    LARGE,
    NOT_FINITE,
    WRONG,
    Expected,
    Hidden,
    Read,
    UnsoundError,
    read_rows,
    read_sums,
    read_update,
    read_vector,
)
from server.replies import Replies
from server.selection import share_out

_T = TypeVar("_T")
More = Callable[[np.ndarray], Mapping[str, ArrayRecord | ConfigRecord]]  # phones -> records by name
_REASON = 200  # characters of a node's failure that are shown
_TRIES = 5  # attempts at most for a phone, on nodes that have not failed as long as there are any


@dataclass(frozen=True)
class Sums:
    """The replies of phones that sent sums over their views."""

    total: statistics.Sums
    phones: int  # number of phones included
    dropped: dict[int, str]
    wire_bytes: int = 0


class Exchange:
    """One exchange with `phones` (k,), sorted: an order, the head, and the inputs of each phone."""

    def __init__(
        self,
        order: Order,
        head: np.ndarray,
        phones: np.ndarray,
        sizes: np.ndarray,
        *,
        kind: str,
        block: int,
        inputs: PhoneInputs | None = None,
        homes: Mapping[int, int] | None = None,
        counts: np.ndarray | None = None,
        more: More | None = None,
        hidden: Hidden | None = None,
    ) -> None:
        """`sizes`: views of each phone of the population. `kind`: Flower's message type. `homes`: the node of
        each phone if nodes are phones; otherwise any node works for any phone. `counts`: what each phone
        counts in the mean, if not its views. `more`: further records for phones. `hidden`: how updates are.
        """
        self._head = head
        self._record, self._order = ArrayRecord({"values": Array(head)}), ConfigRecord(order.scalars())
        self._phones, self._sizes, self._kind, self._block = phones, sizes, kind, block
        self._inputs = inputs or PhoneInputs()
        self._counts = sizes if counts is None else counts
        self._homes, measures = homes, order.measures.split()
        self._expected = Expected(
            order.round,
            head.shape,
            order.epochs,
            order.reach_limit,
            order.classes or len(head),
            [*["updates"] * order.each, *["losses"] * order.losses, *measures]
            if order.each or measures
            else [],
            ["heads"] if order.own else [],
            bool(order.transforms),
            order.clip,
            hidden,
        )
        self._more = more
        self._left, self._failed, self._why = phones, set[int](), ""
        self._sent = dict[int, np.ndarray]()  # node -> the phones assigned to it
        self._tries = self.wire_bytes = 0
        self.lost = dict[int, str]()  # phones whose own node failed, and why
        self.replies = list[tuple[np.ndarray, Message]]()  # each with the phones assigned to its node

    def messages(self, grid: Grid) -> list[Message]:
        """One message per node that has phones assigned; RunError if all nodes keep failing."""
        self._tries += 1
        self._sent = self._shares(grid)
        messages = []
        for node, share in self._sent.items():
            place = np.searchsorted(self._phones, share)
            arrays = {"ids": share} | self._inputs.of(place).arrays
            record = ArrayRecord({name: Array(np.ascontiguousarray(a)) for name, a in arrays.items()})
            content = RecordDict({"head": self._record, "order": self._order, "phones": record})
            content.update(self._more(share) if self._more else {})
            messages.append(Message(content, dst_node_id=node, message_type=self._kind))
        self.wire_bytes += sum(map(_payload, messages))
        return messages

    def _shares(self, grid: Grid) -> dict[int, np.ndarray]:
        if self._homes is not None:
            return {self._homes[int(phone)]: np.array([phone]) for phone in self._left}
        every = sorted(grid.get_node_ids())
        nodes = [node for node in every if node not in self._failed]
        if not nodes and self._tries <= _TRIES:  # retry: Flower's pool hands work to dead actors
            nodes = every
            self._failed.clear()
        if not nodes or self._tries > _TRIES:
            raise RunError(f"a node failed, and none is left to take its work: {self._why}")
        shares = share_out(self._left, self._sizes, self._block, len(nodes))
        return {node: share for node, share in zip(nodes, shares, strict=True) if len(share)}

    def take(self, replies: list[Message], patience: float | None = None) -> None:
        """Stores the replies that arrived within `patience` seconds; missing phones stay to be requested."""
        if len(replies) < len(self._sent) and patience is not None:
            self._why = no_answer(patience)
        missing = dict(self._sent)
        for reply in replies:
            if reply.has_error():  # the sender may be the SuperLink, on behalf of a node that is gone
                self._why = reason(reply)
            elif (share := missing.pop(reply.metadata.src_node_id, None)) is not None:
                self.replies.append((share, reply))
                self.wire_bytes += _payload(reply)
        if missing:
            logging.getLogger("flwr").warning("%d nodes failed: %s", len(missing), self._why)
        self._failed |= set(missing)
        self._left = np.sort(np.concatenate([*missing.values(), self._phones[:0]]))
        if self._homes is not None:
            self.lost |= {int(phone): f"its node failed: {self._why}" for phone in self._left}
            self._left = self._left[:0]

    def finish(self, grid: Grid, patience: float | None = None) -> None:
        """Sends until every phone is accounted for; a node with no reply in `patience` seconds has failed."""
        while len(self._left):
            messages = self.messages(grid)
            self.take(list(grid.send_and_receive(messages, timeout=patience)), patience)

    def answers(self) -> Replies:
        """All replies to a training order."""
        rest = (self._sizes, self._counts), self._expected
        parts, dropped = self._sound(lambda reply, share: read_update(reply, share, *rest))
        nodes = sorted((part.found for part in parts if len(part.phones)), key=lambda reply: reply.phones[0])
        return Replies(tuple(nodes), dropped)

    def sums(self, kind: type[statistics.Sums], width: int, classes: int) -> Sums:
        """All replies to a query for sums of this kind, over features of this width."""
        shapes = kind.shapes(width, classes)
        parts, dropped = self._sound(lambda reply, share: read_sums(reply, share, self._sizes, kind, shapes))
        total = reduce(operator.add, (part.found for part in parts), kind.nothing(width, classes))
        return Sums(total, sum(len(part.phones) for part in parts), dropped)

    def vectors(self, numbers: int, clip: float) -> tuple[Update, dict[int, str]]:
        """The sum over all replies to a query for bounded vectors of so many numbers; phones without."""
        read = partial(read_vector, sizes=self._sizes, numbers=numbers, clip=clip)
        parts, dropped = self._sound(lambda reply, share: read(reply, share))
        nothing = Update(np.zeros((1, numbers)), 0, 0, 0, 0.0, 0.0)
        return reduce(operator.add, (part.found for part in parts), nothing), dropped

    def rows(self, **shapes: tuple[int, ...]) -> tuple[np.ndarray, dict[str, np.ndarray], dict[int, str]]:
        """All replies to a step of secure aggregation: the phones (k,), sorted, their bytes by name, (k, ...)
        uint8 each with a row of the given shape for a phone, and the other phones, with the reason.
        """
        parts, dropped = self._sound(lambda reply, share: read_rows(reply, share, shapes))
        phones = np.concatenate([self._phones[:0], *(part.phones for part in parts)])
        order, found = np.argsort(phones), {}
        for name, shape in shapes.items():
            none = np.empty((0, *shape), np.uint8)
            found[name] = np.concatenate([none, *(part.found[name] for part in parts)])[order]
        return phones[order], found, dropped

    def _sound(
        self, read: Callable[[Message, np.ndarray], Read[_T]]
    ) -> tuple[list[Read[_T]], dict[int, str]]:
        """Each usable reply as `read` returns it; and the ids of phones in none of them, with the reason."""
        parts, dropped = [], dict(self.lost)
        for share, reply in self.replies:
            try:
                parts.append(part := read(reply, share))
                dropped |= {int(phone): NOT_FINITE for phone in np.setdiff1d(share, part.phones)}
                dropped |= {int(phone): LARGE for phone in part.large}
            except UnsoundError as error:
                dropped |= {int(phone): str(error) for phone in share}
            except Exception:  # a missing record, or no array: its phones are reported as dropped
                dropped |= {int(phone): WRONG for phone in share}
        return parts, dict(sorted(dropped.items()))


def reason(reply: Message) -> str:
    """Why a node failed, in one short line; the run's logs have the full text."""
    line = " ".join(str(reply.error.reason or "").split()) or "no reason was given (see the logs of the run)"
    return line if len(line) <= _REASON else f"{line[:_REASON]}... (see the logs of the run)"


def no_answer(patience: float) -> str:
    """Why a node that hangs counts as failed."""
    return f"it gave no answer within {patience:g} s (federation.patience)"


def _payload(message: Message) -> int:
    return sum(
        len(array.data) for record in message.content.array_records.values() for array in record.values()
    )
