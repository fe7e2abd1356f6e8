"""Nodes that fail and phones that send what cannot be used, on a Grid in this process."""

import re
from collections.abc import Callable, Iterable
from pathlib import Path

import numpy as np
import pytest
from flwr.app import Array, ArrayRecord, Context, Message, MetricRecord
from support_local_grid import LocalGrid
from support_reference import make_shards
from support_rounds import EVERY, SIZES, SOME, Recorder, head_bytes, run
from support_slow import few_quick

from clients.app import app
from fer_models.errors import RunError
from fer_models.local.phone_rows import PhoneRows
from fer_models.run_folder.folder import RunFolder
from fer_models.run_folder.rounds import RoundRecord
from server.config import StrategyConfig
from server.strategies.registry import CLOSED_FORMS

ILL = 4  # a phone


@pytest.fixture
def shards(tmp_path: Path) -> PhoneRows:
    """Phone ILL owns a view of its own, that is not finite; the others own those that are."""
    good = make_shards(SIZES)
    features = np.concatenate([good.features, np.full((1, good.features.shape[1]), np.inf, np.float32)])
    rows = good.rows.copy()
    rows[good.offsets[ILL] + 2] = len(good.features)
    shards = PhoneRows(features, np.append(good.labels, 0), rows, good.offsets)
    np.save(tmp_path / "features.npy", features)
    shards.save(tmp_path, tmp_path / "features.npy")
    return shards


def without(shards: PhoneRows, phone: int) -> PhoneRows:
    """The same phones, but for this one, whose views no one holds."""
    first, last = shards.offsets[phone], shards.offsets[phone + 1]
    offsets = shards.offsets.copy()
    offsets[phone + 1 :] -= last - first
    return PhoneRows(shards.features, shards.labels, np.delete(shards.rows, slice(first, last)), offsets)


def finite(recorder: Recorder) -> bool:
    state = recorder.states[-1]
    return bool(np.isfinite(state.head).all() and all(np.isfinite(a).all() for a in state.state.values()))


@pytest.mark.parametrize(
    "name",
    few_quick([name for name in EVERY if name not in CLOSED_FORMS], *SOME),
)
def test_an_update_that_is_not_finite_never_reaches_a_head(
    tmp_path: Path, shards: PhoneRows, name: str
) -> None:
    asked = {"strategy": StrategyConfig(name=name), "rounds": 2}
    hurt = run(tmp_path, shards, **asked)  # type: ignore[arg-type]
    assert finite(hurt)
    for record in hurt.records:
        assert (record.phones, record.dropped) == (len(SIZES) - 1, 1)
        assert record.dropped_phones == {str(ILL): "not finite"}
        assert record.photos == sum(SIZES) - SIZES[ILL]
        assert record.train_loss is not None
        assert np.isfinite(record.train_loss)
    other = run(tmp_path, shards, nodes=4, block=1, grid_seed=3, **asked)  # type: ignore[arg-type]
    assert head_bytes(other) == head_bytes(hurt)


@pytest.mark.parametrize("name", ["fedavg", "fednova"])  # whose mean number of steps is theirs, too
def test_the_others_are_averaged_as_if_the_dropped_phone_had_never_been(
    tmp_path: Path, shards: PhoneRows, name: str
) -> None:
    asked = {"strategy": StrategyConfig(name=name), "rounds": 3}
    hurt = run(tmp_path, shards, **asked)  # type: ignore[arg-type]
    bare = without(shards, ILL)
    bare.save(tmp_path / "bare", tmp_path / "features.npy")
    assert head_bytes(run(tmp_path / "bare", bare, **asked)) == head_bytes(hurt)  # type: ignore[arg-type]


@pytest.mark.parametrize("name", CLOSED_FORMS)
def test_sums_that_are_not_finite_are_left_out_of_closed_forms(
    tmp_path: Path, shards: PhoneRows, name: str
) -> None:
    asked = {"strategy": StrategyConfig(name=name), "rounds": 1}
    hurt = run(tmp_path, shards, **asked)  # type: ignore[arg-type]
    assert hurt.records[0].dropped_phones == {str(ILL): "not finite"}
    bare = without(shards, ILL)
    bare.save(tmp_path / "bare", tmp_path / "features.npy")
    assert head_bytes(run(tmp_path / "bare", bare, **asked)) == head_bytes(hurt)  # type: ignore[arg-type]


def test_too_few_phones_end_the_run_after_one_repetition(
    tmp_path: Path, shards: PhoneRows, monkeypatch: pytest.MonkeyPatch
) -> None:
    sent = []
    push = LocalGrid.push_messages
    monkeypatch.setattr(LocalGrid, "push_messages", lambda grid, m: sent.extend(m) or push(grid, m))
    run(tmp_path, shards, rounds=1, min_phones=len(SIZES) - 1)
    once = len(sent)
    with pytest.raises(
        RunError,
        match=r"round 1 only 9 of 10 phones sent usable updates.*federation\.min_phones = 10.*dropped: 4",
    ):
        run(tmp_path, shards, rounds=1, min_phones=len(SIZES))
    assert len(sent) - once == once + 2  # two nodes once more
    with pytest.raises(RunError, match=r"phones.*min_phones"):
        run(tmp_path, shards, rounds=1, min_phones=10, strategy=StrategyConfig(name="ridge"))


