"""Private runs as commands: what they say, refuse and release; with a seed or a secret, stopped, resumed."""

import json
import os
import stat
from pathlib import Path

import pytest
from support_commands import Here, fedfer, settings
from support_deadly import die
from support_same import assert_same, told

from fer_models.run_folder.folder import read_rounds
from fer_models.run_folder.summary import Summary

FAST = {"federation__engine": "process", "federation__rounds": 12, "checkpoint__every": 5}
PRIVATE = {"privacy__mechanism": '"central"', "privacy__clip": 0.1, "federation__phones_per_round": 4}
NOISE = {**PRIVATE, "privacy__noise_multiplier": 0.8, "privacy__delta": 1e-3}


def asked(**changes: object) -> list[str]:
    return [*settings(**{**FAST, **NOISE, **changes}), "--no-baseline"]


def test_a_run_says_what_it_guarantees(here: Here, tmp_path: Path) -> None:
    done = here.run("run", *asked(), "--out", "run")
    assert (done.code, done.err) == (0, "")
    summary = Summary.read(tmp_path / "run")
    facts = summary.privacy
    assert facts is not None
    assert (facts.unit, facts.neighbours, facts.sampling, facts.accountant) == (
        "phone", "add-remove", "poisson", "pld",
    )  # fmt: skip
    assert (facts.noise_multiplier, facts.randomness, facts.population) == (0.8, "seeded", None)
    assert facts.delta == 1e-3
    records = read_rounds(tmp_path / "run")
    assert records[-1].metrics["epsilon"] == facts.epsilon
    assert (summary.phones_trained, summary.photos, summary.wire_bytes) == (None, None, None)
    assert (summary.updates, summary.stopped_by) == (4 * 12, None)
    exact = [json.loads(line) for line in (tmp_path / "run" / "unreleased.jsonl").read_text().splitlines()]
    assert [line["round"] for line in exact] == list(range(1, 13))
    whole = json.loads((tmp_path / "run" / "unreleased.json").read_text())
    assert whole["phones_trained"] == sum(line["phones"] for line in exact) > 0
    assert whole["across_phones"] is not None
    assert summary.across_phones is None
    assert any("server plan" in text or "data.balance_on" in text for text in facts.assumptions)
    assert f"private for a phone: epsilon {facts.epsilon:.4g}, delta 0.001\n" in done.out
    assert "noise.key" not in os.listdir(tmp_path / "run")


def test_a_seeded_run_that_is_killed_goes_on_to_the_same_bits(
    here: Here, run_cache: str, tmp_path: Path
) -> None:
    words = asked(privacy__clipping='"adaptive"', privacy__noise_multiplier=0.3)
    assert here.run("run", *words, "--out", "whole").code == 0
    at = ("fer_models.run_folder.folder:RunFolder.append_round", 9)
    die(*at, "run", *words, "--out", "run", cwd=tmp_path, cache=run_cache)
    assert here.run("run", "--resume", "run").code == 0
    assert_same(tmp_path / "run", tmp_path / "whole")
    assert told(tmp_path / "run" / "unreleased.jsonl") == told(tmp_path / "whole" / "unreleased.jsonl")
    released = [(tmp_path / name / "releases.jsonl").read_text() for name in ("run", "whole")]
    assert released[0] == released[1]  # rounds 6 to 8, trained twice, released the same


def test_a_secret_run_goes_on_with_its_key_and_forgets_it(here: Here, run_cache: str, tmp_path: Path) -> None:
    words = asked(privacy__randomness='"secret"')
    at = ("fer_models.run_folder.folder:RunFolder.append_round", 9)
    die(*at, "run", *words, "--out", "run", cwd=tmp_path, cache=run_cache)
    key = tmp_path / "run" / "noise.key"
    assert stat.S_IMODE(key.stat().st_mode) == 0o600
    kept, before = key.read_bytes(), (tmp_path / "run" / "releases.jsonl").read_text()
    assert len(kept) == 32
    key.unlink()
    here.refused("run", "--resume", "run", words="noise.key is gone: without it the noise")
    key.write_bytes(kept)
    assert here.run("run", "--resume", "run").code == 0
    assert not key.exists()
    after = (tmp_path / "run" / "releases.jsonl").read_text()
    assert after.startswith(before)
    assert len(after.splitlines()) == 12
    assert here.run("run", *words, "--out", "other").code == 0  # the same settings, another secret
    assert read_rounds(tmp_path / "other") != read_rounds(tmp_path / "run")
    assert Summary.read(tmp_path / "run").privacy.randomness == "secret"  # type: ignore[union-attr]


