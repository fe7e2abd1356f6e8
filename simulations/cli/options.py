"""What the commands share: their options, what is prepared before each, and the command as typed."""

import shlex
import sys
from collections.abc import Callable
from typing import Annotated, Any

import click
import typer
import typer.core

from simulations.engines.surroundings import settle

Experiment = Annotated[str | None, typer.Argument()]
Data = Annotated[
    str | None, typer.Option("--data", metavar="PATH", help="Photos: a folder or a CSV; sets data.source.")
]
Set = Annotated[
    list[str] | None,
    typer.Option("--set", metavar="KEY=VALUE", help="Set any configuration key; may be repeated."),
]
Out = Annotated[
    str | None,
    typer.Option("--out", metavar="DIR", help="Run folder; default: runs/<experiment>-<date-time>."),
]
Quiet = Annotated[bool, typer.Option("--quiet", help="Print nothing but errors.")]


def number_of_seeds(most: int | None = None) -> Callable[[int | None], int | None]:
    """Checks --seeds; typer prints the range of a type with a stray backslash."""

    def check(seeds: int | None) -> int | None:
        if seeds is not None and not 1 <= seeds <= (most or seeds):
            wanted = f"from 1 to {most}" if most else "of at least 1"
            raise typer.BadParameter(f"{seeds} is not in the range; give a number {wanted}")
        return seeds

    return check


def seeds_option(most: int | None = None, about: str = "from run.seed on; default: 1") -> Any:
    """--seeds of a command that trains several runs, `most` at most."""
    limits = f"1 to {most}" if most else "1 or more"
    words = f"Number of seeds ({limits}), {about}."
    return typer.Option("--seeds", metavar="N", callback=number_of_seeds(most), help=words)


def out_option(name: str) -> Any:
    """--out of the command `name` that trains several runs."""
    words = f"Folder, new or to resume; default: runs/{name}-<date-time>."
    return typer.Option("--out", metavar="DIR", help=words)


class Working(typer.core.TyperCommand):
    """A command whose process environment is prepared before it runs, but not for --help."""

    def invoke(self, ctx: click.Context) -> Any:
        """Calls the command."""
        settle()
        return super().invoke(ctx)


def command() -> str:
    """The command as typed."""
    return shlex.join(["fedfer", *sys.argv[1:]])
