"""Whole runs through the real command, Flower and Ray: the same bits however they are computed, every file
and field that users rely on, and what a run that fails leaves.
"""

import csv
import json
import os
import signal
import time
import tomllib
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from safetensors import safe_open
from support_commands import LONG, Done, Here, fedfer, fresh_started, settings, started, wait_for_rounds
from support_photo_folders import gray
from support_traps import lay_traps

from server.strategies import personal_heads
from simulations.experiment import keys

pytestmark = pytest.mark.slow

VIEWS, PHONES, ROUNDS = 200, 10, 24  # 40 views of each of 5 classes
PAYLOAD = 4 * 5 * 1281  # bytes of a head


def head(run: Path) -> bytes:
    return (run / "head.safetensors").read_bytes()


def summary(run: Path) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((run / "summary.json").read_text())
    return found


def rounds(run: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (run / "rounds.jsonl").read_text().splitlines()]


def run_here(here: Here, *more: str, **changes: object) -> Path:
    """A run in this process, where it is not about processes."""
    asked = settings(**changes, federation__engine="process")
    done = here.run("run", *asked, *more, "--out", here.folder / "run")
    assert (done.code, done.err) == (0, ""), done
    return here.folder / "run"


def test_same_bytes_for_any_nodes_blocks_and_engine(
    whole_run: Path, run_cache: str, here: Here, tmp_path: Path
) -> None:
    """Two runs at once, which do not disturb each other, started where other modules lie; a third here."""
    asked = {
        "ray": {"federation__nodes": 1, "federation__block": 1},
        "flower": {"federation__nodes": 4, "federation__block": 1000},
    }
    traps = lay_traps(tmp_path / "traps")
    both = {
        engine: fresh_started(
            "run", *settings(**changes, federation__engine=engine), "--no-baseline", "--quiet",
            "--out", tmp_path / engine, cwd=traps, FEDFER_CACHE=run_cache,
        )
        for engine, changes in asked.items()
    }  # fmt: skip
    here.folder = tmp_path / "here"
    third = run_here(here, "--no-baseline", federation__nodes=3, federation__block=2)
    for run in both.values():
        assert run.wait() == Done(0, "", "")
        assert run.left() == []
    for other, nodes in ((tmp_path / "ray", 1), (tmp_path / "flower", 4), (third, 3)):
        assert head(other) == head(whole_run)
        assert summary(other)["nodes"] == nodes
        assert summary(other)["accuracy"] == summary(whole_run)["accuracy"]
        assert not (other / "centralized").exists()  # --no-baseline


def test_another_seed_another_head(whole_run: Path, here: Here, tmp_path: Path) -> None:
    assert here.run("baseline", *settings(run__seed=1), "--out", "run").code == 0
    assert head(tmp_path / "run") != head(whole_run / "centralized")
    assert summary(tmp_path / "run")["seed"] == 1


def test_its_configuration_repeats_a_run_from_anywhere(whole_run: Path, here: Here, tmp_path: Path) -> None:
    config = tomllib.loads((whole_run / "config.toml").read_text())
    assert {f"{section}.{name}" for section, values in config.items() for name in values} == set(keys())
    done = here.run("run", whole_run / "config.toml", "--set", "federation.engine=process", "--quiet")
    assert (done.code, done.out, done.err) == (0, "", "")
    (again,) = (tmp_path / "runs").iterdir()
    assert again.name.startswith("config-")
    assert head(again) == head(whole_run)
    for name in ("centralized", "centralized-matched"):
        assert head(again / name) == head(whole_run / name)


def test_the_run_folder_is_complete(whole_run: Path) -> None:
    files = {
        "config.toml",
        "environment.json",
        "rounds.jsonl",
        "summary.json",
        "head.safetensors",
        "report.html",
    }
    for folder in (whole_run, whole_run / "centralized", whole_run / "centralized-matched"):
        assert files <= {path.name for path in folder.iterdir()}
    assert "checkpoint.safetensors" in os.listdir(whole_run)
    assert (whole_run / "logs" / "flower.log").stat().st_size
    phones = json.loads((whole_run / "data.json").read_text())["phones"]
    assert (phones["phones"], phones["views"]) == (PHONES, VIEWS)
    assert "What the phones hold" in (whole_run / "report.html").read_text()
    lines = rounds(whole_run)
    assert [line["round"] for line in lines] == list(range(1, ROUNDS + 1))
    wanted = {
        "round", "phones", "photos", "train_loss", "val_accuracy", "val_macro_f1", "seconds",
        "bytes_down", "bytes_up",
    }  # fmt: skip
    for line in lines:
        assert wanted <= set(line)
        assert (line["phones"], line["photos"]) == (PHONES, VIEWS)
        assert line["bytes_down"] == line["bytes_up"] == PHONES * PAYLOAD
        assert line["seconds"] > 0
    with safe_open(whole_run / "head.safetensors", "numpy") as file:
        text = json.dumps(file.metadata())
        assert "sha256" in text
        assert "surprise" in text
        assert str(whole_run) not in text


