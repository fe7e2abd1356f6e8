"""The results of a study for the terminal: a row per model and balance, then which models differ.

The numbers come from simulations/study/results.py, the published ones from simulations/study/published.py.
"""

from rich.console import Console, Group, RenderableType
from rich.table import Table
from rich.text import Text

from simulations.report.page import percent
from simulations.study import words as words
from simulations.study.published import CAUTION, PUBLISHED
from simulations.study.results import Row, Study
from simulations.study.words import Finding

_WIDTH = 120  # columns used at most
_BESIDE = 115  # from this width on, a spread is beside its mean, else below it
_ALL = 77  # columns that all scores then take
_LESS = words.SHOWN[:2]  # the scores shown if there is less room, without parameters
_HEADS = {"accuracy": "Accuracy", "balanced_accuracy": "Balanced\naccuracy", "macro_f1": "Macro-F1",
          "weighted_f1": "Weighted\nF1"}  # fmt: skip
_SHORT = {"accuracy": "Accuracy", "balanced_accuracy": "Bal.\nacc.", "macro_f1": "Macro\nF1",
          "weighted_f1": "Wtd.\nF1"}  # fmt: skip


def show(study: Study, console: Console) -> None:
    """Prints the table and the verdict as wide as the terminal, at most _WIDTH columns."""
    width, unicode = min(console.width - 1, _WIDTH), console.encoding.lower().startswith("utf")
    parts = [_title(study), "", _table(study, width, "±" if unicode else "+-"), *_verdict(study)]
    with console.capture() as captured:
        console.print(Group("", *parts), width=width)
    text = "\n".join(line.rstrip() for line in captured.get().split("\n"))
    console.out(text.encode(console.encoding, "replace").decode(console.encoding), end="", highlight=False)


def _title(study: Study) -> Text:
    photos = sorted({min(study.photos), max(study.photos)})
    judged = f"{' to '.join(f'{number:,}' for number in photos)} test photos"
    seeds = "1 seed" if len(study.seeds) == 1 else f"{len(study.seeds)} seeds: mean and standard deviation"
    return Text.assemble(("Models of the study", "bold"), f"\n{judged}, {seeds}")


def _table(study: Study, width: int, sign: str) -> Table:
    """Rows in the order given, a model's name at its first row; the published ones below."""
    names = words.SHOWN if width >= _ALL else _LESS
    wide = width >= _BESIDE
    between = (" " if wide else "\n") + sign
    table = Table(box=None, padding=(0, 2 if wide else 1, 0, 0), pad_edge=False, header_style="bold")
    table.add_column("Model", no_wrap=True)
    table.add_column("Balance", justify="right", no_wrap=True)
    costs = ("Train\ntime", "With\nfeat.", "Param-\neters", "ms per\nphoto")
    for head in (
        *((_HEADS if wide else _SHORT)[name] for name in names),
        *costs[: 4 if wide else 3 if names is words.SHOWN else 2],
    ):
        table.add_column(head, justify="right", no_wrap=True)
    last = ""
    for row in study.rows:
        if last and row.model != last and len(study.balances) > 1:
            table.add_row()
        scores = [_score(row, name, between) for name in names]
        table.add_row(
            Text(row.model if row.model != last else ""), *_cells(row, scores)[: len(table.columns) - 1]
        )
        last = row.model
    table.add_row()
    table.add_row(Text("published*", style="dim"))
    for each in PUBLISHED:
        cells = ["", percent(each.accuracy), *[""] * len(names), _short(each.seconds)]
        table.add_row(each.model.replace(" with ", "\nwith "), *cells, style="dim")
    return table


def _cells(row: Row, scores: list[Text]) -> list[str | Text]:
    costs = [
        _short(row.seconds),
        _short(row.seconds_with),
        words.count(row.parameters),
        words.pace(row.ms_per_photo),
    ]
    return [words.views(row.balance), *scores, *costs]


def _score(row: Row, name: str, between: str) -> Text:
    """Mean and standard deviation, with `between` in between."""
    mean, sd = words.spread(row.scores[name], name)
    return Text.assemble(mean, (f"{between}{sd}" if sd else "", "dim"))


def _short(seconds: float | None) -> str:
    """Written as 1m 32s: the column is narrow."""
    return words.took(seconds).replace(" min", "m").replace(" s", "s").replace(" h", "h")


def _verdict(study: Study) -> list[RenderableType]:
    """Which models differ: in full at the last balance, in a line at the others."""
    parts: list[RenderableType] = [""]
    parts += [Text(text, style="dim") for text in (words.BALANCE, words.TIMES, f"* {CAUTION}")]
    if len(study.models) < 2:
        return parts
    parts += ["", Text(words.title(study), style="bold")]
    *others, accuracy, f1 = words.findings(study)
    for finding in (accuracy, f1):
        parts += ["", *_finding(finding)]
    if others:
        table = _plain()
        for finding in others:
            heading = f"{words.NAMES[finding.measure]}, {words.balanced(finding.balance)}"
            table.add_row(Text(heading), Text(words.counted(finding), style="dim"))
        parts += ["", table]
    return [*parts, "", Text(words.method(study), style="dim")]


def _finding(finding: Finding) -> list[RenderableType]:
    table = _plain()
    for model, score, standing in finding.lines:
        table.add_row(Text(f"{model} {score}"), Text(standing))
    heading = f"{words.NAMES[finding.measure]}, {words.balanced(finding.balance)}"
    return [Text(heading, style="bold"), table]


def _plain() -> Table:
    """Two columns, the first as wide as its text."""
    table = Table(box=None, padding=(0, 2, 0, 0), pad_edge=False, show_header=False)
    table.add_column(no_wrap=True)
    table.add_column(overflow="fold")
    return table
