"""A sweep from its command to its table: what is trained, what is not trained again, what is refused."""

import csv
import io
import os
import re
import shutil
import signal
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import psutil
import pytest
from rich.console import Console
from support_commands import Here, Running, fedfer, settings, started, wait_for_rounds
from support_fake_runs import a_summary, make_run

from fer_models.errors import InputError
from fer_models.metrics import report
from fer_models.run_folder.folder import RunFolder
from fer_models.run_folder.quality import AccuracySpread, AcrossPhones, Spread
from fer_models.run_folder.rounds import RoundRecord
from simulations import api
from simulations.inference.comparison import compare, with_holm
from simulations.report.results import read_run, replicate, share_tested
from simulations.sweep import differences, outcomes, workers
from simulations.sweep import table as sweep_table
from simulations.sweep.request import PARTITIONS, STRATEGIES, Cell, SweepRequest, ask
from simulations.sweep.sweep import _request, _train

SMALL = settings()
ASKED = ("--strategies", "fedavg,median", "--partitions", "iid,dirichlet")


def asked(folder: Path, *changes: str, **given: object) -> SweepRequest:
    options: dict = {"data": None, "strategies": None, "partitions": None, "seeds": None} | given
    return ask(None, settings=changes, folder=folder, command="fedfer sweep", **options)


def test_everything_is_asked_for_by_default_and_baselines_come_first(tmp_path: Path) -> None:
    sweep = asked(tmp_path / "new")
    assert (sweep.partitions, sweep.seeds) == (tuple(PARTITIONS), 1)
    assert {*sweep.strategies} | {*sweep.left_out} == {*STRATEGIES}
    assert [cell.name for cell in sweep.cells[:2]] == ["centralized", "centralized-ridge"]
    assert len({str(cell) for cell in sweep.cells}) == len(sweep.cells)
    assert not sweep.folder.exists()


@pytest.mark.parametrize(
    ("changes", "inside", "outside"),
    [
        ((), {"fedavg", "ridge", "bulyan", "local"}, {"fedrep", "fedbabu"}),
        (("model.name=cnn",), {"fedavg", "fedrep", "fedbabu"}, {"ridge", "lda", "ncm"}),
        (("update.clip_norm=1.0",), {"fedavg", "median"}, {"ridge", "local", "fedrep"}),
        (("federation.phones=2",), {"fedavg"}, {"bulyan", "fedrep"}),
    ],
)
def test_by_default_strategies_are_those_that_fit_the_other_settings(
    tmp_path: Path, changes: tuple[str, ...], inside: set[str], outside: set[str]
) -> None:
    sweep = asked(tmp_path / "new", *changes, partitions="iid")
    assert inside <= {*sweep.strategies}
    assert outside <= {*sweep.left_out}
    assert list(sweep.strategies) == [name for name in STRATEGIES if name not in sweep.left_out]
    for name in outside:
        with pytest.raises(InputError):
            asked(tmp_path / "new", *changes, partitions="iid", strategies=f"fedavg,{name}")


def test_a_worker_that_refuses_its_run_costs_that_run_alone(tmp_path: Path) -> None:
    sweep = asked(tmp_path / "new", strategies="fedavg", partitions="iid")
    reason = _train(_request(sweep, Cell("iid", "fedrep", 0)))
    assert reason is not None
    assert reason.startswith("strategy.name = fedrep trains whole networks only")


def test_a_cell_differs_in_what_is_swept_alone(tmp_path: Path) -> None:
    sweep = asked(
        tmp_path, "run.seed=5", "train.lr=0.01", strategies="median", partitions="dirichlet", seeds=2
    )
    assert list(sweep.every_seed) == [5, 6]
    config = sweep.config_of(Cell("dirichlet", "median", 6))
    assert (config.strategy.name, config.federation.partition, config.run.seed) == ("median", "dirichlet", 6)
    assert (config.federation.engine, config.train.lr) == ("process", 0.01)
    assert sweep.config_of(Cell("dirichlet", "centralized-ridge", 5)).model.name == "ridge"


