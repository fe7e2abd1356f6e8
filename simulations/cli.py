"""The command line. Everything heavy is imported when a command runs, so that --help is quick."""

import os
import shlex
import signal
import sys
import traceback
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, NoReturn

import click
import typer

from fer_models.errors import FedferError, InputError, RunError

if TYPE_CHECKING:
    from simulations.runner import Request

app = typer.Typer(
    name="fedfer",
    help="Federated learning of facial emotion recognition on simulated phones.",
    add_completion=False,
    no_args_is_help=True,
    rich_markup_mode=None,
)

# Flower reads these when it is imported: no telemetry, no update check.
_QUIET = {"FLWR_TELEMETRY_ENABLED": "0", "FLWR_DISABLE_UPDATE_CHECK": "1"}

Experiment = Annotated[
    str, typer.Argument(help="The name of a shipped experiment, or the path of a TOML file.")
]
Data = Annotated[
    str | None, typer.Option("--data", metavar="PATH", help="Photos: a folder or CSV; sets data.source.")
]
Set = Annotated[
    list[str] | None,
    typer.Option("--set", metavar="KEY=VALUE", help="Sets any configuration key; may be repeated."),
]
Out = Annotated[
    Path | None,
    typer.Option("--out", metavar="DIR", help="The run folder; runs/<experiment>-<date-time> by default."),
]
Quiet = Annotated[bool, typer.Option("--quiet", help="Print nothing but errors.")]


@app.command()
def run(
    experiment: Experiment = "quickstart",
    data: Data = None,
    settings: Set = None,
    out: Out = None,
    resume: Annotated[
        Path | None,
        typer.Option("--resume", metavar="DIR", help="Go on with the run in DIR; needs nothing else."),
    ] = None,
    no_baseline: Annotated[
        bool, typer.Option("--no-baseline", help="Train no centralized baseline beside it.")
    ] = False,
    quiet: Quiet = False,
) -> None:
    """A federated run, with its centralized baselines beside it."""
    if resume is not None:
        given = (experiment != "quickstart", data, settings, out, no_baseline)
        _resume(resume, quiet, alone=not any(given))
    else:
        _conduct(experiment, data, settings, out, quiet, baseline=not no_baseline)


@app.command()
def baseline(
    experiment: Experiment = "quickstart",
    data: Data = None,
    settings: Set = None,
    out: Out = None,
    quiet: Quiet = False,
) -> None:
    """The centralized baseline alone."""
    _conduct(experiment, data, settings, out, quiet, federated=False)


@app.command()
def speed(
    out: Annotated[
        Path | None,
        typer.Option("--out", metavar="DIR", help="For speed.json; runs/speed-<date-time> by default."),
    ] = None,
    quiet: Quiet = False,
) -> None:
    """How fast, side by side, on this machine; takes some three minutes."""
    from rich.console import Console

    from simulations.benchmark import measure, remarks, table
    from simulations.display import Display
    from simulations.runner import check_folder

    folder = out or Path("runs") / f"speed-{datetime.now():%Y%m%d-%H%M%S}"
    check_folder(folder)
    result = measure(folder, Display(quiet))
    if not quiet:
        Console(highlight=False).print("", table(result), "", remarks(result), sep="\n")
        print(f"\nWritten to {folder / 'speed.json'}")


def _conduct(
    experiment: str,
    data: str | None,
    settings: list[str] | None,
    out: Path | None,
    quiet: bool,
    *,
    federated: bool = True,
    baseline: bool = True,
) -> None:
    from simulations.experiment import load
    from simulations.runner import Request, check_folder

    name, config = load(experiment, data=data, settings=settings or ())
    folder = out or Path("runs") / f"{name}-{datetime.now():%Y%m%d-%H%M%S}"
    check_folder(folder)
    command = shlex.join(["fedfer", *sys.argv[1:]])
    _show(Request(name, config, folder, command, federated, baseline), quiet)


def _resume(folder: Path, quiet: bool, *, alone: bool) -> None:
    from simulations.runner import finished, resumed

    if not alone:
        raise InputError("--resume DIR goes on with the settings of that run; give nothing else but --quiet")
    request = resumed(folder)
    if not finished(folder):
        _show(request, quiet)
    elif not quiet:
        print(f"The run in {folder} is finished: open {folder / 'report.html'}")


def _show(request: "Request", quiet: bool) -> None:
    from simulations.display import Display
    from simulations.runner import conduct

    display = Display(quiet)
    try:
        result = conduct(request, display)
    except RunError as error:
        raise RunError(f"{error}; {_how_to_go_on(request.folder)}") from error
    except KeyboardInterrupt:
        _stop(_how_to_go_on(request.folder))
    else:
        display.results(result.summary, result.baselines, result.page)


def _how_to_go_on(folder: Path) -> str:
    if (folder / "config.toml").exists():
        return f"go on with: fedfer run --resume {shlex.quote(str(folder))}"
    return "nothing was written; run the same command again"


def _stop(last: str) -> NoReturn:
    """Ends the process at once: Flower's server thread cannot be told to stop waiting for replies."""
    print(f"fedfer: stopped; {last}", file=sys.stderr, flush=True)
    os._exit(130)


def _interrupt(number: int, frame: object) -> None:
    raise KeyboardInterrupt


def main() -> None:
    """The entry point of the command `fedfer`: errors become one line and an exit code."""
    os.environ.update(_QUIET)
    signal.signal(signal.SIGTERM, _interrupt)
    try:
        app(standalone_mode=False)
    except click.exceptions.NoArgsIsHelpError as error:
        print(error.format_message())
        sys.exit(2)
    except (click.ClickException, InputError) as error:
        _fail(error.format_message() if isinstance(error, click.ClickException) else str(error), 2)
    except (click.Abort, KeyboardInterrupt):
        _stop("nothing was written; run the same command again")
    except FedferError as error:
        _fail(str(error), 1)
    except Exception as error:
        traceback.print_exc()
        _fail(f"unexpected {type(error).__name__}: {error}; please report it with the lines above", 1)


def _fail(message: str, code: int) -> NoReturn:
    print("fedfer: " + " ".join(message.split()), file=sys.stderr)
    sys.exit(code)
