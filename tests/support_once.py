"""What one of the processes that share out the tests makes, and all of them read."""

import fcntl
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Once:
    """Folders below `root`, each made when first asked for; who asks meanwhile waits."""

    root: Path

    def __call__(self, name: str, make: Callable[[Path], None]) -> Path:
        """The folder `name` with what `make` puts there; to be copied before it is changed."""
        with (self.root / f"{name}.lock").open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            if not (self.root / f"{name}.made").exists():
                (self.root / name).mkdir()
                make(self.root / name)
                (self.root / f"{name}.made").touch()
        return self.root / name
