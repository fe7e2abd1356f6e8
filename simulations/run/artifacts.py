"""What a run writes at its end: head, predictions, examples, summary.

The test photos are evaluated here, once.
"""

import hashlib
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
from PIL import Image

from fer_models import models
from fer_models.data.augment import ViewPlan, views
from fer_models.data.counts import counts
from fer_models.evaluation import Selection
from fer_models.features import stack
from fer_models.heads import Classifier, LinearHead, save_head
from fer_models.local.phone_rows import PhoneData
from fer_models.machine.cache import whole_file
from fer_models.metrics import report
from fer_models.run_folder.data_facts import DataFacts
from fer_models.run_folder.examples import FOLDER, Example, write_examples
from fer_models.run_folder.files import write_json
from fer_models.run_folder.folder import RunFolder, read_unreleased
from fer_models.run_folder.privacy import PrivacyFacts
from fer_models.run_folder.quality import Quality
from fer_models.run_folder.rounds import Totals
from fer_models.run_folder.summary import PhotoCost, Summary, Trained, TrainingCost
from fer_models.seeding import stream
from fer_models.text import printable
from server.strategies.personal_heads import PersonalHeads
from simulations.run.across_phones import across_phones, answers
from simulations.run.provenance import fingerprint, versions
from simulations.world import skew
from simulations.world.prepare import Prepared, World

UNRELEASED = "unreleased.json"  # of a private run: its summary with what must not be released
_TIMED = 32  # photos
_EXAMPLES, _THUMBNAIL = 24, 96  # photos on the page, and their side in pixels


def write_data(folder: Path, world: World, phone_data: PhoneData | None) -> None:
    """Writes data.json: what the face set holds and, if there are phones, the views on them."""
    table, phones = world.table, None
    found = counts(table, world.plan)
    if phone_data is not None:
        rng = stream(world.config.run.partition, "phones kept")
        phones = skew.described(skew.table(phone_data, len(table.classes)), table.classes, rng)
    DataFacts(
        source=table.source,
        photos_sha256=fingerprint(table),
        classes=table.classes,
        photos=found.photos,
        views=found.views,
        subjects=found.people,
        drawn=table.drawn,
        unreadable=len(table.unreadable),
        ledger=table.ledger,
        phones=phones,
    ).write(folder)


def write_artifacts(
    log: RunFolder,
    world: World,
    prepared: Prepared,
    selection: Selection[Classifier],
    took: Totals,
    trained: Trained,
    *,
    began: float,
    own: PersonalHeads | None = None,
    classifier: Callable[[np.ndarray], Classifier] = LinearHead,
    timed: bool = True,
    private: PrivacyFacts | None = None,
) -> Summary:
    """Evaluates the selected classifier on the test photos and writes everything; returns the summary.

    `began` is when the run started, by time.perf_counter; `own` the phones' personal heads, if any, which
    are the result of a run of kind "local"; `classifier` turns such a head into a classifier. `timed`:
    whether the time to classify a photo is measured. `private`: what a private run guarantees; then no count
    of its phones is written.
    """
    path, config = log.path / "head.safetensors", world.config
    save_head(path, selection.head.arrays(), _metadata(world))
    chances = selection.head.probabilities(prepared.test.features)
    on_phones, theirs = answers(prepared, selection.head, chances, own, classifier)
    if trained.kind == "local" and theirs is not None:
        chances = on_phones = theirs
    _write_answers(log, world, prepared, chances)
    quality = _quality(log, prepared.test.labels, chances, world.table.classes)
    across, own_quality = across_phones(log, prepared.test_on_phones, on_phones, theirs)
    summary = Summary(
        **vars(trained),
        **vars(quality),
        **vars(_cost(took)),
        **vars(_cost_of_photo(world, selection.head, timed)),
        model=config.model.name,
        balance=config.data.balance,
        selected=selection.number,
        seed=config.run.seed,
        split_seed=config.run.split,
        partition_seed=config.run.partition,
        train_seed=config.run.train,
        classes=world.table.classes,
        across_phones=across,
        own_heads=own_quality,
        privacy=private,
        stopped_by="privacy" if private and private.rounds < config.rounds else None,
        seconds=time.perf_counter() - began,
        head_sha256=hashlib.sha256(path.read_bytes()).hexdigest(),
        versions=versions(),
    )
    if private is not None:
        summary = _released(log, summary, took, private)
    summary.write(log.path)
    return summary


