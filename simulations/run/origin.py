"""What a run was begun with: settings, code, libraries, photos. A run goes on with the same or not at all."""

import hashlib
import json
import platform
from importlib.metadata import version
from pathlib import Path
from typing import Any

from fer_models import code, extensions
from fer_models.data.images import ImageTable
from fer_models.encoders.weights import Weights
from fer_models.errors import InputError
from fer_models.run_folder.folder import RunFolder
from fer_models.text import shown
from simulations.experiment import Config
from simulations.explain import shown as value_shown

NAME = "origin"  # .json in the run folder
_PACKAGES = ("clients", "fer_models", "server", "simulations")
_VERSIONS = ("fedfer", "flwr", "ray", "torch", "torchvision", "onnxruntime", "numba", "numpy", "pillow")


def versions() -> dict[str, str]:
    """Versions of Python and of the libraries that shape a result."""
    return {"python": platform.python_version()} | {name: version(name) for name in _VERSIONS}


def fingerprint(table: ImageTable) -> str:
    """SHA-256 of the photos, what is on them, and how they are split."""
    rows = zip(table.digests, table.labels.tolist(), table.split.tolist(), strict=True)
    lines = [" ".join(table.classes), *(f"{digest} {label} {part}" for digest, label, part in rows)]
    return hashlib.sha256("\n".join(lines).encode()).hexdigest()


def known(config: Config) -> dict[str, Any]:
    """What is known before any photo is read."""
    return {
        "settings": config.model_dump(mode="json"),
        "versions": versions(),
        "code": {**code.digests(*_PACKAGES), **extensions.digests(config.extensions)},
    }


def data(table: ImageTable, weights: Weights | None) -> dict[str, Any]:
    """What the photos are, and the weights of the backbone."""
    return {
        "photos": len(table),
        "photos_sha256": fingerprint(table),
        "weights_sha256": None if weights is None else weights.sha256,
    }


def write(log: RunFolder, config: Config, table: ImageTable, weights: Weights | None) -> None:
    """Writes origin.json of a new run."""
    log.write_json(NAME, {**known(config), "data": data(table, weights)})


def read(folder: Path) -> dict[str, Any]:
    """The origin of the run in `folder`; InputError where its file is missing or damaged."""
    path = folder / f"{NAME}.json"
    try:
        origin: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
        settings, versions, files, photos = (origin[n] for n in ("settings", "versions", "code", "data"))
        if not all(isinstance(part, dict) for part in (*settings.values(), versions, files, photos)):
            raise ValueError("not what was written")
    except FileNotFoundError as error:
        raise InputError(
            f"--resume: {shown(folder)} is not the folder of a run, or that of an older fedfer: it has no"
            f" {path.name}; give one, or start a new run"
        ) from error
    except (OSError, ValueError, KeyError, AttributeError, TypeError) as error:
        raise InputError(
            f"--resume: {shown(path)} is damaged ({type(error).__name__}: {error}); start a new run"
        ) from error
    return origin


def check(folder: Path, origin: dict[str, Any], config: Config) -> None:
    """InputError where settings, code or libraries are not those that the run in `folder` began with."""
    now = known(config)
    for section in now["settings"].keys() | origin["settings"].keys():
        before, values = (part.get(section, {}) for part in (origin["settings"], now["settings"]))
        for name in sorted(values.keys() | before.keys()):
            was, says = value_shown(before.get(name)), value_shown(values.get(name))
            if was != says:
                raise _differs(folder, f"{section}.{name} was {was}, config.toml says {says}; put it back")
    if files := code.difference(origin["code"], now["code"]):
        raise _differs(
            folder, f"the code of fedfer was another in {files}; go on with the code that began it"
        )
    for name in sorted(now["versions"].keys() | origin["versions"].keys()):
        was, here = origin["versions"].get(name), now["versions"].get(name)
        if was != here:
            raise _differs(folder, f"{name} was {was}, this is {here}; install that one")


def check_data(folder: Path, origin: dict[str, Any], table: ImageTable, weights: Weights | None) -> None:
    """InputError where the photos or the weights are not those that the run in `folder` began with."""
    before, now = origin["data"], data(table, weights)
    if before.get("weights_sha256") != now["weights_sha256"]:
        hashes = f"SHA-256 was {before.get('weights_sha256')}, is {now['weights_sha256']}"
        raise _differs(folder, f"the weights were others ({hashes}); put them back")
    if before != now:
        counts = f"{before.get('photos')} then, {now['photos']} now"
        if before.get("photos") == now["photos"]:
            counts = "as many, but not the same, or labelled or split otherwise"
        raise _differs(folder, f"the photos of {shown(table.source)} changed ({counts}); put them back")


def _differs(folder: Path, what: str) -> InputError:
    return InputError(f"--resume: {shown(folder)} cannot go on as it began: {what}, or start a new run")
