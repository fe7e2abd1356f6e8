"""Records of a run folder: written and read back, of the format before, damaged, newer."""

import json
from dataclasses import fields, replace
from pathlib import Path

import numpy as np
import pytest
from support_fake_runs import a_summary

from fer_models.errors import InputError
from fer_models.metrics import report
from fer_models.run_folder.files import FORMAT
from fer_models.run_folder.folder import ROUNDS, RunFolder, read_rounds
from fer_models.run_folder.privacy import PrivacyFacts
from fer_models.run_folder.quality import (
    AccuracySpread,
    AcrossPhones,
    PersonalHeadQuality,
    PersonalHeadScores,
    PhonesOfClass,
    Spread,
)
from fer_models.run_folder.rounds import RoundRecord
from fer_models.run_folder.summary import Summary

SPREAD = (0.5, 0.1, 0.5, 0.9, 0.0, 0.05, 0.04)
ACROSS = AcrossPhones(
    3, 4, AccuracySpread(*SPREAD, 0.03), Spread(*SPREAD), {"anger": PhonesOfClass(3, None, 1.0)}
)
ROUND = RoundRecord(
    round=1, phones=3, photos=120, train_loss=1.5, val_accuracy=0.5, val_macro_f1=0.25, val_loss=1.25,
    seconds=0.5, bytes_down=300, bytes_up=200, wire_bytes=50, dropped=1, dropped_phones={"7": "not finite"},
    across=ACROSS, own_heads=PersonalHeadScores(0.5, 0.5, 1.0, ACROSS),
)  # fmt: skip


def test_rounds_are_read_as_they_were_written(tmp_path: Path) -> None:
    folder, last = RunFolder(tmp_path / "run"), replace(ROUND, round=2, across=None, own_heads=None)
    diverged = replace(last, round=3, train_loss=float("inf"), val_loss=None)
    for record in (ROUND, last, diverged):
        folder.append_round(record)
    assert read_rounds(folder.path) == [ROUND, last, diverged]
    lines = [json.loads(line) for line in (folder.path / ROUNDS).read_text().splitlines()]
    names = ["format", *(field.name for field in fields(RoundRecord))]
    assert [list(line) for line in lines] == [names] * 3  # null where there is nothing, as ever
    assert lines[0]["format"] == FORMAT
    assert lines[0]["across"]["accuracy"]["variance_by_chance"] == 0.03
    took = folder.keep_rounds(2)
    assert (took.rounds, took.phones, took.dropped, took.bytes_up) == (2, 6, 2, 400)
    assert read_rounds(folder.path) == [ROUND, last]


def test_rounds_of_the_format_before_are_read(tmp_path: Path) -> None:
    """The least of a line: older ones lack what came since."""
    (tmp_path / ROUNDS).write_text(
        '{"round": 1, "phones": 3, "photos": 120, "train_loss": null, "val_accuracy": 0.5,'
        ' "val_macro_f1": 0.25, "val_loss": 1, "seconds": 0.5, "bytes_down": 300,'
        ' "bytes_up": 200, "wire_bytes": 50}\n\n'
    )
    expected = replace(ROUND, train_loss=None, val_loss=1.0, dropped=0, dropped_phones={}, across=None)
    assert read_rounds(tmp_path) == [replace(expected, own_heads=None)]


def private(summary: Summary) -> Summary:
    facts = PrivacyFacts(
        mechanism="central", unit="phone", neighbours="add-remove", epsilon=1.5, delta=1e-5,
        noise_multiplier=1.1, accountant="pld", sampling="poisson", phones=10_000, per_round=100,
        simulated_per_round=10, rounds=3, population=10_000, randomness="secret", clipping="fixed",
        assumptions=("One.", "Two."),
    )  # fmt: skip
    return replace(
        summary, privacy=facts, stopped_by="privacy", phones_trained=None, photos=None, wire_bytes=None
    )


def test_a_summary_is_read_as_it_was_written_and_holds_what_applies(tmp_path: Path) -> None:
    quality, _ = report(np.array([0, 0, 1]), np.array([0, 1, 1]), ("anger", "fear"))
    own = PersonalHeadQuality(**vars(quality), across_phones=ACROSS)
    federated = a_summary(quality, ("anger", "fear"), across=ACROSS, own=own)
    federated = replace(federated, partition_options={"alpha": 0.1, "photos_per_phone": 40})
    central = a_summary(quality, kind="centralized", steps=2.5)
    tried = [{"C": 0.1, "macro_f1": 0.5, "iterations": 12, "converged": True}]
    for summary in (
        federated,
        central,
        private(federated),
        replace(central, chosen={"C": 0.1, "converged": True, "tried": tried}),
    ):
        summary.write(tmp_path)
        assert Summary.read(tmp_path) == summary
    said = json.loads((tmp_path / "summary.json").read_text())
    names = {"format", *(field.name for field in fields(Summary))}
    assert names - set(said) == {"partition_options", "rounds", "own_heads", "privacy", "stopped_by"}
    assert (said["format"], said["chosen"]["tried"], said["across_phones"]) == (FORMAT, tried, None)
    federated.write(tmp_path)
    said = json.loads((tmp_path / "summary.json").read_text())
    assert names - set(said) == {"epochs", "matched", "chosen", "privacy", "stopped_by"}
    assert said["own_heads"]["across_phones"]["classes"]["anger"]["accuracy"] is None


@pytest.mark.parametrize(
    ("line", "message"),
    [
        (
            '{"format": 1, "round": "1"}',
            "line 2, is damaged (round: Input should be a valid integer); restore",
        ),
        ('{"format": 1, "round": 2, "phon', "line 2, is damaged (Invalid JSON"),
        ("[]", "line 2, is damaged (Input should be an object); restore it, or train the run again"),
        (
            '{"round": 2}',
            "line 2, is damaged, or was written by an older fedfer (phones: Field required); use",
        ),
        (
            '{"format": 2}',
            "line 2, has format 2, this fedfer reads formats up to 1; use the fedfer that wrote it",
        ),
    ],
)
def test_what_cannot_be_read_is_refused_in_one_line(tmp_path: Path, line: str, message: str) -> None:
    folder = RunFolder(tmp_path)
    folder.append_round(ROUND)
    with folder.rounds_path.open("a") as file:
        file.write(line + "\n")
    with pytest.raises(InputError) as caught:
        read_rounds(tmp_path)
    assert message in str(caught.value)
    assert str(folder.rounds_path) in str(caught.value)
    assert "\n" not in str(caught.value)
    before = folder.rounds_path.read_bytes()
    with pytest.raises(InputError):
        folder.keep_rounds(2)
    assert folder.rounds_path.read_bytes() == before
