"""What is in a face set, in numbers: classes, people, sizes, broken photos, leaks, balance.

`fedfer data show` prints it (simulations/cli/faceset.py) and writes it as data.json. No features are
computed.
"""

import json
import os
from collections import Counter
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager
from pathlib import Path

import numpy as np

from fer_models.balancing.registry import central_plan, chosen
from fer_models.config import SPLITS, DataConfig
from fer_models.data import leakage, thumbnails
from fer_models.data.counts import counts
from fer_models.data.images import ImageTable, load_table
from fer_models.data.leakage import Leakage
from fer_models.emotions import EMOTIONS
from fer_models.machine.cache import whole_file
from fer_models.photos import choice
from fer_models.photos.sources import open_source
from fer_models.run_folder.files import versioned
from fer_models.text import printable
from simulations.config import Config
from simulations.report.imbalance import draw_imbalance
from simulations.terminal.progress import Step
from simulations.world.face_set import (
    Balance,
    Census,
    Copies,
    NamedPhoto,
    NearDuplicates,
    NearPair,
    People,
    PhotosEach,
    PhotosOfSize,
    Unreadable,
    UnreadablePhoto,
)
from simulations.world.known_photos import warnings

Stages = Callable[..., AbstractContextManager[Step]]  # display.stage


def found(config: Config) -> dict[str, int]:
    """Photos of each emotion in the source, used or not, readable or not; InputError if there are none."""
    if config.data.source != "sketch":
        return choice.found(open_source(config.data).listing(), config.data)
    from fer_models.sketch.faces import SketchSet

    drawn = SketchSet(config.sketch.faces, config.sketch.subjects, config.sketch.seed)
    return {name: int(np.count_nonzero(drawn.emotions == e)) for e, name in enumerate(EMOTIONS)}


def take(config: Config, stage: Stages) -> Census:
    """The census of the photos of `data.classes`.

    However many photos cannot be read, the others are counted. InputError as in `fedfer run`.
    """
    lenient = config.data.model_copy(update={"max_unreadable": 1.0})
    with stage("Photos", unit="photos") as step:
        table = load_table(lenient, config.sketch, seed=config.run.split, progress=step)
    with stage("Likeness", unit="photos") as step:
        seen = thumbnails.look(table, progress=step)
        leaks = leakage.find_leakage(table)
    table.ledger.warnings[:] = warnings(table, leaks)
    plan = central_plan(table, config.data, seed=config.run.split)
    counted = counts(table, plan)
    return Census(
        source=printable(table.source),
        seed=config.run.split,
        classes=table.classes,
        found=table.ledger.found,
        photos=counted.photos,
        subjects=_people(table),
        sizes=tuple(PhotosOfSize(*kind) for kind in thumbnails.sizes(seen)),
        unreadable=_unreadable(table, config.data.max_unreadable),
        copies=_copies(table, leaks),
        near_duplicates=_near(table, leaks),
        subjects_in_two_parts=tuple(leaks.shared),
        ledger=table.ledger,
        balance=_balance(config.data, counted.photos.train, counted.views),
    )


def write(census: Census, folder: Path) -> None:
    """Writes data.json and the figure of imbalance to `folder`, which is created if needed."""
    folder.mkdir(parents=True, exist_ok=True)
    draw_imbalance(census.balance.before, census.balance.after, folder)
    with whole_file(folder / "data.json") as temporary:
        text = json.dumps(versioned(census), indent=2, ensure_ascii=False)
        temporary.write_text(text + "\n", encoding="utf-8")


def _people(table: ImageTable) -> People | None:
    """The number of people, and of photos of each; photos of unknown people are counted separately."""
    subjects = table.subjects
    if subjects is None:
        return None
    known = subjects != np.array([f"photo {path}" for path in table.paths])
    return People(
        all=_photos_each(subjects[known]),
        classes={
            name: _photos_each(subjects[known & (table.labels == c)]) for c, name in enumerate(table.classes)
        },
        parts={part: len(np.unique(subjects[known & (table.split == p)])) for p, part in enumerate(SPLITS)},
        photos_of_nobody_known=int(np.count_nonzero(~known)),
    )


def _photos_each(subjects: np.ndarray) -> PhotosEach:
    _, photos = np.unique(subjects, return_counts=True)
    if not len(photos):
        return PhotosEach(0, 0, 0.0, 0)
    return PhotosEach(len(photos), int(photos.min()), float(np.median(photos)), int(photos.max()))


def _unreadable(table: ImageTable, allowed: float) -> Unreadable:
    return Unreadable(
        photos=len(table.unreadable),
        share=len(table.unreadable) / (len(table) + len(table.unreadable)),
        allowed=allowed,
        reasons=dict(Counter(reason for _, reason in table.unreadable).most_common()),
        files=tuple(UnreadablePhoto(_short(table, path), reason) for path, reason in table.unreadable),
    )


def _copies(table: ImageTable, leaks: Leakage) -> Copies:
    return Copies(
        photos=sum(len(group) - 1 for group in leaks.copies),
        groups=tuple(tuple(_photo(table, i) for i in group) for group in leaks.copies),
        across_parts=len(leaks.copies_across(table.split)),
        of_two_classes=sum(len(set(table.labels[list(group)].tolist())) > 1 for group in leaks.copies),
    )


def _near(table: ImageTable, leaks: Leakage) -> NearDuplicates:
    order = np.argsort(~leaks.across, kind="stable")
    labels, people = table.labels[leaks.near], table.subjects
    two = 0 if people is None else np.count_nonzero(people[leaks.near[:, 0]] != people[leaks.near[:, 1]])
    return NearDuplicates(
        pairs=len(leaks.near),
        more=leaks.more,
        across_parts=int(np.count_nonzero(leaks.across)),
        of_two_classes=int(np.count_nonzero(labels[:, 0] != labels[:, 1])),
        of_two_subjects=int(two),
        bits=leakage.BITS,
        correlation=leakage.CORRELATION,
        list=tuple(
            NearPair(
                photos=tuple(_photo(table, int(i)) for i in leaks.near[k]),
                correlation=round(float(leaks.correlation[k]), 4),
                across=bool(leaks.across[k]),
            )
            for k in order.tolist()
        ),
    )


def _balance(data: DataConfig, before: Mapping[str, int], after: Mapping[str, int]) -> Balance:
    """Training photos and training views per class; ratio: the largest class to the smallest."""

    def ratio(each: Mapping[str, int]) -> float:
        return round(max(each.values()) / min(each.values()), 2)

    how = chosen(data).words(data.balance)
    return Balance(data.balance, how, before, after, ratio(before), ratio(after))


def _photo(table: ImageTable, photo: int) -> NamedPhoto:
    return NamedPhoto(
        file=_short(table, table.paths[photo]),
        emotion=table.classes[int(table.labels[photo])],
        subject=None if table.subjects is None else printable(str(table.subjects[photo])),
        part=SPLITS[int(table.split[photo])],
    )


def _short(table: ImageTable, path: str) -> str:
    """The path relative to the source's folder, if it is inside it."""
    root = table.source if os.path.isdir(table.source) else str(Path(table.source).parent)
    return printable(path.removeprefix(root + os.sep)) if os.path.isabs(root) else printable(path)
