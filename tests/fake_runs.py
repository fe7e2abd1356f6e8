"""Finished run folders with drawn numbers, as the commands write them, for tests that read such folders."""

import csv
import json
from pathlib import Path
from typing import Any

import numpy as np
import tomli_w
from PIL import Image, ImageDraw

from fer_models.seeding import stream

CLASSES = ("anger", "happiness", "neutrality", "sadness", "surprise")
TRAIN = {"anger": 140, "happiness": 2914, "neutrality": 3108, "sadness": 152, "surprise": 410}
SHARES = np.array([0.03, 0.42, 0.44, 0.03, 0.08])


def make_run(
    folder: Path,
    *,
    kind: str = "federated",
    classes: tuple[str, ...] = CLASSES,
    source: str = "/photos/faces",
    skill: float = 0.5,
    steps: float = 50,
    photos: int = 1344,
    unreadable: tuple[tuple[str, str], ...] = (),
    predictions: bool = True,
) -> Path:
    """A finished run folder as the commands write it, with drawn numbers."""
    rng = stream(7, "fake", kind, str(steps))
    folder.mkdir(parents=True)
    counts = dict(zip(classes, TRAIN.values(), strict=True))
    held = {name: max(3, round(photos * share)) for name, share in zip(classes, SHARES, strict=True)}
    true = np.repeat(np.arange(5), list(held.values()))
    luck = 0.8 * stream(7, "luck").random(len(true)) + 0.2 * rng.random(len(true))
    said = np.where(luck < skill, true, rng.choice(5, len(true), p=SHARES))
    confusion = np.zeros((5, 5), dtype=int)
    np.add.at(confusion, (true, said), 1)
    _settings(folder, kind, classes, source)
    _data(folder, kind, source, counts, held, len(unreadable))
    _rounds(folder, kind, steps, skill, rng)
    _summary(folder, kind, classes, confusion, steps)
    if predictions:
        _predictions(folder / "predictions.csv", classes, true, said)
    _faces(folder / "examples", classes, true, said)
    if unreadable:
        _csv(folder / "unreadable.csv", ("file", "reason"), unreadable)
    return folder


def make_full_run(folder: Path, **same: Any) -> Path:
    """A federated run with both baselines: the matched one as good but for luck, the other better."""
    make_run(folder, **same)
    base = {k: v for k, v in same.items() if k in ("classes", "source", "photos", "predictions")}
    make_run(folder / "centralized-matched", kind="centralized", skill=0.51, steps=50, **base)
    make_run(folder / "centralized", kind="centralized", skill=0.6, steps=10, **base)
    return folder


def _settings(folder: Path, kind: str, classes: tuple[str, ...], source: str) -> None:
    config: dict[str, Any] = {
        "data": {"source": source, "classes": list(classes), "split": [0.6, 0.2, 0.2], "split_by": "auto",
                 "balance": 1000, "image_size": "auto", "max_unreadable": 0.1},
        "sketch": {"faces": 4000, "subjects": 400, "seed": 0},
        "model": {"name": "mobilenet", "weights": "imagenet"},
        "train": {"lr": 0.001, "batch": 16, "dropout": 0.2, "optimizer": "adam"},
        "baseline": {"epochs": 10},
        "federation": {"phones": 100, "phones_per_round": 0, "rounds": 50, "local_epochs": 1,
                       "partition": "dirichlet", "alpha": 0.3, "nodes": 0, "block": 32},
        "strategy": {"name": "fedavg"},
        "evaluation": {"every": 1, "select": "last"},
        "checkpoint": {"every": 10},
        "run": {"seed": 0, "device": "cpu"},
        "report": {"examples": True},
    }  # fmt: skip
    (folder / "config.toml").write_text(tomli_w.dumps(config), encoding="utf-8")
    environment = {
        "command": f"fedfer run dirichlet --data {source}", "python": "3.11.9", "machine": "x86_64",
        "platform": "Linux-6.1.0-x86_64-with-glibc2.36", "cpus": 2, "date": "2026-01-02T03:04:05+00:00",
        "versions": {"fedfer": "0.1.0", "flwr": "1.41.0", "ray": "2.55.1", "torch": "2.15.0"},
    }  # fmt: skip
    (folder / "environment.json").write_text(json.dumps(environment), encoding="utf-8")
    (folder / "head.safetensors").write_bytes(b"head")


