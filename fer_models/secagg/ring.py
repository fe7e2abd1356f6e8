"""The ring of sums: integers modulo 2^64 or 2^32, in which masks cancel.

Sums of updates are whole multiples of a quantum in any case (fer_models/local/kernel.py), so with 64 bits
they become integers and numbers again without any rounding.
"""

from dataclasses import dataclass

import numpy as np

from fer_models.local.kernel import EXACT_BELOW, QUANTUM


@dataclass(frozen=True)
class Ring:
    """Integers modulo 2^bits, each a multiple of `quantum`."""

    bits: int
    quantum: float
    below: float  # absolute values that a sum may reach, with room for the rounding of its terms

    @property
    def dtype(self) -> np.dtype[np.unsignedinteger]:
        """Unsigned and little-endian, on every machine."""
        return np.dtype(f"<u{self.bits // 8}")

    @property
    def exponent(self) -> int:
        """The quantum's, of 2."""
        return int(np.log2(self.quantum))

    @property
    def exact(self) -> bool:
        """Whether sums of updates are multiples of `quantum` as they are."""
        return self.quantum == QUANTUM

    def encode(self, total: np.ndarray, *, inwards: bool = False) -> np.ndarray:
        """A sum of updates, float64 of any shape, as (n,) elements.

        Where the quantum is coarser than the sum's, it is rounded to the nearest, or with `inwards` towards
        zero, which makes no norm longer.
        """
        quanta = total.ravel() / self.quantum
        whole = np.trunc(quanta) if inwards else np.rint(quanta)
        return whole.astype(np.int64).astype(self.dtype)

    def decode(self, elements: np.ndarray) -> np.ndarray:
        """The sum (n,) float64 that the elements stand for, if it is below `below`."""
        signed = elements.astype(self.dtype).view(f"<i{self.bits // 8}")
        return np.asarray(signed.astype(np.float64) * self.quantum)


RINGS = {64: Ring(64, QUANTUM, EXACT_BELOW), 32: Ring(32, 2.0**-16, 2.0**14)}
