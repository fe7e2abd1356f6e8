"""Digests of the source files, by which server and nodes check that they run the same code.

It belongs to this floor because cached features depend on code, too, and so do both ends of the wire.
"""

import ast
import hashlib
import json
import platform
import sys
from collections.abc import Mapping
from functools import lru_cache
from importlib.metadata import version
from importlib.util import find_spec
from pathlib import Path

from fer_models.errors import RunError
from fer_models.pages import extensions

_SHOWN = 3  # files that a difference lists
_DIGITS = 16  # of a digest


@lru_cache(maxsize=4)
def digests(*packages: str) -> Mapping[str, str]:
    """The digest of each source file of the packages as stored on disk: "package/room/file.py" -> hex."""
    found = {}
    for package in packages:
        root = _folder(package)
        for path in sorted(root.rglob("*.py")):
            name = path.relative_to(root.parent).as_posix()
            found[name] = hashlib.sha256(path.read_bytes()).hexdigest()[:_DIGITS]
    return found


@lru_cache(maxsize=4)
def with_imports(module: str) -> Mapping[str, Path]:
    """The modules of its own package that a module imports, directly or indirectly, itself included: dotted
    name -> file.
    """
    package = module.partition(".")[0]
    root = _folder(package).parent
    found: dict[str, Path] = {}
    left = [module]
    while left:
        name = left.pop()
        path = root.joinpath(*name.split(".")).with_suffix(".py")
        if name in found or not path.is_file():
            continue
        found[name] = path
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.ImportFrom) and (node.module or "").partition(".")[0] == package:
                left += [str(node.module), *(f"{node.module}.{alias.name}" for alias in node.names)]
    return found


def _folder(package: str) -> Path:
    """The folder of a package; RunError if it cannot be found."""
    spec = find_spec(package)
    if spec is None or spec.origin is None:  # a folder of that name shadows the package
        found_at = list(spec.submodule_search_locations or ()) if spec else sys.path
        raise RunError(f"the package {package} was not found: {', '.join(found_at)} does not contain it")
    return Path(spec.origin).parent


def node_code(own_classes: tuple[str, ...] = ()) -> Mapping[str, str]:
    """What a node's results depend on: the digests of its code, the versions of the numerical libraries, and
    the digests of the files behind user-defined classes "module:Class".
    """
    libraries = {name: installed(name) for name in ("numba", "numpy", "torch")}
    return {**digests("clients", "fer_models"), **libraries, **extensions.digests(own_classes)}


@lru_cache
def installed(library: str) -> str:
    """The version of a library, read once per process: reading takes longer than to digest our own code."""
    return version(library)


def node_digest(own_classes: tuple[str, ...] = ()) -> str:
    """`node_code` as one digest: it travels with every order."""
    return _node_digest(own_classes, tuple(extensions.digests(own_classes).items()))


@lru_cache(maxsize=4)
def _node_digest(own_classes: tuple[str, ...], sources: tuple[tuple[str, str], ...]) -> str:
    """Computed once per process, and again if user-defined classes were imported anew."""
    text = json.dumps(dict(node_code(own_classes)), sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()[:_DIGITS]


def follow(expected: str, own_classes: tuple[str, ...]) -> None:
    """Has changed user-defined classes imported anew if this node's code is not the server's, `expected`: a
    node may live longer than a run.
    """
    if expected != node_digest(own_classes):
        extensions.refresh()


def check_node(expected: str, own_classes: tuple[str, ...] = ()) -> None:
    """RunError if this node's code differs from the server's, whose digest is `expected`; "" is not checked.

    All nodes are compared when they report; this is for a node that joins later, replacing a lost one.
    """
    if not expected:
        return
    follow(expected, own_classes)
    if expected != node_digest(own_classes):
        place = _folder("clients").parent
        raise RunError(
            f"the node on {platform.node()} has other code than the server, in {place}: it changed since the"
            " run began; restore it, or start a new run"
        )


def difference(one: Mapping[str, object], other: Mapping[str, object]) -> str:
    """The names whose values differ, or that only one of them has: a, b, c and 2 more; "" if all agree."""
    names = sorted(name for name in one.keys() | other.keys() if one.get(name) != other.get(name))
    more = f" and {len(names) - _SHOWN} more" if len(names) > _SHOWN else ""
    return ", ".join(names[:_SHOWN]) + more