@pytest.mark.parametrize(
    ("changes", "given", "said"),
    [
        ((), {"strategies": "fedavgg"}, '--strategies: "fedavgg" is unknown; did you mean fedavg?'),
        ((), {"partitions": "iid,"}, '--partitions: "" is unknown; choose one of iid, dirichlet'),
        (("strategy.name=median",), {}, "a sweep sets that itself; use --strategies"),
        (("federation.phones=2",), {"strategies": "bulyan"}, "strategy.name = bulyan needs at least"),
        ((), {"strategies": "fedrep"}, "strategy.name = fedrep trains whole networks only: model.name"),
        (("model.name=hog",), {}, 'model.name: "hog" is trained centrally only'),
        (("run.split_seed=3",), {}, "run.split_seed: a sweep counts its seeds from run.seed (--seeds N)"),
        (("run.partition_seed=0",), {"strategies": "fedavg"}, "run.partition_seed: a sweep counts its seeds"),
        (("run.train_seed=5",), {"seeds": 2}, "run.train_seed: a sweep counts its seeds"),
        (("strategy.trim=0.2",), {"strategies": "fedavg"}, "trim belongs to trimmed-mean"),
    ],
)  # fmt: skip
def test_what_cannot_be_used(tmp_path: Path, changes: tuple[str, ...], given: dict, said: str) -> None:
    with pytest.raises(InputError) as caught:
        asked(tmp_path / "new", *changes, **given)
    assert said in str(caught.value)
    assert not (tmp_path / "new").exists()


def _finished(sweep: SweepRequest, cell: Cell, macro_f1: list[float], accuracy: float) -> None:
    log, spread = RunFolder(sweep.place_of(cell)), (0.5, 0.5, 0.5, 0.5, 0.25, 0.25, 0.0)
    across = AcrossPhones(2, 2, AccuracySpread(*spread, 0.0), Spread(*spread), {})
    quality, _ = report(np.arange(2), np.arange(2), ("anger", "fear"))
    summary = a_summary(
        replace(quality, accuracy=accuracy, macro_f1=0.5), across=across if cell.name == "fedavg" else None
    )
    replace(summary, bytes_down=3_000, bytes_up=1_000).write(log.path)
    for number, score in enumerate(macro_f1, 1):
        log.append_round(RoundRecord(number, 2, 40, 1.0, 0.5, score, 1.0, 0.1, 3_000, 1_000, 500))


def test_the_table_by_hand(tmp_path: Path) -> None:
    sweep = asked(tmp_path, strategies="fedavg,median", partitions="iid", seeds=2)
    sweep.folder.mkdir(exist_ok=True)
    for seed in (0, 1):
        _finished(sweep, Cell("iid", "centralized", seed), [0.9, 0.4], 0.7)  # the goal: 0.95 x 0.4 = 0.38
    _finished(sweep, Cell("iid", "fedavg", 0), [0.1, 0.38, 0.5], 0.6)
    _finished(sweep, Cell("iid", "fedavg", 1), [0.1, 0.37, 0.37], 0.8)
    _finished(sweep, Cell("iid", "median", 0), [0.1], 0.3)  # its second seed is not finished
    finished = outcomes.read(sweep)
    assert [outcome.arrived for outcome in finished] == [None, None, 2, None, None]
    sweep_table.write(finished, [], tmp_path)
    table = (tmp_path / "table.md").read_text()
    assert "| fedavg | 0.700 ± 0.141 | 0.500 ± 0.000 | 0.250 ± 0.000 |  | 26 (1 of 2) | 4 kB |" in table
    assert "| median | 0.300 | 0.500 |  |  | never | 4 kB |" in table
    assert "| centralized | 0.700 ± 0.000 | 0.500 ± 0.000 |  |  |  |  |" in table
    with (tmp_path / "sweep.csv").open() as file:
        lines = list(csv.DictReader(file))
    assert [line["rounds_to_95"] for line in lines] == ["", "", "2", "", ""]
    assert [line["rounds_counted"] for line in lines] == ["", "", "2", "50", "50"]  # never: the last round
    for width in (60, 80, 140):
        console = Console(width=width, record=True, file=io.StringIO())
        sweep_table.show(finished, [], console)
        text = console.export_text()
        assert "…" not in text, width
        assert "Nothing is said about strategies" in text


