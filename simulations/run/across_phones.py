"""How well a finished run does on every phone's own test photos: fields of summary.json, and phones.csv."""

from collections.abc import Callable, Iterator

import numpy as np

from fer_models.across import PhoneHoldout, accuracies, confusions, macro_f1s, measure_parts, personal_answers
from fer_models.heads import Classifier, LinearHead
from fer_models.metrics import report
from fer_models.run_folder.folder import PHONES, RunFolder
from fer_models.run_folder.quality import AcrossPhones, PersonalHeadQuality
from server.strategies.personal_heads import PersonalHeads
from simulations.world.prepare import Prepared


def answers(
    prepared: Prepared,
    classifier: Classifier,
    chances: np.ndarray,
    own: PersonalHeads | None,
    make: Callable[[np.ndarray], Classifier] = LinearHead,
) -> tuple[np.ndarray, np.ndarray | None]:
    """Class probabilities (n, C) of test photos as their phones see them: the model's and personal heads'.

    `chances` (n, C) are the model's for the unchanged photos; `make` turns a personal head into a
    classifier. The second result is None if phones have no personal heads.
    """
    parts = prepared.test_on_phones
    if parts is None:
        return chances, None
    # With the partition `camera` each phone sees photos differently: then the features differ too.
    same = parts.features is prepared.test.features
    on_phones = chances if same else classifier.probabilities(parts.features)
    return on_phones, None if own is None else personal_answers(parts, on_phones, own.phones, own.heads, make)


def across_phones(
    log: RunFolder, parts: PhoneHoldout | None, chances: np.ndarray, own: np.ndarray | None
) -> tuple[AcrossPhones | None, PersonalHeadQuality | None]:
    """The fields across_phones and own_heads of summary.json, from what `answers` gave; writes phones.csv."""
    if parts is None:
        return None, None
    shared = confusions(parts, chances.argmax(axis=1))
    theirs = None if own is None else confusions(parts, own.argmax(axis=1))
    _write(log, parts, shared, theirs)
    found = measure_parts(parts, shared)
    if own is None or theirs is None:
        return found, None
    quality, _ = report(parts.labels, own.argmax(axis=1), parts.classes)
    return found, PersonalHeadQuality(**vars(quality), across_phones=measure_parts(parts, theirs))


def _write(log: RunFolder, parts: PhoneHoldout, shared: np.ndarray, own: np.ndarray | None) -> None:
    """phones.csv: one line per phone; a phone without photos has no ratios."""
    header = ["phone", "largest_class", "photos", *_names(""), *(_names("own_") if own is not None else [])]
    for name in parts.classes:
        header += [f"{name}", f"{name} correct"]
    log.write_csv(PHONES, header, _rows(parts, shared, own))


def _names(kind: str) -> list[str]:
    return [f"{kind}{name}" for name in ("correct", "accuracy", "macro_f1")]


def _rows(parts: PhoneHoldout, shared: np.ndarray, own: np.ndarray | None) -> Iterator[list[object]]:
    photos, support = shared.sum(axis=(1, 2)).tolist(), shared.sum(axis=2).tolist()
    hits = np.diagonal(shared, axis1=1, axis2=2).tolist()
    judged = [
        (np.trace(counts, axis1=1, axis2=2).tolist(), accuracies(counts).tolist(), macro_f1s(counts).tolist())
        for counts in (shared, own)
        if counts is not None
    ]
    for i, phone in enumerate(parts.phones.tolist()):
        row: list[object] = [phone, parts.classes[parts.largest[i]], photos[i]]
        for correct, accuracy, f1 in judged:
            row += [correct[i], *((f"{accuracy[i]:.6f}", f"{f1[i]:.6f}") if photos[i] else ("", ""))]
        for pair in zip(support[i], hits[i], strict=True):
            row += pair
        yield row
