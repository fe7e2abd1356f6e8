"""What happens to updates on the phone: clipping and attacks, by hand, and that they change nothing else."""

import json
import tomllib
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pytest
import tomli_w
from hypothesis import given
from hypothesis import strategies as st
from support_commands import Here
from support_fake_runs import make_run
from support_local_grid import LocalGrid, serve
from support_pages import read as read_page
from support_reference import CLASSES, WIDTH, make_shards, torch_phone
from support_rounds import Recorder, head_bytes, run
from support_slow import few_quick
from support_tiny_networks import DEEP, rows_for

from fer_models.attacks.base import Malicious, malicious
from fer_models.attacks.label_flip import LabelFlip
from fer_models.attacks.noise import Noise
from fer_models.attacks.registry import ATTACKS, AttackConfig
from fer_models.attacks.sign_flip import SignFlip
from fer_models.config import TrainConfig
from fer_models.errors import RunError
from fer_models.evaluation import HeldOut, Selection
from fer_models.heads import new_head
from fer_models.local import kernel, transforms
from fer_models.local.clipping import ClipNorm
from fer_models.local.phone_rows import PhoneRows
from fer_models.local.registry import UpdateConfig
from fer_models.local.terms import PhoneInputs
from fer_models.local.training import LocalWork, round_key, train_phones
from fer_models.local.transforms import Context, Metrics, Transform, Transforms
from fer_models.machine.code import node_code
from fer_models.networks.build import build
from fer_models.networks.phones import NetworkPhones
from fer_models.updates import chosen, own_classes, read, written
from server.app import make_app
from server.checkpoint import Checkpoint
from server.config import EvaluationConfig, StrategyConfig
from server.job import Job, Plan

SIZES = [3, 17, 1, 40, 8, 1, 22, 16, 5, 9]
STEPS = {
    "clip": ClipNorm(0.05),
    "sign-flip": Malicious(0.3, SignFlip(2.0)),
    "noise": Malicious(0.3, Noise()),
    "label-flip": Malicious(0.3, LabelFlip()),
}


def context(phones: int, population: int | None = None, number: int = 1) -> Context:
    head = np.zeros((1, 2), np.float32)
    return Context(np.arange(phones), np.ones(phones, np.int64), head, number, 0, population or phones, 2)


def work(**changes: object) -> LocalWork:
    head = new_head(CLASSES, WIDTH, seed=0)
    return LocalWork(head, TrainConfig(lr=0.01, dropout=0.0), 1, round_key(0, 1), **changes)  # type: ignore[arg-type]


def with_steps(*steps: Transform, population: int = len(SIZES), classes: int = CLASSES) -> Transforms:
    return Transforms(steps, 1, 0, population, classes)


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture) -> Here:
    return Here(tmp_path, monkeypatch, capsys)


def test_a_long_update_is_shortened_and_a_short_one_stays_as_it_is() -> None:
    updates = np.array([[[3.0, 4.0]], [[0.1, -0.2]], [[0.0, 0.0]]])
    clipped, metrics = ClipNorm(1.0)(updates, context(3))
    np.testing.assert_allclose(clipped[0], [[0.6, 0.8]], rtol=1e-15)
    assert np.array_equal(clipped[1:], updates[1:])
    assert metrics["update_norm"].tolist() == pytest.approx([5, np.sqrt(0.05), 0])
    assert ClipNorm(1.0).summary(metrics) == {"clipped": 1 / 3, "update_norm": pytest.approx(np.sqrt(0.05))}


@given(st.integers(0, 2**32 - 1), st.floats(1e-3, 1e3), st.integers(1, 9))
def test_no_clipped_update_is_longer_than_the_norm(seed: int, norm: float, phones: int) -> None:
    updates = np.random.default_rng(seed).standard_normal((phones, 3, 7)) * 10.0 ** (seed % 7 - 3)
    clipped, _ = ClipNorm(norm)(updates, context(phones))
    for update, short in zip(updates, clipped, strict=True):
        assert np.linalg.norm(short) <= norm * (1 + 1e-12)
        np.testing.assert_allclose(short * np.linalg.norm(update), update * np.linalg.norm(short), rtol=1e-9)
    alone, _ = ClipNorm(norm)(updates[:1], context(1))
    assert alone.tobytes() == clipped[:1].tobytes()  # whoever else is in the block


