"""The building blocks of the networks as torch modules: raw rows in, logits (n, classes) out.

The only file that imports torch at the top, since its classes subclass torch's: `networks` imports it inside
functions. Each network reads the rows as stored in the cache and converts them to float32 itself.
Sources: MobileNetV2 (Sandler et al. 2018, arXiv:1801.04381) as torchvision builds it; dropout (Srivastava et
al. 2014, JMLR 15).
"""

from typing import cast

import torch
from torch import Tensor, nn
from torch.nn import functional
from torchvision.models.mobilenetv2 import InvertedResidual

from fer_models.encoders.backbone import MEAN, STD


class Dropout(nn.Module):
    """Dropout with its own random generator instead of torch's global one."""

    def __init__(self, share: float) -> None:
        super().__init__()
        self.share = share
        self.generator = torch.Generator()

    def forward(self, x: Tensor) -> Tensor:
        """In training, zero or 1 / (1 - share) times each value of `x`; else `x` itself."""
        if not self.training or self.share == 0:
            return x
        kept = torch.rand(x.shape, generator=self.generator) >= self.share  # on the CPU: equal on all devices
        return x * kept.to(x).mul_(1 / (1 - self.share))


class Norm(nn.Module):
    """Batch normalisation that also trains on a batch with one value per channel (Ioffe and Szegedy 2015).

    A single value has no variance (torch's own layer refuses it), so the running statistics are used instead.
    Such a batch is a single view whose feature map has shrunk to one pixel. Names and constants are torch's,
    except for the counter of batches, which is not used.
    """

    EPS, MOMENTUM = 1e-5, 0.1

    running_mean: Tensor
    running_var: Tensor

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.weight, self.bias = nn.Parameter(torch.ones(channels)), nn.Parameter(torch.zeros(channels))
        self.register_buffer("running_mean", torch.zeros(channels))
        self.register_buffer("running_var", torch.ones(channels))

    def forward(self, x: Tensor) -> Tensor:
        """Normalised feature maps (n, channels, h, w), of the input's shape."""
        moving = self.training and x.numel() > x.shape[1]
        return functional.batch_norm(
            x, self.running_mean, self.running_var, self.weight, self.bias, moving, self.MOMENTUM, self.EPS
        )

    def folded(self, weight: Tensor) -> tuple[Tensor, Tensor]:
        """Weight and bias of one convolution that equals a convolution with `weight` and then this layer.

        Uses the running statistics; the same function of all parameters, gradients included.
        """
        scale = self.weight * torch.rsqrt(self.running_var + self.EPS)
        return weight * scale.view(-1, 1, 1, 1), self.bias - self.running_mean * scale


class DeepHead(nn.Module):
    """`mobilenet-deep`: frozen features float32 (n, width) -> hidden -> ReLU -> dropout -> classes."""

    def __init__(self, width: int, hidden: int, classes: int, dropout: float) -> None:
        super().__init__()
        self.hidden = nn.Linear(width, hidden)
        self.dropout = Dropout(dropout)
        self.output = nn.Linear(hidden, classes)

    def forward(self, rows: Tensor) -> Tensor:
        """Logits (n, classes)."""
        return cast(Tensor, self.output(self.dropout(functional.relu(self.hidden(rows)))))


class EmotionCNN(nn.Module):
    """`cnn`: gray pixels uint8 (n, 1, s, s) -> two convolutions with pooling -> two linear layers."""

    def __init__(self, size: int, classes: int) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(1, 32, 3, padding=1)
        self.conv2 = nn.Conv2d(32, 64, 3, padding=1)
        self.hidden = nn.Linear(64 * (size // 4) ** 2, 128)
        self.output = nn.Linear(128, classes)

    def forward(self, rows: Tensor) -> Tensor:
        """Logits (n, classes)."""
        x = rows.float().div_(255).sub_(0.5).div_(0.25)
        for conv in (self.conv1, self.conv2):
            # ReLU after pooling: the order does not matter for a maximum, and it costs a quarter.
            x = functional.relu_(functional.max_pool2d(conv(x), 2))
        return cast(Tensor, self.output(functional.relu(self.hidden(x.flatten(1)))))


class MobileNet(nn.Module):
    """MobileNetV2, or its upper part, with torchvision's names.

    features: (a slice of) torchvision's `features`. frozen: whether the BatchNorm statistics stay fixed in
    training too (`mobilenet-tuned`). Rows: gray pixels uint8 (n, 1, s, s), or the input of the first layer of
    `features`, in any floating-point type.
    """

    def __init__(self, features: nn.Sequential, classes: int, dropout: float, *, frozen: bool) -> None:
        super().__init__()
        self.features = features
        width = cast(nn.Sequential, features[-1])[0].out_channels
        self.classifier = nn.Sequential(Dropout(dropout), nn.Linear(cast(int, width), classes))
        self.frozen = frozen

    def forward(self, rows: Tensor) -> Tensor:
        """Logits (n, classes)."""
        x = _normalised(rows) if rows.dtype == torch.uint8 else rows.float()
        x = x.contiguous(memory_format=torch.channels_last)
        x = self.features(x) if self.training and not self.frozen else _folded(self.features, x)
        return cast(Tensor, self.classifier(x.mean((2, 3))))


def _normalised(gray: Tensor) -> Tensor:
    """Gray pixels (n, 1, s, s) repeated over three channels and normalised as pretrained weights expect."""
    mean, std = (torch.tensor(values, device=gray.device).view(1, 3, 1, 1) * 255 for values in (MEAN, STD))
    return (gray.float() - mean) / std


def _folded(layers: nn.Sequential, x: Tensor) -> Tensor:
    """The output of `layers` (convolution, Norm, ReLU6, and blocks of them) with running statistics.

    Each Norm is folded into the convolution before it, in every pass: fewer passes over the feature maps.
    """
    modules = list(layers)
    for module, following in zip(modules, [*modules[1:], None], strict=True):
        if isinstance(module, InvertedResidual):
            inside = _folded(module.conv, x)
            x = x + inside if module.use_res_connect else inside
        elif isinstance(module, nn.Sequential):
            x = _folded(module, x)
        elif isinstance(module, nn.Conv2d):
            weight, bias = cast(Norm, following).folded(module.weight)
            padding = cast(tuple[int, int], module.padding)
            x = functional.conv2d(x, weight, bias, module.stride, padding, 1, module.groups)
        elif isinstance(module, nn.ReLU6):
            x = functional.relu6(x, inplace=True)
    return x
