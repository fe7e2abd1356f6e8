"""A node that is one phone: it holds its own photos and trains on nothing else.

Its `node_config` gives the phone's id and the location of its photos: `phone=2 data="/photos"`, a folder or a
CSV as in `data.source`. Beforehand the server sends a recipe: the classes and the frozen part of the model.
The photos never leave the node; their features are kept in the node's own cache.
"""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from fer_models import features
from fer_models.balancing.registry import chosen
from fer_models.config import DataConfig
from fer_models.data.images import ImageTable, check_unreadable
from fer_models.encoders.backbone import load
from fer_models.encoders.weights import find
from fer_models.errors import RunError
from fer_models.local.phone_rows import PhoneRows
from fer_models.machine.cache import cache_dir
from fer_models.photos.choice import choose, vocabulary
from fer_models.photos.sources import open_source

_EXAMPLE = "--node-config 'phone=0 data=\"/its/photos\"'"


@dataclass(frozen=True)
class OnePhone:
    """PhoneData of a single phone with the id `phone`."""

    features: np.ndarray  # (n, D) float32
    labels: np.ndarray  # (n,) int64
    phone: int
    phones: int = 1
    photos: int | None = None  # by which it counts in the mean; None: by its views
    weighted: bool = False  # whether losses are weighted by the inverse frequency of the class

    @property
    def sizes(self) -> np.ndarray:
        """Views of the phone, (1,) int64."""
        return np.array([len(self.labels)])

    def of(self, phones: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """The rows of `phones`, which is either empty or this node's own phone."""
        if not np.isin(phones, [self.phone]).all():
            raise RunError(f"this node is phone {self.phone}, but the order is to train {phones.tolist()}")
        first = np.zeros(len(phones), np.int64)
        return np.arange(len(self.labels)), first, first + len(self.labels)

    def photos_of(self, phones: np.ndarray) -> np.ndarray | None:
        """Its photos, for `phones` as in `of`."""
        return None if self.photos is None else np.full(len(phones), self.photos)


def prepare(node: Mapping[str, object], recipe: Mapping[str, object]) -> OnePhone:
    """Checks the node's photos and runs the frozen part of the model over them; RunError if it cannot.

    `recipe`: classes, names, max_unreadable, balance, balance_on, size (of the images, in pixels), weights
    (name) and weights_sha256, seed, views_seed.
    """
    data, phone = _data(node), number(node)
    classes = tuple(str(name) for name in recipe["classes"])  # type: ignore[attr-defined]
    names, most = json.loads(str(recipe["names"])), float(recipe["max_unreadable"])  # type: ignore[arg-type]
    config = DataConfig(
        source=data, classes=classes, names=names, max_unreadable=most,
        balance=recipe["balance"], balance_on=recipe["balance_on"],  # type: ignore[arg-type]
    )  # fmt: skip
    table = _table(config)
    seed, views = int(recipe["seed"]), int(recipe["views_seed"])  # type: ignore[call-overload]
    weights = find(str(recipe["weights"]), seed=seed)
    if weights.sha256 != recipe["weights_sha256"]:
        raise RunError(f"the model weights of phone {phone} ({weights.sha256}) differ from the server's")
    way = chosen(config)
    plan = way.plan(table, config.balance, np.full(len(table), phone), seed=views)
    path = features.extract(table, plan, load(weights), int(recipe["size"]), seed=views)  # type: ignore[call-overload]
    PhoneRows(
        np.load(path, mmap_mode="r"), table.labels[plan.photos], np.arange(len(plan)),
        np.array([0, len(plan)]), np.array([len(table)]), way.weighs,
    ).save(_folder(data, phone), path)  # fmt: skip
    return held(node)


def held(node: Mapping[str, object]) -> OnePhone:
    """What `prepare` stored in the node's cache; RunError if nothing usable is there."""
    data, phone = _data(node), number(node)
    try:
        found = PhoneRows.load(_folder(data, phone))
    except (OSError, ValueError) as error:
        raise RunError(f"phone {phone} has not prepared its photos: {error}") from error
    photos = None if found.photos is None else int(found.photos[0])
    features, labels = np.asarray(found.features), np.asarray(found.labels)
    return OnePhone(features, labels, phone, photos=photos, weighted=found.weighted)


def number(node: Mapping[str, object]) -> int:
    """The phone id of a node; RunError if its configuration has none."""
    phone = node.get("phone")
    if type(phone) is not int or phone < 0:
        raise RunError(f"a node that is a phone needs {_EXAMPLE}, got phone={phone!r}")
    return phone


def _data(node: Mapping[str, object]) -> str:
    """The location of its photos; RunError unless it is an absolute path."""
    data = node.get("data")
    if not isinstance(data, str) or not Path(data).is_absolute():
        raise RunError(f"a node that is a phone needs {_EXAMPLE}, an absolute path, got data={data!r}")
    return data


def _folder(data: str, phone: int) -> Path:
    return cache_dir("devices") / hashlib.sha256(f"{phone} {data}".encode()).hexdigest()


def _table(data: DataConfig) -> ImageTable:
    """All readable photos of the classes; a class may have none."""
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
        raise RunError(f"no photos of {', '.join(data.classes)} in {data.source}")
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
