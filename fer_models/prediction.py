"""A trained head on new photos: head file and photo files in, one Prediction per photo out, in order.

The way of the data as in training, but streaming: the pixels of view 0, the frozen encoder, the head. So the
test photos of a run get the probabilities of its predictions.csv again. A head that does not fit the
encoder, or itself, is refused before any photo is read. Nothing is printed here.
"""

from collections import deque
from collections.abc import Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from fer_models.augment import photo_pixels
from fer_models.backbone import FEATURES, MEAN, STD, Encoder, cores
from fer_models.errors import InputError
from fer_models.features import READERS, stack
from fer_models.heads import load_head, probabilities
from fer_models.listing import shown
from fer_models.scan import check_photos
from fer_models.weights import IMAGENET, Weights, find

BATCH = 16  # photos read and encoded together; at most three batches are held at a time
UNKNOWN = "unknown"
_MODELS = ("mobilenet",)


@dataclass(frozen=True)
class TrainedHead:
    """A head that was read from a file and found sound; all that is needed to use it but the encoder."""

    path: Path
    values: np.ndarray  # (classes, 1281) float32, the bias last
    classes: tuple[str, ...]
    size: int  # side of the square images, in pixels
    weights_sha256: str  # of the encoder's weights that it was trained on


@dataclass(frozen=True)
class Prediction:
    """What a head says of one photo. Where the photo cannot be read, `reason` says why, `index` is None and
    there are no probabilities.
    """

    file: str
    emotion: str
    index: int | None  # of the likeliest class
    probabilities: tuple[float, ...]  # of each class, in the head's order
    reason: str | None = None

    @property
    def confidence(self) -> float:
        """The probability of the likeliest class; 0 for a photo that cannot be read."""
        return max(self.probabilities, default=0.0)


def label(index: int, classes: Sequence[str]) -> str:
    """The name of class `index`; "unknown" for an index that `classes` does not have."""
    return classes[index] if known(index, classes) else UNKNOWN


def known(index: int, classes: Sequence[str]) -> bool:
    """Whether `classes` has an index; none is counted from the end."""
    return 0 <= index < len(classes)


def read_head(path: Path) -> TrainedHead:
    """The head in a file; InputError where the file is damaged, or does not fit this encoder or itself."""
    values, said = load_head(path)
    metadata: dict[str, Any] = {**said}
    classes, size = metadata["classes"], _preprocessing(path, metadata)
    sound = isinstance(classes, list) and all(isinstance(name, str) for name in classes)
    if not sound or len(set(classes)) != len(classes):
        raise _unfit(path, f"its classes are {classes!r}, expected a list of different names")
    if metadata.get("model") not in _MODELS:
        raise _unfit(path, f"its model is {metadata.get('model')!r}, expected {' or '.join(_MODELS)}")
    if len(values) != len(classes):
        raise _unfit(path, f"it has {len(values)} rows of weights for {len(classes)} classes")
    if values.shape[1] != FEATURES + 1:
        raise _unfit(path, f"it takes {values.shape[1] - 1} features, the encoder gives {FEATURES}")
    if values.dtype != np.float32 or not np.isfinite(values).all():
        raise _unfit(path, "its weights are not finite numbers of type float32")
    if not isinstance(sha256 := metadata.get("weights_sha256"), str):
        raise _unfit(path, "it does not say which weights of the encoder it was trained on")
    return TrainedHead(path, values, tuple(classes), size, sha256)


def fitting_weights(head: TrainedHead, weights: str, *, seed: int) -> Weights:
    """The weights that `model.weights` names here, once they are those that the head was trained on.

    Raises InputError where they are others, or there are none. Nothing is fetched for a head that does not
    fit.
    """
    sha256 = IMAGENET.sha256
    if weights != "imagenet" or head.weights_sha256 == sha256:
        found = find(weights, seed=seed)
        if found.sha256 == head.weights_sha256:
            return found
        sha256 = found.sha256
    raise _unfit(
        head.path,
        f"it was trained on encoder weights with SHA-256 {shown(head.weights_sha256[:16])}..., and"
        f' model.weights = "{shown(weights)}" has {sha256[:16]}...',
    )


def predict(head: TrainedHead, encoder: Encoder, files: Sequence[str]) -> Iterator[Prediction]:
    """What the head says of each photo file, in order.

    Photos are read by threads one batch ahead of the encoder; however the loop over it ends, they end too.
    """
    for batch in _batches(files, head.size):
        pixels = [found for _, found in batch if not isinstance(found, str)]
        chances = iter(probabilities(head.values, encoder(stack(pixels))).tolist() if pixels else [])
        for file, found in batch:
            if isinstance(found, str):
                yield Prediction(file, "", None, (), found)
            else:
                row = tuple(next(chances))
                index = row.index(max(row))
                yield Prediction(file, label(index, head.classes), index, row)


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
    except Exception as error:  # decoders of broken files raise all kinds; the check has words for them
        reason = check_photos([file], source=file)[0].reason
        return file, reason or " ".join(str(error).split()) or type(error).__name__


def _preprocessing(path: Path, metadata: dict[str, Any]) -> int:
    """The image size of a head whose preprocessing is the one that the encoder does."""
    found = metadata.get("preprocessing")
    if not isinstance(found, dict):
        raise _unfit(path, "it does not say how its photos were prepared")
    rest = {name: value for name, value in found.items() if name != "image_size"}
    expected = {"channels": "RGB", "mean": list(MEAN), "std": list(STD)}
    if rest != expected:
        raise _unfit(path, f"its photos were prepared with {rest}, the encoder's are with {expected}")
    size = found.get("image_size")
    if not isinstance(size, int) or not 32 <= size <= 1024:
        raise _unfit(path, f"its image size is {size!r}, expected 32 to 1024 pixels")
    return size


def _unfit(path: Path, why: str) -> InputError:
    return InputError(
        f"{shown(path)} does not fit: {why}; give the run that this head comes from, or train anew"
    )
