"""An experiment: a TOML file <-> one typed, complete configuration.

Keys that the file omits take their defaults; `--data` and `--set` override both. An error is one line that
names the key, the value given and what is allowed.
"""

import difflib
import os
import tomllib
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from importlib import resources
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from fer_models.config import Section
from fer_models.errors import InputError
from fer_models.pages.extensions import refresh
from fer_models.pages.options import as_toml
from fer_models.photos.listing import HUB
from simulations.config import Config
from simulations.explain import explain, nearest


def keys(raw: Mapping[str, Any] | None = None) -> Iterator[str]:
    """Every configuration key, as `section.name`; given `raw` values, also the keys that these bring in."""
    for section, field in Config.model_fields.items():
        assert isinstance(field.annotation, type)
        assert issubclass(field.annotation, Section)
        given = (raw or {}).get(section)
        known = field.annotation.known_keys(given if isinstance(given, dict) else {})
        yield from (f"{section}.{name}" for name in known)


def shipped() -> dict[str, Path]:
    """The experiments that come with fedfer, by name."""
    folder = Path(str(resources.files("simulations") / "experiments"))
    return {path.stem: path for path in sorted(folder.glob("*.toml"), key=lambda path: path.stem)}


@dataclass(frozen=True)
class Experiment:
    """A loaded experiment."""

    name: str
    config: Config


def load(
    experiment: str | Experiment, *, data: str | None = None, settings: Iterable[str] = ()
) -> tuple[str, Config]:
    """The name and the configuration of an experiment: a shipped name, a TOML file's path, or a loaded one.

    `data` replaces data.source; each of `settings` is KEY=VALUE with VALUE in TOML, or a bare string.
    Paths are resolved against the working directory. InputError for anything that cannot be used.
    """
    refresh()
    name, raw = _read(experiment)
    for setting in settings:
        _apply(raw, setting)
    if data is not None:
        _put(raw, "data", "source", data)
    return name, _absolute(validate(raw))


def _read(experiment: str | Experiment) -> tuple[str, dict[str, Any]]:
    """The name of an experiment, and its raw values."""
    if isinstance(experiment, Experiment):
        return experiment.name, experiment.config.model_dump(mode="json")
    path = shipped().get(experiment)
    if path is None:
        path = Path(os.path.expanduser(experiment))
        if experiment and os.path.isdir(path):
            raise InputError(
                f'experiment "{experiment}" is a folder; give a TOML file, such as the config.toml of a run,'
                f" or one of {', '.join(shipped())}"
            )
        if not os.path.isfile(path):
            raise InputError(
                f'experiment "{experiment}" is neither shipped nor a file{nearest(experiment, shipped())}'
            )
    return path.stem, read_toml(path)


def read_toml(path: Path) -> dict[str, Any]:
    """The content of a TOML file; InputError if it is not one."""
    try:
        return tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise InputError(f"{path} cannot be read ({error.strerror}); check the path") from error
    except UnicodeDecodeError as error:
        raise InputError(f"{path} is not UTF-8 text ({error.reason}); give a TOML file") from error
    except (tomllib.TOMLDecodeError, RecursionError) as error:
        raise InputError(f"{path} is not TOML: {error}; fix the file") from error


def validate(raw: dict[str, Any]) -> Config:
    """The configuration from raw values; InputError for the first error in them."""
    known = set(keys(raw))
    for section, values in raw.items():
        if section not in Config.model_fields:
            if not isinstance(values, dict):
                raise InputError(f"unknown key {section}{_nearest_key(section)}")
            where = f" of {section}.{next(iter(values))}" if values else ""
            raise InputError(f"unknown section {section}{where}{nearest(section, Config.model_fields)}")
        if not isinstance(values, dict):
            raise InputError(
                f"{section} is a section, got {section} = {as_toml(values)}; write {section}.KEY = VALUE"
            )
        for name in values:
            if f"{section}.{name}" not in known:
                raise InputError(f"unknown key {section}.{name}{_nearest_key(name, section, raw)}")
    try:
        return Config.model_validate(raw)
    except ValidationError as error:
        raise InputError(explain(Config, error)) from error


def _nearest_key(name: str, section: str = "", raw: Mapping[str, Any] | None = None) -> str:
    """The known key nearest to `name`: in its section, else in another; failing both, all of the section."""
    known = list(keys(raw))
    own = [key.partition(".")[2] for key in known if key.startswith(f"{section}.")]
    every = {key.partition(".")[2]: key for key in reversed(known)}  # on a tie the first section's
    if near := difflib.get_close_matches(name, own, n=1, cutoff=0.5):
        return f"; did you mean {section}.{near[0]}?"
    if near := difflib.get_close_matches(name, every, n=1, cutoff=0.75):
        return f"; did you mean {every[near[0]]}?"
    return f"; {section} has {', '.join(own)}" if own else "; write SECTION.KEY, as in federation.phones"


def _apply(raw: dict[str, Any], setting: str) -> None:
    key, equals, text = setting.partition("=")
    section, dot, name = key.strip().partition(".")
    if not (equals and dot and section and name):
        near = _nearest_key(section) if equals else "; for example --set federation.phones=100"
        raise InputError(f'--set takes SECTION.KEY=VALUE, got "{setting}"{near}')
    try:
        (value,) = tomllib.loads(f"value = {text}").values()
    except (tomllib.TOMLDecodeError, ValueError, RecursionError):
        value = text.strip()
    _put(raw, section, name, value)


def _put(raw: dict[str, Any], section: str, name: str, value: Any) -> None:
    if not isinstance(raw.setdefault(section, {}), dict):
        raise InputError(
            f"{section} is a section, got {section} = {as_toml(raw[section])} in the experiment's file"
        )
    raw[section][name] = value


def _absolute(config: Config) -> Config:
    source, weights, root = config.data.source, config.model.weights, config.data.root
    if source != "sketch" and not source.startswith(HUB):
        source = os.path.abspath(os.path.expanduser(source))
    if root:
        root = os.path.abspath(os.path.expanduser(root))
    if weights not in ("imagenet", "random"):
        weights = os.path.abspath(os.path.expanduser(weights))
    return config.model_copy(
        update={
            "data": config.data.model_copy(update={"source": source, "root": root}),
            "model": config.model.model_copy(update={"weights": weights}),
        }
    )
