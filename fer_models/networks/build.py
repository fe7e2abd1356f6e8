"""The networks that torch trains on one machine, by name: built with seeded weights, used, and restored.

`build` stands before training, `restore` where a trained network comes out of a file. What lies between is a
`NetworkClassifier`: rows in, class probabilities out, and named arrays like any head. The names are those
of torch's state dicts, for MobileNetV2 torchvision's own (`features.15.conv.0.0.weight`), so the arrays load
there too. Torch's global generator is neither drawn from nor seeded.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from fer_models.encoders import backbone
from fer_models.encoders.weights import Weights
from fer_models.heads import Arrays, new_head
from fer_models.machine import cores
from fer_models.seeding import stream

if TYPE_CHECKING:
    import torch

NAMES = ("mobilenet-deep", "mobilenet-tuned", "cnn", "mobilenet-scratch")
HIDDEN = 256  # units of the extra layer of mobilenet-deep
BATCH = 32  # rows of one forward pass outside training


@dataclass(frozen=True)
class Spec:
    """What a network is made from. Raises ValueError, with the reason, where no network can be made.

    size: side of the images in pixels. width: channels of mobilenet-scratch, as a share. trainable_blocks:
    of mobilenet-tuned, 1 to 17. dropout: before the last layer, in training (cnn has none).
    """

    name: str
    classes: int
    size: int
    width: float = 1.0
    trainable_blocks: int = 3
    dropout: float = 0.0

    def __post_init__(self) -> None:
        if self.name not in NAMES:
            raise ValueError(f"no network is called {self.name!r}")
        for what, value, low, high in (
            ("classes", self.classes, 2, 100_000),
            ("size", self.size, 4, 100_000),
            ("width", self.width, 0.01, 100),
            ("trainable_blocks", self.trainable_blocks, 1, 17),
        ):
            if not low <= value <= high:
                raise ValueError(f"{what} is {value}, which is not within {low} and {high}")


class NetworkClassifier:
    """A network in use: it holds its tensors alone and never changes."""

    def __init__(self, spec: Spec, network: "torch.nn.Module") -> None:
        self.spec = spec
        self.network = network.eval()

    def probabilities(self, rows: np.ndarray) -> np.ndarray:
        """Class probabilities (n, classes), float64, of the rows that the model reads; in batches."""
        import torch

        device = next(self.network.parameters()).device
        found = np.empty((len(rows), self.spec.classes))
        with all_cores(), torch.inference_mode():
            for start in range(0, len(rows), BATCH):
                batch = torch.from_numpy(np.array(rows[start : start + BATCH])).to(device)
                found[start : start + BATCH] = self.network(batch).double().softmax(1).cpu().numpy()
        return found

    def arrays(self) -> Arrays:
        """A copy of the named arrays, float32, in torch's order; BatchNorm statistics included."""
        return {name: np.array(t.cpu().numpy(), order="C") for name, t in self.network.state_dict().items()}

    def on(self, device: "torch.device") -> "NetworkClassifier":
        """The same network on a device."""
        copy = self.copy()
        copy.network.to(device)
        return copy

    def copy(self) -> "NetworkClassifier":
        """The same network with tensors of its own."""
        tensors = {name: tensor.clone() for name, tensor in self.network.state_dict().items()}
        return NetworkClassifier(self.spec, _filled(self.spec, tensors))


def build(spec: Spec, *, seed: int, weights: Weights | None = None) -> NetworkClassifier:
    """A network as training starts from it: drawn from `seed` as torch, or torchvision, draws it.

    mobilenet-tuned starts from `weights` (else without use), and from the same last layer as mobilenet.
    Raises InputError when the file of the weights does not fit.
    """
    import torch

    expected = {name: tuple(tensor.shape) for name, tensor in empty(spec).state_dict().items()}
    if spec.name != "mobilenet-tuned":
        draw = _as_torchvision if spec.name == "mobilenet-scratch" else _as_torch
        arrays = {name: draw(name, expected, seed).astype(np.float32) for name in expected}
        return NetworkClassifier(
            spec, _filled(spec, {name: torch.from_numpy(array) for name, array in arrays.items()})
        )
    if weights is None:
        raise ValueError("mobilenet-tuned starts from weights, got none")
    whole = backbone.mobilenet(weights).state_dict()
    head = torch.from_numpy(new_head(spec.classes, backbone.FEATURES, seed=seed))
    whole |= {"weight": head[:, :-1].clone(), "bias": head[:, -1].clone()}
    inside = {name: name.removeprefix("features.").removeprefix("classifier.1.") for name in expected}
    return NetworkClassifier(spec, _filled(spec, {name: whole[key].clone() for name, key in inside.items()}))


