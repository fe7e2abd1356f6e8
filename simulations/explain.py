"""What is wrong with a configuration, in one plain line: the key, what is allowed, what was got."""

import difflib
import json
from collections.abc import Iterable
from types import UnionType
from typing import Annotated, Any, Literal, Union, get_args, get_origin

from pydantic import BaseModel, ValidationError


def explain(config: type[BaseModel], error: ValidationError) -> str:
    """One line for the first error: the key, what is allowed, what was got."""
    first = error.errors()[0]
    location = [str(part) for part in first["loc"]]
    key = ".".join(location[:2])
    if first["type"] == "value_error":
        message = str(first["ctx"]["error"])
        return f"{key}.{message}" if len(location) == 1 else f"{key} {message}"
    if first["type"] == "string_unicode":
        return f"{key} must be UTF-8, got {shown(first['input'])}"
    section = config.model_fields[location[0]].annotation
    assert isinstance(section, type)
    assert issubclass(section, BaseModel)
    field = section.model_fields[location[1]]
    values = next((e["input"] for e in error.errors() if len(e["loc"]) <= 3), first["input"])
    allowed = _allowed(field.annotation, field.metadata)
    return f"{key} must be {allowed}, got {shown(values)}; the default is {shown(field.default)}"


def _allowed(annotation: Any, metadata: Iterable[Any]) -> str:
    """What a field takes, in words."""
    origin = get_origin(annotation)
    if origin is Literal:
        *most, last = (f'"{value}"' for value in get_args(annotation))
        return f"{', '.join(most)} or {last}" if most else last
    if origin in (Union, UnionType):
        return " or ".join(_allowed(part, ()) for part in get_args(annotation))
    if origin is Annotated:
        inner, *extra = get_args(annotation)
        nested = [m for part in extra for m in getattr(part, "metadata", [part])]
        return _allowed(inner, nested)
    if origin is dict:
        return 'a table of texts, such as {"0" = "neutrality"}'
    kinds = {int: "a whole number", float: "a number", str: "a text", bool: "true or false"}
    words = kinds.get(
        annotation, "a list of three numbers" if "float" in str(annotation) else "a list of texts"
    )
    signs = {
        "ge": "at least",
        "gt": "above",
        "le": "at most",
        "lt": "below",
    }
    bounds = [
        f"{sign} {getattr(m, name)}" for m in metadata for name, sign in signs.items() if hasattr(m, name)
    ]
    if any(getattr(m, "min_length", 0) for m in metadata):
        return f"{words} that is not empty"
    return f"{words} {' and '.join(bounds)}" if bounds else words


def nearest(name: str, known: Iterable[str]) -> str:
    """The end of an error's line: the known name nearest to an unknown one, or all that are known."""
    known = list(known)
    found = difflib.get_close_matches(name, known, n=1, cutoff=0.5)
    return f"; did you mean {found[0]}?" if found else f"; known are {', '.join(known)}"


def shown(value: Any) -> str:
    """A value as the user would write it."""
    if isinstance(value, float):
        return str(value)  # nan and inf as TOML has them
    return json.dumps(value, default=str, ensure_ascii=False)
