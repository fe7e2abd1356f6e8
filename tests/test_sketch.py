"""The embedded face set: reproducible, uneven like photo collections, and not a toy."""

import pickle
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import balanced_accuracy_score, confusion_matrix
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from threadpoolctl import threadpool_limits

from fer_models.emotions import EMOTIONS
from fer_models.encoders.backbone import load
from fer_models.encoders.weights import find
from fer_models.sketch.expression import UNITS
from fer_models.sketch.faces import SHARES, FaceParameters, SketchSet

FIVE = [EMOTIONS.index(name) for name in ("anger", "happiness", "neutrality", "sadness", "surprise")]


@pytest.fixture(scope="module")
def faces() -> SketchSet:
    return SketchSet(4000, 400, 0)


@pytest.fixture(scope="module")
def parameters(faces: SketchSet) -> list[FaceParameters]:
    return [faces.parameters(i) for i in range(faces.faces)]


def test_same_seed_same_pixels_in_any_order(faces: SketchSet) -> None:
    chosen = [0, 7, 1234, 3999, 42, 99]
    forward = [faces.draw(i) for i in chosen]
    again = SketchSet(4000, 400, 0)
    backward = [again.draw(i) for i in reversed(chosen)][::-1]
    with ThreadPoolExecutor(4) as pool:
        threads = list(pool.map(pickle.loads(pickle.dumps(faces)).draw, chosen))
    for a, b, c in zip(forward, backward, threads, strict=True):
        assert a.dtype == np.uint8
        assert a.shape == (224, 224)
        np.testing.assert_array_equal(a, b)
        np.testing.assert_array_equal(a, c)
    assert faces.parameters(7) == again.parameters(7)


def test_another_seed_and_another_face_give_other_pixels(faces: SketchSet) -> None:
    other = SketchSet(4000, 400, 1)
    assert np.mean(faces.draw(5) != other.draw(5)) > 0.5
    assert np.mean(faces.draw(5) != faces.draw(6)) > 0.5
    assert faces.digest(5) != other.digest(5)
    assert len({faces.digest(i) for i in range(4000)}) == 4000
    assert faces.digest(5) == SketchSet(4000, 400, 0).digest(5)


def test_emotions_are_as_uneven_as_said(faces: SketchSet) -> None:
    assert sum(SHARES) == pytest.approx(1)
    assert faces.emotions.dtype == np.int64
    counts = np.bincount(faces.emotions, minlength=8)
    np.testing.assert_array_equal(counts, np.round(4000 * np.array(SHARES)))
    assert EMOTIONS[counts.argmax()] == "neutrality"
    assert EMOTIONS[counts.argmin()] == "contempt"


def test_subjects_are_uneven_and_keep_their_traits(faces: SketchSet) -> None:
    names, counts = np.unique(faces.subject_ids, return_counts=True)
    assert len(names) == 400
    assert (names[0], names[-1]) == ("p0000", "p0399")
    assert counts.min() >= 1
    assert counts.max() > 3 * np.median(counts)
    theirs = [faces.parameters(int(i)) for i in np.flatnonzero(faces.subject_ids == names[3])]
    assert {p.subject for p in theirs} == {"p0003"}
    assert len({p.identity for p in theirs}) == 1
    assert len({p.scene for p in theirs}) == len(theirs)


@settings(deadline=None, max_examples=40)
@given(faces=st.integers(50, 3000), seed=st.integers(0, 2**63 - 1), data=st.data())
def test_every_set_is_complete(faces: int, seed: int, data: st.DataObject) -> None:
    subjects = data.draw(st.integers(5, faces))
    drawn = SketchSet(faces, subjects, seed)
    assert len(drawn.emotions) == len(drawn.subject_ids) == faces
    assert len(np.unique(drawn.subject_ids)) == subjects
    assert set(drawn.emotions.tolist()) == set(range(8))


@pytest.mark.slow
def test_nothing_in_a_scene_or_a_person_tells_the_emotion(
    faces: SketchSet, parameters: list[FaceParameters]
) -> None:
    groups = faces.emotions

    def p_of(values: list[float]) -> float:
        return float(stats.kruskal(*[np.array(values)[groups == e] for e in range(8)]).pvalue)

    def p_of_kind(kinds: list[str]) -> float:
        _, coded = np.unique(kinds, return_inverse=True)
        return float(stats.chi2_contingency(np.histogram2d(groups, coded, (8, coded.max() + 1))[0]).pvalue)

    numbers = ("yaw", "pitch", "roll", "scale", "azimuth", "elevation", "ambient", "shine", "exposure",
               "contrast", "blur", "noise", "backdrop", "cloth", "reflection")  # fmt: skip
    p = {name: p_of([getattr(face.scene, name) for face in parameters]) for name in numbers}
    for name in ("skin", "hair_tone", "age", "beard", "brow_slope", "mouth_slope", "eye_open"):
        p[name] = p_of([getattr(face.identity, name) for face in parameters])
    for axis in (0, 1):
        p[f"shift {axis}"] = p_of([face.scene.shift[axis] for face in parameters])
        p[f"gaze {axis}"] = p_of([face.scene.gaze[axis] for face in parameters])
    p["glasses"] = p_of_kind([str(face.scene.glasses) for face in parameters])
    p["occlusion"] = p_of_kind([face.scene.occlusion for face in parameters])
    p["hair"] = p_of_kind([face.identity.hair for face in parameters])
    assert min(p.values()) > 0.05 / len(p), p
    smile = list(UNITS).index("au12")
    assert p_of([face.expression.left[smile] for face in parameters]) < 1e-100  # the test can tell


