"""The runs of an arm on a fold, in a worker process: the arm is tuned first, then trained with every seed."""

from functools import lru_cache

from fer_models.config import DataConfig, SketchConfig
from fer_models.data.images import ImageTable, load_table
from fer_models.errors import InputError, RunError
from simulations.benchmark import search
from simulations.benchmark.request import BenchmarkRequest, Cell
from simulations.benchmark.suite import Arm
from simulations.config import Config
from simulations.run.request import Request
from simulations.run.runner import run_experiment
from simulations.terminal.display import Display


def train(request: BenchmarkRequest, arm: Arm, cells: tuple[Cell, ...]) -> str | None:
    """Trains an arm's unfinished `cells`, which are of one fold; returns why that failed, if the arm was
    at fault.
    """
    try:
        config = request.config_of(cells[0])
        table = table_of(config)
        chosen = search.chosen(request, arm, cells[0].fold, table)
        for cell in cells:
            run(request, arm, cell, request.config_of(cell, chosen), table)
    except InputError as error:  # such as a partition that needs people where none are known
        return str(error)
    except RunError as error:
        if error.resumable:
            raise
        return str(error)
    return None


def run(request: BenchmarkRequest, arm: Arm, cell: Cell, config: Config, table: ImageTable) -> None:
    """Trains one run in its folder, without a page: `fedfer report` makes one."""
    asked = Request(
        experiment=f"{request.named.name}: {arm.name}",
        config=config,
        folder=request.place_of(cell),
        command=request.command,
        federated=arm.kind == "federated",
        baseline=arm.kind == "central",
        brief=True,
    )
    run_experiment(asked, Display(quiet=True), table=table)


def table_of(config: Config) -> ImageTable:
    """The photos with the split of this fold; the last few are kept, so that arms share them."""
    return _table(config.data.model_dump_json(), config.sketch, config.run.split)


@lru_cache(maxsize=8)
def _table(data: str, sketch: SketchConfig, seed: int) -> ImageTable:
    return load_table(DataConfig.model_validate_json(data, strict=False), sketch, seed=seed)
