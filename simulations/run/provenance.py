"""Provenance: settings, code, libraries and photos of a run, which resumes with the same or not at all."""

import hashlib
import platform
from collections.abc import Mapping
from pathlib import Path

from fer_models.data.images import ImageTable
from fer_models.encoders.weights import Weights
from fer_models.errors import InputError
from fer_models.machine import code
from fer_models.pages import extensions
from fer_models.pages.options import as_toml
from fer_models.run_folder.files import UnusableError
from fer_models.run_folder.origin import Origin, PhotoOrigin
from fer_models.text import printable
from simulations.config import Config

_PACKAGES = ("clients", "fer_models", "server", "simulations")
_VERSIONS = ("fedfer", "flwr", "ray", "torch", "torchvision", "onnxruntime", "numba", "numpy", "pillow")


def versions() -> dict[str, str]:
    """Versions of Python and of the libraries that affect results."""
    return {"python": platform.python_version()} | {name: code.installed(name) for name in _VERSIONS}


def fingerprint(table: ImageTable) -> str:
    """SHA-256 over the photos, their labels and their split."""
    rows = zip(table.digests, table.labels.tolist(), table.split.tolist(), strict=True)
    lines = [" ".join(table.classes), *(f"{digest} {label} {part}" for digest, label, part in rows)]
    return hashlib.sha256("\n".join(lines).encode()).hexdigest()


def of(config: Config, table: ImageTable, weights: Weights | None) -> Origin:
    """The origin of a run that starts here and now."""
    return Origin(
        settings=_settings(config), versions=versions(), code=_code(config), data=_data(table, weights)
    )


def _settings(config: Config) -> Mapping[str, Mapping[str, object]]:
    """The configuration as JSON values."""
    values: Mapping[str, Mapping[str, object]] = config.model_dump(mode="json")
    return values


def _code(config: Config) -> dict[str, str]:
    return {**code.digests(*_PACKAGES), **extensions.digests(config.extensions)}


def _data(table: ImageTable, weights: Weights | None) -> PhotoOrigin:
    return PhotoOrigin(len(table), fingerprint(table), None if weights is None else weights.sha256)


def read(folder: Path) -> Origin:
    """The origin of the run in `folder`; InputError if its file is missing or damaged."""
    try:
        return Origin.read(folder)
    except FileNotFoundError as error:
        raise InputError(
            f"--resume: {printable(folder)} is not the folder of a run, or that of an older fedfer: it has no"
            f" {Origin.FILE}; give one, or start a new run"
        ) from error
    except UnusableError as error:
        raise InputError(f"--resume: {error.what}; start a new run") from error


def own_code(folder: Path) -> Mapping[str, str]:
    """The source files of the user's own classes that the run in `folder` trained with, and their digests."""
    if not (folder / Origin.FILE).is_file():  # a centralized run: it has none
        return {}
    code, packages = read(folder).code, tuple(f"{name}/" for name in _PACKAGES)
    return {file: digest for file, digest in code.items() if not file.startswith(packages)}


def check_same(folder: Path, origin: Origin, config: Config) -> None:
    """InputError if settings, code or libraries are not those that the run in `folder` started with."""
    now = _settings(config)
    for section, before in origin.settings.items():
        values = now.get(section, {})
        for name in sorted(values.keys() & before.keys()):  # others appear, or go, with other code: see below
            was, says = as_toml(before[name]), as_toml(values[name])
            if was != says:
                raise _differs(folder, f"{section}.{name} was {was}, config.toml says {says}; put it back")
    if files := code.difference(origin.code, _code(config)):
        raise _differs(folder, f"the code of fedfer differs in {files}; resume with the code that started it")
    libraries = versions()
    for name in sorted(libraries.keys() | origin.versions.keys()):
        began, here = origin.versions.get(name), libraries.get(name)
        if began != here:
            raise _differs(folder, f"{name} was {began}, is {here} now; install the one it started with")


def check_data(folder: Path, origin: Origin, table: ImageTable, weights: Weights | None) -> None:
    """InputError if the photos or the weights are not those that the run in `folder` started with."""
    before, now = origin.data, _data(table, weights)
    if before.weights_sha256 != now.weights_sha256:
        hashes = f"SHA-256 was {before.weights_sha256}, is {now.weights_sha256}"
        raise _differs(folder, f"the weights differ ({hashes}); put them back")
    if before != now:
        counts = f"{before.photos} then, {now.photos} now"
        if before.photos == now.photos:
            counts = "the same number, but other photos, labels or split"
        raise _differs(folder, f"the photos of {printable(table.source)} changed ({counts}); put them back")


def _differs(folder: Path, what: str) -> InputError:
    return InputError(f"--resume: {printable(folder)} cannot be resumed: {what}, or start a new run")
