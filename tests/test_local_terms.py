"""Strategies that change the phones' training: by hand, and on quadratic losses whose optimum is known.

Phone i minimises curvature_i / 2 * |w - target_i|^2. All together, weighted by views, have their optimum
where the gradients, so weighted, add up to 0; phones that take several steps drift away from it.
"""

from dataclasses import fields, replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from support_flower_steps import SHAPE, came, drawn

from fer_models.config import TrainConfig
from fer_models.local.terms import LocalTerms, PhoneInputs
from fer_models.order import Order
from server.config import StrategyConfig
from server.strategies import personal_heads, phone_state
from server.strategies.base import Algorithm, RoundUpdates, State
from server.strategies.calibrated import BalancedSoftmax, FedLC
from server.strategies.ditto import Ditto
from server.strategies.fedavg import FedAvg
from server.strategies.feddyn import FedDyn
from server.strategies.fednova import FedNova
from server.strategies.fedprox import FedProx
from server.strategies.fine_tune import FineTune
from server.strategies.local_only import LocalOnly
from server.strategies.registry import make
from server.strategies.scaffold import Scaffold

TARGETS = np.array([[[1.0, -2.0]], [[4.0, 0.0]], [[-3.0, 5.0]]])
CURVATURES, VIEWS, STEPS = np.array([1.0, 3.0, 0.3]), np.array([10, 40, 50]), np.array([2, 8, 10])
OPTIMUM = np.einsum("i,icd->cd", VIEWS * CURVATURES, TARGETS) / (VIEWS * CURVATURES).sum()


def rounds(
    algorithm: Algorithm, number: int, rate: float, some: int | None = None
) -> tuple[np.ndarray, State]:
    """The head after `number` rounds of plain gradient steps on the phones, `some` of them in each round."""
    head = np.zeros((1, 2), np.float32)
    state = algorithm.begin(head)
    rng = np.random.default_rng(0)
    for _ in range(number):
        phones = np.sort(rng.choice(3, some or 3, replace=False))
        asked = algorithm.ask(head, phones, VIEWS[phones], STEPS[phones], state)
        updates = np.array([train(algorithm, head, p, i, asked, rate) for i, p in enumerate(phones)])
        weights = VIEWS[phones] if asked.weights is None else asked.weights
        mean = np.einsum("i,icd->cd", weights, updates) / VIEWS[phones].sum()
        share = VIEWS[phones].sum() / VIEWS.sum()
        back = RoundUpdates(
            phones, VIEWS[phones], mean, updates.astype(np.float32), None, STEPS[phones], share,
            rates=np.full(len(phones), rate),
        )  # fmt: skip
        head, state = algorithm.step(head, back, state)
    return head, state


def train(
    algorithm: Algorithm, head: np.ndarray, phone: int, place: int, asked: PhoneInputs, rate: float
) -> np.ndarray:
    """What one phone moves by: the local update written out."""
    w = head.astype(np.float64)
    for _ in range(STEPS[phone]):
        gradient = CURVATURES[phone] * (w - TARGETS[phone]) + algorithm.local.pull * (w - head)
        if asked.corrections is not None:
            gradient = gradient + asked.corrections[place]
        w = w - rate * gradient
    return w - head


def test_drift_takes_federated_averaging_away_from_the_optimum() -> None:
    head, _ = rounds(FedAvg(), 400, 0.1)
    assert np.abs(head - OPTIMUM).max() > 0.3


@pytest.mark.slow
def test_scaffold_comes_to_the_optimum_and_its_control_is_the_mean_of_the_phones() -> None:
    for some in (None, 2):
        head, state = rounds(Scaffold(lr=1.0), 600, 0.1, some)
        np.testing.assert_allclose(head, OPTIMUM, atol=2e-3)
        own = phone_state.of(state, "control", np.arange(3), np.zeros((1, 2)))
        np.testing.assert_allclose(state["c"], np.average(own, axis=0, weights=VIEWS), atol=1e-5)


