"""Which nodes' replies are folded into the next head now, later, or never.

A scheduler decides about each reply of a round, and each that still waits from earlier rounds, before they
are summed. Waiting replies are part of the checkpoint, so a resumed run folds the same ones. A strategy reads
a late update with the learning rate of its own round, and with the strategy's state of the round in which it
is folded. The only scheduler so far is `Barrier`: synchronous rounds, as in FedAvg (McMahan et al. 2017).
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Protocol

from fer_models.errors import RunError
from server.replies import Reply

_WAITED = "still waiting when the last round ended"


@dataclass(frozen=True)
class Decision:
    """What to do with each reply."""

    now: Sequence[Reply]  # folded into the head of this round
    later: Sequence[Reply] = ()  # kept for the next round's decision
    # Updates that are never folded, by the round in which they were requested and their phone, and why.
    dropped: Mapping[tuple[int, int], str] = field(default_factory=dict)

    def dropped_phones(self, number: int, failed: Mapping[int, str]) -> dict[int, str]:
        """The phones of which round `number` drops an update, and why, with the round of an earlier update.

        `failed`: those of which no update arrived in this round, and why.
        """
        every = {(number, phone): why for phone, why in failed.items()} | dict(self.dropped)
        found = dict[int, list[str]]()
        for (sent, phone), why in sorted(every.items()):
            own = why if sent == number else f"{why} (its update of round {sent})"
            found.setdefault(phone, []).append(own)
        return {phone: "; ".join(reasons) for phone, reasons in sorted(found.items())}


class Scheduler(Protocol):
    """Decides what is folded when. It keeps nothing between rounds: what waits is handed to it again."""

    def decide(self, replies: Sequence[Reply], waiting: Sequence[Reply], clock: float) -> Decision:
        """Sorts this round's `replies`, by their first phone, and those `waiting`, into now, later, dropped.

        A reply of a node that works for many phones holds all of them: with a decision that depends on it,
        results depend on `federation.nodes`. `clock`: seconds since the run began, summed over resumes.
        """


class Barrier:
    """A round ends when every phone has replied or failed, and folds all replies."""

    def decide(self, replies: Sequence[Reply], waiting: Sequence[Reply], clock: float) -> Decision:
        """Everything now; nothing ever waits."""
        return Decision((*waiting, *replies))


def decided(
    scheduler: Scheduler,
    replies: Sequence[Reply],
    waiting: Sequence[Reply],
    clock: float,
    *,
    least: int = 1,
    last: bool = False,
) -> Decision:
    """The scheduler's decision, with what no decision may do.

    A step rests on the updates of at least `least` phones, `federation.min_phones`: of fewer none is folded,
    and those are dropped; a scheduler that would rather wait for more phones keeps them for later. In the
    `last` round, what it would keep is dropped.

    RunError if it loses an update, uses one that is not there, or drops one and uses it.
    """
    decision = _checked(scheduler, replies, waiting, clock)
    if least > 1 and len(set().union(*(reply.phones.tolist() for reply in decision.now))) < least:
        few = dict.fromkeys(_updates(decision.now), f"folded with fewer than federation.min_phones = {least}")
        decision = replace(decision, now=(), dropped={**decision.dropped, **few})
    if not last or not decision.later:
        return decision
    waited = dict.fromkeys(_updates(decision.later), _WAITED)
    return replace(decision, later=(), dropped={**decision.dropped, **waited})


def _checked(
    scheduler: Scheduler, replies: Sequence[Reply], waiting: Sequence[Reply], clock: float
) -> Decision:
    decision = scheduler.decide(replies, waiting, clock)
    held, kept = (*replies, *waiting), (*decision.now, *decision.later)
    if len(held) == len(kept) and set(map(id, held)) == set(map(id, kept)) and not decision.dropped:
        return decision
    if sorted(_updates(held)) != sorted([*_updates(kept), *decision.dropped]):
        raise RunError(
            f"the scheduler {type(scheduler).__name__} lost a reply, or used one twice; correct it: each is"
            " folded now or later, or each (round, phone) of it is dropped",
            resumable=False,
        )
    return decision


def _updates(replies: Iterable[Reply]) -> list[tuple[int, int]]:
    """Each update in the replies, by its round and phone."""
    return [
        pair for reply in replies for pair in zip(reply.rounds.tolist(), reply.phones.tolist(), strict=True)
    ]
