"""Rounds through the real ServerApp and ClientApp, on a Grid in this process."""

from pathlib import Path

from support_local_grid import LocalGrid, serve
from support_reference import CLASSES, WIDTH

from fer_models.across import PhoneHoldout
from fer_models.config import TrainConfig
from fer_models.data.draws import PoolDraws
from fer_models.evaluation import HeldOut, Selection
from fer_models.heads import new_head
from fer_models.local.phone_rows import PhoneRows
from fer_models.run_folder.rounds import RoundRecord
from server.app import make_app
from server.checkpoint import Checkpoint
from server.config import EvaluationConfig
from server.job import Job, Plan
from server.mechanisms.base import Mechanism
from server.mechanisms.privacy.central import Central
from server.scheduler import Barrier, Scheduler
from server.strategies.registry import ALGORITHMS

EVERY = [name for name, page in ALGORITHMS.items() if page.trains != "network"]  # those for linear heads
SOME = ("fedavg", "scaffold", "median")  # of them one of each kind
SIZES = [3, 17, 1, 40, 8, 1, 22, 16, 5, 9]


class Recorder:
    """Keeps what a job hands out."""

    def __init__(self) -> None:
        self.records: list[RoundRecord] = []
        self.states: list[Checkpoint] = []
        self.unreleased: list[RoundRecord] = []
        self.stopped: list[bool] = []

    def on_round(self, record: RoundRecord, state: Checkpoint) -> None:
        self.records.append(record)
        self.states.append(state)


def run(
    folder: Path,
    shards: PhoneRows | PoolDraws,
    *,
    nodes: int = 2,
    block: int = 3,
    grid_seed: int = 0,
    rounds: int = 4,
    start: Checkpoint | None = None,
    evaluation: EvaluationConfig | None = None,
    broken: tuple[int, ...] = (),
    parts: PhoneHoldout | None = None,
    scheduler: Scheduler | None = None,
    mechanisms: tuple[Mechanism, ...] = (),
    private: Central | None = None,
    grid: LocalGrid | None = None,
    **changes: object,
) -> Recorder:
    settings = {"phones_per_round": 0, "epochs": 1, "train": TrainConfig(lr=0.01), "seed": 0, **changes}
    if private is not None:
        settings = {**settings, "min_phones": 0}
    plan = Plan(prepared=str(folder), sizes=shards.sizes, block=block, **settings)  # type: ignore[arg-type]
    head = new_head(CLASSES, WIDTH, seed=plan.seed)
    evaluation = evaluation or EvaluationConfig()
    recorder = Recorder()
    job = Job(
        plan=plan,
        start=start or Checkpoint(0, head, Selection(evaluation.select, head)),
        rounds=rounds,
        nodes=nodes,
        evaluation=evaluation,
        validation=HeldOut(shards.features[:60], shards.labels[:60]),
        on_round=recorder.on_round,
        validation_on_phones=parts,
        scheduler=scheduler or Barrier(),
        mechanisms=mechanisms,
        private=private,
        on_unreleased=recorder.unreleased.append,
        on_stopped=lambda: recorder.stopped.append(True),
    )
    serve(make_app(job), grid or LocalGrid(nodes, seed=grid_seed, broken=broken))
    return recorder


def head_bytes(recorder: Recorder) -> bytes:
    return recorder.states[-1].head.tobytes()
