"""The contenders of `fedfer speed`: each trains the same phones, on the same features, from the same head.

A round trains every phone once. Rounds are timed without start-up and evaluation, the first does not count,
and a row's figure is the median of the others.
"""

import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import reduce
from operator import add
from pathlib import Path
from statistics import median

import numpy as np

from fer_models.config import TrainConfig
from fer_models.encoders import backbone
from fer_models.evaluation import HeldOut, Selection
from fer_models.heads import as_arrays, from_arrays, new_head
from fer_models.local.phone_rows import PhoneRows
from fer_models.local.training import LocalWork, Update, round_key, train_phones
from fer_models.machine.cores import cores
from fer_models.order import Order
from fer_models.run_folder.rounds import RoundRecord
from fer_models.seeding import stream
from server.checkpoint import Checkpoint
from server.config import EvaluationConfig
from server.job import Job, Plan
from simulations.config import FederationConfig
from simulations.terminal.display import Step

_CLASSES, _SEED, _BLOCK = 5, 0, 32
_NEVER = 10**6  # rounds between evaluations


def _train(dropout: float) -> TrainConfig:
    """How all contenders train: Adam, which takes more arithmetic than SGD."""
    return TrainConfig(optimizer="adam", lr=0.001, dropout=dropout)


@dataclass(frozen=True)
class Row:
    """One contender's result."""

    name: str
    phones: int
    photos: int  # views processed in a round
    dropout: float
    rounds: int  # timed
    phones_per_second: float
    milliseconds_per_round: float  # the median


@dataclass(frozen=True)
class Field:
    """What the contenders train."""

    shards: PhoneRows
    head: np.ndarray  # to start from
    folder: Path  # where the shards are stored

    @property
    def phones(self) -> int:
        """The number of phones."""
        return self.shards.phones

    def row(self, name: str, dropout: float, seconds: list[float]) -> Row:
        """The row of rounds that took `seconds`; the first does not count."""
        one, views = median(seconds[1:]), len(self.shards.rows)
        return Row(name, self.phones, views, dropout, len(seconds) - 1, self.phones / one, 1000 * one)


@dataclass(frozen=True)
class Outcome:
    """A contender's speed, and its head after the first round: the same as the others'."""

    row: Row
    head: np.ndarray


def draw_features(folder: Path, rows: int) -> Path:
    """A .npy file of random features, float32 (rows, 1280), non-negative, as MobileNetV2's are.

    The arithmetic takes about the same time on them as on features of images (docs/speed.md).
    """
    path = folder / "features.npy"
    normal = stream(_SEED, "speed").standard_normal((rows, backbone.FEATURES), np.float32)
    np.save(path, np.maximum(normal, 0, out=normal))
    return path


def uneven(phones: int, mean: int) -> np.ndarray:
    """Views of each phone, (phones,) int64: log-normal with sigma 1, at least 1, `mean` on average."""
    weights = stream(_SEED, "sizes", phones).lognormal(sigma=1.0, size=phones)
    return np.asarray(np.maximum(1, np.rint(weights / weights.mean() * mean)).astype(np.int64))


