"""Krum and Multi-Krum: trust the phones whose updates are closest to those of others.

Blanchard, El Mhamdi, Guerraoui and Stainer, "Machine Learning with Adversaries: Byzantine Tolerant Gradient
Descent", 2017, NeurIPS 30 (arXiv:1703.02757). Of n phones f may be Byzantine. A phone's score is the sum
of the squared distances from its update to the n - f - 2 closest others. Krum takes the update with the
lowest score, Multi-Krum the unweighted mean of the `keep` lowest (weights would be the phones' own claims).
Ties go to the lower phone id.

Proven for n >= 2f + 3. Krum's update is that of a single phone, including the label skew of its photos.
"""

from dataclasses import dataclass
from typing import Annotated, ClassVar

import numpy as np
from pydantic import Field

from server.strategies.base import Algorithm, RoundUpdates, State, moved
from server.strategies.bounds import Count
from server.strategies.distances import blocks


@dataclass(frozen=True)
class MultiKrum(Algorithm):
    """The mean of the updates with the lowest scores."""

    byzantine: Count | None = None  # f; None: a tenth of the phones
    keep: Annotated[int, Field(ge=1)] | None = None  # None: n - f - 2, as many as a score sums
    needs_updates: ClassVar[bool] = True

    def check(self, phones: int) -> None:
        """As for Krum; and the updates averaged must include an honest one."""
        check_multi_krum(phones, self.byzantine, self.keep)

    def step(self, head: np.ndarray, received: RoundUpdates, state: State) -> tuple[np.ndarray, State]:
        """The mean of the updates with the lowest scores."""
        assert received.updates is not None
        n = len(received.updates)
        f, keep = check_multi_krum(n, self.byzantine, self.keep)
        trusted = np.zeros(n, bool)
        trusted[np.argsort(scores(received.updates, f), kind="stable")[:keep]] = True
        mean = received.updates.mean(axis=0, dtype=np.float64, where=trusted[:, None, None])
        return moved(head, mean), state


@dataclass(frozen=True)
class Krum(Algorithm):
    """The update with the lowest score."""

    byzantine: Count | None = None  # f; None: a tenth of the phones
    needs_updates: ClassVar[bool] = True

    def check(self, phones: int) -> None:
        """ValueError unless enough of the phones are honest."""
        check_krum(phones, self.byzantine)

    def step(self, head: np.ndarray, received: RoundUpdates, state: State) -> tuple[np.ndarray, State]:
        """The update with the lowest score."""
        assert received.updates is not None
        f = check_krum(len(received.updates), self.byzantine)
        best = scores(received.updates, f).argmin()
        return moved(head, received.updates[best].astype(np.float64)), state


def scores(updates: np.ndarray, f: int) -> np.ndarray:
    """Krum's score of each of updates (k, C, D + 1): (k,) float64."""
    closest, answer = len(updates) - f - 2, np.empty(len(updates))
    for rows, distances in blocks(updates):
        distances.sort(axis=1)  # the first is a phone's distance to itself: 0
        answer[rows] = distances[:, : closest + 1].sum(axis=1)
    return answer


def check_krum(phones: int, byzantine: int | None, name: str = "krum") -> int:
    """The number of phones per round that may be malicious; ValueError if Krum does not allow that many."""
    return allowed(name, phones, byzantine, (phones - 3) // 2, least=3)


def check_multi_krum(phones: int, byzantine: int | None, keep: int | None) -> tuple[int, int]:
    """The same, and the number of updates averaged; ValueError if these must include a malicious one."""
    f = check_krum(phones, byzantine, "multi-krum")
    if keep is not None and keep > phones - f:
        raise ValueError(
            f"keep must be at most {phones - f} with {phones} phones in a round, {f} of them malicious, "
            f"got {keep}; lower it"
        )
    return f, phones - f - 2 if keep is None else keep


def allowed(name: str, phones: int, byzantine: int | None, most: int, *, least: int) -> int:
    """`byzantine`, a tenth of the phones if None; ValueError above `most`, or for under `least` phones."""
    if phones < least:
        raise ValueError(
            f"name = {name} needs at least {least} phones in a round, got {phones}; let more phones take part"
        )
    if byzantine is not None and byzantine > most:
        raise ValueError(
            f"byzantine must be at most {most} for {name} with {phones} phones in a round, got {byzantine}; "
            "lower it, or let more phones take part"
        )
    return phones // 10 if byzantine is None else byzantine
