"""A strategy of the user's own: a class on PYTHONPATH, named in the settings, without a fork."""

import hashlib
import json
import signal
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from support_commands import SMALL, Done, Here, assert_refused, fedfer, settings, started, wait_for_rounds
from support_slow import few_quick
from support_workers import in_this_process

from fer_models.errors import InputError
from server import rounds
from simulations import api
from simulations.report.report import write_report

LEAST = "from server.strategies.fedavg import FedAvg\n\n\nclass Mine(FedAvg): pass\n"
SLOWER = '''
from dataclasses import dataclass, replace
from typing import Annotated
from pydantic import Field
from server.strategies.fedavg import FedAvg


@dataclass(frozen=True)
class Slower(FedAvg):
    """A share of the mean update."""

    share: Annotated[float, Field(gt=0, le=1)] = 0.5

    def step(self, head, came, state):
        return super().step(head, replace(came, mean=self.share * came.mean), state)
'''
SLOW = "strategy.name=mine:Slower"
QUICK = {"federation__rounds": 3, "federation__engine": "process", "report__examples": "false"}


@pytest.fixture
def here(
    tmp_path: Path, run_cache: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture
) -> Iterator[Here]:
    """Commands in this process, in a folder beside the one that stands on its path."""
    (tmp_path / "path").mkdir()
    (tmp_path / "path" / "mine.py").write_text(LEAST + SLOWER)
    (tmp_path / "home").mkdir()
    monkeypatch.setenv("FEDFER_CACHE", run_cache)
    monkeypatch.syspath_prepend(tmp_path / "path")
    yield Here(tmp_path / "home", monkeypatch, capsys)
    sys.modules.pop("mine", None)


def run(here: Here, out: str, *more: str, **changes: object) -> dict[str, object]:
    done = here.run("run", *settings(**QUICK, **changes), *more, "--no-baseline", "--out", out, "--quiet")
    assert (done.code, done.err) == (0, "")
    summary: dict[str, object] = json.loads((here.folder / out / "summary.json").read_text())
    return summary


def test_the_least_that_works_is_as_its_base_and_its_source_is_in_the_provenance(here: Here) -> None:
    mine, plain = run(here, "mine", strategy__name="mine:Mine"), run(here, "plain")
    assert (mine["strategy"], mine["head_sha256"]) == ("mine:Mine", plain["head_sha256"])
    codes = [
        json.loads((here.folder / name / "origin.json").read_text())["code"] for name in ("mine", "plain")
    ]
    assert codes[0].keys() - codes[1].keys() == {"mine.py"}
    assert "mine:Mine" in (here.folder / "mine" / "report.html").read_text()


@pytest.mark.slow
def test_its_options_are_settings_like_any(here: Here) -> None:
    slow = run(here, "slow", strategy__name="mine:Slower", strategy__share=0.25)
    assert slow["head_sha256"] != run(here, "half", strategy__name="mine:Slower")["head_sha256"]
    assert "share = 0.25" in (here.folder / "slow" / "config.toml").read_text()
    assert 'share = "auto"' in (here.folder / "half" / "config.toml").read_text()
    page = (here.folder / "slow" / "report.html").read_text()
    assert "mine:Slower, share 0.25" in page
    again = here.run("run", "slow/config.toml", "--no-baseline", "--out", "again", "--quiet")
    assert again.code == 0
    heads = [(here.folder / name / "head.safetensors").read_bytes() for name in ("slow", "again")]
    assert heads[0] == heads[1]
    sys.modules.pop("mine")
    (here.folder.parent / "path" / "mine.py").unlink()
    with pytest.raises(
        InputError, match="there is no module mine; put the folder that holds it on PYTHONPATH"
    ):
        write_report(here.folder / "slow")


HALVES = """
from dataclasses import dataclass, replace
from fer_models.local.transforms import Transform
from server.strategies.fedavg import FedAvg


class Head(FedAvg):
    def step(self, head, came, state):
        return super().step(head, replace(came, mean=FACTOR * came.mean), state)


@dataclass(frozen=True)
class Update(Transform):
    def __call__(self, updates, context):
        return FACTOR * updates, {}
"""


@pytest.mark.parametrize(
    "setting",
    few_quick([{"strategy.name": "mine:Head"}, {"update.transforms": ["mine:Update"]}]),
    ids=["strategy", "transform"],
)
def test_a_file_that_is_edited_between_two_runs_trains_as_it_is_then(
    here: Here, setting: dict[str, object]
) -> None:
    """In one process, as in a notebook: what trained is what the run folder names."""
    path, heads = here.folder.parent / "path" / "mine.py", []
    asked = SMALL | setting | {"federation.rounds": 2, "federation.engine": "process", "data.balance": 10}
    loaded = None
    for number, factor in enumerate(["0.25", "0.75", "0.25"]):
        path.write_text(HALVES.replace("FACTOR", factor))
        loaded = loaded or api.load("quickstart", settings=asked)
        run = api.run(loaded, out=here.folder / f"run-{number}", progress=False, baseline=False)
        heads.append(run.summary.head_sha256)
        code = json.loads((run.folder / "origin.json").read_text())["code"]["mine.py"]
        assert code == hashlib.sha256(path.read_bytes()).hexdigest()[:16]
    assert heads[0] == heads[2] != heads[1]
    path.write_text(HALVES.replace("FACTOR", "0.75"))
    (here.folder / "run-0" / "report.html").unlink()
    with pytest.raises(api.InputError, match=r"the code of fedfer differs in mine\.py"):
        api.resume(here.folder / "run-0", progress=False)


