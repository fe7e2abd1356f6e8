"""`audit` for Python: attacks on a finished run."""

from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from fer_models.run_folder.audit import Audit


def audit(run: str | Path, attack: str = "all", *, seeds: int = 1, progress: bool = True) -> "Audit":
    """What attacks find out about the phones of the finished run in a folder; its page shows them, too.

    `attack`: "labels", "features", "membership", "canaries", or "all" that its settings allow. `seeds`: how
    often canaries are let in anew. `Audit.broken` holds the canaries that refute the guarantee, if any.
    """
    from simulations.audit.audit import audit as made
    from simulations.audit.audit import requested
    from simulations.terminal.display import Display

    return made(requested(Path(run).expanduser(), attack, seeds), Display(quiet=not progress))
