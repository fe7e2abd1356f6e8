"""Secure aggregation as commands: the head of a plain run, resumed and private ones, refusals, real nodes."""

from pathlib import Path

import pytest
from support_commands import Here, fedfer, settings
from support_deadly import die
from support_same import assert_same

from fer_models.run_folder.folder import read_rounds

FAST = {"federation__engine": "process", "federation__rounds": 12, "checkpoint__every": 5}
MASKED = {"secagg__protocol": '"secagg+"'}
PRIVATE = {
    "privacy__mechanism": '"central"', "privacy__clip": 0.1, "privacy__noise_multiplier": 0.8,
    "privacy__delta": 1e-3,
}  # fmt: skip


def asked(**changes: object) -> list[str]:
    return [*settings(**{**FAST, **changes}), "--no-baseline"]


def head(folder: Path) -> bytes:
    return (folder / "head.safetensors").read_bytes()


def test_the_head_is_that_of_a_plain_run_and_the_page_says_what_it_is(here: Here, tmp_path: Path) -> None:
    assert here.run("run", *asked(), "--out", "plain").code == 0
    done = here.run("run", *asked(**MASKED), "--out", "masked")
    assert (done.code, done.err) == (0, "")
    assert head(tmp_path / "masked") == head(tmp_path / "plain")
    page = (tmp_path / "masked" / "report.html").read_text()
    assert "Secure aggregation" in page
    assert "it hides nothing" in page
    assert "modulo 2^64, in units of 2^-26" in page
    assert "Secure aggregation" not in (tmp_path / "plain" / "report.html").read_text()
    for name, line in (("masked", "secagg_unmask_seconds"), ("plain", "")):
        assert all((line in record.metrics) == bool(line) for record in read_rounds(tmp_path / name))


def test_a_run_that_is_killed_goes_on_to_the_same_bits(here: Here, run_cache: str, tmp_path: Path) -> None:
    words = asked(**MASKED, secagg__lose="[0.1,0.1,0.1]", secagg__bits=32)
    assert here.run("run", *words, "--out", "whole").code == 0
    assert "in units of 2^-16, coarser than in other runs" in (tmp_path / "whole" / "report.html").read_text()
    at = ("fer_models.run_folder.folder:RunFolder.append_round", 9)
    die(*at, "run", *words, "--out", "run", cwd=tmp_path, cache=run_cache)
    assert here.run("run", "--resume", "run").code == 0
    assert_same(tmp_path / "run", tmp_path / "whole")
    assert read_rounds(tmp_path / "run")[0].dropped == 2


def test_a_private_run_has_the_same_noise_on_the_same_sum(here: Here, tmp_path: Path) -> None:
    words = {**PRIVATE, "federation__rounds": 4}
    assert here.run("run", *asked(**words), "--out", "plain").code == 0
    assert here.run("run", *asked(**words, **MASKED), "--out", "masked").code == 0
    assert head(tmp_path / "masked") == head(tmp_path / "plain")
    for record in read_rounds(tmp_path / "masked"):
        assert not [name for name in record.metrics if name.startswith("secagg_")]


def test_too_few_left_is_one_line_and_exit_code_1(here: Here, tmp_path: Path) -> None:
    words = asked(**MASKED, secagg__lose="[0,0.5,0]", secagg__threshold=5, secagg__neighbours=6)
    done = here.run("run", *words, "--out", "run")
    assert done.code == 1
    assert "in round 1 fewer than 5 neighbours of phone" in done.err
    assert len(done.err.splitlines()) == 1


