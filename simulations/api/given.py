"""What a call from Python was given, in the words of the command line: the same checks then serve both."""

from collections.abc import Iterable, Mapping
from pathlib import Path

import tomli_w

from fer_models.errors import InputError

Settings = Mapping[str, object] | Iterable[str] | None


def counted(failed: list[str], total: int) -> str:
    """The runs that failed, and why, in one line."""
    return f"{len(failed)} of {total} runs failed; {'; '.join(failed)}"


def as_text(path: str | Path | None) -> str | None:
    """A path as the command line has it."""
    return None if path is None else str(path)


def as_list(values: Iterable[object] | None) -> str | None:
    """As for --models: names separated by commas."""
    if values is None or isinstance(values, str):
        return values
    return ",".join(map(str, values))


def as_settings(settings: Settings) -> list[str]:
    """The settings as KEY=VALUE, with VALUE in TOML."""
    if settings is None:
        return []
    if isinstance(settings, str):
        raise InputError(
            f'settings must map keys to values, got {settings!r}; for example {{"federation.rounds": 3}}'
        )
    if not isinstance(settings, Mapping):
        return list(settings)
    return [f"{key}={_toml(key, value)}" for key, value in settings.items()]


def _toml(key: str, value: object) -> str:
    """A value as one line of TOML; paths become text, NumPy's numbers Python's."""
    if isinstance(value, Mapping):
        return (
            f"{{{', '.join(f'{_toml(key, str(name))} = {_toml(key, one)}' for name, one in value.items())}}}"
        )
    if callable(rows := getattr(value, "tolist", None)):  # NumPy's arrays and numbers
        value = rows()
    if isinstance(value, list | tuple):
        return f"[{', '.join(_toml(key, each) for each in value)}]"
    plain = str(value) if isinstance(value, Path) else value
    try:
        return tomli_w.dumps({"value": plain}).removeprefix("value = ").strip()
    except TypeError as error:
        raise InputError(
            f"settings: {key} cannot be {value!r}; give text, a number or a list of them"
        ) from error
