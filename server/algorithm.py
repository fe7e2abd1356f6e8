"""What an algorithm of the server is: from the head of a round and what came back to the next head.

Each algorithm is a page of its own, pure NumPy, and reads like its paper: fedavg, fedavgm, adaptive, qfedavg,
median, trimmed_mean, krum, bulyan. `algorithms.make` builds the one that the settings name.
"""

from dataclasses import dataclass
from typing import ClassVar, Protocol

import numpy as np

State = dict[str, np.ndarray]  # what the server keeps between rounds; goes into the checkpoint as it is


@dataclass(frozen=True)
class Came:
    """What came back in a round; the phones are sorted by id."""

    phones: np.ndarray  # (k,) int64, ids
    views: np.ndarray  # (k,) int64, the weight of each
    mean: np.ndarray  # (C, D + 1) float64: sum of views * (head - start) / sum of views
    updates: np.ndarray | None = None  # (k, C, D + 1) float32, each phone's head - start; for `stacked` ones
    losses: np.ndarray | None = (
        None  # (k,) float64, mean loss of the start on each phone's views; for `losses`
    )


class Algorithm(Protocol):
    """One server step. Everything is computed in float64 and rounded to float32 once, in the new head.

    An algorithm holds its options and nothing that changes: what it keeps goes in and out as `State`.
    """

    stacked: ClassVar[bool]  # whether it needs `Came.updates`
    losses: ClassVar[bool]  # whether it needs `Came.losses`

    def begin(self, head: np.ndarray) -> State:
        """The state before the first round, for a head of this shape (C, D + 1)."""

    def step(self, head: np.ndarray, came: Came, state: State) -> tuple[np.ndarray, State]:
        """The head (C, D + 1) float32 that phones started from -> the next one, and the next state."""


def moved(head: np.ndarray, by: np.ndarray) -> np.ndarray:
    """The head (C, D + 1) float32 moved by an update (C, D + 1) float64, rounded once."""
    return (head + by).astype(np.float32)
