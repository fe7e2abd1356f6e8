"""study.csv and study.json: the results of a study for other programs.

In study.csv a row is a model at a balance, `source` "fedfer", or a published one, `source` "published";
shares are between 0 and 1, times are in seconds, unknown values are empty. study.json adds every run, and
every difference with its interval.
"""

import csv
import json
import tomllib
from pathlib import Path
from typing import Any

from fer_models.machine.cache import whole_file
from fer_models.run_folder.files import as_json
from simulations.inference.comparison import MARGIN
from simulations.inference.intervals import RESAMPLES
from simulations.inference.paired_t import LEVEL
from simulations.report.intervals import MANY
from simulations.study import words as words
from simulations.study.leakage_check import LeakageCheck
from simulations.study.pairs import Pair
from simulations.study.published import CAUTION, PUBLISHED
from simulations.study.results import SCORES, Row, Study

COLUMNS = (
    "source", "model", "balance", "seeds", *(f"{name}{end}" for name in SCORES for end in ("", "_sd")),
    "seconds_training", "seconds_with_features", "parameters", "parameters_trained", "multiply_adds",
    "ms_per_photo", "epochs",
)  # fmt: skip


def write(study: Study, folder: Path) -> list[Path]:
    """Writes study.csv and study.json to `folder` and returns their paths. Same study, same bytes."""
    table, rest = folder / "study.csv", folder / "study.json"
    with whole_file(table) as temporary, temporary.open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, COLUMNS)
        writer.writeheader()
        for row in _rows(study):
            listed = " ".join("-" if epoch is None else str(epoch) for epoch in row.get("epochs") or ())
            writer.writerow(row | {"epochs": listed})
    with whole_file(rest) as temporary:
        temporary.write_text(json.dumps(_all(study), indent=2) + "\n", encoding="utf-8")
    return [table, rest]


def our_rows(study: Study) -> list[dict[str, Any]]:
    """The rows of study.csv from fedfer's own runs."""
    return [_ours(study, row) for row in study.rows]


def _rows(study: Study) -> list[dict[str, Any]]:
    """Our rows, then the published ones, which lack what was not published."""
    published = (
        {"source": "published", "model": p.model, "accuracy": p.accuracy, "seconds_with_features": p.seconds}
        for p in PUBLISHED
    )
    return [*our_rows(study), *published]


def _ours(study: Study, row: Row) -> dict[str, Any]:
    scores = {f"{name}{end}": value for name in SCORES
              for end, value in (("", row.scores[name].mean), ("_sd", row.scores[name].sd))}  # fmt: skip
    return {
        "source": "fedfer", "model": row.model, "balance": row.balance, "seeds": len(study.seeds), **scores,
        "seconds_training": row.seconds, "seconds_with_features": row.seconds_with,
        "parameters": row.parameters, "parameters_trained": row.trained,
        "multiply_adds": row.multiply_adds, "ms_per_photo": row.ms_per_photo, "epochs": list(row.epochs),
    }  # fmt: skip


def _all(study: Study) -> dict[str, Any]:
    leakage = study.folder / LeakageCheck.FILE
    return {
        "settings": {
            **_settings(study.folder / "study.toml"),
            "models": list(study.models),
            "balances": list(study.balances),
            "seeds": list(study.seeds),
        },
        "classes": list(study.classes),
        "test_photos": dict(zip(map(str, study.seeds), study.photos, strict=True)),
        "leakage": as_json(LeakageCheck.read(study.folder)) if leakage.is_file() else None,
        "rows": our_rows(study),
        "runs": [
            {
                "folder": run.folder.name, "model": model, "balance": balance, "seed": seed,
                "head_sha256": run.summary.head_sha256, "selected": run.summary.selected,
                **{name: run.score(name) for name in SCORES},
                "seconds_training": run.summary.seconds_training,
                "seconds_features": run.summary.seconds_features_computed,
            }
            for (model, balance, seed), run in study.runs.items()
        ],
        "differences": [_difference(pair) for pair in study.pairs],
        "differences_drawn": {
            "units": study.drawn, "resamples": RESAMPLES if len(study.seeds) > 1 else MANY,
            "adjusted": "Holm", "level": LEVEL, "margin": MARGIN,
        },
        "published": {
            "caution": CAUTION,
            "rows": [
                {"model": p.model, "repeated_by": p.ours, "accuracy": p.accuracy,
                 "seconds_training": p.seconds}
                for p in PUBLISHED
            ],
        },
        "method": words.method(study),
    }  # fmt: skip


def _settings(path: Path) -> dict[str, Any]:
    return tomllib.loads(path.read_text(encoding="utf-8")) if path.is_file() else {}


def _difference(pair: Pair) -> dict[str, Any]:
    return {
        "balance": pair.balance, "measure": pair.measure, "first": pair.first, "second": pair.second,
        "difference": pair.gap.value, "low": pair.gap.low, "high": pair.gap.high,
        "of_seeds": list(pair.of_seeds), "p": pair.p, "p_adjusted": pair.adjusted, "p_equal": pair.p_equal,
        "reading": pair.reading,
    }  # fmt: skip
