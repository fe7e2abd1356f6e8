"""What a command finds around it: each works, or is refused in one line before anything is done."""

import os
import shutil
import subprocess
import sys
import tempfile
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from support_commands import FEDFER, Done, Here, assert_refused, python, settings
from support_notebook import Notebook
from support_other_user import NAMELESS, bound_fedfer, nameless
from support_slow import few_quick

from simulations.engines import surroundings
from simulations.terminal.display import Display

SMALL = [*settings(federation__rounds=2), "--set", "federation.engine=process", "--no-baseline"]
WORKING = [
    ["run"], ["baseline"], ["study"], ["sweep"], ["speed"], ["data", "show"], ["predict", "run", "photo.png"],
]  # fmt: skip
slow = pytest.mark.slow


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture) -> Here:
    monkeypatch.setenv("FEDFER_CACHE", str(tmp_path.parent / f"{tmp_path.name}-cache"))
    return Here(tmp_path, monkeypatch, capsys)


@pytest.fixture
def locked(tmp_path: Path) -> Iterator[Path]:
    """A folder that nobody can write to."""
    folder = tmp_path / "locked"
    folder.mkdir()
    folder.chmod(0o555)
    yield folder
    folder.chmod(0o755)


@pytest.fixture
def warm(short_run: Path, encoders: Path, tmp_path: Path) -> Path:
    """A cache that holds the encoder and what the run before compiled."""
    cache = shutil.copytree(encoders, tmp_path / "warm")
    shutil.copytree(os.environ["NUMBA_CACHE_DIR"], cache / "numba")
    return cache


@pytest.mark.parametrize("command", few_quick(WORKING, ["run"]), ids=lambda words: words[0])
def test_a_home_that_cannot_be_written(locked: Path, tmp_path: Path, command: list[str]) -> None:
    done = bound_fedfer(*command, cwd=tmp_path, HOME=str(locked / "home"))
    assert_refused(done)
    assert f"the cache folder {locked}/home/.cache/fedfer/scan cannot be written (Permission" in done.err
    assert "set FEDFER_CACHE to a folder that can" in done.err


@pytest.mark.parametrize(
    "command",
    few_quick([["--help"], ["--version"], ["run", "--help"], ["data", "show", "--help"]], ["--help"]),
)
def test_help_and_the_version_need_nothing(locked: Path, command: list[str]) -> None:
    gone = locked.parent / "gone"
    gone.mkdir()
    removed = f"cd {gone} && rmdir {gone} && exec {FEDFER} {' '.join(command)}"
    lonely = {k: v for k, v in os.environ.items() if k not in ("FEDFER_CACHE", "XDG_CACHE_HOME")}
    for homeless in ({"HOME": str(locked / "home")}, {"HOME": ""}):
        done = subprocess.run(["sh", "-c", removed], env=lonely | homeless, capture_output=True, text=True)
        assert (done.returncode, done.stderr) == (0, "")
        assert "fedfer" in done.stdout
        gone.mkdir()


@pytest.mark.slow
def test_a_current_folder_that_is_gone(tmp_path: Path, run_cache: str) -> None:
    for command in WORKING:
        gone = tmp_path / "gone"
        gone.mkdir()
        done = subprocess.run(
            ["sh", "-c", f"cd {gone} && rmdir {gone} && exec {FEDFER} {' '.join(command)}"],
            env=os.environ | {"FEDFER_CACHE": run_cache}, capture_output=True, text=True,
        )  # fmt: skip
        assert_refused(Done(done.returncode, done.stdout, done.stderr))
        assert "the current folder cannot be used (No such file or directory)" in done.stderr


@slow
def test_a_cache_is_enough_without_a_home(locked: Path, tmp_path: Path, warm: Path) -> None:
    there = {"FEDFER_CACHE": str(warm), "HOME": str(locked / "home")}
    done = bound_fedfer("run", *SMALL, "--out", "run", cwd=tmp_path, **there)
    assert (done.code, done.err) == (0, "")
    other = ["--set", "federation.engine=flower", "--out", "flower"]
    done = bound_fedfer("run", *SMALL, *other, cwd=tmp_path, **there)
    assert (done.code, done.err) == (0, "")
    done = bound_fedfer("data", "show", *SMALL[:4], "--out", "data", cwd=tmp_path, **there)
    assert (done.code, done.err) == (0, "")
    assert list(locked.iterdir()) == []


