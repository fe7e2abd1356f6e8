"""Makes sure that no part of a Ray outlives the process that started it, even if that process is killed.

A killed process cannot clean up, not all of Ray's processes notice that it is gone, and a Ray that crashes
ends the process that uses it at once. So a small process, this file as a script, waits on a pipe for that
end. Then it kills every process with an open file in Ray's folder (all of them have their logs there), keeps
the logs, removes the folder and reports what happened.
"""

import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

_PATIENCE = 10.0  # seconds for processes to end
_PAUSE = 0.3  # seconds between checks for those that are left


@contextmanager
def watched(folder: str, logs: Path) -> Iterator[None]:
    """Ray's folder and the processes in it are gone soon after this process, however it ends.

    A block that ends has cleaned up by itself. If it is cut off, Ray's logs go to the folder `logs`.
    """
    with subprocess.Popen(
        [sys.executable, "-P", __file__, folder, str(logs.absolute())],  # -P: its neighbours are not modules
        stdin=subprocess.PIPE,
        stdout=subprocess.DEVNULL,
        bufsize=0,  # nothing is left to flush on closing, in case the guardian was killed
        start_new_session=True,  # signals to the terminal's processes do not reach it
    ) as guardian:
        assert guardian.stdin
        try:
            yield
        finally:
            with suppress(BrokenPipeError):
                guardian.stdin.write(b"done")


def _main(folder: str, logs: str) -> None:
    """Waits for the end of the process that started this one."""
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
    with suppress(OSError):  # nobody may be reading any more
        sys.stderr.write(
            f"fedfer: ended unexpectedly: killed, or Ray crashed (its logs are in {logs}); resume a run with"
            " fedfer run --resume DIR\n"
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