SKILLS = {"centralized": 0.62, "fedavg": 0.5, "median": 0.5, "krum": 0.3}


def _made(folder: Path, seeds: int) -> SweepRequest:
    """A finished sweep of drawn runs on one partition."""
    strategies = ",".join(name for name in SKILLS if name != "centralized")
    sweep = asked(folder, strategies=strategies, partitions="iid", seeds=seeds)
    for name, skill in SKILLS.items():
        for seed in range(seeds):
            kind = "centralized" if name == "centralized" else "federated"
            place = sweep.place_of(Cell("iid", name, seed))
            own = {"steps": 50 + len(name)} if name == "median" else {}  # other luck than fedavg
            make_run(
                place, kind=kind, skill=skill + 0.01 * seed, seed=seed, people=True, examples=False, **own
            )
    return sweep


@pytest.mark.slow
def test_strategies_are_compared_with_the_reference_over_seeds_and_people(tmp_path: Path) -> None:
    sweep = _made(tmp_path, 4)
    finished = outcomes.read(sweep)
    found, left_out = differences.read(sweep, finished)
    assert left_out == []
    by_name = {(each.strategy, each.measure): each for each in found}
    assert {each.reference for each in found} == {"fedavg"}
    assert {name for name, _ in by_name} == {"centralized", "median", "krum"}
    assert [m for name, m in by_name if name == "centralized"] == ["accuracy", "macro_f1"]  # it has no rounds
    verdicts = [by_name[name, "accuracy"].verdict for name in ("centralized", "median", "krum")]
    assert verdicts == ["better", "not decided", "worse"]
    runs = {
        name: [read_run(sweep.place_of(Cell("iid", name, s)), series=0) for s in range(4)] for name in SKILLS
    }
    arms = {name: [replicate(run, fold=s) for s, run in enumerate(each)] for name, each in runs.items()}
    share = share_tested(runs["fedavg"][0])
    wanted = with_holm([
        compare(name, arms[name], "fedavg", arms["fedavg"], classes=5, measure="macro_f1", test_share=share)
        for name in ("centralized", "median", "krum")
    ])  # fmt: skip
    for each in wanted:
        line = by_name[each.arm, "macro_f1"]
        assert (line.difference, line.low, line.p_holm) == (each.difference, each.low, each.p_holm)
    rounds = by_name["krum", differences.ROUNDS]
    assert rounds.seeds == 4
    sweep_table.write(finished, found, tmp_path)
    text = (tmp_path / "table.md").read_text()
    assert "Minus fedavg, paired over 4 seeds:" in text
    assert re.search(r"\| krum \| accuracy, points \| −\d+\.\d \| −.* \| <?0\.\d+ \| worse \|", text)
    with (tmp_path / "differences.csv").open() as file:
        assert len(list(csv.DictReader(file))) == len(found) == 8
    for width in (60, 80, 140):
        console = Console(width=width, record=True, file=io.StringIO())
        sweep_table.show(finished, found, console)
        shown = console.export_text()
        assert "…" not in shown, width
        assert "not decided" in shown
        assert "Nothing is said" not in shown


def test_one_seed_says_nothing_of_strategies(tmp_path: Path) -> None:
    sweep = _made(tmp_path, 1)
    assert differences.read(sweep, outcomes.read(sweep)) == ([], [])


