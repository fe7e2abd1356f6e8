"""Which phones train in a round, and in which blocks on which node."""

import numpy as np

from fer_models.seeding import stream


def select(phones: int, per_round: int, *, seed: int, number: int) -> np.ndarray:
    """The phones of round `number`, sorted by id: all of them if `per_round` is 0, else a random sample."""
    if per_round in (0, phones):
        return np.arange(phones)
    return np.sort(stream(seed, "select", number).choice(phones, per_round, replace=False))


def share_out(selected: np.ndarray, sizes: np.ndarray, block: int, nodes: int) -> list[np.ndarray]:
    """Cuts the selected phones into blocks of at most `block` and distributes these over `nodes`.

    If there are few phones, blocks are smaller, about four per node, so that no node idles while others work.
    Blocks are assigned from the heaviest (in views) down, each to the least loaded node (Graham, 1969), so
    that the nodes finish at about the same time. Returns each node's phones, blocks in order (none if idle).
    """
    block = min(block, -(-len(selected) // (4 * nodes)))
    blocks = [selected[first : first + block] for first in range(0, len(selected), block)]
    weights = np.array([sizes[phones].sum() for phones in blocks])
    loads = np.zeros(nodes)
    shares: list[list[int]] = [[] for _ in range(nodes)]
    for number in np.argsort(-weights, kind="stable"):
        node = int(loads.argmin())
        loads[node] += weights[number]
        shares[node].append(int(number))
    return [np.concatenate([blocks[b] for b in sorted(share)] or [selected[:0]]) for share in shares]
