"""examples/examples.json: some test faces with their predictions; the thumbnails are stored beside it.

The only file without a format field, since it is a list.
"""

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from pydantic import TypeAdapter, ValidationError

from fer_models.machine.cache import whole_file
from fer_models.run_folder.files import UnusableError, first_error
from fer_models.text import printable

FOLDER = "examples"
_FILE = "examples.json"


@dataclass(frozen=True)
class Example:
    """A test photo and its prediction."""

    png: str  # the thumbnail, in the same folder
    file: str  # the photo, as predictions.csv names it
    emotion: str  # its label
    predicted: str
    confidence: float  # the probability of the predicted class


def write_examples(folder: Path, examples: Sequence[Example]) -> None:
    """Writes the list to the folder of the thumbnails."""
    with whole_file(folder / _FILE) as temporary:
        text = json.dumps([asdict(example) for example in examples], indent=2)
        temporary.write_text(text + "\n", encoding="utf-8")


def read_examples(folder: Path) -> list[Example]:
    """The examples in a folder of thumbnails, [] if there is no list; UnusableError if it is damaged."""
    path = folder / _FILE
    if not path.is_file():
        return []
    try:
        return TypeAdapter(list[Example]).validate_json(path.read_bytes(), strict=True)
    except ValidationError as error:
        raise UnusableError(f"{printable(path)} is damaged ({first_error(error)})") from error
