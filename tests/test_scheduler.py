"""Who is folded when: toy schedulers by hand, any grouping, and a resume while replies wait."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from support_reference import CLASSES, WIDTH
from support_rounds import SIZES, Recorder, head_bytes, run
from support_slow import few_quick

from fer_models.attacks.registry import AttackConfig
from fer_models.config import TrainConfig
from fer_models.errors import RunError
from fer_models.heads import new_head
from fer_models.local import kernel
from fer_models.local.phone_rows import PhoneRows
from fer_models.local.registry import UpdateConfig
from fer_models.local.training import LocalWork, Update, round_key, train_phones
from fer_models.updates import written
from server import checkpoint
from server.collect import check_folded
from server.config import StrategyConfig
from server.job import Plan
from server.replies import Reply, folded
from server.scheduler import Barrier, Decision, Scheduler, decided
from server.strategies import phone_state

SLOW = 4  # a phone
REST = np.setdiff1d(np.arange(len(SIZES)), [SLOW])


def of_slow(replies: Sequence[Reply]) -> tuple[list[Reply], list[Reply]]:
    """The replies of the node that worked for the slow phone, and the others."""
    slow = [reply for reply in replies if SLOW in reply.phones]
    return slow, [reply for reply in replies if SLOW not in reply.phones]


def never(replies: Sequence[Reply]) -> dict[tuple[int, int], str]:
    """All of them dropped."""
    return {(int(n), int(p)): "too late" for r in replies for n, p in zip(r.rounds, r.phones, strict=True)}


class Late:
    """What the slow phone's node sends is folded a round later."""

    def __init__(self) -> None:
        self.clocks: list[float] = []

    def decide(self, replies: Sequence[Reply], waiting: Sequence[Reply], clock: float) -> Decision:
        self.clocks.append(clock)
        slow, others = of_slow(replies)
        return Decision([*others, *waiting], slow)


class Never:
    """It is dropped."""

    def decide(self, replies: Sequence[Reply], waiting: Sequence[Reply], clock: float) -> Decision:
        slow, others = of_slow(replies)
        return Decision(others, dropped=never(slow))


class Outdated:
    """Every phone's update waits a round; then the slow phone's is dropped."""

    def decide(self, replies: Sequence[Reply], waiting: Sequence[Reply], clock: float) -> Decision:
        slow, others = of_slow(waiting)
        return Decision(others, replies, never(slow))


class Both:
    """It is dropped, and folded."""

    def decide(self, replies: Sequence[Reply], waiting: Sequence[Reply], clock: float) -> Decision:
        return Decision(replies, dropped=never(of_slow(replies)[0]))


class Pairs:
    """Two rounds are folded together."""

    def decide(self, replies: Sequence[Reply], waiting: Sequence[Reply], clock: float) -> Decision:
        return Decision([*reversed(replies), *waiting]) if waiting else Decision([], replies)


class Loses:
    def decide(self, replies: Sequence[Reply], waiting: Sequence[Reply], clock: float) -> Decision:
        return Decision(of_slow(replies)[1])


class Twice:
    def decide(self, replies: Sequence[Reply], waiting: Sequence[Reply], clock: float) -> Decision:
        return Decision(replies, replies[:1])


@dataclass(frozen=True)
class Halves:
    """It may change what it folds, as one that weighs late updates less would."""

    def decide(self, replies: Sequence[Reply], waiting: Sequence[Reply], clock: float) -> Decision:
        return Decision([replace(r, update=replace(r.update, total=r.update.total / 2)) for r in replies])


@pytest.fixture
def scheduled(tmp_path: Path, shards: PhoneRows) -> Callable[..., Recorder]:
    """A run with one phone on each node, unless said otherwise."""

    def begin(scheduler: Scheduler, **changes: object) -> Recorder:
        settings = {"rounds": 3, "nodes": len(SIZES), "block": 1, **changes}
        return run(tmp_path, shards, scheduler=scheduler, **settings)  # type: ignore[arg-type]

    return begin


def sent(shards: PhoneRows, phones: Sequence[int] | np.ndarray, head: np.ndarray, number: int) -> Update:
    work = LocalWork(head, TrainConfig(lr=0.01), 1, round_key(0, number))
    return train_phones(shards, np.asarray(phones), work).sum


