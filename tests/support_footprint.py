"""What a command uses while it runs, with all its processes: an instrument of the tests and of docs/.

    python tests/support_footprint.py OUT.csv fedfer run ...

writes a line every half second: seconds, memory (proportional set size, MB), processes, threads, open files,
MB of the run folder (of --out) on disk.
"""

import csv
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import astuple, dataclass, fields
from pathlib import Path

import psutil

_PAUSE = 0.5  # seconds


@dataclass(frozen=True)
class Footprint:
    """Of a process and all that came from it."""

    seconds: float
    megabytes: float  # proportional set size: shared pages are counted once
    processes: int
    threads: int
    files: int
    disk_megabytes: float


def footprint(process: int, began: float, folder: Path | None = None) -> Footprint:
    """What it uses now; processes that end meanwhile are left out."""
    memory, number, threads, files = 0, 0, 0, 0
    for one in [psutil.Process(process), *psutil.Process(process).children(recursive=True)]:
        with suppress(psutil.Error, OSError):
            rollup = Path(f"/proc/{one.pid}/smaps_rollup").read_text()
            kilobytes = next(int(line.split()[1]) for line in rollup.splitlines() if line.startswith("Pss:"))
            threads, files = threads + one.num_threads(), files + one.num_fds()
            memory, number = memory + kilobytes, number + 1
    disk = (
        sum(p.stat().st_size for p in folder.rglob("*") if p.is_file()) if folder and folder.exists() else 0
    )
    return Footprint(time.monotonic() - began, memory / 1024, number, threads, files, disk / 2**20)


def watched(process: "subprocess.Popen[bytes]", folder: Path | None = None) -> Iterator[Footprint]:
    """Its footprints until it ends."""
    began = time.monotonic()
    while process.poll() is None:
        with suppress(psutil.Error):
            yield footprint(process.pid, began, folder)
        time.sleep(_PAUSE)


if __name__ == "__main__":
    target, *command = sys.argv[1:]
    out = Path(command[command.index("--out") + 1]) if "--out" in command else None
    running = subprocess.Popen(command, env=os.environ)
    with open(target, "w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow([field.name for field in fields(Footprint)])
        for found in watched(running, out):
            writer.writerow([f"{value:.1f}" for value in astuple(found)])
            file.flush()
    sys.exit(running.returncode)
