"""The centralized baseline: how many views it sees, which head it reports, what it writes down."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from support_reference import CLASSES, make_shards

from fer_models.errors import RunError
from fer_models.evaluation import HeldOut, evaluate
from fer_models.heads import LinearHead
from fer_models.local.phone_rows import PhoneRows
from fer_models.run_folder.rounds import RoundRecord
from server.selection import select
from simulations.config import Config
from simulations.experiment import validate
from simulations.run.baselines import centralize, epoch_views, federated_views
from simulations.world.prepare import Prepared, World

SIZES = [3, 17, 1, 40, 8]  # 69 views


def config(**sections: dict[str, object]) -> Config:
    federation = {"phones": len(SIZES), **sections.pop("federation", {})}
    return validate({"federation": federation, **sections})


def prepared(sizes: list[int] = SIZES, scale: float = 1.0) -> Prepared:
    shards = make_shards(sizes)
    features = shards.features * np.float32(scale)
    shards = PhoneRows(features, shards.labels, shards.rows, shards.offsets)
    central = PhoneRows(features, shards.labels, shards.rows, np.array([0, sum(sizes)]))
    held = HeldOut(features, shards.labels)
    return Prepared(None, central, shards, held, held, np.arange(len(features)))  # type: ignore[arg-type]


def train(
    settings: Config, epochs: list[int], scale: float = 1.0
) -> tuple[np.ndarray, int, list[RoundRecord]]:
    """The chosen head, the epoch it is from, and the records."""
    records: list[RoundRecord] = []
    world = World(settings, None, None, None, None, None)  # type: ignore[arg-type]
    selection, chosen = centralize(world, prepared(scale=scale), epochs, records.append)
    assert isinstance(selection.head, LinearHead)
    assert chosen == {}
    return selection.head.values, selection.number, records


def test_ten_epochs_are_ten_times_all_views() -> None:
    assert epoch_views(10, config(), prepared()) == [69] * 10


def test_matched_sees_what_all_phones_see() -> None:
    chosen = config(federation={"rounds": 7, "local_epochs": 3})
    assert federated_views(chosen, np.array(SIZES)) == 7 * 3 * 69
    assert epoch_views("matched", chosen, prepared()) == [69] * 21


def test_matched_sees_what_some_phones_see_with_a_last_epoch_cut_short() -> None:
    chosen = config(federation={"rounds": 4, "phones_per_round": 2, "local_epochs": 2})
    sizes = np.array(SIZES)
    seen = 2 * sum(int(sizes[select(5, 2, seed=0, number=r)].sum()) for r in (1, 2, 3, 4))
    assert seen % 69  # the numbers do not divide
    assert epoch_views("matched", chosen, prepared()) == [69] * (seen // 69) + [seen % 69]


def test_matched_may_be_less_than_an_epoch() -> None:
    chosen = config(federation={"rounds": 1, "phones_per_round": 1})
    (phone,) = select(5, 1, seed=0, number=1)
    assert epoch_views("matched", chosen, prepared()) == [SIZES[phone]]


@settings(deadline=None)
@given(
    sizes=st.lists(st.integers(1, 30), min_size=1, max_size=12),
    rounds=st.integers(1, 20),
    local=st.integers(1, 4),
    some=st.integers(0, 12),
)
def test_matched_adds_up(sizes: list[int], rounds: int, local: int, some: int) -> None:
    federation = {"phones": len(sizes), "rounds": rounds, "local_epochs": local}
    chosen = validate({"federation": federation | {"phones_per_round": min(some, len(sizes))}})
    views = epoch_views("matched", chosen, prepared(sizes))
    assert sum(views) == federated_views(chosen, np.array(sizes))
    assert all(v == sum(sizes) for v in views[:-1])
    assert 0 < views[-1] <= sum(sizes)


def test_the_last_head_or_the_best_on_validation() -> None:
    _, number, records = train(config(train={"lr": 0.3}), [69] * 12)
    assert number == 12
    best, chosen, again = train(config(train={"lr": 0.3}, evaluation={"select": "best"}), [69] * 12)
    curve = [record.val_macro_f1 for record in records]
    assert [record.val_macro_f1 for record in again] == curve
    assert chosen == 1 + int(np.argmax(curve))  # type: ignore[arg-type]
    scores, loss = evaluate(LinearHead(best), prepared().validation)
    assert scores.macro_f1 == pytest.approx(max(curve))  # type: ignore[type-var]
    assert loss == pytest.approx(records[chosen - 1].val_loss)
    upto, _, _ = train(config(train={"lr": 0.3}), [69] * chosen)
    np.testing.assert_array_equal(best, upto)


def test_records_say_what_was_done() -> None:
    _, _, records = train(config(evaluation={"every": 2}), [69, 69, 69, 69, 20])
    assert [record.round for record in records] == [1, 2, 3, 4, 5]
    assert [record.photos for record in records] == [69, 69, 69, 69, 20]
    assert [record.val_accuracy is None for record in records] == [True, False, True, False, False]
    assert {record.phones + record.bytes_down + record.bytes_up for record in records} == {0}
    assert records[0].train_loss == pytest.approx(np.log(CLASSES), rel=0.2)  # an untrained head knows nothing
    assert records[3].train_loss < records[0].train_loss


def test_a_seed_is_a_head() -> None:
    first, again = (train(config(), [69, 30])[0] for _ in range(2))
    assert first.tobytes() == again.tobytes()
    assert train(config(run={"seed": 1}), [69, 30])[0].tobytes() != first.tobytes()
    assert train(config(), [69, 31])[0].tobytes() != first.tobytes()


def test_divergence_is_said_and_no_reason_to_go_on() -> None:
    with pytest.raises(RunError, match=r"diverged in epoch 1; lower train\.lr \(it is 100") as caught:
        train(config(train={"lr": 100.0, "optimizer": "sgd"}), [69], scale=1e20)
    assert not caught.value.resumable
