"""From the settings to the transforms that they name, and their way over the wire.

One more transform is a page with a class and a line in TRANSFORMS; one more attack a class and a line in
ATTACKS.
"""

import json
from dataclasses import asdict, fields
from functools import lru_cache
from typing import TYPE_CHECKING, Annotated, Any, Literal

from pydantic import Field, model_validator

from fer_models.config import Section
from fer_models.local.attacks import Attack, LabelFlip, Noise, SignFlip
from fer_models.local.clipping import ClipNorm
from fer_models.local.transforms import Transform

ATTACKS: dict[str, type[Attack]] = {"sign-flip": SignFlip, "noise": Noise, "label-flip": LabelFlip}
TRANSFORMS: dict[str, type[Transform]] = {"clip-norm": ClipNorm, **ATTACKS}

if TYPE_CHECKING:
    AttackName = str
else:
    AttackName = Literal[("none", *ATTACKS)]


class UpdateConfig(Section):
    """What happens to every phone's update before it is added up."""

    clip_norm: float = Field(0.0, ge=0, le=1_000_000)


class AttackConfig(Section):
    """Which phones are malicious, and what they do."""

    name: AttackName = "none"
    phones: float = Field(0.1, ge=0, le=1)
    scale: Literal["auto"] | Annotated[float, Field(gt=0, le=1_000_000)] = "auto"

    @model_validator(mode="after")
    def _check(self) -> "AttackConfig":
        owners = [name for name, kind in ATTACKS.items() if "scale" in _options(kind)]
        if self.scale != "auto" and self.name not in owners:
            raise ValueError(
                f"scale belongs to {', '.join(owners)}; attack.name is {self.name}; leave it out"
            )
        return self

    def attack(self) -> Attack | None:
        """The attack that the settings name; None where nobody is malicious."""
        if self.name == "none":
            return None
        scale = {} if self.scale == "auto" else {"scale": self.scale}
        return ATTACKS[self.name](self.phones, **scale)


def chosen(update: UpdateConfig, attack: AttackConfig) -> tuple[Transform, ...]:
    """The transforms that the settings ask for, in the order in which they apply.

    The clip comes last: it binds malicious phones, too, as where whoever adds up enforces it.
    """
    steps: list[Transform | None] = [attack.attack()]
    if update.clip_norm:
        steps.append(ClipNorm(update.clip_norm))
    return tuple(step for step in steps if step is not None)


def written(steps: tuple[Transform, ...]) -> str:
    """The transforms as text for an order; "" for none."""
    names = {kind: name for name, kind in TRANSFORMS.items()}
    return json.dumps([[names[type(step)], asdict(step)] for step in steps]) if steps else ""  # type: ignore[call-overload]


@lru_cache(maxsize=4)
def read(text: str) -> tuple[Transform, ...]:
    """The transforms that `written` wrote."""
    said: list[tuple[str, dict[str, Any]]] = json.loads(text) if text else []
    return tuple(TRANSFORMS[name](**options) for name, options in said)


def _options(kind: type[Attack]) -> set[str]:
    return {field.name for field in fields(kind)}
