"""A trained head on new photos: head file and photo files in, one Prediction per photo out, in order.

The same data path as in training, but streaming: the pixels of view 0, the encoder, the trained head. So a
run's test photos get the same probabilities as in its predictions.csv. A head that does not fit the encoder,
or is inconsistent, is refused before any photo is read. Nothing is printed here.
"""

from collections import deque
from collections.abc import Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from fer_models.data.augment import photo_pixels
from fer_models.encoders.encoder import Encoder
from fer_models.encoders.weights import IMAGENET, Weights, find
from fer_models.errors import InputError
from fer_models.features import READERS, stack
from fer_models.heads import Classifier, load_head
from fer_models.machine.cores import cores
from fer_models.models import MODELS, ModelConfig, open_encoder, restore, shaped_by
from fer_models.photos.scan import check_photos
from fer_models.text import printable

BATCH = 16  # photos read and encoded together; at most three batches are held at a time
UNKNOWN = "unknown"


@dataclass(frozen=True)
class TrainedHead:
    """A head read from a file and validated, with everything needed to use it except the encoder."""

    path: Path
    model: ModelConfig  # with the settings that shape it, without its weights
    classifier: Classifier
    classes: tuple[str, ...]
    size: int  # side of the square images, in pixels
    weights_sha256: str | None  # of the encoder weights that it was trained on; None without an encoder


@dataclass(frozen=True)
class Prediction:
    """A head's prediction for one photo. If the photo cannot be read, `reason` says why, `index` is None and
    there are no probabilities.
    """

    file: str
    emotion: str
    index: int | None  # of the most likely class
    probabilities: tuple[float, ...]  # of each class, in the head's order
    reason: str | None = None

    @property
    def confidence(self) -> float:
        """The probability of the most likely class; 0 for a photo that cannot be read."""
        return max(self.probabilities, default=0.0)


def label(index: int, classes: Sequence[str]) -> str:
    """The name of class `index`; "unknown" for an index that `classes` does not have."""
    return classes[index] if known(index, classes) else UNKNOWN


def known(index: int, classes: Sequence[str]) -> bool:
    """Whether `classes` has this index; negative indices do not count."""
    return 0 <= index < len(classes)


def read_head(path: Path) -> TrainedHead:
    """The head in a file; InputError if the file is damaged, inconsistent, or does not fit the encoder."""
    arrays, stored = load_head(path)
    metadata: dict[str, Any] = {**stored}
    model, classes = _model(path, metadata), metadata["classes"]
    size = _preprocessing(path, metadata)
    sound = isinstance(classes, list) and all(isinstance(name, str) for name in classes)
    if not sound or len(set(classes)) != len(classes):
        raise _unfit(path, f"its classes are {classes!r}, expected a list of different names")
    sha256 = metadata.get("weights_sha256")
    if MODELS[model.name].weights and not isinstance(sha256, str):
        raise _unfit(path, "it does not say which weights of the encoder it was trained on")
    try:
        classifier = restore(arrays, metadata, len(classes), size)
    except ValueError as error:
        raise _unfit(path, str(error)) from error
    return TrainedHead(path, model, classifier, tuple(classes), size, sha256)


def fitting_encoder(head: TrainedHead, weights: str, *, seed: int) -> Encoder | None:
    """The encoder that the head was trained on, None if its model reads nothing; `weights` and `seed` are the
    run's model.weights and training seed. Raises InputError if that encoder is not available here.
    """
    found = None if head.weights_sha256 is None else fitting_weights(head, weights, seed=seed)
    return open_encoder(head.model, found)


