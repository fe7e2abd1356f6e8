"""Strategies x partitions x seeds: a federated run of each, in its own run folder, and one table.

The runs are those of `fedfer run` with the in-process engine, as many in parallel as there are cores.
Finished runs are never trained again: `fedfer sweep --out DIR` resumes the sweep in DIR. A process that is
killed costs only the run that it was training (simulations/sweep/workers.py).
"""

from concurrent.futures import as_completed

from fer_models.errors import InputError, RunError
from simulations.run.request import Request, check_cache, locked
from simulations.sweep.request import CENTRAL, Cell, SweepRequest
from simulations.sweep.workers import workers
from simulations.terminal.display import Display
from simulations.world.known_photos import tell
from simulations.world.prepare import survey


def run_sweep(sweep: SweepRequest, display: Display) -> list[str]:
    """Trains every unfinished cell; returns a line for each that failed."""
    check_cache()
    if sweep.left_out:
        display.note(f"left out, as the other settings do not fit them: {', '.join(sweep.left_out)}")
    _prepare(sweep, display)
    sweep.folder.mkdir(parents=True, exist_ok=True)
    with locked(sweep.folder):
        sweep.begin()
        left = [cell for cell in sweep.cells if not (sweep.place_of(cell) / "summary.json").exists()]
        done, failed = len(sweep.cells) - len(left), []
        with display.stage("Runs", unit="runs") as step, workers() as submit:
            step(done, len(sweep.cells))
            work = {submit(_train, _request(sweep, cell)): cell for cell in left}
            for future in as_completed(work):
                if reason := future.result():
                    failed.append(f"{work[future]}: {reason}")
                done += 1
                step(done, len(sweep.cells), last=str(work[future]))
    return failed


def _prepare(sweep: SweepRequest, display: Display) -> None:
    """Checks photos and partitions; computes the features, which the runs then find in the cache."""
    shown = False
    for seed in sweep.every_seed:
        for partition in sweep.partitions:
            config = sweep.config_of(Cell(partition, sweep.strategies[0], seed))
            with display.stage(f"Photos, {partition}, seed {seed}", unit="photos") as step:
                world = survey(config, step)
            if not shown:
                tell(world.table, display)
                shown = True
            with display.stage(f"{partition[0].upper()}{partition[1:]}, seed {seed}", unit="views") as step:
                world.prepare(step)


def _request(sweep: SweepRequest, cell: Cell) -> Request:
    config, federated = sweep.config_of(cell), cell.name not in CENTRAL
    return Request("sweep", config, sweep.place_of(cell), sweep.command, federated, baseline=False)


def _train(request: Request) -> str | None:
    """In a worker: trains one run; returns why it failed, if the run itself was at fault."""
    from simulations.run.runner import run_experiment

    try:
        run_experiment(request, Display(quiet=True))
    except InputError as error:
        return str(error)
    except RunError as error:
        if error.resumable:
            raise
        return str(error)
    return None
