"""Trackio: a run in the folder that TRACKIO_DIR names, or else in `trackio` in the run folder.

To be read with `TRACKIO_DIR=DIR/trackio trackio show`. Written to its store directly: `trackio.init` would
start threads, and ask the Hugging Face hub who the user is.
"""

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

from simulations.mirrors.base import Copy, Mirror, Mirrored

_VARIABLE = "TRACKIO_DIR"


@dataclass(frozen=True)
class Trackio(Mirror):
    """Metrics over rounds, and the settings; a project of Trackio for each experiment."""

    package: ClassVar[str] = "trackio"
    extra: ClassVar[str] = "trackio"

    def open(self, run: Mirrored) -> Copy:
        """Finds the run by its id, or begins it."""
        folder = Path(os.environ.get(_VARIABLE) or run.home / "trackio").resolve()
        return _Run(_storage(folder), run)


def _storage(folder: Path) -> Any:
    """Trackio's store in a folder; RuntimeError if this process has opened another: it knows only one."""
    before = os.environ.get(_VARIABLE)
    os.environ[_VARIABLE] = str(folder)  # read once, at the first import
    try:
        from trackio.sqlite_storage import SQLiteStorage
        from trackio.utils import TRACKIO_DIR
    finally:
        if before is None:
            del os.environ[_VARIABLE]
        else:
            os.environ[_VARIABLE] = before
    if Path(TRACKIO_DIR).resolve() != folder:
        raise RuntimeError(
            f"this process already writes to {TRACKIO_DIR}, and trackio to one folder per process;"
            f" set {_VARIABLE} to a folder for all runs"
        )
    folder.mkdir(parents=True, exist_ok=True)
    return SQLiteStorage


class _Run(Copy):
    def __init__(self, storage: Any, run: Mirrored) -> None:
        self._storage, self._run = storage, run
        self.last = storage.get_last_step(run.experiment, run_id=run.id) or 0

    def add(self, number: int, scores: Mapping[str, float]) -> None:
        self._log(number, scores)
        self.last = number

    def end(self, scores: Mapping[str, float]) -> None:
        self._log(self.last, scores)

    def close(self, *, finished: bool) -> None:
        """Nothing is open: every round was written whole."""

    def _log(self, number: int, scores: Mapping[str, float]) -> None:
        run = self._run
        self._storage.bulk_log(
            project=run.experiment,
            run=run.name,
            metrics_list=[dict(scores)],
            steps=[number],
            config=dict(run.settings),
            run_id=run.id,
        )
