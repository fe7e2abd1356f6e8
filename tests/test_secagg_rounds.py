"""Rounds with secure aggregation through both apps: the bits of plain sums, drop-outs, repeats, refusals."""

from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from flwr.app import Message
from support_local_grid import LocalGrid
from support_reference import CLASSES, make_shards
from support_rounds import SIZES, Recorder, head_bytes, run

from fer_models.attacks.registry import AttackConfig
from fer_models.errors import RunError
from fer_models.local.phone_rows import PhoneRows
from fer_models.local.registry import UpdateConfig
from fer_models.updates import written
from server.config import StrategyConfig
from server.mechanisms.secagg import SecAggConfig

MASKED = SecAggConfig(protocol="secagg+")
ATTACK = AttackConfig(name="sign-flip", phones=1.0, scale=6000.0)  # type: ignore[call-arg]
STEPS = ("keys", "shares", "masked", "unmask")


class Noted(LocalGrid):
    """Notes the steps that the server asks for, each with its attempt."""

    asked: list[tuple[str, int]]

    def push_messages(self, messages: Iterable[Message]) -> Iterable[str]:
        messages = list(messages)
        for message in messages:
            kind = message.metadata.message_type.rpartition("_")
            if kind[1]:
                step = kind[2], int(message.content.config_records["secagg"]["attempt"])  # type: ignore[arg-type]
                self.asked = [*getattr(self, "asked", []), *[step] * (step not in getattr(self, "asked", []))]
        return super().push_messages(messages)


def told(recorder: Recorder) -> list[object]:
    """What rounds tell, but for their time and bytes, and what secure aggregation measures."""
    found = []
    for record in recorder.records:
        metrics = {name: value for name, value in record.metrics.items() if not name.startswith("secagg_")}
        found.append(replace(record, seconds=0.0, wire_bytes=0, bytes_up=0, bytes_down=0, metrics=metrics))
    return found


@pytest.mark.parametrize("protocol", ["sum", "secagg+"])
@pytest.mark.parametrize("group", [1000, 5])
def test_the_head_is_the_same_bytes_as_without(
    tmp_path: Path, shards: PhoneRows, protocol: str, group: int
) -> None:
    plain = run(tmp_path, shards)
    settings = SecAggConfig(protocol=protocol, group=group)
    for nodes, block, grid_seed, broken in ((1, 10, 0, ()), (4, 1, 3, ()), (3, 2, 1, (0,))):
        found = run(
            tmp_path, shards, secagg=settings,
            nodes=nodes, block=block, grid_seed=grid_seed, broken=broken,
        )  # fmt: skip
        assert head_bytes(found) == head_bytes(plain)
        assert told(found) == told(plain)


def test_32_bits_are_those_of_plain_sums_of_32_bits(tmp_path: Path, shards: PhoneRows) -> None:
    coarse = run(tmp_path, shards, secagg=SecAggConfig(protocol="sum", bits=32))
    masked = run(tmp_path, shards, secagg=SecAggConfig(protocol="secagg+", bits=32), nodes=3, block=1)
    assert head_bytes(masked) == head_bytes(coarse) != head_bytes(run(tmp_path, shards))
    plain = run(tmp_path, shards, rounds=1)
    one = run(tmp_path, shards, rounds=1, secagg=SecAggConfig(protocol="sum", bits=32))
    views = sum(SIZES)
    np.testing.assert_allclose(one.states[-1].head, plain.states[-1].head, atol=10 * 2.0**-17 / views + 1e-7)


def without(phones: list[int], folder: Path) -> tuple[Path, PhoneRows]:
    """The same phones, of which these can train on nothing usable."""
    made = make_shards(SIZES)
    features = np.vstack([made.features, np.full((1, made.features.shape[1]), np.inf, np.float32)])
    rows = made.rows.copy()
    for phone in phones:
        rows[made.offsets[phone] : made.offsets[phone + 1]] = len(made.features)
    found = PhoneRows(features, np.append(made.labels, 0), rows, made.offsets)
    folder.mkdir()
    np.save(folder / "features.npy", features)
    found.save(folder, folder / "features.npy")
    return folder, found


LOSSES = [(0.2, 0, 0), (0, 0.2, 0), (0, 0, 0.2), (0.1, 0.1, 0.1)]


