"""Several finished runs to compare: read, named apart, and whether they judged the same test photos."""

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from fer_models.errors import InputError
from fer_models.pages.options import as_toml
from fer_models.text import printable
from simulations.report.results import Run, read_run

STYLES = 5  # lines that the page can tell apart in one figure


@dataclass(frozen=True)
class Gathered:
    """The runs that can be read, in the order given, and a line for each folder that was skipped."""

    runs: list[Run]
    skipped: list[str]


def gather(folders: Sequence[Path]) -> Gathered:
    """Reads the runs, each folder once; InputError, with the first reason, if none can be read."""
    runs, skipped = [], []
    places: dict[Path, Path] = {}
    for folder in folders:
        places.setdefault(folder.resolve(), folder)
    for place in places.values():
        try:
            runs.append(read_run(_checked(place), series=0))
        except InputError as error:
            skipped.append(str(error))
    if not runs:
        more = f" (and {len(skipped) - 1} more that cannot be read)" if len(skipped) > 1 else ""
        raise InputError(f"{skipped[0]}{more}")
    names = _names([run.folder for run in runs])
    styled = [
        replace(run, name=name, series=i % STYLES)
        for i, (run, name) in enumerate(zip(runs, names, strict=True))
    ]
    return Gathered(styled, skipped)


def _checked(place: Path) -> Path:
    if not place.is_dir():
        raise InputError(f"there is no folder {printable(place)}; give the folder of a run")
    if not (place / "summary.json").is_file():
        raise InputError(
            f"{printable(place)} is not the folder of a finished run: it has no summary.json; give one, or"
            " resume it with fedfer run --resume"
        )
    return place


def _names(folders: Sequence[Path]) -> list[str]:
    """Each folder's path below the folder that holds them all, numbered: figures cut long names."""
    whole = [folder.resolve() for folder in folders]
    above = Path(os.path.commonpath([folder.parent for folder in whole]))
    names = [printable(folder.relative_to(above)) for folder in whole]
    return [f"{i} \N{MIDDLE DOT} {name}" for i, name in enumerate(names, 1)] if len(names) > 1 else names


def other_data(first: Run, other: Run) -> str:
    """How the photos of two runs differ, as text; "" if both judged the same test photos of the same set."""
    if first.data.photos_sha256 == other.data.photos_sha256 and _true(first) == _true(other):
        return ""  # wherever they are stored
    for what, values in (
        ("data.source", [each.data.source for each in (first, other)]),
        ("data.classes", [list(each.summary.classes) for each in (first, other)]),
    ):
        if values[0] != values[1]:
            return f"{what} is {as_toml(values[0])} and {as_toml(values[1])}"
    for what, numbers in (
        ("the seed of the split", [each.config.run.split for each in (first, other)]),
        ("data.fold", [each.config.data.fold for each in (first, other)]),
    ):
        if numbers[0] != numbers[1]:
            return f"the photos are split otherwise ({what} is {numbers[0]} and {numbers[1]})"
    return "the photos, their labels or their split differ"


def check_same_data(runs: Sequence[Run]) -> None:
    """InputError if not all judged the same test photos: their numbers differ for that reason alone."""
    first = runs[0]
    for other in runs[1:]:
        if how := other_data(first, other):
            raise InputError(
                f"{printable(other.folder)} and {printable(first.folder)} are of different data: {how};"
                " give runs of the same photos and split, or --different-data to see them side by side"
                " without differences"
            )


def _true(run: Run) -> Mapping[str, tuple[str, str]]:
    """The label and the person of each test photo."""
    return {file: (emotion, subject) for file, (emotion, _, subject) in run.said.items()}


def settings_that_differ(runs: Sequence[Run]) -> dict[str, list[str]]:
    """Key -> its value in each run, as in TOML, of the settings that not all runs share."""
    values = []
    for run in runs:
        sections = run.config.model_dump(mode="json").items()
        values.append({f"{s}.{key}": as_toml(v) for s, keys in sections for key, v in keys.items()})
    every = dict.fromkeys(key for each in values for key in each)
    rows = {key: [each.get(key, "") for each in values] for key in every}
    return {key: row for key, row in rows.items() if len(set(row)) > 1}