@pytest.mark.slow
def test_feddyn_comes_to_the_optimum_and_what_it_bends_by_are_the_gradients_there() -> None:
    head, state = rounds(FedDyn(alpha=1.0), 600, 0.1)
    np.testing.assert_allclose(head, OPTIMUM, atol=2e-3)
    own = phone_state.of(state, "bend", np.arange(3), np.zeros((1, 2)))
    np.testing.assert_allclose(own, CURVATURES[:, None, None] * (OPTIMUM - TARGETS), atol=0.02)
    np.testing.assert_allclose(state["h"], 0, atol=0.02)


@pytest.mark.slow
def test_fednova_counts_phones_by_views_where_federated_averaging_counts_their_steps() -> None:
    small = 3e-3  # steps so small that the phones do not drift: what is left is how they are counted
    head, _ = rounds(FedNova(), 1300, small)
    np.testing.assert_allclose(head, OPTIMUM, atol=0.03)
    biased, _ = rounds(FedAvg(), 1300, small)
    by_steps = np.einsum("i,icd->cd", VIEWS * STEPS * CURVATURES, TARGETS)
    np.testing.assert_allclose(biased, by_steps / (VIEWS * STEPS * CURVATURES).sum(), atol=0.03)
    assert np.abs(biased - OPTIMUM).max() > 0.2


def test_fednova_by_hand() -> None:
    # shares 1/4 and 3/4 of the views, 2 and 4 steps: 3.5 on average; weights 1 / 2 and 3 / 4
    nova, views, steps, head = FedNova(), np.array([1, 3]), np.array([2, 4]), np.zeros((1, 1), np.float32)
    asked = nova.ask(head, np.arange(2), views, steps, {})
    np.testing.assert_allclose(asked.weights, [0.5, 0.75])  # type: ignore[arg-type]
    # updates 2 and 8 are 1 and 2 a step: 3.5 * (1 / 4 * 1 + 3 / 4 * 2)
    back = RoundUpdates(np.arange(2), views, np.array([[(0.5 * 2 + 0.75 * 8) / 4]]), steps=steps)
    assert nova.step(head, back, {})[0] == pytest.approx(6.125)
    # of the second phone alone: 4 * 2 steps, whatever the first would have done
    back = RoundUpdates(np.array([1]), views[1:], np.array([[0.75 * 8 / 3]]), steps=steps[1:])
    assert nova.step(head, back, {})[0] == pytest.approx(8)


def test_scaffold_by_hand() -> None:
    # two phones of 1 and 3 views, updates 1 and 2, 2 steps of 0.5 each: c_i = 0 - 0 - update_i / (2 * 0.5)
    scaffold, head = Scaffold(lr=2.0), np.zeros((1, 1), np.float32)
    back = came([[[1]], [[2]]], views=[1, 3])
    back = replace(back, steps=np.array([2, 2]), share=0.5, rates=np.full(2, 0.5))
    head, state = scaffold.step(head, back, scaffold.begin(head))
    assert head == 3.5  # 2 * (1 * 1 + 3 * 2) / 4
    assert state["c"] == -0.875  # half of the views: 0.5 * (1 * -1 + 3 * -2) / 4
    asked = scaffold.ask(head, np.array([1, 7]), np.ones(2), np.ones(2), state)
    np.testing.assert_allclose(asked.corrections, [[[-0.875 + 2]], [[-0.875]]])  # type: ignore[arg-type]


def test_feddyn_by_hand() -> None:
    # updates 1 and 2 of 1 and 3 views, mean 1.75, alpha 0.5: h_i = -0.5 update_i, h = -0.5 * 0.5 * 1.75
    feddyn, head = FedDyn(alpha=0.5), np.ones((1, 1), np.float32)
    back = came([[[1]], [[2]]], views=[1, 3])
    back = replace(back, share=0.5)
    after, state = feddyn.step(head, back, feddyn.begin(head))
    assert state["h"] == -0.4375
    assert after == pytest.approx(1 + 1.75 + 0.4375 / 0.5)
    asked = feddyn.ask(after, np.array([0, 1, 2]), np.ones(3), np.ones(3), state)
    np.testing.assert_allclose(np.ravel(asked.corrections), [0.5, 1.0, 0.0])  # type: ignore[arg-type]


