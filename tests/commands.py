"""The command line as a user meets it: in a process of its own, or in this one where that is quick."""

import os
import re
import signal
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import pytest

from simulations import cli
from simulations.interrupt import SIGNALS

FEDFER = str(Path(sys.executable).with_name("fedfer"))
SMALL = {  # a whole run in seconds
    "sketch.faces": 300,
    "sketch.subjects": 30,
    "data.balance": 40,
    "data.image_size": 64,
    "federation.phones": 10,
    "federation.rounds": 3,
    "model.weights": "random",
}


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
    done = subprocess.run(
        [FEDFER, *map(str, arguments)],
        cwd=cwd,
        env=os.environ | environment,
        capture_output=True,
        text=True,
        timeout=280,
    )
    return Done(done.returncode, done.stdout, done.stderr)


class Here:
    """Runs `fedfer` in this process, in a folder of its own."""

    def __init__(self, folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture) -> None:
        self.folder, self._monkeypatch, self._capsys = folder, monkeypatch, capsys
        monkeypatch.chdir(folder)

    def run(self, *arguments: str | Path) -> Done:
        self._monkeypatch.setattr(sys, "argv", ["fedfer", *map(str, arguments)])
        handlers = {number: signal.getsignal(number) for number in SIGNALS}
        self._capsys.readouterr()
        try:
            cli.main()
            code: object = 0
        except SystemExit as end:
            code = end.code
        finally:
            for number, handler in handlers.items():
                signal.signal(number, handler)
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
