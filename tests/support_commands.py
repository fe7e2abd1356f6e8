"""The command line as a user meets it: in a process of its own, or in this one where that is quick."""

import atexit
import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import pytest
import support_forks

from simulations.cli import main as cli
from simulations.engines.interrupt import SIGNALS

MAIN = "from simulations.cli.main import main; main()"  # what the program does
Process = subprocess.Popen[str] | support_forks.Forked
FEDFER = str(Path(sys.executable).with_name("fedfer"))
SMALL = {  # a whole run in seconds
    "sketch.faces": 300,
    "sketch.subjects": 30,
    "data.balance": 40,
    "data.image_size": 64,
    "federation.phones": 10,
    "federation.rounds": 24,
    "federation.nodes": 2,
    "checkpoint.every": 5,
    "model.weights": "random",
}
# Rounds that take long enough to be met.
LONG = {"federation__local_epochs": 400, "federation__rounds": 6, "evaluation__every": 6}


@dataclass(frozen=True)
class Done:
    """How a command ended."""

    code: int
    out: str
    err: str


def settings(**changes: object) -> list[str]:
    """--set options of the small run; federation__rounds=5 is federation.rounds=5."""
    values = SMALL | {name.replace("__", "."): value for name, value in changes.items()}
    return [word for name, value in values.items() for word in ("--set", f"{name}={value}")]


def fedfer(*arguments: str | Path, cwd: Path | None = None, **environment: str) -> Done:
    """Runs `fedfer` in a process of its own."""
    return python(MAIN, "fedfer", *map(str, arguments), cwd=cwd, **environment)


def python(code: str, *words: str, cwd: Path | None = None, **environment: str) -> Done:
    """Runs lines of Python with this sys.argv in a process of its own."""
    process = _process(code, words, cwd or Path.cwd(), os.environ | environment)
    out, err = process.communicate(timeout=280)
    assert process.returncode is not None
    return Done(process.returncode, out, err)


def fresh_fedfer(*arguments: str | Path, cwd: Path | None = None, **environment: str) -> Done:
    """Runs the program `fedfer` from its very beginning, where that is what counts."""
    done = subprocess.run(
        [FEDFER, *map(str, arguments)],
        cwd=cwd,
        env=os.environ | environment,
        capture_output=True,
        text=True,
        timeout=280,
    )
    return Done(done.returncode, done.stdout, done.stderr)


def _process(code: str | None, words: Sequence[str], cwd: Path, environment: dict[str, str]) -> Process:
    """Runs `code` with these words, by a fork of what has imported everything; or the command `words`."""
    alone = not environment.get("RAY_ADDRESS")  # which Ray reads as it is imported
    if code is not None and alone and support_forks.can_fork():
        return support_forks.start(code, words, cwd, environment)
    begin = [] if code is None else [sys.executable, "-P", "-c", f"import sys; del sys.argv[0]\n{code}"]
    return subprocess.Popen(
        [*begin, *words], cwd=cwd, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
        start_new_session=True,
    )  # fmt: skip


