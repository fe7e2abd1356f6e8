"""Kill -9 at every moment: the run goes on to the same bytes, or says why it does not."""

import json
import os
import shutil
import signal
from pathlib import Path

import numpy as np
import pytest
from support_commands import Here, assert_refused, fedfer, python, settings, started, wait_for_rounds
from support_deadly import die
from support_same import assert_same

pytestmark = pytest.mark.slow

FAST = {"federation__engine": "process"}


@pytest.mark.parametrize(
    ("at", "number"),
    [
        ("fer_models.run_folder.folder:RunFolder.append_round", 8),
        ("pathlib:Path.write_bytes", 2),  # the second checkpoint, half written
        ("simulations.run.runner:personal_heads.of", 1),  # the rounds are done
        ("simulations.run.central:show", 3),  # in the third epoch of the baseline
        ("simulations.run.artifacts:_write_predictions", 1),  # of the baseline, whose head is written
        ("simulations.run.artifacts:_write_predictions", 3),  # of the run
        ("simulations.report.report:write_report", 3),
    ],
)
def test_killed_anywhere(
    whole_run: Path, here: Here, run_cache: str, tmp_path: Path, at: str, number: int
) -> None:
    die(
        at, number, "run", *settings(**FAST, federation__nodes=2), "--out", "run",
        cwd=tmp_path, cache=run_cache,
    )  # fmt: skip
    done = here.run("run", "--resume", "run")
    assert (done.code, done.err) == (0, "")
    assert_same(tmp_path / "run", whole_run)
    done = here.run("run", "--resume", "run")
    assert (done.code, done.out, done.err) == (0, "The run in run is finished: open run/report.html\n", "")


def test_a_run_from_before_files_had_a_format_goes_on(
    whole_run: Path, run_cache: str, tmp_path: Path
) -> None:
    asked = settings(**FAST, federation__nodes=2)
    at = "simulations.run.central:show"  # the rounds are done, a baseline is at work
    die(at, 3, "run", *asked, "--out", "run", cwd=tmp_path, cache=run_cache)
    for path in [*(tmp_path / "run").rglob("*.json"), *(tmp_path / "run").rglob("*.jsonl")]:
        path.write_text(path.read_text().replace('"format": 1, ', "").replace('  "format": 1,\n', ""))
        assert '"format"' not in path.read_text()
    done = fedfer("run", "--resume", "run", cwd=tmp_path, FEDFER_CACHE=run_cache)
    assert (done.code, done.err) == (0, "")
    assert_same(tmp_path / "run", whole_run)


LIMITED = """
import resource, signal
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)  # writing fails instead
resource.setrlimit(resource.RLIMIT_FSIZE, (40_000, 40_000))
from simulations.cli import main as cli
cli.main()
"""


def test_a_disk_without_room(here: Here, run_cache: str, tmp_path: Path) -> None:
    """As near as a test comes: no file may grow beyond 40 kB, the features are there."""
    asked = settings(**FAST, federation__rounds=150, checkpoint__every=200)
    assert here.run("run", *asked, "--no-baseline", "--out", "whole").code == 0
    done = python(
        LIMITED,
        "fedfer",
        "run",
        *asked,
        "--no-baseline",
        "--out",
        "run",
        cwd=tmp_path,
        FEDFER_CACHE=run_cache,
    )
    assert done.code == 1
    last = done.err.splitlines()[-1]
    assert last == "fedfer: File too large: run/rounds.jsonl; resume with: fedfer run --resume run"
    assert "Traceback" not in done.err
    assert here.run("run", "--resume", "run").code == 0
    assert_same(tmp_path / "run", tmp_path / "whole")


STATEFUL = {
    "scaffold": {},
    "ditto": {},
    "fine-tune": {},
    "fedavgm": {"strategy__start": "ridge"},
    "ridge": {},
}


@pytest.mark.parametrize("name", STATEFUL)
def test_killed_with_a_state(here: Here, run_cache: str, tmp_path: Path, name: str) -> None:
    asked = settings(
        **FAST, strategy__name=name, federation__phones_per_round=6, federation__partition="dirichlet",
        checkpoint__every=4, **STATEFUL[name],
    )  # fmt: skip
    assert here.run("run", *asked, "--no-baseline", "--out", "whole").code == 0
    at = ("fer_models.run_folder.folder:RunFolder.append_round", 1 if name == "ridge" else 15)
    die(*at, "run", *asked, "--no-baseline", "--out", "run", cwd=tmp_path, cache=run_cache)
    assert here.run("run", "--resume", "run").code == 0
    assert_same(tmp_path / "run", tmp_path / "whole")


