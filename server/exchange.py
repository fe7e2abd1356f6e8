"""One request to phones: which nodes it goes to, where it goes if one fails, and the replies.

A failed node costs nothing but time: its phones are reassigned to other nodes, and sums are exact, so no bit
depends on which node trained which phone. Everything a phone sends is checked before it is added up: an
update that is not finite, or not of the head's shape, is dropped, and the round's record says so.
"""

import logging
import operator
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import reduce
from typing import TypeVar

import numpy as np
from flwr.app import Array, ArrayRecord, ConfigRecord, Message, RecordDict
from flwr.serverapp import Grid

from fer_models.errors import RunError
from fer_models.linear import statistics
from fer_models.local import kernel
from fer_models.local.training import Update
from fer_models.order import Order
from server.selection import share_out
from server.strategies.base import PhoneInputs

_T = TypeVar("_T", "_Read", "_ReadSums")
_REASON = 200  # characters of a node's failure that are shown
_TRIES = 5  # attempts at most for a phone, on nodes that have not failed as long as there are any
NOT_FINITE, _WRONG = "not finite", "not of the shape that was asked for"
_LARGE = "too large to be added exactly"
_SLACK = 1.001  # factor by which rounding may take a sum beyond the bound sent with it


@dataclass(frozen=True)
class Replies:
    """The replies of phones that trained."""

    ids: np.ndarray  # (k,) int64, sorted: the phones included
    update: Update  # the sum over them
    dropped: dict[int, str]  # the other phones' ids, and why
    each: dict[str, np.ndarray] = field(default_factory=dict)  # one row per phone of `ids`, if requested
    own: dict[str, np.ndarray] = field(default_factory=dict)  # personal heads
    metrics: dict[str, np.ndarray] = field(default_factory=dict)  # of transforms, (k,) each

    @property
    def phones(self) -> int:
        """The number of phones included."""
        return self.update.phones


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
        asked: PhoneInputs | None = None,
        homes: Mapping[int, int] | None = None,
    ) -> None:
        """`sizes`: views of each phone of the population. `kind`: Flower's message type. `homes`: the node of
        each phone if nodes are phones; otherwise any node works for any phone.
        """
        self._head = head
        self._record, self._order = ArrayRecord({"values": Array(head)}), ConfigRecord(order.scalars())
        self._phones, self._sizes, self._kind, self._block = phones, sizes, kind, block
        beside = vars(asked or PhoneInputs())
        self._beside = {name: values for name, values in beside.items() if values is not None}
        self._classes = order.classes or len(head)
        beside_sum = {
            "each": order.each or bool(order.measures),
            "own": bool(order.own),
            "metrics": bool(order.transforms),
        }
        self._asked = tuple(name for name, asked_for in beside_sum.items() if asked_for)  # records
        self._homes, self._epochs = homes, order.epochs
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
            arrays = {"ids": share} | {name: values[place] for name, values in self._beside.items()}
            record = ArrayRecord({name: Array(np.ascontiguousarray(a)) for name, a in arrays.items()})
            content = RecordDict({"head": self._record, "order": self._order, "phones": record})
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
        nothing = Update(np.zeros(self._head.shape), 0, 0, 0, 0.0, 0.0)
        rest = self._sizes, self._head.shape, self._epochs, self._asked, self._classes
        parts, dropped = self._sound(lambda reply, share: _read(reply, share, *rest))
        parts.append(_Read(self._phones[:0], nothing, {}, {}, {}))
        ids = np.concatenate([part.phones for part in parts])
        order = np.argsort(ids)
        return Replies(
            ids[order],
            reduce(operator.add, (part.update for part in parts)),
            dropped,
            _joined([part.each for part in parts], order),
            _joined([part.own for part in parts], order),
            _joined([part.metrics for part in parts], order),
        )

    def sums(self, kind: type[statistics.Sums], width: int, classes: int) -> Sums:
        """All replies to a query for sums of this kind, over features of this width."""
        shapes = kind.shapes(width, classes)
        parts, dropped = self._sound(lambda reply, share: _read_sums(reply, share, self._sizes, kind, shapes))
        total = reduce(operator.add, (part.sums for part in parts), kind.nothing(width, classes))
        return Sums(total, sum(len(part.phones) for part in parts), dropped)

    def _sound(self, read: Callable[[Message, np.ndarray], _T]) -> tuple[list[_T], dict[int, str]]:
        """Each usable reply as `read` returns it; and the ids of phones in none of them, with the reason."""
        parts, dropped = [], dict(self.lost)
        for share, reply in self.replies:
            try:
                parts.append(part := read(reply, share))
                dropped |= {int(phone): NOT_FINITE for phone in np.setdiff1d(share, part.phones)}
            except _UnsoundError as error:
                dropped |= {int(phone): str(error) for phone in share}
            except Exception:  # a missing record, or no array: its phones are reported as dropped
                dropped |= {int(phone): _WRONG for phone in share}
        return parts, dict(sorted(dropped.items()))


