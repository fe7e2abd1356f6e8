"""Photos on some phones, beside the photos nearest to what was recovered of them."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from PIL import Image

from fer_models.machine.cache import whole_file
from fer_models.run_folder.audit import Picture
from simulations.audit.features import Recovered
from simulations.audit.updates import Views

FOLDER = "audit"
_PHONES, _SIDE = 6, 96  # phones on the page, and pixels of a thumbnail


def pictures(views: Views, recovered: Sequence[Recovered], folder: Path) -> tuple[Picture, ...]:
    """Writes thumbnails to `folder`/audit; none if the run shows no photos (report.examples)."""
    if not views.run.config.report.examples or not recovered:
        return ()
    (folder / FOLDER).mkdir(exist_ok=True)
    held, run = views.attacked, views.run
    largest = views.counts(held).argmax(axis=1)
    rows = np.unique(run.held.rows)
    every = np.asarray(run.held.features[rows], np.float64)
    found = []
    for place in range(min(_PHONES, held.phones)):
        c, own = int(largest[place]), held.rows[held.offsets[place] : held.offsets[place + 1]]
        own = own[held.labels[own] == c]
        features = np.asarray(held.features[own], np.float64)
        true = own[_nearest(features.mean(axis=0) - views.means[1 + c], features - views.means[1 + c])]
        shown = [rows[_nearest(each.features[place], every - views.means[1 + c])] for each in recovered]
        names = [
            _save(views, int(row), folder / FOLDER / f"{place}-{number}.png")
            for number, row in enumerate([true, *shown])
        ]
        phone, emotion = int(views.tested[place]), run.config.data.classes[c]
        found.append(Picture(phone, emotion, names[0], tuple(names[1:])))
    return tuple(found)


def _nearest(to: np.ndarray, among: np.ndarray) -> int:
    """The row with the greatest cosine."""
    return int((among @ to / np.maximum(np.linalg.norm(among, axis=1), 1e-12)).argmax())


def _save(views: Views, row: int, path: Path) -> str:
    """A thumbnail of the photo of a row; its name."""
    picture = views.run.world.table.reader(int(views.run.photos[row]))
    picture.thumbnail((_SIDE, _SIDE), Image.Resampling.LANCZOS)
    with whole_file(path) as temporary:
        picture.save(temporary, format="PNG")
    return path.name
