"""The frozen encoder: uint8 images in, float32 features (n, 1280) out, or activations at a split.

Second stage of the features. MobileNetV2 (Sandler et al. 2018, arXiv:1801.04381) without its classifier, in
evaluation mode, exported once to an ONNX graph that includes the normalisation of its input, with every
BatchNorm folded into its convolution. The graph is cached, so torch is imported only the first time; ONNX
Runtime is several times faster than eager torchvision on a CPU. `eager` is the reference it is compared with.
"""

import hashlib
import io
import tempfile
import warnings
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from fer_models import seeding
from fer_models.encoders.weights import Weights, read
from fer_models.errors import InputError
from fer_models.machine.cache import cache_dir, whole_file
from fer_models.machine.cores import cores
from fer_models.machine.quiet import hush

if TYPE_CHECKING:
    import torch

FEATURES = 1280
BLOCKS = 17  # inverted-residual blocks, between a first and a last convolution
MEAN = (0.485, 0.456, 0.406)  # of the weights' own preprocessing, for pixels in 0..1, RGB
STD = (0.229, 0.224, 0.225)
GRAPH = 1  # increased when the graph's arithmetic changes: all features computed before are then stale
SLICE = 2  # images per pass: few, so that the activations between layers stay in a core's own cache


@dataclass(frozen=True)
class Encoder:
    """A frozen MobileNetV2, ready to run.

    key: everything that affects its arithmetic, including the versions of the libraries.
    """

    weights: Weights
    key: str
    threads: int
    session: Any

    def __call__(self, images: np.ndarray) -> np.ndarray:
        """Features (n, 1280) float32 of uint8 images (n, 1 or 3, s, s); gray equals its copy on 3 channels.

        From an encoder that ends at a split: activations (n, channels, s', s') float16. A row depends only on
        its own image: not on its neighbours, and not on the number of threads. Each thread encodes separate
        slices: threads that share a layer wait for one another at every layer, spinning, which is slower,
        and many times slower if other programs use the same cores.
        """

        def encode(start: int) -> np.ndarray:
            part = np.ascontiguousarray(images[start : start + SLICE])
            rows: np.ndarray = self.session.run(None, {"images": part})[0]
            return rows

        pool = ThreadPoolExecutor(self.threads, thread_name_prefix="encoder")
        try:
            parts = [pool.submit(encode, start) for start in range(0, len(images) or 1, SLICE)]
            return np.concatenate([part.result() for part in parts])
        finally:
            pool.shutdown(cancel_futures=True)


def load(weights: Weights, *, blocks: int = 0, threads: int | None = None) -> Encoder:
    """The encoder with `weights`, on `threads` threads (default: all cores this process may use).

    With `blocks` it ends below that many of the last inverted-residual blocks. The graph is taken from the
    cache, or exported and cached. Raises InputError if the file of weights is not a state dict of
    MobileNetV2.
    """
    hush()  # before it is loaded, also in a process not started by one of our commands
    import onnxruntime

    key = _graph_key(weights, blocks)
    folder = cache_dir("encoder")
    graph = _kept(folder, key) or _keep(folder, key, _export(weights, blocks))
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    options.inter_op_num_threads = 1
    options.log_severity_level = 3
    session = onnxruntime.InferenceSession(graph, options, providers=["CPUExecutionProvider"])
    return Encoder(weights, f"{key} onnxruntime {version('onnxruntime')}", threads or cores(), session)


def eager(weights: Weights, *, threads: int | None = None) -> Callable[[np.ndarray], np.ndarray]:
    """The reference: torchvision's own network in eager mode, same arguments and results as Encoder.

    Sets torch's number of threads for the duration of each call.
    """
    import torch

    network = mobilenet(weights)
    mean, std = (torch.tensor(values).view(1, 3, 1, 1) for values in (MEAN, STD))

    def encode(images: np.ndarray) -> np.ndarray:
        before = torch.get_num_threads()
        torch.set_num_threads(threads or cores())
        try:
            with torch.inference_mode():
                pixels = torch.from_numpy(images).float().div(255).expand(-1, 3, -1, -1)
                rows: np.ndarray = network((pixels - mean) / std).mean((2, 3)).numpy()
                return rows
        finally:
            torch.set_num_threads(before)

    return encode


def _graph_key(weights: Weights, blocks: int) -> str:
    """What determines the graph, as text. Reads the installed versions without importing the libraries."""
    libraries = " ".join(f"{name} {version(name)}" for name in ("torch", "torchvision", "onnx"))
    below = f" below {blocks} blocks" if blocks else ""
    return f"mobilenet_v2 graph {GRAPH}{below} weights {weights.sha256} {libraries}"


def _kept(folder: Path, key: str) -> bytes | None:
    """The graph cached under `key`, if it is still intact; a damaged one is removed."""
    for path in sorted(folder.glob(f"{_short(key)}-*.onnx")):
        content = path.read_bytes()
        if path.stem.endswith(hashlib.sha256(content).hexdigest()):
            return content
        path.unlink(missing_ok=True)
    return None