def test_malicious_phones_are_drawn_once_and_are_as_many_as_asked_for() -> None:
    assert len(malicious(50, 0.1, 0)) == 5
    assert len(set(malicious(50, 0.4, 0).tolist())) == 20
    assert malicious(50, 0.1, 0).tolist() != malicious(50, 0.1, 1).tolist()
    assert len(malicious(7, 0.0, 0)) == 0
    attack = Malicious(0.4, SignFlip(2.0))
    bad = attack.of(context(10))
    updates = np.arange(20.0).reshape(10, 1, 2)
    for number in (1, 2):
        sent, metrics = attack(updates, context(10, number=number))
        assert np.array_equal(sent[~bad], updates[~bad])
        assert np.array_equal(sent[bad], -2 * updates[bad])
        assert metrics["malicious"].tolist() == bad.astype(float).tolist()
        assert attack.summary(metrics) == {"malicious": 4.0}


def test_noise_is_fresh_in_every_round_and_as_strong_as_said() -> None:
    updates = np.full((2, 50, 100), 0.5)  # of norm 0.5 * sqrt(5000)
    one, _ = Malicious(1.0, Noise(scale=3.0))(updates, replace(context(2), round=1))
    again, _ = Malicious(1.0, Noise(scale=3.0))(updates, replace(context(2), round=1))
    other, _ = Malicious(1.0, Noise(scale=3.0))(updates, replace(context(2), round=2))
    assert one.tobytes() == again.tobytes()
    assert not np.array_equal(one, other)
    assert not np.array_equal(one[0], one[1])
    norms = np.linalg.norm(one.reshape(2, -1), axis=1)
    np.testing.assert_allclose(norms, 3 * 0.5 * np.sqrt(5000), rtol=0.05)


def test_flipped_labels_are_what_malicious_phones_train_on() -> None:
    shards = make_shards(SIZES)
    phones = np.arange(len(SIZES))
    got = train_phones(shards, phones, work(each=True, transforms=with_steps(Malicious(0.3, LabelFlip()))))
    bad = malicious(len(SIZES), 0.3, 0)
    flipped = replace(shards, labels=CLASSES - 1 - shards.labels)
    assert got.updates is not None
    assert got.phones.tolist() == phones.tolist()
    assert got.metrics["malicious"].sum() == 3
    task = work()
    for phone in phones:
        held = flipped if phone in bad else shards
        head, _ = torch_phone(held, phone, task.head, task.train, 1, task.key)
        np.testing.assert_allclose(got.updates[phone], head - task.head, atol=1e-5)


@pytest.mark.parametrize("each", [False, True])
def test_transforms_that_change_nothing_change_no_bit(each: bool) -> None:
    shards = make_shards(SIZES)
    phones = np.array([0, 2, 3, 7])
    weighted = PhoneInputs(weights=np.array([1.0, 2.0, 0.5, 3.0]))
    for task in (work(each=each, losses=each), work(each=each, inputs=weighted)):
        plain = train_phones(shards, phones, task)
        for steps in [
            (ClipNorm(1e6),),
            (Malicious(0.0, SignFlip()),),
            (Malicious(0.0, LabelFlip()), ClipNorm(1e6)),
        ]:
            got = train_phones(shards, phones, replace(task, transforms=with_steps(*steps)))
            assert got.sum.total.tobytes() == plain.sum.total.tobytes()
            assert replace(got.sum, total=0, reach=0) == replace(plain.sum, total=0, reach=0)
            assert got.sum.reach == pytest.approx(plain.sum.reach, rel=1e-5)
            if each:
                assert got.updates is not None
                assert plain.updates is not None
                assert got.updates.tobytes() == plain.updates.tobytes()
            if task.losses:
                assert np.array_equal(got.losses, plain.losses)  # type: ignore[arg-type]