@pytest.mark.parametrize(
    ("changes", "line"),
    [
        ({"secagg__threshold": 10}, r"threshold = 10 cannot be met by the 9 others of a group of 10; change"),
        (
            {"secagg__threshold": 5, "secagg__group": 5},
            "threshold = 5 cannot be met by the 4 others of a group",
        ),
        (
            {"secagg__threshold": 6, "secagg__neighbours": 4},
            r"must not exceed secagg.neighbours \(4\), got 6",
        ),
        ({"federation__phones_per_round": 2}, "a group of 2 phones is too small for masks, which take 3"),
        ({"secagg__dropouts": 0.9}, "bears 1 corrupt and 9 lost ones"),
        ({"secagg__group": 2}, "secagg.group"),
        ({"secagg__bits": 48}, "secagg.bits"),
        ({"secagg__lose": "[0.5,0.5,0.5]"}, "must not lose more than all phones"),
        ({"secagg__lose": "[0.5,0.5]"}, "secagg.lose"),
        ({"secagg__lose": "[0.1,0,0]", "secagg__protocol": "sum"}, "lose is for secagg.protocol"),
        (
            {"secagg__bits": 32, "update__clip_norm": 2000.0},
            "secagg.bits = 32 holds sums below 16,384, but 10 phones x a clip of 2000 may sum up to 20,000",
        ),
        (
            {**PRIVATE, "secagg__bits": 32, "privacy__clip": 2000.0, "federation__phones_per_round": 5},
            "but 10 phones x a clip of 2000",
        ),
        (
            {**PRIVATE, "secagg__bits": 32, "privacy__clipping": '"adaptive"'},
            "has no bound that secagg.bits = 32",
        ),
        ({**PRIVATE, "federation__phones_per_round": 5}, "coins may bring 1 to 3 of them in some round"),
        (
            {"strategy__name": "median"},
            "median cannot work with secure aggregation: it reads each phone's update",
        ),
        ({"strategy__name": "ridge"}, "phones send sums over their views, which are not masked"),
        ({"strategy__start": "ridge"}, "phones send sums over their views, which are not masked"),
        ({"strategy__name": "local"}, "phones share nothing, or a part of their head"),
        ({"strategy__name": "mime-lite", "train__optimizer": '"sgd"'}, "phones send more than an update"),
        ({"strategy__name": "scaffold"}, "it reads each phone's update"),
    ],
)
def test_what_cannot_be_masked_is_refused_before_anything_is_computed(
    here: Here, tmp_path: Path, changes: dict[str, object], line: str
) -> None:
    here.refused("run", *asked(**{**MASKED, **changes}), "--out", "run", words=line)
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize("name", ["fednova", "ditto", "fine-tune", "fedavgm"])
def test_strategies_that_read_a_sum_come_to_the_same_head(here: Here, tmp_path: Path, name: str) -> None:
    words = {"strategy__name": name, "federation__rounds": 2}
    assert here.run("run", *asked(**words), "--out", "plain").code == 0
    assert here.run("run", *asked(**words, **MASKED), "--out", "masked").code == 0
    assert head(tmp_path / "masked") == head(tmp_path / "plain")


@pytest.mark.slow
def test_networks_are_masked_as_well(here: Here, tmp_path: Path) -> None:
    words = {"model__name": "cnn", "data__image_size": 32, "federation__rounds": 2}
    assert here.run("run", *asked(**words), "--out", "plain").code == 0
    assert here.run("run", *asked(**words, **MASKED), "--out", "masked").code == 0
    assert head(tmp_path / "masked") == head(tmp_path / "plain")


@pytest.mark.slow
@pytest.mark.parametrize("engine", ["ray", "flower"])
def test_through_real_nodes_with_the_same_bits(
    here: Here, run_cache: str, tmp_path: Path, engine: str
) -> None:
    words = asked(**MASKED, federation__rounds=4, secagg__lose="[0.1,0.1,0.1]", secagg__bits=32)
    assert here.run("run", *words, "--out", "here").code == 0
    there = ["--set", f"federation.engine={engine}", "--out", "there"]
    done = fedfer("run", *words, *there, cwd=tmp_path, FEDFER_CACHE=run_cache)
    assert (done.code, done.err) == (0, "")
    assert_same(tmp_path / "there", tmp_path / "here")
