"""Secure aggregation on the server: a round's sum in four exchanges, and no single update.

Steps (Bell et al. 2020, ePrint 2020/704, algorithm 2; the phones' side is fer_models/secagg/phone.py):
1. keys: every phone sends two public keys; those that do are drawn into groups, and into a graph;
2. shares: every phone sends its neighbours shares of its secrets, encrypted; the server relays them;
3. masked: the phones train and send their updates as elements of a ring, plus masks that cancel;
4. unmask: they send the shares of what is still in the sum; with it removed the sum is that of the updates.

A round that has to be repeated, because too few updates are usable or these are too large, is repeated before
step 4: of one round only one sum is ever uncovered. `secagg.protocol = "sum"` is step 3 without masks.
"""

import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace

import numpy as np
from flwr.app import Array, ArrayRecord, ConfigRecord
from flwr.serverapp import Grid

from fer_models.errors import RunError
from fer_models.local.terms import PhoneInputs
from fer_models.order import Order
from fer_models.secagg.keys import KEY_BYTES, usable
from fer_models.secagg.phone import SEALED_BYTES
from fer_models.secagg.shamir import SHARE_BYTES
from fer_models.secagg.unmasking import Group, unmasked
from server.circle import Circle, circle_of
from server.collect import asking, enough
from server.exchange import Exchange
from server.job import Plan
from server.mechanisms.secagg import LOST
from server.reading import LARGE, NOT_FINITE, WRONG, Hidden
from server.replies import Replies, folded

_ID = 8  # bytes of a phone's id on the wire


def collected(
    grid: Grid,
    plan: Plan,
    order: Order,
    head: np.ndarray,
    phones: np.ndarray,
    inputs: Callable[[], PhoneInputs],
) -> tuple[Replies, int]:
    """The replies of `phones` as one, once enough are usable, and the bytes on the wire.

    Updates that are too large only together are requested once more, each within an equal share. RunError if
    too few phones are left to unmask the sum.
    """
    below, asked = plan.secagg.ring.below, list[Secure]()
    for limit in (below, below / (len(phones) + 1)):
        limited = replace(order, reach_limit=limit)

        def ask(limited: Order = limited) -> Secure:
            asked.append(Secure(plan, limited, head, phones, inputs(), len(asked)))
            return asked[-1]

        replies, _ = enough(grid, plan, order.round, ask, Secure.answers, len(phones))
        if replies.reach < below:
            whole = asked[-1].unmasked(grid, replies)
            return whole, sum(each.wire_bytes for each in asked)
    raise RunError(f"in round {order.round} nodes sent larger updates than they may", resumable=False)


