"""Clipping: an update whose norm exceeds `clip_norm` is scaled down to it; its direction is kept.

McMahan, Ramage, Talwar and Zhang, "Learning Differentially Private Recurrent Language Models", 2018,
arXiv:1710.06963, section 3 (flat clipping); against malicious phones Sun, Kairouz, Suresh and McMahan, "Can
You Really Backdoor Federated Learning?", 2019, arXiv:1911.07963:

    update <- update * min(1, norm / |update|)

The norm is the Euclidean norm over all coordinates, weights and biases, of the phone's update before it is
multiplied by the phone's weight: a phone with many photos may move the sum by up to its weight times
`clip_norm`.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated

import numpy as np
from pydantic import Field

from fer_models.local import kernel
from fer_models.local.transforms import Context, Metrics, Transform


@dataclass(frozen=True)
class ClipNorm(Transform):
    """Clipping of every phone's update."""

    clip_norm: Annotated[float, Field(ge=0, le=1_000_000)] = 0.0  # bound of an update's norm; 0: no clipping

    @property
    def active(self) -> bool:
        """Not if `clip_norm` is 0."""
        return self.clip_norm > 0

    @property
    def words(self) -> str:
        """What it does, for reports."""
        return f"clipped to an L2 norm of {self.clip_norm:g}"

    def __call__(self, updates: np.ndarray, context: Context) -> tuple[np.ndarray, Metrics]:
        """The clipped updates, and their norms before clipping."""
        norms = kernel.norms(updates)
        long = norms > self.clip_norm
        factors = np.where(long, self.clip_norm / np.where(long, norms, 1.0), 1.0)
        return updates * factors[:, None, None], {"update_norm": norms}

    def summary(self, metrics: Mapping[str, np.ndarray]) -> dict[str, float]:
        """The fraction of phones that were clipped, and the median norm before clipping."""
        norms = metrics["update_norm"]
        return {"clipped": float((norms > self.clip_norm).mean()), "update_norm": float(np.median(norms))}
