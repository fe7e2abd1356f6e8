"""The command, killed as a function of ours is called."""

import signal
from pathlib import Path

from support_commands import python

# The command, in which one function is deadly: its call number `number` writes half of what it should.
DEADLY = """
import os, signal, sys
from importlib import import_module
module, name, number, *arguments = sys.argv[1:]
owner = import_module(module)
*path, name = name.split(".")
for part in path:
    owner = getattr(owner, part)
whole, calls = getattr(owner, name), 0
def deadly(*given, **named):
    global calls
    calls += 1
    if calls == int(number):
        if name == "write_bytes":
            whole(given[0], given[1][:len(given[1]) // 2])
        os.kill(os.getpid(), signal.SIGKILL)
    return whole(*given, **named)
setattr(owner, name, deadly)
from simulations.cli import main as cli
sys.argv = ["fedfer", *arguments]
cli.main()
"""


def die(at: str, number: int, *arguments: str, cwd: Path, cache: str) -> None:
    """Runs the command until the function `at`, module:name, is called for the time `number`."""
    done = python(DEADLY, "", *at.split(":"), str(number), *arguments, cwd=cwd, FEDFER_CACHE=cache)
    assert done.code == -signal.SIGKILL, done
