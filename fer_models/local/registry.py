"""From the settings to the transforms that they name, and their way over the wire.

One more transform is a page with a class and a line in TRANSFORMS; one more attack the same in ATTACKS.
"""

import json
from collections.abc import Iterable, Mapping
from functools import lru_cache
from typing import Annotated, Any

from pydantic import BeforeValidator, ConfigDict, Field, model_validator

from fer_models import extensions
from fer_models.config import Names, Section
from fer_models.local.attacks import Attack, Honest, LabelFlip, Malicious, Noise, SignFlip
from fer_models.local.clipping import ClipNorm
from fer_models.local.transforms import Transform
from fer_models.options import AUTO, shown
from fer_models.registry import Registry

TRANSFORMS: Registry[Transform] = Registry("update.transforms", Transform, {}, default="")
ATTACKS: Registry[Attack] = Registry(
    "attack.name",
    Attack,
    {"none": Honest, "sign-flip": SignFlip, "noise": Noise, "label-flip": LabelFlip},
    default="none",
)


class UpdateConfig(Section):
    """What happens to every phone's update before it is added up. Beside these keys it takes the options that
    the pages of `transforms` declare.
    """

    model_config = ConfigDict(extra="allow")

    clip_norm: float = Field(0.0, ge=0, le=1_000_000)
    transforms: Names = ()

    @classmethod
    def known_keys(cls, given: Mapping[str, Any]) -> Iterable[str]:
        """With the options of the transforms that `given` names."""
        names = given.get("transforms", ())
        found = [name for name in names if name in TRANSFORMS] if isinstance(names, list | tuple) else []
        return dict.fromkeys([*cls.model_fields, *(option for name in found for option in _options(name))])

    @model_validator(mode="before")
    @classmethod
    def _with_options(cls, given: Any) -> Any:
        names = given.get("transforms", ()) if isinstance(given, dict) else ()
        if not isinstance(names, list | tuple):
            return given
        options: dict[str, Any] = {}
        for name in names:
            if name not in TRANSFORMS:
                known = "".join(f'"{page}", ' for page in TRANSFORMS)
                raise ValueError(
                    f"transforms must be a list of {known}MODULE:CLASS of your own, got {shown(name)} in it"
                )
            options |= TRANSFORMS.checked(name, given, cls.model_fields, auto=False)
        return {**given, **options}

    def steps(self) -> Iterable[Transform]:
        """The transforms that it asks for, the clip last: nothing that happens to an update escapes it."""
        values = self.model_extra or {}
        for name in self.transforms:
            yield TRANSFORMS.page(name)(**{option: values[option] for option in _options(name)})
        if self.clip_norm:
            yield ClipNorm(self.clip_norm)


class AttackConfig(Section):
    """Which phones are malicious, and what they do. Beside these keys it has the options of all attacks."""

    model_config = ConfigDict(extra="allow")

    name: Annotated[str, BeforeValidator(ATTACKS.named)] = ATTACKS.default
    phones: float = Field(0.1, ge=0, le=1)

    @classmethod
    def known_keys(cls, given: Mapping[str, Any]) -> Iterable[str]:
        """With the options of all attacks; also those of an attack of the user's own."""
        name = given.get("name", ATTACKS.default)
        return [*cls.model_fields, *ATTACKS.options(*[name] if name in ATTACKS else [])]

    @model_validator(mode="before")
    @classmethod
    def _with_options(cls, given: Any) -> Any:
        if not isinstance(given, dict) or (name := given.get("name", ATTACKS.default)) not in ATTACKS:
            return given
        every = ATTACKS.options(name)
        options = ATTACKS.checked(name, given, cls.model_fields, auto=True)
        for option, value in options.items():
            if value != AUTO and name not in every[option]:
                raise ValueError(
                    f"{option} belongs to {', '.join(every[option])}; attack.name is {name}; leave it out"
                )
        return {**given, **options}

    def steps(self) -> Iterable[Transform]:
        """What malicious phones do to their updates; nothing where nobody is malicious."""
        page, values = ATTACKS.page(self.name), self.model_extra or {}
        if page is not Honest:
            owned = [option for option, owners in ATTACKS.options(self.name).items() if self.name in owners]
            set_here = {option: values[option] for option in owned if values[option] != AUTO}
            yield Malicious(self.phones, page(**set_here))


def chosen(update: UpdateConfig, attack: AttackConfig) -> tuple[Transform, ...]:
    """The transforms that the settings ask for, in the order in which they apply.

    The clip comes last: it binds malicious phones, too, as where whoever adds up enforces it.
    """
    return (*attack.steps(), *update.steps())


def written(update: UpdateConfig, attack: AttackConfig) -> str:
    """The settings as text for an order; "" where they ask for nothing."""
    if not chosen(update, attack):
        return ""
    return json.dumps({"update": update.model_dump(mode="json"), "attack": attack.model_dump(mode="json")})


@lru_cache(maxsize=4)
def read(text: str) -> tuple[Transform, ...]:
    """The transforms of the settings that `written` wrote."""
    return chosen(*_settings(text)) if text else ()


@lru_cache(maxsize=4)
def own_classes(text: str) -> tuple[str, ...]:
    """The classes of the user's own, "module:Class", in the settings that `written` wrote."""
    if not text:
        return ()
    update, attack = _settings(text)
    return tuple(name for name in (*update.transforms, attack.name) if extensions.named(name))


def _options(name: str) -> list[str]:
    """The options of a transform."""
    return [option for option, owners in TRANSFORMS.options(name).items() if name in owners]


def _settings(text: str) -> tuple[UpdateConfig, AttackConfig]:
    said = json.loads(text)
    return UpdateConfig.model_validate(said["update"]), AttackConfig.model_validate(said["attack"])
