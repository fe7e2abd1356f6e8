"""`fedfer speed`: all contenders, measured side by side in one run on this machine (see docs/speed.md).

Features and phones are in a temporary folder; only speed.json and the logs are kept.
"""

import os
import shutil
import tempfile
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from statistics import median
from typing import TYPE_CHECKING, ClassVar

import numpy as np

from fer_models.config import SketchConfig
from fer_models.encoders import backbone, weights
from fer_models.machine.cores import cores
from fer_models.run_folder.files import Record
from fer_models.sketch.faces import SketchSet
from simulations.run.provenance import versions
from simulations.speed import contenders
from simulations.speed.contenders import Field, Outcome, Row
from simulations.terminal.display import Display, Step

if TYPE_CHECKING:
    from rich.table import Table

_EAGER_BATCH = 32
_BUSY = 1.0  # mean load of the last minute


_HEADLINE, _SAME_WORK = 3, 2  # rows: the headline, and this project with stock Flower's work
_FLOOR = (10, 100)  # phones in the smallest rounds, of which hardly any time is arithmetic


@dataclass(frozen=True)
class Features:
    """How fast features are computed, and whether they are the same."""

    images_per_second: float  # ours
    eager_images_per_second: float  # of eager torchvision
    ratio: float
    cosine: float  # between both, for the photo where they differ most


@dataclass(frozen=True, kw_only=True)
class Speed(Record):
    """The measurements."""

    FILE: ClassVar[str] = "speed.json"

    phones_per_second: float  # of the headline row
    stock_flower_phones_per_second: float
    ratio_to_stock_flower: float
    largest_difference_to_stock_flower: float  # between two heads after the same work
    milliseconds_per_round: Mapping[str, float]  # phones of the smallest rounds -> the median
    rows: tuple[Row, ...]
    features: Features
    date: str  # ISO 8601
    cpus: int
    load: float  # mean of the minute before
    versions: Mapping[str, str]


@dataclass(frozen=True)
class Sizes:
    """How much is measured; one more round or repeat is done first, as warm-up."""

    phones: int = 1_000  # of stock Flower, with `views` each
    many: int = (
        10_000  # of the headline, with uneven numbers of views, `views` on average, of the same photos
    )
    views: int = 40
    stock_rounds: int = 3
    rounds: int = 50
    many_rounds: int = 12
    repeats: int = 5  # of what is not in rounds
    images: int = 64
    weights: str = "imagenet"


def measure(folder: Path, display: Display, sizes: Sizes | None = None) -> Speed:
    """Measures everything; writes speed.json and the logs to `folder`, and returns what speed.json holds.

    InputError if there are no ImageNet weights. A failure leaves its logs in `folder`, an interruption
    leaves nothing.
    """
    sizes, load = sizes or Sizes(), os.getloadavg()[0]
    with display, _workplace(folder) as temporary:
        if load > _BUSY:
            display.note(f"busy in the last minute (load {load:.1f}): the figures may be noisy")
        with display.stage("Features", unit="repeats") as step:
            features = compare_encoders(sizes, step)
        outcomes = _race(sizes, temporary, folder / "logs", display)
    stock, same, ours = outcomes[0], outcomes[_SAME_WORK], outcomes[_HEADLINE]
    speed = Speed(
        phones_per_second=ours.row.phones_per_second,
        stock_flower_phones_per_second=stock.row.phones_per_second,
        ratio_to_stock_flower=ours.row.phones_per_second / stock.row.phones_per_second,
        largest_difference_to_stock_flower=float(np.abs(same.head - stock.head).max()),
        milliseconds_per_round={
            str(one.row.phones): one.row.milliseconds_per_round
            for one in outcomes
            if one.row.phones in _FLOOR
        },
        rows=tuple(outcome.row for outcome in outcomes),
        features=features,
        date=datetime.now().astimezone().isoformat(timespec="seconds"),
        cpus=cores(),
        load=load,
        versions=versions(),
    )
    folder.mkdir(parents=True, exist_ok=True)
    speed.write(folder)
    return speed


def compare_encoders(sizes: Sizes, step: Step) -> Features:
    """Images per second of the encoder and of eager torchvision, in turns, on the same drawn photos."""
    found = weights.find(sizes.weights)
    ours, eager = backbone.load(found), backbone.eager(found)
    drawn = SketchSet(faces=sizes.images, subjects=sizes.images, seed=SketchConfig().seed)
    images = np.stack([drawn.draw(i)[None] for i in range(sizes.images)])
    batches = range(0, len(images), _EAGER_BATCH)
    seconds: list[tuple[float, float]] = []
    step(0, sizes.repeats)
    for done in range(sizes.repeats + 1):
        began = time.perf_counter()
        reference = np.concatenate([eager(images[first : first + _EAGER_BATCH]) for first in batches])
        between = time.perf_counter()
        rows = ours(images)
        seconds.append((between - began, time.perf_counter() - between))
        step(done, sizes.repeats)
    norms = np.linalg.norm(rows, axis=1) * np.linalg.norm(reference, axis=1)
    slow, fast = (median(part) for part in zip(*seconds[1:], strict=True))
    return Features(
        images_per_second=len(images) / fast,
        eager_images_per_second=len(images) / slow,
        ratio=slow / fast,
        cosine=float((np.sum(rows * reference, axis=1) / norms).min()),
    )


