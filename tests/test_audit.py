"""Attacks on finished runs: bounds against published numbers, planted bugs that are caught, the command."""

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from support_commands import Here, settings

from fer_models.attacks.canary import direction
from fer_models.local.training import Update
from fer_models.run_folder.audit import Audit, CanariesFound
from server.mechanisms.accounting.lower_bounds import (
    clopper_pearson,
    epsilon_of_separation,
    gaussian,
    one_run,
)
from server.mechanisms.privacy import central
from server.mechanisms.privacy.central import Central, Released, State
from simulations.audit import canaries as canary_page
from simulations.audit import membership
from simulations.audit.again import Again
from simulations.audit.canaries import canaries
from simulations.audit.features import features
from simulations.audit.labels import labels
from simulations.audit.updates import Views
from simulations.config import Config
from simulations.experiment import load
from simulations.world.prepare import survey


def nothing(done: int, total: int) -> None:
    pass


def test_one_run_against_the_published_algorithm() -> None:
    assert one_run(100, 100, 100, 0.0) == pytest.approx(3.49297, abs=1e-5)
    assert one_run(100, 100, 1000, 1e-5) == pytest.approx(3.46538, abs=1e-5)
    assert one_run(95, 100, 1000, 1e-5) == pytest.approx(2.16518, abs=1e-5)
    assert one_run(50, 100, 1000, 1e-5) == one_run(0, 100, 1000, 1e-5) == 0.0


def test_clopper_pearson_of_perfect_guesses() -> None:
    assert clopper_pearson(1000, 1000, 0, 1000, 0.0) == pytest.approx(5.60059, abs=1e-5)
    assert clopper_pearson(500, 1000, 500, 1000, 0.0) == 0.0
    assert clopper_pearson(0, 10, 10, 10, 0.0) == 0.0
    assert clopper_pearson(900, 1000, 100, 1000, 1e-2) < clopper_pearson(900, 1000, 100, 1000, 0.0)


def test_the_gaussian_bound_is_below_the_truth_and_near_it() -> None:
    assert epsilon_of_separation(1.0, 1e-5) == pytest.approx(4.37718, abs=1e-5)
    rng, above = np.random.default_rng(0), 0
    for _ in range(100):
        found = gaussian(1.0 + rng.standard_normal(2000), rng.standard_normal(2000), 1e-5)
        above += found > 4.37718
        assert 3.5 < found < 5.0
    assert above <= 11  # of a 95% bound
    assert gaussian(rng.standard_normal(500) - 1, rng.standard_normal(500), 1e-5) == 0.0


def test_no_bound_exceeds_epsilon_more_often_than_it_may() -> None:
    rng, epsilon, above = np.random.default_rng(1), 1.0, [0, 0]
    chance = 1 / (1 + np.exp(-epsilon))  # of randomised response, which is exactly this private
    for _ in range(200):
        right = int(rng.binomial(400, chance))
        above[0] += one_run(right, 400, 400, 0.0) > epsilon
        hits, alarms = int(rng.binomial(200, chance)), int(rng.binomial(200, 1 - chance))
        above[1] += clopper_pearson(hits, 200, alarms, 200, 0.0) > epsilon
    assert max(above) <= 18


SMALL = {
    "sketch": {"faces": 300, "subjects": 30}, "data": {"balance": 0, "image_size": 64},
    "model": {"weights": "random"},
}  # fmt: skip


def world(**changes: dict[str, object]) -> Again:
    sections = {
        **SMALL,
        "federation": {
            "phones": 40, "rounds": 4, "partition": "draw", "alpha": 0.3, "photos_per_phone": 10,
        },
    }  # fmt: skip
    for section, values in changes.items():
        sections[section] = {**sections.get(section, {}), **values}
    _, base = load("quickstart", data=None, settings=())
    every = base.model_dump(mode="json")
    for section, values in sections.items():
        every[section] |= values
    config = Config.model_validate(every)
    made = survey(config, nothing)
    return Again.of(config, made, made.prepare(nothing))


PRIVATE = {"mechanism": "central", "noise_multiplier": 1.0, "clip": 0.2, "sampling": "all"}