def _data(folder: Path, kind: str, source: str, counts: dict, held: dict, unreadable: int) -> None:
    data: dict[str, Any] = {
        "source": source, "classes": list(counts),
        "photos": {"train": counts, "validation": held, "test": held},
        "views": dict.fromkeys(counts, 1000), "subjects": {"train": 165, "validation": 55, "test": 55},
        "unreadable": unreadable,
    }  # fmt: skip
    if kind == "federated":
        data["phones"] = {"sizes": {"min": 4, "median": 41.5, "max": 212}, "views": 5000}
    (folder / "data.json").write_text(json.dumps(data), encoding="utf-8")


def _rounds(folder: Path, kind: str, steps: float, skill: float, rng: np.random.Generator) -> None:
    lines, pace = [], 9 if kind == "federated" else 3
    for i in range(1, int(np.ceil(steps)) + 1):
        grown = 1 - np.exp(-i / pace)
        skipped = i % 2 == 0 and i != steps and kind == "federated"
        traffic = 100 * 25_620 if kind == "federated" else 0
        lines.append({
            "round": i, "phones": 100 if traffic else 0, "photos": 5000,
            "train_loss": 1.6 - grown * (0.5 + skill / 2),
            "val_accuracy": None if skipped else 0.25 + grown * skill * 0.75 + rng.normal(0, 0.006),
            "val_macro_f1": None if skipped else 0.16 + grown * skill * 0.55 + rng.normal(0, 0.008),
            "seconds": 0.11, "bytes_down": traffic, "bytes_up": traffic,
        })  # fmt: skip
    text = "".join(json.dumps(line) + "\n" for line in lines)
    (folder / "rounds.jsonl").write_text(text, encoding="utf-8")


def _summary(folder: Path, kind: str, classes: tuple[str, ...], confusion: np.ndarray, steps: float) -> None:
    hits, support, calls = confusion.diagonal(), confusion.sum(axis=1), confusion.sum(axis=0)
    f1 = 2 * hits / np.maximum(support + calls, 1)
    summary = {
        "kind": kind, "model": "mobilenet", "strategy": "fedavg", "experiment": "dirichlet",
        "partition": "dirichlet", "alpha": 0.3, "balance": 1000, "classes": list(classes),
        "accuracy": hits.sum() / confusion.sum(), "balanced_accuracy": float((hits / support).mean()),
        "macro_f1": f1.mean(), "weighted_f1": float((f1 * support).sum() / support.sum()),
        "per_class": {
            name: {"precision": hits[i] / max(calls[i], 1), "recall": hits[i] / support[i], "f1": f1[i],
                   "support": int(support[i])}
            for i, name in enumerate(classes)
        },
        "confusion": confusion.tolist(), "seed": 0, "versions": {"fedfer": "0.1.0"},
        "photos": int(5000 * steps), "seconds": 92.4,
        "seconds_features": 41.3, "seconds_training": 0.11 * steps,
        "head_sha256": "0" * 64,
    }  # fmt: skip
    if kind == "centralized":
        summary |= {"matched": folder.name == "centralized-matched"}
    if kind == "federated":
        traffic = int(100 * steps * 25_620)
        summary |= {"rounds": steps, "phones": 100, "nodes": 2, "phones_trained": int(100 * steps),
                    "bytes_down": traffic, "bytes_up": traffic, "wire_bytes": traffic // 20,
                    "phones_per_second": 9090.9}  # fmt: skip
    else:
        summary |= {"epochs": steps}
    (folder / "summary.json").write_text(json.dumps(summary), encoding="utf-8")


def _predictions(path: Path, classes: tuple[str, ...], true: np.ndarray, said: np.ndarray) -> None:
    rows = [
        (f"{i:05}.png", classes[t], classes[s], 0.6, *[0.2] * 5, "")
        for i, (t, s) in enumerate(zip(true, said, strict=True))
    ]
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
        names = {"emotion": classes[true[i]], "predicted": classes[said[i]]}
        sure = float(rng.uniform(0.35, 0.98))
        faces.append({"png": f"{number:02}.png", "file": f"{i:05}.png", **names, "confidence": sure})
    (folder / "examples.json").write_text(json.dumps(faces), encoding="utf-8")
