"""The phones that a node works for: what each of them holds, opened once and memory-mapped."""

from functools import lru_cache
from pathlib import Path

from fer_models import draws
from fer_models.draws import Drawn
from fer_models.errors import RunError
from fer_models.training import Holdings, Shards


@lru_cache(maxsize=2)
def phones_of(prepared: str) -> Holdings:
    """What was prepared in the folder `prepared`; RunError where this node cannot read it."""
    try:
        folder = Path(prepared)
        return Drawn.load(folder) if (folder / draws.FILE).exists() else Shards.load(folder)
    except (OSError, ValueError, KeyError) as error:
        raise RunError(f"this node cannot read the prepared data in {prepared}: {error}") from error
