"""Commands on run folders that exist: `fedfer report` and `fedfer runs`; heavy imports when they run."""

import sys
from pathlib import Path
from typing import Annotated

import typer

from fer_models.text import printable
from simulations.cli.options import Quiet


def report(
    folders: Annotated[list[str], typer.Argument(metavar="RUN...", hidden=True)],
    out: Annotated[
        str | None,
        typer.Option("--out", metavar="FILE", help="Page of several runs; default: comparison.html."),
    ] = None,
    different_data: Annotated[
        bool, typer.Option("--different-data", help="Compare runs evaluated on different photos, too.")
    ] = False,
    quiet: Quiet = False,
) -> None:
    """Write the page of finished runs from their folders.

    Of one run its report.html; of several a page that compares them: numbers, settings that differ, curves,
    classes, and differences to the first one on the same test photos.
    """
    from simulations import api

    done = api.report(folders, out, different_data=different_data)
    for line in done.skipped:
        print(f"fedfer: skipped: {' '.join(line.split())}", file=sys.stderr)
    if not quiet:
        print(f"Open {printable(done.page)}")


def runs(
    folders: Annotated[list[str] | None, typer.Argument(metavar="[FOLDER...]", hidden=True)] = None,
    json: Annotated[bool, typer.Option("--json", help="Print a JSON list instead of a table.")] = False,
) -> None:
    """List runs with their main numbers, newest first.

    All below each FOLDER (default: runs) are listed, whether finished, running, stopped or damaged; the
    baselines beside a run are not.
    """
    from rich.console import Console

    from simulations import api
    from simulations.comparison import table

    found = api.list_runs(folders or "runs")
    if json:
        print(table.as_json(found))
    elif found:
        table.show(found, Console(highlight=False))
    else:
        print(f"No runs in {', '.join(map(printable, map(Path, folders or ['runs'])))}")