@slow
def test_a_user_without_a_name_and_a_home(warm: Path) -> None:
    with tempfile.TemporaryDirectory(prefix="ff") as name:
        place = Path(name)
        place.chmod(0o777)
        refused = nameless("run", *SMALL, cwd=place, HOME="/nonexistent")
        assert_refused(refused)
        assert "the cache folder /nonexistent/.cache/fedfer/scan cannot be written" in refused.err
        assert_refused(refused := nameless("run", *SMALL, cwd=place))
        assert "the home folder is not known" in refused.err
        words = ["run", *settings(federation__rounds=2), "--no-baseline", "--out", "run"]
        shutil.copytree(warm, place / "cache")
        for path in (place / "cache", *(place / "cache").rglob("*")):
            shutil.chown(path, NAMELESS, NAMELESS)
        done = nameless(*words, cwd=place, FEDFER_CACHE=str(place / "cache"))
        assert (done.code, done.err) == (0, "")


@slow
def test_a_cache_in_which_single_things_belong_to_others(tmp_path: Path, encoders: Path) -> None:
    """Which this model, that nothing is compiled for, meets as any other does."""
    cache = shutil.copytree(encoders, tmp_path / "cache")
    (cache / "numba" / "local_0").mkdir(parents=True)
    (cache / "numba" / "local_0").chmod(0o555)
    words = ["baseline", *settings(model__name="majority"), "--out", "run"]
    done = bound_fedfer(*words, cwd=tmp_path, FEDFER_CACHE=str(cache))
    assert done.code == 0, done.err
    assert done.err.startswith("fedfer: numba recompiles")
    (cache / "scan").mkdir(exist_ok=True)
    (cache / "scan" / "x.json").write_text("{}")
    (cache / "scan" / "x.json").chmod(0o000)
    assert_refused(refused := bound_fedfer("run", *SMALL, cwd=tmp_path, FEDFER_CACHE=str(cache)))
    assert f"holds {cache}/scan/x.json, which this user may not use; change its owner" in refused.err


@slow
def test_a_cache_of_which_parts_belong_to_others(short_run: Path, encoders: Path, tmp_path: Path) -> None:
    cache = shutil.copytree(encoders, tmp_path / "cache")
    for name in ("numba", "matplotlib"):
        (cache / name).mkdir(parents=True)
        (cache / name).chmod(0o555)
    temporary = tmp_path / "tmp"
    temporary.mkdir()
    there = {"FEDFER_CACHE": str(cache), "TMPDIR": str(temporary)}
    done = bound_fedfer("run", *SMALL, "--out", "run", cwd=tmp_path, **there)
    assert done.code == 0
    assert done.err == (
        f"fedfer: numba recompiles, about 30 s: the cache folder {cache}/numba cannot be written"
        " (Permission denied); change its owner, or set FEDFER_CACHE to another\n"
    )
    assert list(temporary.iterdir()) == []
    heads = [(run / "head.safetensors").read_bytes() for run in (tmp_path / "run", short_run)]
    assert heads[0] == heads[1]
    (cache / "looks").mkdir(exist_ok=True)
    (cache / "looks").chmod(0o555)
    assert_refused(done := bound_fedfer("run", *SMALL, "--out", "new", cwd=tmp_path, **there))
    assert f"the cache folder {cache}/looks cannot be written (Permission denied)" in done.err


@pytest.mark.parametrize("closed", few_quick(["<&-", ">&-", "2>&-", "<&- >&- 2>&-"]))
def test_streams_that_are_closed(tmp_path: Path, run_cache: str, closed: str) -> None:
    def run(command: str) -> "subprocess.CompletedProcess[str]":
        return subprocess.run(
            ["sh", "-c", f"{FEDFER} {command} {closed}"], cwd=tmp_path,
            env=os.environ | {"FEDFER_CACHE": run_cache}, capture_output=True, text=True,
        )  # fmt: skip

    assert run("--version").returncode == 0
    done = run("run --data nowhere")
    assert done.returncode == 2
    assert done.stderr.count("\n") == ("2>&-" not in closed)
    assert "Traceback" not in done.stderr


@slow
@pytest.mark.parametrize("closed", [">&-", "<&- >&- 2>&-"])
def test_a_run_with_streams_that_are_closed(tmp_path: Path, run_cache: str, closed: str) -> None:
    words = " ".join(["run", *settings(federation__rounds=2), "--out run --no-baseline"])
    done = subprocess.run(
        ["sh", "-c", f"{FEDFER} {words} {closed}"],
        cwd=tmp_path, env=os.environ | {"FEDFER_CACHE": run_cache}, capture_output=True, text=True,
    )  # fmt: skip
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
    assert (tmp_path / "run" / "report.html").exists()