@pytest.mark.parametrize("lose", LOSSES)
@pytest.mark.parametrize("bits", [32, 64])
def test_lost_phones_are_left_out_and_recorded(
    tmp_path: Path, shards: PhoneRows, lose: tuple[float, float, float], bits: int
) -> None:
    settings = SecAggConfig(protocol="secagg+", lose=lose, bits=bits, neighbours=8, threshold=3)
    found = run(tmp_path, shards, secagg=settings)
    again = run(tmp_path, shards, secagg=settings, nodes=3, block=1, grid_seed=2)
    assert head_bytes(again) == head_bytes(found)
    assert told(again) == told(found)
    # The same phones train as in a run without masks that has lost them otherwise.
    lost = [sorted(map(int, record.dropped_phones)) for record in found.records]
    assert [len(phones) for phones in lost] == [round(10 * lose[0]) + round(10 * lose[1])] * 4
    kinds = {why for record in found.records for why in record.dropped_phones.values()}
    steps = [step for step, share in zip(("shares", "masks"), lose, strict=False) if share]
    assert kinds == {f"lost before {step} (secagg.lose)" for step in steps}
    for record in found.records:
        assert record.metrics["secagg_lost_unmasking"] == round(10 * lose[2])
        assert record.phones == 10 - len(record.dropped_phones)
    plain = run(*without(lost[0], tmp_path / "few"), rounds=1, secagg=SecAggConfig(protocol="sum", bits=bits))
    assert plain.states[0].head.tobytes() == found.states[0].head.tobytes()


def test_too_few_left_in_one_neighbourhood_and_nothing_is_unmasked(tmp_path: Path, shards: PhoneRows) -> None:
    for lose, what in (
        ((0.5, 0, 0), "sent shares"),
        ((0, 0.5, 0), "sent updates"),
        ((0, 0, 0.5), "sent shares of what is masked"),
    ):
        settings = SecAggConfig(protocol="secagg+", lose=lose, neighbours=8, threshold=6)
        words = rf"in round 1 fewer than 6 neighbours of phone \d {what} \(secagg.threshold\), so nothing is"
        with pytest.raises(RunError, match=words) as caught:
            run(tmp_path, shards, secagg=settings)
        assert not caught.value.resumable
        assert "\n" not in str(caught.value)


def test_a_round_tells_its_cost_by_step(tmp_path: Path, shards: PhoneRows) -> None:
    found = run(tmp_path, shards, rounds=1, secagg=MASKED).records[0]
    plain = run(tmp_path, shards, rounds=1).records[0]
    size, k = 5 * 38, 6
    expected = {
        "keys": 64, "shares": k * (72 + 82), "masked": 12 * size + 8 * k, "unmask": k * (91 + 33),
    }  # fmt: skip
    assert {step: found.metrics[f"secagg_{step}_bytes"] for step in expected} == expected
    for step in expected:
        assert 0 < found.metrics[f"secagg_{step}_seconds"] < 60
    down, up = 10 * k * (72 + 8 + 91), 10 * (64 + k * (82 + 33) + 4 * size)
    assert (found.bytes_down - plain.bytes_down, found.bytes_up - plain.bytes_up) == (down, up)
    assert found.wire_bytes > plain.wire_bytes
    summed = run(tmp_path, shards, rounds=1, secagg=SecAggConfig(protocol="sum")).records[0]
    assert sorted(summed.metrics) == ["secagg_masked_bytes", "secagg_masked_seconds"]


def test_a_phone_with_no_usable_update_is_lost_before_masks(tmp_path: Path) -> None:
    folder, shards = without([3], tmp_path / "few")
    plain, masked = run(folder, shards), run(folder, shards, secagg=MASKED)
    assert list(plain.records[0].dropped_phones) == ["3"]
    assert head_bytes(masked) == head_bytes(plain)
    assert told(masked) == told(plain)


def test_updates_too_large_together_are_requested_again_before_anything_is_unmasked(
    tmp_path: Path, shards: PhoneRows
) -> None:
    grid = Noted(2)
    large = {"transforms": written(UpdateConfig(), ATTACK), "classes": CLASSES, "rounds": 1}
    plain = run(tmp_path, shards, secagg=SecAggConfig(protocol="sum", bits=32), **large)
    found = run(tmp_path, shards, secagg=SecAggConfig(protocol="secagg+", bits=32), grid=grid, **large)
    assert 0 < len(plain.records[0].dropped_phones) < 5
    assert head_bytes(found) == head_bytes(plain)
    assert told(found) == told(plain)
    assert grid.asked == [("keys", 0), ("shares", 0), ("masked", 0), *((s, 1) for s in STEPS)]


def test_too_few_phones_are_asked_again_before_anything_is_unmasked(tmp_path: Path) -> None:
    folder, shards = without([3], tmp_path / "few")
    grid = Noted(2)
    with pytest.raises(RunError, match="only 9 of 10 phones sent usable updates"):
        run(folder, shards, secagg=MASKED, min_phones=10, grid=grid)
    assert grid.asked == [(step, attempt) for attempt in (0, 1) for step in STEPS[:3]]


@pytest.mark.parametrize("name", ["median", "scaffold", "mime-lite", "ridge"])
def test_strategies_that_read_more_than_sums_are_refused(
    tmp_path: Path, shards: PhoneRows, name: str
) -> None:
    with pytest.raises(RunError, match="reads more than the sum of updates"):
        run(tmp_path, shards, secagg=MASKED, strategy=StrategyConfig(name=name))
