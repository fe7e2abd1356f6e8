"""The source of all random numbers: one seed and a path of labels.

`stream(seed, "split")` and `stream(seed, "train", 3, 17)` are independent of each other and of
the order in which they are requested, so nothing depends on how work is distributed. There is no
global generator: a generator is an argument.
"""

import hashlib

import numpy as np


def key(seed: int, *labels: str | int) -> int:
    """A 64-bit key for `labels` under `seed`: the first 8 bytes of a SHA-256 over both.

    Labels are encoded with their type and length, so ("ab", "c") and ("a", "bc"), or 1 and "1",
    never collide.
    """
    digest = hashlib.sha256()
    for label in (seed, *labels):
        text = f"{type(label).__name__}:{label}".encode()
        digest.update(len(text).to_bytes(4, "little") + text)
    return int.from_bytes(digest.digest()[:8], "little")


def stream(seed: int, *labels: str | int) -> np.random.Generator:
    """The random generator for `labels` under `seed`."""
    return np.random.Generator(np.random.PCG64(key(seed, *labels)))