def test_the_summary_is_complete_and_adds_up(whole_run: Path) -> None:
    found = summary(whole_run)
    wanted = {
        "kind", "model", "strategy", "experiment", "partition", "alpha", "balance", "classes", "accuracy",
        "balanced_accuracy", "macro_f1", "weighted_f1", "per_class", "confusion", "rounds", "phones", "nodes",
        "seed", "versions", "phones_trained", "photos", "bytes_down", "bytes_up", "wire_bytes", "seconds",
        "seconds_features", "seconds_features_computed", "seconds_training", "phones_per_second",
        "head_sha256",
    }  # fmt: skip
    assert wanted <= set(found)
    assert (found["kind"], found["experiment"], found["strategy"]) == ("federated", "quickstart", "fedavg")
    assert (found["rounds"], found["phones"], found["nodes"]) == (ROUNDS, PHONES, 2)
    assert found["phones_trained"] == ROUNDS * PHONES
    assert found["photos"] == ROUNDS * VIEWS
    assert found["bytes_down"] == found["bytes_up"] == ROUNDS * PHONES * PAYLOAD
    training = sum(line["seconds"] for line in rounds(whole_run))
    assert found["seconds_training"] == pytest.approx(training)
    assert found["phones_per_second"] == pytest.approx(ROUNDS * PHONES / training)
    assert found["seconds"] > training + found["seconds_features"]
    assert found["seconds_features_computed"] > 0  # known, whether or not they were cached
    confusion = found["confusion"]
    total = sum(map(sum, confusion))
    assert found["accuracy"] == pytest.approx(sum(confusion[i][i] for i in range(5)) / total)
    assert [found["per_class"][name]["support"] for name in found["classes"]] == [
        sum(row) for row in confusion
    ]


def test_phones_are_judged_on_photos_of_their_own(whole_run: Path) -> None:
    """In the rounds, at the end, phone by phone in phones.csv; the baselines on the same photos."""
    for folder in (whole_run, whole_run / "centralized", whole_run / "centralized-matched"):
        said, over = summary(folder), summary(folder)["across_phones"]
        with (folder / "phones.csv").open(newline="") as lines:
            phones = list(csv.DictReader(lines))
        photos, correct = (np.array([int(phone[name]) for phone in phones]) for name in ("photos", "correct"))
        assert (len(phones), (photos > 0).sum()) == (over["of"], over["phones"]) == (PHONES, PHONES)
        assert photos.sum() == sum(map(sum, said["confusion"]))
        assert correct.sum() / photos.sum() == pytest.approx(said["accuracy"])
        for name in said["classes"]:
            assert sum(int(phone[name]) for phone in phones) == said["per_class"][name]["support"]
        right = np.array([float(phone["accuracy"]) for phone in phones])
        np.testing.assert_allclose(right, correct / photos, atol=1e-6)
        assert over["accuracy"]["mean"] == pytest.approx(right.mean(), abs=1e-6)
        ranked = right[photos >= over["min_photos"]]
        assert len(ranked) == over["ranked"]
        assert over["accuracy"]["worst"] == pytest.approx(ranked.min(), abs=1e-6)
        most = [phone["largest_class"] for phone in phones]
        assert {name: most.count(name) for name in said["classes"]} == {
            name: each["phones"] for name, each in over["classes"].items()
        }
        assert "own_heads" not in said
    assert [line["across"]["phones"] for line in rounds(whole_run)] == [PHONES] * ROUNDS
    assert rounds(whole_run / "centralized")[0]["across"] is None
    assert "Across phones" in (whole_run / "report.html").read_text()


