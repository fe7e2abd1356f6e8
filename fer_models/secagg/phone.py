"""A phone's side of secure aggregation: four steps, each from its state and a request to a state and a reply.

Bell et al. 2020, algorithm 2. What a phone refuses is here: anything out of order, both shares of another
phone (that of its mask key and that of its own mask: together they uncover its update), a second unmasking in
a round, and to be one of fewer than the threshold. It trusts the server to relay keys: it cannot tell whose
they are.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from fer_models.errors import RunError
from fer_models.secagg import masks, shamir
from fer_models.secagg.keys import KEY_BYTES, Secrets, agreed, derived
from fer_models.secagg.masks import Mask

SEALED_BYTES = 2 * shamir.SHARE_BYTES + 16  # both shares, encrypted
Stage = Literal["keys", "shares", "masked", "unmasked"]  # what it answered last
STAGES: tuple[Stage, ...] = ("keys", "shares", "masked", "unmasked")
# What a phone's private key and another's public key (the phones' ids before them) have in common.
Agree = Callable[[int, X25519PrivateKey, int, bytes], bytes]


class RefusedError(RunError):
    """The phone does not do what was requested."""


@dataclass(frozen=True)
class Neighbours:
    """The phones that a phone masks with, as the server relayed them."""

    ids: tuple[int, ...]  # sorted
    masks: tuple[bytes, ...]  # their public keys of masks
    channels: tuple[bytes, ...]  # and of shares


def plainly(phone: int, private: X25519PrivateKey, other: int, public: bytes) -> bytes:
    """The `Agree` of a phone that remembers nothing: it computes it."""
    return agreed(private, public)


@dataclass(frozen=True)
class Phone:
    """What a phone knows between two messages of a round."""

    id: int
    round: int
    attempt: int  # at this round, from 0; each has secrets of its own
    secrets: Secrets
    stage: Stage = "keys"
    neighbours: Neighbours = Neighbours((), (), ())
    threshold: int = 0
    within: tuple[int, ...] = ()  # the neighbours that it masked its update with

    def share(
        self, others: Neighbours, threshold: int, agree: Agree = plainly
    ) -> tuple["Phone", list[bytes]]:
        """Its secrets, shared out: for each neighbour its two shares, encrypted (SEALED_BYTES each)."""
        self._check_stage("keys", "shares")
        if self.id in others.ids or len(set(others.ids)) < len(others.ids):
            raise RefusedError(f"phone {self.id} was given itself, or a phone twice, as neighbours")
        if not 2 <= threshold <= len(others.ids):
            raise RefusedError(
                f"phone {self.id} was asked for {len(others.ids)} shares with a threshold of {threshold}"
            )
        size = (threshold - 1) * shamir.COIN_BYTES
        coins = masks.keystream(self.secrets.coins, 2 * size)
        points = [point(other) for other in others.ids]
        of_mask = shamir.split(self.secrets.mask, points, threshold, coins[:size])
        of_own = shamir.split(self.secrets.own, points, threshold, coins[size:])
        private = X25519PrivateKey.from_private_bytes(self.secrets.channel)
        sealed = []
        for other, public, one, two in zip(others.ids, others.channels, of_mask, of_own, strict=True):
            common = agree(self.id, private, other, public)
            key = derived(common, "share", self.round, self.attempt, self.id, other)
            sealed.append(AESGCM(key).encrypt(bytes(12), one + two, None))  # this key encrypts nothing else
        after = replace(self, stage="shares", neighbours=others, threshold=threshold)
        return after, sealed

    def mask(self, others: Sequence[int], agree: Agree = plainly) -> tuple["Phone", list[Mask]]:
        """The masks to add to its update, if `others` of its neighbours sent shares: its own, and theirs."""
        self._check_stage("shares", "masked")
        known = dict(zip(self.neighbours.ids, self.neighbours.masks, strict=True))
        if not set(others) <= set(known) or len(set(others)) < len(others):
            raise RefusedError(f"phone {self.id} was asked to mask with phones that are not its neighbours")
        if len(others) < self.threshold:
            raise RefusedError(
                f"only {len(others)} neighbours of phone {self.id} sent shares, fewer than {self.threshold}"
            )
        private = X25519PrivateKey.from_private_bytes(self.secrets.mask)
        found: list[Mask] = [(self.secrets.own, 1)]
        for other in others:
            common = agree(self.id, private, other, known[other])
            found.append((pair_key(common, self.round, self.attempt), masks.sign(self.id, other)))
        return replace(self, stage="masked", within=tuple(others)), found

    def unmask(
        self, alive: Mapping[int, bytes], lost: Mapping[int, bytes], agree: Agree = plainly
    ) -> tuple["Phone", dict[int, bytes]]:
        """Its shares: of the own masks of neighbours that are `alive`, of the mask keys of those `lost`.

        Both map a neighbour to what it had encrypted for this phone.
        """
        self._check_stage("masked", "unmasked")
        if both := set(alive) & set(lost):
            raise RefusedError(f"phone {self.id} was asked for both shares of phone {min(both)}")
        if not set(alive) | set(lost) <= set(self.within):
            raise RefusedError(f"phone {self.id} was asked for shares of phones that it did not mask with")
        if len(alive) < self.threshold:
            raise RefusedError(
                f"only {len(alive)} neighbours of phone {self.id} sent updates, fewer than {self.threshold}"
            )
        known = dict(zip(self.neighbours.ids, self.neighbours.channels, strict=True))
        private = X25519PrivateKey.from_private_bytes(self.secrets.channel)
        found, half = {}, shamir.SHARE_BYTES
        for other, sealed in {**alive, **lost}.items():
            common = agree(self.id, private, other, known[other])
            key = derived(common, "share", self.round, self.attempt, other, self.id)
            try:
                both_shares = AESGCM(key).decrypt(bytes(12), sealed, None)
            except InvalidTag as error:
                raise RefusedError(f"phone {self.id} cannot read its shares of phone {other}") from error
            found[other] = both_shares[half:] if other in alive else both_shares[:half]
        return replace(self, stage="unmasked"), found

    def _check_stage(self, expected: Stage, step: str) -> None:
        if self.stage != expected:
            raise RefusedError(
                f"phone {self.id} was asked for {step} in round {self.round}, but answered {self.stage} last"
            )

    def arrays(self) -> dict[str, np.ndarray]:
        """The state as named arrays."""
        keys = [*self.neighbours.masks, *self.neighbours.channels]
        numbers = [self.id, self.round, self.attempt, STAGES.index(self.stage), self.threshold]
        return {
            "numbers": np.array(numbers),
            "secrets": np.frombuffer(self.secrets.text, np.uint8),
            "ids": np.array(self.neighbours.ids, np.int64),
            "keys": np.frombuffer(b"".join(keys), np.uint8),
            "within": np.array(self.within, np.int64),
        }

    @classmethod
    def of(cls, arrays: Mapping[str, np.ndarray]) -> "Phone":
        """The state from the output of `arrays`."""
        phone, number, attempt, stage, threshold = map(int, arrays["numbers"])
        text, ids = arrays["keys"].tobytes(), tuple(map(int, arrays["ids"]))
        keys = [text[first : first + KEY_BYTES] for first in range(0, len(text), KEY_BYTES)]
        others = Neighbours(ids, tuple(keys[: len(ids)]), tuple(keys[len(ids) :]))
        secrets = Secrets.of(arrays["secrets"].tobytes())
        within = tuple(map(int, arrays["within"]))
        return cls(phone, number, attempt, secrets, STAGES[stage], others, threshold, within)


def begun(phone: int, number: int, attempt: int, secrets: Secrets, before: Phone | None = None) -> Phone:
    """A phone at the beginning of an attempt at a round; `before`: its last state, which tells what it did.

    Once it has answered an unmasking it takes part in that round, and earlier ones, no more: two sums over
    different phones would uncover those that are in one of them only.
    """
    if before is not None and number <= before.round - (before.stage != "unmasked"):
        raise RefusedError(f"phone {phone} was in round {before.round}, and takes no part in {number} again")
    return Phone(phone, number, attempt, secrets)


def point(phone: int) -> int:
    """The point at which a phone's shares are values of a polynomial."""
    return phone + 1


def pair_key(common: bytes, number: int, attempt: int) -> bytes:
    """The key of the mask of two phones, from what they have in common."""
    return derived(common, "mask", number, attempt)
