"""Epsilon and noise, against published numbers, other accountants and the library's own distributions."""

import logging
import math

import numpy as np
import pytest
from hypothesis import Phase, example, given, settings
from hypothesis import strategies as st

from fer_models.errors import InputError
from server.mechanisms.accounting import losses
from server.mechanisms.accounting.accountant import (
    Event,
    epsilon,
    epsilon_either_way,
    epsilon_rdp,
    renyi,
)
from server.mechanisms.accounting.backend import accounting, silent
from server.mechanisms.accounting.calibration import noise_multiplier, rounded_up
from server.mechanisms.accounting.curve import POINTS, curve, points
from server.mechanisms.accounting.guarantee import HEAD, guarantee
from server.mechanisms.accounting.participation import Participation, participation
from server.mechanisms.accounting.zcdp import epsilon_zcdp, rho


def of(part: Participation, z: float, delta: float = 1e-5) -> float:
    return epsilon(Event.of(part, z), part.rounds, delta)


def test_without_sampling_epsilon_is_the_exact_one_of_the_gaussian() -> None:
    once, often = participation(10, 0, 1, "all"), participation(10, 10, 25, "all")
    assert of(once, 1) == pytest.approx(4.37718, abs=5e-6)
    assert of(often, 5) == pytest.approx(of(once, 1), rel=1e-9)
    for budget, sigma in ((1, 3.73063), (4, 1.08116), (8, 0.60023)):
        assert noise_multiplier(once, budget, 1e-5) == pytest.approx(sigma, abs=1e-4)
        assert noise_multiplier(once, budget, 1e-5) >= sigma - 5e-6
    assert noise_multiplier(participation(10, 0, 50, "all"), 1, 1e-5) == pytest.approx(26.3795, abs=6e-4)


@pytest.mark.parametrize(
    ("q", "z", "rounds", "delta", "pld", "rdp"),
    [
        (0.01, 1.0, 1000, 1e-5, 1.828, 2.101),
        (0.1, 2.0, 50, 1e-5, 1.652, 1.844),
        (0.001, 1.0, 1000, 1e-6, 0.186, 0.870),
    ],
)
def test_sampled_phones(q: float, z: float, rounds: int, delta: float, pld: float, rdp: float) -> None:
    event = Event(z, q)
    assert epsilon(event, rounds, delta) == pytest.approx(pld, abs=1e-3)
    assert epsilon_rdp(event, rounds, delta) == pytest.approx(rdp, abs=1e-3)


def test_the_claim_lies_where_another_accountant_has_its_bounds() -> None:
    assert 1.818 <= epsilon(Event(1.0, 0.01), 1000, 1e-5) <= 1.838  # PRV accountant, arXiv:2106.02848


@pytest.mark.parametrize(("budget", "z"), [(1, 2.930), (4, 1.145), (8, 0.803)])
def test_noise_for_a_budget(budget: float, z: float) -> None:
    part = participation(10_000, 1_000, 50)
    found = noise_multiplier(part, budget, 1e-5)
    assert found == pytest.approx(z, abs=6e-4)
    assert 0.999 * budget < of(part, found) <= budget


def test_a_fixed_number_of_phones_is_the_replacement_of_one() -> None:
    part = participation(10_000, 100, 1000, "fixed")
    assert part.neighbours == "replace"
    assert of(part, 1.0) == pytest.approx(13.36, abs=5e-3)
    event = Event.of(part, 1.0)
    assert event == Event(0.5, 0.01)
    assert of(part, 1.0) < epsilon_either_way(event, 1000, 1e-5) == pytest.approx(14.82, abs=5e-3)
    assert epsilon_either_way(event, 1, 1e-5) == pytest.approx(epsilon(event, 1, 1e-5), rel=1e-6)


def test_replacing_a_phone_is_half_the_multiplier_in_rdp_too() -> None:
    part = participation(10, 0, 1, "all", "replace")
    event = Event.of(part, 1.0)
    assert epsilon(event, 1, 1e-5) == pytest.approx(9.997, abs=1e-3)
    assert epsilon_rdp(event, 1, 1e-5) == pytest.approx(10.726, abs=1e-3)  # the library's own: 4.73
    assert noise_multiplier(part, 9.9973, 1e-5) == pytest.approx(1.0, abs=1e-4)


