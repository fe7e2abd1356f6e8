"""How a command ends: errors become one plain line and an exit code.

0: success; 1: a run failed; 2: the user's input cannot be used; 130: interrupted.
"""

import os
import sys
import traceback
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import NoReturn

import click
import typer

from fer_models.errors import InputError
from fer_models.text import printable
from simulations.engines.surroundings import leave
from simulations.run.ends import UnforeseenError, foreseen, how_to_go_on, reason


def run_app(app: typer.Typer, arguments: list[str]) -> None:
    """Runs the command line; on failure exits the process with the exit code."""
    try:
        _run(app, arguments)
    except BrokenPipeError:  # the reader closed the pipe, as `head` does
        with suppress(OSError, AttributeError):  # a notebook's output is not a file
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(1)


def told(error: Exception) -> str:
    """Why it failed; for an unexpected error the traceback is printed first."""
    if isinstance(error, UnforeseenError):
        traceback.print_exception(error.__cause__)
    elif not foreseen(error):
        traceback.print_exception(error)
    return reason(error)


def stop(last: str) -> NoReturn:
    """Ends the process at once: Flower's server thread cannot be stopped while it waits for replies."""
    print(f"fedfer: stopped; {last}", file=sys.stderr, flush=True)
    leave()
    os._exit(130)


@contextmanager
def resumable(folder: Path, settings: str, command: str) -> Iterator[None]:
    """On an interrupt, prints how to resume: with `command`, once `settings` are written."""
    try:
        yield
    except KeyboardInterrupt:
        stop(how_to_go_on(folder, settings, command))


def _run(app: typer.Typer, arguments: list[str]) -> None:
    try:
        _check_arguments(arguments)
        if app(arguments, prog_name="fedfer", standalone_mode=False) == 130:  # typer's code for an interrupt
            raise KeyboardInterrupt
        sys.stdout.flush()
    except click.exceptions.NoArgsIsHelpError as error:
        print(error.format_message())
        _fail("no command was given; choose one of those above", 2)
    except click.UsageError as error:
        command = error.ctx.command_path if error.ctx else "fedfer"
        _fail(f"{error.format_message().rstrip('.')}; see {command} --help", 2)
    except (click.ClickException, InputError) as error:
        _fail(str(error), 2)
    except (click.Abort, KeyboardInterrupt):
        stop("run the same command again")
    except BrokenPipeError:
        raise
    except Exception as error:
        _fail(told(error), 1)


def _check_arguments(arguments: list[str]) -> None:
    """Refuses arguments that are not UTF-8: no configuration file or page could hold them."""
    for argument in arguments:
        try:
            argument.encode()
        except UnicodeEncodeError as error:
            raise InputError(f"{printable(argument)} is not UTF-8; rename that file or folder") from error


def _fail(message: str, code: int) -> NoReturn:
    print("fedfer: " + " ".join(message.split()), file=sys.stderr)
    sys.exit(code)