def moved(head: np.ndarray, update: Update) -> np.ndarray:
    return np.asarray((head + update.total / update.views).astype(np.float32))


def test_a_reply_that_is_late_is_folded_a_round_later(
    scheduled: Callable[..., Recorder], shards: PhoneRows
) -> None:
    scheduler = Late()
    late = scheduled(scheduler)
    zero = new_head(CLASSES, WIDTH, seed=0)
    one = moved(zero, sent(shards, REST, zero, 1))
    two = moved(one, sent(shards, REST, one, 2) + sent(shards, [SLOW], zero, 1))
    three = moved(two, sent(shards, REST, two, 3) + sent(shards, [SLOW], one, 2))
    for state, head in zip(late.states, (one, two, three), strict=True):
        np.testing.assert_array_equal(state.head, head)
    assert [record.phones for record in late.records] == [9, 10, 10]
    assert late.records[1].train_loss == pytest.approx(
        (sent(shards, REST, one, 2) + sent(shards, [SLOW], zero, 1)).loss / sum(SIZES)
    )
    named = [record.dropped_phones for record in late.records]
    assert named == [{}, {}, {str(SLOW): "still waiting when the last round ended"}]
    assert [len(state.waiting) for state in late.states] == [1, 1, 0]
    assert scheduler.clocks == sorted(scheduler.clocks)


