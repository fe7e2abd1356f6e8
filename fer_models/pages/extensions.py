"""User-defined classes: "my_package.my_module:MyClass" in the settings, instead of a built-in name.

They are imported like any module, from PYTHONPATH or the installed packages, never from the current folder,
so every process finds the same one. Their source files are part of a run's provenance (`digests`), as they
were when they were imported: files that are edited later take effect with `refresh`, which only the
beginning of a run calls, so that no run changes its code.
"""

import ast
import hashlib
import importlib
import inspect
import re
import sys
from collections.abc import Iterable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from importlib.util import cache_from_source, find_spec, resolve_name
from pathlib import Path
from types import ModuleType
from typing import TypeVar

from fer_models.errors import InputError, first_cause
from fer_models.pages.options import declared
from fer_models.text import printable

NAME = r"^[^\W\d]\w*(\.[^\W\d]\w*)*:[^\W\d]\w*$"  # pattern of such a name
_OURS = ("clients", "fer_models", "server", "simulations")  # recorded in any case
_INSTALLED = ("site-packages", "dist-packages")
_DIGITS = 16  # of a digest

Page = TypeVar("Page")


@dataclass(frozen=True)
class _Loaded:
    """A module that was imported, and its sources at that moment."""

    module: ModuleType
    files: Mapping[str, Path]  # "package/file.py" -> where it lies
    digests: Mapping[str, str]  # "package/file.py" -> hex


_loaded: dict[str, _Loaded] = {}  # by the module's name


def is_extension(text: object) -> bool:
    """Whether the text names a user-defined class."""
    return isinstance(text, str) and re.fullmatch(NAME, text) is not None


def file_name(name: str) -> str:
    """The name of a variant as a file name: "mine:Mine" -> "mine.Mine", unique to that variant."""
    return name.replace(":", ".")


def load(key: str, text: str, base: type[Page]) -> type[Page]:
    """The class "module:Class" that the setting `key` names, which must be a subclass of `base`.

    InputError, one line, if it cannot be imported, is not a subclass, lacks a method, or declares an option
    without a type or default (options.py).
    """
    module, _, name = text.partition(":")
    if module == "__main__":
        raise InputError(
            f'{key}: "{text}" cannot be found by other processes; put the class in a file on PYTHONPATH'
        )
    try:
        found = getattr(_module(module), name, None)
    except ModuleNotFoundError as error:
        if error.name is None or not f"{module}.".startswith(f"{error.name}."):
            raise _broken(key, text, module, error) from error
        raise InputError(
            f'{key}: "{text}" cannot be imported: there is no module {error.name}; put the folder that'
            " holds it on PYTHONPATH"
        ) from error
    except (Exception, SystemExit) as error:
        raise _broken(key, text, module, error) from error
    needed = f"{base.__module__}.{base.__qualname__}"
    if found is None:
        raise InputError(f'{key}: "{text}": the module {module} has no {name}; check its name')
    if not (inspect.isclass(found) and issubclass(found, base)):
        raise InputError(
            f'{key}: "{text}" is not a subclass of {needed}; derive it from that, or from a subclass of it'
        )
    if missing := sorted(getattr(found, "__abstractmethods__", ())):
        raise InputError(f'{key}: "{text}" lacks {", ".join(missing)}; see {needed}')
    try:
        declared(found)
    except ValueError as error:
        raise InputError(f'{key}: "{text}": {error}') from error
    return found


def _broken(key: str, text: str, module: str, error: BaseException) -> InputError:
    return InputError(
        f'{key}: "{text}": {module} cannot be imported ({printable(first_cause(error))}); fix it'
    )


def _module(name: str) -> ModuleType:
    """The module, imported if it is not yet, and its sources recorded.

    If it was imported elsewhere, its source may have changed since, so it is imported anew; an installed one
    is taken as it is.
    """
    if (loaded := _loaded_now(name)) is not None:
        return loaded.module
    if name in sys.modules and not _known(files := sources(name, installed=False)):
        _forget(files)
    module = importlib.import_module(name)
    files = sources(name)
    _loaded[name] = _Loaded(module, files, _digests(files))
    return module


