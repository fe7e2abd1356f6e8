"""Run folders that exist: listed, and turned into pages. Paths are relative to the current folder."""

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from fer_models.errors import InputError
from fer_models.text import printable

if TYPE_CHECKING:
    from simulations.comparison.listing import ListedRun

_DEFAULT = "comparison.html"
_BASELINES = ("centralized", "centralized-matched")


@dataclass(frozen=True)
class Report:
    """A page that was written, and a line for each run folder that was left out of it."""

    page: Path
    skipped: tuple[str, ...] = ()

    def __repr__(self) -> str:
        return f"<report: {printable(self.page)}>"


def list_runs(folders: str | Path | Iterable[str | Path] = "runs") -> "list[ListedRun]":
    """The runs in and below one or more folders, newest first, whatever their state."""
    from simulations.comparison.listing import list_runs as found

    return found(_paths(folders))


def report(
    runs: str | Path | Iterable[str | Path], out: str | Path | None = None, *, different_data: bool = False
) -> Report:
    """The page of finished runs, written anew from their folders.

    Of one run it is report.html in its folder, and in those of its baselines; of several a comparison, in the
    file `out` (default: comparison.html in the current folder). `different_data`: also of runs that were
    evaluated on different photos.
    """
    places = list({place.resolve(): place for place in reversed(_paths(runs))}.values())[::-1]
    if not places:
        raise InputError("report: no run was given; give the folders of finished runs")
    if len(places) == 1:
        return _of_one(places[0], out)
    from simulations.comparison.compared import check_same_data, gather
    from simulations.comparison.page import write_comparison

    page = _page(_DEFAULT if out is None else out)
    found = gather(places)
    if not different_data:
        check_same_data(found.runs)
    return Report(write_comparison(found.runs, page), tuple(found.skipped))


def _of_one(folder: Path, out: str | Path | None) -> Report:
    from simulations.api.results import opened
    from simulations.report.report import write_report

    if out is not None:
        raise InputError(
            "--out names the page of several runs; that of one run is report.html in its folder, beside the"
            " files it links to; omit --out"
        )
    run = opened(folder)
    for place in (*(folder / name for name in _BASELINES if name in run.baselines), run.folder):
        page = write_report(place)
    return Report(page)


def _page(out: str | Path) -> Path:
    """The file to write, which may exist; InputError if it cannot be one."""
    page = Path(out).expanduser()
    if not str(out) or page.is_dir():
        raise InputError(f"--out: {printable(page)} is a folder; give a file, such as {_DEFAULT}")
    if page.suffix.lower() not in (".html", ".htm"):
        raise InputError(f"--out: {printable(page)} is not the name of a page; give one that ends in .html")
    return page


def _paths(folders: str | Path | Iterable[str | Path]) -> list[Path]:
    given = [folders] if isinstance(folders, str | Path) else list(folders)
    if any(not str(folder) for folder in given):
        raise InputError("the name of a folder is empty; give the folder of a run")
    return [Path(folder).expanduser() for folder in given]