def test_what_is_clipped_is_the_update_and_not_its_weight() -> None:
    shards, phones = make_shards(SIZES), np.arange(len(SIZES))
    weights = np.linspace(0.5, 3, len(SIZES))
    updates = train_phones(shards, phones, work(each=True)).updates
    assert updates is not None
    norms = np.linalg.norm(updates.reshape(len(SIZES), -1), axis=1)
    limit = float(np.median(norms))
    factors = np.minimum(1, limit / norms)
    assert (factors < 1).any()
    got = train_phones(
        shards, phones, work(inputs=PhoneInputs(weights=weights), transforms=with_steps(ClipNorm(limit)))
    )
    np.testing.assert_allclose(got.sum.total, np.einsum("k,kcd->cd", weights * factors, updates), atol=1e-6)
    np.testing.assert_allclose(got.metrics["update_norm"], norms, rtol=1e-5)


def test_work_in_small_parts_is_the_same_work(monkeypatch: pytest.MonkeyPatch) -> None:
    shards, phones = make_shards(SIZES), np.arange(len(SIZES))
    starts = np.random.default_rng(0).standard_normal((len(SIZES), CLASSES, WIDTH + 1)).astype(np.float32)
    task = work(
        each=True, inputs=PhoneInputs(starts=starts), transforms=with_steps(STEPS["noise"], STEPS["clip"])
    )
    whole = train_phones(shards, phones, task)
    monkeypatch.setattr(transforms, "_BYTES", 1)
    parts = train_phones(shards, phones, task)
    assert parts.sum.total.tobytes() == whole.sum.total.tobytes()
    assert parts.updates.tobytes() == whole.updates.tobytes()  # type: ignore[union-attr]
    assert {n: v.tolist() for n, v in parts.metrics.items()} == {
        n: v.tolist() for n, v in whole.metrics.items()
    }


def test_networks_go_the_same_way() -> None:
    rows, rng = rows_for(DEEP, 12), np.random.default_rng(0)
    sizes = [5, 1, 9, 3]
    offsets = np.append(0, np.cumsum(sizes))
    held = PhoneRows(rows, rng.integers(0, DEEP.classes, 12), rng.integers(0, 12, sum(sizes)), offsets)
    network = NetworkPhones(build(DEEP, seed=3))
    task = LocalWork(network.head, TrainConfig(lr=0.05, batch=4, optimizer="sgd"), 1, 5, each=True)
    phones = np.arange(4)
    plain = network.train(held, phones, task)
    same = network.train(held, phones, replace(task, transforms=with_steps(ClipNorm(1e6), population=4)))
    assert same.sum.total.tobytes() == plain.sum.total.tobytes()
    assert same.updates.tobytes() == plain.updates.tobytes()  # type: ignore[union-attr]
    flip = network.train(
        held, phones, replace(task, transforms=with_steps(Malicious(0.5, SignFlip(1.0)), population=4))
    )
    bad = malicious(4, 0.5, 0)
    assert np.array_equal(flip.updates[bad], -plain.updates[bad])  # type: ignore[index]
    wrong = network.train(
        held,
        phones,
        replace(task, transforms=with_steps(Malicious(0.5, LabelFlip()), population=4, classes=DEEP.classes)),
    )
    honest = np.setdiff1d(phones, bad)
    assert np.array_equal(wrong.updates[honest], plain.updates[honest])  # type: ignore[index]
    assert not np.array_equal(wrong.updates[bad], plain.updates[bad])  # type: ignore[index]


@dataclass(frozen=True)
class Blows(Transform):
    """What comes of the first phone is not finite."""

    def __call__(self, updates: np.ndarray, context: Context) -> tuple[np.ndarray, Metrics]:
        return np.where((context.phones == 0)[:, None, None], np.inf, updates), {"seen": context.phones + 0.0}


def test_an_update_that_a_transform_makes_infinite_is_left_out() -> None:
    shards, phones = make_shards(SIZES), np.arange(len(SIZES))
    got = train_phones(shards, phones, work(transforms=with_steps(Blows())))
    rest = train_phones(shards, phones[1:], work())
    assert got.phones.tolist() == phones[1:].tolist()
    assert got.sum.total.tobytes() == rest.sum.total.tobytes()
    assert (got.sum.phones, got.sum.views) == (rest.sum.phones, rest.sum.views)
    assert (got.sum.photos, got.sum.loss) == (rest.sum.photos, rest.sum.loss)
    assert got.metrics["seen"].tolist() == phones[1:].tolist()
    assert got.large.tolist() == []


