"""A phone's secrets of one round, and what two phones agree on: X25519 (RFC 7748) and HKDF-SHA256 (RFC 5869).

Two key pairs for each phone: the one for masks is revealed if the phone is lost, the other, which encrypts
shares, never is.
"""

import os
from dataclasses import dataclass, field

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey, X25519PublicKey
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from fer_models.seeding import stream

KEY_BYTES = 32


@dataclass(frozen=True)
class Secrets:
    """Everything random of one phone in one attempt at a round, KEY_BYTES each."""

    mask: bytes = field(repr=False)  # private key of pairwise masks
    channel: bytes = field(repr=False)  # private key of encrypted shares
    own: bytes = field(repr=False)  # key of the mask of its own
    coins: bytes = field(repr=False)  # key of the coins of both polynomials

    @classmethod
    def of(cls, secret: bytes) -> "Secrets":
        """From 4 * KEY_BYTES random bytes, which are its `text` again."""
        return cls(*(secret[first : first + KEY_BYTES] for first in range(0, 4 * KEY_BYTES, KEY_BYTES)))

    @classmethod
    def fresh(cls) -> "Secrets":
        """From the operating system."""
        return cls.of(os.urandom(4 * KEY_BYTES))

    @classmethod
    def seeded(cls, seed: int, number: int, attempt: int, phone: int) -> "Secrets":
        """Of a simulated phone: any node can compute them again, and so can whoever knows the seed."""
        return cls.of(stream(seed, "secagg", number, attempt, phone).bytes(4 * KEY_BYTES))

    @property
    def text(self) -> bytes:
        """All of them, one after another."""
        return self.mask + self.channel + self.own + self.coins

    @property
    def public(self) -> tuple[bytes, bytes]:
        """The public keys of masks and of shares."""
        return public_of(self.mask), public_of(self.channel)


def public_of(private: bytes) -> bytes:
    """The public key of a private one."""
    return X25519PrivateKey.from_private_bytes(private).public_key().public_bytes_raw()


def agreed(private: X25519PrivateKey, public: bytes) -> bytes:
    """What the two ends of a pair of keys have in common; ValueError if the public key is none."""
    return private.exchange(X25519PublicKey.from_public_bytes(public))


def usable(public: bytes) -> bool:
    """Whether others can agree on anything with the owner of a public key: not if it is of low order."""
    try:
        agreed(X25519PrivateKey.generate(), public)
    except ValueError:
        return False
    return True


def derived(secret: bytes, *labels: str | int) -> bytes:
    """A key of 256 bits for one purpose, which `labels` name."""
    return HKDF(hashes.SHA256(), KEY_BYTES, None, " ".join(map(str, ("fedfer", *labels))).encode()).derive(
        secret
    )