def test_strategies_are_compared_where_both_have_two_seeds_and_without_a_goal_not_in_rounds(
    tmp_path: Path,
) -> None:
    sweep = _made(tmp_path, 3)
    for name, seed in (("centralized", 0), ("centralized", 1), ("median", 0), ("median", 1), ("krum", 2)):
        (sweep.place_of(Cell("iid", name, seed)) / "summary.json").unlink()
    found, _ = differences.read(sweep, outcomes.read(sweep))
    assert {(each.strategy, each.measure, each.seeds) for each in found} == {
        ("krum", "accuracy", 2), ("krum", "macro_f1", 2),
    }  # fmt: skip


@pytest.mark.slow
def test_runs_that_cannot_be_compared_are_named_and_the_others_are_compared(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    sweep = _made(tmp_path, 4)
    sweep.begin()
    other, cut, unknown, gone = (
        sweep.place_of(Cell("iid", *which))
        for which in (("median", 1), ("krum", 0), ("krum", 2), ("centralized", 3))
    )
    shutil.rmtree(other)
    make_run(other, skill=0.5, seed=7, photos=1_000, people=True, examples=False)
    lines = (cut / "predictions.csv").read_text().splitlines(keepends=True)
    (cut / "predictions.csv").write_text("".join(lines[:-5]))
    head, *rows = (unknown / "predictions.csv").read_text().splitlines(keepends=True)
    file, emotion, _, others = rows[0].split(",", 3)
    (unknown / "predictions.csv").write_text("".join([head, f"{file},{emotion},?,{others}", *rows[1:]]))
    (gone / "predictions.csv").write_text("")
    monkeypatch.setattr("simulations.sweep.sweep.run_sweep", lambda *_: [])  # all are trained
    result = api.sweep(out=tmp_path, progress=False)
    for measure in ("accuracy", "macro_f1"):
        seeds = {each.strategy: each.seeds for each in result.found if each.measure == measure}
        assert seeds == {"centralized": 3, "median": 3, "krum": 2}
    assert [line.partition(":")[0] for line in result.left_out] == [
        "iid, centralized, seed 3", "iid, krum, seed 0", "iid, krum, seed 2", "iid, median, seed 1",
    ]  # fmt: skip
    assert "predictions.csv is not whole; remove its folder" in result.left_out[1]
    assert "no report" not in result.left_out[0]
    assert "there is no emotion '?'" in result.left_out[2]
    assert "tested on other photos than the other runs" in result.left_out[3]
    assert result.left_out[3] in (tmp_path / "table.md").read_text()
    console = Console(width=400, record=True, file=io.StringIO())
    sweep_table.show(result.outcomes, result.found, console, result.left_out)
    assert result.left_out[3] in console.export_text()


@pytest.mark.slow
def test_the_runs_are_written_before_they_are_compared(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    _made(tmp_path, 2).begin()

    def fails(*_: object) -> None:
        raise ValueError("not comparable")

    monkeypatch.setattr("simulations.sweep.sweep.run_sweep", lambda *_: [])
    monkeypatch.setattr(differences, "read", fails)
    with pytest.raises(ValueError, match="not comparable"):
        api.sweep(out=tmp_path, progress=False)
    assert "| median |" in (tmp_path / "table.md").read_text()
    assert len((tmp_path / "sweep.csv").read_text().splitlines()) == 1 + 2 * len(SKILLS)


@pytest.mark.slow
def test_a_sweep_trains_each_cell_as_a_run_would_and_goes_on(
    whole_run: Path,
    run_cache: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture,
) -> None:
    monkeypatch.setenv("FEDFER_CACHE", run_cache)
    here = Here(tmp_path, monkeypatch, capsys)
    done = here.run("sweep", *ASKED, *SMALL, "--out", "sweep")
    assert (done.code, done.err) == (0, "")
    folders = sorted(str(p.parent.relative_to(tmp_path / "sweep")) for p in tmp_path.rglob("summary.json"))
    assert folders == [
        "dirichlet/fedavg/seed-0", "dirichlet/median/seed-0", "iid/centralized-ridge/seed-0",
        "iid/centralized/seed-0", "iid/fedavg/seed-0", "iid/median/seed-0",
    ]  # fmt: skip
    one, two = (place / "head.safetensors" for place in (whole_run, tmp_path / "sweep/iid/fedavg/seed-0"))
    assert one.read_bytes() == two.read_bytes()
    stamp = two.stat().st_mtime_ns
    grown = here.run("sweep", "--strategies", "fedavgm", "--out", "sweep")
    assert (grown.code, grown.err) == (0, "")
    assert two.stat().st_mtime_ns == stamp
    assert (tmp_path / "sweep" / "dirichlet" / "fedavgm" / "seed-0" / "summary.json").exists()
    here.refused(
        "sweep", *SMALL, "--set", "train.lr=0.5", "--out", "sweep", words="was started with train.lr = 0.03"
    )


@pytest.mark.slow
def test_a_sweep_that_is_stopped_leaves_nothing_and_says_how_to_go_on(run_cache: str, tmp_path: Path) -> None:
    asked = ("--strategies", "fedavg", "--partitions", "iid", *settings(federation__rounds=10_000))
    running = started("sweep", *asked, "--out", "sweep", cwd=tmp_path, FEDFER_CACHE=run_cache)
    wait_for_rounds(tmp_path / "sweep" / "iid" / "fedavg" / "seed-0", 3)
    running.send(signal.SIGINT)
    done = running.wait(60)
    assert done.code == 130
    assert done.err.splitlines()[-1] == "fedfer: stopped; resume with: fedfer sweep --out sweep"
    assert running.left() == []


def test_a_process_that_is_killed_costs_what_it_was_at_alone() -> None:
    with workers.workers(2) as submit:
        futures = [
            submit(signal.raise_signal, signal.SIGKILL) if n == 1 else submit(str, n) for n in range(5)
        ]
        assert [future.result() for future in futures] == ["0", workers.KILLED, "2", "3", "4"]


def test_no_process_of_a_sweep_outlives_it() -> None:
    pids = list[str | None]()

    def interrupted() -> None:
        with workers.workers(2) as submit:
            pids.append(submit(os.getpid).result())
            submit(time.sleep, 1000)
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        interrupted()
    deadline = time.monotonic() + 10
    while any(psutil.pid_exists(pid) for pid in pids):
        assert time.monotonic() < deadline
        time.sleep(0.05)


@pytest.mark.slow
def test_a_killed_worker_costs_its_run_and_not_the_sweep(run_cache: str, tmp_path: Path) -> None:
    long = settings(federation__rounds=300, federation__local_epochs=20)
    asked = ("--strategies", "fedavg,median", "--partitions", "iid", *long, "--quiet")
    running = started("sweep", *asked, "--out", "sweep", cwd=tmp_path, FEDFER_CACHE=run_cache)
    place = tmp_path / "sweep" / "iid" / "fedavg" / "seed-0"
    wait_for_rounds(place, 3)
    os.kill(at_work_in(place, running), signal.SIGKILL)
    done = running.wait()
    assert done.code == 1
    last = done.err.splitlines()[-1]
    assert last.startswith("fedfer: 1 of 4 runs failed; iid, fedavg, seed 0: its process was killed, perhaps")
    assert running.left() == []
    names = ("centralized", "centralized-ridge", "fedavg", "median")
    finished = [(tmp_path / "sweep" / "iid" / name / "seed-0" / "summary.json").exists() for name in names]
    assert finished == [True, True, False, True]
    assert "| median |" in (tmp_path / "sweep" / "table.md").read_text()
    again = fedfer("sweep", "--quiet", "--out", "sweep", cwd=tmp_path, FEDFER_CACHE=run_cache)
    assert (again.code, again.err) == (0, "")
    assert (place / "summary.json").exists()


def at_work_in(folder: Path, running: Running) -> int:
    """The process of the command that holds the run folder."""
    for number in running.processes():
        opened = Path(f"/proc/{number}/fd").iterdir()
        if str(folder) in [os.readlink(file) for file in opened if file.is_symlink()]:
            return number
    raise AssertionError(f"nobody works in {folder}")
