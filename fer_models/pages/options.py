"""Options that a page declares: the fields of its frozen dataclass, with types, bounds and defaults.

    @dataclass(frozen=True)
    class FedAvgM(Algorithm):
        lr: Annotated[float, Field(gt=0)] = 1.0

The settings take each option under its own name and check it against the page's declaration, so a new page
needs no line in the settings. The default None means that the value is derived from something else.
"""

import dataclasses
import inspect
import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import lru_cache
from types import NoneType, UnionType
from typing import Annotated, Any, ClassVar, Literal, Union, get_args, get_origin, get_type_hints

from pydantic import ConfigDict, TypeAdapter, ValidationError

AUTO = "auto"  # in the settings: the page's default
_PLAIN = (bool, int, float, str)
_RULES = ConfigDict(strict=True, allow_inf_nan=False)  # as in the sections of the settings


@dataclass(frozen=True)
class Option:
    """One option: its type with its bounds, and its default."""

    annotation: Any  # without None
    default: Any

    def checked(self, name: str, value: Any, *, auto: bool) -> Any:
        """The validated value; ValueError, one line that starts with `name`, if it cannot be used.

        With `auto` the value may be "auto", which the settings then show as the default.
        """
        if auto and value == AUTO:
            return value
        try:
            return TypeAdapter(self.annotation, config=_RULES).validate_python(value)
        except ValidationError as error:
            takes = (f'"{AUTO}" or ' if auto else "") + allowed(self.annotation, ())
            default = AUTO if auto else self.default
            raise ValueError(
                f"{name} must be {takes}, got {as_toml(value)}; the default is {as_toml(default)}"
            ) from error


def declared(page: Any) -> Mapping[str, Option]:
    """The options of a page (a class) by name; ValueError, one line, if one is not declared properly."""
    return _declared(page)


@lru_cache(maxsize=256)
def _declared(page: type) -> Mapping[str, Option]:
    if not dataclasses.is_dataclass(page):
        raise ValueError("it is not a dataclass; put @dataclass(frozen=True) above it")
    fields = {field.name: field for field in dataclasses.fields(page)}
    try:
        hints = get_type_hints(page, include_extras=True)
    except NameError as error:
        raise ValueError(f"the type of an option is not defined ({error}); import it") from error
    for name in inspect.get_annotations(page):
        if name not in fields and get_origin(hints[name]) is not ClassVar and hints[name] is not ClassVar:
            raise ValueError(f"{name} is not a field of it; put @dataclass(frozen=True) above the class")
    if extra := inspect.signature(page).parameters.keys() - fields.keys():
        raise ValueError(
            f"its __init__ takes {', '.join(sorted(extra))} without a type that can be checked; make it a"
            " field of a frozen dataclass, as in: power: float = 2.0"
        )
    return {name: _option(field, hints[name]) for name, field in fields.items()}


def _option(field: "dataclasses.Field[Any]", hint: Any) -> Option:
    parts = [part for part in _parts(hint) if part is not NoneType]
    if field.default is dataclasses.MISSING:
        raise ValueError(f"its option {field.name} has no default; give it one")
    if not parts or not all(_plain(part) for part in parts):
        raise ValueError(
            f"its option {field.name} has the type {getattr(hint, '__name__', hint)}; use bool, int, float,"
            " str or a Literal of strings"
        )
    return Option(Union[tuple(parts)], field.default)  # noqa: UP007  as many as there are


def _parts(hint: Any) -> list[Any]:
    """The members of a union; any other type as its only member."""
    return list(get_args(hint)) if get_origin(hint) in (Union, UnionType) else [hint]


def _plain(hint: Any) -> bool:
    inner = get_args(hint)[0] if get_origin(hint) is Annotated else hint
    return inner in _PLAIN or get_origin(inner) is Literal


def allowed(annotation: Any, metadata: Iterable[Any]) -> str:
    """The values that a field takes, as text for messages."""
    origin = get_origin(annotation)
    if origin is Literal:
        *most, last = (f'"{value}"' for value in get_args(annotation))
        return f"{', '.join(most)} or {last}" if most else last
    if origin in (Union, UnionType):
        return " or ".join(allowed(part, ()) for part in get_args(annotation))
    if origin is Annotated:
        inner, *extra = get_args(annotation)
        return allowed(inner, [m for part in extra for m in getattr(part, "metadata", [part])])
    if origin is dict:
        return 'a table of texts, such as {"0" = "neutrality"}'
    kinds = {int: "a whole number", float: "a number", str: "a text", bool: "true or false"}
    words = kinds.get(
        annotation, "a list of three numbers" if "float" in str(annotation) else "a list of texts"
    )
    signs = {"ge": "at least", "gt": "above", "le": "at most", "lt": "below"}
    bounds = [
        f"{sign} {getattr(m, name)}" for m in metadata for name, sign in signs.items() if hasattr(m, name)
    ]
    if any(getattr(m, "min_length", 0) for m in metadata):
        return f"{words} that is not empty"
    return f"{words} {' and '.join(bounds)}" if bounds else words


def as_toml(value: Any) -> str:
    """A value as the user would write it in TOML."""
    if isinstance(value, float):
        return str(value)  # nan and inf as TOML has them
    return json.dumps(value, default=str, ensure_ascii=False)
