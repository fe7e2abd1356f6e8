"""Another checkout of the sources, of which one file differs."""

import os
import shutil
from pathlib import Path

from support_flower_net import CHECKOUT


def other_checkout(folder: Path) -> Path:
    for name in ("server", "clients", "fer_models", "simulations"):
        shutil.copytree(CHECKOUT / name, folder / name, ignore=shutil.ignore_patterns("__pycache__"))
    with (folder / "clients" / "phones.py").open("a") as file:
        file.write("# another\n")
    hand_over_the_kernel(folder)
    return folder


def hand_over_the_kernel(folder: Path) -> None:
    """What Numba compiled here serves the copy of the sources in `folder`: it knows a file by place, size and
    time.
    """
    from numba.core.caching import UserProvidedCacheLocator as Locator

    name = "fer_models/local/kernel.py"
    assert (folder / name).read_bytes() == (CHECKOUT / name).read_bytes()
    shutil.copystat(CHECKOUT / name, folder / name)
    ours, theirs = (
        Path(os.environ["NUMBA_CACHE_DIR"], Locator.get_suitable_cache_subpath(str(place / name)))
        for place in (CHECKOUT, folder)
    )
    if ours.is_dir():
        shutil.copytree(ours, theirs, ignore=shutil.ignore_patterns("*.tmp.*"))  # that are being written