def test_what_the_phones_are_told() -> None:
    assert FedProx(mu=0.3).local == LocalTerms(pull=0.3)
    assert FedLC(margin=0.3).local == LocalTerms(margin=0.3)
    assert BalancedSoftmax(prior=0.3).local == LocalTerms(prior=0.3)
    assert FedDyn(alpha=0.3).local == LocalTerms(pull=0.3)
    assert (Ditto(own_pull=0.3).personal_pull, FineTune(adapt_epochs=4).epochs_after) == (0.3, 4)
    for name in ("scaffold", "feddyn", "fednova"):
        assert make(StrategyConfig(name=name, local_lr=0.7)).sgd_rate == 0.7  # type: ignore[arg-type]


def test_ditto_keeps_own_heads_and_moves_as_federated_averaging() -> None:
    back, head = drawn(5), np.ones(SHAPE, np.float32)
    after, state = Ditto(own_pull=1.0).step(head, back, {})
    np.testing.assert_array_equal(after, FedAvg().step(head, back, {})[0])
    asked = Ditto(own_pull=1.0).ask(after, np.array([3, 9]), np.ones(2), np.ones(2), state)
    assert back.own is not None
    np.testing.assert_array_equal(asked.starts, [back.own[3], after])  # type: ignore[list-item]


def test_alone_the_kept_head_is_the_mean_of_all_phones() -> None:
    alone, first = LocalOnly(), np.full((1, 1), 10.0, np.float32)
    state = alone.begin(first)
    # of 8 views two phones with 1 and 3 train: from 10 by 1 and by 2
    back = came([[[1]], [[2]]], views=[1, 3])
    back = RoundUpdates(
        back.phones, back.views, back.mean, share=0.5, own=first + np.array([[[1]], [[2]]], np.float32)
    )
    head, state = alone.step(first, back, state)
    assert head == (1 * 11 + 3 * 12 + 4 * 10) / 8
    asked = alone.ask(head, np.array([1, 2]), np.ones(2), np.ones(2), state)
    np.testing.assert_array_equal(np.ravel(asked.starts), [12, 10])  # type: ignore[arg-type]
    kept = personal_heads.of(state)
    assert kept is not None
    np.testing.assert_array_equal(kept.phones, [0, 1])


@given(st.lists(st.sets(st.integers(0, 30), min_size=1), min_size=1, max_size=6))
def test_state_per_phone_is_the_last_that_was_kept_and_grows_with_who_took_part(
    rounds: list[set[int]],
) -> None:
    state, expected = State(), dict[int, float]()
    for number, chosen in enumerate(rounds, 1):
        phones = np.array(sorted(chosen))
        before = phone_state.of(state, "x", phones, np.full((1, 1), -1.0))
        np.testing.assert_array_equal(np.ravel(before), [expected.get(int(p), -1.0) for p in phones])
        values = (100.0 * number + phones)[:, None, None].astype(np.float32)
        state = phone_state.kept(state, "x", phones, values)
        expected |= {int(p): 100.0 * number + p for p in phones}
        np.testing.assert_array_equal(state["x.phones"], sorted(expected))
        assert state["x.values"].shape == (len(expected), 1, 1)


def test_an_order_carries_every_term_and_phones_are_cut_with_every_array() -> None:
    names = [field.name for field in fields(LocalTerms)]
    every = LocalTerms(*range(1, len(names) + 1))
    for local, sent in ((every, {f"local.{name}" for name in names}), (LocalTerms(), set())):
        order = Order.of("prepared", TrainConfig(), epochs=1, seed=0, number=1, local=local)
        assert {name for name in order.scalars() if name.startswith("local.")} == sent
        assert Order.from_scalars(order.scalars()) == order
    inputs = PhoneInputs(*(np.arange(6) + 10 * place for place, _ in enumerate(fields(PhoneInputs))))
    cut = inputs.of(np.array([1, 4])).arrays
    assert {name: array.tolist() for name, array in cut.items()} == {
        field.name: [10 * place + 1, 10 * place + 4] for place, field in enumerate(fields(PhoneInputs))
    }
