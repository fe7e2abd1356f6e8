"""The names of emotions: ours, the spellings in public face sets, and the class that a label means.

Every source uses this one vocabulary. Case, spaces, underscores and a leading number ("0_angry") make no
difference. The meaning of a label that is only a number is never guessed: `data.names` defines it.
"""

import difflib
import re
import unicodedata
from collections.abc import Iterable, Mapping, Sequence

EMOTIONS = ("anger", "contempt", "disgust", "fear", "happiness", "neutrality", "sadness", "surprise")

_WORDS = {
    "anger": "angry angrily annoyed",
    "contempt": "contemptuous contemptuously",
    "disgust": "disgusted disgusting disgustedly",
    "fear": "fearful fearfully afraid scared feared",
    "happiness": "happy happily happyness joy joyful",
    "neutrality": "neutral neutrally",
    "sadness": "sad sadly",
    "surprise": "surprised surprisingly suprise suprised surprize",
}
_EMOTION_OF = {word: name for name, words in _WORDS.items() for word in (name, *words.split())}
_NEGATIONS = ("un", "non", "not ", "no ", "dis ")
_NEAR = 0.8  # similarity from which a misspelt name counts as a match


def plain(label: str) -> str:
    """The label normalised: case folded, outer spaces stripped, underscores and hyphens as spaces."""
    text = unicodedata.normalize("NFC", label).casefold()
    return " ".join(re.sub(r"[\s_\-]+", " ", text).split())


def emotion_of(label: str) -> str | None:
    """Our name for a spelling of an emotion; None if it is not one, and for a bare number."""
    text = plain(label)
    return _EMOTION_OF.get(text) or _EMOTION_OF.get(re.sub(r"^\d+[\W_]*", "", text))


def ours(label: str) -> str:
    """Our name if the label is a spelling of it, else the label without outer spaces."""
    return emotion_of(label) or label.strip()


def is_number(label: str) -> bool:
    """Whether the label is only a number, however it is written: 3, 03, 3.0, 3.0e+00."""
    return _number(label) is not None


def meaning(label: str) -> str:
    """A key, equal for labels with the same meaning: spellings of an emotion, ways to write a number."""
    return _number(label) or emotion_of(label) or plain(label)


class Vocabulary:
    """Which of the classes each label of a source means."""

    def __init__(self, classes: Sequence[str] = EMOTIONS, names: Mapping[str, str] | None = None) -> None:
        """`names`: the meaning of labels that are not spellings of emotions, such as {"0": "anger"}."""
        self._class_of = {meaning(name): name for name in classes}
        self._names = {meaning(label): name for label, name in (names or {}).items()}

    def class_of(self, label: str) -> str | None:
        """The class that the label means; None if it is none of them."""
        return self._class_of.get(meaning(self._named(label)))

    def name_of(self, label: str) -> str:
        """The class that the label means, else our spelling of it."""
        return self.class_of(label) or ours(self._named(label))

    def _named(self, label: str) -> str:
        return self._names.get(meaning(label), label)

    def knows(self, label: str) -> bool:
        """Whether the label is an emotion, one of the classes, or in `names`."""
        known = self.class_of(label) or emotion_of(label)
        return known is not None or meaning(label) in self._names


def hint(wanted: str, there: Iterable[str]) -> str | None:
    """The label among `there` that may be a misspelling of `wanted` (or vice versa); None if there is none.

    Never one that means another emotion.
    """
    emotion = _guess(wanted)
    if emotion is not None:
        return next((label for label in there if _guess(label) == emotion), None)
    near = {plain(label): label for label in there if _guess(label) is None and not is_number(label)}
    found = difflib.get_close_matches(plain(wanted), near, n=1, cutoff=_NEAR)
    return near[found[0]] if found else None


def _guess(label: str) -> str | None:
    """The emotion nearest to a possibly misspelt label."""
    if (found := emotion_of(label)) is not None:
        return found
    if plain(label).startswith(_NEGATIONS):  # unhappy is not happy
        return None
    near = difflib.get_close_matches(plain(label), _EMOTION_OF, n=1, cutoff=0.75)
    return _EMOTION_OF[near[0]] if near else None


def _number(label: str) -> str | None:
    text = label.strip()
    if not re.fullmatch(r"[+-]?\d+(\.\d*)?([eE][+-]?\d{1,2})?", text):
        return None
    value = float(text)
    return str(int(value)) if value.is_integer() else str(value)