@pytest.mark.parametrize(
    ("name", "kind"), [("ditto", "federated"), ("fine-tune", "federated"), ("local", "local")]
)
def test_own_heads_are_judged_at_the_end(here: Here, name: str, kind: str) -> None:
    folder = run_here(
        here, "--no-baseline", strategy__name=name, federation__partition="pathological",
        train__optimizer="adam", train__lr=0.001,
    )  # fmt: skip
    found = summary(folder)
    own, shared = found["own_heads"], found["across_phones"]
    assert found["kind"] == kind
    with (folder / "phones.csv").open(newline="") as lines:
        phones = list(csv.DictReader(lines))
    right = sum(int(phone["own_correct"]) for phone in phones)
    assert own["accuracy"] == pytest.approx(right / sum(int(phone["photos"]) for phone in phones))
    assert own["across_phones"]["accuracy"]["mean"] > 0.5  # two classes on a phone
    with (folder / "predictions.csv").open(newline="") as lines:
        said = [row["emotion"] == row["predicted"] for row in csv.DictReader(lines)]
    assert found["accuracy"] == pytest.approx(sum(said) / len(said))
    if kind == "local":
        assert {name: found[name] for name in own if name != "across_phones"} == {
            name: value for name, value in own.items() if name != "across_phones"
        }
        assert own["across_phones"] == shared
    else:
        assert own["accuracy"] > found["accuracy"]
    page = (folder / "report.html").read_text()
    assert ("Local training classifies" in page) == (kind == "local")


def test_where_phones_outnumber_photos_those_are_adapted_that_are_judged(here: Here) -> None:
    folder = run_here(
        here, "--no-baseline", strategy__name="fine-tune",
        federation__partition="draw", federation__phones=3000, federation__phones_per_round=5,
    )  # fmt: skip
    with (folder / "phones.csv").open(newline="") as lines:
        judged = [int(phone["phone"]) for phone in csv.DictReader(lines)]
    own = personal_heads.load(folder)
    assert own is not None
    assert own.phones.tolist() == judged
    photos = sum(map(sum, summary(folder)["confusion"]))
    assert len(judged) == len(own.heads) == photos // 10
    assert "Of all 3,000 phones a seeded sample is evaluated." in (folder / "report.html").read_text()


def test_the_baselines_saw_what_they_say(whole_run: Path) -> None:
    ten, matched = (summary(whole_run / name) for name in ("centralized", "centralized-matched"))
    assert (ten["kind"], ten["epochs"], ten["photos"]) == ("centralized", 10, 10 * VIEWS)
    assert (matched["epochs"], matched["photos"]) == (ROUNDS, summary(whole_run)["photos"])
    assert ten["phones_trained"] == matched["bytes_up"] == 0
    assert len(rounds(whole_run / "centralized")) == 10
    for name, epochs in (("centralized", 10), ("centralized-matched", "matched")):  # what repeats each
        config = tomllib.loads((whole_run / name / "config.toml").read_text())
        assert config["baseline"]["epochs"] == epochs


def test_names_of_all_kinds_reach_the_page(here: Here, tmp_path: Path) -> None:
    """File names that are no text, and classes called like a column or a tag."""
    names = ("emotion", "<b>&")
    for k, name in enumerate(names):
        (tmp_path / "faces" / name).mkdir(parents=True)
        for i in range(12):
            path = tmp_path / "faces" / name / os.fsdecode(b"\xff %d \n.png" % i)
            gray(20 * i + k).save(path)
    classes = f"data.classes={json.dumps(names)}"
    small = ("data.image_size=64", "data.balance=0", "model.weights=random", "federation.phones=5000")
    more = [word for setting in (classes, *small) for word in ("--set", setting)]
    done = here.run("baseline", "--data", "faces", *more, "--out", "run")
    assert (done.code, done.err) == (0, ""), done
    page = (tmp_path / "run" / "report.html").read_text()
    assert "<b>&" not in page
    assert "&lt;b&gt;&amp;" in page


def test_the_baseline_alone_is_the_one_beside_the_run(
    whole_run: Path, run_cache: str, tmp_path: Path
) -> None:
    done = fedfer("baseline", *settings(), "--out", "run", cwd=tmp_path, FEDFER_CACHE=run_cache)
    assert (done.code, done.err) == (0, "")
    assert head(tmp_path / "run") == head(whole_run / "centralized")
    assert (tmp_path / "run" / "report.html").exists()
    assert "federated" not in done.out


