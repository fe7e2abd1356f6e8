"""The frozen encoder against torchvision itself, with weights made up here."""

import hashlib
import os
import pickle
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest
import torch
import torchvision
from PIL import Image
from support_slow import few_quick

from fer_models.encoders.backbone import FEATURES, MEAN, STD, Encoder, eager, load
from fer_models.encoders.weights import Weights, find
from fer_models.errors import InputError

USERS_CACHE = os.environ.get("FEDFER_CACHE")


@pytest.fixture(scope="module", autouse=True)
def own_cache(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """One cache for the module: exporting takes a second. One thread for torch: the images are tiny."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("FEDFER_CACHE", str(tmp_path_factory.mktemp("cache")))
        yield
    torch.set_num_threads(threads)


@pytest.fixture(scope="module")
def encoder() -> Encoder:
    return load(find("random", seed=1), threads=2)


def pictures(n: int, channels: int, size: int = 64, seed: int = 0) -> np.ndarray:
    """Smooth blobs, uint8 (n, channels, size, size)."""
    rng = np.random.default_rng(seed)
    small = rng.integers(0, 256, (n * channels, 5, 5), dtype=np.uint8)
    large = [Image.fromarray(image).resize((size, size), Image.Resampling.BICUBIC) for image in small]
    return np.stack([np.asarray(image) for image in large]).reshape(n, channels, size, size)


def least_cosine(a: np.ndarray, b: np.ndarray) -> float:
    return float(((a * b).sum(1) / np.linalg.norm(a, axis=1) / np.linalg.norm(b, axis=1)).min())


def whole_network(seed: int = 0) -> torchvision.models.MobileNetV2:
    """A torchvision network whose BatchNorms are far from the identity, as those of trained ones are."""
    generator = torch.Generator().manual_seed(seed)
    network = torchvision.models.mobilenet_v2()
    with torch.no_grad():
        for name, tensor in network.state_dict().items():
            if tensor.ndim == 4:
                torch.nn.init.kaiming_normal_(tensor, generator=generator)
            elif name.startswith("features") and tensor.ndim == 1:
                low, high = (-0.5, 0.5) if name.endswith(("bias", "mean")) else (0.5, 1.5)
                tensor.uniform_(low, high, generator=generator)
    return network.eval()


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> tuple[torchvision.models.MobileNetV2, Weights]:
    """A whole network and the file of its state dict."""
    network = whole_network()
    path = tmp_path_factory.mktemp("weights") / "net.pth"
    torch.save(network.state_dict(), path)
    network.classifier = torch.nn.Identity()
    return network, find(str(path))


@pytest.mark.parametrize(("channels", "size"), few_quick([(1, 32), (1, 75), (3, 64)], (3, 64)))
def test_features_are_those_of_torchvision(
    channels: int, size: int, trained: tuple[torchvision.models.MobileNetV2, Weights]
) -> None:
    network, weights = trained
    images = pictures(5, channels, size)
    pixels = torch.from_numpy(np.repeat(images, 3 // channels, axis=1)).float() / 255
    normalised = torchvision.transforms.functional.normalize(pixels, MEAN, STD)
    with torch.inference_mode():
        expected = network(normalised).numpy()
    for encode in (load(weights, threads=2), eager(weights, threads=1)):
        rows = encode(images)
        assert rows.shape == (5, FEATURES)
        assert rows.dtype == np.float32
        assert least_cosine(rows, expected) > 0.999999
        np.testing.assert_allclose(rows, expected, atol=1e-3)


@pytest.mark.parametrize("blocks", few_quick([1, 3, 17]))
def test_an_encoder_that_ends_at_a_split_gives_what_lies_below_the_last_blocks(
    blocks: int, trained: tuple[torchvision.models.MobileNetV2, Weights]
) -> None:
    network, weights = trained
    images = pictures(3, 1, 64)
    pixels = torch.from_numpy(images).float().div(255).expand(-1, 3, -1, -1)
    normalised = torchvision.transforms.functional.normalize(pixels, MEAN, STD)
    with torch.inference_mode():
        expected = network.features[: 18 - blocks](normalised).numpy()
    rows = load(weights, blocks=blocks, threads=2)(images)
    assert rows.dtype == np.float16
    assert rows.shape == expected.shape
    np.testing.assert_allclose(rows, expected, rtol=1e-3, atol=2e-3)
    assert load(weights, blocks=blocks).key != load(weights).key


def test_normalisation_is_that_of_the_published_weights() -> None:
    published = torchvision.models.MobileNet_V2_Weights.IMAGENET1K_V1.transforms()
    assert (tuple(published.mean), tuple(published.std)) == (MEAN, STD)


@pytest.mark.slow
def test_gray_equals_its_threefold_copy(encoder: Encoder) -> None:
    gray = pictures(4, 1)
    np.testing.assert_array_equal(encoder(gray), encoder(np.repeat(gray, 3, axis=1)))


def test_a_row_does_not_depend_on_neighbours_or_threads(encoder: Encoder) -> None:
    images = pictures(7, 1)
    rows = encoder(images)
    np.testing.assert_array_equal(np.concatenate([encoder(image[None]) for image in images]), rows)
    np.testing.assert_array_equal(load(encoder.weights, threads=1)(images), rows)
    np.testing.assert_array_equal(encoder(images[::-1])[::-1], rows)


@pytest.mark.slow
def test_random_weights_follow_their_seed_and_keep_the_signal(encoder: Encoder) -> None:
    images = pictures(8, 3)
    rows = encoder(images)
    state = torch.get_rng_state()
    again, other = (load(find("random", seed=seed), threads=2)(images) for seed in (1, 2))
    assert torch.equal(state, torch.get_rng_state())
    np.testing.assert_array_equal(again, rows)
    assert not np.allclose(other, rows)
    assert 0.05 < rows.std(axis=0).mean() < 6  # ReLU6 at the end: neither faded out nor all at its limit


def test_no_image_gives_no_row(encoder: Encoder) -> None:
    assert encoder(pictures(1, 1)[:0]).shape == (0, FEATURES)


@pytest.mark.slow
def test_the_second_start_imports_no_torch(encoder: Encoder) -> None:
    code = (
        "import sys; from fer_models.encoders import backbone, weights\n"
        "encoder = backbone.load(weights.find('random', seed=1))\n"
        "print('torch' in sys.modules, encoder.key)"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=True
    )
    assert done.stdout.strip() == f"False {encoder.key}"


@pytest.mark.slow
def test_a_damaged_graph_is_exported_anew(encoder: Encoder) -> None:
    folder = Path(os.environ["FEDFER_CACHE"]) / "encoder"
    kept = {path: path.read_bytes() for path in folder.iterdir()}
    for path, content in kept.items():
        path.write_bytes(content[:-1] + bytes([content[-1] ^ 1]))
    rows = load(encoder.weights, threads=2)(pictures(3, 1))
    np.testing.assert_array_equal(rows, encoder(pictures(3, 1)))
    (path,) = (path for path in kept if path.exists() and path.read_bytes() == kept[path])
    assert path.stem.endswith(hashlib.sha256(kept[path]).hexdigest())
    for path, content in kept.items():
        path.write_bytes(content)


class Malice:
    """Unpickled by a careless reader, it leaves a file behind."""

    def __reduce__(self) -> tuple[Callable[[str], None], tuple[str]]:
        return os.mkdir, ("pwned",)


FIRST = "features.0.0.weight"
REFUSED = {
    "text": (b"not weights at all", "torch.load with weights_only=True: "),
    "empty": (b"", "torch.load with weights_only=True: "),
    "code": (pickle.dumps(Malice()), "torch.load with weights_only=True: "),
    "a list": ([1, 2], "it holds a list"),
    "a tensor": (torch.zeros(3), "it holds a Tensor"),
    "missing": ({}, f"{FIRST} is missing"),
    "wrapped": ({"state_dict": {FIRST: torch.zeros(32, 3, 3, 3)}}, f"{FIRST} is missing"),
    "not a tensor": ({FIRST: 3}, f"{FIRST} is missing"),
    "incomplete": ({FIRST: torch.zeros(32, 3, 3, 3)}, "features.0.1.weight is missing"),
    "shape": ({FIRST: torch.zeros(32, 1, 3, 3)}, rf"{FIRST} is \(32, 1, 3, 3\), expected \(32, 3, 3, 3\)"),
    "nan": ({FIRST: torch.full((32, 3, 3, 3), torch.nan)}, f"{FIRST} holds values that are not finite"),
}


@pytest.mark.parametrize("case", REFUSED)
def test_a_file_that_is_no_such_state_dict_is_refused(
    case: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    content, reason = REFUSED[case]
    path = tmp_path / "net.pth"
    if isinstance(content, bytes):
        path.write_bytes(content)
    else:
        torch.save(content, path)
    with pytest.raises(InputError, match=rf"^model.weights: {path} is not .* \({reason}") as caught:
        load(find(str(path)))
    assert "\n" not in str(caught.value)
    assert not (tmp_path / "pwned").exists()


@pytest.mark.slow
def test_imagenet_features_of_real_faces(real_faces: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Cosine of at least 0.9999 to eager torchvision; `fedfer speed` measures how much faster."""
    if USERS_CACHE is None:  # not this module's own: the weights are fetched once
        monkeypatch.delenv("FEDFER_CACHE")
    else:
        monkeypatch.setenv("FEDFER_CACHE", USERS_CACHE)
    weights = find("imagenet")
    files = sorted(path for path in real_faces.glob("*/*") if path.suffix in (".jpg", ".png"))
    photos = [Image.open(path).convert("L").resize((224, 224)) for path in files[:: len(files) // 32][:32]]
    images = np.stack([np.asarray(photo)[None] for photo in photos])
    ours, theirs = load(weights, threads=2), eager(weights, threads=2)
    assert least_cosine(ours(images), theirs(images)) >= 0.9999
