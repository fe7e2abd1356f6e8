"""The folder that a command writes to; by default a new one."""

from datetime import datetime
from itertools import chain, count
from pathlib import Path

from fer_models.errors import InputError


def run_folder_for(out: str | None, name: str) -> Path:
    """The folder `out`; default: a new one, named after the time."""
    if out == "":
        raise InputError("--out: the name is empty; give a folder, or omit --out")
    if out is not None:
        return Path(out)
    first = Path("runs", f"{name}-{datetime.now():%Y%m%d-%H%M%S}")
    later = (first.with_name(f"{first.name}-{number}") for number in count(2))
    return next(folder for folder in chain([first], later) if not folder.exists())
