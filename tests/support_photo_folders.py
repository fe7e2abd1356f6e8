"""Small folders and tables of photos, drawn for the tests."""

import csv
import io
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from fer_models.config import DataConfig, SketchConfig
from fer_models.data.images import ImageTable, load_table
from fer_models.errors import InputError

PAIR = ("anger", "fear")


def gray(value: int, side: int = 8) -> Image.Image:
    return Image.new("L", (side, side), value)


def noise(mode: str = "L", side: int = 64) -> Image.Image:
    shape = (side, side) if mode == "L" else (side, side, 3)
    return Image.fromarray(np.random.default_rng(0).integers(0, 256, shape, dtype=np.uint8))


def encoded(image: Image.Image, kind: str) -> bytes:
    out = io.BytesIO()
    image.save(out, kind)
    return out.getvalue()


def make_folder(root: Path, photos: int = 12) -> Path:
    """As many different photos of anger as of fear; at most 120."""
    for k, emotion in enumerate(PAIR):
        (root / emotion).mkdir(parents=True)
        for i in range(photos):
            gray(240 // photos * i + k).save(root / emotion / f"{i:02d}.png")
    return root


def write_csv(path: Path, rows: list[list[str]]) -> Path:
    with path.open("w", newline="") as file:
        csv.writer(file).writerows(rows)
    return path


def load(source: Path, seed: int = 0, classes: tuple[str, ...] = PAIR, **settings: object) -> ImageTable:
    data = DataConfig(source=str(source), classes=classes, **settings)  # type: ignore[arg-type]
    return load_table(data, SketchConfig(), seed=seed)


def refused(source: Path, **settings: object) -> str:
    """The one line of the InputError that loading `source` raises."""
    with pytest.raises(InputError) as caught:
        load(source, **settings)  # type: ignore[arg-type]
    text = str(caught.value)
    assert "\n" not in text
    return text


def draw_people(root: Path, classes: tuple[str, ...], photos: int = 12) -> Path:
    """So many photos of each class, each of somebody else: smooth blobs, every other one in colour."""
    for c, name in enumerate(classes):
        (root / name).mkdir(parents=True)
        for i in range(photos):
            rng = np.random.default_rng(100 * c + i)
            small = rng.integers(0, 256, (6, 5, 3), dtype=np.uint8)
            small[..., c % 3] //= 3  # something to learn
            image = Image.fromarray(small).resize((48, 56), Image.Resampling.BICUBIC)
            image.convert("L" if i % 2 else "RGB").save(root / name / f"{i:02d}.png")
    return root
