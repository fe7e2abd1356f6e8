"""The suite itself: flat files, helpers named support_*, and no test that imports another."""

import ast
import re
from pathlib import Path

import pytest
import yaml

HERE = Path(__file__).parent
FILES = sorted(HERE.rglob("*.py"))


def imported(source: str) -> set[str]:
    """The modules that a source imports, by the first part of their names."""
    found = set()
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            found |= {name.name for name in node.names}
        elif isinstance(node, ast.ImportFrom):
            found.add(("." * node.level) + (node.module or ""))
    return {name.split(".")[0] for name in found}


def test_files_are_tests_or_their_support() -> None:
    assert [path for path in FILES if path.parent != HERE] == []
    assert [path.name for path in FILES if not path.name.startswith(("test_", "support_"))] == ["conftest.py"]


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.name)
def test_no_test_is_imported(path: Path) -> None:
    tests = {other.stem for other in FILES if other.name.startswith("test_")} | {"conftest", "tests", ""}
    assert imported(path.read_text(encoding="utf-8")) & tests == set()


def test_an_import_is_found_wherever_it_stands() -> None:
    source = "import a.b\nfrom c import d\ndef f():\n    from e.f import g\n    from .h import i\n"
    assert imported(source) == {"a", "c", "e", ""}


def test_the_hooks_run_what_make_runs() -> None:
    checks = re.findall(
        r"^\t\$\(BIN\)/((?:ruff|mypy|lint-imports)\b.*?)(?: \.)?$",
        (HERE.parent / "Makefile").read_text(),
        re.M,
    )
    (repo,) = yaml.safe_load((HERE.parent / ".pre-commit-config.yaml").read_text())["repos"]
    *before, last = (hook["entry"].removeprefix(".venv/bin/") for hook in repo["hooks"])
    assert before == checks == ["ruff format --check", "ruff check", "mypy", "lint-imports --no-cache"]
    assert (last, repo["hooks"][-1]["stages"]) == ("make fast", ["pre-push"])