def fitting_weights(head: TrainedHead, weights: str, *, seed: int) -> Weights:
    """The weights that `model.weights` names, checked to be those that the head was trained on.

    Raises InputError if they differ or cannot be found. Nothing is downloaded for a head that does not fit.
    """
    sha256, wanted = IMAGENET.sha256, str(head.weights_sha256)
    if weights != "imagenet" or wanted == sha256:
        found = find(weights, seed=seed)
        if found.sha256 == wanted:
            return found
        sha256 = found.sha256
    raise _unfit(
        head.path,
        f"it was trained on encoder weights with SHA-256 {printable(wanted[:16])}..., and"
        f' model.weights = "{printable(weights)}" has {sha256[:16]}...',
    )


def predict(head: TrainedHead, encoder: Encoder | None, files: Sequence[str]) -> Iterator[Prediction]:
    """The head's prediction for each photo file, in order.

    Threads read photos one batch ahead of the encoder; they end when the caller's loop ends, however it does.
    """
    for batch in _batches(files, head.size):
        pixels = [found for _, found in batch if not isinstance(found, str)]
        chances = iter(_chances(head, encoder, pixels).tolist() if pixels else [])
        for file, found in batch:
            if isinstance(found, str):
                yield Prediction(file, "", None, (), found)
            else:
                row = tuple(next(chances))
                index = row.index(max(row))
                yield Prediction(file, label(index, head.classes), index, row)


def _chances(head: TrainedHead, encoder: Encoder | None, pixels: list[np.ndarray]) -> np.ndarray:
    rows = np.empty((len(pixels), 0), np.float32) if encoder is None else encoder(stack(pixels))
    return head.classifier.probabilities(rows)


def _batches(files: Sequence[str], size: int) -> Iterator[list[tuple[str, np.ndarray | str]]]:
    """Each photo's file and pixels, or the reason why it cannot be read, in batches."""
    readers = ThreadPoolExecutor(min(READERS, cores()), thread_name_prefix="photos")
    ahead: deque[list[Future[tuple[str, np.ndarray | str]]]] = deque()
    try:
        for start in range(0, len(files), BATCH):
            ahead.append([readers.submit(_read, file, size) for file in files[start : start + BATCH]])
            if len(ahead) > 1:
                yield [one.result() for one in ahead.popleft()]
        while ahead:
            yield [one.result() for one in ahead.popleft()]
    finally:
        readers.shutdown(cancel_futures=True)


def _read(file: str, size: int) -> tuple[str, np.ndarray | str]:
    try:
        return file, photo_pixels(file, size)
    except Exception as error:  # decoders raise all kinds on broken files; the check words them
        reason = check_photos([file], source=file)[0].reason
        return file, reason or " ".join(str(error).split()) or type(error).__name__


def _model(path: Path, metadata: dict[str, Any]) -> ModelConfig:
    """The model of a head, with the settings that shape it."""
    name = metadata.get("model")
    if name not in MODELS:
        raise _unfit(path, f"its model is {name!r}, expected one of {', '.join(MODELS)}")
    for key in shaped_by(name):
        if key not in metadata:
            raise _unfit(path, f"it does not say its {key}")
    settings = {key: metadata[key] for key in shaped_by(name)}
    try:
        return ModelConfig(name=name, **settings)
    except ValueError as error:
        raise _unfit(path, f"its settings are {settings}") from error


def _preprocessing(path: Path, metadata: dict[str, Any]) -> int:
    """The image size of a head, whose preprocessing must match the encoder's."""
    found = metadata.get("preprocessing")
    if not isinstance(found, dict):
        raise _unfit(path, "it does not say how its photos were prepared")
    rest = {name: value for name, value in found.items() if name != "image_size"}
    expected = dict(MODELS[metadata["model"]].preprocessing)
    if rest != expected:
        raise _unfit(path, f"its photos were prepared with {rest}, the encoder's are with {expected}")
    size = found.get("image_size")
    if not isinstance(size, int) or not 32 <= size <= 1024:
        raise _unfit(path, f"its image size is {size!r}, expected 32 to 1024 pixels")
    return size


def _unfit(path: Path, why: str) -> InputError:
    return InputError(
        f"{printable(path)} does not fit: {why}; give the run that this head comes from, or train again"
    )
