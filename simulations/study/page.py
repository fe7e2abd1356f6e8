"""A finished study -> study.html: what was found, how certain it is, and how it was made.

Reads files only: the runs (results.py) and the figures beside the page (figures/files.py), which it embeds.
The same folder gives the same page; it links only to files beside it, and needs no script.
"""

import base64
import re
from html import escape as esc
from pathlib import Path

from fer_models.machine.cache import whole_file
from simulations.report import page
from simulations.report.page import paragraph, section
from simulations.study import sections as study_sections
from simulations.study import setup as study_setting
from simulations.study import words as words
from simulations.study.figures.files import FOLDER, Figure, figures
from simulations.study.results import Study

_SECTIONS = {
    "overview": (
        "The models side by side",
        "The scores on the test photos.",
        " A mark is the mean over seeds, its line one standard deviation either side, a small dot a seed.",
    ),
    "imbalance": (
        "Classes before and after balancing",
        "Training photos of the first seed. Balancing fills a class with augmented views of its own training "
        "photos or keeps a seeded subset; validation and test photos are never balanced or augmented.",
        "",
    ),
    "blocks": (
        "MobileNetV2, block by block",
        "Shapes and parameters as torchvision builds it. Shortcut: the input is added to the output.",
        "",
    ),
    "epochs": (
        "Accuracy and loss, epoch by epoch",
        "Measured on validation photos, which select the epoch that is tested (a ring). The training loss is "
        "the mean over the views during training, dropout included. Models fitted in one step have no "
        "epochs.",
        " A thick line is the mean over seeds.",
    ),
    "confusion": (
        "Confusion of the test photos",
        "Number of photos; the shade is the share of the row. The diagonal is correct.",
        " Photos of all seeds together.",
    ),
    "classes": (
        "Class by class",
        "Precision, recall and F1 of each class on the test photos.",
        " Means over seeds.",
    ),
}


def write(study: Study, folder: Path) -> Path:
    """Writes `folder`/study.html whole and returns its path; its figures must already be drawn."""
    parts = [
        _header(study),
        study_sections.results(study),
        study_sections.differences(study),
        *(_figures(kind, shown, study, folder) for kind, shown in figures(study).items()),
        study_setting.made(study),
        study_sections.runs(study, folder),
    ]
    version = esc(study.any_run.environment.versions.get("fedfer", ""))
    footer = f"Written by fedfer {version} from the files of this study. No scripts, no network."
    path = folder / "study.html"
    with whole_file(path) as temporary:
        text = page.skeleton("fedfer study", "\n".join(part for part in parts if part), footer)
        temporary.write_text(text, encoding="utf-8")
    return path


def _header(study: Study) -> str:
    views = words.listed([words.views(balance) for balance in study.balances])
    seeds, models = (
        f"{len(what)} {name}{'' if len(what) == 1 else 's'}"
        for what, name in ((study.seeds, "seed"), (study.models, "model"))
    )
    eyebrow = f"fedfer study &middot; {models} &middot; balance {views} &middot; {seeds}"
    return "\n".join(
        [
            "<header>",
            f'<p class="eyebrow">{eyebrow}</p>',
            f"<h1>{esc(words.headline(study))}</h1>",
            paragraph(study_sections.lede(study), "lede"),
            _drawings(study),
            "</header>",
        ]
    )


def _drawings(study: Study) -> str:
    if study.any_run.data.source != "sketch":
        return ""
    return (
        '<div class="note"><p><strong>These faces are drawings, not photos.</strong> The embedded set '
        "<em>sketch</em> is there to try the whole pipeline without a download; its numbers say nothing "
        "about real faces.</p></div>"
    )


def _figures(kind: str, shown: list[Figure], study: Study, folder: Path) -> str:
    """The figure of the last balance; those of the others are collapsed."""
    title, text, of_many = _SECTIONS[kind]
    text += of_many if len(study.seeds) > 1 else ""
    *others, last = shown
    named = f"<h3>{esc(words.balanced(study.balances[-1]).capitalize())}</h3>" if others else ""
    folded = "".join(
        page.folded(words.balanced(balance).capitalize(), _figure(each, folder))
        for balance, each in zip(study.balances, others, strict=False)
    )
    return section(title, paragraph(text), named + _figure(last, folder), folded)


def _figure(figure: Figure, folder: Path) -> str:
    """The figure on a light card, whatever the page's colours, with links to its files."""
    svg = (folder / FOLDER / f"{figure.name}.svg").read_bytes()
    wide = re.search(rb'<svg[^>]*? width="([\d.]+)pt"', svg)
    pixels = f"{float(wide[1]) * 4 / 3:.0f}px" if wide else "100%"
    data = base64.b64encode(svg).decode("ascii")
    links = ", ".join(
        f'<a href="{FOLDER}/{figure.name}.{kind}">{kind.upper()}</a>' for kind in ("svg", "png")
    )
    return (
        f'<figure><div class="plate" role="region" tabindex="0" aria-label="{esc(figure.text)}">'
        f'<img style="--wide:{pixels};max-width:{pixels}" alt="{esc(figure.text)}" '
        f'src="data:image/svg+xml;base64,{data}"></div>'
        f"<figcaption>{esc(figure.text)}: {links}</figcaption></figure>"
    )
