"""What two run folders have in common."""

import json
from pathlib import Path


def assert_same(one: Path, other: Path) -> None:
    """All that two runs found out, to the byte, but for the time it took."""
    for name in ("head.safetensors", "own_heads.safetensors", "predictions.csv", "phones.csv", "data.json"):
        assert (one / name).exists() == (other / name).exists()
        if (one / name).exists():
            assert (one / name).read_bytes() == (other / name).read_bytes(), name
    assert told(one / "rounds.jsonl") == told(other / "rounds.jsonl")
    assert told(one / "summary.json") == told(other / "summary.json")
    for folder in ("centralized", "centralized-matched"):
        assert (one / folder).exists() == (other / folder).exists()
        if (one / folder).exists():
            assert_same(one / folder, other / folder)
    assert not [path for path in one.rglob(".*") if path.is_file()]


def told(path: Path) -> list[dict[str, object]]:
    """What a file of JSON says, without times and the nodes that did it."""
    text = path.read_text()
    lines = text.splitlines() if path.suffix == ".jsonl" else [text]
    timed = ("seconds", "phones_per_second", "ms_per_photo", "wire_bytes", "nodes", "format")
    found = [
        {key: value for key, value in json.loads(line).items() if not key.startswith(timed)} for line in lines
    ]
    for line in found:
        if line.get("metrics"):
            line["metrics"] = {k: v for k, v in line["metrics"].items() if not k.endswith("_seconds")}
    return found
