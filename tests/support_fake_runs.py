"""Finished run folders with drawn numbers, as the commands write them, for tests that read such folders."""

import csv
import shutil
import tempfile
from functools import lru_cache
from hashlib import sha256
from pathlib import Path
from typing import Any

import numpy as np
import tomli_w
from PIL import Image, ImageDraw

from fer_models.across import PhoneHoldout
from fer_models.metrics import report
from fer_models.run_folder.data_facts import DataFacts, PeopleByPart, PhotosByPart
from fer_models.run_folder.environment import Environment
from fer_models.run_folder.examples import Example, write_examples
from fer_models.run_folder.folder import RunFolder
from fer_models.run_folder.quality import AcrossPhones, PersonalHeadQuality, Quality
from fer_models.run_folder.rounds import RoundRecord
from fer_models.run_folder.summary import Kind, Summary
from fer_models.seeding import stream
from simulations.run.across_phones import across_phones
from simulations.world.holdout import deal
from simulations.world.skew import described

CLASSES = ("anger", "happiness", "neutrality", "sadness", "surprise")
TRAIN = {"anger": 140, "happiness": 2914, "neutrality": 3108, "sadness": 152, "surprise": 410}
SHARES = np.array([0.03, 0.42, 0.44, 0.03, 0.08])
MATCHED = "centralized-matched"  # the folder of such a baseline
ONE_SHOT = ("hog", "ridge", "logistic", "lda", "ncm", "majority")
# parameters, those trained, multiply-adds per photo, milliseconds per photo
COSTS = {
    "mobilenet": (2_230_277, 6_405, 300_780_000, 5.1),
    "mobilenet-deep": (2_553_000, 329_221, 301_100_000, 5.2),
    "mobilenet-tuned": (2_230_277, 1_206_725, 300_780_000, 6.3),
    "cnn": (2_117_000, 2_117_000, 23_500_000, 1.4),
    "mobilenet-scratch": (2_230_277, 2_230_277, 300_780_000, 6.4),
    "hog": (8_825, 8_825, 8_820, 0.9),
    "ridge": (2_230_277, 6_405, 300_780_000, 5.1),
    "logistic": (2_230_277, 6_405, 300_780_000, 5.1),
    "lda": (2_230_277, 6_405, 300_780_000, 5.1),
    "ncm": (2_230_277, 6_405, 300_780_000, 5.1),
    "majority": (5, 5, 0, 0.0),
}


def make_run(folder: Path, **same: Any) -> Path:
    """A finished run folder with drawn numbers, as `drawn` writes it; made once and then copied."""
    named = repr((folder.name == MATCHED, sorted(same.items())))
    place = Path(_kept().name, sha256(named.encode()).hexdigest()[:16], folder.name)
    if not place.parent.exists():
        drawn(place, **same)
        place.rename(place.with_name("run"))
    return Path(shutil.copytree(place.with_name("run"), folder))


@lru_cache
def _kept() -> "tempfile.TemporaryDirectory[str]":
    """Where drawn runs are kept for as long as these tests go on."""
    return tempfile.TemporaryDirectory(prefix="ffr")


