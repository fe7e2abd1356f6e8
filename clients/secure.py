"""The phones' end of secure aggregation: messages in, the phones' side of each step, messages out.

The steps are values in fer_models/secagg/phone.py. A node that is a phone keeps its state in Flower's context
and takes its secrets from the operating system. A simulated phone remembers nothing: its secrets follow from
the seed, and the server sends its neighbours' keys again, so any node can go on for it.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey
from flwr.app import Array, ArrayRecord, Context, Message, RecordDict

from clients import phone_node
from clients.phones import Train
from fer_models.local.phone_rows import PhoneData
from fer_models.local.training import LocalWork, Trained
from fer_models.local.transforms import joined
from fer_models.machine.code import check_node
from fer_models.order import Order
from fer_models.secagg import masks, shamir
from fer_models.secagg.keys import KEY_BYTES, Secrets, agreed
from fer_models.secagg.phone import Agree, Neighbours, Phone, RefusedError, Stage, begun, plainly
from fer_models.secagg.ring import RINGS

_STATE = "secagg"  # in the context


@dataclass(frozen=True)
class Request:
    """One message of the protocol, as the node reads it; "circle" holds a row for each of its phones."""

    order: Order
    attempt: int
    bits: int
    phones: np.ndarray  # (m,) int64
    circle: dict[str, np.ndarray]
    context: Context

    @classmethod
    def of(cls, message: Message, context: Context) -> "Request":
        """The request in a message."""
        records = message.content.config_records
        order, settings = Order.from_scalars(records["order"]), records["secagg"]
        check_node(order.code, order.own_classes)
        arrays = message.content.array_records
        circle = {name: array.numpy() for name, array in arrays.get("circle", ArrayRecord()).items()}
        attempt, bits = int(settings["attempt"]), int(settings["bits"])  # type: ignore[arg-type]
        return cls(order, attempt, bits, arrays["phones"]["ids"].numpy(), circle, context)

    @property
    def simulated(self) -> bool:
        """Whether the node works for phones that are none."""
        return bool(self.order.prepared)

    @property
    def agree(self) -> tuple[Agree, Agree]:
        """How phones agree on keys for masks, and for shares."""
        if not self.simulated:
            return plainly, plainly
        _AGREED.begin(self.order.seed, self.order.round, self.attempt)
        return _AGREED.masks, _AGREED.channels

    def begin(self, phone: int) -> Phone:
        """A phone at the beginning of this attempt."""
        number, attempt = self.order.round, self.attempt
        if self.simulated:
            return begun(phone, number, attempt, Secrets.seeded(self.order.seed, number, attempt, phone))
        if phone != (own := phone_node.number(self.context.node_config)):
            raise RefusedError(f"this node is phone {own}, but the order is for phone {phone}")
        return begun(phone, number, attempt, Secrets.fresh(), self._kept())

    def at(self, place: int, stage: Stage) -> Phone:
        """The phone at `place`, which has answered `stage`, as it was left."""
        phone, order = int(self.phones[place]), self.order
        if not self.simulated:
            kept = self._kept()
            if kept is None or (kept.id, kept.round, kept.attempt) != (phone, order.round, self.attempt):
                raise RefusedError(f"phone {phone} sent no keys for round {order.round}")
            return kept
        begun_there = self.begin(phone)
        if stage == "keys":
            return begun_there
        others, within = self.neighbours(place), tuple(self.row("within", place))
        threshold = int(self.circle["thresholds"][place])
        return replace(begun_there, stage=stage, neighbours=others, threshold=threshold, within=within)

    def keep(self, phone: Phone) -> None:
        """Keeps the state of a node that is a phone until its next message."""
        if not self.simulated:
            arrays = {name: Array(array) for name, array in phone.arrays().items()}
            self.context.state[_STATE] = ArrayRecord(arrays)

    def _kept(self) -> Phone | None:
        if _STATE not in self.context.state:
            return None
        record = self.context.state.array_records[_STATE]
        return Phone.of({name: array.numpy() for name, array in record.items()})

    def row(self, name: str, place: int) -> list[int]:
        """The phones in a row of the circle."""
        row = self.circle[name][place]
        return [int(phone) for phone in row[row >= 0]]

    def neighbours(self, place: int) -> Neighbours:
        """The neighbours of the phone at `place`, with their keys."""
        ids = np.array(self.row("neighbours" if "neighbours" in self.circle else "within", place))
        found = np.searchsorted(self.circle["known"], ids)
        keys = ([self.circle[name][i].tobytes() for i in found] for name in ("mask_keys", "channel_keys"))
        return Neighbours(tuple(ids.tolist()), *map(tuple, keys))

    def reply(self, message: Message, **arrays: np.ndarray) -> Message:
        """The reply: arrays with a row for each phone."""
        sent = {name: Array(array) for name, array in {"phones": self.phones, **arrays}.items()}
        return Message(RecordDict({"circle": ArrayRecord(sent)}), reply_to=message)


def keys(message: Message, context: Context) -> Message:
    """New keys of each phone; replies with the public ones, of masks and of shares, (m, 32) uint8 each."""
    request, found = Request.of(message, context), []
    for number in request.phones.tolist():
        phone = request.begin(number)
        request.keep(phone)
        found.append(b"".join(phone.secrets.public))
    every = np.frombuffer(b"".join(found), np.uint8).reshape(-1, 2, KEY_BYTES)
    return request.reply(message, mask_keys=every[:, 0].copy(), channel_keys=every[:, 1].copy())


def shares(message: Message, context: Context) -> Message:
    """Each phone's secrets, shared out: (m, K, SEALED_BYTES) uint8, by neighbour as they are listed."""
    request = Request.of(message, context)
    _, agree = request.agree
    width = request.circle["neighbours"].shape[1]
    found = np.zeros((len(request.phones), width, 2 * shamir.SHARE_BYTES + 16), np.uint8)
    for place in range(len(request.phones)):
        threshold = int(request.circle["thresholds"][place])
        phone, sealed = request.at(place, "keys").share(request.neighbours(place), threshold, agree)
        request.keep(phone)
        found[place, : len(sealed)] = np.frombuffer(b"".join(sealed), np.uint8).reshape(len(sealed), -1)
    return request.reply(message, sealed=found)


