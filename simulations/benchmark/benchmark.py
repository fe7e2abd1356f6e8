"""A benchmark from start to end: photos and features once, then every arm on every fold, in parallel.

Finished runs are never trained again: `fedfer benchmark --out DIR` resumes the benchmark in DIR. An arm that
fails stops no other. The number of processes changes no result.
"""

from collections import defaultdict
from concurrent.futures import as_completed

from fer_models.machine.cache import sweep_up
from fer_models.run_folder.summary import Summary
from simulations.benchmark import cells, shared_features
from simulations.benchmark.request import BenchmarkRequest, Cell
from simulations.benchmark.suite import Arm
from simulations.run.provenance import fingerprint
from simulations.run.request import check_cache, locked
from simulations.sweep.workers import workers
from simulations.terminal.display import Display
from simulations.world.known_photos import tell

Failures = dict[str, list[str]]  # arm -> why, a line for each fold


def run_benchmark(request: BenchmarkRequest, display: Display, jobs: int | None = None) -> Failures:
    """Trains every unfinished run, in `jobs` processes (default: one per core); returns the arms that
    failed.
    """
    check_cache()
    suite = request.suite
    with display.stage("Photos", unit="folds") as step:
        tables = []
        for fold in range(suite.folds):
            tables.append(
                cells.table_of(request.config_of(Cell(suite.arms[0].name, fold, suite.seed, suite.seed)))
            )
            step(fold + 1, suite.folds)
    tell(tables[0], display)
    with display.stage("Features", unit="views") as step:
        shared_features.compute(request, tables, step)
    request.folder.mkdir(parents=True, exist_ok=True)
    with locked(request.folder):
        sweep_up(request.folder)
        request.begin(fingerprint(tables[0]))
        return _train(request, display, jobs)


def _train(request: BenchmarkRequest, display: Display, jobs: int | None) -> Failures:
    failures: Failures = defaultdict(list)
    left = list(unfinished(request))
    total = sum(
        len(request.cells(arm, fold)) for arm in request.suite.arms for fold in range(request.suite.folds)
    )
    done = total - sum(len(some) for _, some in left)
    with display.stage("Runs", unit="runs") as step, workers(jobs) as submit:
        step(done, total)
        work = {submit(cells.train, request, arm, some): (arm, some) for arm, some in left}
        for future in as_completed(work):
            arm, some = work[future]
            if reason := future.result():
                failures[arm.name].append(f"fold {some[0].fold}: {reason}")
            done += len(some)
            step(done, total, last=f"{arm.name}, fold {some[0].fold}")
    return dict(failures)


def unfinished(request: BenchmarkRequest) -> list[tuple[Arm, tuple[Cell, ...]]]:
    """The runs still to be trained, as pieces of work: of one arm and fold each."""
    found = []
    for fold in range(request.suite.folds):
        for arm in request.suite.arms:
            left = tuple(cell for cell in request.cells(arm, fold) if not finished(request, cell))
            if left:
                found.append((arm, left))
    return found


def finished(request: BenchmarkRequest, cell: Cell) -> bool:
    """Whether a run is finished."""
    return (request.place_of(cell) / Summary.FILE).exists()
