"""The models behind `model.name`, and their common operations: training, metadata, restoring, costs.

All share the photos, the split, the views and the evaluation. What distinguishes a model is on its page:
linear heads in linear_models.py and hog.py, networks in fer_models/networks. To add a model, write a page and
a line in MODELS, or in the registry of the networks.
"""

import time
from collections.abc import Mapping
from typing import TYPE_CHECKING, Annotated, Any, ClassVar, Protocol

import numpy as np
from pydantic import BeforeValidator, Field

from fer_models.config import TrainConfig
from fer_models.encoders.backbone import load
from fer_models.encoders.encoder import Encoder, GrayPixels
from fer_models.encoders.weights import Weights
from fer_models.evaluation import HeldOut
from fer_models.heads import Arrays, Classifier, LinearHead, from_arrays, new_head
from fer_models.hog import HogModel
from fer_models.linear.linear_models import Frozen, LdaHead, Majority, NcmHead, RidgeHead
from fer_models.linear.logistic import LogisticHead
from fer_models.local.phone_rows import PhoneRows
from fer_models.local.training import CentralTrainer
from fer_models.model import Fitted, Linear, Model
from fer_models.networks.registry import NETWORKS
from fer_models.pages.options import declared
from fer_models.pages.registry import PageSection, Registry
from fer_models.run_folder.summary import Chosen

if TYPE_CHECKING:
    from fer_models.networks.build import NetworkClassifier
    from fer_models.networks.phones import NetworkPhones

_PASSES = 7
_BATCH = 16  # photos classified together, as in fedfer predict


MODELS: dict[str, type[Model]] = {
    "mobilenet": Frozen,
    **NETWORKS,
    "hog": HogModel,
    "ridge": RidgeHead,
    "logistic": LogisticHead,
    "lda": LdaHead,
    "ncm": NcmHead,
    "majority": Majority,
}
REGISTRY: Registry[Model] = Registry("model.name", Model, MODELS, default="mobilenet", own=False)
ON_DEVICES = tuple(name for name, page in MODELS.items() if page.federated and page.linear)


class ModelConfig(PageSection):
    """Which model is trained. Besides these keys it takes the options that all models' pages declare; those
    of models other than the chosen one have no effect.
    """

    pages: ClassVar[Registry[Model]] = REGISTRY

    name: Annotated[str, BeforeValidator(REGISTRY.named)] = REGISTRY.default
    weights: str = Field("imagenet", min_length=1)

    def make(self) -> Model:
        """The model, with its options."""
        return MODELS[self.name](**self.options())


class Trainer(Protocol):
    """A model that is trained in epochs."""

    def epoch(self, views: int | None = None) -> float:
        """Trains one more epoch, or its first `views` views; returns the loss summed over them."""

    @property
    def classifier(self) -> Classifier:
        """The model trained so far; further epochs do not change the returned object."""

    @property
    def finite(self) -> bool:
        """Whether all trained values are finite."""


