"""The vocabulary: spellings of public sets become ours, numbers are not guessed, hints do not mislead."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fer_models.emotions import EMOTIONS, Vocabulary, emotion_of, hint, is_number, meaning, ours

SPELT = {
    "anger": ["angry", "Anger", "ANGRY", "0_angry", "00. Angry", " anger ", "angry_"],
    "contempt": ["Contempt", "contemptuous", "7 contempt"],
    "disgust": ["disgusted", "Disgust"],
    "fear": ["fearful", "afraid", "2-fear"],
    "happiness": ["happy", "HAPPINESS", "happily", "Happy ", "3_happy", "joy"],
    "neutrality": ["neutral", "Neutrality", "6neutral"],
    "sadness": ["sad", "SAD"],
    "surprise": ["surprised", "suprise", "Surprise", "surprize"],
}


@pytest.mark.parametrize(
    ("emotion", "label"), [(e, label) for e, labels in SPELT.items() for label in labels]
)
def test_the_spellings_of_public_sets(emotion: str, label: str) -> None:
    assert emotion_of(label) == emotion
    assert Vocabulary().class_of(label) == emotion


@pytest.mark.parametrize(
    "label", ["0", "3", "03", "3.0", "1.0000000e+00", "-1", "", " ", "3d", "AF01", "train"]
)
def test_what_is_no_emotion(label: str) -> None:
    assert emotion_of(label) is None
    assert not Vocabulary().knows(label)
    assert ours(label) == label.strip()


def test_names_say_what_a_number_means_however_it_is_written() -> None:
    words = Vocabulary(("neutrality", "anger"), {"0": "neutral", "6.0": "anger", "AF": "fear"})
    for label in ("0", "00", "0.0", "0.0000000e+00"):
        assert words.class_of(label) == "neutrality"
    assert words.class_of("6") == "anger"
    assert words.knows("af")
    assert (words.class_of("af"), words.name_of("af")) == (None, "fear")
    assert words.class_of("1") is None


def test_a_class_keeps_the_name_that_the_user_gave_it() -> None:
    words = Vocabulary(("joy", "bored"))
    assert words.class_of("Happy") == "joy"
    assert words.class_of("BORED ") == "bored"
    assert words.name_of("angry") == "anger"


@pytest.mark.parametrize(
    ("wanted", "there", "found"),
    [
        ("happines", ["sadness", "happy"], "happy"),
        ("happiness", ["sadness"], None),
        ("sadness", ["happiness", "sadnes"], "sadnes"),
        ("feer", ["anger", "fear"], "fear"),
        ("boredom", ["bordom", "anger"], "bordom"),
        ("boredom", ["1", "2"], None),
        ("neutrality", ["train", "test"], None),
        ("happiness", ["unhappy", "not happy"], None),
        ("surprise", ["unsurprised"], None),
    ],
)
def test_hints_never_lead_to_another_emotion(wanted: str, there: list[str], found: str | None) -> None:
    assert hint(wanted, there) == found


@given(st.sampled_from(EMOTIONS), st.sampled_from(EMOTIONS))
def test_no_emotion_hints_at_another(wanted: str, other: str) -> None:
    assert hint(wanted, [other]) == (other if wanted == other else None)


@given(st.text(max_size=12))
def test_the_meaning_of_a_label_is_its_own_meaning(label: str) -> None:
    assert meaning(meaning(label)) == meaning(label)
    assert not (is_number(label) and emotion_of(label))
    assert meaning(f" {label.upper()} ") == meaning(label.upper())