def _keep(folder: Path, key: str, graph: bytes) -> bytes:
    """Write the graph under a name that contains its SHA-256."""
    with whole_file(folder / f"{_short(key)}-{hashlib.sha256(graph).hexdigest()}.onnx") as temporary:
        temporary.write_bytes(graph)
    return graph


def _short(key: str) -> str:
    return hashlib.sha256(key.encode()).hexdigest()[:16]


def graph(weights: Weights, blocks: int) -> "torch.nn.Module":
    """The network from pixels: images (n, 1 or 3, s, s) uint8 -> features (n, 1280) float32, or the
    activations below the last `blocks` blocks in float16, half as large and no less useful for training.

    It takes gray and colour of every size: the normalisation broadcasts one channel to three.
    """
    import torch

    class Normalised(torch.nn.Module):
        mean: torch.Tensor
        std: torch.Tensor

        def __init__(self) -> None:
            super().__init__()
            network = mobilenet(weights)
            self.network = network[: BLOCKS + 1 - blocks] if blocks else network
            self.register_buffer("mean", torch.tensor(MEAN).view(1, 3, 1, 1) * 255)
            self.register_buffer("std", torch.tensor(STD).view(1, 3, 1, 1) * 255)

        def forward(self, images: torch.Tensor) -> torch.Tensor:
            rows: torch.Tensor = self.network((images.float() - self.mean) / self.std)
            return rows.half() if blocks else rows.mean((2, 3))

    return Normalised().eval()


def _export(weights: Weights, blocks: int) -> bytes:
    """The network in ONNX format."""
    import torch

    example = torch.zeros(2, 3, 64, 64, dtype=torch.uint8)
    axes = {"images": {0: "n", 1: "channels", 2: "height", 3: "width"}, "features": {0: "n"}}
    with tempfile.TemporaryDirectory(prefix="fedfer-") as folder, warnings.catch_warnings():
        warnings.simplefilter("ignore")  # the exporter recommends its successor, which needs another package
        file = Path(folder) / "encoder.onnx"
        torch.onnx.export(
            graph(weights, blocks),
            (example,),
            str(file),
            dynamo=False,
            input_names=["images"],
            output_names=["features"],
            dynamic_axes=axes,
        )
        return file.read_bytes()


def mobilenet(weights: Weights) -> "torch.nn.Sequential":
    """Torchvision's MobileNetV2 up to its pooling, with `weights`, in evaluation mode: a first convolution,
    17 inverted-residual blocks, a last convolution.
    """
    import torch
    import torchvision

    with torch.device("meta"):  # no memory, and above all no use of torch's global generator
        network: torch.nn.Sequential = torchvision.models.mobilenet_v2().features
    tensors = network.state_dict()
    counters = [name for name in tensors if name.endswith("num_batches_tracked")]  # unused in evaluation
    expected = {name: tensor for name, tensor in tensors.items() if name not in counters}
    state = _random_state(weights.seed, expected) if weights.path is None else _file_state(weights, expected)
    network.load_state_dict(state | {name: torch.tensor(0) for name in counters}, assign=True)
    network.requires_grad_(False).eval()
    return network


def _random_state(seed: int, expected: "dict[str, torch.Tensor]") -> "dict[str, torch.Tensor]":
    """He-normal convolutions by fan-in (He et al. 2015, arXiv:1502.01852), BatchNorm as the identity.

    By fan-in, not by fan-out as torchvision does: an untrained network must preserve its signal, since its
    running statistics do not restore it.
    """
    import torch

    state = {}
    for name, tensor in expected.items():
        shape = tuple(tensor.shape)
        if len(shape) == 4:
            spread = np.sqrt(2 / np.prod(shape[1:]))
            values = seeding.stream(seed, "weights", name).normal(0, spread, shape)
        else:
            values = np.full(shape, 1.0 if name.endswith(("weight", "running_var")) else 0.0)
        state[name] = torch.from_numpy(values.astype(np.float32))
    return state


def _file_state(weights: Weights, expected: "dict[str, torch.Tensor]") -> "dict[str, torch.Tensor]":
    """The tensors that the encoder needs from the file, checked for name, shape and finiteness."""
    import torch

    def refuse(why: str) -> InputError:
        return InputError(
            f"model.weights: {weights.path} is not a state dict of torchvision's mobilenet_v2 ({why}); "
            "save one with torch.save(network.state_dict(), PATH)"
        )

    file = io.BytesIO(read(weights))
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # warnings on foreign formats; the error below says enough
            content = torch.load(file, map_location="cpu", weights_only=True)
    except Exception as error:  # a foreign file may raise anything
        raise refuse(f"torch.load with weights_only=True: {type(error).__name__}") from error
    if not isinstance(content, dict):
        raise refuse(f"it holds a {type(content).__name__}")
    state = {}
    for name, tensor in expected.items():
        found = content.get(f"features.{name}")
        if not isinstance(found, torch.Tensor):
            raise refuse(f"features.{name} is missing")
        if found.shape != tensor.shape:
            raise refuse(f"features.{name} is {tuple(found.shape)}, expected {tuple(tensor.shape)}")
        state[name] = found.detach().float()
        if not torch.isfinite(state[name]).all():
            raise refuse(f"features.{name} holds values that are not finite")
    return state
