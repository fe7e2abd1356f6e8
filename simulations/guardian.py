"""Sees to it that nothing of a Ray outlives the process that began it, also where that one is killed.

A process that is killed cannot clean up, and not all of Ray's notice that it is gone. So a small process
waits for the end, of which a pipe tells, and then ends every process that has a file in Ray's folder open, as
all of them have their logs, and removes the folder. It is this file, as a script.
"""

import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress

_PATIENCE = 10.0  # seconds for processes to end
_PAUSE = 0.3  # between looks for those that are left


@contextmanager
def guarded(folder: str) -> Iterator[None]:
    """Ray's folder and what works in it are gone soon after this process, however it ends.

    A block that ends has cleaned up by itself.
    """
    with subprocess.Popen(
        [sys.executable, __file__, folder],
        stdin=subprocess.PIPE,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,  # a signal to the terminal's processes is not for it
    ) as guardian:
        assert guardian.stdin
        try:
            yield
        finally:
            with suppress(BrokenPipeError):
                guardian.stdin.write(b"done")
                guardian.stdin.flush()


def _main(folder: str) -> None:
    """Waits for the end of who began this process."""
    if sys.stdin.buffer.read() == b"done":
        return
    deadline = time.monotonic() + _PATIENCE
    quiet = 0
    while quiet < 2 and time.monotonic() < deadline:
        quiet = 0 if _kill(folder) else quiet + 1
        time.sleep(_PAUSE)
    shutil.rmtree(folder, ignore_errors=True)


def _kill(folder: str) -> int:
    """Kills every process with an open file in the folder; returns how many there were."""
    import psutil

    found = 0
    for process in psutil.process_iter():
        with suppress(psutil.Error, OSError):
            if any(file.path.startswith(f"{folder}/") for file in process.open_files()):
                process.kill()
                found += 1
    return found


if __name__ == "__main__":
    _main(*sys.argv[1:])
