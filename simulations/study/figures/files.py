"""The figures of a study as files: which there are, and their names."""

from dataclasses import dataclass
from pathlib import Path

from simulations.report.imbalance import draw_balances
from simulations.study import words as words
from simulations.study.figures.curves import draw_epochs, models_with_epochs
from simulations.study.figures.matrices import draw_classes, draw_confusions
from simulations.study.figures.network import draw_blocks
from simulations.study.figures.overview import draw_overview
from simulations.study.results import Study

FOLDER = "figures"


@dataclass(frozen=True)
class Figure:
    """One figure: the name of its files (NAME.png, NAME.svg), and a caption of what it shows."""

    name: str
    text: str


def figures(study: Study) -> dict[str, list[Figure]]:
    """The figures of a study by kind, and within a kind by balance."""
    names, models = words.listed(study.classes), words.listed(study.models)
    found = {
        "overview": [Figure("overview", f"Accuracy and macro-F1 of {models}")],
        "imbalance": [Figure("imbalance", f"Training photos and views of {names} at each balance")],
        "blocks": [Figure("blocks", "The blocks of MobileNetV2 with shapes and parameters")],
    }
    for kind, what in (
        ("epochs", "Accuracy and loss per epoch"),
        ("confusion", "Confusion matrices"),
        ("classes", "Precision, recall and F1 of each class"),
    ):
        if kind != "epochs" or models_with_epochs(study):
            found[kind] = [Figure(f"{kind}-{b}", f"{what}, {words.balanced(b)}") for b in study.balances]
    return found


def draw(study: Study, folder: Path) -> list[Path]:
    """Writes every figure to `folder`/figures as PNG and SVG; the same study gives the same bytes."""
    place = folder / FOLDER
    place.mkdir(exist_ok=True)
    first = {b: study.runs[study.models[0], b, study.seeds[0]].data for b in study.balances}
    before = first[study.balances[0]].photos.train
    paths = draw_overview(study, place)
    paths += draw_balances(before, {b: data.views for b, data in first.items()}, place)
    paths += draw_blocks(_size(study), len(study.classes), _trained(study), place)
    for balance in study.balances:
        if models_with_epochs(study):
            paths += draw_epochs(study, balance, place)
        paths += draw_confusions(study, balance, place)
        paths += draw_classes(study, balance, place)
    return paths


def _size(study: Study) -> int:
    """The side of MobileNetV2's input photos, in pixels."""
    size = study.any_run.config.data.image_size
    return size if isinstance(size, int) else 224


def _trained(study: Study) -> int | None:
    """The most blocks of MobileNetV2 that any model of the study trains; None if none does."""
    found = (
        run.config.model.model_copy(update={"name": model}).make().blocks
        for (model, _, _), run in study.runs.items()
    )
    return max(found, default=0) or None