def _known(files: Mapping[str, Path]) -> bool:
    """Whether the files are those that a recorded module imported."""
    now = _digests(files)
    return any(
        sys.modules.get(name) is loaded.module and now.items() <= loaded.digests.items()
        for name, loaded in _loaded.items()
    )


def _loaded_now(name: str) -> _Loaded | None:
    """The record of a module, if it is still the one that Python uses."""
    loaded = _loaded.get(name)
    return loaded if loaded is not None and sys.modules.get(name) is loaded.module else None


def refresh() -> None:
    """Forgets modules whose source has changed since they were imported: `load` imports them anew."""
    for name, loaded in list(_loaded.items()):
        if _digests(loaded.files) != loaded.digests:
            del _loaded[name]
            _forget(loaded.files)


def _forget(files: Mapping[str, Path]) -> None:
    """Has Python import these files anew from their source.

    The compiled code goes, too: Python takes it for current if size and time, in whole seconds, are the same.
    """
    for file, path in files.items():
        dotted = file.removesuffix(".py").replace("/", ".")
        sys.modules.pop(dotted.removesuffix(".__init__"), None)
        with suppress(OSError):  # a folder that cannot be written: Python goes by size and time
            Path(cache_from_source(str(path))).unlink()
    importlib.invalidate_caches()


def digests(names: Iterable[str]) -> dict[str, str]:
    """The digest of each source file behind the classes "module:Class": "package/file.py" -> hex.

    Of a module that is imported, they are those of the imported source, whatever the files hold by now.
    """
    found: dict[str, str] = {}
    for name in names:
        module = name.partition(":")[0]
        loaded = _loaded_now(module)
        found |= _digests(sources(module)) if loaded is None else loaded.digests
    return found


def _digests(files: Mapping[str, Path]) -> dict[str, str]:
    """The digest of each file that is there."""
    return {
        file: hashlib.sha256(path.read_bytes()).hexdigest()[:_DIGITS]
        for file, path in sorted(files.items())
        if path.is_file()
    }


def sources(module: str, *, installed: bool = True) -> dict[str, Path]:
    """The file of a module and those of all modules that it imports, directly or indirectly, from the same
    folder of PYTHONPATH; for an installed module, only from its own package, or none without `installed`.
    """
    top = module.partition(".")[0]
    spec = find_spec(top)
    places = [] if spec is None else [*(spec.submodule_search_locations or ()), spec.origin]
    if not places or not isinstance(places[0], str):
        return {}
    root = Path(places[0]).parent
    outside = top in sys.stdlib_module_names or any(part in _INSTALLED for part in root.parts)
    if outside and not installed:
        return {}
    found: dict[str, Path] = {}
    left = [module]
    while left:
        name = left.pop()
        first = name.partition(".")[0]
        path = _file(root, name)
        if path is None or first in _OURS or (outside and first != top):
            continue
        file = path.relative_to(root).as_posix()
        if file not in found:
            found[file] = path
            package = name if path.name == "__init__.py" else name.rpartition(".")[0]
            left += [name.rpartition(".")[0], *_imported(path, package)]
    return found


def _file(root: Path, name: str) -> Path | None:
    """The file of a module below `root`; None if it is not there."""
    place = root.joinpath(*name.split("."))
    files = (place / "__init__.py", place.with_name(f"{place.name}.py"))
    return next((path for path in files if name and path.is_file()), None)


def _imported(path: Path, package: str) -> Iterator[str]:
    """The dotted names that a file of `package` imports: modules, or names in them."""
    for node in ast.walk(ast.parse(path.read_bytes())):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            source = resolve_name("." * node.level + (node.module or ""), package or None)
            yield source
            yield from (f"{source}.{alias.name}" for alias in node.names)