@pytest.mark.parametrize(("z", "epochs", "published"), [(1.12, 60, 2.92), (1.2, 10, 1.20)])
def test_rdp_has_the_values_of_the_tutorial_of_tensorflow_privacy(
    z: float, epochs: int, published: float
) -> None:
    orders, divergences = renyi(Event(z, 256 / 60_000), epochs * 60_000 // 256)
    older = divergences + math.log(1e5) / (np.asarray(orders) - 1)  # arXiv:1702.07476, proposition 3
    assert np.min(older) == pytest.approx(published, abs=0.01)


def test_zcdp() -> None:
    assert epsilon_zcdp(0.81, 1e-10) == pytest.approx(8.92, abs=5e-3)
    assert rho(5.0, 25) == 0.5
    exact = of(participation(10, 0, 1, "all"), 1.0)
    assert exact < epsilon_zcdp(rho(1.0), 1e-5) < 1.1 * exact
    assert epsilon_zcdp(1e-12, 0.1) == 0.0


@pytest.mark.parametrize(("z", "q"), [(1.0, 0.01), (0.5, 0.3), (4.0, 0.1), (0.8, 0.9)])
def test_divergences_are_those_of_the_library(z: float, q: float) -> None:
    dp = accounting()
    mechanisms = dp.pld.privacy_loss_mechanism
    epsilons = np.linspace(-3, 5, 81)
    for ours, way in ((losses.removing, "REMOVE"), (losses.adding, "ADD")):
        theirs = mechanisms.GaussianPrivacyLoss(
            z, sampling_prob=q, adjacency_type=getattr(mechanisms.AdjacencyType, way)
        ).get_delta_for_epsilon(epsilons)
        np.testing.assert_allclose(ours(epsilons, z, q), theirs, atol=1e-13)


def test_the_claim_is_that_of_the_library_from_above() -> None:
    dp = accounting()
    for z, q, rounds in ((1.0, 0.1, 20), (3.0, 0.02, 300)):
        library = dp.pld.privacy_loss_distribution.from_gaussian_mechanism(z, sampling_prob=q)
        theirs = library.self_compose(rounds).get_epsilon_for_delta(1e-5)
        ours = epsilon(Event(z, q), rounds, 1e-5)
        assert theirs * (1 - 1e-4) <= ours <= theirs * 1.003


# Few examples, and not shrunk: each composes distributions, which takes a tenth of a second or more.
QUICK = {"deadline": None, "phases": (Phase.explicit, Phase.reuse, Phase.generate)}
EVENTS = st.tuples(
    st.floats(0.4, 20), st.floats(1e-3, 0.5), st.integers(1, 60), st.sampled_from([1e-4, 1e-6, 1e-9])
)


@settings(**QUICK, max_examples=5)
@example((5.0, 0.5, 1, 1e-4))  # the library overflows on the way, and nobody hears of it
@given(EVENTS)
def test_more_rounds_less_noise_and_more_phones_a_round_cost_more(
    event: tuple[float, float, int, float],
) -> None:
    z, q, rounds, delta = event
    here = epsilon(Event(z, q), rounds, delta)
    loose = 1.003 * here + 1e-6
    assert epsilon(Event(z, q), rounds + 1, delta) * 1.003 + 1e-6 >= here
    assert epsilon(Event(1.1 * z, q), rounds, delta) <= loose
    assert epsilon(Event(z, 0.9 * q), rounds, delta) <= loose
    assert epsilon(Event(z, q), rounds, 2 * delta) <= here
    assert here <= epsilon(Event(z, 1.0), rounds, delta) * 1.003
    assert here <= epsilon_either_way(Event(z, q), rounds, delta) * 1.0001


@settings(**QUICK, max_examples=3)
@given(st.floats(0.05, 30), st.integers(1, 99), st.integers(1, 100), st.sampled_from(["poisson", "fixed"]))
def test_the_noise_for_a_budget_keeps_within_it(
    budget: float, per_round: int, rounds: int, sampling: str
) -> None:
    part = participation(100, per_round, rounds, sampling)
    assert of(part, noise_multiplier(part, budget, 1e-4), 1e-4) <= budget * (1 + 1e-6)


def test_the_curve_of_25_points_is_never_below_the_exact_one() -> None:
    part = participation(1_000, 100, 40)
    found = curve(part, 4.0, 1e-5)
    assert len(found.rounds) <= POINTS
    after = [found.after(r) for r in range(1, 41)]
    assert after == sorted(after)
    for r in (1, 2, 5, 9, 17, 26, 33, 39, 40):
        assert after[r - 1] >= epsilon(Event(4.0, 0.1), r, 1e-5), r
    assert after[-1] == epsilon(Event(4.0, 0.1), 40, 1e-5)
    assert found.after(0) == 0.0
    with pytest.raises(ValueError, match="the curve ends at round 40, got 41"):
        found.after(41)


def test_the_curve_without_sampling_is_exact_at_its_points() -> None:
    part = participation(10, 0, 25, "all")
    found = curve(part, 5.0, 1e-5)
    assert found.rounds == tuple(range(1, 26))
    assert found.epsilons[-1] == pytest.approx(4.37718, abs=5e-6)


@given(st.integers(1, 10**6))
def test_points_rise_to_the_last_round(rounds: int) -> None:
    found = points(rounds)
    assert len(found) <= POINTS
    assert found[0] == 1 or rounds > POINTS
    assert found[-1] == rounds
    assert list(found) == sorted(set(found))


@given(st.floats(1e-3, 1e4))
def test_rounding_up_is_up_and_by_little(z: float) -> None:
    assert z * (1 - 1e-11) <= rounded_up(z) <= z * (1 + 1.001e-4)


def test_a_guarantee_says_what_it_stands_on() -> None:
    found = guarantee(participation(10_000, 1_000, 50), noise_multiplier=1.145, delta=1e-5)
    assert found.epsilon == pytest.approx(3.997, abs=2e-3)
    assert found.noise_in_clips == pytest.approx(1.145 * math.sqrt(HEAD) / 1_000)
    assert found.accountant == "pld"
    assert found.epsilon_either_way == found.epsilon
    whole = guarantee(participation(100, 0, 3), epsilon=3)
    assert whole.accountant == "gaussian"
    assert whole.delta == pytest.approx(100**-1.1)
    assert "Every phone takes part" in " ".join(whole.assumptions)
    fixed = guarantee(participation(1000, 10, 30, "fixed"), noise_multiplier=1.0)
    assert fixed.epsilon < fixed.epsilon_either_way
    assert "updates that adapt" in " ".join(fixed.assumptions)


def test_the_head_is_the_default_one() -> None:
    from simulations.config import Config

    assert len(Config().data.classes) * (1280 + 1) == HEAD


def test_extremes_are_borne_or_refused() -> None:
    for phones, per_round, rounds in ((10**10, 1, 1), (10**10, 10**9, 10**5), (2, 1, 2)):
        part = participation(phones, per_round, rounds)
        assert guarantee(part, noise_multiplier=50).epsilon >= 0
    with pytest.raises(InputError, match="guarantees nothing"):
        guarantee(participation(100, 50, 10**5), noise_multiplier=0.01)
    with pytest.raises(InputError, match="takes a noise multiplier of more than 10,000"):
        guarantee(participation(100, 50, 10), epsilon=1e-7, delta=1e-5)
    with pytest.raises(InputError, match="delta is 1, but must be below 1/phones, 1"):
        guarantee(participation(1, 0, 10), epsilon=1)
    with pytest.raises(InputError, match="delta must be at least 1e-12"):
        guarantee(participation(100, 50, 10), epsilon=1, delta=1e-13)


def test_the_library_is_silent(capsys: pytest.CaptureFixture[str]) -> None:
    epsilon_rdp(Event(1.145, 0.1), 50, 1e-5)  # some of its orders do not converge
    with silent():
        logging.getLogger("absl").warning("no word")
    assert capsys.readouterr() == ("", "")
