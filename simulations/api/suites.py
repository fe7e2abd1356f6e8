"""`benchmark` for Python: a suite of arms over folds, in its own file beside the other doors."""

from dataclasses import dataclass
from html import escape as esc
from pathlib import Path
from typing import TYPE_CHECKING

from fer_models.errors import RunError
from fer_models.text import printable
from simulations.api.columns import Columns
from simulations.api.given import Settings, as_settings, as_text

if TYPE_CHECKING:
    from simulations.benchmark.record import Benchmark


@dataclass(frozen=True)
class BenchmarkResult:
    """A finished benchmark."""

    folder: Path
    benchmark: "Benchmark"  # everything in benchmark.json

    @property
    def page(self) -> Path:
        """To open in a browser."""
        return self.folder / "benchmark.html"

    @property
    def rows(self) -> Columns:
        """A row for each arm and measure, as in benchmark.csv."""
        from simulations.benchmark.files import HEAD, rows

        return Columns([dict(zip(HEAD, row, strict=True)) for row in rows(self.benchmark)])

    def __repr__(self) -> str:
        return f"<benchmark {self.benchmark.suite}, {len(self.benchmark.arms)} arms; {printable(self.page)}>"

    def _repr_html_(self) -> str:
        from simulations.benchmark.words import headline

        return f"<p>{esc(headline(self.benchmark))}</p><p>{esc(printable(self.page))}</p>"


class BenchmarkFailedError(RunError):
    """Some arms of a benchmark failed; `result` holds the results of the others."""

    def __init__(self, message: str, result: BenchmarkResult) -> None:
        super().__init__(message)
        self.result = result


def benchmark(
    suite: str | Path | None = None,
    data: str | Path | None = None,
    settings: Settings = (),
    out: str | Path | None = None,
    progress: bool = True,
    *,
    seeds: int | None = None,
    jobs: int | None = None,
    command: str | None = None,
) -> BenchmarkResult:
    """Every arm of a suite (a shipped name, or the path of a TOML file) on every fold, in `out`: new, or
    begun.

    BenchmarkFailedError, a RunError that holds the results of the others, if some arms failed.
    """
    from simulations.benchmark import files, page, results, runs
    from simulations.benchmark.benchmark import run_benchmark
    from simulations.benchmark.request import SETTINGS, ask
    from simulations.engines.surroundings import settle
    from simulations.run.ends import failing
    from simulations.run.folders import run_folder_for
    from simulations.terminal.display import Display

    settle()
    folder = run_folder_for(as_text(out), "benchmark")
    request = ask(
        as_text(suite), data=as_text(data), settings=as_settings(settings), seeds=seeds, folder=folder,
        command=command or "api.benchmark(...)",
    )  # fmt: skip
    with failing(folder, SETTINGS, request.how_to_go_on), Display(not progress) as display:
        failures = run_benchmark(request, display, jobs)
        with display.stage("Results", unit="arms") as step:
            found = runs.read(request)
            summary = results.summarise(request, found, failures)
            files.write(summary, folder)
            page.write(summary, folder)
            step(len(summary.arms), len(summary.arms))
        for line in found.damaged:
            display.note(f"left out: {line}")
    result = BenchmarkResult(folder, summary)
    if failures:
        reasons = "; ".join(f"{arm}, {why[0]}" for arm, why in failures.items())
        message = f"{len(failures)} of {len(summary.arms)} arms failed; {reasons}"
        raise BenchmarkFailedError(message, result)
    return result
