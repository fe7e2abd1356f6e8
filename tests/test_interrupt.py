"""Ctrl-C and SIGTERM at every stage: exit code 130 within seconds, nothing left at work, and the same bytes
when the run goes on.
"""

import json
import os
import signal
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from support_commands import Done, Here, Running, assert_refused, fedfer, settings, started, wait_for_rounds
from support_photo_folders import encoded, noise

from simulations.engines import interrupt

GO_ON = "fedfer: stopped; resume with: fedfer run --resume run\n"
slow = pytest.mark.slow


def stopped(run: Running, last: str, *numbers: signal.Signals, group: bool = False) -> Done:
    """Sends the signals, a moment apart, and checks how the command ends."""
    began = time.monotonic()
    for number in numbers:
        run.send(number, group=group)
        time.sleep(0.15)
    done = run.wait()
    assert time.monotonic() - began < 15
    assert (done.code, done.err) == (130, last), done
    assert run.left() == []
    return done


@slow
def test_federated_training(whole_run: Path, here: Here, run_cache: str, tmp_path: Path) -> None:
    """Ctrl-C in a terminal reaches every process; impatient users press it again."""
    run = started("run", *settings(), "--no-baseline", "--out", "run", cwd=tmp_path, FEDFER_CACHE=run_cache)
    wait_for_rounds(tmp_path / "run", 7)
    stopped(run, GO_ON, *[signal.SIGINT] * 4, group=True)
    assert len((tmp_path / "run" / "rounds.jsonl").read_text().splitlines()) < 24
    done = fedfer("run", "--resume", "run", cwd=tmp_path, FEDFER_CACHE=run_cache)
    assert (done.code, done.err) == (0, "")
    assert (tmp_path / "run" / "head.safetensors").read_bytes() == (
        whole_run / "head.safetensors"
    ).read_bytes()
    assert len((tmp_path / "run" / "rounds.jsonl").read_text().splitlines()) == 24
    summary = json.loads((tmp_path / "run" / "summary.json").read_text())
    assert summary["seconds"] > summary["seconds_training"]  # of both parts
    done = here.run("run", "--resume", "run")
    assert (done.code, done.out, done.err) == (0, "The run in run is finished: open run/report.html\n", "")


@slow
def test_while_ray_starts_and_one_run_at_a_time(here: Here, run_cache: str, tmp_path: Path) -> None:
    run = started(
        "run", *settings(federation__rounds=9999), "--out", "run", cwd=tmp_path, FEDFER_CACHE=run_cache
    )
    run.until("Nodes: started")
    second = here.run("run", "--resume", "run")
    assert_refused(second)
    assert "run is in use: another fedfer is at work in it" in second.err
    stopped(run, GO_ON, signal.SIGTERM)


@slow
@pytest.mark.parametrize(("stage", "seconds"), [("Nodes", 0.7), ("Nodes", 1.6), ("Federated training", 1.6)])
def test_early(run_cache: str, tmp_path: Path, stage: str, seconds: float) -> None:
    """While parts of Ray have started, and while it ends, after rounds that are few and before much else."""
    long = settings(baseline__epochs=1_000_000)
    run = started("run", *long, "--out", "run", cwd=tmp_path, FEDFER_CACHE=run_cache)
    run.until(f"{stage}: started")
    time.sleep(seconds)
    stopped(run, GO_ON, signal.SIGINT, signal.SIGTERM)


@slow
def test_photos(tmp_path: Path) -> None:
    photo = encoded(noise("RGB", 1200), "PNG")
    for emotion in ("anger", "fear"):
        (tmp_path / "faces" / emotion).mkdir(parents=True)
        (tmp_path / "faces" / emotion / "000.png").write_bytes(photo)
        for i in range(1, 200):
            os.link(tmp_path / "faces" / emotion / "000.png", tmp_path / "faces" / emotion / f"{i:03d}.png")
    classes = ["--set", 'data.classes=["anger","fear"]']
    cache = str(tmp_path / "cache")
    run = started("run", "--data", "faces", *classes, "--out", "run", cwd=tmp_path, FEDFER_CACHE=cache)
    run.until("Photos: started")
    time.sleep(0.4)
    stopped(
        run, "fedfer: stopped; nothing was written; run the same command again\n", signal.SIGINT, group=True
    )
    assert not (tmp_path / "run").exists()


