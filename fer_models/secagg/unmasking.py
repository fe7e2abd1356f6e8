"""The server's side: the masks of a group's sum, from the shares that its phones sent.

Of a phone that sent its masked update the mask of its own is removed; of one that was lost before that, the
masks that its neighbours had added for it.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey

from fer_models.errors import RunError
from fer_models.secagg import masks, shamir
from fer_models.secagg.keys import agreed, public_of
from fer_models.secagg.masks import Mask
from fer_models.secagg.phone import pair_key, point
from fer_models.secagg.ring import Ring


@dataclass(frozen=True)
class Group:
    """Phones that are masked together, in one attempt at a round."""

    round: int
    attempt: int
    threshold: int
    within: Mapping[int, Sequence[int]]  # each phone that sent shares -> its neighbours that did
    keys: Mapping[int, bytes]  # their public keys of masks
    sent: frozenset[int]  # those whose masked updates are in the sum

    def enough(self, answering: frozenset[int]) -> int | None:
        """The first phone whose secret those `answering` cannot tell together; None if they can tell all."""
        for phone in sorted(self.within):
            others = set(self.within[phone])
            if self._matters(phone) and len(others & answering) < self.threshold:
                return phone
        return None

    def masks(self, shares: Mapping[int, Mapping[int, bytes]]) -> list[Mask]:
        """The masks in the sum, with the signs that remove them; `shares`: of whom each phone sent which.

        RunError if shares do not fit.
        """
        found: list[Mask] = []
        for phone in sorted(self.within):
            if not self._matters(phone):
                continue
            own = {point(other): shares[other][phone] for other in self.within[phone] if other in shares}
            try:
                secret = shamir.join(own, self.threshold)
            except ValueError as error:
                raise self._wrong(phone) from error
            found += [(secret, -1)] if phone in self.sent else self._pairwise(phone, secret)
        return found

    def _matters(self, phone: int) -> bool:
        """Whether masks that its secret tells are in the sum."""
        return phone in self.sent or not self.sent.isdisjoint(self.within[phone])

    def _pairwise(self, phone: int, secret: bytes) -> list[Mask]:
        """What removes the masks that the neighbours of a lost phone had added."""
        if public_of(secret) != self.keys[phone]:
            raise self._wrong(phone)
        private, found = X25519PrivateKey.from_private_bytes(secret), list[Mask]()
        for other in self.within[phone]:
            if other in self.sent:
                try:
                    common = agreed(private, self.keys[other])
                except ValueError as error:
                    raise self._wrong(phone) from error
                key = pair_key(common, self.round, self.attempt)
                found.append((key, -masks.sign(other, phone)))
        return found

    def _wrong(self, phone: int) -> RunError:
        return RunError(f"the shares of phone {phone} in round {self.round} do not fit each other")


def unmasked(
    total: np.ndarray, group: Group, shares: Mapping[int, Mapping[int, bytes]], ring: Ring
) -> np.ndarray:
    """The sum (n,) without its masks."""
    plain = total.copy()
    masks.add(plain, group.masks(shares), ring)
    return plain