@pytest.fixture
def cached(run_cache: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FEDFER_CACHE", run_cache)


@pytest.mark.usefixtures("cached")
def test_canaries_stay_below_the_claim_and_above_nothing() -> None:
    found = canaries(world(privacy=PRIVATE), seed=0, number=300)
    assert not found.broken
    assert 0.2 < found.bound < found.claim
    assert found.gaussian < found.claim
    assert found.noise_ratio == pytest.approx(1.0, abs=0.03)
    assert found.noise_p > 1e-4
    assert (found.canaries, found.delta) == (300, pytest.approx(0.01 / 300))


def planted(monkeypatch: pytest.MonkeyPatch, change: float) -> None:
    """A bug where noise is drawn: `change` times what it should be."""
    true = central.discrete_gaussian
    wrong = lambda sigma, count, bits: np.rint(true(sigma, count, bits=bits) * change).astype(np.int64)  # noqa: E731
    monkeypatch.setattr(central, "discrete_gaussian", wrong)


@pytest.mark.usefixtures("cached")
def test_halved_noise_is_caught_by_its_variance(monkeypatch: pytest.MonkeyPatch) -> None:
    planted(monkeypatch, 0.5)
    found = canaries(world(privacy={**PRIVATE, "noise_multiplier": 4.0}), seed=0, number=100)
    assert found.noise_ratio == pytest.approx(0.25, abs=0.02)
    assert found.broken


@pytest.mark.usefixtures("cached")
def test_noise_on_the_mean_is_caught_by_the_canaries(monkeypatch: pytest.MonkeyPatch) -> None:
    planted(monkeypatch, 1 / 100)
    found = canaries(world(privacy={**PRIVATE, "noise_multiplier": 4.0}), seed=0, number=300)
    assert found.bound > found.claim


class LongerClip(canary_page._Watched):
    """A third: phones are told a clip that is longer than what the noise is for."""

    def clip(self, state: State) -> float:
        return 20 * super().clip(state)

    def release(self, update: Update, number: int, state: State) -> Released:
        as_it_should_be = Central(self.plan, self.coins, self.ledger)
        found = as_it_should_be.release(update, number, state)
        self.view.sums.append((found.update.total / as_it_should_be.clip(state)).ravel())
        self.view.squares, self.view.numbers = 1.0, 1
        return found


@pytest.mark.usefixtures("cached")
def test_updates_that_are_not_clipped_are_caught(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(canary_page, "_Watched", LongerClip)
    found = canaries(world(privacy={**PRIVATE, "noise_multiplier": 4.0}), seed=0, number=300)
    assert found.bound > found.claim


def test_canaries_have_directions_of_their_own() -> None:
    one, other = direction(0, 1, 6405), direction(0, 2, 6405)
    assert np.linalg.norm(one) == pytest.approx(1.0)
    assert abs(one @ other) < 0.1
    np.testing.assert_array_equal(one, direction(0, 1, 6405))


@pytest.mark.usefixtures("cached")
def test_a_full_batch_step_tells_the_class_counts_and_the_phone() -> None:
    run = world(train={"lr": 1e-4, "batch": 64, "dropout": 0.0})
    views = Views(run, 0)
    alone, *sums = labels(views, nothing)
    assert alone.exact > 0.9
    assert alone.error < 0.1 * alone.blind
    assert sums[-1].error > 0.5 * sums[-1].blind  # a sum of 30
    found = features(views, nothing)
    assert found[0].found.identified > 0.9
    assert found[-1].found.identified < 0.2
    assert 1 / 40 < found[0].found.by_luck < 0.1  # only phones that hold the class can be guessed


@pytest.mark.usefixtures("cached")
def test_a_single_photo_is_its_gradient() -> None:
    run = world(
        train={"lr": 1e-4, "batch": 64, "dropout": 0.0},
        federation={"phones": 40, "rounds": 4, "partition": "draw", "photos_per_phone": 1},
    )
    views = Views(run, 0)
    updates, held = views.trained(views.attacked), views.attacked
    for place, row in enumerate(held.rows):
        update = updates[place, held.labels[row]]
        feature = np.asarray(held.features[row], np.float64)
        recovered = update[:-1] / update[-1]
        np.testing.assert_allclose(recovered, feature, rtol=1e-2, atol=1e-3 * feature.max())


@pytest.mark.usefixtures("cached")
def test_membership_is_told_where_there_is_no_noise(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(membership, "SHADOWS", 16)
    few = {"phones": 20, "partition": "iid", "rounds": 10, "local_epochs": 5}
    plain = membership.phones(world(federation=few), seed=0, step=nothing)
    private = {**PRIVATE, "noise_multiplier": 100.0}
    noisy = membership.phones(world(federation=few, privacy=private), seed=0, step=nothing)
    assert plain.auc > 0.6
    assert abs(noisy.auc - 0.5) < 0.06
    low, high = plain.auc_range
    assert low < plain.auc < high
    assert plain.tested == 16 * 20
    assert list(plain.fpr) == sorted(plain.fpr)
    assert list(plain.tpr) == sorted(plain.tpr)


def test_the_intervals_of_lira_hold_what_they_should() -> None:
    rng, held = np.random.default_rng(0), 0
    for _ in range(40):
        inside = np.array([rng.permutation(20) < 10 for _ in range(32)])
        confidence = rng.normal(size=inside.shape)  # nothing to find
        measured = membership._measured(membership._lira(confidence, inside), inside)
        low, high = membership._ranges(measured, confidence, inside)[0]
        held += low <= 0.5 <= high
    assert held >= 34


def test_lira_tells_normal_scores_as_well_as_can_be() -> None:
    rng = np.random.default_rng(0)
    inside = np.array([rng.permutation(400) < 200 for _ in range(64)])
    confidence = rng.normal(size=400) * 3 + inside + rng.normal(size=inside.shape)  # 1 apart, however hard
    scores = membership._lira(confidence, inside)
    auc, at_1, _ = membership._measured(scores, inside)
    assert auc == pytest.approx(0.7602, abs=0.015)  # Phi(1 / sqrt 2)
    assert at_1 == pytest.approx(0.0924, abs=0.02)  # Phi(1 - 2.326)


FAST = {"federation__engine": "process", "federation__rounds": 3}
NOISE = {
    "privacy__mechanism": '"central"', "privacy__clip": 0.1, "privacy__noise_multiplier": 1.0,
    "privacy__delta": 1e-3,
}  # fmt: skip


@pytest.mark.slow
def test_the_command(here: Here, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(membership, "SHADOWS", 4)
    assert here.run("run", *settings(**FAST, **NOISE), "--no-baseline", "--out", "run").code == 0
    done = here.run("audit", "run", "--seeds", "2")
    assert (done.code, done.err) == (0, "")
    assert max(map(len, done.out.splitlines())) <= 80
    assert "Open run/report.html" in done.out
    found = Audit.read(tmp_path / "run")
    assert (len(found.members), len(found.canaries), found.broken) == (2, 2, [])
    page = (tmp_path / "run" / "report.html").read_text()
    assert "What attacks found out" in page
    assert page.count("data:image/png") >= len(found.pictures) * 2 > 0
    assert json.loads((tmp_path / "run" / "audit.json").read_text())["format"] == 1
    before = found.canaries
    assert here.run("audit", "run", "--attack", "labels", "--quiet").out == ""
    assert Audit.read(tmp_path / "run").canaries == before  # kept


def test_a_refuted_guarantee_ends_with_1(here: Here, monkeypatch: pytest.MonkeyPatch) -> None:
    wrong = CanariesFound(100, 50, 1e-4, 1.0, 1.5, 1.2, 1.9, 1.0, 0.5)
    monkeypatch.setattr("simulations.audit.audit.canaries", lambda run, seed, among: wrong)
    assert here.run("run", *settings(**FAST, **NOISE), "--no-baseline", "--out", "run").code == 0
    done = here.run("audit", "run", "--attack", "canaries")
    assert done.code == 1
    last = done.err.splitlines()[-1]
    assert last.startswith("fedfer: canaries show an epsilon of at least 1.5 at delta 0.0001, more than")
    bad = replace(wrong, clopper_pearson=0.1, one_run=0.1, noise_ratio=0.5, noise_p=1e-20)
    monkeypatch.setattr("simulations.audit.audit.canaries", lambda run, seed, among: bad)
    assert "the noise is not what it should be: 0.500" in here.run("audit", "run", "--attack", "canaries").err


def test_what_cannot_be_audited(here: Here, tmp_path: Path) -> None:
    here.refused("audit", "nowhere", words="nowhere is not the folder of a finished run")
    assert here.run("run", *settings(**FAST), "--no-baseline", "--out", "run").code == 0
    here.refused("audit", "run", "--attack", "canaries", words="canaries look for noise, and the run has")
    here.refused("audit", "run", "--attack", "guess", words='--attack must be "labels", "features"')
    here.refused("audit", "run", "--seeds", "0", words="--seeds must be at least 1")
    assert here.run("baseline", *settings(), "--out", "base").code == 0
    here.refused("audit", "base", words="base is a centralized run")
