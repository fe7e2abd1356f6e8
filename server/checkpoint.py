"""The state that a run resumes from: the current and the selected head, their rounds, the algorithm's state,
and the replies that the scheduler keeps for later.

Everything else follows from the settings and the round number: no random generator carries state.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from safetensors import SafetensorError
from safetensors.numpy import load_file, save

from fer_models.errors import InputError
from fer_models.evaluation import Selection
from fer_models.machine.cache import whole_file
from server.replies import Reply
from server.strategies.base import State

FILE = "checkpoint.safetensors"
_STATE = "state."  # prefix of the names of the algorithm's arrays
_PRIVATE = "private."  # and of those of the privacy mechanism
_WAITING = "waiting."  # and of those of the replies that wait, with their number


@dataclass(frozen=True)
class Checkpoint:
    """The state after round `number`."""

    number: int
    head: np.ndarray  # (C, D + 1) float32
    selection: Selection[np.ndarray]
    seconds: float = 0.0  # run time so far, summed over resumes
    state: State = field(default_factory=dict)  # of the server's algorithm
    waiting: tuple[Reply, ...] = ()  # replies that the scheduler folds later
    private: State = field(default_factory=dict)  # of the privacy mechanism

    def save(self, folder: Path) -> None:
        """Writes the checkpoint, whole."""
        arrays = {
            "head": self.head,
            "selected": self.selection.head,
            "rounds": np.array([self.number, self.selection.number]),
            "macro_f1": np.array([self.selection.macro_f1]),
            "seconds": np.array([self.seconds]),
        }
        arrays |= {f"{_STATE}{name}": array for name, array in self.state.items()}
        arrays |= {f"{_PRIVATE}{name}": array for name, array in self.private.items()}
        for number, reply in enumerate(self.waiting):
            arrays |= {f"{_WAITING}{number}.{name}": array for name, array in reply.arrays().items()}
        with whole_file(folder / FILE) as temporary:
            temporary.write_bytes(save(arrays))


def load(folder: Path, rule: str) -> Checkpoint | None:
    """The checkpoint of a run folder; None if there is none yet; InputError if it is damaged."""
    path = folder / FILE
    if not path.exists():
        return None
    try:
        arrays = load_file(path)
        number, selected = (int(n) for n in arrays["rounds"])
        selection = Selection(rule, arrays["selected"], selected, float(arrays["macro_f1"][0]))
        state, private = (
            {n.removeprefix(prefix): a for n, a in arrays.items() if n.startswith(prefix)}
            for prefix in (_STATE, _PRIVATE)
        )
        seconds, waiting = float(arrays["seconds"][0]), tuple(_waiting(arrays))
        return Checkpoint(number, arrays["head"], selection, seconds, state, waiting, private)
    except (OSError, SafetensorError, KeyError, ValueError) as error:
        raise InputError(
            f"{path} is damaged ({error}); remove it to start that run from its first round"
        ) from error


def _waiting(arrays: dict[str, np.ndarray]) -> Iterator[Reply]:
    """The replies that wait, in their order."""
    number = 0
    while f"{_WAITING}{number}.phones" in arrays:
        prefix = f"{_WAITING}{number}."
        yield Reply.of({n.removeprefix(prefix): a for n, a in arrays.items() if n.startswith(prefix)})
        number += 1
