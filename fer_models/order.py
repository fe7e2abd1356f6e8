"""The order to a node: one frozen value, as plain scalars on the wire.

It belongs to this floor because both ends of the wire read it and neither imports the other: to it a round is
a number and a key, and it knows nothing of the sender.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from typing import Any

from fer_models.config import TrainConfig
from fer_models.local.kernel import EXACT_BELOW
from fer_models.local.terms import LocalTerms
from fer_models.local.training import round_key
from fer_models.local.transforms import Transforms
from fer_models.updates import own_classes, read

_LOCAL = "local."  # prefix of the terms among the scalars


@dataclass(frozen=True)
class Order:
    """The settings of one round of local training; the phones and the head are sent beside it."""

    prepared: str  # absolute path of the folder that `PhoneRows.save` wrote
    round: int  # counted from 1
    epochs: int  # local epochs
    seed: int  # of the run
    batch: int
    lr: float
    dropout: float
    optimizer: str
    stamp: str = ""  # of the prepared files: `stamp.stamp`
    code: str = ""  # of the server's code: `code.node_digest`
    each: bool = False  # whether the reply includes each phone's update besides their sum
    losses: bool = False  # and the loss of the head on each phone's views
    measures: str = ""  # and what else of each phone: names in measures.MEASURES, separated by spaces
    local: LocalTerms = field(default_factory=LocalTerms)  # what the strategy changes in the local update
    own: str = ""  # "beside": phones also train a personal head; "instead", "partly": they train only that
    own_pull: float = 0.0  # of personal heads towards the head of the round
    sums: str = ""  # the sums that a query for sums wants, a name in statistics.SUMS
    projection: int = 0  # features that these are projected to; 0: no projection
    transforms: str = ""  # of updates, as `updates.written` writes the settings
    population: int = 0  # number of all phones; for transforms, like the next one
    classes: int = 0
    reach_limit: float = EXACT_BELOW  # a phone whose weight * |update| is not below it is left out
    clip: float = 0.0  # `LocalWork.clip`: phones count equally, and every update is surely within it
    radius: float = 0.0  # of a query for sums with a clip: to which features are shortened, linear/bounded.py

    @classmethod
    def of(
        cls, prepared: str, train: TrainConfig, *, epochs: int, seed: int, number: int, **more: Any
    ) -> "Order":
        """The order of round `number`; `more`: fields that have a default."""
        local = (train.batch, train.lr, train.dropout, train.optimizer)
        return cls(prepared, number, epochs, seed, *local, **more)

    @classmethod
    def from_scalars(cls, scalars: Mapping[str, object]) -> "Order":
        """The order from the output of `scalars`."""
        terms = {name: value for name, value in scalars.items() if name.startswith(_LOCAL)}
        local = LocalTerms(**{name.removeprefix(_LOCAL): value for name, value in terms.items()})  # type: ignore[arg-type]
        own = {name: value for name, value in scalars.items() if name not in terms}
        return cls(**own, local=local)  # type: ignore[arg-type]

    def scalars(self) -> dict[str, Any]:
        """The order as named scalars, without those at their defaults: it is sent every round."""
        own = _changed(self)
        del own["local"]  # which has no single default
        return own | {f"{_LOCAL}{name}": value for name, value in _changed(self.local).items()}

    @property
    def train(self) -> TrainConfig:
        """The settings of the local update."""
        return TrainConfig(lr=self.lr, batch=self.batch, dropout=self.dropout, optimizer=self.optimizer)  # type: ignore[arg-type]

    @property
    def changes(self) -> Transforms | None:
        """What happens to updates before they are summed; None if nothing does."""
        steps = read(self.transforms)
        return Transforms(steps, self.round, self.seed, self.population, self.classes) if steps else None

    @property
    def own_classes(self) -> tuple[str, ...]:
        """The user-defined classes that a node needs for it, as "module:Class"."""
        return own_classes(self.transforms)

    @property
    def key(self) -> int:
        """The key from which each phone derives its order of views and its dropout."""
        return round_key(self.seed, self.round)


def _changed(of: "Order | LocalTerms") -> dict[str, Any]:
    """Its fields that are not at their defaults, by name."""
    return {each.name: value for each in fields(of) if (value := getattr(of, each.name)) != each.default}
