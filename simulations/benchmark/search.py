"""The search of an arm on a fold: every candidate is trained, the best on the fold's validation photos is
chosen.

The validation people are cut from the fold's own training part, so no test photo takes part in a choice, and
folds may choose differently.
"""

import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

from fer_models.data.images import ImageTable
from fer_models.errors import RunError
from fer_models.run_folder.files import Record, UnusableError
from fer_models.run_folder.folder import RunFolder, read_rounds
from fer_models.run_folder.rounds import RoundRecord
from simulations.benchmark.request import BenchmarkRequest, Cell
from simulations.benchmark.suite import Arm, Tables
from simulations.config import Config
from simulations.run.baselines import centralize, epoch_views
from simulations.run.request import Request
from simulations.run.rounds import ExistingGrid, Rounds
from simulations.terminal.display import Display
from simulations.world.prepare import Prepared, World, world_of


@dataclass(frozen=True)
class Tried:
    """One candidate."""

    settings: dict[str, dict[str, Any]]
    score: float | None  # on the validation photos; None if training failed


@dataclass(frozen=True)
class Search(Record):
    """What was tried for an arm on a fold, and what was chosen."""

    FILE: ClassVar[str] = "search.json"

    measure: str  # the score of the validation photos
    tried: tuple[Tried, ...]
    chosen: int  # index into `tried`

    @property
    def settings(self) -> Tables:
        """The settings chosen."""
        return self.tried[self.chosen].settings


def found(folder: Path) -> Search | None:
    """The finished search in the folder of an arm and fold; None if there is none, or it is damaged."""
    try:
        return Search.read(folder)
    except (OSError, UnusableError):
        return None


def chosen(request: BenchmarkRequest, arm: Arm, fold: int, table: ImageTable) -> Tables:
    """The settings chosen for an arm on a fold; searched for once, then read from its folder.

    RunError if every candidate fails.
    """
    if not arm.tune:
        return {}
    folder = request.fold_folder(arm.name, fold)
    if (before := found(folder)) is not None:
        return before.settings
    seed = request.suite.seed
    tried, why = [], ""
    for candidate in request.suite.candidates(arm):
        config = request.config_of(Cell(arm.name, fold, seed, seed), candidate)
        try:
            one = score(config, table, request.suite.choose, federated=arm.kind == "federated")
        except RunError as error:
            if error.resumable:
                raise
            one, why = None, str(error)
        tried.append(Tried(candidate, one))
    scores = [-1.0 if each.score is None else each.score for each in tried]
    if max(scores) < 0:
        raise RunError(f"every candidate of its search failed: {why}", resumable=False)
    search = Search(request.suite.choose, tuple(tried), scores.index(max(scores)))
    folder.mkdir(parents=True, exist_ok=True)
    search.write(folder)
    return search.settings


def score(config: Config, table: ImageTable, measure: str, *, federated: bool) -> float:
    """The score on the validation photos of what these settings train: of personal heads, if there are any.

    Nothing is written but to a temporary folder. RunError if training fails.
    """
    last = config.rounds if federated else 1_000_000
    if config.evaluation.select == "last":  # no other round matters
        config = config.model_copy(
            update={"evaluation": config.evaluation.model_copy(update={"every": last})}
        )
    world = world_of(config, table, phones=federated)
    prepared = world.prepare(lambda done, total, **facts: None)
    with tempfile.TemporaryDirectory(prefix="fedfer-search-") as folder:
        log = RunFolder(Path(folder, "run"))
        if federated:
            number = _federated(config, world, prepared, log)
        else:
            number = _central(config, world, prepared, log)
        record = next(record for record in read_rounds(log.path) if record.round == number)
    judged: Any = record if record.own_heads is None else record.own_heads
    names = {"accuracy": "val_accuracy", "macro_f1": "val_macro_f1"}
    return float(getattr(judged, measure if record.own_heads else names[measure]))


def _federated(config: Config, world: World, prepared: Prepared, log: RunFolder) -> int:
    from simulations.engines.launcher import begun

    request = Request("benchmark", config, log.path, "", baseline=False)
    with begun("process", 1, log.path / "logs") as run:
        rounds = Rounds(request, Display(quiet=True), world, prepared, ExistingGrid(run, 1))
        start, took = rounds.start(log)
        return rounds.train(log, start, took, time.perf_counter()).selection.number


def _central(config: Config, world: World, prepared: Prepared, log: RunFolder) -> int:
    def on_epoch(record: RoundRecord) -> None:
        log.append_round(record)

    views = epoch_views(config.baseline.epochs, config, prepared)
    return centralize(world, prepared, views, on_epoch)[0].number