@pytest.mark.slow
def test_a_file_that_is_edited_during_a_run_does_not_change_it(
    here: Here, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = here.folder.parent / "path" / "mine.py"
    asked = SMALL | {"federation.rounds": 3, "federation.engine": "process", "data.balance": 10}
    asked |= {"update.transforms": ["mine:Update"]}
    path.write_text(HALVES.replace("FACTOR", "0.25"))
    whole = api.run(settings=asked, out=here.folder / "whole", progress=False, baseline=False)
    select = rounds.select

    def edited(*given: int, number: int, **named: int) -> object:
        if number == 2:
            path.write_text(HALVES.replace("FACTOR", "0.75"))
        return select(*given, number=number, **named)

    monkeypatch.setattr(rounds, "select", edited)
    run = api.run(settings=asked, out=here.folder / "edited", progress=False, baseline=False)
    assert run.summary.head_sha256 == whole.summary.head_sha256
    codes = [(each.folder / "origin.json").read_text() for each in (whole, run)]
    assert json.loads(codes[0])["code"] == json.loads(codes[1])["code"]
    assert path.read_text() == HALVES.replace("FACTOR", "0.75")


@pytest.mark.parametrize(
    ("asked", "words"),
    [
        ([SLOW, "strategy.share=2"], 'share must be "auto" or a number above 0 and at most'),
        ([SLOW, "strategy.shere=1"], "unknown key strategy.shere; did you mean strategy.share"),
        ([SLOW, "strategy.mu=1"], "mu belongs to fedprox, moon; strategy.name is mine:Slower; "),
        (["strategy.share=1"], "unknown key strategy.share"),
        (["strategy.name=mine:Other"], 'strategy.name: "mine:Other": the module mine has no Other'),
        (["strategy.name=their:Mine"], 'cannot be imported: there is no module their; put the folder'),
        (["strategy.name=json:JSONDecoder"], "is not a subclass of server.strategies.base.Algorithm"),
        (["strategy.name=mine:Mine", "strategy.start=ridge", "model.name=cnn"], "a closed form"),
        (["strategy.name=server.strategies.base:Algorithm"], "lacks step; see server.strategies.base"),
    ],
)  # fmt: skip
def test_what_cannot_be_used_is_refused(here: Here, asked: list[str], words: str) -> None:
    given = [word for setting in asked for word in ("--set", setting)]
    here.refused("run", *given, "--out", "run", words=words.replace("(", r"\("))


def test_an_option_may_not_take_the_place_of_a_setting(here: Here) -> None:
    text = SLOWER.replace(
        "share: Annotated[float, Field(gt=0, le=1)] = 0.5", 'start: str = "a"\n    share = 1.0'
    )
    (here.folder.parent / "path" / "taken.py").write_text(text)
    here.refused(
        "run", "--set", "strategy.name=taken:Slower", "--out", "run", words="start is a setting of its own"
    )


@pytest.mark.slow
def test_a_sweep_takes_it_and_grows(here: Here, monkeypatch: pytest.MonkeyPatch) -> None:
    in_this_process(monkeypatch)
    small = settings(**QUICK)
    asked = ("--strategies", "fedavg,mine:Slower", "--partitions", "iid", *small)
    done = here.run("sweep", *asked, "--out", "many", "--quiet")
    assert done.code == 0, done.err
    place = here.folder / "many" / "iid" / "mine.Slower" / "seed-0"
    assert json.loads((place / "summary.json").read_text())["strategy"] == "mine:Slower"
    assert "mine:Slower" in (here.folder / "many" / "table.md").read_text()
    done = here.run("sweep", "--strategies", "mine:Mine", "--out", "many", "--quiet")
    assert done.code == 0, done.err
    heads = [
        here.folder / "many" / "iid" / name / "seed-0" / "head.safetensors"
        for name in ("mine.Mine", "fedavg")
    ]
    assert heads[0].read_bytes() == heads[1].read_bytes()


def at(path: Path, *arguments: str | Path, cwd: Path, cache: str) -> Done:
    return fedfer(*arguments, cwd=cwd, PYTHONPATH=str(path), FEDFER_CACHE=cache)


@pytest.mark.slow
def test_through_ray_and_resumed_with_the_same_source_only(tmp_path: Path, run_cache: str) -> None:
    (tmp_path / "mine.py").write_text(LEAST)
    asked = [
        *settings(federation__rounds=30000, checkpoint__every=2, strategy__name="mine:Mine"),
        "--no-baseline",
    ]
    begun = started("run", *asked, "--out", "run", cwd=tmp_path, PYTHONPATH=".", FEDFER_CACHE=run_cache)
    wait_for_rounds(tmp_path / "run", 3)
    begun.send(signal.SIGINT)
    assert begun.wait().code == 130
    done = at(tmp_path / "run", "run", "--resume", "run", cwd=tmp_path, cache=run_cache)
    assert_refused(done)
    assert "there is no module mine; put the folder that holds it on PYTHONPATH" in done.err
    (tmp_path / "mine.py").write_text(LEAST + "# other\n")
    done = at(tmp_path, "run", "--resume", "run", cwd=tmp_path, cache=run_cache)
    assert_refused(done)
    assert "the code of fedfer differs in mine.py; resume with the code that started it" in done.err
    (tmp_path / "mine.py").write_text(LEAST)
    rounds = len((tmp_path / "run" / "rounds.jsonl").read_text().splitlines())
    again = started("run", "--resume", "run", cwd=tmp_path, PYTHONPATH=str(tmp_path), FEDFER_CACHE=run_cache)
    wait_for_rounds(tmp_path / "run", rounds + 3)
    again.send(signal.SIGINT)
    assert again.wait().code == 130
