"""The documents are true: commands, keys and options are there, experiments load, links lead somewhere."""

import re
import tomllib
from pathlib import Path

import click
import pytest
import typer

from simulations.cli.main import app
from simulations.config import Config
from simulations.experiment import keys, load, shipped

ROOT = Path(__file__).resolve().parents[1]
DOCUMENTS = sorted([*ROOT.glob("*.md"), *(ROOT / "docs").glob("*.md")])
COMMANDS = typer.main.get_command(app)
assert isinstance(COMMANDS, click.Group)


def test_every_key_is_documented_with_its_default() -> None:
    text = (ROOT / "docs" / "configuration.md").read_text()
    rows = dict(re.findall(r"^\| `([\w.]+)` \| `(.*?)` \|", text, re.M))
    assert list(rows) == list(keys())
    defaults = Config().model_dump(mode="json")
    for key, shown in rows.items():
        section, name = key.split(".")
        assert tomllib.loads(f"v = {shown}")["v"] == defaults[section][name], key


def test_every_command_is_in_the_readme() -> None:
    text = (ROOT / "README.md").read_text()
    for name in COMMANDS.commands:
        assert f"`fedfer {name}" in text, name


def test_every_option_of_a_command_is_documented() -> None:
    text = "".join(path.read_text() for path in DOCUMENTS)
    for name, command in COMMANDS.commands.items():
        for option in (o for p in command.params for o in p.opts if o.startswith("--") and o != "--help"):
            assert option in text, (name, option)


def test_commands_named_in_the_documents_exist() -> None:
    for path in DOCUMENTS:
        for name in re.findall(r"(?:^ +|`)fedfer (\w+)", path.read_text(), re.M):
            assert name in COMMANDS.commands, (path.name, name)
    targets = re.findall(r"^(\w+):", (ROOT / "Makefile").read_text(), re.M)
    for name in re.findall(r"^ +make (\w+)", (ROOT / "README.md").read_text(), re.M):
        assert name in targets
    assert "make test" in (ROOT / ".ci" / "run").read_text()


@pytest.mark.parametrize("path", DOCUMENTS, ids=lambda p: p.name)
def test_links_between_documents_lead_somewhere(path: Path) -> None:
    for target, anchor in re.findall(r"\]\((?!https?:)([^)#]*)(#[^)]*)?\)", path.read_text()):
        there = (path.parent / target).resolve() if target else path
        assert there.exists(), target
        if anchor:
            headings = re.findall(r"^#+ (.*)$", there.read_text(), re.M)
            slugs = {re.sub(r"[^\w -]", "", h.lower()).replace(" ", "-") for h in headings}
            assert anchor[1:] in slugs, anchor


@pytest.mark.parametrize("name", list(shipped()))
def test_every_shipped_experiment_loads_and_says_its_command_and_result(name: str) -> None:
    assert load(name)[0] == name
    text = shipped()[name].read_text()
    assert f"fedfer run {name}" in text
    assert re.search(r"accuracy.*\d\.\d+ \+-", text), "the result to expect, with its spread"
    assert name in (ROOT / "README.md").read_text()


def test_constraints_pin_every_dependency_and_name_no_address() -> None:
    text = (ROOT / "constraints.txt").read_text()
    pins = {line.split("==")[0].lower().replace("_", "-") for line in text.splitlines() if "==" in line}
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    for requirement in [*project["dependencies"], *project["optional-dependencies"]["dev"]]:
        assert re.match(r"[\w-]+", requirement)[0] in pins, requirement  # type: ignore[index]
    assert "://" not in text
    assert all(re.fullmatch(r"#.*|[\w.-]+==[\w.+!]+", line) for line in text.splitlines())
