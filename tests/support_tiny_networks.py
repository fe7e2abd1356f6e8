"""Small networks of every kind, rows that they read, and torch's own modules to compare them with."""

import numpy as np
import torch
import torchvision
from torch import nn

from fer_models.encoders.weights import Weights, find
from fer_models.local.phone_rows import PhoneRows
from fer_models.networks.build import Spec, build
from fer_models.networks.phones import NetworkPhones

CLASSES = 3
DEEP = Spec("mobilenet-deep", CLASSES, 32)
TUNED = Spec("mobilenet-tuned", CLASSES, 64, options={"trainable_blocks": 1})
CNN = Spec("cnn", CLASSES, 10)
SCRATCH = Spec("mobilenet-scratch", CLASSES, 32, options={"width": 0.25})
SIZES = [5, 1, 9, 3]  # views of phones
ALL = {spec.name: spec for spec in (DEEP, TUNED, CNN, SCRATCH)}


def weights() -> Weights:
    return find("random", seed=4)


def rows_for(spec: Spec, n: int, seed: int = 0) -> np.ndarray:
    """Rows as `spec` reads them, (n, ...)."""
    rng = np.random.default_rng(seed)
    if spec.name == "mobilenet-deep":
        return rng.random((n, 1280), np.float32)
    if spec.name == "mobilenet-tuned":
        return rng.standard_normal((n, 160, 2, 2)).astype(np.float16)
    return rng.integers(0, 256, (n, 1, spec.size, spec.size), dtype=np.uint8)


def shaken(network: nn.Module, seed: int = 0) -> nn.Module:
    """The network with parameters and BatchNorms far from where they start."""
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for name, tensor in network.state_dict().items():
            if tensor.ndim == 4:
                nn.init.kaiming_normal_(tensor, generator=generator)
            elif tensor.ndim == 2:
                tensor.normal_(0, 0.1, generator=generator)
            elif tensor.ndim == 1:
                low, high = (-0.5, 0.5) if name.endswith(("bias", "mean")) else (0.5, 1.5)
                tensor.uniform_(low, high, generator=generator)
    return network


def torchvisions(width: float = 1.0, classes: int = CLASSES) -> torchvision.models.MobileNetV2:
    """Torchvision's own network, without dropout, shaken, in evaluation mode."""
    state = torch.get_rng_state()
    torch.manual_seed(0)
    network = shaken(torchvision.models.mobilenet_v2(width_mult=width, num_classes=classes, dropout=0.0))
    torch.set_rng_state(state)
    return network.eval()  # type: ignore[no-any-return]


def plain_cnn(size: int) -> nn.Sequential:
    """The small CNN as everybody writes it, always the same, drawn from a generator that is put back."""
    state = torch.get_rng_state()
    torch.manual_seed(0)
    network = nn.Sequential(
        nn.Conv2d(1, 32, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2),
        nn.Conv2d(32, 64, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2),
        nn.Flatten(), nn.Linear(64 * (size // 4) ** 2, 128), nn.ReLU(), nn.Linear(128, CLASSES),
    )  # fmt: skip
    torch.set_rng_state(state)
    return network


PLAIN_CNN_NAMES = {"0": "conv1", "3": "conv2", "7": "hidden", "9": "output"}


def cnn_arrays(plain: nn.Sequential) -> dict[str, np.ndarray]:
    """The arrays of the plain CNN under our names."""
    state = {name: tensor.detach().numpy() for name, tensor in plain.state_dict().items()}
    return {
        f"{PLAIN_CNN_NAMES[name.split('.')[0]]}.{name.split('.')[1]}": np.array(array)
        for name, array in state.items()
    }


def gray(rows: np.ndarray) -> torch.Tensor:
    """What the small CNN makes of its rows: -2 to 2."""
    return (torch.from_numpy(rows).float() / 255 - 0.5) / 0.25


def spread(rows: np.ndarray) -> torch.Tensor:
    """Gray pixels as torchvision's own preprocessing gives them to MobileNetV2."""
    steps = torchvision.models.MobileNet_V2_Weights.IMAGENET1K_V1.transforms()
    pixels = torch.from_numpy(np.repeat(rows, 3, axis=1)).float() / 255
    result: torch.Tensor = torchvision.transforms.functional.normalize(pixels, steps.mean, steps.std)
    return result


def floats(network: nn.Module) -> dict[str, np.ndarray]:
    """Torch's state dict as named arrays, without counters."""
    tensors = network.state_dict().items()
    return {name: tensor.numpy().copy() for name, tensor in tensors if tensor.is_floating_point()}


def network(spec: Spec) -> NetworkPhones:
    return NetworkPhones(build(spec, seed=3, weights=weights() if spec.name == "mobilenet-tuned" else None))


def shards(spec: Spec) -> PhoneRows:
    rows = rows_for(spec, 12)
    rng = np.random.default_rng(0)
    labels = rng.integers(0, CLASSES, 12)
    return PhoneRows(rows, labels, rng.integers(0, 12, sum(SIZES)), np.append(0, np.cumsum(SIZES)))
