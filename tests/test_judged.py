"""Heads on the validation photos: a shared one, and phones' own, each on the photos of its phone."""

from dataclasses import replace

import numpy as np
import pytest

from fer_models.across import PhoneHoldout, across
from fer_models.evaluation import HeldOut, evaluate
from fer_models.heads import LinearHead
from fer_models.seeding import stream
from server.evaluation import Judged, judged
from server.strategies.personal_heads import PersonalHeads

RNG = stream(0, "judged")
PHOTOS = HeldOut(RNG.normal(size=(30, 4)).astype(np.float32), RNG.integers(2, size=30))
PARTS = PhoneHoldout(
    PHOTOS.features,
    PHOTOS.labels,
    RNG.integers(3, size=30),
    np.array([2, 5, 7]),
    np.array([0, 1, 1]),
    ("a", "b"),
)
HEAD, ONE, OTHER = RNG.normal(size=(3, 2, 5)).astype(np.float32)


def test_a_shared_head() -> None:
    scores, loss = evaluate(LinearHead(HEAD), PHOTOS)
    assert judged(HEAD, PHOTOS) == Judged(scores.accuracy, scores.macro_f1, loss)
    found = judged(HEAD, PHOTOS, PARTS)
    over = across(PARTS, LinearHead(HEAD).probabilities(PHOTOS.features))
    assert found == Judged(scores.accuracy, scores.macro_f1, loss, over)


def test_the_photos_are_looked_at_once() -> None:
    looks = []

    class Counting(LinearHead):
        def probabilities(self, rows: np.ndarray) -> np.ndarray:
            looks.append(len(rows))
            return super().probabilities(rows)

    judged(HEAD, PHOTOS, PARTS, classifier=Counting)
    assert looks == [30]


def test_photos_that_phones_see_in_their_own_way() -> None:
    other = replace(PARTS, features=-PARTS.features)
    found = judged(HEAD, PHOTOS, other)
    assert found.val_accuracy == judged(HEAD, PHOTOS).val_accuracy
    assert found.across == across(other, LinearHead(HEAD).probabilities(-PARTS.features))


@pytest.mark.parametrize("instead", [False, True])
def test_own_heads(instead: bool) -> None:
    own = PersonalHeads(np.array([2, 7]), np.stack([ONE, OTHER]))
    found = judged(HEAD, PHOTOS, PARTS, own, instead=instead)
    right = 0
    for i, label in enumerate(PHOTOS.labels):
        head = (ONE, HEAD, OTHER)[PARTS.place[i]]
        right += LinearHead(head).probabilities(PHOTOS.features[i : i + 1]).argmax() == label
    assert found.own_heads is not None
    assert found.own_heads.accuracy == right / 30
    shared = judged(HEAD, PHOTOS, PARTS)
    assert found.own_heads.across != shared.across
    if instead:
        said = (found.val_accuracy, found.val_macro_f1, found.val_loss, found.across)
        assert said == tuple(vars(found.own_heads).values())
    else:
        assert replace(found, own_heads=None) == shared