class Running:
    """A command as a terminal starts it: in a session of its own; with a temporary folder of its own.

    Or lines of Python, `code`, of which `words` are the sys.argv.
    """

    def __init__(
        self, words: Sequence[str], cwd: Path, environment: dict[str, str], code: str | None = None
    ) -> None:
        self.temporary = tempfile.mkdtemp(prefix="ff")  # short, and below the usual one
        atexit.register(shutil.rmtree, self.temporary, ignore_errors=True)
        own = {"TMPDIR": self.temporary, "PYTHONUNBUFFERED": "1"}
        self.process = _process(code, words, cwd, os.environ | environment | own)
        self._seen = ""

    def until(self, words: str) -> None:
        """Waits for a line of the output that holds `words`."""
        assert self.process.stdout
        for line in self.process.stdout:
            self._seen += line
            if words in line:
                return
        done = self.wait()
        raise AssertionError(f"{words!r} did not come: {self._seen} {done.err}")

    def send(self, number: signal.Signals, *, group: bool = False) -> None:
        """A signal to the command alone, or to its process group as Ctrl-C in a terminal."""
        (os.killpg if group else os.kill)(self.process.pid, number)

    def wait(self, seconds: float = 200) -> Done:
        try:
            out, err = self.process.communicate(timeout=seconds)
        except subprocess.TimeoutExpired:
            os.killpg(self.process.pid, signal.SIGKILL)
            raise
        return Done(self.process.returncode, self._seen + out, err)

    def processes(self) -> list[int]:
        """The processes that came from the command and are still at work."""
        import ray  # noqa: F401  brings psutil
        from psutil import STATUS_ZOMBIE, Error, process_iter

        found = []
        for process in process_iter():
            with suppress(Error, OSError):
                if os.getsid(process.pid) == self.process.pid and process.status() != STATUS_ZOMBIE:
                    found.append(process.pid)
        return found

    def workers(self) -> list[int]:
        """The processes of Ray's in which nodes train, of the engines "ray" and "flower"."""
        from psutil import Process

        names = ("ray::Worker", "ray::ClientAppActor")
        return [one for one in self.processes() if " ".join(Process(one).cmdline()).startswith(names)]

    def until_nothing_is_left(self) -> None:
        """Waits until no process and no folder of a command that was killed is there any more."""
        deadline = time.monotonic() + 15
        while self.processes() or [n for n in os.listdir(self.temporary) if n.startswith("fedfer-")]:
            assert time.monotonic() < deadline, (self.processes(), os.listdir(self.temporary))
            time.sleep(0.1)
        shutil.rmtree(self.temporary)

    def left(self) -> list[object]:
        """What the ended command left behind: processes and temporary folders."""
        folders = [name for name in os.listdir(self.temporary) if name.startswith("fedfer-")]
        shutil.rmtree(self.temporary)
        return [*self.processes(), *folders]


def started(*arguments: str | Path, cwd: Path, **environment: str) -> Running:
    """Starts `fedfer` in a process of its own."""
    return Running(["fedfer", *map(str, arguments)], cwd, environment, MAIN)


def fresh_started(*arguments: str | Path, cwd: Path, **environment: str) -> Running:
    """Starts the program `fedfer` from its very beginning."""
    return Running([FEDFER, *map(str, arguments)], cwd, environment)


def wait_for_rounds(folder: Path, number: int) -> None:
    """Waits until a run has written so many rounds, or epochs."""
    path, deadline = folder / "rounds.jsonl", time.monotonic() + 200
    while not (path.exists() and len(path.read_text().splitlines()) >= number):
        assert time.monotonic() < deadline, f"{path} has not come to {number} lines"
        time.sleep(0.02)


class Here:
    """Runs `fedfer` in this process, in a folder of its own."""

    def __init__(self, folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture) -> None:
        self.folder, self._monkeypatch, self._capsys = folder, monkeypatch, capsys
        monkeypatch.chdir(folder)

    def run(self, *arguments: str | Path) -> Done:
        self._monkeypatch.setattr(sys, "argv", ["fedfer", *map(str, arguments)])
        handlers = {number: signal.getsignal(number) for number in SIGNALS}
        environment = dict(os.environ)
        self._capsys.readouterr()
        try:
            cli.main()
            code: object = 0
        except SystemExit as end:
            code = end.code
        finally:
            for number, handler in handlers.items():
                signal.signal(number, handler)
            os.environ.clear()
            os.environ.update(environment)
        printed = self._capsys.readouterr()
        assert isinstance(code, int)
        return Done(code, printed.out, printed.err)

    def refused(self, *arguments: str | Path, words: str = "") -> str:
        """The one line with which the command refuses, after a check that nothing else happened."""
        before = set(self.folder.rglob("*"))
        done = self.run(*arguments)
        assert_refused(done)
        assert set(self.folder.rglob("*")) == before
        assert re.search(words, done.err), done.err
        return done.err.strip()


def assert_refused(done: Done) -> None:
    assert done.code == 2, done.err
    assert re.fullmatch(r"fedfer: [^\n]+\n", done.err), done.err
    assert "Traceback" not in done.err + done.out
    assert not re.search(r"Errno|^unexpected|object at 0x|\bNone\b", done.err), done.err