def test_a_run_stops_at_its_budget(here: Here, tmp_path: Path) -> None:
    done = here.run(
        "run",
        *asked(privacy__epsilon=3.0, privacy__on_budget='"stop"', privacy__noise_multiplier=1.5),
        "--out",
        "run",
    )
    assert done.code == 0
    summary = Summary.read(tmp_path / "run")
    assert summary.privacy is not None
    assert summary.stopped_by == "privacy"
    assert summary.rounds == summary.privacy.rounds == len(read_rounds(tmp_path / "run")) < 12
    assert summary.privacy.epsilon <= 3.0
    assert read_rounds(tmp_path / "run")[-1].val_accuracy is not None
    assert "stopped after round" in done.out.splitlines()[-1]
    assert "privacy budget" in done.out.splitlines()[-1]


def test_a_deployment_is_named_as_such(here: Here, tmp_path: Path) -> None:
    words = asked(privacy__population=100_000, privacy__cohort=1_000, privacy__delta=1e-6)
    done = here.run("run", *words, "--out", "run")
    assert done.code == 0
    facts = Summary.read(tmp_path / "run").privacy
    assert facts is not None
    assert (facts.population, facts.phones, facts.per_round, facts.simulated_per_round) == (
        100_000,
        100_000,
        1_000,
        4,
    )
    assert facts.assumptions[0].startswith("It is the guarantee of a deployment with 100,000 phones")
    assert "for a population of 100,000" in done.out


@pytest.mark.parametrize(
    ("changes", "line"),
    [
        ({"privacy__noise_multiplier": '"auto"'}, "epsilon or noise_multiplier must be given, one of them"),
        ({"privacy__epsilon": 1.0}, "one of them, and the other follows, got both"),
        ({"privacy__delta": 1.5}, "privacy.delta"),
        ({"privacy__delta": 0.5}, "delta is 0.5, but must be below 1/phones, 0.1"),
        (
            {"strategy__name": "median"},
            "median cannot be private: it reads each phone's update",
        ),
        ({"strategy__name": "ridge"}, "privacy.directions must be given with a closed form"),
        ({"strategy__name": "local"}, "cannot be private: phones share nothing"),
        ({"strategy__name": "fednova", "train__optimizer": '"sgd"'}, "it weighs phones, or reads more"),
        ({"strategy__name": "scaffold"}, "cannot be private"),
        ({"strategy__start": "ridge"}, "cannot be private: its head starts from sums"),
        ({"privacy__clip": 0}, "privacy.clip"),
        ({"privacy__clip": -1}, "privacy.clip"),
        (
            {"privacy__population": 10, "privacy__cohort": 20},
            r"must not exceed privacy.population \(10\)",
        ),
        ({"privacy__population": 100, "privacy__cohort": 2}, "privacy.cohort must be at least the 4 phones"),
        ({"privacy__cohort": 20}, "population and cohort go together"),
        ({"update__clip_norm": 1.0}, "update.clip_norm is a clip of its own"),
        ({"federation__min_phones": 2}, "federation.min_phones must be 1 in a private run"),
        (
            {"privacy__noise_multiplier": '"auto"', "privacy__epsilon": 1e-9},
            "1e-09 is less than",
        ),
        ({"privacy__on_budget": '"stop"'}, "epsilon, the budget, must be given"),
        ({"privacy__sampling": '"all"'}, "takes all of them"),
    ],
)
def test_what_cannot_be_private_is_refused_before_anything_is_computed(
    here: Here, tmp_path: Path, changes: dict[str, object], line: str
) -> None:
    here.refused("run", *asked(**changes), "--out", "run", words=line)
    assert not (tmp_path / "run").exists()


@pytest.mark.slow
@pytest.mark.parametrize("engine", ["ray", "flower"])
def test_through_real_nodes_with_the_same_bits(
    here: Here, run_cache: str, tmp_path: Path, engine: str
) -> None:
    words = asked(federation__rounds=4, privacy__clipping='"adaptive"', privacy__noise_multiplier=0.3)
    assert here.run("run", *words, "--out", "here").code == 0
    there = ["--set", f"federation.engine={engine}", "--out", "there"]
    done = fedfer("run", *words, *there, cwd=tmp_path, FEDFER_CACHE=run_cache)
    assert (done.code, done.err) == (0, "")
    assert_same(tmp_path / "there", tmp_path / "here")
