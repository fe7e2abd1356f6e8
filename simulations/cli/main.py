"""The command line. Everything heavy is imported when a command runs, so that --help is quick."""

import importlib.metadata
import os
import shlex
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import click
import typer

from fer_models.errors import InputError
from fer_models.quiet import hush
from simulations.cli.campaigns import study, sweep
from simulations.cli.exits import resumable, run_app
from simulations.cli.options import Data, Experiment, Out, Quiet, Set, Working, command, run_folder_for
from simulations.engines.interrupt import listen
from simulations.engines.surroundings import open_streams

if TYPE_CHECKING:
    from simulations.run.request import Request

app = typer.Typer(
    name="fedfer",
    help="Federated learning of facial emotion recognition on simulated phones.",
    add_completion=False,
    no_args_is_help=True,
    rich_markup_mode=None,
    context_settings={"help_option_names": ["-h", "--help"]},
)

# torch's threads wait for one another in a loop that leaves no core to others. A tenth of the usual loop:
# as fast on a quiet machine, and others get their turn on a busy one (docs/log.md).
_SPIN = ("GOMP_SPINCOUNT", "30000")

_DEFAULT = "quickstart"

data_app = typer.Typer(help="What is in a face set.", no_args_is_help=True, rich_markup_mode=None)
app.add_typer(data_app, name="data")


@app.command(cls=Working)
def run(
    experiment: Experiment = None,
    data: Data = None,
    settings: Set = None,
    out: Out = None,
    resume: Annotated[
        str | None,
        typer.Option("--resume", metavar="DIR", help="Go on with the run in DIR; needs nothing else."),
    ] = None,
    no_baseline: Annotated[
        bool, typer.Option("--no-baseline", help="Train no centralized baseline beside it.")
    ] = False,
    quiet: Quiet = False,
) -> None:
    """A federated run, with its centralized baselines beside it.

    EXPERIMENT is the name of a shipped experiment or the path of a TOML file; quickstart if left away.
    """
    if resume is not None:
        given = (experiment, data, settings or None, out, no_baseline or None)
        _resume(resume, quiet, alone=all(value is None for value in given))
    else:
        _train(experiment, data, settings, out, quiet, baseline=not no_baseline)


@app.command(cls=Working)
def baseline(
    experiment: Experiment = None,
    data: Data = None,
    settings: Set = None,
    out: Out = None,
    quiet: Quiet = False,
) -> None:
    """The centralized baseline alone.

    EXPERIMENT is the name of a shipped experiment or the path of a TOML file; quickstart if left away.
    """
    _train(experiment, data, settings, out, quiet, federated=False)


app.command(cls=Working)(study)
app.command(cls=Working)(sweep)


@app.command(cls=Working)
def predict(
    folder: Annotated[str, typer.Argument(metavar="RUN", hidden=True)],
    photos: Annotated[list[str], typer.Argument(metavar="PHOTO...", hidden=True)],
    csv: Annotated[
        str | None,
        typer.Option("--csv", metavar="FILE", help="Writes every probability; - is standard output."),
    ] = None,
    quiet: Quiet = False,
) -> None:
    """Labels photos with a trained head.

    RUN is the folder of a run, or its head.safetensors; a folder as PHOTO stands for all photos below it.
    """
    from simulations.cli.predict import label_photos

    label_photos(folder, photos, csv, quiet)


@app.command(cls=Working)
def speed(
    out: Annotated[
        str | None,
        typer.Option("--out", metavar="DIR", help="For speed.json; runs/speed-<date-time> by default."),
    ] = None,
    quiet: Quiet = False,
) -> None:
    """How fast, side by side, on this machine; takes some three minutes."""
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
        typer.Option("--out", metavar="DIR", help="A folder for data.json and the figure of imbalance."),
    ] = None,
    quiet: Quiet = False,
) -> None:
    """What is in a face set: classes, people, sizes, broken photos, duplicates, leaks, balance."""
    from simulations.cli.faceset import describe
    from simulations.experiment import load

    _, config = load(_DEFAULT, data=data, settings=settings or ())
    describe(config, None if out is None else _folder(out, "data"), quiet)


def _train(
    experiment: str | None,
    data: str | None,
    settings: list[str] | None,
    out: str | None,
    quiet: bool,
    *,
    federated: bool = True,
    baseline: bool = True,
) -> None:
    from simulations.experiment import load
    from simulations.run.request import Request

    name, config = load(_DEFAULT if experiment is None else experiment, data=data, settings=settings or ())
    folder = _folder(out, name)
    _show(Request(name, config, folder, command(), federated, baseline), quiet)


def _folder(out: str | None, name: str) -> Path:
    """The folder to write to, which must be new: `out`, or one that is named after the time."""
    from simulations.run.request import check_folder

    folder = run_folder_for(out, name)
    check_folder(folder)
    return folder


def _resume(name: str, quiet: bool, *, alone: bool) -> None:
    from simulations.run.request import finished, resumed

    if not alone:
        raise InputError("--resume DIR goes on with the settings of that run; give nothing else but --quiet")
    if not name:
        raise InputError("--resume: the name is empty; give the folder of a run")
    request = resumed(folder := Path(name))
    if not finished(folder):
        _show(request, quiet)
    elif not quiet:
        print(f"The run in {folder} is finished: open {folder / 'report.html'}")


def _show(request: "Request", quiet: bool) -> None:
    from simulations.run.runner import run_experiment
    from simulations.terminal.display import Display

    go_on = f"fedfer run --resume {shlex.quote(str(request.folder))}"
    with resumable(request.folder, "config.toml", go_on):
        display = Display(quiet)
        result = run_experiment(request, display)
        display.results(result.summary, result.baselines, result.page)


@app.callback(invoke_without_command=True)
def _top(
    context: typer.Context,
    version: Annotated[bool, typer.Option("--version", help="Print the version and leave.")] = False,
) -> None:
    if version:
        print(f"fedfer {importlib.metadata.version('fedfer')}")
    elif context.invoked_subcommand is None:
        raise click.exceptions.NoArgsIsHelpError(context)


def main() -> None:
    """The entry point of the command `fedfer`: errors become one line and an exit code."""
    open_streams()
    hush()
    os.environ.setdefault(*_SPIN)
    listen()
    run_app(app, sys.argv[1:])