def lay_out(features: Path, sizes: np.ndarray, folder: Path) -> Field:
    """Deals the rows of `features` to phones, `sizes` (phones,) views each, in random order, as many times
    over as needed.
    """
    opened, rng = np.load(features, mmap_mode="r"), stream(_SEED, "speed", len(sizes))
    views = int(sizes.sum())
    turns = -(-views // len(opened))
    rows = np.concatenate([rng.permutation(len(opened)) for _ in range(turns)])[:views]
    labels = rng.integers(0, _CLASSES, len(opened))
    PhoneRows(opened, labels, rows, np.concatenate([[0], np.cumsum(sizes)])).save(folder, features)
    return Field(PhoneRows.load(folder), new_head(_CLASSES, opened.shape[1], seed=_SEED), folder)


def stock_flower(field: Field, rounds: int, logs: Path, step: Step) -> Outcome:
    """Flower's own FedAvg on its simulation runtime, one node per phone, an ordinary loop on each."""
    from simulations.engines.launcher import simulate
    from simulations.speed.stock import app, make_server

    laps = _Laps(field, rounds, step)
    server = make_server(_order(field), field.phones, rounds + 1, field.head, laps)
    simulate(server, app, field.phones, logs, actors=cores())
    return laps.outcome("stock Flower, one node per phone", 0.0)


def torch_loop(field: Field, rounds: int, step: Step) -> Outcome:
    """The same ordinary loop over the phones, one after another in this process, without Flower."""
    import torch

    from simulations.speed.stock import train_phone

    def once() -> np.ndarray:
        start = {name: torch.from_numpy(array) for name, array in as_arrays(field.head).items()}
        states = [train_phone(field.shards, p, start, _order(field, 1))[0] for p in range(field.phones)]
        mean = {name: torch.stack([state[name] for state in states]).mean(0).numpy() for name in start}
        return from_arrays(mean)

    threads = torch.get_num_threads()
    torch.set_num_threads(1)  # the matrices are small: a second thread makes it slower
    try:
        return _repeat(field, once, rounds, step, "plain PyTorch loop, one process", 0.0)
    finally:
        torch.set_num_threads(threads)


def through_flower(
    field: Field, dropout: float, rounds: int, logs: Path, step: Step, engine: str = "ray"
) -> Outcome:
    """Rounds of this project, as `fedfer run` runs them with this federation.engine."""
    from simulations.engines.launcher import launch, node_count

    laps, nodes = _Laps(field, rounds, step), node_count(FederationConfig(phones=field.phones))

    def on_round(record: RoundRecord, state: Checkpoint) -> None:
        laps(record.seconds, state.head)

    job = Job(
        plan=Plan(
            prepared=str(field.folder),
            sizes=field.shards.sizes,
            phones_per_round=0,
            epochs=1,
            block=_BLOCK,
            train=_train(dropout),
            seed=_SEED,
        ),
        start=Checkpoint(0, field.head, Selection("last", field.head)),
        rounds=rounds + 1,
        nodes=nodes,
        evaluation=EvaluationConfig(every=_NEVER),
        validation=HeldOut(np.array(field.shards.features[:1]), field.shards.labels[:1]),
        on_round=on_round,
    )
    launch(job, logs, engine)
    where = "Flower's runtime" if engine == "flower" else "Flower on Ray"
    return laps.outcome(f"fedfer through {where}", dropout)


def arithmetic(field: Field, dropout: float, rounds: int, step: Step) -> Outcome:
    """The local update of this project without Flower, in as many threads as there are cores."""
    train, threads = _train(dropout), cores()

    def update(phones: np.ndarray) -> Update:
        return train_phones(field.shards, phones, LocalWork(field.head, train, 1, round_key(_SEED, 1))).sum

    with ThreadPoolExecutor(threads) as pool:

        def once() -> np.ndarray:
            parts = np.array_split(np.arange(field.phones), threads)
            whole = reduce(add, pool.map(update, parts))
            return (field.head + whole.total / whole.views).astype(np.float32)

        name = f"its arithmetic alone, {threads} threads"
        return _repeat(field, once, rounds, step, name, dropout)


class _Laps:
    """Collects the times of rounds, and keeps the head of the first."""

    def __init__(self, field: Field, rounds: int, step: Step) -> None:
        self._field, self._rounds, self._step = field, rounds, step
        self._seconds: list[float] = []
        self._head = field.head
        step(0, rounds)

    def __call__(self, seconds: float, head: np.ndarray) -> None:
        if not self._seconds:
            self._head = head
        self._seconds.append(seconds)
        done = len(self._seconds) - 1
        self._step(done, self._rounds, **{"phones/s": f"{self._field.phones / seconds:,.0f}"})

    def outcome(self, name: str, dropout: float) -> Outcome:
        return Outcome(self._field.row(name, dropout, self._seconds), self._head)


def _repeat(
    field: Field, once: Callable[[], np.ndarray], rounds: int, step: Step, name: str, dropout: float
) -> Outcome:
    """Times `once`, which does a round and returns its head, after one more call as warm-up."""
    laps = _Laps(field, rounds, step)
    for _ in range(rounds + 1):
        began = time.perf_counter()
        head = once()
        laps(time.perf_counter() - began, head)
    return laps.outcome(name, dropout)


def _order(field: Field, number: int = 0) -> Order:
    train = _train(0.0)
    return Order.of(str(field.folder), train, epochs=1, seed=_SEED, number=number)