@pytest.mark.slow
def test_expressions_follow_their_prototypes(parameters: list[FaceParameters]) -> None:
    mean = {
        emotion: dict(
            zip(
                UNITS,
                np.mean([p.expression.left for p in parameters if p.expression.emotion == emotion], axis=0),
                strict=True,
            )
        )
        for emotion in EMOTIONS
    }
    assert max(mean, key=lambda e: mean[e]["au12"]) == "happiness"
    assert max(mean, key=lambda e: mean[e]["au15"]) == "sadness"
    assert max(mean, key=lambda e: mean[e]["au26"]) == "surprise"
    assert max(mean, key=lambda e: mean[e]["au20"]) == "fear"
    assert max(mean, key=lambda e: mean[e]["au23"]) == "anger"
    assert max(mean, key=lambda e: mean[e]["au9"]) == "disgust"
    assert max(mean["neutrality"].values()) < 0.15
    dimple = list(UNITS).index("au14")
    scornful = [p.expression for p in parameters if p.expression.emotion == "contempt"]
    uneven = [abs(e.left[dimple] - e.right[dimple]) / max(e.left[dimple], e.right[dimple]) for e in scornful]
    assert np.median(uneven) > 0.7
    units = np.array([(p.expression.left, p.expression.right) for p in parameters])
    assert units.min() >= 0
    assert units.max() <= 1


@pytest.mark.slow
def test_pictures_are_neither_black_nor_white(faces: SketchSet) -> None:
    photos = np.stack([faces.draw(i) for i in range(100)]).astype(float)
    assert np.all(photos.std(axis=(1, 2)) > 15)
    middle = photos[:, 70:180, 60:164]
    assert 70 < middle.mean() < 170
    assert np.mean((middle < 3) | (middle > 252)) < 0.1


def _judge(features: np.ndarray, labels: np.ndarray, people: np.ndarray) -> tuple[float, float, np.ndarray]:
    """Accuracy, balanced accuracy and confusions of a linear model on new subjects, over three splits."""
    accuracy, balanced, confusion = [], [], np.zeros((8, 8))
    names = np.unique(people)
    for split in range(3):
        new = np.random.default_rng(split).permutation(names)[: len(names) // 5]
        test = np.isin(people, new)
        model = make_pipeline(
            StandardScaler(), LogisticRegression(C=0.01, max_iter=1000, class_weight="balanced")
        )
        with threadpool_limits(1):  # small products: several threads only wait for one another
            answers = model.fit(features[~test], labels[~test]).predict(features[test])
        accuracy.append(np.mean(answers == labels[test]))
        balanced.append(balanced_accuracy_score(labels[test], answers))
        confusion += confusion_matrix(labels[test], answers, labels=range(8))
    return float(np.mean(accuracy)), float(np.mean(balanced)), confusion


@pytest.mark.slow
def test_a_linear_head_learns_about_as_much_as_from_photos() -> None:
    drawn = SketchSet(2000, 200, 0)
    encoder = load(find("imagenet"))
    features, raw = [], []
    for start in range(0, 2000, 50):
        photos = np.stack([drawn.draw(i) for i in range(start, start + 50)])
        features.append(encoder(photos[:, None]))
        raw.append(photos.reshape(50, 32, 7, 32, 7).mean(axis=(2, 4)).reshape(50, -1))
    rows, pixels = np.concatenate(features), np.concatenate(raw)
    five = np.isin(drawn.emotions, FIVE)
    accuracy, balanced, _ = _judge(rows[five], drawn.emotions[five], drawn.subject_ids[five])
    assert 0.55 < accuracy < 0.85
    assert 0.55 < balanced < 0.85
    simple, simple_balanced, _ = _judge(pixels[five], drawn.emotions[five], drawn.subject_ids[five])
    assert simple < accuracy - 0.10
    assert simple_balanced < balanced - 0.10

    confusion = _judge(rows, drawn.emotions, drawn.subject_ids)[2]
    shares = confusion / confusion.sum(axis=1, keepdims=True)
    usual = shares[~np.eye(8, dtype=bool)].mean()
    for pair in (("fear", "surprise"), ("anger", "disgust"), ("sadness", "neutrality")):
        a, b = (EMOTIONS.index(name) for name in pair)
        assert (shares[a, b] + shares[b, a]) / 2 > 1.5 * usual, pair
