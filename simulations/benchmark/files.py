"""The results of a benchmark as files: benchmark.json, benchmark.csv, benchmark.tex."""

import csv
from pathlib import Path

from fer_models.machine.cache import whole_file
from simulations.benchmark import words
from simulations.benchmark.record import Benchmark
from simulations.inference.scores import MEASURES

HEAD = (
    "arm", "kind", "measure", "mean", "low", "high", "reference", "difference", "difference_low",
    "difference_high", "p", "p_holm", "p_equal", "verdict", "runs", "candidates", "chosen", "bytes_down",
    "bytes_up", "phone_epochs", "seconds_training",
)  # fmt: skip
_SPECIAL = {"&": r"\&", "%": r"\%", "_": r"\_", "#": r"\#", "$": r"\$", "{": r"\{", "}": r"\}"}


def write(benchmark: Benchmark, folder: Path) -> None:
    """Writes all three to `folder`."""
    benchmark.write(folder)
    with (
        whole_file(folder / "benchmark.csv") as temporary,
        temporary.open("w", newline="", encoding="utf-8") as file,
    ):
        csv.writer(file).writerows([HEAD, *rows(benchmark)])
    with whole_file(folder / "benchmark.tex") as temporary:
        temporary.write_text(latex(benchmark), encoding="utf-8")


def rows(benchmark: Benchmark) -> list[list[object]]:
    """A line for each arm and measure; nothing where it does not apply."""
    rows = []
    for arm in benchmark.arms:
        for measure in MEASURES:
            estimate, pair = getattr(arm, measure), benchmark.comparison(arm.name, measure)
            scores = ["", "", ""] if estimate is None else [estimate.mean, estimate.low, estimate.high]
            judged: list[object] = [""] * 8
            if pair is not None:
                judged = [
                    pair.reference, pair.difference, pair.low, pair.high, pair.p, pair.p_holm, pair.p_equal,
                    pair.verdict,
                ]  # fmt: skip
            rows.append([
                arm.name, arm.kind, measure, *scores, *judged, len(arm.runs), arm.candidates,
                words.choices(arm), arm.bytes_down, arm.bytes_up, arm.phone_epochs, arm.seconds_training,
            ])  # fmt: skip
    return rows


def latex(benchmark: Benchmark) -> str:
    """A table for a paper: needs the package booktabs."""
    lines = [
        f"% fedfer benchmark {benchmark.suite}, {benchmark.folds} folds, {benchmark.seeds} seeds;"
        f" {benchmark.date}",
        r"\begin{tabular}{lrrrl}",
        r"\toprule",
        r"Arm & Accuracy & Macro-F1 & Difference in macro-F1 & Verdict \\",
        r"\midrule",
    ]
    for arm in benchmark.arms:
        if arm.accuracy is None or arm.macro_f1 is None:
            lines.append(rf"{_tex(arm.name)} & \multicolumn{{4}}{{l}}{{failed}} \\")
            continue
        pair = benchmark.comparison(arm.name, "macro_f1")
        judged = ["--", "reference" if arm.name == benchmark.reference else "--"]
        if pair is not None:
            judged = [_interval(pair.difference, pair.low, pair.high, sign=True), pair.verdict]
        scores = [_interval(e.mean, e.low, e.high) for e in (arm.accuracy, arm.macro_f1)]
        lines.append(rf"{_tex(arm.name)} & {' & '.join([*scores, *judged])} \\")
    return "\n".join([*lines, r"\bottomrule", r"\end{tabular}", ""])


def _interval(mean: float, low: float, high: float, *, sign: bool = False) -> str:
    """In percent, or points."""
    kind = "+.1f" if sign else ".1f"
    return f"${100 * mean:{kind}}$ [${100 * low:{kind}}$, ${100 * high:{kind}}$]"


def _tex(text: str) -> str:
    return "".join(_SPECIAL.get(letter, letter) for letter in text)