def test_some_phones_a_round_and_the_baseline_that_matches(here: Here) -> None:
    some = run_here(
        here,
        federation__phones_per_round=3,
        federation__rounds=4,
        federation__partition="dirichlet",
        federation__local_epochs=2,
        baseline__epochs="matched",
        evaluation__every=3,
        evaluation__select="best",
    )
    found, matched = summary(some), summary(some / "centralized")
    assert found["phones_trained"] == 12
    assert found["bytes_up"] == 12 * PAYLOAD
    assert found["photos"] == sum(line["photos"] for line in rounds(some))
    assert matched["photos"] == found["photos"]
    assert matched["epochs"] == pytest.approx(found["photos"] / VIEWS, abs=1e-4)
    seen = [line["photos"] for line in rounds(some / "centralized")]
    assert seen == [VIEWS] * (found["photos"] // VIEWS) + [found["photos"] % VIEWS] * (
        found["photos"] % VIEWS > 0
    )
    assert [line["val_accuracy"] is None for line in rounds(some)] == [True, True, False, False]
    assert not (some / "centralized-matched").exists()


@pytest.mark.parametrize("engine", ["ray", "process"])
def test_a_diverging_run_fails_with_its_reason(run_cache: str, tmp_path: Path, engine: str) -> None:
    much = {"train__lr": 100, "train__batch": 1, "federation__local_epochs": 300}
    failing = started(
        "run", *settings(**much, federation__engine=engine), "--out", "run",
        cwd=tmp_path, FEDFER_CACHE=run_cache,
    )  # fmt: skip
    reason = "training diverged in round 1: the updates of 6 of 10 phones are too large; lower train.lr"
    assert_failed(failing.wait(), reason, "start a new run")
    assert failing.left() == []


def test_a_ray_that_breaks_down_ends_the_run_which_goes_on(
    whole_run: Path, run_cache: str, tmp_path: Path
) -> None:
    """Ray ends the process that uses it where its own is lost; what is left is cleaned up all the same."""
    long = started(
        "run", *settings(federation__rounds=9999), "--no-baseline", "--out", "run",
        cwd=tmp_path, FEDFER_CACHE=run_cache,
    )  # fmt: skip
    wait_for_rounds(tmp_path / "run", 6)
    os.kill(named(long.processes(), "raylet/raylet")[0], signal.SIGKILL)
    done = long.wait()
    assert done.code == 1
    last = done.err.splitlines()[-1]
    assert last.startswith("fedfer: ended unexpectedly: killed, or Ray crashed (its logs are in ")
    assert (tmp_path / "run" / "logs" / "ray" / "raylet.out").exists()
    long.until_nothing_is_left()
    again = started("run", "--resume", "run", cwd=tmp_path, FEDFER_CACHE=run_cache)
    wait_for_rounds(tmp_path / "run", len(rounds(tmp_path / "run")) + 3)
    again.send(signal.SIGINT)
    assert again.wait().code == 130


@pytest.mark.parametrize("engine", ["ray", "flower"])
def test_a_worker_that_is_killed_in_a_round_costs_no_bit(
    long_run: Path, run_cache: str, tmp_path: Path, engine: str
) -> None:
    """Flower's runtime does not replace what was lost."""
    asked = ["--no-baseline", *settings(**LONG)]
    hurt = started(
        "run", *asked, "--set", f"federation.engine={engine}", "--out", "run",
        cwd=tmp_path, FEDFER_CACHE=run_cache,
    )  # fmt: skip
    for number in (1, 3) if engine == "ray" else (1,):
        wait_for_rounds(tmp_path / "run", number)
        time.sleep(0.1)
        os.kill(workers(hurt.processes())[0], signal.SIGKILL)
    done = hurt.wait()
    assert (done.code, done.err) == (0, "")
    assert hurt.left() == []
    assert head(tmp_path / "run") == head(long_run)
    same = ("round", "phones", "photos", "train_loss", "val_accuracy", "val_macro_f1", "dropped")
    for ours, theirs in zip(rounds(tmp_path / "run"), rounds(long_run), strict=True):
        assert [ours[name] for name in same] == [theirs[name] for name in same]


def assert_failed(done: Done, reason: str, end: str = "resume with: fedfer run --resume run") -> None:
    assert done.code == 1
    last = done.err.splitlines()[-1]
    assert last.startswith("fedfer: ")
    assert reason in last
    assert last.endswith(f"; {end}")
    assert "Traceback" not in done.err


def workers(processes: list[int]) -> list[int]:
    """The nodes among the processes."""
    return named(processes, "ray::Worker") + named(processes, "ClientAppActor")


def named(processes: list[int], words: str) -> list[int]:
    """Those of the processes whose command line holds the words."""
    from psutil import Process

    return [pid for pid in processes if words in " ".join(Process(pid).cmdline())]
