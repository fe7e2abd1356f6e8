"""Commands that train many runs: `fedfer study` and `fedfer sweep`. Heavy imports wait until they run."""

import shlex
from typing import TYPE_CHECKING, Annotated

import typer

from simulations.cli.exits import resumable
from simulations.cli.options import Data, Experiment, Quiet, Set, command
from simulations.run.folders import run_folder_for

if TYPE_CHECKING:
    from simulations.api.tables import StudyResult, SweepResult


def study(
    data: Data = None,
    models: Annotated[
        str | None, typer.Option("--models", metavar="A,B", help="Which models; all of them by default.")
    ] = None,
    balances: Annotated[
        str | None,
        typer.Option("--balances", metavar="N,M", help="Views per class; 0,800,900,1000 by default."),
    ] = None,
    seeds: Annotated[
        int | None,
        typer.Option("--seeds", metavar="N", min=1, help="How many, from run.seed on; 1 by default."),
    ] = None,
    settings: Set = None,
    out: Annotated[
        str | None,
        typer.Option(
            "--out",
            metavar="DIR",
            help="New, or of a study to go on with; runs/study-<date-time> by default.",
        ),
    ] = None,
    quiet: Quiet = False,
) -> None:
    """Every centralized model at every balance on the same split, with tables, figures and study.html.

    What is finished is not trained again: fedfer study --out DIR goes on with the study in DIR.
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
        str | None, typer.Option("--strategies", metavar="A,B", help="Which; all of them by default.")
    ] = None,
    partitions: Annotated[
        str | None, typer.Option("--partitions", metavar="A,B", help="Which; all of them by default.")
    ] = None,
    seeds: Annotated[
        int | None,
        typer.Option(
            "--seeds", metavar="N", min=1, max=1000, help="How many, from run.seed on; 1 by default."
        ),
    ] = None,
    settings: Set = None,
    out: Annotated[
        str | None,
        typer.Option(
            "--out",
            metavar="DIR",
            help="New, or of a sweep to go on with; runs/sweep-<date-time> by default.",
        ),
    ] = None,
    quiet: Quiet = False,
) -> None:
    """Strategies x partitions x seeds, side by side on all cores, with a table of all.

    EXPERIMENT is the name of a shipped experiment or the path of a TOML file; quickstart if left away.
    What is finished is not trained again: fedfer sweep --out DIR goes on with the sweep in DIR.
    """
    from rich.console import Console

    from simulations import api
    from simulations.sweep import table as sweep_table

    def show(result: "SweepResult") -> None:
        if not quiet:
            sweep_table.show(result.outcomes, Console(highlight=False))
            print(f"\nWritten to {result.page} and sweep.csv")

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