def test_a_strategy_that_needs_more_phones_than_remain_says_so(tmp_path: Path, shards: PhoneRows) -> None:
    with pytest.raises(
        RunError, match=r"only 9 of 10 phones sent usable updates, too few for the strategy: .*keep must be"
    ):
        run(tmp_path, shards, strategy=StrategyConfig(name="multi-krum", byzantine=0, keep=10), rounds=1)


def no_counts(reply: Message) -> None:
    del reply.content["counts"]


def other_shape(reply: Message) -> None:
    update = reply.content.array_records["update"]
    update["total"] = Array(update["total"].numpy()[:, :-1].copy())


def not_finite(reply: Message) -> None:
    update = reply.content.array_records["update"]
    total = update["total"].numpy().copy()
    total[0, 0] = np.nan
    update["total"] = Array(total)


def other_phones(reply: Message) -> None:
    reply.content.array_records["update"]["phones"] = Array(np.array([10**6]))
    reply.content.metric_records["counts"]["phones"] = 1


def twice_the_phones(reply: Message) -> None:
    update = reply.content.array_records["update"]
    update["phones"] = Array(np.repeat(update["phones"].numpy(), 2))


def more_views(reply: Message) -> None:
    counts = reply.content.metric_records["counts"]
    counts["views"] = counts["photos"] = int(counts["views"]) * 1000  # type: ignore[arg-type]


def huge(reply: Message) -> None:
    update = reply.content.array_records["update"]
    total = update["total"].numpy().copy()
    total[0, 0] = 1e300
    update["total"] = Array(total)


def no_array(reply: Message) -> None:
    reply.content.array_records["update"]["total"].data = b"PK and no more"


def endless(reply: Message) -> None:
    reply.content.metric_records["counts"]["views"] = float("inf")


def words(reply: Message) -> None:
    reply.content["counts"] = MetricRecord({"views": 1})
    reply.content["update"] = ArrayRecord({})


@pytest.mark.parametrize(
    ("spoil", "why"),
    [
        (no_counts, "shape"), (other_shape, "shape"), (not_finite, "not finite"),
        (other_phones, "shape"), (words, "shape"), (twice_the_phones, "shape"), (more_views, "shape"),
        (huge, "too large"), (no_array, "shape"), (endless, "shape"),
    ],
)  # fmt: skip
def test_a_reply_that_cannot_be_used_costs_its_phones_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, spoil: Callable[[Message], None], why: str
) -> None:
    shards = make_shards(SIZES)
    np.save(tmp_path / "features.npy", shards.features)
    shards.save(tmp_path, tmp_path / "features.npy")
    hurt: list[int] = []

    def spoiled(message: Message, context: Context) -> Message:
        reply = app(message, context)
        if message.metadata.message_type == "train" and not hurt:
            hurt.extend(message.content.array_records["phones"]["ids"].numpy().tolist())
            spoil(reply)
        return reply

    monkeypatch.setattr(LocalGrid.__init__, "__defaults__", (0, spoiled, ()))
    got = run(tmp_path, shards, rounds=1)
    record = got.records[0]
    assert set(record.dropped_phones) == {str(phone) for phone in hurt}
    assert all(re.search(why, reason) for reason in record.dropped_phones.values())
    assert record.phones == len(SIZES) - len(hurt)
    assert finite(got)
    bare = shards
    for phone in hurt:
        bare = without(bare, phone)
    bare.save(tmp_path / "bare", tmp_path / "features.npy")
    monkeypatch.setattr(LocalGrid.__init__, "__defaults__", (0, app, ()))
    assert head_bytes(run(tmp_path / "bare", bare, rounds=1)) == head_bytes(got)


@pytest.mark.parametrize(
    ("name", "record", "array"),
    [("qfedavg", "each", "losses"), ("median", "each", "updates"), ("ditto", "own", "heads")],
)
def test_a_reply_that_lacks_what_was_asked_for_costs_its_phones_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str, record: str, array: str
) -> None:
    shards = make_shards(SIZES)
    np.save(tmp_path / "features.npy", shards.features)
    shards.save(tmp_path, tmp_path / "features.npy")
    hurt: list[int] = []

    def spoiled(message: Message, context: Context) -> Message:
        reply = app(message, context)
        if message.metadata.message_type == "train" and not hurt:
            hurt.extend(message.content.array_records["phones"]["ids"].numpy().tolist())
            del reply.content.array_records[record][array]
        return reply

    monkeypatch.setattr(LocalGrid.__init__, "__defaults__", (0, spoiled, ()))
    (line,) = run(tmp_path, shards, nodes=4, rounds=1, strategy=StrategyConfig(name=name)).records
    assert line.dropped_phones == {
        str(phone): "not of the shape that was asked for" for phone in sorted(hurt)
    }