def test_a_notebook_has_streams_of_its_own(monkeypatch: pytest.MonkeyPatch) -> None:
    class Bare:
        def write(self, text: str) -> int:
            return len(text)

        def flush(self) -> None:
            pass

    for stream in (Notebook(), Bare()):
        monkeypatch.setattr(sys, "stdout", stream)
        monkeypatch.setattr(sys, "stderr", stream)
        assert not surroundings.on_terminal(stream)
        with Display() as display, display.stage("Photos", unit="photos") as step:
            step(1, 1)


@pytest.mark.usefixtures("own_cache")
def test_from_another_thread(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where signals cannot be listened to."""
    from simulations.cli import main as cli

    monkeypatch.chdir(tmp_path)
    ends = []

    def call(*words: str) -> None:
        monkeypatch.setattr(sys, "argv", ["fedfer", *words])
        try:
            cli.main()
        except SystemExit as end:
            ends.append(end.code)

    for stream in ("stdout", "stderr"):
        monkeypatch.setattr(sys, stream, Notebook())
    words = ["run", "--data", "nowhere"]
    thread = threading.Thread(target=call, args=words)
    thread.start()
    thread.join()
    assert ends == [2]
    assert sys.stderr.text.startswith("fedfer: data.source: no such file")  # type: ignore[attr-defined]


@slow
@pytest.mark.parametrize("engine", ["ray", "flower"])
def test_a_run_in_a_notebook_from_another_thread(tmp_path: Path, run_cache: str, engine: str) -> None:
    code = (
        "import sys, threading; sys.path.append(sys.argv.pop(1)); from support_notebook import Notebook\n"
        "from simulations.cli.main import main\n"
        "sys.stdout, sys.stderr = Notebook(), Notebook()\n"
        "thread = threading.Thread(target=main); thread.start(); thread.join()\n"
        "print(sys.stderr.text, file=sys.__stderr__, end=''); print(sys.stdout.text, file=sys.__stdout__)"
    )
    words = [
        "run",
        *settings(federation__rounds=2, federation__engine=engine),
        "--no-baseline",
        "--out",
        "run",
    ]
    done = python(code, "", str(Path(__file__).parent), *words, cwd=tmp_path, FEDFER_CACHE=run_cache)
    assert done.err == ""
    assert "Open run/report.html" in done.out


def test_what_a_closed_stream_is_given_is_inherited() -> None:
    code = (
        "import os; os.close(1); import sys; sys.stdout = None\n"
        "from simulations.engines.surroundings import open_streams; open_streams()\n"
        "print('nothing', flush=True); import subprocess\n"
        "sys.exit(subprocess.run([sys.executable, '-c', 'print(1, flush=True)']).returncode)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


def test_libraries_get_folders_of_the_cache(here: Here, monkeypatch: pytest.MonkeyPatch) -> None:
    cache = os.environ["FEDFER_CACHE"]
    for name in ("NUMBA_CACHE_DIR", "MPLCONFIGDIR", "FLWR_HOME", "HF_HOME", "XDG_CACHE_HOME"):
        monkeypatch.setenv(name, "")
    monkeypatch.setenv("HOME", "/proc/nobody")
    surroundings.settle()
    assert os.environ["NUMBA_CACHE_DIR"] == f"{cache}/numba"
    assert os.environ["MPLCONFIGDIR"] == f"{cache}/matplotlib"
    assert os.environ["FLWR_HOME"] == f"{cache}/flower"
    assert os.environ["HF_HOME"] == f"{cache}/huggingface"
    assert not Path(cache).exists()
    monkeypatch.setenv("FLWR_HOME", "/mine")
    monkeypatch.setenv("HF_HOME", "")
    monkeypatch.setenv("HOME", str(here.folder))
    surroundings.settle()
    assert (os.environ["FLWR_HOME"], os.environ["HF_HOME"]) == ("/mine", "")
    assert list(here.folder.iterdir()) == []


@pytest.mark.parametrize(
    ("said", "there"),
    [(".", "{here}"), ("a:/b:", "{here}/a:/b"), ("", ""), (":", ":")],
)
def test_what_begins_elsewhere_finds_the_same_modules(
    here: Here, monkeypatch: pytest.MonkeyPatch, said: str, there: str
) -> None:
    monkeypatch.setenv("PYTHONPATH", said)
    surroundings.settle()
    assert os.environ["PYTHONPATH"] == there.format(here=here.folder)
