"""Random bits for noise and for who takes part: a keystream of ChaCha20 for each path of labels under a key.

A secret key has to stay secret whatever is published of the noise, which the generators of NumPy do not
promise; so all of it, seeded or secret, comes from a cipher.
"""

import hashlib
import hmac
from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np
from cryptography.hazmat.primitives.ciphers import Cipher, algorithms

from fer_models.seeding import stream

KEY_BYTES = 32
Bits = Callable[[int], np.ndarray]  # the next so many words of 64 random bits, (n,) uint64


@dataclass(frozen=True)
class Coins:
    """Everything random that follows from one key."""

    key: bytes = field(repr=False)  # KEY_BYTES

    @classmethod
    def seeded(cls, seed: int) -> "Coins":
        """Those of a run's seed: whoever knows it knows them all."""
        return cls(stream(seed, "privacy").bytes(KEY_BYTES))

    def bits(self, *labels: str | int) -> Bits:
        """The keystream of these labels, independent of that of any others."""
        assert len(self.key) == KEY_BYTES
        text = "".join(f"{type(label).__name__}:{label}\0" for label in labels).encode()
        own = hmac.new(self.key, text, hashlib.sha256).digest()
        cipher = Cipher(algorithms.ChaCha20(own, bytes(16)), mode=None).encryptor()
        return lambda count: np.frombuffer(cipher.update(bytes(8 * count)), np.dtype("<u8"))


def uniform(words: np.ndarray) -> np.ndarray:
    """Words of 64 bits as float64 in [0, 1), of their upper 53 bits."""
    return np.asarray((words >> np.uint64(11)) * 2.0**-53)
