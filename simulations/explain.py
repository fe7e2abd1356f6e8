"""The first error in a configuration as one plain line: the key, what is allowed, what was given."""

import difflib
from collections.abc import Iterable

from pydantic import BaseModel, ValidationError

from fer_models.pages.options import allowed, as_toml


def explain(config: type[BaseModel], error: ValidationError) -> str:
    """One line for the first error: the key, what is allowed, what was given."""
    first = error.errors()[0]
    location = [str(part) for part in first["loc"]]
    key = ".".join(location[:2])
    if first["type"] == "value_error":
        message = str(first["ctx"]["error"])
        return {0: message, 1: f"{key}.{message}"}.get(len(location), f"{key} {message}")
    if first["type"] == "string_unicode":
        return f"{key} must be UTF-8, got {as_toml(first['input'])}"
    section = config.model_fields[location[0]].annotation
    assert isinstance(section, type)
    assert issubclass(section, BaseModel)
    field = section.model_fields[location[1]]
    values = next((e["input"] for e in error.errors() if len(e["loc"]) <= 3), first["input"])
    takes = allowed(field.annotation, field.metadata)
    return f"{key} must be {takes}, got {as_toml(values)}; the default is {as_toml(field.default)}"


def nearest(name: str, known: Iterable[str]) -> str:
    """The end of an error message: the known name nearest to an unknown one, or all known names."""
    known = list(known)
    found = difflib.get_close_matches(name, known, n=1, cutoff=0.5)
    return f"; did you mean {found[0]}?" if found else f"; choose one of {', '.join(known)}"
