"""The definition of a federated run: the phones and their training, the starting state, and the callbacks."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from fer_models.across import PhoneHoldout
from fer_models.config import TrainConfig
from fer_models.evaluation import HeldOut
from fer_models.heads import Classifier, LinearHead
from fer_models.machine.code import node_digest
from fer_models.order import Order
from fer_models.run_folder.rounds import RoundRecord
from fer_models.updates import own_classes
from server.checkpoint import Checkpoint
from server.config import EvaluationConfig, StrategyConfig
from server.mechanisms.base import Mechanism
from server.mechanisms.secagg import SecAggConfig
from server.scheduler import Barrier, Scheduler
from server.strategies.base import Algorithm

if TYPE_CHECKING:
    from server.mechanisms.privacy.central import Central


@dataclass(frozen=True)
class Plan:
    """What the rounds need to know of the phones; nothing in it changes during the run."""

    prepared: str  # absolute path of the prepared data
    sizes: np.ndarray  # (phones,) int64, views of each phone
    phones_per_round: int  # 0: all
    epochs: int  # local epochs
    block: int  # phones per block, at most
    train: TrainConfig
    seed: int
    strategy: StrategyConfig = field(default_factory=StrategyConfig)
    min_phones: int = 1  # phones whose updates a round needs, and a step
    stamp: str = ""  # of the prepared files, which must not change; "": not checked
    homes: Mapping[int, int] | None = None  # the node of each phone, if nodes are phones
    transforms: str = ""  # of updates on the phones, as fer_models.updates.written writes them
    classes: int = 0  # passed to transforms
    radius: float = 0.0  # to which features are shortened before private sums over them
    output: int = 0  # values of a network's output layer, the last of its row; 0 for a linear head
    patience: float | None = None  # seconds after which a node with no reply counts as failed; None: never
    photos: np.ndarray | None = (
        None  # (phones,) int64, by which phones count in the mean; None: by their views
    )

    secagg: SecAggConfig = field(default_factory=SecAggConfig)  # how updates are summed

    @property
    def counts(self) -> np.ndarray:
        """What each phone counts in the mean, (phones,) int64."""
        return self.sizes if self.photos is None else self.photos

    def training(self, algorithm: Algorithm, number: int) -> TrainConfig:
        """How phones train in round `number`: the rate has decayed since round 1."""
        train = self.train
        if algorithm.sgd_rate is not None:
            train = train.model_copy(update={"optimizer": "sgd", "lr": algorithm.sgd_rate})
        return train.after(max(number - 1, 0))

    def rates(self, algorithm: Algorithm, rounds: np.ndarray) -> np.ndarray:
        """The learning rate of phones that trained in `rounds` (k,), (k,) float64."""
        first, last = int(rounds.min()), int(rounds.max())
        rates = np.array([self.training(algorithm, number).lr for number in range(first, last + 1)])
        return np.asarray(rates[rounds - first])

    def order(self, algorithm: Algorithm, number: int, clip: float = 0.0) -> Order:
        """The order of round `number`; `clip`: of all updates, which then count equally."""
        return Order.of(
            self.prepared,
            self.training(algorithm, number),
            epochs=self.epochs + algorithm.extra_epochs,
            seed=self.seed,
            number=number,
            stamp=self.stamp,
            code=node_digest(own_classes(self.transforms)),
            each=algorithm.needs_updates,
            losses=algorithm.losses,
            measures=" ".join(algorithm.measures),
            local=algorithm.local,
            own=algorithm.own,
            own_pull=algorithm.personal_pull,
            transforms=self.transforms,
            population=len(self.sizes),
            classes=self.classes,
            clip=clip,
        )


@dataclass(frozen=True)
class Job:
    """A federated run from `start` to the end of round `rounds`."""

    plan: Plan
    start: Checkpoint  # round 0 with a new head, or where a run stopped
    rounds: int
    nodes: int  # number of nodes to wait for
    evaluation: EvaluationConfig
    validation: HeldOut
    on_round: Callable[[RoundRecord, Checkpoint], None]  # after each round
    classifier: Callable[[np.ndarray], Classifier] = LinearHead  # turns a head into a classifier
    validation_on_phones: PhoneHoldout | None = None  # the validation photos, each assigned to one phone
    adapting: np.ndarray = field(default_factory=lambda: np.empty(0, np.int64))  # phones to fine-tune, sorted
    on_adapted: Callable[[np.ndarray], None] = lambda heads: None  # gets the personal heads (k, C, D + 1)
    recipe: Mapping[str, Any] | None = None  # if nodes are phones: what they need to prepare their photos
    scheduler: Scheduler = field(default_factory=Barrier)
    mechanisms: tuple[Mechanism, ...] = ()  # on the sum of a round's updates, in this order
    private: "Central | None" = None  # who takes part, and what of their sum is released
    # With it, gets what a round must not release: its exact record, before the one that is released.
    on_unreleased: Callable[[RoundRecord], None] = lambda record: None
    on_stopped: Callable[[], None] = lambda: None  # the privacy budget ends the run before its last round
