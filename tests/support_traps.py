"""Where Python must not look for modules."""

from pathlib import Path


def lay_traps(folder: Path) -> Path:
    """A folder that nobody should import from: empty packages, files named as those of ours and of
    Python's own, which end whoever imports them.
    """
    folder.mkdir()
    for name in ("clients", "fer_models"):
        (folder / name).mkdir()
    for name in ("server", "simulations", "random", "secrets", "struct", "numpy"):
        (folder / f"{name}.py").write_text("raise SystemExit('the wrong module')\n")
    return folder
