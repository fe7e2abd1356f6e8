"""The heads of a round on the validation photos: the shared head, pooled and per phone, and personal heads.

The shared head's probabilities are computed once and used for all of it.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np

from fer_models.across import PhoneHoldout, across, personal_answers
from fer_models.evaluation import HeldOut, judge
from fer_models.heads import Classifier, LinearHead
from fer_models.run_folder.quality import AcrossPhones, PersonalHeadScores
from server.strategies.personal_heads import PersonalHeads


@dataclass(frozen=True)
class Judged:
    """The evaluation fields of a line of rounds.jsonl; None in rounds without evaluation."""

    val_accuracy: float | None = None
    val_macro_f1: float | None = None
    val_loss: float | None = None
    across: AcrossPhones | None = None  # of the same head across phones; None with a single phone
    own_heads: PersonalHeadScores | None = None  # of the personal heads; None if there are none


def judged(
    head: np.ndarray,
    validation: HeldOut,
    parts: PhoneHoldout | None = None,
    own: PersonalHeads | None = None,
    *,
    instead: bool = False,
    classifier: Callable[[np.ndarray], Classifier] = LinearHead,
) -> Judged:
    """Scores of a head (C, D + 1) and of the personal heads `own`, each on its phone's part of the photos.

    instead: no phone uses the shared head, so the personal heads' scores are reported in its place.
    classifier: turns a head into a classifier.
    """
    shared = classifier(head)
    chances = shared.probabilities(validation.features)
    if parts is None:
        return _judged(chances, validation.labels)
    # Phones may see photos through their own camera (the partition `camera`): then the features differ.
    same = parts.features is validation.features
    on_phones = chances if same else shared.probabilities(parts.features)
    found = _judged(chances, validation.labels, across(parts, on_phones))
    if own is None:
        return found
    answers = personal_answers(parts, on_phones, own.phones, own.heads, classifier)
    scores, loss = judge(answers, parts.labels)
    theirs = PersonalHeadScores(scores.accuracy, scores.macro_f1, loss, across(parts, answers))
    if instead:
        return Judged(theirs.accuracy, theirs.macro_f1, theirs.loss, theirs.across, theirs)
    return replace(found, own_heads=theirs)


def _judged(chances: np.ndarray, labels: np.ndarray, over: AcrossPhones | None = None) -> Judged:
    scores, loss = judge(chances, labels)
    return Judged(scores.accuracy, scores.macro_f1, loss, over)
