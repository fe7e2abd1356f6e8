"""The cost of a network: its parameters, and the multiply-adds per photo.

Networks are counted, not computed by formula: one pass over meta tensors, which have shapes but no values,
sees every convolution and matrix product. All other operations (biases, BatchNorm, pooling) are left out, as
in the tables of the MobileNet papers (Howard et al. 2017, arXiv:1704.04861).
"""

from dataclasses import dataclass
from typing import TYPE_CHECKING

from fer_models.encoders import backbone
from fer_models.networks.build import Spec, empty
from fer_models.networks.network import LAYERS

if TYPE_CHECKING:
    import torch

# Expansion, channels, repeats and first stride of its blocks: Sandler et al. 2018, table 2.
_STAGES = (
    (1, 16, 1, 1),
    (6, 24, 2, 2),
    (6, 32, 3, 2),
    (6, 64, 4, 2),
    (6, 96, 3, 1),
    (6, 160, 3, 2),
    (6, 320, 1, 1),
)


@dataclass(frozen=True)
class Cost:
    """The cost of a network or a part of one; the costs of parts add up."""

    parameters: int  # without BatchNorm statistics
    multiply_adds: int  # per photo

    def __add__(self, other: "Cost") -> "Cost":
        return Cost(self.parameters + other.parameters, self.multiply_adds + other.multiply_adds)


def linear_cost(classes: int, width: int) -> Cost:
    """The cost of a linear head on rows of `width` values."""
    return Cost(classes * (width + 1), classes * width)


def encoder_cost(size: int, layers: int = LAYERS) -> Cost:
    """The cost of the first `layers` of MobileNetV2's 19 for images of side `size`; default: all of them.

    Computed from the paper's table 2, because it is needed at the end of runs that do not load torch.
    """
    side = _halved(size, 2)
    found = [_convolution(3, 32, 9, side)]
    channels = 32
    for expansion, out, repeats, first_stride in _STAGES:
        for stride in (first_stride, *[1] * (repeats - 1)):
            hidden, after = channels * expansion, _halved(side, stride)
            block = _convolution(1, hidden, 9, after) + _convolution(hidden, out, 1, after)
            if expansion > 1:
                block += _convolution(channels, hidden, 1, side)
            found.append(block)
            channels, side = out, after
    found.append(_convolution(channels, backbone.FEATURES, 1, side))
    return sum(found[:layers], Cost(0, 0))


def _halved(side: int, stride: int) -> int:
    """The side of a feature map after a padded 3x3 convolution with that stride."""
    return (side - 1) // stride + 1


def _convolution(inputs: int, outputs: int, kernel: int, side: int) -> Cost:
    """The cost of a convolution without bias, `inputs` channels per output, and the BatchNorm after it."""
    weights = inputs * outputs * kernel
    return Cost(weights + 2 * outputs, weights * side**2)


def network_cost(spec: Spec) -> Cost:
    """The cost of a network itself, all of which is trained, without the frozen part below its input."""
    return _counted(empty(spec), _rows(spec))


def frozen_cost(spec: Spec) -> Cost:
    """The cost of the frozen part of MobileNetV2 that produces a network's input rows."""
    return encoder_cost(spec.size, spec.network.below)


def _encoder(layers: int) -> "torch.nn.Sequential":
    import torch
    import torchvision

    with torch.device("meta"):
        encoder: torch.nn.Sequential = torchvision.models.mobilenet_v2().features[:layers]
    return encoder


def _rows(spec: Spec) -> "torch.Tensor":
    """One input row of the network, on the meta device."""
    import torch

    network = spec.network
    if network.reads == "features":
        return torch.empty(1, backbone.FEATURES, device="meta")
    if network.reads == "activations":
        photo = torch.empty(1, 3, spec.size, spec.size, device="meta")
        activations: torch.Tensor = _encoder(network.below).eval()(photo)
        return activations
    return torch.empty(1, 1, spec.size, spec.size, dtype=torch.uint8, device="meta")


def _counted(network: "torch.nn.Module", rows: "torch.Tensor") -> Cost:
    import torch
    from torch.utils.flop_counter import FlopCounterMode

    counter = FlopCounterMode(display=False)  # counts a multiply-add as two operations
    with counter, torch.no_grad():
        network.eval()(rows)
    return Cost(sum(p.numel() for p in network.parameters()), counter.get_total_flops() // 2)
