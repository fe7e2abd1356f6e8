"""q-FedAvg: phones on which the head does badly get more weight, the more so the larger q.

Li, Sanjabi, Beirami and Smith, "Fair Resource Allocation in Federated Learning", 2020, arXiv:1905.10497,
algorithm 2. Minimises sum of p_i F_i^(q + 1) / (q + 1), F_i being the mean loss of the head on phone i:

    g_i = -L * update_i
    h_i = q * F_i^(q - 1) * |g_i|^2 + L * F_i^q
    head <- head - sum of p_i F_i^q g_i / sum of p_i h_i

The paper samples phones with probability p_i and counts each once; here phones are sampled uniformly, so p_i,
a phone's share of the views, is a weight. With q = 0 this is FedAvg, whatever L.

L (`lipschitz`) is the inverse of the step size that would make an update one gradient step: in the paper 1 /
lr of the phones' SGD. Its only effect is damping: a phone's part of h grows by the factor 1 + q L
|update_i|^2 / F_i. With Adam on the phones 1 / lr is far too much, because Adam sets the length of an update,
whatever the gradient.
"""

from dataclasses import dataclass
from typing import Annotated, ClassVar

import numpy as np
from pydantic import Field

from server.strategies.base import Algorithm, RoundUpdates, State, moved
from server.strategies.bounds import Positive

_BLOCK = 256  # phones in float64 at a time
_LEAST = 1e-10  # lower bound on losses, so that their powers are finite


@dataclass(frozen=True)
class QFedAvg(Algorithm):
    """FedAvg weighted by loss, with steps damped according to the curvature that these weights add."""

    q: Annotated[float, Field(ge=0, le=100)] = 1.0
    lipschitz: Positive = 1.0
    needs_updates: ClassVar[bool] = True
    losses: ClassVar[bool] = True

    def step(self, head: np.ndarray, received: RoundUpdates, state: State) -> tuple[np.ndarray, State]:
        """Both sums of the paper, divided by L and by the power of the largest loss, which cancel out."""
        assert received.updates is not None
        assert received.losses is not None
        loss = np.maximum(received.losses, _LEAST)
        weight = (
            received.views / received.views.sum() * (loss / loss.max()) ** self.q
        )  # p F^q, scaled to at most 1: cannot overflow
        total, norms = np.zeros(head.shape), np.empty(len(loss))
        for first in range(0, len(loss), _BLOCK):
            block = slice(first, first + _BLOCK)
            updates = received.updates[block].astype(np.float64)
            total += (weight[block, None, None] * updates).sum(axis=0)
            norms[block] = (updates**2).sum(axis=(1, 2))
        damped = (weight * (1 + self.q * self.lipschitz * norms / loss)).sum()
        return moved(head, total / damped), state
