"""Collects the phones' replies; a round with too few usable ones is repeated once, then fails."""

from collections import Counter
from collections.abc import Callable
from typing import Protocol, TypeVar

import numpy as np
from flwr.app import MessageType
from flwr.serverapp import Grid

from fer_models.errors import RunError
from fer_models.local import kernel
from fer_models.local.terms import PhoneInputs
from fer_models.machine import stamp
from fer_models.order import Order
from server.exchange import Exchange, More, Sums
from server.job import Plan
from server.reading import LARGE, NOT_FINITE, Hidden
from server.replies import Replies, Reply
from server.strategies.registry import check_phones


class Asked(Protocol):
    """An exchange with phones: server.exchange.Exchange, or the steps of secure aggregation."""

    @property
    def wire_bytes(self) -> int:
        """The payload of its messages, both ways."""

    def finish(self, grid: Grid, patience: float | None = None) -> None:
        """Sends until every phone is accounted for."""


_T = TypeVar("_T", Replies, Sums)
_E = TypeVar("_E", bound=Asked)
_NAMED = 10  # phones that an error lists


def asking(
    plan: Plan,
    order: Order,
    head: np.ndarray,
    phones: np.ndarray,
    *,
    kind: str = MessageType.TRAIN,
    inputs: PhoneInputs | None = None,
    more: More | None = None,
    hidden: Hidden | None = None,
) -> Exchange:
    """The exchange with these phones of the plan."""
    return Exchange(
        order, head, phones, plan.sizes, kind=kind, block=plan.block, inputs=inputs, homes=plan.homes,
        counts=plan.counts, more=more, hidden=hidden,
    )  # fmt: skip


def enough(
    grid: Grid,
    plan: Plan,
    number: int,
    ask: Callable[[], _E],
    read: Callable[[_E], _T],
    phones: int,
) -> tuple[_T, int]:
    """The replies of round `number` as `read` returns them, and the bytes on the wire.

    Repeats the exchange once if too few of `phones` are usable. RunError if that does not help, or if
    training diverged.
    """
    wire_bytes, short = 0, ""
    for _ in range(2):
        exchange = ask()
        finish(exchange, grid, plan)
        wire_bytes += exchange.wire_bytes
        replies = read(exchange)
        _check_not_diverged(replies, phones, number, plan)
        if not (short := _short(plan, replies.phones)):
            return replies, wire_bytes
    raise _too_few(replies, phones, number, short, plan)


def finish(exchange: Asked, grid: Grid, plan: Plan) -> None:
    """Waits until every phone is accounted for; RunError, which names prepared files if one changed."""
    try:
        exchange.finish(grid, plan.patience)
    except RunError:
        stamp.check_unchanged(plan.stamp)
        raise


def _short(plan: Plan, phones: int) -> str:
    """Why this number of phones is too few for a round; "" if it is enough."""
    if phones < plan.min_phones:
        return f"fewer than federation.min_phones = {plan.min_phones}"
    try:
        check_phones(plan.strategy, phones)
    except ValueError as error:
        return f"too few for the strategy: {error}"
    return ""


def _check_not_diverged(replies: Replies | Sums, selected: int, number: int, plan: Plan) -> None:
    """RunError if most of the round's updates are too large: that is no attack but training that diverges."""
    large = sum(why == LARGE for why in replies.dropped.values())
    if 2 * large > selected:
        raise RunError(
            f"training diverged in round {number}: the updates of {large} of {selected} phones are too large;"
            f" {_lower(plan)}",
            resumable=False,
        )


def check_folded(reply: Reply, number: int, plan: Plan, *, failed: bool) -> None:
    """RunError if the strategy cannot work with what is folded, a fold of replies of several rounds.

    A resumed run trains and folds the same, unless updates of phones `failed` to arrive in this round.
    """
    large = reply.update.reach >= kernel.EXACT_BELOW
    why = "their updates are too large to be added exactly" if large else ""
    try:
        check_phones(plan.strategy, reply.update.phones)
    except ValueError as error:
        why = str(error)
    if why:
        raise RunError(
            f"in round {number} the updates of {reply.update.phones} phones are folded: {why}",
            resumable=failed and not large,
        )


def _lower(plan: Plan) -> str:
    return "lower train.lr" + (" or attack.scale" if plan.transforms else "")


def _too_few(replies: Replies | Sums, selected: int, number: int, short: str, plan: Plan) -> RunError:
    """The error for a round that has too few usable updates."""
    named = ", ".join(map(str, list(replies.dropped)[:_NAMED])) + (
        ", ..." if len(replies.dropped) > _NAMED else ""
    )
    reasons = Counter(replies.dropped.values()).most_common(1)
    why = f"; dropped: {named} ({reasons[0][0]})" if reasons else ""
    diverged = bool(reasons) and reasons[0][0] in (NOT_FINITE, LARGE)
    return RunError(
        f"in round {number} only {replies.phones} of {selected} phones sent usable updates, {short}, even "
        f"after a repeat{why}{f'; {_lower(plan)} if training diverged' if diverged else ''}",
        resumable=not diverged,
    )
