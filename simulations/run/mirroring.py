"""The mirrors of one run while it goes on: rounds are passed on as recorded; a mirror cannot fail the run.

A mirror gets each round once: when a run is resumed, the rounds that its store holds are skipped (they are
the same), and those that it lacks are made up from rounds.jsonl.
"""

from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from functools import partial
from pathlib import Path
from typing import Any

from fer_models.errors import first_cause
from fer_models.pages.options import as_toml
from fer_models.run_folder.environment import Environment
from fer_models.run_folder.folder import RunFolder, read_rounds
from fer_models.run_folder.rounds import RoundRecord
from fer_models.run_folder.summary import Summary
from simulations.config import Config
from simulations.mirrors.base import Copy, Mirrored, final_scores_of, scores_of
from simulations.mirrors.registry import MIRRORS
from simulations.terminal.display import Display


class Mirrors:
    """The open copies of a run. One that fails is told once, closed as not finished, and left as it is."""

    def __init__(self, run: Mirrored, names: Iterable[str], tell: Callable[[str], None]) -> None:
        """Opens each of `names`; `tell` gets a line for each that fails."""
        self._tell, self._finished = tell, False
        self._copies: dict[str, Copy] = {}
        for name in names:
            self._safely(name, self._open, name, run)

    def add(self, record: RoundRecord) -> None:
        """Passes a round on to the copies that lack it."""
        for name, copy in list(self._copies.items()):
            if record.round > copy.last:
                self._safely(name, copy.add, record.round, scores_of(record))

    def end(self, summary: Summary) -> None:
        """Passes the scores on the test photos on: the run is finished."""
        self._finished = True
        for name, copy in list(self._copies.items()):
            self._safely(name, copy.end, final_scores_of(summary))

    def close(self) -> None:
        """Closes the copies."""
        for name, copy in list(self._copies.items()):
            del self._copies[name]  # one that cannot be closed is not closed again
            self._safely(name, partial(copy.close, finished=self._finished))

    def _open(self, name: str, run: Mirrored) -> None:
        self._copies[name] = MIRRORS.page(name)().open(run)

    def _safely(self, name: str, act: Callable[..., None], *values: Any) -> None:
        try:
            act(*values)
        except Exception as error:
            if copy := self._copies.pop(name, None):
                with suppress(Exception):  # what failed first is told
                    copy.close(finished=False)
            self._tell(f"Mirror {name} failed ({first_cause(error)}); the run goes on without it")


@contextmanager
def mirrored(
    config: Config, log: RunFolder, home: Path, *, experiment: str, federated: bool, display: Display
) -> Iterator[Mirrors]:
    """The mirrors that `report.mirror` names, of the run that writes to `log`, open in the block.

    `home` is the run folder of the command: `log` is the same folder, or that of a baseline in it.
    """
    part = log.path.name if log.path != home else "federated" if federated else "centralized"
    sections = config.model_dump(mode="json").items()
    settings = {f"{section}.{key}": as_toml(v) for section, keys in sections for key, v in keys.items()}
    run = Mirrored(home, part, experiment, Environment.read(log.path).date, settings)
    mirrors = Mirrors(run, config.report.mirror, display.warn)
    try:
        if config.report.mirror and log.rounds_path.exists():
            for record in read_rounds(log.path):
                mirrors.add(record)
        yield mirrors
    finally:
        mirrors.close()
