"""Personal heads: in the state of a strategy, and in the run folder."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from safetensors import SafetensorError
from safetensors.numpy import load_file, save

from fer_models.errors import InputError
from fer_models.machine.cache import whole_file
from server.strategies.base import State

FILE = "own_heads.safetensors"
NAME = "own"  # their name in the state (server/strategies/phone_state.py)


@dataclass(frozen=True)
class PersonalHeads:
    """The phones that have a personal head, and the heads."""

    phones: np.ndarray  # (m,) int64, sorted
    heads: np.ndarray  # (m, C, D + 1) float32

    def save(self, folder: Path) -> None:
        """Writes the file of a run folder, whole."""
        with whole_file(folder / FILE) as temporary:
            temporary.write_bytes(save({"phones": self.phones, "heads": self.heads}))


def of(state: State) -> PersonalHeads | None:
    """The personal heads in a strategy's state; None if there are none."""
    if f"{NAME}.phones" not in state:
        return None
    return PersonalHeads(state[f"{NAME}.phones"], state[f"{NAME}.values"])


def load(folder: Path) -> PersonalHeads | None:
    """The personal heads in a run folder; None if there are none; InputError if the file is damaged."""
    path = folder / FILE
    if not path.exists():
        return None
    try:
        arrays = load_file(path)
        return PersonalHeads(arrays["phones"], arrays["heads"])
    except (OSError, SafetensorError, KeyError) as error:
        raise InputError(f"{path} is damaged ({error}); remove it, and the run writes it again") from error
