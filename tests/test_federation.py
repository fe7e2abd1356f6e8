"""Rounds of federated averaging through the real ServerApp and ClientApp, on a Grid in this process."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from support_reference import CLASSES, WIDTH, make_shards, torch_phone
from support_rounds import EVERY, SIZES, SOME, head_bytes, run
from support_slow import few_quick

from fer_models.across import across, personal_answers
from fer_models.config import TrainConfig
from fer_models.data.draws import PoolDraws
from fer_models.errors import RunError
from fer_models.evaluation import HeldOut
from fer_models.heads import LinearHead, as_arrays, cross_entropy, new_head
from fer_models.local.phone_rows import PhoneRows
from fer_models.local.training import LocalWork, round_key, train_phones
from fer_models.models import ModelConfig, fit
from server.checkpoint import load
from server.config import EvaluationConfig, StrategyConfig
from server.selection import select, share_out
from server.strategies import personal_heads
from server.strategies.registry import CLOSED_FORMS
from simulations.world.holdout import phone_holdout


@pytest.fixture
def shards(tmp_path: Path) -> PhoneRows:
    shards = make_shards(SIZES)
    np.save(tmp_path / "features.npy", shards.features)
    shards.save(tmp_path, tmp_path / "features.npy")
    return shards


@pytest.mark.parametrize("per_round", [0, 4])
def test_equals_federated_averaging_written_out_with_torch(
    tmp_path: Path, shards: PhoneRows, per_round: int
) -> None:
    train = TrainConfig(lr=0.01, dropout=0.0)
    got = run(tmp_path, shards, rounds=2, train=train, phones_per_round=per_round, epochs=2)
    head = new_head(CLASSES, WIDTH, seed=0)
    for number in (1, 2):
        phones = select(len(SIZES), per_round, seed=0, number=number)
        heads = [torch_phone(shards, p, head, train, 2, round_key(0, number))[0] for p in phones]
        head = np.average(heads, axis=0, weights=shards.sizes[phones]).astype(np.float32)
    np.testing.assert_allclose(got.states[-1].head, head, atol=1e-5)
    assert got.records[-1].phones == len(phones)
    assert got.records[-1].photos == 2 * shards.sizes[phones].sum()


def test_same_bits_for_any_nodes_blocks_and_order_of_replies(tmp_path: Path, shards: PhoneRows) -> None:
    reference = run(tmp_path, shards)
    for nodes, block, grid_seed in [(1, 3, 1), (2, 1, 2), (4, 3, 3), (8, 2, 4), (2, 100, 5), (3, 7, 6)]:
        other = run(tmp_path, shards, nodes=nodes, block=block, grid_seed=grid_seed)
        assert head_bytes(other) == head_bytes(reference), (nodes, block)
        assert [replace(r, seconds=0, wire_bytes=0) for r in other.records] == [
            replace(r, seconds=0, wire_bytes=0) for r in reference.records
        ]
    assert head_bytes(run(tmp_path, shards, seed=1)) != head_bytes(reference)


@pytest.mark.slow
def test_phones_that_outnumber_photos_draw_the_same_on_any_node(tmp_path: Path) -> None:
    pool = make_shards([60])
    drawn = PoolDraws.of_pool(
        pool.features, pool.labels, np.arange(60), phones=5_000, each=7, alpha=0.3, classes=CLASSES, seed=0
    )
    np.save(tmp_path / "features.npy", pool.features)
    drawn.save(tmp_path, tmp_path / "features.npy")
    reference = run(tmp_path, drawn, nodes=1, phones_per_round=30)
    for nodes, block, grid_seed in [(2, 1, 1), (4, 3, 2)]:
        other = run(tmp_path, drawn, nodes=nodes, block=block, grid_seed=grid_seed, phones_per_round=30)
        assert head_bytes(other) == head_bytes(reference), nodes
    assert [(r.phones, r.photos) for r in reference.records] == [(30, 210)] * 4
    # The same as phones that hold those rows for good.
    rows, firsts, lasts = drawn.of(np.arange(5_000))
    held = PhoneRows(pool.features, pool.labels, rows, np.append(firsts, lasts[-1]))
    kept = tmp_path / "kept"
    held.save(kept, tmp_path / "features.npy")
    assert head_bytes(run(kept, held, phones_per_round=30)) == head_bytes(reference)


@pytest.mark.parametrize(  # closed forms have one round
    "name",
    few_quick([name for name in EVERY if name not in CLOSED_FORMS], *SOME),
)
def test_every_strategy_has_the_same_bits_for_any_nodes_and_goes_on_from_a_checkpoint(
    tmp_path: Path, shards: PhoneRows, name: str
) -> None:
    strategy = StrategyConfig(name=name)
    whole = run(tmp_path, shards, strategy=strategy, rounds=4)
    for nodes, block, grid_seed in [(1, 3, 1), (4, 1, 2)]:
        other = run(
            tmp_path, shards, strategy=strategy, rounds=4, nodes=nodes, block=block, grid_seed=grid_seed
        )
        assert head_bytes(other) == head_bytes(whole), nodes
    whole.states[1].save(tmp_path)
    start = load(tmp_path, "last")
    assert start is not None
    rest = run(tmp_path, shards, strategy=strategy, rounds=4, start=start)
    assert [r.round for r in rest.records] == [3, 4]
    assert head_bytes(rest) == head_bytes(whole)
    as_fedavg = head_bytes(whole) == head_bytes(run(tmp_path, shards, rounds=4))
    # The phones of the first three have heads beside it; the last one never steps less far than FedAvg.
    beside = ("ditto", "fine-tune", "own-prior", "fedexp")
    assert as_fedavg == (name in ("fedavg", *beside))
    one, two = whole.states[-1].state, rest.states[-1].state
    assert one.keys() == two.keys()
    assert all((one[key] == two[key]).all() for key in one)
    assert np.isfinite(whole.states[-1].head).all()


@pytest.mark.parametrize("name", few_quick(CLOSED_FORMS, "ridge"))
def test_a_closed_form_is_one_round_with_the_same_bits_for_any_nodes_and_the_centralized_head(
    tmp_path: Path, shards: PhoneRows, name: str
) -> None:
    asked = {"strategy": StrategyConfig(name=name), "rounds": 1}
    whole = run(tmp_path, shards, **asked)  # type: ignore[arg-type]
    for nodes, block, grid_seed in [(1, 3, 1), (4, 1, 2)]:
        other = run(tmp_path, shards, nodes=nodes, block=block, grid_seed=grid_seed, **asked)  # type: ignore[arg-type]
        assert head_bytes(other) == head_bytes(whole)
    central = PhoneRows(shards.features, shards.labels, shards.rows, np.array([0, len(shards.rows)]))
    held_out = HeldOut(shards.features[:60], shards.labels[:60])
    model, chosen = fit(ModelConfig(name=name), central, held_out, np.ones(CLASSES))
    (record,), state = whole.records, whole.states[-1]
    np.testing.assert_allclose(state.head[:, :-1], model.arrays()["weight"], rtol=1e-4, atol=1e-5)
    assert (record.round, record.phones, record.photos) == (1, len(SIZES), sum(SIZES))
    assert (record.train_loss, record.bytes_down) == (None, 0)
    assert record.bytes_up == len(SIZES) * CLOSED_FORMS[name].sums.payload(WIDTH, CLASSES)
    said = CLOSED_FORMS[name]().chosen(state.state)
    assert said.keys() == chosen.keys()
    tried = [one["macro_f1"] for one in said.get("tried", [])]  # type: ignore[union-attr, index]
    assert not tried or record.val_macro_f1 == max(tried)


@pytest.mark.parametrize("form", few_quick(CLOSED_FORMS, "ridge"))
def test_any_strategy_can_start_from_a_closed_form(tmp_path: Path, shards: PhoneRows, form: str) -> None:
    sent = CLOSED_FORMS[form].sums.payload
    whole = run(tmp_path, shards, strategy=StrategyConfig(start=form), rounds=3)
    plain = run(tmp_path, shards, rounds=3)
    assert whole.records[0].train_loss < plain.records[0].train_loss  # type: ignore[operator]
    assert whole.records[0].bytes_up == plain.records[0].bytes_up + len(SIZES) * sent(WIDTH, CLASSES)
    assert whole.records[1].bytes_up == plain.records[1].bytes_up
    rest = run(tmp_path, shards, strategy=StrategyConfig(start=form), rounds=3, start=whole.states[0])
    assert head_bytes(rest) == head_bytes(whole)
    small = run(tmp_path, shards, strategy=StrategyConfig(name="fedavgm", start=form, projection=4), rounds=1)
    assert small.records[0].bytes_up == plain.records[0].bytes_up + len(SIZES) * sent(4, CLASSES)


def test_what_does_not_go_with_a_closed_form_is_refused() -> None:
    for settings, words in [
        ({"name": "local", "start": "ridge"}, "start = ridge is for strategies that train in rounds"),
        ({"name": "lda", "start": "ridge"}, "start = ridge is for strategies that train in rounds"),
        (
            {"projection": 8},
            "projection belongs to ridge, lda, ncm, as name or start; strategy.name is fedavg",
        ),
        ({"start": "krum"}, 'must be "random", "ridge", "lda" or "ncm", got "krum"; the default is "random"'),
    ]:
        with pytest.raises(ValueError, match=words):
            StrategyConfig.model_validate(settings)


def test_an_algorithm_gets_what_the_phones_sent(tmp_path: Path, shards: PhoneRows) -> None:
    train = TrainConfig(lr=0.01, dropout=0.0)
    got = run(tmp_path, shards, rounds=1, train=train, strategy=StrategyConfig(name="median"))
    start = new_head(CLASSES, WIDTH, seed=0)
    heads = [torch_phone(shards, p, start, train, 1, round_key(0, 1))[0] for p in range(len(SIZES))]
    np.testing.assert_allclose(got.states[0].head, np.median(heads, axis=0), atol=1e-5)
    each = train_phones(
        shards, np.array([3, 5]), LocalWork(start, train, 1, round_key(0, 1), each=True, losses=True)
    )
    assert each.updates is not None
    assert each.losses is not None
    np.testing.assert_allclose(each.updates, [heads[3] - start, heads[5] - start], atol=1e-5)
    rows = shards.rows[shards.offsets[3] : shards.offsets[4]]
    logits = torch.nn.functional.linear(
        torch.from_numpy(shards.features[rows]), *(torch.from_numpy(a) for a in as_arrays(start).values())
    )
    expected = torch.nn.functional.cross_entropy(logits, torch.from_numpy(shards.labels[rows]))
    assert each.losses[0] == pytest.approx(float(expected), rel=1e-5)
    assert each.sum.phones == 2


@pytest.mark.slow
def test_a_run_learns_and_counts(tmp_path: Path, shards: PhoneRows) -> None:
    got = run(tmp_path, shards, rounds=30, train=TrainConfig(lr=0.02))
    assert [r.round for r in got.records] == list(range(1, 31))
    assert got.records[-1].train_loss < got.records[0].train_loss
    assert got.records[-1].val_accuracy > got.records[0].val_accuracy  # type: ignore[operator]
    first = got.records[0]
    assert (first.phones, first.photos) == (len(SIZES), sum(SIZES))
    assert first.bytes_down == first.bytes_up == len(SIZES) * 4 * CLASSES * (WIDTH + 1)
    arrays = 2 * (4 + 8) * CLASSES * (WIDTH + 1) + 8 * len(SIZES)  # two heads, two sums, the phones' ids
    assert arrays < first.wire_bytes < arrays + 8 * 200  # and the header of each array


def test_goes_on_from_a_checkpoint_with_the_same_bits(tmp_path: Path, shards: PhoneRows) -> None:
    evaluation = EvaluationConfig(select="best")
    whole = run(tmp_path, shards, rounds=6, evaluation=evaluation)
    state = run(tmp_path, shards, rounds=4, evaluation=evaluation).states[2]
    replace(state, seconds=12.5).save(tmp_path)
    start = load(tmp_path, "best")
    assert start is not None
    assert (start.number, start.seconds) == (3, 12.5)
    rest = run(tmp_path, shards, rounds=6, start=start, evaluation=evaluation)
    assert [r.round for r in rest.records] == [4, 5, 6]
    assert head_bytes(rest) == head_bytes(whole)
    assert rest.states[-1].selection.number == whole.states[-1].selection.number
    assert rest.states[-1].selection.head.tobytes() == whole.states[-1].selection.head.tobytes()


@pytest.mark.slow
def test_best_is_the_best_on_validation_and_last_the_last(tmp_path: Path, shards: PhoneRows) -> None:
    train = TrainConfig(lr=0.3)
    best = run(tmp_path, shards, rounds=12, train=train, evaluation=EvaluationConfig(select="best"))
    curve = [r.val_macro_f1 for r in best.records]
    assert best.states[-1].selection.number == 1 + int(np.argmax(curve))  # type: ignore[arg-type]
    last = run(tmp_path, shards, rounds=12, train=train)
    assert last.states[-1].selection.number == 12
    assert last.states[-1].selection.head.tobytes() == head_bytes(last) == head_bytes(best)


def test_evaluates_every_few_rounds_and_at_the_end(tmp_path: Path, shards: PhoneRows) -> None:
    got = run(tmp_path, shards, rounds=5, evaluation=EvaluationConfig(every=2))
    assert [r.val_accuracy is not None for r in got.records] == [False, True, False, True, True]


def test_the_head_is_judged_across_phones_whenever_it_is_judged(tmp_path: Path, shards: PhoneRows) -> None:
    parts = phone_holdout(
        HeldOut(shards.features, shards.labels), shards, tuple("abcde"), seed=0, part="test"
    )
    assert parts is not None
    got = run(tmp_path, shards, rounds=3, evaluation=EvaluationConfig(every=2), parts=parts)
    assert [r.across is not None for r in got.records] == [False, True, True]
    for record, state in zip(got.records[1:], got.states[1:], strict=True):
        chances = LinearHead(state.head).probabilities(shards.features)
        assert record.across == across(parts, chances)
        assert record.own_heads is None
    alone = run(tmp_path, shards, rounds=3, evaluation=EvaluationConfig(every=2))
    assert [r.across for r in alone.records] == [None] * 3
    assert [r.val_accuracy for r in alone.records] == [r.val_accuracy for r in got.records]


@pytest.mark.parametrize("name", ["ditto", "local"])
def test_own_heads_are_judged_on_their_phones_photos(tmp_path: Path, shards: PhoneRows, name: str) -> None:
    parts = phone_holdout(
        HeldOut(shards.features, shards.labels), shards, tuple("abcde"), seed=0, part="test"
    )
    assert parts is not None
    strategy = StrategyConfig(name=name)
    got = run(tmp_path, shards, rounds=5, strategy=strategy, parts=parts, phones_per_round=4)
    kept, record = personal_heads.of(got.states[-1].state), got.records[-1]
    assert kept is not None
    assert record.own_heads is not None
    assert len(kept.phones) < len(SIZES)  # some phone has not been asked yet: the shared head answers there
    shared = LinearHead(got.states[-1].head).probabilities(shards.features)
    answers = personal_answers(parts, shared, kept.phones, kept.heads)
    assert record.own_heads.accuracy == (answers.argmax(axis=1) == shards.labels).mean()
    assert record.own_heads.across == across(parts, answers)
    of_shared, of_own = (cross_entropy(chances, shards.labels) for chances in (shared, answers))
    assert abs(of_shared - of_own) > 1e-3
    assert record.own_heads.loss == pytest.approx(of_own)
    assert record.val_loss == pytest.approx(of_own if name == "local" else of_shared)


def test_a_diverging_run_is_stopped(tmp_path: Path, shards: PhoneRows) -> None:
    np.save(tmp_path / "features.npy", shards.features * np.float32(1e12))
    with pytest.raises(RunError, match=r"diverged in round 1.*lower train\.lr"):
        run(tmp_path, shards, train=TrainConfig(lr=50.0, optimizer="sgd"))


def test_prepared_data_that_is_gone_or_other_is_named(tmp_path: Path, shards: PhoneRows) -> None:
    with pytest.raises(Exception, match="cannot read the prepared data"):
        run(tmp_path / "nowhere", shards)
    with pytest.raises(RunError, match="found 10 phones in the prepared data, the server 2"):
        run(tmp_path, make_shards([4, 4]))


def test_selection_is_seeded_sorted_and_without_repeats() -> None:
    chosen = select(1000, 50, seed=0, number=3)
    assert len(set(chosen.tolist())) == 50
    assert (np.diff(chosen) > 0).all()
    np.testing.assert_array_equal(chosen, select(1000, 50, seed=0, number=3))
    assert not np.array_equal(chosen, select(1000, 50, seed=0, number=4))
    assert not np.array_equal(chosen, select(1000, 50, seed=1, number=3))
    np.testing.assert_array_equal(select(7, 0, seed=0, number=1), np.arange(7))


def test_blocks_are_shared_out_whole_and_evenly() -> None:
    sizes = np.random.default_rng(0).integers(1, 100, 1000)
    shares = share_out(np.arange(1000), sizes, 32, 4)
    assert sorted(np.concatenate(shares).tolist()) == list(range(1000))
    loads = [sizes[share].sum() for share in shares]
    assert max(loads) / min(loads) < 1.1
    for share in shares:  # phones of a block stay on one node
        for block in np.unique(share // 32):
            assert (share // 32 == block).sum() == min(32, 1000 - 32 * block)
    assert [len(s) for s in share_out(np.array([5]), sizes, 32, 3)] == [1, 0, 0]