@slow
def test_features(here: Here, run_cache: str, tmp_path: Path) -> None:
    size = settings(data__image_size=96)
    run = started("baseline", *size, "--out", "run", cwd=tmp_path, FEDFER_CACHE=run_cache)
    run.until("Features: started")
    time.sleep(0.2)
    before = set(Path(run_cache, "features").glob("*.npy"))
    stopped(run, GO_ON, signal.SIGINT, group=True)
    assert set(Path(run_cache, "features").glob("*.npy")) == before
    assert here.run("run", "--resume", "run").code == 0
    (features,) = set(Path(run_cache, "features").glob("*.npy")) - before
    features.unlink()
    assert here.run("baseline", *size, "--out", "new").code == 0
    assert (tmp_path / "run/head.safetensors").read_bytes() == (
        tmp_path / "new/head.safetensors"
    ).read_bytes()


@slow
def test_baseline(here: Here, run_cache: str, tmp_path: Path) -> None:
    long = settings(baseline__epochs=1500)
    run = started("baseline", *long, "--out", "run", cwd=tmp_path, FEDFER_CACHE=run_cache)
    wait_for_rounds(tmp_path / "run", 15)
    stopped(run, GO_ON, signal.SIGINT, group=True)
    assert len((tmp_path / "run" / "rounds.jsonl").read_text().splitlines()) < 1500
    assert here.run("run", "--resume", "run").code == 0
    assert here.run("baseline", *long, "--out", "whole").code == 0
    assert (tmp_path / "run" / "head.safetensors").read_bytes() == (
        tmp_path / "whole" / "head.safetensors"
    ).read_bytes()
    assert len((tmp_path / "run" / "rounds.jsonl").read_text().splitlines()) == 1500


@slow
def test_report(here: Here, run_cache: str, tmp_path: Path) -> None:
    """The page is too quick to be met: this one takes its time."""
    code = (
        "import time; from simulations.cli import main as cli; from simulations.report import report\n"
        "report.write_report = lambda folder: time.sleep(60)\n"
        "cli.main()"
    )
    words = ["fedfer", "baseline", *settings(), "--out", "run"]
    run = Running(words, tmp_path, {"FEDFER_CACHE": run_cache}, code)
    run.until("Report: started")
    stopped(run, GO_ON, signal.SIGINT)
    assert not (tmp_path / "run" / "report.html").exists()
    assert here.run("run", "--resume", "run").code == 0
    assert (tmp_path / "run" / "report.html").exists()


@pytest.fixture
def handlers() -> Iterator[None]:
    before = {number: signal.getsignal(number) for number in interrupt.SIGNALS}
    yield
    for number, handler in before.items():
        signal.signal(number, handler)


@pytest.mark.usefixtures("handlers")
@pytest.mark.parametrize("number", interrupt.SIGNALS)
def test_a_second_signal_does_not_disturb_the_clean_up(number: signal.Signals) -> None:
    interrupt.listen()
    cleaned = False

    def run() -> None:
        nonlocal cleaned
        try:
            os.kill(os.getpid(), number)
            time.sleep(1)
        finally:
            for again in interrupt.SIGNALS:
                os.kill(os.getpid(), again)
            time.sleep(0.05)
            cleaned = True

    with pytest.raises(KeyboardInterrupt):
        run()
    assert cleaned


@pytest.mark.usefixtures("handlers")
def test_what_is_ignored_stays_ignored() -> None:
    signal.signal(signal.SIGHUP, signal.SIG_IGN)  # nohup fedfer run
    interrupt.listen()
    os.kill(os.getpid(), signal.SIGHUP)
    time.sleep(0.05)


@pytest.mark.usefixtures("handlers")
def test_a_deferred_signal_is_heeded_at_the_end() -> None:
    interrupt.listen()
    steps = []

    def run() -> None:
        with interrupt.deferred():
            for number in interrupt.SIGNALS:
                os.kill(os.getpid(), number)
            time.sleep(0.05)
            steps.append("to the end")
        steps.append("and no further")

    with pytest.raises(KeyboardInterrupt):
        run()
    assert steps == ["to the end"]
    with interrupt.deferred():
        steps.append("undisturbed")
    assert steps[-1] == "undisturbed"
