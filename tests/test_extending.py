"""The code of docs/extending.md is true: put into a copy of the sources, file by file, its own tests pass."""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
PACKAGES = ("clients", "fer_models", "server", "simulations")
TEXT = (ROOT / "docs" / "extending.md").read_text(encoding="utf-8")


def blocks(text: str) -> list[tuple[str, str]]:
    """The path and the content of each block of code."""
    return re.findall(r"^```python\n# (\S+)\n(.*?)^```$", text, re.M | re.S)


def sections() -> dict[str, list[tuple[str, str]]]:
    """The blocks of code of each section, by its heading."""
    parts = re.split(r"^## (.*)$", TEXT, flags=re.M)
    return {heading: blocks(text) for heading, text in zip(parts[1::2], parts[2::2], strict=True)}


def registered(source: str, lines: str) -> str:
    """A registry with the lines of a block: an import, and a line of its table."""
    imported, entry = lines.strip("\n").split("\n\n")
    first = re.search(r"^from (?:server|simulations|fer_models)\.", source, re.M)
    table = re.search(r"^[A-Z_]+: dict\[str, type\[.*\] = \{$", source, re.M)
    assert first is not None
    assert table is not None
    end = source.index("\n}", table.end())
    return f"{source[: first.start()]}{imported}\n{source[first.start() : end]}\n{entry}{source[end:]}"


def test_every_block_of_code_names_its_file() -> None:
    assert len(blocks(TEXT)) == TEXT.count("```python") >= 17


def test_one_more_of_each_kind_is_a_page_and_a_line_in_a_registry() -> None:
    counts = dict(re.findall(r"^\| ([a-z][\w ]+) \| .* \| (\d+) \|$", TEXT, re.M))
    names = {re.sub("^An? ", "", heading): found for heading, found in sections().items()}
    assert set(counts) == set(names) - {"Without a fork"}
    for kind, number in counts.items():
        touched = {path for path, _ in names[kind] if not path.startswith("tests/")}
        assert len(touched) == int(number), kind
        old = [path for path in touched if (ROOT / path).exists()]
        assert [Path(path).name for path in old] == ["registry.py"], kind
        assert len(touched) - len(old) == 1, kind


@pytest.fixture(scope="module")
def extended(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of the sources with all files of the page."""
    place = tmp_path_factory.mktemp("extended")
    for package in PACKAGES:
        shutil.copytree(ROOT / package, place / package, ignore=shutil.ignore_patterns("__pycache__"))
    for path, text in blocks(TEXT):
        file = place / path
        file.parent.mkdir(exist_ok=True)
        file.write_text(registered(file.read_text(), text) if file.name == "registry.py" else text)
    return place


@pytest.mark.slow
def test_the_tests_of_the_page_pass(extended: Path) -> None:
    command = [
        sys.executable,
        "-P",
        "-m",
        "pytest",
        "-q",
        "-p",
        "no:cacheprovider",
        "--rootdir",
        ".",
        "tests",
    ]
    place = os.environ | {"PYTHONPATH": str(extended)}
    done = subprocess.run(command, cwd=extended, env=place, capture_output=True, text=True, timeout=280)
    assert done.returncode == 0, done.stdout + done.stderr
    assert f"{len(list((extended / 'tests').iterdir())) - 1} passed" in done.stdout  # and its __pycache__


@pytest.mark.parametrize("command", [["check"], ["format", "--check"]], ids=["lint", "format"])
def test_the_pages_are_written_as_all_code_here(extended: Path, command: list[str]) -> None:
    pages = [
        path for path, _ in blocks(TEXT) if path.startswith(PACKAGES) and not path.endswith("registry.py")
    ]
    ruff = [
        sys.executable,
        "-m",
        "ruff",
        *command,
        "--no-cache",
        "--config",
        str(ROOT / "pyproject.toml"),
        *pages,
    ]
    done = subprocess.run(ruff, capture_output=True, text=True, cwd=extended)
    assert (len(pages), done.returncode) == (7, 0), done.stdout + done.stderr
