"""Sees to it that nothing of a Ray outlives the process that began it, also where that one is killed.

A process that is killed cannot clean up, not all of Ray's notice that it is gone, and a Ray that breaks down
ends the process that uses it on the spot. So a small process waits for the end, of which a pipe tells. Then
it ends every process that has a file in Ray's folder open, as all of them have their logs, keeps these,
removes the folder and says what happened. It is this file, as a script.
"""

import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

_PATIENCE = 10.0  # seconds for processes to end
_PAUSE = 0.3  # between looks for those that are left


@contextmanager
def watched(folder: str, logs: Path) -> Iterator[None]:
    """Ray's folder and what works in it are gone soon after this process, however it ends.

    A block that ends has cleaned up by itself. Where it is cut off, Ray's logs go to the folder `logs`.
    """
    with subprocess.Popen(
        [sys.executable, "-P", __file__, folder, str(logs.absolute())],  # -P: its neighbours are no modules
        stdin=subprocess.PIPE,
        stdout=subprocess.DEVNULL,
        bufsize=0,  # nothing is left to write when it is closed, should the guardian have been killed
        start_new_session=True,  # a signal to the terminal's processes is not for it
    ) as guardian:
        assert guardian.stdin
        try:
            yield
        finally:
            with suppress(BrokenPipeError):
                guardian.stdin.write(b"done")


def _main(folder: str, logs: str) -> None:
    """Waits for the end of who began this process."""
    if sys.stdin.buffer.read() == b"done":
        return
    deadline = time.monotonic() + _PATIENCE
    quiet = 0
    while quiet < 2 and time.monotonic() < deadline:
        quiet = 0 if _kill(folder) else quiet + 1
        time.sleep(_PAUSE)
    with suppress(OSError):
        shutil.copytree(Path(folder) / "session_latest" / "logs", logs, dirs_exist_ok=True)
    shutil.rmtree(folder, ignore_errors=True)
    with suppress(OSError):  # where nobody listens any more
        sys.stderr.write(
            f"fedfer: ended without a word: killed, or Ray broke down, whose logs are in {logs}; a run goes"
            " on with fedfer run --resume DIR\n"
        )


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
