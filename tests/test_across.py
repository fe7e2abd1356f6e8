"""Numbers over phones: by hand, against scikit-learn phone by phone, and of heads of their own."""

import warnings
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.metrics import accuracy_score, f1_score

from fer_models import across
from fer_models.across import PhoneHoldout
from fer_models.heads import LinearHead
from fer_models.metrics import confusion
from fer_models.run_folder.quality import PhonesOfClass
from fer_models.seeding import stream

NAMES = ("anger", "fear")


def parts_of(
    labels: list[int] | np.ndarray, place: list[int] | np.ndarray, phones: int, width: int = 0, seed: int = 0
) -> PhoneHoldout:
    """Photos with drawn features on phones 0, 10, 20 ..., which hold class 0, 1, 0 ... most."""
    labels, place = np.array(labels), np.array(place)
    features = stream(seed, "features").normal(size=(len(labels), width)).astype(np.float32)
    return PhoneHoldout(features, labels, place, 10 * np.arange(phones), np.arange(phones) % 2, NAMES)


def test_counts_of_each_phone_worked_out_by_hand() -> None:
    parts = parts_of([0, 1, 1, 0, 1], place=[2, 0, 2, 2, 0], phones=4)
    counts = across.confusions(parts, np.array([0, 1, 0, 1, 1]))
    assert counts.tolist() == [[[0, 0], [0, 2]], [[0, 0], [0, 0]], [[1, 1], [1, 0]], [[0, 0], [0, 0]]]
    assert across.accuracies(counts).tolist() == [1, 0, 1 / 3, 0]
    # Phone 0 has photos and answers of one class only; phone 2: F1 of 2 * 1 / (2 + 2) and of 0 / (1 + 1).
    assert across.macro_f1s(counts).tolist() == [1, 0, 0.25, 0]


def test_what_is_reported_worked_out_by_hand() -> None:
    """Four phones with photos, 4 + 2 + 2 + 2, of which 4, 1, 1 and 0 are named rightly; a fifth has none."""
    counts = np.array(
        [[[2, 0], [0, 2]], [[1, 1], [0, 0]], [[0, 0], [1, 1]], [[0, 2], [0, 0]], [[0, 0], [0, 0]]]
    )
    found = across.measure(counts, np.array([0, 0, 1, 0, 1]), NAMES)
    assert (found.phones, found.of, found.ranked) == (4, 5, 4)
    # Accuracies 0, 0.5, 0.5, 1; quantiles lie between them as NumPy's: place 0.1 * 3 and so on.
    assert vars(found.accuracy) == pytest.approx(
        {
            "mean": 0.5, "p10": 0.15, "median": 0.5, "p90": 0.85, "worst": 0, "worst_tenth": 0,
            "variance": 0.125, "variance_by_chance": 0.6 * 0.4 * (1 / 4 + 3 / 2) / 4,
        }
    )  # fmt: skip
    # F1s: (1 + 1) / 2; (2 / 3 + 0) / 2; (0 + 2 / 3) / 2; (0 + 0) / 2.
    assert found.macro_f1.mean == pytest.approx((1 + 1 / 3 + 1 / 3 + 0) / 4)
    assert found.classes == {"anger": PhonesOfClass(3, 0.5, 1.0), "fear": PhonesOfClass(1, 0.5, 0.0)}


def test_phones_with_few_photos_count_for_means_and_are_not_ranked() -> None:
    """Photos 4, 3, 3, 2, 1 and none, of which 4, 1, 2, 0 and 0 are named rightly; three are enough."""
    counts = np.array(
        [
            [[2, 0], [0, 2]], [[1, 1], [1, 0]], [[0, 0], [1, 2]],
            [[0, 2], [0, 0]], [[0, 0], [1, 0]], [[0, 0], [0, 0]],
        ]
    )  # fmt: skip
    largest = np.array([0, 0, 1, 0, 1, 1])
    found = across.measure(counts, largest, NAMES, min_photos=3)
    assert (found.phones, found.of, found.ranked, found.min_photos) == (5, 6, 3, 3)
    assert vars(found.accuracy) == pytest.approx(
        {
            "mean": 0.4, "p10": 1 / 3 + 0.2 / 3, "median": 2 / 3, "p90": 2 / 3 + 0.8 / 3, "worst": 1 / 3,
            "worst_tenth": 1 / 3, "variance": np.var([1, 1 / 3, 2 / 3, 0, 0]),
            "variance_by_chance": 7 / 13 * 6 / 13 * (1 / 4 + 2 / 3 + 1 / 2 + 1) / 5,
        }
    )  # fmt: skip
    assert found.classes == {
        "anger": PhonesOfClass(3, (1 + 1 / 3) / 3, 1.0, ranked=2),
        "fear": PhonesOfClass(2, 1 / 3, 0.0, ranked=1),
    }
    nobody = across.measure(counts, largest, NAMES, min_photos=5)
    assert nobody.ranked == 0
    assert vars(nobody.accuracy) == vars(found.accuracy) | dict.fromkeys(
        ("p10", "median", "p90", "worst", "worst_tenth")
    )
    assert nobody.macro_f1.mean == found.macro_f1.mean
    assert nobody.classes["anger"].share_of_worst_tenth is None


def test_every_field_is_documented() -> None:
    text = (Path(__file__).resolve().parents[1] / "docs" / "across-phones.md").read_text()
    found = across.measure(np.ones((2, 2, 2), np.int64), np.array([0, 1]), NAMES)
    for name in (*vars(found), *vars(found.accuracy), *vars(found.classes["anger"])):
        assert f"`{name}`" in text, name


