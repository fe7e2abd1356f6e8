"""The command `fedfer audit`: attacks on a finished run. Heavy imports when it runs."""

from typing import Annotated

import typer

from fer_models.errors import RunError
from fer_models.text import printable
from simulations.cli.options import Quiet

Folder = Annotated[str, typer.Argument(metavar="RUN", hidden=True)]
Attack = Annotated[
    str,
    typer.Option(
        "--attack",
        metavar="NAME",
        show_default=False,
        help="labels, features, membership, canaries or all; default: all.",
    ),
]
Seeds = Annotated[
    int,
    typer.Option(
        "--seeds", metavar="N", show_default=False, help="How often canaries are let in anew; default: 1."
    ),
]


def audit(folder: Folder, attack: Attack = "all", seeds: Seeds = 1, quiet: Quiet = False) -> None:
    """Attack a finished run, as a curious server would.

    RUN is its folder. Updates and the head are attacked, and canaries test a guarantee of privacy. What is
    found is printed, and written to audit.json and to the page of the run. Exit code 1 if canaries or the
    noise refute the run's guarantee.
    """
    from simulations import api
    from simulations.report.audit_page import broken, lines

    found = api.audit(folder, attack, seeds=seeds, progress=not quiet)
    if not quiet:
        print()
        for line in lines(found):
            print(line)
        print(f"\nOpen {printable(folder)}/report.html")
    if wrong := broken(found):
        raise RunError(wrong, resumable=False)
