"""Clipped updates on the lattice, checked in integers of any size."""

from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays
from support_reference import CLASSES, WIDTH, make_shards
from support_tiny_networks import CNN, network, shards

from fer_models.config import TrainConfig
from fer_models.heads import new_head
from fer_models.local import kernel
from fer_models.local.clipping import ClipNorm
from fer_models.local.kernel import QUANTUM
from fer_models.local.terms import PhoneInputs
from fer_models.local.training import LocalWork, train_phones
from fer_models.local.transforms import Context, Metrics, Transform, Transforms

NUMBERS = arrays.array_shapes(min_dims=1, max_dims=1, min_side=1, max_side=40)
ROWS = st.one_of(
    arrays.arrays(np.float64, NUMBERS, elements=st.floats(allow_nan=True, allow_infinity=True)),
    arrays.arrays(np.float32, NUMBERS, elements=st.floats(-3, 3, width=32)),
)
SIZES = [3, 17, 1, 40, 8, 5]


def clipped(row: np.ndarray, clip: float) -> tuple[list[int], float]:
    """What is added for an update, in quanta, and its norm before."""
    total = np.zeros((1, len(row)))
    norm = kernel.add_within(total, row[None], np.zeros_like(row)[None], clip)
    quanta = total[0] / QUANTUM
    assert (quanta == np.rint(quanta)).all()
    return [int(k) for k in quanta], norm


def within(quanta: list[int], clip: float) -> bool:
    """Exactly."""
    return sum(k**2 for k in quanta) <= (Fraction(clip) / Fraction(QUANTUM)) ** 2


@given(ROWS, st.floats(1e-6, 1e6))
def test_no_norm_is_above_the_clip(row: np.ndarray, clip: float) -> None:
    with np.errstate(all="ignore"):
        quanta, norm = clipped(row, clip)
    assert within(quanta, clip)
    assert norm >= 0


@given(ROWS, st.floats(1e-3, 1e6))
def test_what_is_within_the_clip_is_only_rounded_towards_zero(row: np.ndarray, clip: float) -> None:
    with np.errstate(all="ignore"):
        quanta, norm = clipped(row, clip)
        true = float(np.linalg.norm(row.astype(np.float64)))
    if not np.isfinite(true):  # also where squares overflow
        assert not any(quanta)
        assert norm == 0.0
        return
    assert norm == pytest.approx(true, rel=1e-12)
    if norm < clip * (1 - 1e-8):
        assert quanta == [int(x / QUANTUM) for x in row.astype(np.float64)]
    else:
        length = np.sqrt(float(sum(k**2 for k in quanta))) * QUANTUM
        assert length >= clip * (1 - 2e-9) - QUANTUM * np.sqrt(len(row)) * 1.01
    assert (np.sign(quanta) * np.sign(row) >= 0).all()


@pytest.mark.parametrize("clip", [1.0, 0.3, 2.0**-10])
def test_heads_whose_norm_is_right_at_the_clip(clip: float) -> None:
    rng = np.random.default_rng(0)
    updates = rng.normal(size=(20, 6_405))
    updates *= clip / np.linalg.norm(updates, axis=1, keepdims=True)
    nudged = updates * (1 + rng.uniform(-1e-9, 1e-9, (20, 1)))
    for rows in (updates, nudged, updates.astype(np.float32), 50 * updates):
        for row in rows:
            quanta, _ = clipped(row, clip)
            assert within(quanta, clip)
            assert np.linalg.norm(quanta) * QUANTUM == pytest.approx(clip, rel=1e-3)
    nearest = [[int(k) for k in np.rint(row / QUANTUM)] for row in updates]  # what the margin is for
    assert not all(within(row, clip) for row in nearest)


class Same(Transform):
    """Changes nothing, but takes the way of transforms."""

    def __call__(self, updates: np.ndarray, context: Context) -> tuple[np.ndarray, Metrics]:
        return updates, {}


def work(clip: float, **more: object) -> LocalWork:
    return LocalWork(new_head(CLASSES, WIDTH, seed=1), TrainConfig(lr=0.5), 1, 7, clip=clip, **more)  # type: ignore[arg-type]


def test_phones_count_equally_and_the_sum_is_that_of_the_clipped_updates() -> None:
    held, phones = make_shards(SIZES), np.arange(len(SIZES))
    own = train_phones(held, phones, work(0.0, each=True, dtype=np.float64))
    assert own.updates is not None
    norms = np.linalg.norm(own.updates.reshape(len(SIZES), -1), axis=1)
    clip = float(np.median(norms))
    found = train_phones(held, phones, work(clip, inputs=PhoneInputs(weights=np.full(len(SIZES), 9.0))))
    wanted = np.zeros_like(found.sum.total)
    for update in own.updates:
        wanted += np.array(clipped(update.ravel(), clip)[0]).reshape(update.shape) * QUANTUM
    np.testing.assert_array_equal(found.sum.total, wanted)
    assert found.sum.within == (norms <= clip).sum() == 3
    assert found.sum.reach == pytest.approx(np.minimum(norms, clip).sum(), rel=1e-6)


def test_transforms_come_before_the_clip_and_change_no_bit_of_it() -> None:
    held, phones = make_shards(SIZES), np.arange(len(SIZES))
    plain = train_phones(held, phones, work(0.05))
    for steps, same in (((Same(),), True), ((ClipNorm(clip_norm=0.01),), False)):
        changes = Transforms(steps, 1, 0, len(SIZES), CLASSES)
        found = train_phones(held, phones, work(0.05, transforms=changes))
        assert (found.sum.total.tobytes() == plain.sum.total.tobytes()) == same
        assert found.sum.within == (plain.sum.within if same else len(SIZES))


def test_an_update_that_is_not_finite_counts_as_zero_and_leaves_its_phone_in() -> None:
    held, phones = make_shards(SIZES), np.arange(len(SIZES))
    held.features[held.rows[held.offsets[1]]] = np.nan
    found = train_phones(held, phones, work(0.05))
    without = train_phones(held, np.delete(phones, 1), work(0.05))
    assert found.phones.tolist() == phones.tolist()
    assert found.sum.phones == len(SIZES)
    assert np.isfinite(found.sum.loss)
    np.testing.assert_array_equal(found.sum.total, without.sum.total)


def test_networks_are_clipped_by_the_same_arithmetic() -> None:
    learner, held = network(CNN), shards(CNN)
    phones = np.arange(held.phones)
    plain = LocalWork(learner.head, TrainConfig(lr=0.1), 1, 7, each=True, dtype=np.float64)
    own = learner.train(held, phones, plain)
    assert own.updates is not None
    norms = np.linalg.norm(own.updates.reshape(len(phones), -1), axis=1)
    clip = float(np.median(norms))
    found = learner.train(held, phones, LocalWork(learner.head, TrainConfig(lr=0.1), 1, 7, clip=clip))
    wanted = np.zeros_like(found.sum.total)
    for update in own.updates:
        kernel.add_within(wanted, update, np.zeros_like(update), clip)
    np.testing.assert_array_equal(found.sum.total, wanted)
    assert found.sum.within == (norms <= clip).sum() == len(phones) // 2
