"""Trained models as named arrays on disk; the linear head as one array in training and on the wire.

A linear head of C classes on D features is stored in files as {"weight": (C, D), "bias": (C,)}, float32, the
names of torch.nn.Linear; everywhere else it is one array (C, D + 1) with the bias in the last column.
"""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import numpy as np
from safetensors import SafetensorError, safe_open
from safetensors.numpy import save

from fer_models.errors import InputError
from fer_models.machine.cache import whole_file
from fer_models.seeding import stream

Arrays = dict[str, np.ndarray]
_ROWS = 4096  # at a time, so that a large matrix is never converted to float64 as a whole


class Classifier(Protocol):
    """A trained model: model inputs in, class probabilities out."""

    def probabilities(self, rows: np.ndarray) -> np.ndarray:
        """Class probabilities (n, C), float64, of n rows, which may be a memory map."""

    def arrays(self) -> Arrays:
        """Its named arrays, as stored in head.safetensors."""


@dataclass(frozen=True)
class LinearHead:
    """A linear head as a Classifier: values (C, D + 1), the bias in the last column."""

    values: np.ndarray

    def probabilities(self, rows: np.ndarray) -> np.ndarray:
        """Class probabilities (n, C), float64, of features (n, D)."""
        parts = [probabilities(self.values, rows[i : i + _ROWS]) for i in range(0, len(rows), _ROWS)]
        return np.concatenate(parts) if parts else np.empty((0, len(self.values)))

    def arrays(self) -> Arrays:
        """The arrays weight (C, D) and bias (C,)."""
        return as_arrays(self.values)


def new_head(classes: int, width: int, *, seed: int) -> np.ndarray:
    """A head (classes, width + 1), initialised like torch.nn.Linear: uniform within 1 / sqrt(width)."""
    bound = 1.0 / np.sqrt(width)
    return stream(seed, "head").uniform(-bound, bound, (classes, width + 1)).astype(np.float32)


def as_arrays(head: np.ndarray) -> Arrays:
    """The named arrays of a head (C, D + 1)."""
    return {"weight": np.ascontiguousarray(head[:, :-1]), "bias": head[:, -1].copy()}


def from_arrays(arrays: Arrays) -> np.ndarray:
    """The head (C, D + 1) of named arrays."""
    return np.concatenate([arrays["weight"], arrays["bias"][:, None]], axis=1)


def with_added_bias(head: np.ndarray, bias: np.ndarray) -> np.ndarray:
    """The head with `bias` (C,) added to its logits.

    A head (C, D + 1) has its bias in the last column; a network's row (1, P) ends with its output layer's.
    """
    added = head.astype(np.float64)
    if len(head) == 1:
        added[0, -len(bias) :] += bias
    else:
        added[:, -1] += bias
    return added.astype(np.float32)


def payload(head: np.ndarray) -> int:
    """Bytes that a phone receives, or sends, for one head of float32 values."""
    return int(head.size) * 4


def probabilities(head: np.ndarray, features: np.ndarray) -> np.ndarray:
    """Class probabilities (n, C), float64, of features (n, D)."""
    logits = features.astype(np.float64) @ head[:, :-1].astype(np.float64).T + head[:, -1]
    logits -= logits.max(axis=1, keepdims=True)
    exponents = np.exp(logits)
    return np.asarray(exponents / exponents.sum(axis=1, keepdims=True))


def cross_entropy(chances: np.ndarray, labels: np.ndarray, weights: np.ndarray | None = None) -> float:
    """The mean cross-entropy of class probabilities (n, C) with labels (n,), times `weights` (n,) if given; 0
    without rows.
    """
    if not len(labels):
        return 0.0
    of_label = chances[np.arange(len(labels)), labels]
    losses = -np.log(np.maximum(of_label, np.finfo(np.float64).tiny))
    return float((losses if weights is None else weights * losses).mean())


def save_head(path: Path, arrays: Arrays, metadata: dict[str, object]) -> None:
    """Writes a trained model as safetensors, atomically; each metadata value is stored as JSON."""
    content = save(arrays, metadata={name: json.dumps(value) for name, value in metadata.items()})
    # The library writes metadata in an order that differs between processes; the bytes must not.
    length = int.from_bytes(content[:8], "little")
    header = json.dumps(json.loads(content[8 : 8 + length]), sort_keys=True).encode()
    header += b" " * (-len(header) % 8)
    with whole_file(path) as temporary:
        temporary.write_bytes(len(header).to_bytes(8, "little") + header + content[8 + length :])


def load_head(path: Path) -> tuple[Arrays, dict[str, object]]:
    """The named arrays of a file and its metadata; InputError if fedfer did not write the file."""
    try:
        with safe_open(path, framework="numpy") as opened:
            arrays = {name: opened.get_tensor(name) for name in opened.keys()}  # noqa: SIM118
            metadata = {name: json.loads(value) for name, value in (opened.metadata() or {}).items()}
        if "classes" not in metadata:
            raise KeyError("classes")
        return arrays, metadata
    except (OSError, SafetensorError, LookupError, TypeError, ValueError) as error:
        raise InputError(
            f"{path} is not a head that fedfer wrote ({error}); give the head.safetensors of a run folder"
        ) from error