def test_killed_in_the_features_and_on_ray(here: Here, run_cache: str, tmp_path: Path) -> None:
    """The command itself, with all its processes; a killed one leaves none of them."""
    size = settings(data__image_size=80)
    run = started("run", *size, "--no-baseline", "--out", "run", cwd=tmp_path, FEDFER_CACHE=run_cache)
    run.until("Features: started")
    run.send(signal.SIGKILL)
    assert run.wait().code == -signal.SIGKILL
    again = started("run", "--resume", "run", cwd=tmp_path, FEDFER_CACHE=run_cache)
    wait_for_rounds(tmp_path / "run", 9)
    again.send(signal.SIGKILL)
    assert again.wait().code == -signal.SIGKILL
    again.until_nothing_is_left()
    assert fedfer("run", "--resume", "run", cwd=tmp_path, FEDFER_CACHE=run_cache).code == 0
    whole = settings(data__image_size=80, federation__engine="process")
    assert here.run("run", *whole, "--no-baseline", "--out", "whole").code == 0
    assert_same(tmp_path / "run", tmp_path / "whole")


def spoil_config(run: Path) -> None:
    path = run / "config.toml"
    path.write_text(path.read_text().replace("lr = 0.03", "lr = 0.02"))


def spoil_code(run: Path) -> None:
    change(run, lambda origin: origin["code"].update({"fer_models/local/kernel.py": "0" * 16}))


def spoil_versions(run: Path) -> None:
    change(run, lambda origin: origin["versions"].update({"numpy": "1.0"}))


def spoil_data(run: Path) -> None:
    change(run, lambda origin: origin["data"].update({"photos": 299}))


def spoil_weights(run: Path) -> None:
    change(run, lambda origin: origin["data"].update({"weights_sha256": "ab"}))


def spoil_origin(run: Path) -> None:
    (run / "origin.json").write_text("{")


def no_origin(run: Path) -> None:
    (run / "origin.json").unlink()


def spoil_checkpoint(run: Path) -> None:
    path = run / "checkpoint.safetensors"
    path.write_bytes(path.read_bytes()[:-100])


def spoil_rounds(run: Path) -> None:
    path = run / "rounds.jsonl"
    path.write_text(path.read_text().replace('"round": 3,', '"ro'))


def empty_origin(run: Path) -> None:
    (run / "origin.json").write_text("null")


def change(run: Path, by: object) -> None:
    path = run / "origin.json"
    origin = json.loads(path.read_text())
    by(origin)  # type: ignore[operator]
    path.write_text(json.dumps(origin))


@pytest.mark.parametrize(
    ("spoil", "said"),
    [
        (spoil_config, "train.lr was 0.03, config.toml says 0.02; put it back, or start a new run"),
        (spoil_code, "the code of fedfer differs in fer_models/local/kernel.py"),
        (spoil_versions, "numpy was 1.0, is "),
        (spoil_data, "the photos of sketch changed (299 then, 243 now)"),
        (spoil_weights, "the weights differ (SHA-256 was ab, is"),
        (spoil_origin, "origin.json is damaged"),
        (empty_origin, "origin.json is damaged"),
        (no_origin, "it has no origin.json"),
        (spoil_checkpoint, "checkpoint.safetensors is damaged"),
        (spoil_rounds, "do not fit the run; remove them to start it from its first round"),
    ],
)
def test_a_run_that_began_otherwise_does_not_go_on(
    long_run: Path, here: Here, tmp_path: Path, spoil: object, said: str
) -> None:
    shutil.copytree(long_run, tmp_path / "run")
    (tmp_path / "run" / "report.html").unlink()
    spoil(tmp_path / "run")  # type: ignore[operator]
    before = {path: path.read_bytes() for path in (tmp_path / "run").rglob("*") if path.is_file()}
    done = here.run("run", "--resume", "run")
    assert_refused(done)
    assert said in done.err, done.err
    if spoil not in (spoil_checkpoint, spoil_rounds):
        after = {path: path.read_bytes() for path in (tmp_path / "run").rglob("*") if path.is_file()}
        assert after == before