def restore(spec: Spec, arrays: Arrays) -> NetworkClassifier:
    """The network whose named arrays these are; ValueError, with the reason, where they do not fit."""
    import torch

    expected = {name: tuple(tensor.shape) for name, tensor in empty(spec).state_dict().items()}
    for name in sorted(expected.keys() ^ arrays.keys()):
        raise ValueError(f"{name} is {'missing' if name in expected else f'no part of {spec.name}'}")
    for name, shape in expected.items():
        array = arrays[name]
        if array.shape != shape:
            raise ValueError(f"{name} is {array.shape}, expected {shape}")
        if array.dtype.kind != "f" or not np.isfinite(array).all():
            raise ValueError(f"{name} holds values that are not finite numbers")
    return NetworkClassifier(
        spec, _filled(spec, {name: torch.from_numpy(arrays[name].astype(np.float32)) for name in expected})
    )


def empty(spec: Spec) -> "torch.nn.Module":
    """The network on torch's meta device: names and shapes, no memory, no draw from any generator."""
    import torch
    from torchvision.models import mobilenet_v2

    from fer_models.networks import layers

    with torch.device("meta"):
        if spec.name == "mobilenet-deep":
            return layers.DeepHead(backbone.FEATURES, HIDDEN, spec.classes, spec.dropout)
        if spec.name == "cnn":
            return layers.EmotionCNN(spec.size, spec.classes)
        tuned = spec.name == "mobilenet-tuned"
        width = 1.0 if tuned else spec.width
        features = mobilenet_v2(width_mult=width, norm_layer=layers.Norm).features
        if tuned:
            features = features[18 - spec.trainable_blocks :]  # which keeps its names
        return layers.MobileNet(features, spec.classes, spec.dropout, frozen=tuned)


@contextmanager
def all_cores() -> Iterator[None]:
    """Torch on all cores this process may use, for the duration."""
    import torch

    before = torch.get_num_threads()
    torch.set_num_threads(cores())
    try:
        yield
    finally:
        torch.set_num_threads(before)


def _filled(spec: Spec, tensors: "dict[str, torch.Tensor]") -> "torch.nn.Module":
    """The network on these tensors, laid out channels last: what oneDNN convolves fastest on a CPU."""
    import torch

    network = empty(spec)
    network.load_state_dict(tensors, assign=True)
    return network.to(memory_format=torch.channels_last)


def _as_torch(name: str, expected: dict[str, tuple[int, ...]], seed: int) -> np.ndarray:
    """As torch.nn.Linear and Conv2d: weight and bias uniform within 1 / sqrt(inputs of a unit)."""
    bound = 1 / np.sqrt(np.prod(expected[f"{name.rpartition('.')[0]}.weight"][1:]))
    return stream(seed, "network", name).uniform(-bound, bound, expected[name])


def _as_torchvision(name: str, expected: dict[str, tuple[int, ...]], seed: int) -> np.ndarray:
    """As torchvision's MobileNetV2: He-normal by fan-out, BatchNorm the identity, last layer nearly zero."""
    shape = expected[name]
    if len(shape) == 1:
        return np.full(shape, 1.0 if name.endswith(("weight", "running_var")) else 0.0)
    spread = 0.01 if len(shape) == 2 else np.sqrt(2 / (shape[0] * np.prod(shape[2:])))
    return stream(seed, "network", name).normal(0, spread, shape)
