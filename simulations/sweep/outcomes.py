"""The finished runs of a sweep as numbers, read from their folders: a line of sweep.csv each."""

from dataclasses import dataclass

from fer_models.run_folder.folder import read_rounds
from fer_models.run_folder.quality import AcrossPhones
from fer_models.run_folder.summary import Summary
from simulations.sweep.request import CENTRAL, Cell, SweepRequest, baseline_of

NEAR = 0.95  # of the centralized macro-F1 on validation photos: the goal of a strategy


@dataclass(frozen=True)
class Row:
    """A line of sweep.csv; None if not applicable."""

    partition: str
    strategy: str
    seed: int
    accuracy: float
    macro_f1: float
    worst_tenth: float | None  # mean accuracy of the worst tenth of phones
    own_accuracy: float | None  # of the personal heads
    own_macro_f1: float | None
    own_worst_tenth: float | None
    rounds_to_95: int | None  # the first round near the centralized macro-F1; None: never
    rounds_counted: int | None  # the same, with the last round instead of never
    rounds: int | None
    bytes_down: int
    bytes_up: int
    seconds: float


@dataclass(frozen=True)
class Outcome:
    """One finished run."""

    cell: Cell
    summary: Summary
    arrived: int | None  # the first round near the centralized macro-F1; None: never
    horizon: int | None  # the rounds in which it could arrive; None: no goal is known, or it has none

    @property
    def row(self) -> Row:
        """Its line of sweep.csv."""
        said, own = self.summary, self.summary.own_heads
        return Row(
            partition=self.cell.partition,
            strategy=self.cell.name,
            seed=self.cell.seed,
            accuracy=said.accuracy,
            macro_f1=said.macro_f1,
            worst_tenth=_worst(said.across_phones),
            own_accuracy=None if own is None else own.accuracy,
            own_macro_f1=None if own is None else own.macro_f1,
            own_worst_tenth=None if own is None else _worst(own.across_phones),
            rounds_to_95=self.arrived,
            rounds_counted=self.arrived or self.horizon,
            rounds=said.rounds,
            bytes_down=said.bytes_down,
            bytes_up=said.bytes_up,
            seconds=said.seconds,
        )


def _worst(across: AcrossPhones | None) -> float | None:
    return None if across is None else across.accuracy.worst_tenth


def read(sweep: SweepRequest) -> list[Outcome]:
    """Every finished run of the sweep."""
    found, goals = [], {}
    for cell in sweep.cells:
        folder = sweep.place_of(cell)
        if not (folder / Summary.FILE).exists():
            continue
        summary = Summary.read(folder)
        judged = [(r.round, r.val_macro_f1) for r in read_rounds(folder) if r.val_macro_f1 is not None]
        if cell.name == "centralized":
            goals[cell.partition, cell.seed] = NEAR * judged[-1][1]
        goal = goals.get((baseline_of(cell.partition, sweep.partitions), cell.seed))
        arrived = horizon = None
        if cell.name not in CENTRAL and goal is not None:
            arrived = next((number for number, score in judged if score >= goal), None)
            horizon = sweep.config.federation.rounds
        found.append(Outcome(cell, summary, arrived, horizon))
    return found
