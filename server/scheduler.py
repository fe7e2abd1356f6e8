"""Which replies are folded into the next head now, later, or never.

A scheduler sees the replies of a round and those still waiting from earlier rounds. The only one so far is
`Barrier`: synchronous rounds, as in FedAvg (McMahan et al. 2017).
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Protocol

from server.exchange import Replies


@dataclass(frozen=True)
class Decision:
    """What to do with each reply."""

    now: Replies  # folded into the head of this round
    later: tuple[Replies, ...] = ()  # kept for the next round's decision
    dropped: Mapping[int, str] = field(default_factory=dict)  # phones whose replies are never folded, and why


class Scheduler(Protocol):
    """Decides what is folded when."""

    def decide(self, replies: Replies, waiting: tuple[Replies, ...], clock: float) -> Decision:
        """Sorts this round's `replies` and those `waiting` into now, later and dropped.

        `clock`: seconds since the run began.
        """


class Barrier:
    """A round ends when every phone has replied or failed, and folds all replies."""

    def decide(self, replies: Replies, waiting: tuple[Replies, ...], clock: float) -> Decision:
        """Everything now; nothing ever waits."""
        return Decision(replies)