def test_updates_beyond_a_limit_are_left_out_and_named(monkeypatch: pytest.MonkeyPatch) -> None:
    """On the kernel's path, with transforms, and in torch: the rest is as if they had never been."""
    rows, rng = rows_for(DEEP, 12), np.random.default_rng(0)
    held = PhoneRows(
        rows, rng.integers(0, DEEP.classes, 12), rng.integers(0, 12, 18), np.array([0, 5, 6, 15, 18])
    )
    network = NetworkPhones(build(DEEP, seed=3))
    deep = LocalWork(network.head, TrainConfig(lr=0.05, batch=4, optimizer="sgd"), 1, 5)
    same = with_steps(ClipNorm(1e6))
    for trainer, data, task in [
        (train_phones, make_shards(SIZES), work()),
        (train_phones, make_shards(SIZES), work(transforms=same)),
        (network.train, held, deep),
    ]:
        phones = np.arange(data.phones)
        reaches = np.array([trainer(data, phones[[phone]], task).sum.reach for phone in phones])
        limit = float(np.sort(reaches)[len(phones) // 2])
        got = trainer(data, phones, replace(task, reach_limit=limit))
        small = phones[reaches < limit]
        rest = trainer(data, small, task)
        assert got.large.tolist() == np.setdiff1d(phones, small).tolist()
        assert got.phones.tolist() == small.tolist()
        assert got.sum.total.tobytes() == rest.sum.total.tobytes()
        assert replace(got.sum, total=0) == replace(rest.sum, total=0)
        assert got.photo_losses.tolist() == rest.photo_losses.tolist()


@pytest.fixture
def attacked(tmp_path: Path, shards: PhoneRows) -> Callable[..., Recorder]:
    def begin(clip: float = 0.0, attack: AttackConfig | None = None, **changes: object) -> Recorder:
        text = written(UpdateConfig.model_validate({"clip_norm": clip}), attack or AttackConfig())
        return run(tmp_path, shards, transforms=text, classes=CLASSES, **changes)  # type: ignore[arg-type]

    return begin


def an_attack(name: str, phones: float = 0.3, **options: object) -> AttackConfig:
    return AttackConfig.model_validate({"name": name, "phones": phones, **options})


@pytest.mark.parametrize("name", few_quick([name for name in ATTACKS if name != "none"], "sign-flip"))
def test_same_bits_for_any_nodes_blocks_and_order_of_replies(
    attacked: Callable[..., Recorder], name: str
) -> None:
    reference = attacked(0.04, an_attack(name), rounds=2)
    for nodes, block, grid_seed in [(1, 3, 1), (4, 1, 2), (3, 100, 3)]:
        other = attacked(0.04, an_attack(name), nodes=nodes, block=block, grid_seed=grid_seed, rounds=2)
        assert head_bytes(other) == head_bytes(reference)
        assert [r.metrics for r in other.records] == [r.metrics for r in reference.records]
    assert head_bytes(attacked(0.04, rounds=2)) != head_bytes(reference)
    assert head_bytes(attacked(1e6, rounds=2)) == head_bytes(attacked(rounds=2))


@pytest.mark.parametrize("options", [{"name": "ncm"}, {"name": "ridge", "choose": "gcv"}, {"start": "ncm"}])
def test_labels_are_flipped_before_the_sums_of_a_closed_form(
    attacked: Callable[..., Recorder], shards: PhoneRows, tmp_path: Path, options: dict[str, str]
) -> None:
    """As if the malicious phones' labels had been wrong from the start."""
    asked = {"strategy": StrategyConfig.model_validate(options), "rounds": 1}
    flip = an_attack("label-flip")
    heads = [
        head_bytes(attacked(0.0, flip, **asked, nodes=n, block=b, grid_seed=n)) for n, b in [(1, 9), (4, 1)]
    ]
    labels = shards.labels[shards.rows]  # each view once for every phone that has it
    for phone in malicious(len(SIZES), 0.3, 0):
        own = slice(shards.offsets[phone], shards.offsets[phone + 1])
        labels[own] = CLASSES - 1 - labels[own]
    place = tmp_path / "wrong"
    rows = np.arange(len(labels))
    PhoneRows(shards.features, labels, rows, shards.offsets).save(place, place / "features.npy")
    np.save(place / "features.npy", shards.features[shards.rows])
    wrong = head_bytes(run(place, shards, classes=CLASSES, **asked))  # type: ignore[arg-type]
    assert heads == [wrong, wrong]


def test_a_round_tells_what_was_measured(attacked: Callable[..., Recorder]) -> None:
    assert [r.metrics for r in attacked(rounds=1).records] == [{}]
    (record,) = attacked(0.05, an_attack("sign-flip"), rounds=1, phones_per_round=6).records
    assert record.metrics.keys() == {"malicious", "clipped", "update_norm"}
    assert 0 < record.metrics["clipped"] <= 1
    assert record.phones == 6


def test_the_median_withstands_what_turns_the_mean_round(attacked: Callable[..., Recorder]) -> None:
    attack = an_attack("sign-flip", scale=50.0)
    for name, moved_away in [("fedavg", True), ("median", False)]:
        strategy = StrategyConfig(name=name)
        honest = attacked(rounds=1, strategy=strategy).states[-1].head
        hurt = attacked(0.0, attack, rounds=1, strategy=strategy).states[-1].head
        start = new_head(CLASSES, WIDTH, seed=0)
        way, off = np.linalg.norm(honest - start), np.linalg.norm(hurt - honest)
        assert (off > 2 * way) == moved_away, (name, off / way)


HUGE = {"scale": 1e6}
FAR = TrainConfig(optimizer="adam", lr=5.0)  # with it an update of one view times HUGE is too large


@pytest.mark.parametrize("name", ["fedavg", "krum", "median", "scaffold"])
def test_a_malicious_update_too_large_for_exact_sums_is_dropped_and_the_run_goes_on(
    attacked: Callable[..., Recorder], name: str
) -> None:
    asked = {"rounds": 2, "train": FAR, "strategy": StrategyConfig(name=name)}
    if name == "scaffold":
        asked["strategy"] = StrategyConfig(name=name, local_lr=5.0)
    hurt = attacked(0.0, an_attack("sign-flip", 0.1, **HUGE), **asked)
    (bad,) = malicious(len(SIZES), 0.1, 0)
    for record in hurt.records:
        assert record.dropped_phones == {str(bad): "too large to be added exactly"}
        assert (record.phones, record.metrics) == (len(SIZES) - 1, {"malicious": 0.0})
    assert np.isfinite(hurt.states[-1].head).all()
    other = attacked(0.0, an_attack("sign-flip", 0.1, **HUGE), **asked, nodes=4, block=1, grid_seed=3)
    assert head_bytes(other) == head_bytes(hurt)


def test_the_others_are_summed_as_if_what_is_too_large_had_never_been_sent(
    attacked: Callable[..., Recorder], shards: PhoneRows
) -> None:
    hurt = attacked(0.0, an_attack("sign-flip", 0.3, **HUGE), rounds=1, train=FAR)
    honest = np.setdiff1d(np.arange(len(SIZES)), malicious(len(SIZES), 0.3, 0))
    start = new_head(CLASSES, WIDTH, seed=0)
    rest = train_phones(shards, honest, LocalWork(start, FAR, 1, round_key(0, 1)))
    np.testing.assert_array_equal(
        hurt.states[0].head, (start + rest.sum.total / rest.sum.views).astype(np.float32)
    )
    assert hurt.records[0].train_loss == rest.sum.loss / rest.sum.photos


def test_updates_too_large_only_together_are_asked_for_once_more(
    attacked: Callable[..., Recorder], shards: PhoneRows
) -> None:
    phones, bad = np.arange(len(SIZES)), malicious(len(SIZES), 0.4, 0)
    start = new_head(CLASSES, WIDTH, seed=0)
    each = [train_phones(shards, phones[[p]], LocalWork(start, FAR, 1, round_key(0, 1))) for p in phones]
    reaches = np.array([phone.sum.reach for phone in each])
    scale = 0.9 * kernel.EXACT_BELOW / reaches[bad].max()
    sent = np.where(np.isin(phones, bad), scale, 1.0) * reaches
    assert sent.max() < kernel.EXACT_BELOW < sent.sum()
    hurt = attacked(0.0, an_attack("sign-flip", 0.4, scale=float(scale)), rounds=1, train=FAR)
    large = np.flatnonzero(sent >= kernel.EXACT_BELOW / (len(SIZES) + 1))
    assert set(large) <= set(bad)
    assert list(hurt.records[0].dropped_phones) == [str(phone) for phone in large]
    once = attacked(0.0, an_attack("sign-flip", 0.4, scale=1.0), rounds=1, train=FAR).records[0]
    assert hurt.records[0].wire_bytes > 1.5 * once.wire_bytes


@pytest.mark.parametrize(
    ("share", "words"),
    [
        (0.6, r"training diverged in round 1: the updates of 6 of 10 phones are too large.*attack\.scale"),
        (1.0, r"in round 1: the updates of 10 of 10 phones are too large; lower train\.lr or attack\.scale"),
    ],
)
def test_training_that_diverges_ends_the_run(
    attacked: Callable[..., Recorder], share: float, words: str
) -> None:
    with pytest.raises(RunError, match=words) as ended:
        attacked(0.0, an_attack("sign-flip", share, **HUGE), rounds=3, train=FAR)
    assert not ended.value.resumable


def test_settings_name_transforms_and_orders_carry_them() -> None:
    assert chosen(UpdateConfig(), AttackConfig()) == ()
    assert written(UpdateConfig(), AttackConfig()) == ""
    for name, kind in ATTACKS.pages.items():
        update, attack = UpdateConfig.model_validate({"clip_norm": 0.5}), an_attack(name, 0.2)
        steps = chosen(update, attack)  # the clip comes last: it binds malicious phones, too
        assert steps == (*([] if name == "none" else [Malicious(0.2, kind())]), ClipNorm(0.5))
        assert read(written(update, attack)) == steps
    assert chosen(UpdateConfig(), an_attack("noise", scale=2.0)) == (Malicious(0.3, Noise(2.0)),)


MINE = """
from dataclasses import dataclass
from typing import Annotated

import numpy as np
from pydantic import Field

from fer_models.attacks.base import Attack
from fer_models.local.transforms import Context, Metrics, Transform


@dataclass(frozen=True)
class Shrink(Transform):
    factor: Annotated[float, Field(gt=0, le=1)] = 0.5

    def __call__(self, updates: np.ndarray, context: Context) -> tuple[np.ndarray, Metrics]:
        return self.factor * updates, {"seen": np.ones(len(updates))}

    def summary(self, metrics: Metrics) -> dict[str, float]:
        return {"shrunk": float(metrics["seen"].sum())}


@dataclass(frozen=True)
class Nothing(Transform):
    def __call__(self, updates: np.ndarray, context: Context) -> tuple[np.ndarray, Metrics]:
        return updates, {}


@dataclass(frozen=True)
class Idle(Transform):
    pass


@dataclass(frozen=True)
class Grows(Transform):
    def __call__(self, updates: np.ndarray, context: Context) -> tuple[np.ndarray, Metrics]:
        return updates.repeat(2, axis=2), {}


@dataclass(frozen=True)
class Takes(Transform):
    def __call__(self, updates: np.ndarray, context: Context) -> tuple[np.ndarray, Metrics]:
        return updates, {"phones": np.ones(len(updates))}


@dataclass(frozen=True)
class Expands(Transform):
    factor: float = 3.0

    def __call__(self, updates: np.ndarray, context: Context) -> tuple[np.ndarray, Metrics]:
        return self.factor * updates, {}


@dataclass(frozen=True)
class Sometimes(Transform):
    def __call__(self, updates: np.ndarray, context: Context) -> tuple[np.ndarray, Metrics]:
        return updates, {"odd": np.ones(len(updates))} if (context.phones % 2).any() else {}


@dataclass(frozen=True)
class Misspelt(Attack):
    def corupt(self, update: np.ndarray, phone: int, context: Context) -> np.ndarray:
        return -update


@dataclass(frozen=True)
class Lazy(Attack):
    def corrupt(self, update: np.ndarray, phone: int, context: Context) -> np.ndarray:
        return np.zeros(update.shape)
"""


@pytest.fixture
def mine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A module of the user's own on the path."""
    folder = tmp_path / "own"
    folder.mkdir()
    (folder / "my_updates.py").write_text(MINE)
    monkeypatch.syspath_prepend(folder)
    return folder


@pytest.mark.usefixtures("mine")
def test_transforms_and_attacks_of_the_users_own() -> None:
    update = UpdateConfig.model_validate({"transforms": ["my_updates:Shrink"], "factor": 0.25})
    attack = an_attack("my_updates:Lazy", 0.5)
    text = written(update, attack)
    assert own_classes(text) == ("my_updates:Shrink", "my_updates:Lazy")
    assert "my_updates.py" in node_code(own_classes(text))
    shards, phones, steps = make_shards(SIZES), np.arange(10), with_steps(*read(text))
    shrunk = train_phones(shards, phones, work(transforms=steps, each=True))
    plain = train_phones(shards, phones, work(each=True))
    lazy = malicious(10, 0.5, 0)
    rest = np.setdiff1d(phones, lazy)
    assert not shrunk.updates[lazy].any()  # type: ignore[index]
    np.testing.assert_allclose(shrunk.updates[rest], plain.updates[rest] / 4, rtol=1e-6)  # type: ignore[index]
    assert steps.summary(shrunk.metrics) == {"malicious": 5.0, "shrunk": 10.0}
    assert UpdateConfig.model_validate({"transforms": ["my_updates:Shrink"]}).model_dump()["factor"] == 0.5


@pytest.mark.usefixtures("mine")
def test_a_transform_that_measures_nothing(tmp_path: Path, shards: PhoneRows) -> None:
    text = written(UpdateConfig.model_validate({"transforms": ["my_updates:Nothing"]}), AttackConfig())
    got = run(tmp_path, shards, transforms=text, classes=CLASSES, rounds=1)
    assert head_bytes(got) == head_bytes(run(tmp_path, shards, rounds=1))
    assert got.records[0].metrics == {}


@pytest.mark.usefixtures("mine")
@pytest.mark.parametrize(("name", "words"), [("Grows", "updates of shape"), ("Takes", 'called "phones"')])
def test_what_a_transform_returns_is_checked(name: str, words: str) -> None:
    (step,) = chosen(UpdateConfig.model_validate({"transforms": [f"my_updates:{name}"]}), AttackConfig())
    with pytest.raises(RunError, match=words):
        train_phones(make_shards(SIZES), np.arange(10), work(transforms=with_steps(step)))


@pytest.mark.usefixtures("mine")
@pytest.mark.parametrize("nodes", [1, 10])
def test_what_is_measured_of_some_phones_only_is_refused(
    tmp_path: Path, shards: PhoneRows, monkeypatch: pytest.MonkeyPatch, nodes: int
) -> None:
    """Whether the blocks of one node differ, or the nodes."""
    monkeypatch.setattr(transforms, "_BYTES", 1)
    text = written(UpdateConfig.model_validate({"transforms": ["my_updates:Sometimes"]}), AttackConfig())
    with pytest.raises(RunError, match='a transform measured "odd" of some phones only; correct it'):
        run(tmp_path, shards, transforms=text, classes=CLASSES, rounds=1, nodes=nodes, block=1)


@pytest.mark.usefixtures("mine")
def test_fine_tuning_with_a_transform_of_the_users_own(tmp_path: Path, shards: PhoneRows) -> None:
    text = written(UpdateConfig.model_validate({"transforms": ["my_updates:Shrink"]}), AttackConfig())
    plan = Plan(
        prepared=str(tmp_path), sizes=shards.sizes, phones_per_round=0, epochs=1, block=3, seed=0,
        train=TrainConfig(lr=0.01), strategy=StrategyConfig(name="fine-tune"), transforms=text,
        classes=CLASSES,
    )  # fmt: skip
    head, kept = new_head(CLASSES, WIDTH, seed=0), []
    job = Job(
        plan=plan, start=Checkpoint(0, head, Selection("last", head)), rounds=1, nodes=2,
        evaluation=EvaluationConfig(), validation=HeldOut(shards.features[:60], shards.labels[:60]),
        on_round=lambda record, state: None, adapting=np.arange(10), on_adapted=kept.append,
    )  # fmt: skip
    serve(make_app(job), LocalGrid(2))
    assert kept[0].shape == (10, *head.shape)


@pytest.mark.usefixtures("mine")
@pytest.mark.parametrize(
    ("given_settings", "line"),
    [
        (['update.transforms=["my_updates:Idle"]'], "lacks __call__"),
        (['update.transforms=["my_updates:Shrink", "my_updates:Expands"]'], "factor"),
        (['update.transforms=[["a"]]'], "update.transforms must be a list"),
        (['update.transforms=["__main__:A"]'], "put the class in a file"),
        (["attack.name=my_updates:Misspelt"], "lacks corrupt or relabel"),
        (["attack.name=noise", "attack.phones=0.001"], "is none of the 100 phones"),
    ],
)
def test_classes_that_cannot_be_are_refused_in_a_line(
    here: Here, given_settings: list[str], line: str
) -> None:
    told = here.refused("run", "quickstart", *(part for each in given_settings for part in ("--set", each)))
    assert line in told


@pytest.mark.parametrize(
    ("given_settings", "line"),
    [
        (
            ["attack.name=sign"],
            '"sign-flip", "noise", "label-flip", "canary" or MODULE:CLASS of your own, got "sign"',
        ),
        (["attack.phones=1.5"], "attack.phones must be a number at least 0 and at most 1, got 1.5"),
        (["attack.name=label-flip", "attack.scale=2"], "attack.scale belongs to sign-flip, noise"),
        (["update.clip_norm=-1"], "update.clip_norm must be a number at least 0 and"),
        (["update.transforms=clip"], "update.transforms must be a list"),
        (['update.transforms=["clip"]'], 'transforms must be a list of MODULE:CLASS of your own, got "clip"'),
        (['update.transforms=["no_such:Clip"]'], "there is no module no_such"),
        (["update.factor=0.5"], "unknown key update.factor"),
        (["attack.name=no_such:Attack"], "there is no module no_such"),
        (["update.clip_norm=1", "strategy.name=ridge"], "change the updates that phones send"),
        (["update.clip_norm=1", "strategy.name=mime-lite"], "change the updates that phones send"),
        (["attack.name=noise", "strategy.name=local"], "change the updates that phones send"),
        (["attack.name=noise", "strategy.start=ridge"], "change the updates that phones send"),
        (
            ["attack.name=label-flip", "update.clip_norm=1", "strategy.name=ncm"],
            "change the updates that phones send",
        ),
        (["attack.name=label-flip", "strategy.name=own-prior"], "change the updates that phones send"),
    ],
)
def test_settings_that_cannot_be_are_refused_in_a_line(
    here: Here, given_settings: list[str], line: str
) -> None:
    told = here.refused("run", "quickstart", *(part for each in given_settings for part in ("--set", each)))
    assert line in told


def test_the_page_tells_what_happened_to_updates(tmp_path: Path) -> None:
    folder = make_run(tmp_path / "run")
    config = tomllib.loads((folder / "config.toml").read_text())
    config |= {"update": {"clip_norm": 0.5}, "attack": {"name": "noise", "phones": 0.2}}
    (folder / "config.toml").write_text(tomli_w.dumps(config))
    lines = [json.loads(line) for line in (folder / "rounds.jsonl").read_text().splitlines()]
    for number, line in enumerate(lines):
        line["metrics"] = {"clipped": 0.5 if number % 2 else 0.25, "update_norm": 0.4, "malicious": 20.0}
    (folder / "rounds.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
    words = read_page(folder)[1].words
    assert "20% of the phones are malicious: Noise, scale 50.0; clipped to an L2 norm of 0.5" in words
    assert "37.5% of all updates were clipped" in words
    assert "malicious" not in read_page(make_run(tmp_path / "plain"))[1].words
