"""`fedfer privacy`: what it prints, its JSON object, and input that cannot be used."""

import json
import sys
from pathlib import Path

import pytest
from support_commands import Here, fedfer

from simulations import api

ALL = ["privacy", "--phones", "100", "--rounds", "25", "--delta", "1e-5"]  # no sampling: at once


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture) -> Here:
    monkeypatch.setenv("FEDFER_CACHE", str(tmp_path.parent / "cache"))
    return Here(tmp_path, monkeypatch, capsys)


def test_what_noise_guarantees(here: Here) -> None:
    done = here.run(*ALL, "--noise-multiplier", "5")
    assert (done.code, done.err) == (0, "")
    assert done.out.startswith("Privacy of a phone over 25 rounds of all 100 phones\n")
    assert "Epsilon             4.378 (exact); by RDP 4.729" in done.out
    assert "Noise of the mean   4 clips (norm, 6,405 numbers)" in done.out
    assert "- Every phone takes part in every round" in done.out
    assert max(map(len, done.out.splitlines())) <= 80
    assert here.run(*ALL, "--noise-multiplier", "5", "--quiet").out == ""


def test_the_json_object(here: Here) -> None:
    done = here.run(
        "privacy", "--phones", "10000", "--per-round", "1000", "--rounds", "50",
        "--noise-multiplier", "1.145", "--delta", "1e-5", "--json",
    )  # fmt: skip
    found = json.loads(done.out)
    assert list(found) == [
        "epsilon", "epsilon_rdp", "delta", "noise_multiplier", "noise_in_clips", "accountant", "neighbours",
        "sampling", "assumptions",
    ]  # fmt: skip
    assert found["epsilon"] == pytest.approx(3.997, abs=2e-3)
    assert found["epsilon_rdp"] == pytest.approx(4.547, abs=1e-3)
    assert found["noise_in_clips"] == pytest.approx(0.0916, abs=1e-4)
    assert (found["accountant"], found["neighbours"], found["sampling"]) == ("pld", "add-remove", "poisson")
    assert all(isinstance(one, str) for one in found["assumptions"])
    assert (done.code, done.err) == (0, "")


def test_the_noise_that_a_budget_takes(here: Here) -> None:
    done = here.run(*ALL, "--epsilon", "4.3772", "--sampling", "all", "--json")
    found = json.loads(done.out)
    assert found["noise_multiplier"] == pytest.approx(5.0, abs=1e-3)
    assert found["epsilon"] <= 4.3772
    assert found["accountant"] == "gaussian"
    more = here.run(*ALL, "--epsilon", "4.3772", "--neighbours", "replace", "--parameters", "100", "--json")
    assert json.loads(more.out)["noise_multiplier"] == pytest.approx(10.0, abs=1e-3)
    assert json.loads(more.out)["noise_in_clips"] == pytest.approx(1.0, abs=1e-3)


def test_from_python() -> None:
    found = api.privacy(100, rounds=25, noise_multiplier=5, delta=1e-5)
    assert found.epsilon == pytest.approx(4.37718, abs=1e-5)
    with pytest.raises(api.InputError, match="delta must be above 0"):
        api.privacy(100, rounds=25, noise_multiplier=5, delta=0)


@pytest.mark.parametrize(
    ("more", "words"),
    [
        ([], "give one of epsilon and the noise multiplier, and the other follows; got neither"),
        (["--epsilon", "1", "--noise-multiplier", "1"], "the other follows; got both"),
        (["--epsilon", "1", "--delta", "0"], "delta must be above 0 and below 1, got 0; the default is"),
        (["--epsilon", "1", "--delta", "1"], "delta must be above 0 and below 1, got 1"),
        (["--epsilon", "1", "--delta", "nan"], "delta must be above 0 and below 1, got nan"),
        (["--epsilon", "1", "--delta", "0.01"], r"delta is 0\.01, but must be below 1/phones, 0\.01"),
        (["--epsilon", "1", "--delta", "1e-20"], "delta must be at least 1e-12, got 1e-20"),
        (["--epsilon", "0"], "epsilon must be above 0 and at most 100,000, got 0"),
        (["--epsilon", "inf"], "epsilon must be above 0 and at most 100,000, got inf"),
        (["--epsilon", "1e-9"], r"takes a noise multiplier of more than 10,000; give a larger epsilon"),
        (["--noise-multiplier", "0"], r"noise multiplier must be from 0\.01 to 10,000, got 0"),
        (["--noise-multiplier", "-1"], r"noise multiplier must be from 0\.01 to 10,000, got -1"),
        (
            ["--epsilon", "1", "--per-round", "101"],
            "phones per round is 101 of only 100 phones; set it to 100",
        ),
        (["--epsilon", "1", "--per-round", "0"], "--per-round must be at least 1, got 0; leave it out"),
        (["--epsilon", "1", "--per-round", "5", "--sampling", "all"], "sampling all takes all of them"),
        (
            ["--epsilon", "1", "--sampling", "some"],
            'sampling must be "poisson", "fixed" or "all", got "some"',
        ),
        (["--epsilon", "1", "--neighbours", "me"], 'neighbours must be "add-remove" or "replace", got "me"'),
        (
            ["--epsilon", "1", "--sampling", "fixed", "--neighbours", "add-remove"],
            "sampling fixed is accounted for replace alone; leave neighbours out",
        ),
        (["--epsilon", "1", "--rounds", "0"], "rounds must be from 1 to 100,000, got 0"),
        (["--epsilon", "1", "--phones", "-3"], "phones must be from 1 to 10,000,000,000, got -3"),
        (["--epsilon", "1", "--parameters", "0"], "parameters, the numbers in an update, must be at least 1"),
        (["--epsilon", "a"], "Invalid value for '--epsilon'"),
    ],
)
def test_input_that_cannot_be_used(here: Here, more: list[str], words: str) -> None:
    here.refused(*ALL, *more, words=words)


@pytest.mark.parametrize(("given", "missing"), [("--phones", "--rounds"), ("--rounds", "--phones")])
def test_phones_and_rounds_are_needed(here: Here, given: str, missing: str) -> None:
    here.refused("privacy", given, "5", "--epsilon", "1", words=f"give {missing} N")


def test_without_the_extra_its_name_is_said(here: Here, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "dp_accounting", None)
    here.refused(*ALL, "--epsilon", "1", words=r"install it with pip install 'fedfer\[privacy\]'")


def test_help_is_plain(here: Here) -> None:
    shown = here.run("privacy", "--help").out
    assert not set("\\`") & set(shown)
    assert "--noise-multiplier Z" in shown


def test_nothing_of_the_library_is_on_stderr(tmp_path: Path) -> None:
    done = fedfer(
        "privacy", "--phones", "10", "--per-round", "1", "--rounds", "50", "--noise-multiplier", "1.145",
        "--json", cwd=tmp_path,
    )  # fmt: skip
    assert (done.code, done.err) == (0, "")