def drawn(
    folder: Path,
    *,
    kind: Kind = "federated",
    classes: tuple[str, ...] = CLASSES,
    source: str = "/photos/faces",
    skill: float = 0.5,
    steps: float = 50,
    photos: int = 1344,
    unreadable: tuple[tuple[str, str], ...] = (),
    predictions: bool = True,
    model: str = "mobilenet",
    balance: int = 1000,
    seed: int = 0,
    people: bool = False,
    examples: bool = True,
    select: str = "last",
    command: str = "fedfer run dirichlet",
    every: int = 1,
    phones: int = 100,
    own: float | None = None,
    min_photos: int = 5,
) -> Path:
    """A finished run folder as the commands write it, with drawn numbers.

    Runs of one seed judge the same photos, those of another seed others; `people` says who is on them.
    `every`: epochs from one evaluation to the next. `own`: the skill of phones' own heads, if there are.
    `min_photos`: that rank a phone.
    """
    labels = () if (model, balance, seed) == ("mobilenet", 1000, 0) else (model, balance, seed)
    rng = stream(7, "fake", kind, str(steps), *labels)
    folder.mkdir(parents=True)
    shares = SHARES if len(classes) == 5 else np.ones(len(classes)) / len(classes)
    counts = dict(zip(classes, [*TRAIN.values(), *[77] * (len(classes) - 5)], strict=False))
    held = {name: max(3, round(photos * share)) for name, share in zip(classes, shares, strict=True)}
    true = np.repeat(np.arange(len(classes)), list(held.values()))
    luck = 0.8 * stream(7, "luck", *([seed] if seed else [])).random(len(true)) + 0.2 * rng.random(len(true))
    said = np.where(luck < skill, true, rng.choice(len(classes), len(true), p=shares))
    if model == "majority":
        said = np.full(len(true), shares.argmax())
    _settings(folder, classes, source, model, balance, seed, select, command)
    views = _views(classes, phones)
    _data(folder, kind, source, counts, held, len(unreadable), balance, views)
    across, of_own = _across(folder, classes, true, said, views, luck, own, min_photos)
    _rounds(folder, kind, steps, skill, rng, every, across)
    quality, _ = report(true, said, classes)
    a_summary(
        quality, classes, kind=kind, steps=steps, model=model, balance=balance, seed=seed, every=every,
        matched=folder.name == MATCHED, across=across, own=of_own,
    ).write(folder)  # fmt: skip
    if predictions:
        _predictions(folder / "predictions.csv", classes, true, said, seed, people)
    if examples:
        _faces(folder / "examples", classes, true, said)
    if unreadable:
        _csv(folder / "unreadable.csv", ("file", "reason"), unreadable)
    return folder


def make_full_run(folder: Path, **same: Any) -> Path:
    """A federated run with both baselines: the matched one as good but for luck, the other better."""
    make_run(folder, **same)
    base = {k: v for k, v in same.items() if k in ("classes", "source", "photos", "predictions")}
    make_run(folder / MATCHED, kind="centralized", skill=0.51, steps=50, **base)
    make_run(folder / "centralized", kind="centralized", skill=0.6, steps=10, **base)
    return folder


def make_study(
    folder: Path,
    skills: dict[str, float],
    *,
    balances: tuple[int, ...] = (1000,),
    seeds: tuple[int, ...] = (0, 1, 2),
    classes: tuple[str, ...] = CLASSES,
    people: bool = True,
    epochs: int = 10,
    photos: int = 860,
    source: str = "/photos/faces",
    every: int = 1,
) -> Path:
    """The run folders of a study and its study.toml: a model's runs are right about as often as its skill."""
    folder.mkdir(parents=True)
    for model, skill in skills.items():
        for balance in balances:
            for seed in seeds:
                make_run(
                    folder / f"{model}-{balance}-seed{seed}", kind="centralized", classes=classes,
                    source=source, skill=skill + (0.02 if balance else 0) + 0.01 * (seed % 3 - 1),
                    steps=1 if model in ONE_SHOT else epochs, photos=photos, model=model, balance=balance,
                    seed=seed, people=people, examples=False, select="best", command="fedfer study",
                    every=every,
                )  # fmt: skip
    settings = {"models": list(skills), "balances": list(balances), "seeds": len(seeds)}
    (folder / "study.toml").write_text(
        tomli_w.dumps({**settings, "data": {"source": source, "classes": list(classes)}}), encoding="utf-8"
    )
    return folder


