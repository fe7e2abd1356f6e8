"""Variants are objects that answer questions: no code asks for the name of a strategy, partition or model."""

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

from fer_models.balancing.registry import WAYS
from fer_models.models import MODELS
from server.strategies.registry import ALGORITHMS
from simulations.partitions.registry import PARTITIONS

ROOT = Path(__file__).resolve().parents[1]
PACKAGES = ("clients", "fer_models", "server", "simulations")
NAMES = {*ALGORITHMS, *PARTITIONS, *MODELS, *WAYS}
HOLDERS = {
    "name",
    "names",
    "strategy",
    "strategies",
    "partition",
    "partitions",
    "model",
    "models",
    "balance_on",
}
TABLES = {"ALGORITHMS", "STRATEGIES", "PARTITIONS", "MODELS", "NETWORKS", "REGISTRY", "WAYS", "BALANCINGS"}
REGISTRIES = {
    "fer_models/balancing/registry.py", "fer_models/models.py", "fer_models/networks/registry.py",
    "server/strategies/registry.py", "simulations/partitions/registry.py",
}  # fmt: skip


def questions(source: str) -> Iterator[str]:
    """What a source asks of a variant by its name: comparisons, cases, tables, entries of registries."""
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Compare):
            sides = [node.left, *node.comparators]
            if any(texts(side) & NAMES for side in sides) and any(holder(side) in HOLDERS for side in sides):
                yield ast.unparse(node)
        elif isinstance(node, ast.Match) and holder(node.subject) in HOLDERS:
            if any(texts(case.pattern) & NAMES for case in node.cases):
                yield ast.unparse(node.subject)
        elif isinstance(node, ast.Dict):
            keys = {key.value for key in node.keys if isinstance(key, ast.Constant)}
            if len(keys & NAMES) >= 2 and len(keys - NAMES) < len(keys & NAMES):
                yield ast.unparse(node)
        elif isinstance(node, ast.Subscript) and holder(node.value) in TABLES and texts(node.slice) & NAMES:
            yield ast.unparse(node)
        elif isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute):
            asked = node.func.attr in ("startswith", "endswith") and holder(node.func.value) in HOLDERS
            if asked and any(texts(argument) & NAMES for argument in node.args):
                yield ast.unparse(node)


def texts(node: ast.AST) -> set[object]:
    """The texts that stand in an expression."""
    return {part.value for part in ast.walk(node) if isinstance(part, ast.Constant)}


def holder(node: ast.AST) -> object:
    """What an expression is called last: name of x.name, x["name"], x.get("name") and name."""
    if isinstance(node, ast.Attribute):
        return node.attr
    if isinstance(node, ast.Subscript):
        return node.slice.value if isinstance(node.slice, ast.Constant) else None
    if isinstance(node, ast.Call):
        return next((a.value for a in node.args if isinstance(a, ast.Constant)), None)
    return node.id if isinstance(node, ast.Name) else None


@pytest.mark.parametrize("package", PACKAGES)
def test_no_code_asks_for_the_name_of_a_variant(package: str) -> None:
    found = {
        f"{path.relative_to(ROOT).as_posix()}: {question}"
        for path in (ROOT / package).rglob("*.py")
        if path.relative_to(ROOT).as_posix() not in REGISTRIES
        for question in questions(path.read_text(encoding="utf-8"))
    }
    assert found == set()


@pytest.mark.parametrize(
    "asking",
    [
        'config.strategy.name == "ridge"', '"camera" != federation.partition', 'name in ("krum", "bulyan")',
        'summary["strategy"] == "local"', 'said.get("model") == "cnn"', 'model not in {"hog"}',
        'MODELS["mobilenet"].size', 'words = {"shards": 1, "quantity": 2}', 'name.startswith("cnn")',
        'match name:\n    case "iid": pass', 'data.balance_on == "server"',
    ],
)  # fmt: skip
def test_a_question_by_name_is_seen(asking: str) -> None:
    assert len(list(questions(asking))) == 1


@pytest.mark.parametrize(
    "other",
    ['summary["kind"] == "local"', 'data.split_by == "subject"', 'name == "summary"', 'f(name="ridge")',
     'MODELS[name].size', '{"min": 0, "median": 1, "max": 2}'],
)  # fmt: skip
def test_what_is_no_question_by_name_is_left_alone(other: str) -> None:
    assert list(questions(other)) == []