def test_a_class_that_no_phone_holds_most_of_has_no_accuracy() -> None:
    found = across.measure(np.array([[[1, 0], [0, 0]]]), np.array([0]), NAMES)
    assert found.classes["fear"] == PhonesOfClass(0, None, 0)
    with pytest.raises(ValueError, match="no photos"):
        across.measure(np.zeros((3, 2, 2), np.int64), np.zeros(3, np.int64), NAMES)


@pytest.mark.parametrize(
    ("values", "weights"),
    [
        ([0.3, 0.1, 0.2], [0, 1, 0]),  # a tenth of 3 is one phone
        ([0.5] * 4, [0.25] * 4),  # of equals, none is worse than another
        (np.arange(11) / 10, [0.5, 0.5] + [0] * 9),  # a tenth of 11 is two
        ([0, 1, 1, *[2] * 17], [0.5, 0.25, 0.25] + [0] * 17),
    ],
)
def test_the_worst_tenth_is_rounded_up_and_equals_share_its_last_places(
    values: list[float] | np.ndarray, weights: list[float]
) -> None:
    assert across.worst_tenth(np.array(values, float)).tolist() == weights


@pytest.mark.slow
@given(st.data())
def test_every_phone_is_judged_as_scikit_learn_would(data: st.DataObject) -> None:
    phones, photos = data.draw(st.integers(1, 25)), data.draw(st.integers(1, 60))
    rng = stream(data.draw(st.integers(0, 2**32)), "photos")
    labels, said, place = (
        rng.integers(3, size=photos),
        rng.integers(3, size=photos),
        rng.integers(phones, size=photos),
    )
    largest = rng.integers(3, size=phones)
    parts = PhoneHoldout(np.empty((photos, 0)), labels, place, np.arange(phones), largest, ("a", "b", "c"))
    counts = across.confusions(parts, said)
    np.testing.assert_array_equal(counts.sum(axis=0), confusion(labels, said, 3))
    mine = [place == phone for phone in np.unique(place)]
    right = [accuracy_score(labels[m], said[m]) for m in mine]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        f1 = [f1_score(labels[m], said[m], average="macro", zero_division=0) for m in mine]
    found = across.across(parts, np.eye(3)[said])
    for values, reported in ((right, vars(found.accuracy)), (f1, vars(found.macro_f1))):
        low, middle, high = np.percentile(values, [10, 50, 90])
        tenth = np.sort(values)[: -(-len(values) // 10)]
        names = reported.keys() - {"variance_by_chance"}
        assert {name: reported[name] for name in names} == pytest.approx(
            {"mean": np.mean(values), "p10": low, "median": middle, "p90": high, "worst": np.min(values),
             "worst_tenth": tenth.mean(), "variance": np.var(values)},
            abs=1e-12,
        )  # fmt: skip
    assert sum(each.phones for each in found.classes.values()) == found.phones == len(mine)
    assert sum(each.share_of_worst_tenth for each in found.classes.values()) == pytest.approx(1)


def test_variance_by_chance_is_that_of_answers_drawn_with_one_chance() -> None:
    rng, photos, p = stream(0, "draws"), np.repeat([3, 10, 40], 200), 0.6
    hits = rng.binomial(photos, p, size=(200, 600))
    drawn = (hits / photos).var(axis=1).mean()
    counts = np.zeros((600, 2, 2), np.int64)
    counts[:, 0, 0], counts[:, 0, 1] = hits[0], photos - hits[0]
    said = across.measure(counts, np.zeros(600, np.int64), NAMES).accuracy.variance_by_chance
    assert said == pytest.approx(drawn, rel=0.03)


def test_each_photo_is_answered_by_the_head_of_its_phone() -> None:
    rng = stream(1, "heads")
    parts = parts_of(rng.integers(2, size=40), rng.integers(5, size=40), phones=5, width=3)
    shared, heads = rng.normal(size=(2, 4)).astype(np.float32), rng.normal(size=(3, 2, 4)).astype(np.float32)
    everyones = LinearHead(shared).probabilities(parts.features)
    phones = np.array(
        [5, 20, 40]
    )  # one that no photo was dealt to; phones 0, 10, 30 have no head of their own
    found = across.personal_answers(parts, everyones, phones, heads)
    for i in range(40):
        head = {20: heads[1], 40: heads[2]}.get(int(parts.phones[parts.place[i]]), shared)
        expected = LinearHead(head).probabilities(parts.features[i : i + 1])[0]
        np.testing.assert_allclose(found[i], expected, rtol=1e-12)


def test_own_heads_may_be_of_any_kind() -> None:
    class Always:
        """Says the class that its head is."""

        def __init__(self, head: np.ndarray) -> None:
            self.head = int(head)

        def probabilities(self, rows: np.ndarray) -> np.ndarray:
            return np.eye(2)[np.full(len(rows), self.head)]

        def arrays(self) -> dict[str, np.ndarray]:
            return {}

    parts = parts_of([0, 0, 0, 0], place=[1, 0, 1, 2], phones=3)
    nobody = np.full((4, 2), 0.5)
    found = across.personal_answers(parts, nobody, np.array([0, 10]), np.array([0, 1]), Always)
    assert found.tolist() == [[0, 1], [1, 0], [0, 1], [0.5, 0.5]]
    assert nobody.tolist() == [[0.5, 0.5]] * 4
