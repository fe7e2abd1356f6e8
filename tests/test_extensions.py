"""Classes of the user's own: found on PYTHONPATH, refused in one line, and told apart by their source."""

import hashlib
import importlib
import sys
from abc import ABC, abstractmethod
from collections.abc import Iterator
from dataclasses import dataclass
from importlib.util import cache_from_source
from pathlib import Path
from typing import Annotated, Literal

import pytest
from pydantic import Field

from fer_models.errors import InputError, RunError
from fer_models.machine import code
from fer_models.pages import extensions
from fer_models.pages.options import declared


class Page(ABC):
    @abstractmethod
    def step(self) -> int: ...


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A folder that stands on PYTHONPATH, whose modules are forgotten afterwards."""
    monkeypatch.syspath_prepend(tmp_path)
    before = set(sys.modules)
    yield tmp_path
    for name in set(sys.modules) - before:
        if str(getattr(sys.modules[name], "__file__", "")).startswith(str(tmp_path)):
            del sys.modules[name]


BASE = f"from {__name__} import Page\nfrom dataclasses import dataclass\nfrom typing import Any\n"
FROZEN = "@dataclass(frozen=True)\n"
WHOLE = "class Mine(Page):\n    def step(self): return 3\n"


def write(folder: Path, **files: str) -> None:
    """Each text into the module of that name; a__b is a/b.py, and a__ is a/__init__.py."""
    for name, text in files.items():
        place = folder / name.replace("__", "/")
        path = (
            folder / name[:-2].replace("__", "/") / "__init__.py"
            if name.endswith("__")
            else place.with_suffix(".py")
        )
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)


def test_names_of_classes_and_of_their_folders() -> None:
    for text in ("mine:Mine", "my_package.my_module:MyStrategy", "größe:A"):
        assert extensions.is_extension(text)
    for other in ("mine", "mine:", ":Mine", "mine:Mine:x", "a/b:C", "mine.py:Mine", "mine:Mine\n", "1:2", 3):
        assert extensions.is_extension(other) == (other == "mine.py:Mine")  # a module py in a package mine
    assert extensions.file_name("a.b:C") == "a.b.C"
    assert extensions.file_name("fine-tune") == "fine-tune"


def test_a_class_of_a_module_and_of_a_package(place: Path) -> None:
    write(place, mine=BASE + f"{FROZEN}{WHOLE}    power: float = 2.0\n")
    write(place, pack__sub__mod=BASE + f"{FROZEN}{WHOLE}", pack__="")
    assert declared(extensions.load("x.y", "mine:Mine", Page))["power"].default == 2.0  # type: ignore[type-abstract]
    assert extensions.load("x.y", "pack.sub.mod:Mine", Page).__module__ == "pack.sub.mod"  # type: ignore[type-abstract]


@pytest.mark.parametrize(
    ("text", "words"),
    [
        (None, r"there is no module mine; put the folder that holds it on PYTHONPATH"),
        ("import nowhere.at_all", r"mine cannot be imported \(ModuleNotFoundError: No module named"),
        ("def f(:", r"mine cannot be imported \(SyntaxError: .*\); fix it"),
        ("1 / 0", r"mine cannot be imported \(ZeroDivisionError: division by zero\)"),
        ("raise SystemExit(3)", r"mine cannot be imported \(SystemExit: 3\)"),
        ("", "the module mine has no Mine; check its name"),
        ("Mine = 3", rf"is not a subclass of {__name__}.Page; derive it"),
        ("class Mine: pass", rf"is not a subclass of {__name__}.Page; derive it"),
        ("class Mine(Page): pass", rf"lacks step; see {__name__}.Page"),
        (WHOLE, "it is not a dataclass; put @dataclass"),
        (f"{FROZEN}{WHOLE}    power: Any = 1", "its option power has the type Any; use bool, "),
        (f"{FROZEN}{WHOLE}    power: list[int] = 1", "its option power has the type list"),
        (f"{FROZEN}{WHOLE}    power: None = None", "its option power has the type NoneType"),
        (f"{FROZEN}{WHOLE}    power: float", "its option power has no default; give it one"),
        (f"{FROZEN}{WHOLE}    power: 'Where' = 1", r"not defined \(name 'Where' is not defined\)"),
        (
            f"{FROZEN}{WHOLE}    def __init__(self, power=3): pass",
            "its __init__ takes power without a type that can be checked; make it a field",
        ),
        (
            f"{FROZEN}class One(Page):\n    power: float = 1.0\n{WHOLE.replace('Page', 'One')}"
            "    other: float = 2.0",
            "other is not a field of it; put @dataclass",
        ),
    ],
)  # fmt: skip
def test_what_cannot_be_used_is_refused_in_a_line(place: Path, text: str | None, words: str) -> None:
    if text is not None:
        write(place, mine=BASE + text)
    with pytest.raises(InputError, match=words) as refused:
        extensions.load("strategy.name", "mine:Mine", Page)  # type: ignore[type-abstract]
    assert str(refused.value).startswith('strategy.name: "mine:Mine"')
    assert "\n" not in str(refused.value)


def test_sources_are_all_that_is_imported_from_the_same_folder(place: Path) -> None:
    write(
        place,
        mine="import numpy, beside\nfrom pack.room import c\nfrom server.strategies import fedavg",
        beside="", other="", pack__="from . import d", pack__d="", pack__e="",
        pack__room__="", pack__room__c="from ..e import x\nfrom .f import y", pack__room__f="",
    )  # fmt: skip
    assert sorted(extensions.sources("mine")) == [
        "beside.py", "mine.py", "pack/__init__.py", "pack/d.py", "pack/e.py", "pack/room/__init__.py",
        "pack/room/c.py", "pack/room/f.py",
    ]  # fmt: skip
    before = extensions.digests(["mine:Mine"])
    write(place, other="x = 1")
    assert extensions.digests(["mine:Mine"]) == before
    write(place, pack__e="x = 1")
    changed = extensions.digests(["mine:Mine"])
    assert [name for name in before if before[name] != changed[name]] == ["pack/e.py"]
    assert extensions.digests([]) == {}


def answer(name: str = "mine:Mine") -> int:
    found: int = extensions.load("x.y", name, Page)().step()  # type: ignore[type-abstract]
    return found


def digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def test_an_edited_module_is_imported_anew_and_only_when_a_run_begins(place: Path) -> None:
    old, new = (BASE + FROZEN + WHOLE.replace("3", number) for number in "12")  # of one length, at one time
    write(place, mine=old)
    assert answer() == 1
    write(place, mine=new)
    assert (answer(), extensions.digests(["mine:Mine"])) == (1, {"mine.py": digest(old)})
    extensions.refresh()
    assert (answer(), extensions.digests(["mine:Mine"])) == (2, {"mine.py": digest(new)})
    kept = extensions.load("x.y", "mine:Mine", Page)  # type: ignore[type-abstract]
    extensions.refresh()
    assert extensions.load("x.y", "mine:Mine", Page) is kept  # type: ignore[type-abstract]
    (place / "mine.py").unlink()
    assert answer() == 2
    extensions.refresh()
    with pytest.raises(InputError, match="there is no module mine"):
        answer()


def test_compiled_code_that_cannot_be_removed_is_no_error(place: Path) -> None:
    write(place, mine=BASE + FROZEN + WHOLE.replace("3", "1"))
    assert answer() == 1
    compiled = Path(cache_from_source(str(place / "mine.py")))
    compiled.unlink(missing_ok=True)
    (compiled / "inside").mkdir(parents=True)  # not a file: as in a folder that cannot be written
    write(place, mine=BASE + FROZEN + WHOLE.replace("3", "20"))
    extensions.refresh()
    assert answer() == 20


def test_an_edited_file_that_it_imports_is_imported_anew_as_well(place: Path) -> None:
    text = BASE + FROZEN + WHOLE.replace("return 3", "return N")
    write(place, mine="from pack.room import N\n" + text, other="from mine import Mine as Mine", pack__="")
    write(place, pack__room="from .deep import N", pack__deep="N = 1")
    assert (answer(), answer("other:Mine")) == (1, 1)
    assert extensions.load("x.y", "other:Mine", Page) is extensions.load("x.y", "mine:Mine", Page)  # type: ignore[type-abstract]
    write(place, pack__deep="N = 2")
    extensions.refresh()
    assert (answer(), answer("other:Mine")) == (2, 2)
    assert extensions.load("x.y", "other:Mine", Page) is extensions.load("x.y", "mine:Mine", Page)  # type: ignore[type-abstract]
    assert extensions.digests(["mine:Mine"])["pack/deep.py"] == digest("N = 2")


def test_a_module_that_was_imported_before_is_imported_anew(place: Path) -> None:
    """As in a notebook whose first line is `import mine`."""
    write(place, mine=BASE + FROZEN + WHOLE.replace("3", "1"))
    module = importlib.import_module("mine")
    write(place, mine=BASE + FROZEN + WHOLE.replace("3", "2"))
    assert module.Mine().step() == 1
    assert answer() == 2


def test_a_node_that_outlives_a_run_follows_its_server(place: Path) -> None:
    own = ("mine:Mine",)
    write(place, mine=BASE + FROZEN + WHOLE.replace("3", "1"))
    assert answer() == 1
    old = code.node_digest(own)
    write(place, mine=BASE + FROZEN + WHOLE.replace("3", "2"))
    code.check_node(old, own)  # the server's next order of the same run
    assert (answer(), code.node_digest(own)) == (1, old)
    with pytest.raises(RunError, match="has other code than the server"):
        code.check_node("that of another run", own)
    assert answer() == 2
    assert code.node_digest(own) != old
    code.check_node(code.node_digest(own), own)
    with pytest.raises(RunError, match="has other code than the server"):
        code.check_node(old, own)


@pytest.mark.slow
def test_modules_of_python_and_of_the_program_are_left_alone() -> None:
    for name in ("json", "server.strategies.fedavg", "numpy"):
        module = importlib.import_module(name)
        with pytest.raises(InputError):
            extensions.load("x.y", f"{name}:nothing", Page)  # type: ignore[type-abstract]
        extensions.refresh()
        assert sys.modules[name] is module


@pytest.mark.slow
def test_sources_of_an_installed_module_are_those_of_its_package(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.syspath_prepend(tmp_path / "site-packages")
    write(tmp_path / "site-packages", pack__="import lib", pack__a="from pack import b", pack__b="", lib="")
    assert sorted(extensions.sources("pack.a")) == ["pack/__init__.py", "pack/a.py", "pack/b.py"]
    assert "numpy/__init__.py" in extensions.sources("numpy")


@dataclass(frozen=True)
class Options:
    rate: Annotated[float, Field(gt=0, le=10)] = 1.0
    number: Annotated[int, Field(ge=0)] | None = None
    kind: Literal["a", "b"] = "a"
    deep: bool = False


@pytest.mark.parametrize(
    ("name", "value", "kept"),
    [("rate", 2, 2.0), ("rate", "auto", "auto"), ("number", 3, 3), ("kind", "b", "b"), ("deep", True, True)],
)
def test_options_take_values_of_their_type(name: str, value: object, kept: object) -> None:
    found = declared(Options)[name].checked(name, value, auto=True)
    assert (found, type(found)) == (kept, type(kept))


@pytest.mark.parametrize(
    ("name", "value", "auto", "words"),
    [
        (
            "rate",
            0,
            True,
            'rate must be "auto" or a number above 0 and at most 10, got 0; the default is "auto"',
        ),
        (
            "rate",
            float("nan"),
            False,
            "rate must be a number above 0 and at most 10, got nan; the default is 1.0",
        ),
        (
            "rate",
            "auto",
            False,
            'rate must be a number above 0 and at most 10, got "auto"; the default is 1.0',
        ),
        (
            "number",
            1.5,
            True,
            'number must be "auto" or a whole number at least 0, got 1.5; the default is "auto"',
        ),
        (
            "number",
            {"a": 1},
            False,
            'number must be a whole number at least 0, got {"a": 1}; the default is null',
        ),
        ("kind", "c", False, 'kind must be "a" or "b", got "c"; the default is "a"'),
        ("deep", 1, False, "deep must be true or false, got 1; the default is false"),
    ],
)
def test_options_refuse_other_values(name: str, value: object, auto: bool, words: str) -> None:
    with pytest.raises(ValueError, match="must be") as refused:
        declared(Options)[name].checked(name, value, auto=auto)
    assert str(refused.value) == words
