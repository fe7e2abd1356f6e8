"""The command line itself: help, its speed, usage errors, pipes; and what a run leaves when it is refused."""

import os
import subprocess
import sys
from importlib.metadata import version
from pathlib import Path

import pytest
from support_commands import FEDFER, Done, Here, assert_refused


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture) -> Here:
    monkeypatch.setenv("FEDFER_CACHE", str(tmp_path.parent / "cache"))
    return Here(tmp_path, monkeypatch, capsys)


def test_help_imports_nothing_heavy() -> None:
    code = (
        "import sys; from simulations.cli import main as cli\n"
        "heavy = {'torch', 'numpy', 'flwr', 'ray', 'onnxruntime', 'numba', 'matplotlib', 'pydantic', 'PIL'}\n"
        "print(sorted(heavy & set(sys.modules)))"
    )
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert found.stdout == "[]\n", found.stderr


def test_help_names_the_commands_and_their_options(here: Here) -> None:
    for option in ("--help", "-h"):
        done = here.run(option)
        assert (done.code, done.err) == (0, "")
        assert all(name in done.out for name in ("run", "baseline", "speed"))
    assert "--resume DIR" in here.run("run", "--help").out
    assert "default: quickstart" in here.run("baseline", "--help").out


def test_help_is_plain_text(here: Here) -> None:
    for command in ("run", "baseline", "study", "sweep", "predict", "speed", "audit", "data", "data show"):
        shown = here.run(*command.split(), "--help").out
        assert not set("\\\\`") & set(shown), shown
    assert "..." not in here.run("--help").out.split("Commands:")[1]
    assert "Number of seeds (1 or more), from run.seed on; default: 1." in here.run("study", "--help").out


def test_the_version(here: Here) -> None:
    assert here.run("--version").out == f"fedfer {version('fedfer')}\n"


def test_without_a_home_it_says_what_to_do(tmp_path: Path) -> None:
    # No HOME and no entry for the user: os.path.expanduser leaves "~", pathlib raises RuntimeError.
    code = (
        "import pwd; pwd.getpwuid = lambda user: {}[user]\n"
        "import sys; sys.argv = ['fedfer', 'run', '--out', 'out']\n"
        "from simulations.cli.main import main; main()"
    )
    lonely = {k: v for k, v in os.environ.items() if k not in ("HOME", "FEDFER_CACHE", "XDG_CACHE_HOME")}
    done = subprocess.run(
        [sys.executable, "-c", code], env=lonely, cwd=tmp_path, capture_output=True, text=True
    )
    assert_refused(Done(done.returncode, done.stdout, done.stderr))
    assert "set FEDFER_CACHE to a folder" in done.stderr
    assert list(tmp_path.iterdir()) == []


def test_no_command_is_an_error_with_the_help_before_it(here: Here) -> None:
    done = here.run()
    assert_refused(done)
    assert "Commands:" in done.out


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["runn"], r"No such command 'runn'.*see fedfer --help"),
        (["--fast"], r"No such option '--fast'.*see fedfer --help"),
        (["run", "--fast"], r"No such option '--fast'.*see fedfer run --help"),
        (["run", "--set"], r"'--set' requires an argument; see fedfer"),
        (["run", "--out"], r"'--out' requires an argument"),
        (["run", "--quiet=yes"], r"'--quiet' does not take a value"),
        (["run", "quickstart", "more"], r"unexpected extra argument \(more\)"),
        (["baseline", "--resume", "x"], r"No such option '--resume'"),
        (["run", "--set", "lr=1"], r'--set takes SECTION.KEY=VALUE, got "lr=1"; did you mean train.lr\?'),
        (["run", "--set", "train.lr"], r'--set takes SECTION.KEY=VALUE, got "train.lr"; for example'),
        (["run", "--out", ""], "--out: the name is empty"),
        (["run", "--resume", ""], "--resume: the name is empty"),
    ],
)
def test_usage_errors_are_one_line(here: Here, arguments: list[str], words: str) -> None:
    here.refused(*arguments, words=words)


def test_arguments_that_are_no_text(tmp_path: Path) -> None:
    (tmp_path / os.fsdecode(b"\xff")).mkdir()
    for option in ("--data", "--out", "--resume"):
        done = subprocess.run([FEDFER.encode(), b"run", option.encode(), b"\xff"], capture_output=True)
        assert_refused(Done(done.returncode, done.stdout.decode(), done.stderr.decode()))
        assert rb"\xff is not UTF-8; rename" in done.stderr


def test_a_reader_that_leaves_is_no_error() -> None:
    for arguments in (["--help"], ["run", "--help"], []):
        reading, writing = os.pipe()
        os.close(reading)
        done = subprocess.run([FEDFER, *arguments], stdout=writing, stderr=subprocess.PIPE, text=True)
        os.close(writing)
        assert "Traceback" not in done.stderr
        assert "BrokenPipe" not in done.stderr


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs /dev/full")
def test_a_full_disk_is_named() -> None:
    with open("/dev/full", "w") as full:
        done = subprocess.run([FEDFER, "--help"], stdout=full, stderr=subprocess.PIPE, text=True)
    assert done.returncode == 1
    assert done.stderr == "fedfer: No space left on device\n"


def test_an_output_folder_in_use_or_out_of_reach(here: Here) -> None:
    used, file = here.folder / "used", here.folder / "file"
    used.mkdir()
    (used / "notes.txt").write_text("mine")
    file.write_text("mine")
    for command in ("run", "baseline", "speed"):
        here.refused(
            command, "--out", used, words=r"--out: .*used is in use; give a folder that is new or empty"
        )
        here.refused(command, "--out", file, words=r"--out: .*file is in use")
    for hopeless in (file / "below", Path("/proc/fedfer"), here.folder / ("x" * 300)):
        here.refused(
            "run", "--out", hopeless, words=r"--out: .* cannot be written \(.*\); give another folder"
        )
    assert (used / "notes.txt").read_text() == file.read_text() == "mine"


def test_folders_above_the_output_folder_need_not_exist(here: Here) -> None:
    here.refused("run", "--out", "a/b/c", "--data", "nowhere", words="no such file or folder")


def test_a_cache_that_cannot_be_written(here: Here, monkeypatch: pytest.MonkeyPatch) -> None:
    (here.folder / "file").write_text("")
    for cache in ("/proc/fedfer", str(here.folder / "file"), str(here.folder / "file" / "below")):
        monkeypatch.setenv("FEDFER_CACHE", cache)
        line = here.refused("run", words=r"the cache folder .* cannot be written \(.*\); set FEDFER_CACHE to")
        assert cache in line
