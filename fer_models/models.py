"""The models behind `model.name`: what each reads of a photo, how it learns, how it is kept and opened again.

All share the photos, the split, the views and the way they are judged. Sources: MobileNetV2 (Sandler et al.
2018, arXiv:1801.04381); histograms of oriented gradients (Dalal and Triggs 2005); ridge regression (Hoerl and
Kennard 1970). EmotionCNN is the small network of the published study that this project grows from.
"""

import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal, Protocol

import numpy as np

from fer_models.config import ModelConfig, TrainConfig
from fer_models.encoders.backbone import FEATURES, MEAN, STD, load
from fer_models.encoders.encoder import Encoder, GrayPixels
from fer_models.encoders.weights import Weights
from fer_models.evaluation import HeldOut
from fer_models.heads import Arrays, Classifier, LinearHead, joined, new_head
from fer_models.local.training import CentralTrainer, Shards
from fer_models.run_folder.summary import Chosen

if TYPE_CHECKING:
    from fer_models.networks.build import NetworkClassifier, Spec
    from fer_models.networks.phones import NetworkPhones

_PASSES = 7
_BATCH = 16  # photos named together, as in fedfer predict
_RGB: dict[str, Any] = {"channels": "RGB", "mean": list(MEAN), "std": list(STD)}


@dataclass(frozen=True)
class Model:
    """What sets a model apart from the others."""

    about: str  # in words
    reads: Literal["features", "activations", "pixels", "descriptors", "nothing"]  # of a photo
    size: int = 224  # of the images where data.image_size is "auto", in pixels
    weights: bool = True  # whether it starts from those of model.weights
    epochs: bool = True  # whether it learns in epochs, or all at once
    preprocessing: Mapping[str, Any] = field(default_factory=lambda: _RGB)  # beside the image size
    federated: bool = False  # whether phones can train it


MODELS: dict[str, Model] = {
    "mobilenet": Model("MobileNetV2, frozen; a linear head is trained", "features", federated=True),
    "mobilenet-deep": Model(
        "MobileNetV2, frozen; two layers of 256 units are trained", "features", federated=True,
    ),
    "mobilenet-tuned": Model(
        "MobileNetV2; its last blocks and a linear head are trained", "activations", federated=True,
    ),
    "cnn": Model(
        "EmotionCNN, two convolutions and two layers, trained from scratch", "pixels", 64, weights=False,
        preprocessing={"channels": "gray", "mean": [0.5], "std": [0.25]}, federated=True,
    ),
    "mobilenet-scratch": Model(
        "MobileNetV2, trained from scratch", "pixels", 64, weights=False,
        preprocessing={**_RGB, "channels": "gray"},
    ),
    "hog": Model(
        "histograms of oriented gradients and logistic regression", "descriptors", 128, weights=False,
        epochs=False, preprocessing={"channels": "gray", "orientations": 9, "block": 2},
    ),
    "ridge": Model("MobileNetV2, frozen; a linear head by ridge regression", "features", epochs=False),
    "majority": Model(
        "always the largest class, whatever the photo", "nothing", 64, weights=False, epochs=False,
        preprocessing={},
    ),
}  # fmt: skip


class Trainer(Protocol):
    """A model while it learns in epochs."""

    def epoch(self, views: int | None = None) -> float:
        """Trains one more epoch, or its first `views` views; returns the loss summed over them."""

    @property
    def classifier(self) -> Classifier:
        """What it has learned so far; further epochs leave it as it is."""

    @property
    def finite(self) -> bool:
        """Whether every trained number is one."""


def open_encoder(model: ModelConfig, weights: Weights | None, device: str = "cpu") -> Encoder | None:
    """What makes the rows that the model reads, on a device; None where it reads nothing.

    `weights` are those of MobileNetV2, for models that have them. Raises InputError where they, or a library,
    cannot be used.
    """
    reads = MODELS[model.name].reads
    if reads == "nothing":
        return None
    if reads == "pixels":
        return GrayPixels()
    if reads == "descriptors":
        from fer_models.hog import Hog

        return Hog()
    assert weights is not None
    blocks = model.trainable_blocks if reads == "activations" else 0
    if device != "cpu":
        from fer_models.encoders.torch_encoder import TorchEncoder

        return TorchEncoder(weights, device, blocks=blocks)
    return load(weights, blocks=blocks)


def start(
    model: ModelConfig,
    train: TrainConfig,
    shards: Shards,
    *,
    classes: int,
    size: int,
    weights: Weights | None,
    seed: int,
    device: str = "cpu",
) -> Trainer:
    """The trainer of a model that learns in epochs from the one shard of `shards`; `size` in pixels.

    The linear head of "mobilenet" is trained on the processor whatever `device` says: it is faster there.
    """
    if model.name == "mobilenet":
        return CentralTrainer(
            shards, new_head(classes, shards.features.shape[1], seed=seed), train, seed=seed
        )
    from fer_models.networks.training import NetworkTrainer

    network = _network(model, train, classes=classes, size=size, weights=weights, seed=seed)
    return NetworkTrainer(shards, network, train, seed=seed, device=device)


def network_phones(
    model: ModelConfig,
    train: TrainConfig,
    *,
    classes: int,
    size: int,
    weights: Weights | None,
    seed: int,
    device: str = "cpu",
) -> "NetworkPhones | None":
    """What phones need to train the model, started as `start` does; None where it is a linear head."""
    if model.name == "mobilenet":
        return None
    from fer_models.networks.phones import NetworkPhones

    network = _network(model, train, classes=classes, size=size, weights=weights, seed=seed)
    return NetworkPhones(network, device)


