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
    dropped: Mapping[int, str] = field(default_factory=dict)  # phones whose replies are never folded, and why


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
    scheduler: Scheduler, replies: Sequence[Reply], waiting: Sequence[Reply], clock: float, *, last: bool
) -> Decision:
    """The scheduler's decision; in the `last` round, what it would keep for later is dropped.

    RunError if it loses a phone's reply, or uses one that is not there.
    """
    decision = _checked(scheduler, replies, waiting, clock)
    if not last or not decision.later:
        return decision
    waited = {phone: _WAITED for _, phone in _phones(decision.later)}
    return replace(decision, later=(), dropped={**decision.dropped, **waited})


def _checked(
    scheduler: Scheduler, replies: Sequence[Reply], waiting: Sequence[Reply], clock: float
) -> Decision:
    decision = scheduler.decide(replies, waiting, clock)
    held, kept = (*replies, *waiting), (*decision.now, *decision.later)
    if len(held) == len(kept) and set(map(id, held)) == set(map(id, kept)):
        return decision
    before, after = _phones(held), _phones(kept)
    lost = [phone for number, phone in before if (number, phone) not in after]
    if set(lost) - decision.dropped.keys() or set(after) - set(before) or len(after) != len(set(after)):
        raise RunError(
            f"the scheduler {type(scheduler).__name__} lost a reply, or used one twice; correct it: each is"
            " folded now or later, or its phones are dropped",
            resumable=False,
        )
    return decision


def _phones(replies: Iterable[Reply]) -> list[tuple[int, int]]:
    """Round and id of each phone in the replies."""
    return [
        pair for reply in replies for pair in zip(reply.rounds.tolist(), reply.phones.tolist(), strict=True)
    ]
