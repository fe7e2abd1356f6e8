"""The networks that torch trains on one machine, by name: built with seeded weights, used, and restored.

`build` stands before training, `restore` where a trained network comes out of a file. What lies between is a
`NetworkClassifier`: rows in, class probabilities out, and named arrays like any head. The names are those
of torch's state dicts, for MobileNetV2 torchvision's own (`features.15.conv.0.0.weight`), so the arrays load
there too. Torch's global generator is neither drawn from nor seeded.
"""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from fer_models.encoders import backbone
from fer_models.encoders.weights import Weights
from fer_models.heads import Arrays, new_head
from fer_models.machine import cores
from fer_models.networks.network import Network
from fer_models.networks.registry import NETWORKS
from fer_models.options import declared

if TYPE_CHECKING:
    import torch

BATCH = 32  # rows of one forward pass outside training


@dataclass(frozen=True)
class Spec:
    """What a network is made from. Raises ValueError, with the reason, where no network can be made.

    size: side of the images in pixels. dropout: before the last layer, in training, where it has one.
    options: of the network's page, those that are not its defaults.
    """

    name: str
    classes: int
    size: int
    dropout: float = 0.0
    options: Mapping[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if self.name not in NETWORKS:
            raise ValueError(f"no network is called {self.name!r}")
        for what, value, low, high in (
            ("classes", self.classes, 2, 100_000),
            ("size", self.size, 4, 100_000),
        ):
            if not low <= value <= high:
                raise ValueError(f"{what} is {value}, which is not within {low} and {high}")
        rules = declared(NETWORKS[self.name])
        if unknown := sorted(self.options.keys() - rules.keys()):
            raise ValueError(f"{unknown[0]} is no option of {self.name}")
        for option, value in self.options.items():
            rules[option].checked(option, value, auto=False)

    @property
    def network(self) -> Network:
        """The page, with its options."""
        return NETWORKS[self.name](**self.options)


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

    One that is pretrained starts from `weights` (else without use), and from the last layer of mobilenet.
    Raises InputError when the file of the weights does not fit.
    """
    import torch

    expected = {name: tuple(tensor.shape) for name, tensor in empty(spec).state_dict().items()}
    network = spec.network
    if not network.pretrained:
        arrays = {name: network.start(name, expected, seed).astype(np.float32) for name in expected}
        return NetworkClassifier(
            spec, _filled(spec, {name: torch.from_numpy(array) for name, array in arrays.items()})
        )
    if weights is None:
        raise ValueError(f"{spec.name} starts from weights, got none")
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

    with torch.device("meta"):
        return spec.network.module(spec.classes, spec.size, spec.dropout)


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