def _network(
    model: ModelConfig, train: TrainConfig, *, classes: int, size: int, weights: Weights | None, seed: int
) -> "NetworkClassifier":
    from fer_models.networks.build import build

    spec = _spec(model.name, classes, size, model.model_dump(), dropout=train.dropout)
    return build(spec, seed=seed, weights=weights)


def fit(
    model: ModelConfig, shards: Shards, validation: HeldOut, photos: np.ndarray
) -> tuple[Classifier, Chosen]:
    """What a model that learns all at once has learned, and what it chose on the validation photos.

    `photos`: (C,) int64, training photos of each class before balancing.
    """
    if model.name == "ridge":
        from fer_models.closed_form import ridge

        found = ridge(shards, validation, len(photos))
        tried = [{"strength": strength, "macro_f1": quality} for strength, quality in found.tried]
        return LinearHead(found.head), {"strength": found.strength, "factor": found.factor, "tried": tried}
    if model.name == "hog":
        from fer_models import hog

        return hog.fit(shards, validation, len(photos))
    from fer_models.closed_form import majority

    return LinearHead(majority(photos)), {}


def cost(model: ModelConfig, classifier: Classifier, *, classes: int, size: int) -> dict[str, int]:
    """`parameters` of the whole network, `parameters_trained`, and `multiply_adds` of one photo at `size`."""
    from fer_models.networks.costs import Cost, encoder_cost, frozen_cost, linear_cost, network_cost

    if isinstance(classifier, LinearHead):
        width = classifier.values.shape[1]
        frozen = encoder_cost(size) if MODELS[model.name].reads == "features" else Cost(0, 0)
        trained = linear_cost(classes, width - 1)
    else:
        spec = _spec(model.name, classes, size, model.model_dump())
        frozen, trained = frozen_cost(spec), network_cost(spec)
    whole = frozen + trained
    return {
        "parameters": whole.parameters,
        "parameters_trained": trained.parameters,
        "multiply_adds": whole.multiply_adds,
    }


def milliseconds(encoder: Encoder | None, classifier: Classifier, pixels: np.ndarray) -> float:
    """What naming a photo takes here, from its pixels on, in batches of 16: the best of several passes.

    Measured with what this project runs a model on: ONNX Runtime below the frozen features, torch above; all
    cores, but for the descriptors of `hog`, which are made on one. `pixels`: uint8 (n, 1 or 3, s, s), n >= 1.
    """

    def name_all() -> float:
        began = time.perf_counter()
        for first in range(0, len(pixels), _BATCH):
            images = pixels[first : first + _BATCH]
            rows = np.empty((len(images), 0), np.float32) if encoder is None else encoder(images)
            classifier.probabilities(rows)
        return time.perf_counter() - began

    name_all()  # what is loaded when first used is no part of it
    return 1000 * min(name_all() for _ in range(_PASSES)) / len(pixels)


def metadata(model: ModelConfig, size: int, weights: Weights | None) -> dict[str, object]:
    """What the file of a trained model must say so that `restore` can open it; equal for equal runs."""
    known = MODELS[model.name]
    return {
        "model": model.name,
        "preprocessing": {"image_size": size, **known.preprocessing},
        "weights_sha256": weights.sha256 if weights and known.weights else None,
        **{name: getattr(model, name) for name in shaped_by(model.name)},
    }


def restore(arrays: Arrays, said: Mapping[str, Any], classes: int, size: int) -> Classifier:
    """The classifier of a file's arrays and metadata; ValueError, which says why, where they do not fit."""
    name = said["model"]
    reads = MODELS[name].reads
    if MODELS[name].epochs and name != "mobilenet":
        from fer_models.networks.build import restore as restore_network

        return restore_network(_spec(name, classes, size, said), arrays)
    if sorted(arrays) != ["bias", "weight"]:
        raise ValueError(f"it holds {', '.join(sorted(arrays))}, expected bias, weight")
    weight, bias = arrays["weight"].shape, arrays["bias"].shape
    if len(weight) != 2 or bias != weight[:1]:
        raise ValueError(f"its weight is {weight} and its bias {bias}, which do not fit each other")
    values = joined(arrays)
    if len(values) != classes:
        raise ValueError(f"it has {len(values)} rows of weights for {classes} classes")
    width = {"features": FEATURES, "nothing": 0}.get(reads)
    if width is None:
        from fer_models import hog

        width = hog.length(size)
    if values.shape[1] != width + 1:
        raise ValueError(f"it takes {values.shape[1] - 1} features, the encoder gives {width}")
    if values.dtype != np.float32 or not np.isfinite(values).all():
        raise ValueError("its weights are not finite numbers of type float32")
    return LinearHead(values)


def shaped_by(name: str) -> tuple[str, ...]:
    """The settings of the section model that shape the arrays of this one."""
    return {"mobilenet-tuned": ("trainable_blocks",), "mobilenet-scratch": ("width",)}.get(name, ())


def _spec(name: str, classes: int, size: int, said: Mapping[str, Any], dropout: float = 0.0) -> "Spec":
    from fer_models.networks.build import Spec

    return Spec(name, classes, size, dropout=dropout, **{key: said[key] for key in shaped_by(name)})