def _settings(
    folder: Path, classes: tuple[str, ...], source: str, model: str, balance: int, seed: int, select: str,
    command: str,
) -> None:  # fmt: skip
    config: dict[str, Any] = {
        "data": {"source": source, "classes": list(classes), "split": [0.6, 0.2, 0.2], "split_by": "auto",
                 "balance": balance, "image_size": "auto", "max_unreadable": 0.1},
        "sketch": {"faces": 4000, "subjects": 400, "seed": 0},
        "model": {"name": model, "weights": "imagenet"},
        "train": {"lr": 0.001, "batch": 16, "dropout": 0.2, "optimizer": "adam"},
        "baseline": {"epochs": 10},
        "federation": {"phones": 100, "phones_per_round": 0, "rounds": 50, "local_epochs": 1,
                       "partition": "dirichlet", "alpha": 0.3, "classes_per_phone": 2, "shards_per_phone": 2,
                       "sigma": 1.0, "nodes": 0, "block": 32},
        "strategy": {"name": "fedavg"},
        "evaluation": {"every": 1, "select": select},
        "checkpoint": {"every": 10},
        "run": {"seed": seed, "device": "cpu"},
        "report": {"examples": True},
    }  # fmt: skip
    (folder / "config.toml").write_text(tomli_w.dumps(config), encoding="utf-8")
    Environment(
        experiment="dirichlet", command=f"{command} --data {source}", federated=True, baseline=True,
        python="3.11.9", machine="x86_64", platform="Linux-6.1.0-x86_64-with-glibc2.36", cpus=2,
        date="2026-01-02T03:04:05+00:00",
        versions={"fedfer": "0.1.0", "flwr": "1.41.0", "ray": "2.55.1", "torch": "2.15.0"},
    ).write(folder)  # fmt: skip
    (folder / "head.safetensors").write_bytes(b"head")


def _data(
    folder: Path,
    kind: str,
    source: str,
    counts: dict,
    held: dict,
    unreadable: int,
    balance: int,
    views: np.ndarray,
) -> None:
    DataFacts(
        source=source, photos_sha256=sha256(source.encode()).hexdigest(), classes=tuple(counts),
        photos=PhotosByPart(train=counts, validation=held, test=held),
        views=dict.fromkeys(counts, balance) if balance else counts,
        subjects=PeopleByPart(train=165, validation=55, test=55), unreadable=unreadable,
        phones=described(views, list(counts), stream(7, "kept")) if kind == "federated" else None,
    ).write(folder)  # fmt: skip


def _views(classes: tuple[str, ...], phones: int) -> np.ndarray:
    """Training views of each class on each phone."""
    rng = stream(7, "phones")
    shares = rng.dirichlet(np.full(phones, 0.3), len(classes)).T
    views = np.floor(1000 * shares).astype(np.int64)
    views[:, 0] += views.sum(axis=1) == 0
    return views


def _across(
    folder: Path, classes: tuple[str, ...], true: np.ndarray, said: np.ndarray, views: np.ndarray,
    luck: np.ndarray, own: float | None, min_photos: int,
) -> tuple[AcrossPhones, PersonalHeadQuality | None]:  # fmt: skip
    """What is said of the phones, in summary.json and, always the same, in the rounds; writes phones.csv."""
    sure = np.eye(len(classes))
    place = deal(true, views, stream(7, "deal"))
    phones, largest = np.arange(len(views)), views.argmax(axis=1)
    parts = PhoneHoldout(np.empty((len(true), 0)), true, place, phones, largest, classes, min_photos)
    theirs = None if own is None else sure[np.where(luck < own, true, (true + 1) % len(classes))]
    found, of_own = across_phones(RunFolder(folder), parts, sure[said], theirs)
    assert found is not None
    return found, of_own


def _rounds(
    folder: Path, kind: str, steps: float, skill: float, rng: np.random.Generator, every: int,
    across: AcrossPhones,
) -> None:  # fmt: skip
    log, pace = RunFolder(folder), 9 if kind == "federated" else 3
    for i in range(1, int(np.ceil(steps)) + 1):
        grown = 1 - np.exp(-i / pace)
        skipped = (i % 2 == 0 if kind == "federated" else i % every > 0) and i < steps
        traffic = 100 * 25_620 if kind == "federated" else 0
        log.append_round(
            RoundRecord(
                round=i, phones=100 if traffic else 0, photos=5000,
                train_loss=1.6 - grown * (0.5 + skill / 2),
                val_loss=None if skipped else 1.55 - grown * skill + 0.0004 * i * i,
                val_accuracy=None if skipped else 0.25 + grown * skill * 0.75 + rng.normal(0, 0.006),
                val_macro_f1=None if skipped else 0.16 + grown * skill * 0.55 + rng.normal(0, 0.008),
                seconds=0.11, bytes_down=traffic, bytes_up=traffic, wire_bytes=traffic // 20,
                across=None if skipped else across,
            )
        )  # fmt: skip


