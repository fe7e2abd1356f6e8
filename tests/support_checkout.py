"""Another checkout of the sources, of which one file differs."""

import shutil
from pathlib import Path

from support_flower_net import CHECKOUT


def other_checkout(folder: Path) -> Path:
    for name in ("server", "clients", "fer_models", "simulations"):
        shutil.copytree(CHECKOUT / name, folder / name, ignore=shutil.ignore_patterns("__pycache__"))
    with (folder / "clients" / "phones.py").open("a") as file:
        file.write("# another\n")
    return folder
