"""The transforms of phones' updates before summation: from the settings to an order and back."""

import json
from functools import lru_cache

from fer_models.attacks.registry import AttackConfig
from fer_models.local.registry import UpdateConfig
from fer_models.local.transforms import Transform
from fer_models.pages import extensions


def chosen(update: UpdateConfig, attack: AttackConfig) -> tuple[Transform, ...]:
    """The transforms that the settings configure, in the order in which they apply.

    The attack comes first, so clipping also binds malicious phones, as if the aggregator enforced it.
    """
    return (*attack.steps(), *update.steps())


def written(update: UpdateConfig, attack: AttackConfig) -> str:
    """The settings as text for an order; "" if they configure no transform."""
    if not chosen(update, attack):
        return ""
    return json.dumps({"update": update.model_dump(mode="json"), "attack": attack.model_dump(mode="json")})


def read(text: str) -> tuple[Transform, ...]:
    """The transforms of the settings in a text from `written`."""
    return _read(text, tuple(extensions.digests(own_classes(text)).items()))


@lru_cache(maxsize=4)
def _read(text: str, code: tuple[tuple[str, str], ...]) -> tuple[Transform, ...]:
    """Read once for each state of the source of user-defined classes."""
    return chosen(*_settings(text)) if text else ()


@lru_cache(maxsize=4)
def own_classes(text: str) -> tuple[str, ...]:
    """The user-defined classes, "module:Class", in the settings in a text from `written`."""
    if not text:
        return ()
    update, attack = _settings(text)
    return tuple(name for name in (*update.transforms, attack.name) if extensions.is_extension(name))


def _settings(text: str) -> tuple[UpdateConfig, AttackConfig]:
    settings = json.loads(text)
    return UpdateConfig.model_validate(settings["update"]), AttackConfig.model_validate(settings["attack"])