class Secure:
    """One attempt at a round: `finish` takes it to masked sums, as an exchange does, `unmasked` to theirs."""

    def __init__(
        self,
        plan: Plan,
        order: Order,
        head: np.ndarray,
        phones: np.ndarray,
        inputs: PhoneInputs,
        attempt: int,
    ) -> None:
        self._plan, self._order, self._head, self._inputs = plan, order, head, inputs
        self._phones, self._attempt = phones, attempt
        self._private = order.clip > 0  # then nothing tells who came, errors included
        self._settings = ConfigRecord({"attempt": attempt, "bits": plan.secagg.bits})
        lost = plan.secagg.losses(phones, order.round, attempt, seed=plan.seed)
        self._lost = dict(zip(LOST, lost, strict=True))
        self._dropped = {
            int(phone): f"lost before {step} (secagg.lose)" for step in LOST[:2] for phone in self._lost[step]
        }
        self._exchange: Exchange | None = None  # of step 3, once it was made
        self._metrics = dict[str, float]()
        self._down = self._up = 0
        self.wire_bytes = 0

    def finish(self, grid: Grid, patience: float | None = None) -> None:
        """Takes the attempt to the masked sums. RunError if too few phones could unmask them."""
        phones, within = self._phones, None
        if self._plan.secagg.masks and len(phones):
            with self._timed("keys"):
                self._circle = self._keys(grid, patience)
            with self._timed("shares"):
                self._shares(grid, patience)
            phones, within = np.setdiff1d(self._shared, self._lost["masks"]), self._within
        with self._timed("masked"):
            self._masked(grid, patience, phones, within)

    def answers(self) -> Replies:
        """The replies, without their sums, and the phones in none of them."""
        assert self._exchange is not None
        replies = self._exchange.answers()
        dropped = dict(sorted((self._dropped | replies.dropped).items()))
        return replace(replies, dropped=dropped)

    def unmasked(self, grid: Grid, replies: Replies) -> Replies:
        """The `answers` as one reply with its sum. RunError if too few phones sent shares."""
        plan, ring = self._plan, self._plan.secagg.ring
        one = folded(replies.nodes, self._head.shape)
        sums = dict[str, np.ndarray]()
        for reply in replies.nodes:
            for group, elements in reply.rings.items():
                sums[group] = sums[group] + elements if group in sums else elements
        if plan.secagg.masks and len(one.phones):
            with self._timed("unmask"):
                sums = self._unmask(grid, one.phones, sums)
        total = np.zeros(self._head.size, ring.dtype)
        for elements in sums.values():
            total += elements
        found = ring.decode(total).reshape(self._head.shape)
        if np.abs(found).max() > 1.001 * (one.update.reach + 1):
            raise RunError(
                f"in round {self._order.round} the sum of updates is beyond the bound sent with it",
                resumable=plan.homes is not None,
            )
        whole = replace(one, update=replace(one.update, total=found))
        self._up += len(one.phones) * self._head.size * (ring.dtype.itemsize - 4)
        nodes = (whole,) if len(one.phones) else ()
        return replace(replies, nodes=nodes, metrics=self._metrics, traffic=(self._down, self._up))

    def _keys(self, grid: Grid, patience: float | None) -> Circle:
        """The circle of the phones that send keys."""
        exchange = self._ask(grid, patience, "query.secagg_keys", self._phones)
        phones, keys, dropped = exchange.rows(mask_keys=(KEY_BYTES,), channel_keys=(KEY_BYTES,))
        self._dropped |= dropped
        if self._plan.homes is not None:  # phones of their own: whoever sends no key is not passed on
            rows = zip(keys["mask_keys"], keys["channel_keys"], strict=True)
            sound = np.array([all(usable(row.tobytes()) for row in pair) for pair in rows], np.bool_)
            self._dropped |= {int(phone): WRONG for phone in phones[~sound]}
            phones, keys = phones[sound], {name: rows[sound] for name, rows in keys.items()}
        self._count("keys", len(phones), up=2 * KEY_BYTES)
        try:
            return circle_of(
                phones, keys, self._plan.secagg, self._order.round, self._attempt, seed=self._plan.seed
            )
        except ValueError as error:
            why = "its coins brought too few phones" if self._private else f"secagg: {error}"
            raise RunError(
                f"round {self._order.round} cannot be masked: {why}", resumable=self._plan.homes is not None
            ) from error

    def _shares(self, grid: Grid, patience: float | None) -> None:
        """Notes who shares out its secrets, and what they send."""
        circle = self._circle
        asked = np.setdiff1d(circle.phones, self._lost["shares"])

        def more(share: np.ndarray) -> dict[str, np.ndarray]:
            return circle.relayed(share) | {"neighbours": circle.neighbours[circle.place(share)]}

        exchange = self._ask(grid, patience, "query.secagg_shares", asked, more)
        width = circle.neighbours.shape[1]
        phones, found, dropped = exchange.rows(sealed=(width, SEALED_BYTES))
        self._dropped |= dropped
        self._shared, self._within = phones, circle.among(phones)
        self._sealed = np.zeros((len(circle.phones), width, SEALED_BYTES), np.uint8)
        self._sealed[circle.place(phones)] = found["sealed"]
        edges = int((circle.neighbours[circle.place(phones)] >= 0).sum())
        self._count("shares", edges, down=_ID + 2 * KEY_BYTES, up=SEALED_BYTES)
        rows = circle.place(phones)
        few = (self._within[rows] >= 0).sum(axis=1) < circle.thresholds[rows]
        if few.any():
            self._too_few(int(phones[few][0]), "sent shares")

    def _masked(
        self, grid: Grid, patience: float | None, phones: np.ndarray, within: np.ndarray | None
    ) -> None:
        """Has the phones train; their replies hold masked sums."""
        groups = np.zeros(len(phones), np.int64)
        if within is not None:
            groups = self._circle.groups[self._circle.place(phones)]
        hidden = Hidden(
            self._plan.secagg.ring.dtype, dict(zip(phones.tolist(), groups.tolist(), strict=True))
        )

        def more(share: np.ndarray) -> dict[str, np.ndarray]:
            found = {"groups": groups[np.searchsorted(phones, share)]}
            return found if within is None else found | self._known(share)

        inputs = self._inputs.of(np.searchsorted(self._phones, phones))
        self._exchange = self._ask(
            grid, patience, "train.secagg_masked", phones, more, head=self._head, inputs=inputs, hidden=hidden
        )
        if within is not None:
            edges = int((within[self._circle.place(phones)] >= 0).sum())
            self._count("masked", edges, down=_ID)
        ring = self._plan.secagg.ring
        self._metrics["secagg_masked_bytes"] = self._metrics.get(
            "secagg_masked_bytes", 0
        ) + self._head.size * (4 + ring.dtype.itemsize)

    def _known(self, share: np.ndarray) -> dict[str, np.ndarray]:
        """Whom the phones mask with; a simulated phone, which remembers nothing, is told their keys again."""
        found = {"within": self._within[self._circle.place(share)]}
        return found if self._plan.homes is not None else found | self._circle.relayed(share)

    def _unmask(self, grid: Grid, sent: np.ndarray, sums: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
        """The sums of the groups without their masks."""
        circle = self._circle
        groups = circle.unmasking(self._shared, sent, self._order.round, self._attempt)
        self._check(groups, sent, "sent updates")
        alive = np.isin(self._within, sent).astype(np.uint8)
        sealed = circle.mirrored(self._sealed)

        def more(share: np.ndarray) -> dict[str, np.ndarray]:
            rows = circle.place(share)
            return self._known(share) | {"alive": alive[rows], "sealed": sealed[rows]}

        asked = np.setdiff1d(sent, self._lost["unmasking"])
        exchange = self._ask(grid, self._plan.patience, "query.secagg_unmask", asked, more)
        width = circle.neighbours.shape[1]
        phones, found, _ = exchange.rows(shares=(width, SHARE_BYTES))
        self._metrics["secagg_lost_unmasking"] = float(len(sent) - len(phones))
        edges = int((self._within[circle.place(phones)] >= 0).sum())
        self._count("unmask", edges, down=_ID + 1 + SEALED_BYTES, up=SHARE_BYTES)
        self._check(groups, phones, "sent shares of what is masked")
        shares = {
            phone: {other: row[slot].tobytes() for slot, other in enumerate(others) if other >= 0}
            for phone, others, row in zip(
                phones.tolist(), self._within[circle.place(phones)].tolist(), found["shares"], strict=True
            )
        }
        ring = self._plan.secagg.ring
        return {
            name: unmasked(sums[name], group, shares, ring) for name, group in groups.items() if name in sums
        }

    def _check(self, groups: Mapping[str, Group], answering: np.ndarray, what: str) -> None:
        there = frozenset(answering.tolist())
        for group in groups.values():
            if (phone := group.enough(there)) is not None:
                self._too_few(phone, what)

    def _too_few(self, phone: int, what: str) -> None:
        threshold = int(self._circle.thresholds[self._circle.place(np.array([phone]))[0]])
        reasons = Counter(self._reasons())
        why = "" if self._private or not reasons else f"; lost: {reasons.most_common(1)[0][0]}"
        raise RunError(
            f"in round {self._order.round} fewer than {threshold} neighbours of"
            f" {'a phone' if self._private else f'phone {phone}'} {what} (secagg.threshold), so nothing is"
            f" unmasked{why}; raise secagg.dropouts",
            resumable=not any(self._plan.secagg.lose) and not {NOT_FINITE, LARGE} & set(reasons),
        )

    def _reasons(self) -> list[str]:
        """Why phones were lost so far."""
        masked = {} if self._exchange is None else self._exchange.answers().dropped
        return [*self._dropped.values(), *masked.values()]

    def _ask(
        self,
        grid: Grid,
        patience: float | None,
        kind: str,
        phones: np.ndarray,
        more: Callable[[np.ndarray], dict[str, np.ndarray]] = lambda share: {},
        *,
        head: np.ndarray | None = None,
        inputs: PhoneInputs | None = None,
        hidden: Hidden | None = None,
    ) -> Exchange:
        """One step with `phones`, finished; `more`: arrays for a share of them."""

        def records(share: np.ndarray) -> Mapping[str, ArrayRecord | ConfigRecord]:
            arrays = {name: Array(np.ascontiguousarray(a)) for name, a in more(share).items()}
            return {"secagg": self._settings, "circle": ArrayRecord(arrays)}

        exchange = asking(
            self._plan, self._order, self._head[:0] if head is None else head, phones, kind=kind,
            inputs=inputs, more=records, hidden=hidden,
        )  # fmt: skip
        exchange.finish(grid, patience)
        self.wire_bytes += exchange.wire_bytes
        return exchange

    @contextmanager
    def _timed(self, step: str) -> Iterator[None]:
        began = time.perf_counter()
        yield
        self._metrics[f"secagg_{step}_seconds"] = round(time.perf_counter() - began, 4)

    def _count(self, step: str, times: int, *, down: int = 0, up: int = 0) -> None:
        """Counts bytes that real phones would receive and send in a step, so many times."""
        self._down += times * down
        self._up += times * up
        self._metrics[f"secagg_{step}_bytes"] = round(times * (down + up) / len(self._phones), 1)
