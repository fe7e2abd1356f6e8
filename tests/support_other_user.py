"""Commands of a user whom permissions bind: root's way round them is taken from where tests run as root, or
they run as a user without a name, a home and a group.
"""

import ctypes
import os
import shutil
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import pytest
from support_commands import FEDFER, Done

NAMELESS = 54321
_BARE = (
    "HOME",
    "USER",
    "LOGNAME",
    "FEDFER_CACHE",
    "XDG_CACHE_HOME",
    "NUMBA_CACHE_DIR",
    "MPLCONFIGDIR",
    "FLWR_HOME",
    "HF_HOME",
)


def bound(command: Sequence[str | Path], cwd: Path, **environment: str) -> Done:
    """Runs it bound by permissions, with none of the variables that name folders but those given here."""
    prefix = []
    if os.getuid() == 0:
        _need_setpriv()
        override = "-dac_override,-dac_read_search"
        prefix = ["setpriv", f"--bounding-set={override}", f"--inh-caps={override}"]
    return _run([*prefix, *command], cwd, environment)


def nameless(*arguments: str | Path, cwd: Path, **environment: str) -> Done:
    """Runs `fedfer` as the user NAMELESS, unknown here; skips where that one cannot reach Python."""
    if os.getuid() != 0:
        pytest.skip("only root can run a command as another user")
    _need_setpriv()
    other = ["setpriv", f"--reuid={NAMELESS}", f"--regid={NAMELESS}", "--clear-groups"]
    reached = f"import ctypes, numpy, simulations; assert ctypes.__file__ == {ctypes.__file__!r}"
    if _run([*other, sys.executable, "-c", reached], cwd, {}).code:
        pytest.skip("Python lies where other users cannot reach it")
    return _run([*other, FEDFER, *arguments], cwd, environment)


def _need_setpriv() -> None:
    if shutil.which("setpriv") is None:
        pytest.skip("setpriv, which runs a command with fewer rights, is not here")


def _run(command: Sequence[str | Path], cwd: Path, environment: dict[str, str]) -> Done:
    bare = {name: value for name, value in os.environ.items() if name not in _BARE}
    done = subprocess.run(
        list(map(str, command)),
        cwd=cwd,
        env=bare | environment,
        capture_output=True,
        text=True,
        timeout=250,
    )
    return Done(done.returncode, done.stdout, done.stderr)


def bound_fedfer(*arguments: str | Path, cwd: Path, **environment: str) -> Done:
    """Runs `fedfer` so."""
    return bound([FEDFER, *arguments], cwd, **environment)
