"""The frozen MobileNetV2 on a torch device: the counterpart of `backbone.Encoder`, which runs on CPUs.

The same function of the same weights; the last bits differ, so its features are cached separately.
"""

from importlib.metadata import version

import numpy as np

from fer_models.encoders.backbone import graph
from fer_models.encoders.weights import Weights
from fer_models.machine.torch_device import opened

BATCH = 256  # images per pass


class TorchEncoder:
    """Features, or activations below the last `blocks` blocks, as from `backbone.Encoder`."""

    def __init__(self, weights: Weights, device: str, *, blocks: int = 0) -> None:
        """Raises InputError if the file of weights is not a state dict of MobileNetV2."""
        below = f" below {blocks} blocks" if blocks else ""
        self.key = f"mobilenet_v2 on {device}{below} weights {weights.sha256} torch {version('torch')}"
        self._device = opened(device)
        self._network = graph(weights, blocks).to(self._device)

    def __call__(self, images: np.ndarray) -> np.ndarray:
        """Features (n, 1280) float32 of uint8 images (n, 1 or 3, s, s); at a split float16 activations."""
        import torch

        parts = []
        with torch.inference_mode():
            for start in range(0, len(images) or 1, BATCH):
                part = torch.from_numpy(np.ascontiguousarray(images[start : start + BATCH]))
                parts.append(self._network(part.to(self._device)).cpu().numpy())
        return np.concatenate(parts)