def _write_answers(log: RunFolder, world: World, prepared: Prepared, chances: np.ndarray) -> None:
    """Writes what the classifier says of the test photos, with examples if they may be shown."""
    _write_predictions(log, world, prepared, chances)
    if world.config.report.examples:
        _write_examples(log, world, prepared, chances)


def _metadata(world: World) -> dict[str, object]:
    """The metadata that a head needs to be used elsewhere; nothing that differs between equal runs."""
    model = models.metadata(world.config.model, world.size, world.weights)
    return {**model, "classes": list(world.table.classes)}


def _quality(log: RunFolder, labels: np.ndarray, chances: np.ndarray, classes: tuple[str, ...]) -> Quality:
    """The quality of the predictions, from class probabilities (n, C); writes classification_report.txt."""
    quality, text = report(labels, chances.argmax(axis=1), classes)
    with whole_file(log.path / "classification_report.txt") as temporary:
        temporary.write_text(text, encoding="utf-8")
    return quality


def _cost_of_photo(world: World, classifier: Classifier, timed: bool) -> PhotoCost:
    """The cost of the model: its size and, if `timed`, the time to classify a photo, from a few test
    photos.
    """
    cost = models.cost(world.config.model, classifier, classes=len(world.table.classes), size=world.size)
    if not timed:
        return PhotoCost(**cost)
    table = world.table
    some = np.flatnonzero(table.split == 2)[:_TIMED]
    plan = ViewPlan(some, np.zeros_like(some))
    pixels = stack(list(views(table, plan, world.size, seed=0)))
    return PhotoCost(**cost, ms_per_photo=models.milliseconds(world.encoder, classifier, pixels))


def _cost(took: Totals) -> TrainingCost:
    """The total cost of the rounds."""
    return TrainingCost(
        phones_trained=took.phones,
        phones_dropped=took.dropped,
        photos=took.photos,
        bytes_down=took.bytes_down,
        bytes_up=took.bytes_up,
        wire_bytes=took.wire_bytes,
        seconds_training=took.seconds,
        phones_per_second=took.phones / took.seconds if took.phones else 0.0,
    )


def _released(log: RunFolder, summary: Summary, took: Totals, private: PrivacyFacts) -> Summary:
    """The summary of a private run without what tells who took part; the exact one is written beside it."""
    exact = Totals()
    for record in read_unreleased(log.path):
        exact.add(record)
    write_json(log.path / UNRELEASED, replace(summary, **vars(_cost(exact))))
    expected = private.simulated_per_round * took.rounds
    return replace(
        summary, phones_trained=None, phones_dropped=0, photos=None, wire_bytes=None, across_phones=None,
        own_heads=None, phones_per_second=expected / (took.seconds or 1.0),
    )  # fmt: skip


def _write_predictions(log: RunFolder, world: World, prepared: Prepared, chances: np.ndarray) -> None:
    classes, table = world.table.classes, world.table
    people = [""] * len(table) if table.subjects is None else table.subjects.tolist()
    rows = (
        [printable(table.paths[photo]), classes[table.labels[photo]], classes[p.argmax()], f"{p.max():.6f}"]
        + [f"{value:.6f}" for value in p]
        + [people[photo]]
        for photo, p in zip(prepared.test_photos, chances, strict=True)
    )
    log.write_csv("predictions", ("file", "emotion", "predicted", "confidence", *classes, "subject"), rows)


def _write_examples(log: RunFolder, world: World, prepared: Prepared, chances: np.ndarray) -> None:
    """Thumbnails of a seeded sample of test photos, so that the page shows what the accuracy means."""
    table, folder = world.table, log.path / FOLDER
    folder.mkdir(exist_ok=True)
    rng = stream(world.config.run.split, "examples")
    drawn = rng.permutation(len(chances))[:_EXAMPLES]
    listed = []
    for number, row in enumerate(drawn):
        photo, name = int(prepared.test_photos[row]), f"{number:02d}.png"
        picture = table.reader(photo)
        picture.thumbnail((_THUMBNAIL, _THUMBNAIL), Image.Resampling.LANCZOS)
        with whole_file(folder / name) as temporary:
            picture.save(temporary, format="PNG")
        listed.append(
            Example(
                png=name,
                file=printable(table.paths[photo]),
                emotion=table.classes[table.labels[photo]],
                predicted=table.classes[chances[row].argmax()],
                confidence=float(chances[row].max()),
            )
        )
    write_examples(folder, listed)
