"""Masks: the keystream of AES-256 in counter mode as elements of the ring, under the whole 256-bit key.

Every key serves one mask only, so the counter starts at 0.
"""

from collections.abc import Iterable

import numpy as np
from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes

from fer_models.secagg.ring import Ring

Mask = tuple[bytes, int]  # its key, and +1 or -1


def keystream(key: bytes, length: int) -> bytes:
    """So many bytes of the keystream of a key."""
    return Cipher(algorithms.AES256(key), modes.CTR(bytes(16))).encryptor().update(bytes(length))


def expand(key: bytes, length: int, ring: Ring) -> np.ndarray:
    """The mask (length,) of a key."""
    return np.frombuffer(keystream(key, length * ring.dtype.itemsize), ring.dtype)


def add(total: np.ndarray, masks: Iterable[Mask], ring: Ring) -> None:
    """Adds the masks, each with its sign, to `total` (n,) in place."""
    for key, sign in masks:
        if sign > 0:
            total += expand(key, len(total), ring)
        else:
            total -= expand(key, len(total), ring)


def sign(phone: int, other: int) -> int:
    """The sign with which `phone` adds the mask that it shares with `other`: they cancel."""
    return 1 if phone < other else -1
