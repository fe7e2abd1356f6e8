"""What commands share: options, what is done before each, and what they say of a run: its folder, the command
as typed.
"""

import shlex
import sys
from typing import Annotated, Any

import click
import typer
import typer.core

from simulations.engines.surroundings import settle

Experiment = Annotated[str | None, typer.Argument()]
Data = Annotated[
    str | None, typer.Option("--data", metavar="PATH", help="Photos: a folder or CSV; sets data.source.")
]
Set = Annotated[
    list[str] | None,
    typer.Option("--set", metavar="KEY=VALUE", help="Sets any configuration key; may be repeated."),
]
Out = Annotated[
    str | None,
    typer.Option("--out", metavar="DIR", help="The run folder; runs/<experiment>-<date-time> by default."),
]
Quiet = Annotated[bool, typer.Option("--quiet", help="Print nothing but errors.")]


class Working(typer.core.TyperCommand):
    """A command that works, for which the surroundings are prepared: not where it only prints its help."""

    def invoke(self, ctx: click.Context) -> Any:
        """Calls the command."""
        settle()
        return super().invoke(ctx)


def command() -> str:
    """The command as typed."""
    return shlex.join(["fedfer", *sys.argv[1:]])
