"""Commands that train many runs: `fedfer study` and `fedfer sweep`. Heavy imports wait until they run."""

from typing import Annotated

import typer

from fer_models.errors import RunError
from simulations.cli.exits import resumable
from simulations.cli.options import Data, Experiment, Quiet, Set, command, run_folder_for


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

    from simulations.study import table as study_table
    from simulations.study.request import ask
    from simulations.study.study import run_study
    from simulations.terminal.display import Display

    folder = run_folder_for(out, "study")
    asked = ask(
        data=data,
        settings=settings or (),
        models=models,
        balances=balances,
        seeds=seeds,
        folder=folder,
        command=command(),
    )
    with resumable(folder, "study.toml", asked.how_to_go_on), Display(quiet) as display:
        result, page, failed = run_study(asked, display)
    if not quiet:
        study_table.show(result, Console(highlight=False))
        print(f"\nOpen {page}")
    if failed:
        raise RunError(f"{len(failed)} of {len(asked.runs)} runs failed; {'; '.join(failed)}")


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

    from simulations.sweep import table as sweep_table
    from simulations.sweep.request import SETTINGS, ask
    from simulations.sweep.sweep import run_sweep
    from simulations.terminal.display import Display

    folder = run_folder_for(out, "sweep")
    asked = ask(
        experiment,
        data=data,
        settings=settings or (),
        strategies=strategies,
        partitions=partitions,
        seeds=seeds,
        folder=folder,
        command=command(),
    )
    with resumable(folder, SETTINGS, asked.how_to_go_on), Display(quiet) as display:
        failed = run_sweep(asked, display)
    outcomes = sweep_table.read(asked)
    sweep_table.write(outcomes, folder)
    if not quiet:
        sweep_table.show(outcomes, Console(highlight=False))
        print(f"\nWritten to {folder / 'table.md'} and sweep.csv")
    if failed:
        raise RunError(f"{len(failed)} of {len(asked.cells)} runs failed; {'; '.join(failed)}")