def test_a_late_update_is_read_with_the_rate_of_its_own_round(
    scheduled: Callable[..., Recorder], shards: PhoneRows
) -> None:
    train = TrainConfig(lr=0.02, decay=0.5)
    one, two = scheduled(Late(), rounds=2, strategy=StrategyConfig(name="scaffold"), train=train).states
    zero = new_head(CLASSES, WIDTH, seed=0)
    work = LocalWork(zero, train, 1, round_key(0, 1), each=True)
    updates, steps = train_phones(shards, np.array([SLOW]), work).updates, -(-SIZES[SLOW] // train.batch)
    assert updates is not None
    own = phone_state.of(two.state, "control", np.array([SLOW]), zero)
    np.testing.assert_allclose(own, -one.state["c"] - updates / (steps * 0.02), rtol=1e-5, atol=1e-7)


def test_a_reply_that_is_dropped_is_named_and_never_folded(
    scheduled: Callable[..., Recorder], shards: PhoneRows
) -> None:
    hurt = scheduled(Never(), rounds=1)
    head = new_head(CLASSES, WIDTH, seed=0)
    np.testing.assert_array_equal(hurt.states[0].head, moved(head, sent(shards, REST, head, 1)))
    assert hurt.records[0].dropped_phones == {str(SLOW): "too late"}


def test_an_update_that_waited_is_dropped_under_the_number_of_its_round(
    scheduled: Callable[..., Recorder],
) -> None:
    outdated = scheduled(Outdated())
    late, waited = "too late (its update of round {})", "still waiting when the last round ended"
    last = {str(phone): waited for phone in REST} | {str(SLOW): f"{late.format(2)}; {waited}"}
    named = [record.dropped_phones for record in outdated.records]
    assert named == [{}, {str(SLOW): late.format(1)}, last]
    assert [record.dropped for record in outdated.records] == [0, 1, len(SIZES)]


def test_what_failed_in_a_round_and_what_is_dropped_in_it_are_named_by_phone() -> None:
    decision = Decision((), dropped={(2, 5): "old", (3, 5): "late", (3, 1): "late"})
    found = decision.dropped_phones(3, {2: "not finite"})
    assert list(found.items()) == [(1, "late"), (2, "not finite"), (5, "old (its update of round 2); late")]


def test_a_round_that_folds_nothing_leaves_the_head(scheduled: Callable[..., Recorder]) -> None:
    pairs = scheduled(Pairs(), rounds=2)
    first, second = pairs.records
    assert (first.phones, first.photos, first.train_loss, first.bytes_up) == (0, 0, None, 0)
    np.testing.assert_array_equal(pairs.states[0].head, new_head(CLASSES, WIDTH, seed=0))
    assert (second.phones, second.photos) == (2 * len(SIZES), 2 * sum(SIZES))


@pytest.mark.parametrize("name", few_quick(["fedavg", "median", "scaffold", "ditto", "qfedavg"]))
def test_what_is_folded_has_the_same_bits_however_it_is_grouped(
    scheduled: Callable[..., Recorder], name: str
) -> None:
    asked = {"rounds": 4, "strategy": StrategyConfig(name=name)}
    for scheduler in (Pairs(), Barrier()):
        runs = [
            scheduled(scheduler, **asked, nodes=n, block=b, grid_seed=n) for n, b in [(1, 9), (3, 2), (9, 1)]
        ]
        assert len({head_bytes(each) for each in runs}) == 1


@pytest.mark.parametrize("name", few_quick(["fedavg", "scaffold", "ditto", "qfedavg"], "fedavg"))
@pytest.mark.parametrize("clip", few_quick([0.0, 0.04], 0.0))
def test_a_run_that_is_resumed_while_replies_wait_has_the_same_bits(
    scheduled: Callable[..., Recorder], tmp_path: Path, name: str, clip: float
) -> None:
    text = written(UpdateConfig.model_validate({"clip_norm": clip}), AttackConfig())
    asked = {"rounds": 4, "strategy": StrategyConfig(name=name), "transforms": text, "classes": CLASSES}
    whole = scheduled(Late(), **asked)
    whole.states[1].save(tmp_path)
    start = checkpoint.load(tmp_path, "last")
    assert start is not None
    assert [reply.phones.tolist() for reply in start.waiting] == [[SLOW]]
    rest = scheduled(Late(), **asked, start=start, grid_seed=5)
    assert head_bytes(rest) == head_bytes(whole)
    for one, other in zip(rest.records, whole.records[2:], strict=True):
        assert replace(one, seconds=0.0) == replace(other, seconds=0.0)
    for key, values in whole.states[-1].state.items():
        assert rest.states[-1].state[key].tobytes() == values.tobytes()
    forgotten = scheduled(Late(), **asked, start=replace(start, waiting=()))
    assert head_bytes(forgotten) != head_bytes(whole)


def test_the_clock_goes_on_where_a_run_stopped(scheduled: Callable[..., Recorder]) -> None:
    stopped = replace(scheduled(Late(), rounds=2).states[0], seconds=1000.0)
    scheduler = Late()
    scheduled(scheduler, rounds=2, start=stopped)
    assert 1000 < scheduler.clocks[0] < 2000


def test_a_scheduler_may_change_what_it_folds(scheduled: Callable[..., Recorder], shards: PhoneRows) -> None:
    head = new_head(CLASSES, WIDTH, seed=0)
    update = sent(shards, np.arange(len(SIZES)), head, 1)
    half = moved(head, replace(update, total=update.total / 2))
    np.testing.assert_array_equal(scheduled(Halves(), rounds=1).states[0].head, half)


@pytest.mark.parametrize("scheduler", [Loses(), Twice(), Both()])
def test_no_reply_is_lost_or_used_twice(scheduled: Callable[..., Recorder], scheduler: Scheduler) -> None:
    with pytest.raises(RunError, match=f"the scheduler {type(scheduler).__name__} lost a reply, or used one"):
        scheduled(scheduler)


def test_a_fold_of_fewer_phones_than_a_round_needs_makes_no_step(scheduled: Callable[..., Recorder]) -> None:
    few = scheduled(Never(), rounds=1, min_phones=len(SIZES))
    (record,) = few.records
    assert (record.phones, record.photos, record.dropped) == (0, 0, len(SIZES))
    why = f"folded with fewer than federation.min_phones = {len(SIZES)}"
    assert record.dropped_phones == {str(p): "too late" if p == SLOW else why for p in range(len(SIZES))}
    np.testing.assert_array_equal(few.states[0].head, new_head(CLASSES, WIDTH, seed=0))
    enough = scheduled(Never(), rounds=1, min_phones=len(SIZES) - 1)
    assert enough.records[0].phones == len(SIZES) - 1


def test_a_phone_that_is_folded_twice_is_one_phone() -> None:
    rng = np.random.default_rng(0)
    replies, waiting = [a_reply([0], 2, rng), a_reply([1], 2, rng)], [a_reply([1], 1, rng)]
    assert decided(Barrier(), replies, waiting, 1.0, least=2).now == (*waiting, *replies)
    decision = decided(Barrier(), replies, waiting, 1.0, least=3)
    assert (decision.now, sorted(decision.dropped)) == ((), [(1, 1), (2, 0), (2, 1)])


def test_too_few_phones_for_the_strategy_are_a_line(scheduled: Callable[..., Recorder]) -> None:
    strategy = StrategyConfig(name="multi-krum", byzantine=0, keep=10)
    with pytest.raises(
        RunError, match=r"in round 1 the updates of 9 phones are folded: .*keep must be"
    ) as ended:
        scheduled(Never(), strategy=strategy)
    assert not ended.value.resumable  # a resumed run folds the same


def test_what_cannot_be_folded_may_go_better_only_where_phones_failed() -> None:
    plan = Plan(
        "", np.ones(3, np.int64), 0, 1, 1, TrainConfig(), 0, StrategyConfig(name="multi-krum", keep=3)
    )
    reply = a_reply([0, 1], 1, np.random.default_rng(0))
    large = replace(reply, update=replace(reply.update, reach=kernel.EXACT_BELOW))
    for folds, failed, resumable in ((reply, True, True), (reply, False, False), (large, True, False)):
        with pytest.raises(RunError, match="in round 1 the updates of 2 phones") as ended:
            check_folded(folds, 1, plan, failed=failed)
        assert ended.value.resumable == resumable


def a_reply(phones: Sequence[int], number: int, rng: np.random.Generator) -> Reply:
    total = rng.integers(-(2**40), 2**40, (2, 3)) * kernel.QUANTUM
    rows = rng.standard_normal((len(phones), 2, 3)).astype(np.float32)
    update = Update(total, int(rng.integers(1, 99)), 5, len(phones), float(rng.integers(9)), 3.5)
    metrics = {"norm": rng.standard_normal(len(phones))}
    rounds = np.full(len(phones), number)
    return Reply(rounds, np.array(phones), update, {"updates": rows}, {"heads": -rows}, metrics)


@given(st.permutations(range(12)), st.sets(st.integers(1, 11)), st.integers(0, 9))
def test_a_fold_does_not_depend_on_the_order_or_grouping(order: list[int], cuts: set[int], seed: int) -> None:
    rng = np.random.default_rng(seed)
    single = [a_reply([phone], 1, rng) for phone in range(12)]
    whole = folded(single, (2, 3))
    groups = np.split(np.array(order), sorted(cuts))
    parts = [folded([single[phone] for phone in group], (2, 3)) for group in groups]
    again = folded(parts, (2, 3))
    assert whole.phones.tolist() == list(range(12))
    for name, array in whole.arrays().items():
        assert again.arrays()[name].tobytes() == array.tobytes()


def test_a_reply_is_read_back_as_written() -> None:
    reply = a_reply([3, 7], 5, np.random.default_rng(0))
    back = Reply.of(reply.arrays())
    assert (back.rounds.tolist(), back.phones.tolist()) == ([5, 5], [3, 7])
    assert replace(back.update, total=0) == replace(reply.update, total=0)
    assert back.arrays().keys() == reply.arrays().keys()
    for name, array in reply.arrays().items():
        assert back.arrays()[name].tobytes() == array.tobytes()


def test_a_fold_of_nothing_and_of_one_phone_in_two_rounds() -> None:
    nothing = folded([], (2, 3))
    assert (nothing.phones.tolist(), nothing.update.phones, nothing.update.total.any()) == ([], 0, False)
    rng = np.random.default_rng(1)
    late, now = a_reply([1], 1, rng), a_reply([0, 1], 2, rng)
    both = folded([now, late], (2, 3))
    assert (both.rounds.tolist(), both.phones.tolist()) == ([2, 1, 2], [0, 1, 1])
    expected = np.stack([now.each["updates"][0], late.each["updates"][0], now.each["updates"][1]])
    np.testing.assert_array_equal(both.each["updates"], expected)
    np.testing.assert_array_equal(both.update.total, now.update.total + late.update.total)


def test_the_barrier_folds_everything_at_once() -> None:
    rng = np.random.default_rng(0)
    replies, waiting = (a_reply([0], 2, rng), a_reply([1], 2, rng)), (a_reply([0], 1, rng),)
    decision = decided(Barrier(), replies, waiting, 1.0, last=False)
    assert (decision.now, decision.later, decision.dropped) == ((*waiting, *replies), (), {})