def test_a_folder_that_is_no_run_is_refused(here: Here, tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    (tmp_path / "foreign").mkdir()
    (tmp_path / "foreign" / "environment.json").write_text("[]")
    (tmp_path / "foreign" / "config.toml").write_text("")
    for name, said in [
        ("empty", "it has no environment.json"),
        ("foreign", "damaged"),
        ("none", "no folder"),
    ]:
        done = here.run("run", "--resume", name)
        assert_refused(done)
        assert said in done.err


def test_rounds_that_are_deleted_end_the_run(run_cache: str, tmp_path: Path) -> None:
    asked = settings(**FAST, federation__rounds=3000, checkpoint__every=2)
    run = started("run", *asked, "--no-baseline", "--out", "run", cwd=tmp_path, FEDFER_CACHE=run_cache)
    wait_for_rounds(tmp_path / "run", 5)
    (tmp_path / "run" / "rounds.jsonl").unlink()
    done = run.wait()
    assert done.code == 1
    last = done.err.splitlines()[-1]
    assert last.startswith("fedfer: run/rounds.jsonl is gone while the run wrote to it; restore it, or")
    assert last.endswith("resume with: fedfer run --resume run")
    (tmp_path / "run" / "checkpoint.safetensors").unlink()
    again = started("run", "--resume", "run", cwd=tmp_path, FEDFER_CACHE=run_cache)
    wait_for_rounds(tmp_path / "run", 3)
    again.send(signal.SIGINT)
    assert again.wait().code == 130


@pytest.mark.parametrize(("engine", "name"), [("ray", "prepared/labels.npy"), ("process", "features")])
def test_a_prepared_file_that_changes_ends_the_run_which_goes_on_when_it_is_mended(
    whole_run: Path, run_cache: str, tmp_path: Path, engine: str, name: str
) -> None:
    cache = shutil.copytree(run_cache, tmp_path / "cache")
    asked = settings(federation__rounds=3000, checkpoint__every=2, federation__engine=engine)
    run = started("run", *asked, "--no-baseline", "--out", "run", cwd=tmp_path, FEDFER_CACHE=str(cache))
    wait_for_rounds(tmp_path / "run", 5)
    prepared = tmp_path / "run" / "prepared"
    path = prepared / "labels.npy"
    if name == "features":
        path = Path((prepared / "features.path").read_text())
    with path.open("r+b") as file:  # in place: the same file, other numbers
        file.seek(-4096 if name == "features" else -8, os.SEEK_END)
        file.write(np.ones(1, np.float32).tobytes())
    done = run.wait()
    assert done.code == 1
    assert run.left() == []
    last = done.err.splitlines()[-1]
    assert f"{path.name} has changed while the run worked with it" in last
    assert last.endswith("resume with: fedfer run --resume run")
    assert len((tmp_path / "run" / "rounds.jsonl").read_text().splitlines()) < 3000
    again = started("run", "--resume", "run", cwd=tmp_path, FEDFER_CACHE=str(cache))
    before = len((tmp_path / "run" / "rounds.jsonl").read_text().splitlines())
    wait_for_rounds(tmp_path / "run", before + 3)
    path.unlink()
    done = again.wait()
    assert done.code == 1
    assert f"{path.name} is gone while the run worked with it" in done.err


@pytest.mark.parametrize("engine", ["process", "ray"])
def test_features_that_are_cut_short_in_a_long_round(run_cache: str, tmp_path: Path, engine: str) -> None:
    """While phones read them: a line, not the signal; what was computed is computed again."""
    cache = shutil.copytree(run_cache, tmp_path / "cache")
    long = settings(federation__local_epochs=400, federation__rounds=300, federation__engine=engine)
    run = started("run", *long, "--no-baseline", "--out", "run", cwd=tmp_path, FEDFER_CACHE=str(cache))
    wait_for_rounds(tmp_path / "run", 2)
    path = Path((tmp_path / "run" / "prepared" / "features.path").read_text())
    os.truncate(path, path.stat().st_size // 3)
    done = run.wait()
    assert done.code == 1
    assert run.left() == []
    last = done.err.splitlines()[-1]
    assert last.startswith(f"fedfer: {path}")
    assert "was cut short while the run read it" in last or "has changed while the run worked with it" in last
    assert last.endswith("; resume with: fedfer run --resume run")
    again = started("run", "--resume", "run", cwd=tmp_path, FEDFER_CACHE=str(cache))
    before = len((tmp_path / "run" / "rounds.jsonl").read_text().splitlines())
    wait_for_rounds(tmp_path / "run", before + 1)
    again.send(signal.SIGINT)
    assert again.wait().code == 130
