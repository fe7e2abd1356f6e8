"""A finished run folder -> report.html: what was run, how good it is, against what, and how certain that is.

Reads files only (the run folder and, for a federated run, its baselines in `centralized` and
`centralized-matched`); the same folder gives the same page, byte for byte. The page links only to files
beside it and needs no script.
"""

from html import escape
from pathlib import Path

from fer_models.machine.cache import whole_file
from simulations.report import (
    across_page,
    audit_page,
    learning,
    ledger_page,
    page,
    phones,
    privacy_page,
    secagg_page,
    setup,
)
from simulations.report.headline import headline
from simulations.report.results import read_all


def write_report(folder: Path) -> Path:
    """Write `folder/report.html` whole and return its path; InputError if the run is not finished."""
    every = read_all(folder)
    run, baselines = every[0], every[1:]
    sections = [
        headline(run, baselines),
        setup.setup(run),
        privacy_page.privacy(run),
        audit_page.audit(run),
        secagg_page.secure_aggregation(run),
        ledger_page.photos(run),
        learning.training(every),
        learning.counts(run),
        phones.phones(run),
        across_page.across_phones(every),
        learning.confusion(run, baselines),
        learning.per_class(every),
        learning.examples(run),
        setup.cost(run, baselines),
        setup.again(run),
    ]
    version = escape(run.environment.versions.get("fedfer", ""))
    footer = f"Written by fedfer {version} from the files of this run folder. No scripts, no network."
    body = "\n".join(part for part in sections if part)
    path = folder / "report.html"
    with whole_file(path) as temporary:
        title = f"{run.summary.experiment}: fedfer report"
        temporary.write_text(page.skeleton(title, body, footer), encoding="utf-8")
    return path