def unmask(message: Message, context: Context) -> Message:
    """Each phone's shares of those it masked with: (m, K, SHARE_BYTES) uint8, as they are listed."""
    request = Request.of(message, context)
    _, agree = request.agree
    alive, sealed = request.circle["alive"], request.circle["sealed"]
    found = np.zeros((*sealed.shape[:2], shamir.SHARE_BYTES), np.uint8)
    for place in range(len(request.phones)):
        others = {
            slot: other for slot, other in enumerate(request.circle["within"][place].tolist()) if other >= 0
        }
        both: tuple[dict[int, bytes], dict[int, bytes]] = ({}, {})
        for slot, other in others.items():
            both[0 if alive[place, slot] else 1][other] = sealed[place, slot].tobytes()
        phone, told = request.at(place, "masked").unmask(*both, agree)
        request.keep(phone)
        for slot, other in others.items():
            found[place, slot] = np.frombuffer(told[other], np.uint8)
    return request.reply(message, shares=found)


class Masking:
    """The local update of phones whose updates leave the node as sums in the ring, one for each group."""

    def __init__(self, message: Message, context: Context) -> None:
        self._request = Request.of(message, context)
        self._ring = RINGS[self._request.bits]
        self._sums = dict[int, np.ndarray]()

    def around(self, trainer: Callable[..., Trained]) -> Train:
        """The trainer that adds the phones' updates to the ring, with their masks, and returns no sum."""

        def train(held: PhoneData, phones: np.ndarray, work: LocalWork) -> Trained:
            parts = []
            groups = self._request.circle["groups"][np.searchsorted(self._request.phones, phones)]
            for places in self._cuts(groups):
                own = replace(work, inputs=work.inputs.of(places))
                parts.append(part := trainer(held, phones[places], own))
                if len(part.phones):
                    self._add(int(groups[places[0]]), part, inwards=bool(work.clip))
            every = joined(parts, work)
            return replace(every, sum=replace(every.sum, total=np.zeros((0, work.head.shape[1]))))

        return train

    def _cuts(self, groups: np.ndarray) -> list[np.ndarray]:
        """Places of phones that are trained, and rounded, together: where sums are rounded, single ones."""
        if not self._ring.exact:
            return [np.array([place]) for place in range(len(groups))]
        return [np.flatnonzero(groups == group) for group in np.unique(groups)]

    def _add(self, group: int, part: Trained, *, inwards: bool) -> None:
        request, ring = self._request, self._ring
        total = self._sums.setdefault(group, np.zeros(part.sum.total.size, ring.dtype))
        total += ring.encode(part.sum.total, inwards=inwards)
        if "within" not in request.circle:
            return
        agree, _ = request.agree
        for place in np.searchsorted(request.phones, part.phones).tolist():
            phone, found = request.at(place, "shares").mask(request.row("within", place), agree)
            masks.add(total, found, ring)
            request.keep(phone)

    def seal(self, reply: RecordDict) -> RecordDict:
        """The reply with the ring's sums instead of the plain one."""
        plain = reply.array_records["update"]
        reply["update"] = ArrayRecord({name: plain[name] for name in plain if name != "total"})
        reply["rings"] = ArrayRecord({str(group): Array(total) for group, total in self._sums.items()})
        return reply


class _Agreed:
    """What pairs of simulated phones have in common: a node computes it once for both, and for all steps."""

    def __init__(self) -> None:
        self._of: tuple[int, ...] = ()
        self._found = dict[tuple[str, int, int], bytes]()

    def begin(self, *attempt: int) -> None:
        """Forgets what belongs to other attempts."""
        if attempt != self._of:
            self._of = attempt
            self._found.clear()

    def masks(self, phone: int, private: X25519PrivateKey, other: int, public: bytes) -> bytes:
        """As `plainly`, of keys of masks."""
        return self._either("mask", phone, private, other, public)

    def channels(self, phone: int, private: X25519PrivateKey, other: int, public: bytes) -> bytes:
        """As `plainly`, of keys of shares."""
        return self._either("channel", phone, private, other, public)

    def _either(self, kind: str, phone: int, private: X25519PrivateKey, other: int, public: bytes) -> bytes:
        pair = kind, min(phone, other), max(phone, other)
        if (found := self._found.get(pair)) is None:
            found = self._found[pair] = agreed(private, public)
        return found


_AGREED = _Agreed()
