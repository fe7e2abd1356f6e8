"""Strategies x partitions x seeds: a federated run of each, in a run folder of its own, and a table of all.

The runs are those of `fedfer run`, on the engine in this process, as many side by side as there are cores.
What is finished is never trained again: `fedfer sweep --out DIR` goes on with the sweep in DIR.
"""

import multiprocessing
import signal
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor, as_completed
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager

from fer_models.errors import RunError
from fer_models.machine import cores
from simulations.engines.standing import environment
from simulations.run.request import Request, alone, check_cache
from simulations.sweep.request import CENTRAL, Cell, SweepRequest
from simulations.terminal.display import Display
from simulations.world.known_photos import tell
from simulations.world.prepare import survey

_THREADS = {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"}  # of each worker
_PLACE = {"PYTHONSAFEPATH": "1"}  # what lies in the current folder is not taken for one of Python's modules


def conduct(sweep: SweepRequest, display: Display) -> list[str]:
    """Trains every cell that is not finished; returns what failed, in words."""
    check_cache()
    _prepare(sweep, display)
    sweep.folder.mkdir(parents=True, exist_ok=True)
    with alone(sweep.folder):
        sweep.begin()
        left = [cell for cell in sweep.cells if not (sweep.place_of(cell) / "summary.json").exists()]
        done, failed = len(sweep.cells) - len(left), []
        with display.stage("Runs", unit="runs") as step, _workers() as pool:
            step(done, len(sweep.cells))
            work = {pool.submit(_train, _request(sweep, cell)): cell for cell in left}
            try:
                for future in as_completed(work):
                    if reason := future.result():
                        failed.append(f"{work[future]}: {reason}")
                    done += 1
                    step(done, len(sweep.cells), last=str(work[future]))
            except BrokenProcessPool as error:
                raise RunError("a process of the sweep was killed, perhaps for want of memory") from error
    return failed


def _prepare(sweep: SweepRequest, display: Display) -> None:
    """Finds what is wrong with photos or a partition; computes features, which the runs find cached."""
    told = False
    for seed in sweep.every_seed:
        for partition in sweep.partitions:
            config = sweep.config_of(Cell(partition, sweep.strategies[0], seed))
            with display.stage(f"Photos, {partition}, seed {seed}", unit="photos") as step:
                world = survey(config, step)
            if not told:
                tell(world.table, display)
                told = True
            with display.stage(f"{partition[0].upper()}{partition[1:]}, seed {seed}", unit="views") as step:
                world.prepare(step)


@contextmanager
def _workers() -> Iterator[ProcessPoolExecutor]:
    """As many processes as there are cores, each on one; none of them outlives the block."""
    import psutil

    mine = psutil.Process()
    others = set(mine.children(recursive=True))
    with (
        environment(**_THREADS, **_PLACE),
        ProcessPoolExecutor(cores(), multiprocessing.get_context("spawn"), _begin_worker) as pool,
    ):
        try:
            yield pool
        except BaseException:
            pool.shutdown(wait=False, cancel_futures=True)
            for child in set(mine.children(recursive=True)) - others:
                child.kill()
            raise


def _begin_worker() -> None:
    """Ctrl-C is for the process that began it, which then ends this one."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)


def _request(sweep: SweepRequest, cell: Cell) -> Request:
    config, federated = sweep.config_of(cell), cell.name not in CENTRAL
    return Request("sweep", config, sweep.place_of(cell), sweep.command, federated, baseline=False)


def _train(request: Request) -> str | None:
    """In a worker: one run; why it failed, where that was its own fault."""
    from simulations.run.runner import conduct

    try:
        conduct(request, Display(quiet=True))
    except RunError as error:
        if error.resumable:
            raise
        return str(error)
    return None
