"""The command line. Heavy imports happen when a command runs, so that --help is quick."""

import importlib.metadata
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import click
import typer

from fer_models.errors import InputError
from simulations.cli.audit import audit
from simulations.cli.campaigns import benchmark, study, sweep
from simulations.cli.exits import resumable, run_app
from simulations.cli.folders import report, runs
from simulations.cli.options import Data, Experiment, Out, Quiet, Set, Working, command
from simulations.cli.privacy import privacy
from simulations.engines.interrupt import listen
from simulations.engines.surroundings import open_streams
from simulations.run.folders import run_folder_for

if TYPE_CHECKING:
    from simulations.api.results import Run

app = typer.Typer(
    name="fedfer",
    help="Federated learning of facial emotion recognition on simulated phones.",
    add_completion=False,
    no_args_is_help=True,
    rich_markup_mode=None,
    context_settings={"help_option_names": ["-h", "--help"]},
)

_DEFAULT = "quickstart"

data_app = typer.Typer(help="Inspect a face set.", no_args_is_help=True, rich_markup_mode=None)
app.add_typer(data_app, name="data")


@app.command(cls=Working)
def run(
    experiment: Experiment = None,
    data: Data = None,
    settings: Set = None,
    out: Out = None,
    resume: Annotated[
        str | None,
        typer.Option(
            "--resume", metavar="DIR", help="Resume the run in DIR; takes no other option but --quiet."
        ),
    ] = None,
    no_baseline: Annotated[
        bool, typer.Option("--no-baseline", help="Skip the centralized baselines.")
    ] = False,
    quiet: Quiet = False,
) -> None:
    """Train a federated model and its centralized baselines.

    EXPERIMENT is the name of a shipped experiment or the path of a TOML file; default: quickstart.
    """
    if resume is not None:
        given = (experiment, data, settings or None, out, no_baseline or None)
        _resume(resume, quiet, alone=all(value is None for value in given))
    else:
        from simulations import api

        loaded = api.load(_DEFAULT if experiment is None else experiment, data, settings or ())
        folder = run_folder_for(out, loaded.name)
        with resumable(folder, "config.toml", api.how_to_go_on(folder)):
            done = api.run(
                loaded, out=folder, progress=not quiet, baseline=not no_baseline, command=command()
            )
        _show(done, quiet)


@app.command(cls=Working)
def baseline(
    experiment: Experiment = None,
    data: Data = None,
    settings: Set = None,
    out: Out = None,
    quiet: Quiet = False,
) -> None:
    """Train only the centralized baseline.

    EXPERIMENT is the name of a shipped experiment or the path of a TOML file; default: quickstart.
    """
    from simulations import api

    loaded = api.load(_DEFAULT if experiment is None else experiment, data, settings or ())
    folder = run_folder_for(out, loaded.name)
    with resumable(folder, "config.toml", api.how_to_go_on(folder)):
        done = api.baseline(loaded, out=folder, progress=not quiet, command=command())
    _show(done, quiet)


app.command(cls=Working)(study)
app.command(cls=Working)(sweep)
app.command(cls=Working)(benchmark)
app.command(cls=Working)(report)
app.command(cls=Working)(runs)
app.command(cls=Working)(privacy)
app.command(cls=Working)(audit)


@app.command(cls=Working)
def predict(
    folder: Annotated[str, typer.Argument(metavar="RUN", hidden=True)],
    photos: Annotated[list[str], typer.Argument(metavar="PHOTO...", hidden=True)],
    csv: Annotated[
        str | None,
        typer.Option("--csv", metavar="FILE", help="Write all probabilities to FILE; - is standard output."),
    ] = None,
    quiet: Quiet = False,
) -> None:
    """Label photos with a trained head.

    RUN is a run folder or its head.safetensors; if PHOTO is a folder, all photos below it are labelled.
    """
    from simulations.cli.predict import label_photos

    label_photos(folder, photos, csv, quiet)


@app.command(cls=Working)
def speed(
    out: Annotated[
        str | None,
        typer.Option("--out", metavar="DIR", help="Folder for speed.json; default: runs/speed-<date-time>."),
    ] = None,
    quiet: Quiet = False,
) -> None:
    """Benchmark this machine; takes about three minutes."""
    from rich.console import Console

    from simulations.speed.benchmark import measure, remarks, table
    from simulations.terminal.display import Display

    folder = _folder(out, "speed")
    result = measure(folder, Display(quiet))
    if not quiet:
        Console(highlight=False).print("", table(result), "", remarks(result), sep="\n")
        print(f"\nWritten to {folder / 'speed.json'}")


@data_app.command("show", cls=Working)
def data_show(
    data: Data = None,
    settings: Set = None,
    out: Annotated[
        str | None,
        typer.Option("--out", metavar="DIR", help="Folder for data.json and the class imbalance figure."),
    ] = None,
    quiet: Quiet = False,
) -> None:
    """Show what is in a face set.

    Classes, people, sizes, unreadable photos, duplicates, leaks between parts, and balance.
    """
    from simulations.cli.faceset import describe
    from simulations.experiment import load

    _, config = load(_DEFAULT, data=data, settings=settings or ())
    describe(config, None if out is None else _folder(out, "data"), quiet)


def _folder(out: str | None, name: str) -> Path:
    """The folder to write to, which must be new: `out`, or one named after the time."""
    from simulations.run.request import check_folder

    folder = run_folder_for(out, name)
    check_folder(folder)
    return folder


def _resume(name: str, quiet: bool, *, alone: bool) -> None:
    from simulations import api
    from simulations.run.request import finished

    if not alone:
        raise InputError("--resume DIR uses the settings of that run; give nothing else but --quiet")
    folder = Path(name)
    done = bool(name) and finished(folder)
    with resumable(folder, "config.toml", api.how_to_go_on(folder)):
        run = api.resume(name, progress=not quiet)
    if not done:
        _show(run, quiet)
    elif not quiet:
        print(f"The run in {folder} is finished: open {run.page}")


def _show(run: "Run", quiet: bool) -> None:
    """Shows the run beside its baselines, under the names the display gave them."""
    from simulations.terminal.display import Display

    baselines = [(each.name, each.summary) for each in run.baselines.values()]
    Display(quiet).results(run.summary, baselines, run.page)


@app.callback(invoke_without_command=True)
def _top(
    context: typer.Context,
    version: Annotated[bool, typer.Option("--version", help="Print the version and exit.")] = False,
) -> None:
    if version:
        print(f"fedfer {importlib.metadata.version('fedfer')}")
    elif context.invoked_subcommand is None:
        raise click.exceptions.NoArgsIsHelpError(context)


def main() -> None:
    """The entry point of the command `fedfer`: errors become one line and an exit code."""
    open_streams()
    listen()
    run_app(app, sys.argv[1:])
