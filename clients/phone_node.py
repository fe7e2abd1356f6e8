"""A node that is one phone: it holds its own photos, and works for nobody else's.

Its `node_config` says which phone it is and where its photos lie: `phone=2 data="/photos"`, a folder or a CSV
as `data.source` takes. What the server sends beforehand is a recipe: the classes and the frozen part of the
model. The photos never leave the node; what the frozen part makes of them is kept in its own cache.
"""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from fer_models import features
from fer_models.cache import cache_dir
from fer_models.config import DataConfig
from fer_models.data.augment import ViewPlan
from fer_models.data.images import ImageTable, check_unreadable
from fer_models.encoders.backbone import load
from fer_models.encoders.weights import find
from fer_models.errors import RunError
from fer_models.local.training import PhoneRows
from fer_models.photos.choice import choose, vocabulary
from fer_models.photos.sources import open_source

_EXAMPLE = "--node-config 'phone=0 data=\"/its/photos\"'"


@dataclass(frozen=True)
class OnePhone:
    """PhoneData of the one phone number `phone`."""

    features: np.ndarray  # (n, D) float32
    labels: np.ndarray  # (n,) int64
    phone: int
    phones: int = 1

    @property
    def sizes(self) -> np.ndarray:
        """Views of the phone, (1,) int64."""
        return np.array([len(self.labels)])

    def of(self, phones: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """What `phones` own, which can be none or the one that this node is."""
        if not np.isin(phones, [self.phone]).all():
            raise RunError(f"this node is phone {self.phone}, and was asked to train {phones.tolist()}")
        first = np.zeros(len(phones), np.int64)
        return np.arange(len(self.labels)), first, first + len(self.labels)


def prepare(node: Mapping[str, object], recipe: Mapping[str, object]) -> OnePhone:
    """Checks the node's photos and runs the frozen part of the model over them; RunError where it cannot.

    `recipe`: classes, names, max_unreadable, size (of the images, in pixels), weights (name) and
    weights_sha256, seed.
    """
    data, phone = _data(node), number(node)
    classes = tuple(str(name) for name in recipe["classes"])  # type: ignore[attr-defined]
    names, most = json.loads(str(recipe["names"])), float(recipe["max_unreadable"])  # type: ignore[arg-type]
    table = _table(DataConfig(source=data, classes=classes, names=names, max_unreadable=most))
    seed = int(recipe["seed"])  # type: ignore[call-overload]
    weights = find(str(recipe["weights"]), seed=seed)
    if weights.sha256 != recipe["weights_sha256"]:
        raise RunError(f"phone {phone} has other weights of the model ({weights.sha256}) than the server")
    plan = ViewPlan(np.arange(len(table)), np.zeros(len(table), np.int64))
    path = features.extract(table, plan, load(weights), int(recipe["size"]), seed=seed)  # type: ignore[call-overload]
    PhoneRows(
        np.load(path, mmap_mode="r"), table.labels, np.arange(len(table)), np.array([0, len(table)])
    ).save(_folder(data, phone), path)
    return held(node)


def held(node: Mapping[str, object]) -> OnePhone:
    """What `prepare` left in the node's cache."""
    data, phone = _data(node), number(node)
    try:
        found = PhoneRows.load(_folder(data, phone))
    except (OSError, ValueError) as error:
        raise RunError(f"phone {phone} has not prepared its photos: {error}") from error
    return OnePhone(np.asarray(found.features), np.asarray(found.labels), phone)


def number(node: Mapping[str, object]) -> int:
    """Which phone a node is; RunError where its configuration does not say."""
    phone = node.get("phone")
    if type(phone) is not int or phone < 0:
        raise RunError(f"a node that is a phone needs {_EXAMPLE}, got phone={phone!r}")
    return phone


def _data(node: Mapping[str, object]) -> str:
    """Where its photos lie."""
    data = node.get("data")
    if not isinstance(data, str) or not Path(data).is_absolute():
        raise RunError(f"a node that is a phone needs {_EXAMPLE}, an absolute path, got data={data!r}")
    return data


def _folder(data: str, phone: int) -> Path:
    return cache_dir("devices") / hashlib.sha256(f"{phone} {data}".encode()).hexdigest()


def _table(data: DataConfig) -> ImageTable:
    """All readable photos of the classes, which need not all be there."""
    source = open_source(data)
    listing = source.listing()
    words = vocabulary(data)
    there = {words.class_of(photo.emotion) for photo in listing.photos}
    some = [name for name in data.classes if name in there]
    photos = choose(listing, data, source.name, classes=some)
    checked = source.check(photos)
    broken = [(photo, c.reason) for photo, c in zip(photos, checked, strict=True) if c.reason is not None]
    check_unreadable(photos, broken, data, source.name)
    kept = [(photo, c.digest) for photo, c in zip(photos, checked, strict=True) if c.digest is not None]
    if not kept:
        raise RunError(f"there is no photo of {', '.join(data.classes)} in {data.source}")
    digests = tuple(digest for _, digest in kept)
    ledger = listing.ledger
    ledger.used, ledger.unreadable = len(kept), len(photos) - len(kept)
    return ImageTable(
        source=source.name,
        classes=data.classes,
        paths=tuple(photo.path for photo, _ in kept),
        labels=np.array([data.classes.index(photo.emotion) for photo, _ in kept], dtype=np.int64),
        subjects=None,
        split=np.zeros(len(kept), np.int64),
        digests=digests,
        unreadable=(),
        reader=source.reader([photo for photo, _ in kept], digests),
        ledger=ledger,
    )
