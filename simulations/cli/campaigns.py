"""Commands that train many runs: `fedfer study`, `sweep` and `benchmark`. Heavy imports happen when they
run.
"""

import shlex
from typing import TYPE_CHECKING, Annotated

import typer

from simulations.cli.exits import resumable
from simulations.cli.options import Data, Experiment, Quiet, Set, command, out_option, seeds_option
from simulations.run.folders import run_folder_for

_OF_SUITE = "of partition and training; default: the suite's"

if TYPE_CHECKING:
    from simulations.api.suites import BenchmarkResult
    from simulations.api.tables import StudyResult, SweepResult


def study(
    data: Data = None,
    models: Annotated[
        str | None, typer.Option("--models", metavar="A,B", help="Models to train; default: all.")
    ] = None,
    balances: Annotated[
        str | None,
        typer.Option(
            "--balances", metavar="N,M", help="Views per class, 0: unbalanced; default: 0,800,900,1000."
        ),
    ] = None,
    seeds: Annotated[int | None, seeds_option()] = None,
    settings: Set = None,
    out: Annotated[str | None, out_option("study")] = None,
    quiet: Quiet = False,
) -> None:
    """Compare centralized models, each at several class balances.

    All models train on the same split; results are tables, figures and study.html. Finished runs are not
    trained again: fedfer study --out DIR resumes the study in DIR.
    """
    from rich.console import Console

    from simulations import api
    from simulations.study import table as study_table

    def show(result: "StudyResult") -> None:
        if not quiet:
            study_table.show(result.study, Console(highlight=False))
            print(f"\nOpen {result.page}")

    folder = run_folder_for(out, "study")
    with resumable(folder, "study.toml", f"fedfer study --out {shlex.quote(str(folder))}"):
        try:
            result = api.study(
                data, settings or (), folder, not quiet,
                models=models, balances=balances, seeds=seeds, command=command(),
            )  # fmt: skip
        except api.StudyFailedError as error:
            show(error.result)
            raise
    show(result)


def sweep(
    experiment: Experiment = None,
    data: Data = None,
    strategies: Annotated[
        str | None,
        typer.Option("--strategies", metavar="A,B", help="Strategies to run; default: all that fit."),
    ] = None,
    partitions: Annotated[
        str | None, typer.Option("--partitions", metavar="A,B", help="Partitions to run; default: all.")
    ] = None,
    seeds: Annotated[int | None, seeds_option(1000)] = None,
    settings: Set = None,
    out: Annotated[str | None, out_option("sweep")] = None,
    quiet: Quiet = False,
) -> None:
    """Run strategies x partitions x seeds in parallel on all cores.

    EXPERIMENT is the name of a shipped experiment or the path of a TOML file; default: quickstart. All runs
    end up in one table. Finished runs are not trained again: fedfer sweep --out DIR resumes the sweep in DIR.
    """
    from rich.console import Console

    from simulations import api
    from simulations.sweep import table as sweep_table

    def show(result: "SweepResult") -> None:
        if not quiet:
            sweep_table.show(result.outcomes, result.found, Console(highlight=False), result.left_out)
            print(f"\nWritten to {result.page}, sweep.csv and differences.csv")

    folder = run_folder_for(out, "sweep")
    with resumable(folder, "sweep.toml", f"fedfer sweep --out {shlex.quote(str(folder))}"):
        try:
            result = api.sweep(
                experiment, data, settings or (), folder, not quiet,
                strategies=strategies, partitions=partitions, seeds=seeds, command=command(),
            )  # fmt: skip
        except api.SweepFailedError as error:
            show(error.result)
            raise
    show(result)


def benchmark(
    suite: Annotated[str | None, typer.Argument(metavar="[SUITE]")] = None,
    data: Data = None,
    seeds: Annotated[int | None, seeds_option(1000, _OF_SUITE)] = None,
    jobs: Annotated[
        int | None, typer.Option("--jobs", metavar="N", help="Processes; default: one per core.")
    ] = None,
    settings: Set = None,
    out: Annotated[str | None, out_option("benchmark")] = None,
    quiet: Quiet = False,
) -> None:
    """Compare centralized with federated training.

    The arms of a suite train on the same folds of people and are tuned alike. SUITE is a shipped one or the
    path of a TOML file; default: quick. Results are tables with intervals and verdicts, and benchmark.html.
    Finished runs are not trained again: fedfer benchmark --out DIR resumes the benchmark in DIR.
    """
    from rich.console import Console

    from simulations import api
    from simulations.benchmark import table as benchmark_table

    def show(result: "BenchmarkResult") -> None:
        if not quiet:
            benchmark_table.show(result.benchmark, Console(highlight=False))
            print(f"\nOpen {result.page}")

    if jobs is not None and jobs < 1:
        raise typer.BadParameter(
            f"{jobs} is not in the range; give a number of at least 1", param_hint="--jobs"
        )
    folder = run_folder_for(out, "benchmark")
    with resumable(folder, "benchmark.toml", f"fedfer benchmark --out {shlex.quote(str(folder))}"):
        try:
            result = api.benchmark(
                suite, data, settings or (), folder, not quiet, seeds=seeds, jobs=jobs, command=command()
            )
        except api.BenchmarkFailedError as error:
            show(error.result)
            raise
    show(result)