def table(speed: Speed) -> "Table":
    """The rows for the terminal; only comparable ones are compared with stock Flower."""
    from rich.table import Table

    shown = Table(box=None, padding=(0, 2, 0, 0), pad_edge=False, header_style="bold")
    shown.add_column("", no_wrap=True)
    for name in ("phones", "dropout", "ms/round", "phones/s", "x stock"):
        shown.add_column(name, justify="right", no_wrap=True)
    stock = speed.rows[0]
    for number, row in enumerate(speed.rows):
        rate = row.phones_per_second
        fair = row.dropout == stock.dropout and row.phones >= stock.phones
        facts = (
            f"{row.phones:,}",
            f"{row.dropout:g}",
            f"{row.milliseconds_per_round:,.0f}",
            f"{rate:,.0f}",
            f"{rate / stock.phones_per_second:.1f}" if fair else "",
        )
        shown.add_row(row.name, *facts, style="bold" if number == _HEADLINE else None)
    return shown


def remarks(speed: Speed) -> str:
    """What the table does not say: views, the features, and that stock Flower ends with the same head."""
    stock, features = speed.rows[0], speed.features
    return (
        f"{stock.photos // stock.phones} views on each of {stock.phones:,} phones, elsewhere"
        " log-normal numbers with that mean.\n"
        f"Batches of 16, Adam, one epoch a round, {speed.cpus} cores.\n"
        f"The heads of stock Flower and fedfer differ by {speed.largest_difference_to_stock_flower:.0e}"
        " at most.\n"
        f"Features: {features.images_per_second:,.0f} images/s, {features.ratio:.1f} times eager "
        f"torchvision ({features.eager_images_per_second:,.0f}), cosine {features.cosine:.6f}."
    )


def _race(sizes: Sizes, folder: Path, logs: Path, display: Display) -> list[Outcome]:
    """All contenders, one after another; stock Flower first, then the loop, then this project."""
    path = contenders.draw_features(folder, sizes.phones * sizes.views)

    def field(phones: int, *, even: bool) -> Field:
        views = np.full(phones, sizes.views) if even else contenders.uneven(phones, sizes.views)
        return contenders.lay_out(path, views, folder / f"{phones}-phones{'-even' if even else ''}")

    def ours(on: Field, dropout: float, rounds: int, engine: str = "ray") -> Outcome:
        name = f"fedfer, {on.phones:,} phones{f', dropout {dropout}' if dropout else ''}"
        with display.stage(name if engine == "ray" else f"{name}, Flower's runtime", unit="rounds") as step:
            place = logs / f"fedfer-{engine}-{on.folder.name}-dropout-{dropout}"
            return contenders.through_flower(on, dropout, rounds, place, step, engine)

    few, many = field(sizes.phones, even=True), field(sizes.many, even=False)
    with display.stage("Stock Flower", unit="rounds") as step:
        outcomes = [contenders.stock_flower(few, sizes.stock_rounds, logs / "stock-flower", step)]
    with display.stage("PyTorch loop", unit="rounds") as step:
        outcomes += [contenders.torch_loop(few, sizes.repeats, step)]
    outcomes += [ours(few, 0.0, sizes.rounds)]
    outcomes += [ours(many, dropout, sizes.many_rounds) for dropout in (0.0, 0.2)]
    outcomes += [ours(many, 0.0, sizes.many_rounds, "flower")]
    outcomes += [ours(field(phones, even=False), 0.0, sizes.rounds) for phones in _FLOOR]
    for dropout in (0.0, 0.2):
        with display.stage(f"Arithmetic{f', dropout {dropout}' if dropout else ''}", unit="rounds") as step:
            outcomes += [contenders.arithmetic(many, dropout, sizes.repeats, step)]
    return outcomes


@contextmanager
def _workplace(folder: Path) -> Iterator[Path]:
    """A temporary folder; if the block is interrupted, the logs in `folder` are removed as well."""
    new = not folder.exists()
    with tempfile.TemporaryDirectory(prefix="fedfer-speed-") as temporary:
        try:
            yield Path(temporary)
        except KeyboardInterrupt:
            shutil.rmtree(folder if new else folder / "logs", ignore_errors=True)
            raise