class _UnsoundError(ValueError):
    """A node's reply cannot be used, for this reason."""


@dataclass(frozen=True)
class _Read:
    phones: np.ndarray
    update: Update
    each: dict[str, np.ndarray]
    own: dict[str, np.ndarray]
    metrics: dict[str, np.ndarray]


@dataclass(frozen=True)
class _ReadSums:
    phones: np.ndarray
    sums: statistics.Sums


def _read_sums(
    reply: Message,
    share: np.ndarray,
    sizes: np.ndarray,
    kind: type[statistics.Sums],
    shapes: Mapping[str, tuple[int, int]],
) -> _ReadSums:
    """The sums that a node sent for the phones `share`; an error if they cannot be used."""
    record, views = reply.content.array_records["sums"], reply.content.metric_records["counts"]["views"]
    arrays, phones = {name: record[name].numpy() for name in shapes}, record["phones"].numpy()
    phones = _some_of(share, phones)
    if any(arrays[name].shape != shape for name, shape in shapes.items()) or views != sizes[phones].sum():
        raise _UnsoundError(_WRONG)
    if not all(np.isfinite(array).all() for array in arrays.values()):
        raise _UnsoundError(NOT_FINITE)
    if (sums := kind(**arrays)).n != views:
        raise _UnsoundError(_WRONG)
    return _ReadSums(phones, sums)


def _read(
    reply: Message,
    share: np.ndarray,
    sizes: np.ndarray,
    shape: tuple[int, ...],
    epochs: int,
    asked: tuple[str, ...],
    classes: int,
) -> _Read:
    """What a node sent for `share`, the phones assigned to it; an error if it cannot be used."""
    arrays, counts = reply.content.array_records["update"], reply.content.metric_records["counts"]
    total, phones = arrays["total"].numpy(), _some_of(share, arrays["phones"].numpy())
    views, photos, number = (int(counts[name]) for name in ("views", "photos", "phones"))  # type: ignore[arg-type]
    loss, reach = (float(counts[name]) for name in ("loss", "reach"))  # type: ignore[arg-type]
    told = (number, views, photos) == (len(phones), int(sizes[phones].sum()), views * epochs)
    if total.shape != shape or total.dtype.kind != "f" or not told:
        raise _UnsoundError(_WRONG)
    if not (np.isfinite(total).all() and np.isfinite([loss, reach]).all()):
        raise _UnsoundError(NOT_FINITE)
    if np.abs(total).max() > _SLACK * (reach + 1) or (len(share) == 1 and reach >= kernel.EXACT_BELOW):
        raise _UnsoundError(_LARGE)
    records = reply.content.array_records
    parts = {name: _rows(records[name], phones, (shape, (classes,), ())) for name in asked}
    update = Update(total.astype(np.float64, copy=False), views, photos, number, loss, reach)
    return _Read(phones, update, *(parts.get(name, {}) for name in ("each", "own", "metrics")))


def _some_of(share: np.ndarray, phones: np.ndarray) -> np.ndarray:
    """`phones`, which must be a subset of `share`, sorted, without duplicates."""
    if not np.isin(phones, share).all() or (np.diff(phones) <= 0).any():
        raise _UnsoundError(_WRONG)
    return phones


def _rows(
    record: ArrayRecord, phones: np.ndarray, shapes: tuple[tuple[int, ...], ...]
) -> dict[str, np.ndarray]:
    """The arrays of a record, reordered to one row per phone of `phones` (k,), each of one of `shapes`."""
    found, arrays = record["phones"].numpy(), {}
    place = np.searchsorted(found, phones)
    if not np.array_equal(found[np.minimum(place, len(found) - 1)] if len(found) else found, phones):
        raise _UnsoundError(_WRONG)
    for name in set(record) - {"phones"}:
        values = record[name].numpy()
        if len(values) != len(found) or values.shape[1:] not in shapes:
            raise _UnsoundError(_WRONG)
        if not np.isfinite(values := values[place]).all():
            raise _UnsoundError(NOT_FINITE)
        arrays[name] = values
    return arrays


def _joined(parts: list[dict[str, np.ndarray]], order: np.ndarray) -> dict[str, np.ndarray]:
    """The arrays of all parts, concatenated, their rows in the given order; {} if no part has any."""
    parts = [part for part in parts if part]
    names = parts[0] if parts else ()
    found = {name: [part[name] for part in parts if len(part[name])] for name in names}
    return {name: np.concatenate(rows or [parts[0][name]])[order] for name, rows in found.items()}


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
