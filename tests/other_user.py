"""Commands of a user whom permissions bind: root's way round them is taken from where tests run as root."""

import os
import shutil
import subprocess
from collections.abc import Sequence
from pathlib import Path

import pytest
from commands import FEDFER, Done

_BARE = ("FEDFER_CACHE", "XDG_CACHE_HOME", "NUMBA_CACHE_DIR", "MPLCONFIGDIR", "FLWR_HOME", "HF_HOME")


def bound(command: Sequence[str | Path], cwd: Path, **environment: str) -> Done:
    """Runs it bound by permissions, with none of the variables that name folders but those given here."""
    prefix = []
    if os.getuid() == 0:
        if shutil.which("setpriv") is None:
            pytest.skip("setpriv, which takes root's way round permissions away, is not here")
        override = "-dac_override,-dac_read_search"
        prefix = ["setpriv", f"--bounding-set={override}", f"--inh-caps={override}"]
    bare = {name: value for name, value in os.environ.items() if name not in _BARE}
    done = subprocess.run(
        [*prefix, *map(str, command)],
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