@pytest.mark.parametrize("name", few_quick(["fedavg", "scaffold", "ditto", "ridge"], "fedavg"))
def test_the_work_of_a_failed_node_is_done_elsewhere(tmp_path: Path, name: str) -> None:
    shards = make_shards(SIZES)
    np.save(tmp_path / "features.npy", shards.features)
    shards.save(tmp_path, tmp_path / "features.npy")
    asked = {"strategy": StrategyConfig(name=name), "rounds": 1 if name == "ridge" else 3}
    whole = run(tmp_path, shards, **asked)  # type: ignore[arg-type]
    for nodes, broken in [(2, (1,)), (4, (0, 2, 3))]:
        hurt = run(tmp_path, shards, nodes=nodes, broken=broken, **asked)  # type: ignore[arg-type]
        assert head_bytes(hurt) == head_bytes(whole)
        assert [r.dropped for r in hurt.records] == [0] * len(hurt.records)
    with pytest.raises(RunError, match="none is left to take its work: out of memory"):
        run(tmp_path, shards, broken=(0, 1), **asked)  # type: ignore[arg-type]


def a_round(number: int) -> RoundRecord:
    return RoundRecord(number, 1, 1, 0.5, None, None, None, 0.1, 0, 0, 0)


@pytest.mark.parametrize("began", ["new", "resumed"])
def test_rounds_that_are_gone_or_others_are_noticed(tmp_path: Path, began: str) -> None:
    path = tmp_path / "rounds.jsonl"
    log = RunFolder(tmp_path)
    assert log.keep_rounds(0).rounds == 0  # nothing is there yet
    log.append_round(a_round(1))
    log.append_round(a_round(2))
    if began == "resumed":
        log = RunFolder(tmp_path)
        assert log.keep_rounds(1).rounds == 1
    kept = path.read_text()
    path.unlink()
    for change in (lambda: log.append_round(a_round(3)), log.settle):
        with pytest.raises(RunError, match=r"rounds\.jsonl is gone while the run wrote to it; restore it"):
            change()
    assert not path.exists()
    path.write_text(kept[:-9])
    with pytest.raises(RunError, match=r"rounds\.jsonl has changed while"):
        log.append_round(a_round(3))
    path.write_text(kept)
    log.append_round(a_round(3))
    assert path.read_text().startswith(kept)


def hanging(monkeypatch: pytest.MonkeyPatch, asleep: set[int], kind: str) -> list[float | None]:
    """From now on nodes at these places of a grid never answer messages of a kind; how long was waited."""
    waited = list[float | None]()
    receive = LocalGrid.send_and_receive

    def awake(grid: LocalGrid, messages: Iterable[Message], *, timeout: float | None = None) -> list[Message]:
        messages, nodes = list(messages), {grid.ids[place] for place in asleep if place < len(grid.ids)}
        gone = [m for m in messages if m.metadata.dst_node_id in nodes and m.metadata.message_type == kind]
        if gone:
            assert timeout is not None, "the server would wait for ever"
        waited.append(timeout)
        return list(receive(grid, [message for message in messages if message not in gone]))

    monkeypatch.setattr(LocalGrid, "send_and_receive", awake)
    return waited


@pytest.mark.parametrize("name", few_quick(["fedavg", "scaffold", "ditto"], "fedavg"))
def test_the_work_of_a_node_that_hangs_is_done_elsewhere(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    shards = make_shards(SIZES)
    np.save(tmp_path / "features.npy", shards.features)
    shards.save(tmp_path, tmp_path / "features.npy")
    asked = {"strategy": StrategyConfig(name=name), "rounds": 3, "patience": 7.0}  # type: ignore[arg-type]
    whole = run(tmp_path, shards, **asked)  # type: ignore[arg-type]
    waited = hanging(monkeypatch, {1, 2}, "train")
    hurt = run(tmp_path, shards, nodes=4, **asked)  # type: ignore[arg-type]
    assert head_bytes(hurt) == head_bytes(whole)
    assert [r.dropped for r in hurt.records] == [0] * 3
    assert set(waited[1:]) == {7.0}


def test_where_all_nodes_hang_the_run_ends(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    shards = make_shards(SIZES)
    np.save(tmp_path / "features.npy", shards.features)
    shards.save(tmp_path, tmp_path / "features.npy")
    why = r"it gave no answer within 7 s \(federation\.patience\)"
    with monkeypatch.context() as patch:
        waited = hanging(patch, {0, 1}, "train")
        with pytest.raises(RunError, match=f"none is left to take its work: {why}"):
            run(tmp_path, shards, patience=7.0)
    assert waited == [120.0] + [7.0] * 5  # to get ready, and the five tries
    hanging(monkeypatch, {0}, "query")
    with pytest.raises(RunError, match=r"1 of 2 nodes could not get ready: it gave no answer within 120 s"):
        run(tmp_path, shards, patience=7.0)
