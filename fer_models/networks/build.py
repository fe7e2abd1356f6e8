"""Building and restoring the networks that torch trains.

`build` creates a network with seeded weights for training, `restore` one from the arrays of a file. Both
return a `NetworkClassifier`: rows in, class probabilities out, and named arrays like any head. The names are
those of torch's state dicts, for MobileNetV2 torchvision's (`features.15.conv.0.0.weight`), so the arrays
load there too. Torch's global generator is neither used nor seeded.
"""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from fer_models.encoders import backbone
from fer_models.encoders.weights import Weights
from fer_models.heads import Arrays, new_head
from fer_models.machine.cores import cores
from fer_models.networks.network import Network
from fer_models.networks.registry import NETWORKS
from fer_models.pages.options import declared

if TYPE_CHECKING:
    import torch

BATCH = 32  # rows of one forward pass outside training


@dataclass(frozen=True)
class Spec:
    """The definition of a network. Raises ValueError, with the reason, if no network can be built from it.

    size: side of the images in pixels. dropout: before the last layer, in training, if the network has one.
    options: those of the network's page that differ from its defaults.
    """

    name: str
    classes: int
    size: int
    dropout: float = 0.0
    options: Mapping[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if self.name not in NETWORKS:
            raise ValueError(f"there is no network {self.name!r}")
        for what, value, low, high in (
            ("classes", self.classes, 2, 100_000),
            ("size", self.size, 4, 100_000),
        ):
            if not low <= value <= high:
                raise ValueError(f"{what} is {value}, which is not between {low} and {high}")
        rules = declared(NETWORKS[self.name])
        if unknown := sorted(self.options.keys() - rules.keys()):
            raise ValueError(f"{unknown[0]} is not an option of {self.name}")
        for option, value in self.options.items():
            rules[option].checked(option, value, auto=False)

    @property
    def network(self) -> Network:
        """The page, with its options."""
        return NETWORKS[self.name](**self.options)


class NetworkClassifier:
    """A network for inference: it shares its tensors with no other and never changes."""

    def __init__(self, spec: Spec, network: "torch.nn.Module") -> None:
        self.spec = spec
        self.network = network.eval()

    def probabilities(self, rows: np.ndarray) -> np.ndarray:
        """Class probabilities (n, classes), float64, of n input rows; computed in batches."""
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
        """A copy of the network on a torch device."""
        copy = self.copy()
        copy.network.to(device)
        return copy

    def copy(self) -> "NetworkClassifier":
        """A copy of the network with its own tensors."""
        tensors = {name: tensor.clone() for name, tensor in self.network.state_dict().items()}
        return NetworkClassifier(self.spec, _filled(self.spec, tensors))


def build(spec: Spec, *, seed: int, weights: Weights | None = None) -> NetworkClassifier:
    """A network with initial weights: random from `seed`, with the distributions of torch or torchvision.

    A pretrained one starts from `weights` (otherwise unused) and from the initial head of mobilenet. Raises
    InputError if the weights file does not fit.
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
    """The network with these named arrays; ValueError, with the reason, if they do not fit."""
    import torch

    expected = {name: tuple(tensor.shape) for name, tensor in empty(spec).state_dict().items()}
    for name in sorted(expected.keys() ^ arrays.keys()):
        raise ValueError(f"{name} is {'missing' if name in expected else f'not part of {spec.name}'}")
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
    """The network on torch's meta device: names and shapes, no memory, no random numbers."""
    import torch

    with torch.device("meta"):
        return spec.network.module(spec.classes, spec.size, spec.dropout)


@contextmanager
def all_cores() -> Iterator[None]:
    """Lets torch use all cores available to this process within the block."""
    import torch

    before = torch.get_num_threads()
    torch.set_num_threads(cores())
    try:
        yield
    finally:
        torch.set_num_threads(before)


def _filled(spec: Spec, tensors: "dict[str, torch.Tensor]") -> "torch.nn.Module":
    """The network on these tensors, in channels-last layout, for which oneDNN is fastest on a CPU."""
    import torch

    network = empty(spec)
    network.load_state_dict(tensors, assign=True)
    return network.to(memory_format=torch.channels_last)
