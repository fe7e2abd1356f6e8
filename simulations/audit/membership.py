"""Membership: was a photo, or a phone, trained on? Told from the head alone, by LiRA.

Carlini, Chien, Nasr, Song, Terzis and Tramer, "Membership Inference Attacks From First Principles", 2022,
arXiv:2112.03570, online attack with one variance for all. The run is trained again on random halves of its
phones, or of their photos. Each of these heads is attacked in turn with the others as shadows: the confidence
of a photo's true class is compared with what it is where the photo was in, and where it was not.
"""

from collections.abc import Callable
from dataclasses import replace

import numpy as np
from scipy.stats import norm

from fer_models.local.phone_rows import PhoneRows
from fer_models.run_folder.audit import MembersFound, Range
from fer_models.seeding import stream
from server.mechanisms.privacy.coins import Coins
from simulations.audit.again import Again, Wrapped, joined

SHADOWS = 64
_RATES = 0.01, 0.001  # false positive rates at which the true positive rate is reported
_POINTS = 200  # of the ROC, at most


def photos(run: Again, *, seed: int, step: Callable[[int, int], None]) -> MembersFound:
    """Of the photos on the phones."""
    units = run.photos[run.held.rows]
    return _members(run, "photo", units, seed=seed, step=step)


def phones(run: Again, *, seed: int, step: Callable[[int, int], None]) -> MembersFound:
    """Of the phones, each with all that it holds."""
    return _members(run, "phone", np.repeat(np.arange(run.held.phones), run.held.sizes), seed=seed, step=step)


def _members(
    run: Again, unit: str, units: np.ndarray, *, seed: int, step: Callable[[int, int], None]
) -> MembersFound:
    """`units` (n,): that of each row on the phones; each is in a shadow's training by a coin."""
    every, place = np.unique(units, return_inverse=True)
    half = len(every) // 2
    rng = stream(seed, "shadows", unit)
    inside = np.array([rng.permutation(len(every)) < half for _ in range(SHADOWS)])
    heads = []
    for number, chosen in enumerate(inside):
        step(number, SHADOWS)
        heads.append(run.head(_kept(run.held, chosen[place]), _with_noise(int(rng.integers(2**62)))))
    step(SHADOWS, SHADOWS)
    confidence = _confidences(np.array(heads), run.held, place, len(every))
    scores = _lira(confidence, inside)
    measured = _measured(scores, inside)
    auc, one, tenth = _ranges(measured, confidence, inside)
    fpr, tpr = _roc(scores[inside], scores[~inside])
    return MembersFound(
        unit=unit,
        shadows=SHADOWS,
        tested=scores.size,
        auc=float(measured[0]),
        auc_range=auc,
        tpr_at_1=float(measured[1]),
        tpr_at_1_range=one,
        tpr_at_01=float(measured[2]),
        tpr_at_01_range=tenth,
        fpr=fpr,
        tpr=tpr,
    )


def _with_noise(seed: int) -> Wrapped:
    """The mechanism with other noise, and other phones in each round."""
    return lambda private: replace(private, coins=Coins.seeded(seed))


def _kept(held: PhoneRows, kept: np.ndarray) -> PhoneRows:
    """The phones with these of their rows, (n,) bool; one without rows takes part in nothing."""
    own = [
        held.rows[first:last][kept[first:last]]
        for first, last in zip(held.offsets, held.offsets[1:], strict=False)
    ]
    rows, offsets = joined(own)
    counts = None
    if held.photos is not None:
        counts = np.round(held.photos * np.diff(offsets) / np.maximum(held.sizes, 1)).astype(np.int64)
    return replace(held, rows=rows, offsets=offsets, photos=counts)


def _confidences(heads: np.ndarray, held: PhoneRows, place: np.ndarray, units: int) -> np.ndarray:
    """log(p / (1 - p)) of the true class under each head, the mean over a unit's rows: (heads, units)."""
    rows, back = np.unique(held.rows, return_inverse=True)
    features, labels = np.asarray(held.features[rows]), np.asarray(held.labels[rows])
    found = []
    for head in heads:
        logits = (features @ head[:, :-1].T + head[:, -1]).astype(np.float64)
        true = logits[np.arange(len(rows)), labels]
        logits[np.arange(len(rows)), labels] = -np.inf
        other = np.logaddexp.reduce(logits, axis=1)
        found.append(np.bincount(place, weights=(true - other)[back], minlength=units))
    return np.array(found) / np.bincount(place, minlength=units)


def _lira(confidence: np.ndarray, inside: np.ndarray) -> np.ndarray:
    """The log likelihood ratio of in against out of each unit under each head, by the other heads."""
    every = np.where(inside, confidence, 0.0), np.where(inside, 0.0, confidence)
    counts = inside.sum(axis=0), (~inside).sum(axis=0)
    means = []
    for values, mask, count in zip(every, (inside, ~inside), counts, strict=True):
        left = values.sum(axis=0) - values  # without the head that is attacked
        means.append(left / np.maximum(count - mask, 1))
    spreads = [
        float(np.std((confidence - mean)[mask])) for mean, mask in zip(means, (inside, ~inside), strict=True)
    ]
    likely = [norm.logpdf(confidence, mean, spread) for mean, spread in zip(means, spreads, strict=True)]
    return np.asarray(likely[0] - likely[1])


def _measured(scores: np.ndarray, inside: np.ndarray) -> np.ndarray:
    """AUC and the true positive rates."""
    members, others = scores[inside], np.sort(scores[~inside])
    below = np.searchsorted(others, members, "left") + np.searchsorted(others, members, "right")
    auc = below.mean() / (2 * len(others))
    return np.array([auc, *((members > _threshold(others, rate)).mean() for rate in _RATES)])


def _ranges(measured: np.ndarray, confidence: np.ndarray, inside: np.ndarray) -> list[Range]:
    """95% intervals by the jackknife: each head is left out, as a shadow, too (Efron and Stein 1981)."""
    heads = len(inside)
    every = [np.delete(np.arange(heads), one) for one in range(heads)]
    without = np.array([_measured(_lira(confidence[own], inside[own]), inside[own]) for own in every])
    errors = np.sqrt((heads - 1) / heads * np.square(without - without.mean(axis=0)).sum(axis=0))
    low, high = measured - 1.96 * errors, measured + 1.96 * errors
    return [(float(max(a, 0.0)), float(min(b, 1.0))) for a, b in zip(low, high, strict=True)]


def _threshold(others: np.ndarray, rate: float) -> float:
    """Above which a share of at most `rate` of the sorted scores lies."""
    return float(others[len(others) - 1 - int(rate * len(others))])


def _roc(members: np.ndarray, others: np.ndarray) -> tuple[tuple[float, ...], tuple[float, ...]]:
    """True against false positive rates, at rates that are even on a log scale."""
    ordered = np.sort(others)
    rates = np.unique(np.geomspace(1 / len(others), 1, _POINTS))
    tpr = [float((members > _threshold(ordered, min(rate, 1 - 1e-12))).mean()) for rate in rates]
    return tuple(map(float, rates)), tuple(tpr)
