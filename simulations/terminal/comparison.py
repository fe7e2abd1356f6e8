"""The result of a run beside its baselines, for the terminal: a table, and the signs of their differences.

Scores come from summaries; of the run folder only the per-photo predictions are read, to pair them.
"""

from pathlib import Path

import numpy as np
from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from fer_models.run_folder.privacy import PrivacyFacts
from fer_models.run_folder.quality import AcrossPhones
from fer_models.run_folder.summary import Summary
from simulations.report import results
from simulations.report.intervals import Difference, unpaired
from simulations.report.page import duration, percent, signed
from simulations.report.results import Drawn, Run

_MEASURES = (("accuracy", "accuracy", 100, 1, " points"), ("macro-F1", "macro_f1", 1, 3, ""))
_CAUTION = """  95% intervals over the test {units} of this run: others
  would not change a sign that holds. Another split or seed
  might: compare methods over several seeds"""

Named = tuple[str, Summary]  # a baseline's name and its summary


def compare(summary: Summary, baselines: list[Named], page: Path | None) -> RenderableType:
    """Runs side by side, then run minus each baseline, paired by photo if the files beside `page` allow."""
    parts: list[RenderableType] = ["", _table([(summary.kind, summary), *baselines])]
    parts += [Text(line, style="dim") for line in _private(summary.privacy)]
    if left_out := _too_few(summary.across_phones):
        parts += [Text(left_out, style="dim")]
    runs = results.read_all(page.parent) if page and (page.parent / "summary.json").is_file() else []
    drawn = results.UNPAIRED
    for name, other in baselines:
        gaps, drawn = _differences(summary, other, runs)
        parts += ["", _gap(summary.kind, name, gaps)]
    if baselines:
        parts += [Text(_CAUTION.format(units=drawn.units), style="dim")]
    return Group(*parts)


def _table(runs: list[Named]) -> Table:
    """A column for each run."""
    table = Table(box=None, padding=(0, 4, 0, 0), pad_edge=False, header_style="bold")
    table.add_column("", style="dim", no_wrap=True)
    for name, _ in runs:
        table.add_column(Text(name.replace(", ", ",\n")), justify="right", vertical="bottom", overflow="fold")
    every = [summary for _, summary in runs]
    table.add_row("accuracy", *(percent(each.accuracy) for each in every))
    table.add_row("macro-F1", *(f"{each.macro_f1:.3f}" for each in every))
    if every[0].across_phones is not None:
        table.add_row("worst tenth", *map(_worst_tenth, every))
    if (own := every[0].own_heads) is not None and every[0].kind != "local":
        table.add_row("own heads", percent(own.accuracy), *("" for _ in every[1:]))
    table.add_row("trained for", *map(_steps, every))
    if any(each.phones_dropped for each in every):  # unusable updates
        table.add_row("dropped", *(f"{each.phones_dropped:,}" for each in every))
    table.add_row("views seen", *("" if each.photos is None else f"{each.photos:,}" for each in every))
    table.add_row("training time", *(duration(each.seconds_training) for each in every))
    return table


def _private(facts: PrivacyFacts | None) -> list[str]:
    """What a private run guarantees, in lines; none of others."""
    if facts is None:
        return []
    lines = [f"  private for a {facts.unit}: epsilon {facts.epsilon:.4g}, delta {facts.delta:.3g}"]
    if facts.population:
        lines += [f"  that is for a population of {facts.population:,}, not for the simulated phones"]
    return lines


def _worst_tenth(summary: Summary) -> str:
    """The mean accuracy of the worst tenth of phones; "" if phones were not evaluated."""
    phones = summary.across_phones
    worst = phones.accuracy.worst_tenth if phones is not None else None
    return "" if worst is None else percent(worst)


def _too_few(phones: AcrossPhones | None) -> str:
    """How many phones have too few photos to be ranked for the worst tenth; "" if none."""
    left = phones.phones - phones.ranked if phones is not None else 0
    if phones is None or not left:
        return ""
    return (
        f"  worst tenth: excludes {left:,} of {phones.phones:,} phones, which have fewer than "
        f"{phones.min_photos} test photos"
    )


def _steps(summary: Summary) -> str:
    count, unit = (summary.rounds, "round") if summary.rounds else (summary.epochs or 0, "epoch")
    return f"{count:,.4g} {unit}{'' if count == 1 else 's'}"


def _differences(summary: Summary, other: Summary, runs: list[Run]) -> tuple[dict[str, Difference], Drawn]:
    """As on the page if the run files are there, else from the confusion matrices alone."""
    found = [[run for run in runs if run.summary == each] for each in (summary, other)]
    if all(found):
        return results.differences(found[0][0], found[1][0])
    matrices = (np.array(each.confusion, dtype=np.int64) for each in (summary, other))
    return unpaired(*matrices), results.UNPAIRED


def _gap(kind: str, name: str, gaps: dict[str, Difference]) -> Text:
    """A heading with what is compared, and a line for each metric."""
    text = Text.assemble((f"{kind.capitalize()} minus {name}", "bold"))
    for label, measure, scale, digits, unit in _MEASURES:
        gap = gaps[measure]
        value, low, high = (signed(scale * each, digits) for each in (gap.value, gap.low, gap.high))
        reading, style = ("sign holds", "bold yellow") if gap.holds else ("sign open", "dim")
        text.append(f"\n  {label:<9} {value + unit:<13} ")
        text.append(f"{f'{low} to {high}':<18} ", "dim").append(reading, style)
    return text
