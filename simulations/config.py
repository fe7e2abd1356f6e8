"""The configuration of a run: its sections, and what they must agree on."""

from pathlib import Path
from typing import Annotated, ClassVar, Literal

import tomli_w
from pydantic import BeforeValidator, Field, model_validator

from fer_models.attacks.registry import AttackConfig
from fer_models.balancing.registry import BALANCINGS, chosen
from fer_models.config import DataConfig, Names, Section, Seed, SketchConfig, TrainConfig
from fer_models.local.registry import UpdateConfig
from fer_models.machine.cache import whole_file
from fer_models.models import ModelConfig
from fer_models.pages.extensions import is_extension
from fer_models.pages.options import as_toml
from fer_models.pages.registry import PageSection, Registry
from server.config import CheckpointConfig, EvaluationConfig, StrategyConfig
from server.mechanisms.privacy.config import PrivacyConfig
from server.mechanisms.secagg import SecAggConfig
from simulations.mirrors.registry import MIRRORS
from simulations.partitions.base import Partition
from simulations.partitions.registry import PARTITIONS


class BaselineConfig(Section):
    """The centralized baseline: how long it trains, and how if not as the phones ("auto")."""

    epochs: Literal["matched"] | Annotated[int, Field(ge=1, le=1_000_000)] = 10
    optimizer: Literal["auto", "adam", "sgd"] = "auto"
    lr: Literal["auto"] | Annotated[float, Field(gt=0, le=100)] = "auto"


class FederationConfig(PageSection):
    """The simulated phones, their photos, and the nodes that simulate them.

    It also has the options of all partitions, which their pages declare (simulations/partitions); only
    those of the chosen partition have an effect.
    """

    pages: ClassVar[Registry[Partition]] = PARTITIONS

    phones: int = Field(100, ge=1, le=10_000_000)
    phones_per_round: int = Field(0, ge=0)
    min_phones: int = Field(1, ge=1)
    rounds: int = Field(50, ge=1, le=1_000_000)
    local_epochs: int = Field(1, ge=1, le=10_000)
    min_photos: int = Field(1, ge=1, le=10_000_000)
    partition: Annotated[str, BeforeValidator(PARTITIONS.named)] = PARTITIONS.default
    nodes: int = Field(0, ge=0, le=256)
    block: int = Field(32, ge=1, le=10_000_000)
    engine: Literal["ray", "flower", "process"] = "ray"
    patience: float = Field(3600.0, gt=0, le=10_000_000)

    def make(self) -> Partition:
        """The partition, with its options."""
        return PARTITIONS.page(self.partition)(**self.options())

    @model_validator(mode="after")
    def _check(self) -> "FederationConfig":
        if self.phones_per_round > self.phones:
            raise ValueError(
                f"phones_per_round must not exceed federation.phones ({self.phones}), "
                f"got {self.phones_per_round}; lower it, or raise federation.phones"
            )
        if self.min_phones > (most := self.phones_per_round or self.phones):
            raise ValueError(
                f"min_phones must not exceed the phones of a round ({most}), got {self.min_phones}; lower it"
            )
        if self.nodes > self.phones:
            raise ValueError(
                f"nodes must not exceed federation.phones ({self.phones}), got {self.nodes}; lower it"
            )
        return self


class RunConfig(Section):
    """The seed of all randomness, which may be divided into three, and where to compute.

    With `auto` a seed is `seed`; the properties are the seeds that apply.
    """

    seed: Seed = 0
    split_seed: Literal["auto"] | Seed = "auto"
    partition_seed: Literal["auto"] | Seed = "auto"
    train_seed: Literal["auto"] | Seed = "auto"
    device: Literal["cpu", "cuda"] = "cpu"

    @property
    def split(self) -> int:
        """Of the parts of the split, and of the training views."""
        return self.seed if self.split_seed == "auto" else self.split_seed

    @property
    def partition(self) -> int:
        """Of what is on which phone, held-out photos included, and of the phones' cameras."""
        return self.seed if self.partition_seed == "auto" else self.partition_seed

    @property
    def train(self) -> int:
        """Of everything else: initial parameters, selection of phones, training, attacks."""
        return self.seed if self.train_seed == "auto" else self.train_seed


class ReportConfig(Section):
    """What the page may show, and where else rounds go while the run goes on."""

    examples: bool = True
    mirror: Names = ()

    @model_validator(mode="after")
    def _check(self) -> "ReportConfig":
        unknown = [name for name in self.mirror if name not in MIRRORS]
        if unknown or len(set(self.mirror)) != len(self.mirror):
            known = ", ".join(f'"{name}"' for name in MIRRORS)
            raise ValueError(f"mirror must list each of {known} at most once, got {as_toml(self.mirror)}")
        return self


class Config(Section):
    """The complete configuration of a run."""

    data: DataConfig = DataConfig()
    sketch: SketchConfig = SketchConfig()
    model: ModelConfig = ModelConfig()
    train: TrainConfig = TrainConfig()
    baseline: BaselineConfig = BaselineConfig()
    federation: FederationConfig = FederationConfig()
    strategy: StrategyConfig = StrategyConfig()
    update: UpdateConfig = UpdateConfig()
    attack: AttackConfig = AttackConfig()
    privacy: PrivacyConfig = PrivacyConfig()
    secagg: SecAggConfig = SecAggConfig()
    evaluation: EvaluationConfig = EvaluationConfig()
    checkpoint: CheckpointConfig = CheckpointConfig()
    run: RunConfig = RunConfig()
    report: ReportConfig = ReportConfig()

    @model_validator(mode="after")
    def _check_balancing(self) -> "Config":
        try:
            BALANCINGS.named(self.data.balance_on)
        except ValueError as error:
            raise ValueError(f"data.balance_on {error}") from error
        if chosen(self.data).own_views and not self.federation.make().owns_rows:
            raise ValueError(
                f'data.balance_on = "{self.data.balance_on}" is for phones that own their photos; those of'
                f" federation.partition = {self.federation.partition} sample views; set another"
            )
        return self

    @model_validator(mode="after")
    def _check_baseline(self) -> "Config":
        own = self.baseline.optimizer
        if self.baseline.lr == "auto" and own not in ("auto", self.train.optimizer):
            raise ValueError(
                f'baseline.lr must be given with baseline.optimizer = "{own}", got "auto": train.lr is a rate'
                f" for {self.train.optimizer}; set it"
            )
        return self

    @property
    def central_training(self) -> TrainConfig:
        """How baselines train: as section `train`, but for what section `baseline` sets."""
        own = {"optimizer": self.baseline.optimizer, "lr": self.baseline.lr}
        return self.train.model_copy(update={key: value for key, value in own.items() if value != "auto"})

    @property
    def rounds(self) -> int:
        """Rounds of the federated run; a closed-form strategy has one, whatever is set."""
        return 1 if self.strategy.page.closed_form else self.federation.rounds

    @property
    def phones_per_round(self) -> int:
        """Phones per round, 0 for all: in a closed-form strategy each phone sends its sums once."""
        return 0 if self.strategy.page.closed_form else self.federation.phones_per_round

    @property
    def extensions(self) -> tuple[str, ...]:
        """The user's own classes that it names, as module:Class."""
        return tuple(
            name
            for name in (
                self.strategy.name,
                self.federation.partition,
                *self.update.transforms,
                self.attack.name,
            )
            if is_extension(name)
        )

    def save(self, path: Path) -> None:
        """Writes the complete configuration as TOML."""
        with whole_file(path) as temporary:
            temporary.write_text(tomli_w.dumps(self.model_dump(mode="json")), encoding="utf-8")