def open_encoder(model: ModelConfig, weights: Weights | None, device: str = "cpu") -> Encoder | None:
    """The encoder that produces the model's input rows, on a torch device; None if the model reads nothing.

    `weights` are those of MobileNetV2, for models that use them. Raises InputError if they, or an optional
    library, cannot be used.
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
    blocks = model.make().blocks
    if device != "cpu":
        from fer_models.encoders.torch_encoder import TorchEncoder

        return TorchEncoder(weights, device, blocks=blocks)
    return load(weights, blocks=blocks)


def start(
    model: ModelConfig,
    train: TrainConfig,
    pooled: PhoneRows,
    *,
    classes: int,
    size: int,
    weights: Weights | None,
    seed: int,
    device: str = "cpu",
) -> Trainer:
    """The trainer of a model that is trained in epochs on the pooled views in `pooled`; `size` in pixels.

    A linear head is trained on the CPU whatever `device` is: that is faster.
    """
    if MODELS[model.name].linear:
        return CentralTrainer(
            pooled, new_head(classes, pooled.features.shape[1], seed=seed), train, seed=seed
        )
    from fer_models.networks.training import NetworkTrainer

    network = _network(model, train, classes=classes, size=size, weights=weights, seed=seed)
    return NetworkTrainer(pooled, network, train, seed=seed, device=device)


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
    """What phones need to train the model, initialised as in `start`; None for a linear head."""
    if MODELS[model.name].linear:
        return None
    from fer_models.networks.phones import NetworkPhones

    network = _network(model, train, classes=classes, size=size, weights=weights, seed=seed)
    return NetworkPhones(network, device)


def _network(
    model: ModelConfig, train: TrainConfig, *, classes: int, size: int, weights: Weights | None, seed: int
) -> "NetworkClassifier":
    from fer_models.networks.build import Spec, build

    spec = Spec(model.name, classes, size, dropout=train.dropout, options=model.options())
    return build(spec, seed=seed, weights=weights)


def fit(
    model: ModelConfig, pooled: PhoneRows, validation: HeldOut, photos: np.ndarray
) -> tuple[Classifier, Chosen]:
    """Fits a model that is fitted in one step; also returns what it chose on the validation photos.

    `photos`: (C,) int64, training photos of each class before balancing.
    """
    page = model.make()
    assert isinstance(page, Fitted)
    return page.fit(pooled, validation, photos)


def cost(model: ModelConfig, classifier: Classifier, *, classes: int, size: int) -> dict[str, int]:
    """`parameters` of the whole network, `parameters_trained`, and `multiply_adds` of one photo at `size`."""
    from fer_models.networks.build import Spec
    from fer_models.networks.costs import Cost, encoder_cost, frozen_cost, linear_cost, network_cost

    if isinstance(classifier, LinearHead):
        width = classifier.values.shape[1]
        frozen = encoder_cost(size) if MODELS[model.name].reads == "features" else Cost(0, 0)
        trained = linear_cost(classes, width - 1)
    else:
        spec = Spec(model.name, classes, size, options=model.options())
        frozen, trained = frozen_cost(spec), network_cost(spec)
    whole = frozen + trained
    return {
        "parameters": whole.parameters,
        "parameters_trained": trained.parameters,
        "multiply_adds": whole.multiply_adds,
    }


def milliseconds(encoder: Encoder | None, classifier: Classifier, pixels: np.ndarray) -> float:
    """Milliseconds to classify a photo here, from its pixels, in batches of 16: the best of several passes.

    Measured with the runtimes of this project: ONNX Runtime for frozen features, torch above them; on all
    cores, except the descriptors of `hog`, which use one. `pixels`: uint8 (n, 1 or 3, s, s), n >= 1.
    """

    def name_all() -> float:
        began = time.perf_counter()
        for first in range(0, len(pixels), _BATCH):
            images = pixels[first : first + _BATCH]
            rows = np.empty((len(images), 0), np.float32) if encoder is None else encoder(images)
            classifier.probabilities(rows)
        return time.perf_counter() - began

    name_all()  # warm-up: lazy loading does not count
    return 1000 * min(name_all() for _ in range(_PASSES)) / len(pixels)


def metadata(model: ModelConfig, size: int, weights: Weights | None) -> dict[str, object]:
    """The metadata that `restore` needs to open a trained model; equal for equal runs."""
    known = MODELS[model.name]
    return {
        "model": model.name,
        "preprocessing": {"image_size": size, **known.preprocessing},
        "weights_sha256": weights.sha256 if weights and known.weights else None,
        **model.options(),
    }


def restore(arrays: Arrays, metadata: Mapping[str, Any], classes: int, size: int) -> Classifier:
    """The classifier in a file's arrays and metadata; ValueError, with the reason, if they do not fit."""
    page = MODELS[metadata["model"]]
    if not issubclass(page, Linear):
        from fer_models.networks.build import Spec
        from fer_models.networks.build import restore as restore_network

        options = {key: metadata[key] for key in declared(page)}
        return restore_network(Spec(metadata["model"], classes, size, options=options), arrays)
    if sorted(arrays) != ["bias", "weight"]:
        raise ValueError(f"it holds {', '.join(sorted(arrays))}, expected bias, weight")
    weight, bias = arrays["weight"].shape, arrays["bias"].shape
    if len(weight) != 2 or bias != weight[:1]:
        raise ValueError(f"its weight has shape {weight} and its bias {bias}, which do not match")
    values = from_arrays(arrays)
    if len(values) != classes:
        raise ValueError(f"it has {len(values)} rows of weights for {classes} classes")
    width = page().width(size)
    if values.shape[1] != width + 1:
        raise ValueError(f"it takes {values.shape[1] - 1} features, the encoder gives {width}")
    if values.dtype != np.float32 or not np.isfinite(values).all():
        raise ValueError("its weights are not finite numbers of type float32")
    return LinearHead(values)


def shaped_by(name: str) -> tuple[str, ...]:
    """The settings of section `model` that shape this model's arrays."""
    return tuple(declared(MODELS[name]))
