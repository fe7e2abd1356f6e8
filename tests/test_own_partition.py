"""A partition of the user's own: a class on PYTHONPATH, named in the settings, without a fork."""

import json
import sys
from collections.abc import Iterator

import pytest
from support_commands import Here, settings
from support_photo_folders import make_folder
from support_workers import in_this_process

from simulations.config import FederationConfig

BLOCKS = '''
from dataclasses import dataclass
from typing import Annotated, ClassVar
import numpy as np
from pydantic import Field
from simulations.partitions.base import Partition
from simulations.partitions.iid import Iid


@dataclass(frozen=True)
class Blocks(Partition):
    """Photos in a row, cut into runs of `length`, which are dealt in turn."""

    length: Annotated[int, Field(ge=1)] = 1

    def owners(self, labels, subjects, phones, rng):
        return np.arange(len(labels)) // self.length % phones


class Text(Partition):
    def owners(self, labels, subjects, phones, rng):
        return "none"


class Far(Partition):
    def owners(self, labels, subjects, phones, rng):
        return np.full(len(labels), phones)


class Short(Partition):
    def owners(self, labels, subjects, phones, rng):
        return np.zeros(3)


class Seen(Iid):
    changes_pixels: ClassVar[bool] = True


class People(Iid):
    needs_subjects: ClassVar[bool] = True
'''
QUICK = {"federation__rounds": 2, "federation__engine": "process", "report__examples": "false"}


@pytest.fixture
def here(
    tmp_path_factory: pytest.TempPathFactory,
    run_cache: str,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture,
) -> Iterator[Here]:
    place = tmp_path_factory.mktemp("path")
    (place / "dealt.py").write_text(BLOCKS)
    monkeypatch.setenv("FEDFER_CACHE", run_cache)
    monkeypatch.syspath_prepend(place)
    yield Here(tmp_path_factory.mktemp("home"), monkeypatch, capsys)
    sys.modules.pop("dealt", None)


def run(here: Here, out: str, **changes: object) -> dict[str, object]:
    done = here.run("run", *settings(**QUICK, **changes), "--no-baseline", "--out", out, "--quiet")
    assert (done.code, done.err) == (0, "")
    summary: dict[str, object] = json.loads((here.folder / out / "summary.json").read_text())
    return summary


def test_its_photos_go_where_it_says_and_its_options_are_settings(here: Here) -> None:
    one = run(here, "one", federation__partition="dealt:Blocks")
    two = run(here, "two", federation__partition="dealt:Blocks", federation__length=7)
    assert (two["partition"], two["partition_options"]) == ("dealt:Blocks", {"length": 7})
    assert one["head_sha256"] != two["head_sha256"]
    assert "dealt.py" in json.loads((here.folder / "two" / "origin.json").read_text())["code"]
    assert "dealt:Blocks, length 7" in (here.folder / "two" / "report.html").read_text()
    assert "length = 7" in (here.folder / "two" / "config.toml").read_text()


@pytest.mark.slow
def test_one_that_changes_pixels_is_as_camera(here: Here) -> None:
    own = run(here, "own", federation__partition="dealt:Seen")
    assert own["head_sha256"] == run(here, "camera", federation__partition="camera")["head_sha256"]


@pytest.mark.slow
def test_a_sweep_takes_it(here: Here, monkeypatch: pytest.MonkeyPatch) -> None:
    in_this_process(monkeypatch)
    asked = (
        "--strategies",
        "fedavg",
        "--partitions",
        "dealt:Blocks,dealt:Seen",
        "--seeds",
        "1",
        *settings(**QUICK),
    )
    done = here.run("sweep", *asked, "--out", "many", "--quiet")
    assert done.code == 0, done.err
    heads = {path.parent.parent.parent.name for path in here.folder.rglob("fedavg/seed-0/head.safetensors")}
    assert heads == {"dealt.Blocks", "dealt.Seen"}


@pytest.mark.parametrize(
    ("asked", "words"),
    [
        (["dealt:Text"], 'owners of "dealt:Text" must give each of .* as int64; got a str; fix it'),
        (["dealt:Far"], "a phone from 0 to 99, as int64; got the phone 100; fix it"),
        (["dealt:Short"], r"got float64 of the shape \(3,\)"),
        (
            ["dealt:People", "data.source=faces"],
            'partition is "dealt:People", but the subjects of these photos',
        ),
        (
            ["dealt:Blocks", "federation.length=0"],
            "federation.length must be a whole number at least 1, got 0",
        ),
        (["iid", "federation.length=1"], "unknown key federation.length"),
        (["dealt:Nothing"], 'federation.partition: "dealt:Nothing": the module dealt has no Nothing'),
        (["json:JSONDecoder"], "is not a subclass of simulations.partitions.base.Partition"),
    ],
)
def test_what_cannot_be_used_is_refused(here: Here, asked: list[str], words: str) -> None:
    make_folder(here.folder / "faces")
    name, *others = asked
    classes = ['data.classes=["anger","fear"]'] if "faces" in str(others) else []
    given = [f"federation.partition={name}", "sketch.faces=300", "sketch.subjects=30", *others, *classes]
    given += ["model.weights=random", "federation.engine=process"]
    if classes:
        given += ["federation.phones=3"]
    here.refused("run", *(w for setting in given for w in ("--set", setting)), "--out", "run", words=words)


def test_words_of_shipped_options() -> None:
    words = {
        name: FederationConfig.model_validate({"partition": name}).make().words
        for name in (
            "iid",
            "dirichlet",
            "dirichlet-clients",
            "pathological",
            "shards",
            "quantity",
            "subject",
            "camera",
            "draw",
        )
    }
    assert words == {
        "iid": "", "dirichlet": ", alpha 0.3", "dirichlet-clients": ", alpha 0.3",
        "pathological": ", classes on a phone: 2",
        "shards": ", shards on a phone: 2", "quantity": ", sigma 1", "subject": "", "camera": "",
        "draw": ", alpha 0.3, views each: 40",
    }  # fmt: skip