def a_summary(
    quality: Quality, classes: tuple[str, ...] = CLASSES, *, kind: Kind = "federated", steps: float = 50,
    model: str = "mobilenet", balance: int = 1000, seed: int = 0, every: int = 1, matched: bool = False,
    across: AcrossPhones | None = None, own: PersonalHeadQuality | None = None,
) -> Summary:  # fmt: skip
    """The summary of a drawn run whose answers are of that quality."""
    parameters, trained, multiply_adds, ms_per_photo = COSTS.get(model, COSTS["mobilenet"])
    phones, chosen = (100, int(steps)) if kind == "federated" else (0, 0)
    if not phones:
        chosen = min(int(np.ceil(steps)), (4 + (seed + len(model)) % 5) // every * every)
    traffic = int(phones * steps * 25_620)
    return Summary(
        **vars(quality), kind=kind, model=model, strategy="fedavg", experiment="dirichlet",
        partition="dirichlet", alpha=0.3, balance=balance, classes=classes, selected=chosen, seed=seed,
        rounds=int(steps) if phones else None, epochs=None if phones else steps,
        matched=None if phones else matched, phones=phones, nodes=2 if phones else 0,
        phones_trained=int(phones * steps), photos=int(5000 * steps), bytes_down=traffic, bytes_up=traffic,
        wire_bytes=traffic // 20, phones_per_second=9090.9 if phones else 0.0,
        parameters=parameters, parameters_trained=trained, multiply_adds=multiply_adds,
        ms_per_photo=ms_per_photo, across_phones=across, own_heads=own, seconds=92.4, seconds_features=41.3,
        seconds_features_computed=41.3,
        seconds_training=0.11 * steps, head_sha256="0" * 64, versions={"fedfer": "0.1.0"},
    )  # fmt: skip


def _predictions(
    path: Path, classes: tuple[str, ...], true: np.ndarray, said: np.ndarray, seed: int, people: bool
) -> None:
    """Of seed 0 the photos in order; of others a drawn part of five times as many, of 55 of 275 people."""
    names = np.arange(len(true))
    persons = stream(7, "people", seed).choice(275, 55, replace=False)
    if seed:
        names = stream(7, "photos", seed).choice(5 * len(true), len(true), replace=False)
    rows = [
        (f"{n:05}.png", classes[t], classes[s], 0.6, *[0.2] * len(classes),
         f"p{persons[i * 7919 % 55]:03}" if people else "")
        for i, (n, t, s) in enumerate(zip(names, true, said, strict=True))
    ]  # fmt: skip
    _csv(path, ("file", "emotion", "predicted", "confidence", *classes, "subject"), rows)


def _csv(path: Path, head: tuple[str, ...], rows: Any) -> None:
    with path.open("w", encoding="utf-8", newline="") as file:
        csv.writer(file).writerows([head, *rows])


def _faces(folder: Path, classes: tuple[str, ...], true: np.ndarray, said: np.ndarray) -> None:
    folder.mkdir()
    rng, faces = stream(7, "faces"), []
    for number, i in enumerate(rng.choice(len(true), 16, replace=False)):
        image = Image.new("L", (96, 96), int(rng.integers(40, 110)))
        draw = ImageDraw.Draw(image)
        draw.ellipse((18, 8, 78, 90), fill=int(rng.integers(140, 230)))
        for x in (36, 60):
            draw.ellipse((x - 5, 36, x + 5, 44), fill=30)
        draw.arc((32, 56, 64, 78), *((20, 160) if true[i] % 2 else (200, 340)), fill=20, width=3)
        image.save(folder / f"{number:02}.png")
        sure = float(rng.uniform(0.35, 0.98))
        faces.append(Example(f"{number:02}.png", f"{i:05}.png", classes[true[i]], classes[said[i]], sure))
    write_examples(folder, faces)
