"""Private rounds: clipped sums with exact noise, who takes part, what is released, and what is spent."""

from collections import Counter
from dataclasses import dataclass, field, replace
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
from support_reference import CLASSES, WIDTH
from support_rounds import EVERY, SIZES, Recorder, head_bytes, run

from fer_models.attacks.registry import AttackConfig
from fer_models.errors import InputError, RunError
from fer_models.local.kernel import QUANTUM
from fer_models.local.phone_rows import PhoneRows
from fer_models.local.registry import UpdateConfig
from fer_models.local.training import Update
from fer_models.run_folder.releases import FILE, Releases
from fer_models.run_folder.rounds import RoundRecord
from fer_models.updates import written
from server.config import StrategyConfig
from server.mechanisms.privacy.central import Central
from server.mechanisms.privacy.coins import Coins
from server.mechanisms.privacy.config import PrivacyConfig
from server.mechanisms.privacy.discrete_gaussian import FAR
from server.mechanisms.privacy.lattice import Lattice
from server.mechanisms.privacy.plan import PrivatePlan, planned, split

NUMBERS = CLASSES * (WIDTH + 1)
MEAN_ALONE = [
    "fedavg", "fedavgm", "fedadam", "fedyogi", "fedadagrad", "fedprox", "fedlc", "balanced-softmax", "ditto",
    "fine-tune",
]  # fmt: skip


@dataclass
class Ledger:
    """In memory."""

    seen: list[tuple[int, str]] = field(default_factory=list)

    @property
    def counts(self) -> dict[int, int]:
        return dict(Counter(number for number, _ in set(self.seen)))

    @property
    def last(self) -> int:
        return max(self.counts, default=0)

    @property
    def repeated(self) -> dict[int, int]:
        return {number: sums for number, sums in self.counts.items() if sums > 1}

    def has(self, number: int, digest: str) -> bool:
        return (number, digest) in self.seen

    def add(self, number: int, digest: str) -> None:
        self.seen.append((number, digest))


def plan(per_round: int = 0, rounds: int = 4, phones: int = len(SIZES), **settings: object) -> PrivatePlan:
    given = {"mechanism": "central", "noise_multiplier": 2.0, "clip": 0.125, "delta": 1e-3, **settings}
    return planned(
        PrivacyConfig(**given),
        phones=phones,
        per_round=per_round,
        rounds=rounds,
        numbers=NUMBERS,  # type: ignore[arg-type]
    )


def central(per_round: int = 0, seed: int = 0, **settings: object) -> Central:
    return Central(plan(per_round, **settings), Coins.seeded(seed), Ledger())  # type: ignore[arg-type]


def same(one: list[RoundRecord], other: list[RoundRecord]) -> bool:
    timeless = [[replace(record, seconds=0.0) for record in records] for records in (one, other)]
    return timeless[0] == timeless[1]


def nobody(private: Central) -> Update:
    return Update(np.zeros((CLASSES, WIDTH + 1)), 0, 0, 0, 0.0, 0.0)


def test_the_head_moves_by_the_noisy_sum_over_the_expected_phones(tmp_path: Path, shards: PhoneRows) -> None:
    found = run(tmp_path, shards, rounds=1, private=central())
    other = run(tmp_path, shards, rounds=1, private=central(seed=1))
    start = found.states[0].selection  # of the only round: the head itself
    assert start.number == 1
    exact, released = found.unreleased[0], found.records[0]
    assert exact.metrics["signal_norm"] <= 0.125
    # Two seeds differ by their noise alone, of twice the variance.
    apart = np.linalg.norm(found.states[0].head - other.states[0].head)
    assert apart == pytest.approx(np.sqrt(2) * released.metrics["noise_norm"], rel=0.15)
    assert released.metrics["noise_norm"] == pytest.approx(2.0 * 0.125 * np.sqrt(NUMBERS) / len(SIZES))
    assert exact.metrics["noise_norm"] == pytest.approx(released.metrics["noise_norm"], rel=0.15)


def test_noise_is_added_exactly_and_has_its_variance() -> None:
    private = central(noise_multiplier=3.0, clip=0.5)
    update = replace(nobody(private), total=np.full((CLASSES, WIDTH + 1), 7 * QUANTUM), phones=3, within=3)
    drawn = []
    for number in range(1, 201):
        found = private.release(update, min(number, 4), private.begin())
        noise = found.update.total - update.total
        np.testing.assert_array_equal(noise / QUANTUM, np.rint(noise / QUANTUM))
        assert (found.update.views, found.update.phones) == (len(SIZES), len(SIZES))
        drawn.append(noise)
        update = replace(update, total=update.total + QUANTUM)  # another sum: other noise
    spread = np.std(np.concatenate(drawn)) / 1.5
    assert spread == pytest.approx(1.0, abs=4.5 / np.sqrt(2 * 200 * NUMBERS))


def test_the_same_sum_gets_the_same_noise_and_any_other_sum_other_noise() -> None:
    private = central()
    update = nobody(private)
    first, again = (private.release(update, 2, private.begin()).update.total for _ in range(2))
    np.testing.assert_array_equal(first, again)
    changed = replace(update, total=update.total + QUANTUM * np.eye(CLASSES, WIDTH + 1))
    third, fourth = (private.release(changed, n, private.begin()).update.total for n in (2, 3))
    for other in (third, fourth):
        assert (other != first).mean() > 0.99
    assert private.ledger.counts == {2: 2, 3: 1}


def test_a_phone_more_or_less_moves_the_sum_by_the_clip_at_most(tmp_path: Path, shards: PhoneRows) -> None:
    class Exact(Central):
        def release(self, update: Update, number: int, state):  # type: ignore[no-untyped-def]
            totals.append(update.total)
            return super().release(update, number, state)

    class But(Exact):
        def select(self, number: int) -> np.ndarray:
            return np.delete(np.arange(len(SIZES)), 3)

    totals: list[np.ndarray] = []
    for kind in (Exact, But):
        private = central()
        run(tmp_path, shards, rounds=1, private=kind(private.plan, private.coins, private.ledger))
    quanta = [int(k) for k in ((totals[0] - totals[1]) / QUANTUM).ravel()]
    assert 0 < sum(k**2 for k in quanta) <= (0.125 / QUANTUM) ** 2


def test_bits_depend_on_no_node_block_or_order(tmp_path: Path, shards: PhoneRows) -> None:
    first = run(tmp_path, shards, private=central(5, clipping="adaptive", noise_multiplier=0.3))
    for nodes, block, grid_seed, broken in ((1, 10, 0, ()), (4, 1, 3, ()), (3, 2, 1, (0,))):
        again = run(
            tmp_path, shards, private=central(5, clipping="adaptive", noise_multiplier=0.3),
            nodes=nodes, block=block, grid_seed=grid_seed, broken=broken,
        )  # fmt: skip
        assert head_bytes(again) == head_bytes(first)
        assert same(again.records, first.records)


def test_a_resumed_run_goes_on_with_the_clip_it_had(tmp_path: Path, shards: PhoneRows) -> None:
    settings = {"clipping": "adaptive", "noise_multiplier": 0.3, "clip_rate": 1.0}
    whole = run(tmp_path, shards, private=central(5, **settings))
    first = run(tmp_path, shards, rounds=2, private=central(5, **settings))
    first.states[-1].save(tmp_path)
    from server import checkpoint

    start = checkpoint.load(tmp_path, "last")
    assert start is not None
    rest = run(tmp_path, shards, start=start, private=central(5, **settings))
    assert head_bytes(rest) == head_bytes(whole)
    clips = [record.metrics["clip"] for record in whole.records]
    assert len(set(clips)) == 4
    assert same(first.records + rest.records, whole.records)


def test_nothing_that_tells_who_came_is_released(tmp_path: Path, shards: PhoneRows) -> None:
    found = run(tmp_path, shards, private=central(5), strategy=StrategyConfig(name="ditto"))
    for released, exact in zip(found.records, found.unreleased, strict=True):
        assert (released.phones, released.photos, released.train_loss, released.wire_bytes) == (None,) * 4
        assert (released.dropped, released.dropped_phones) == (0, {})
        assert (released.across, released.own_heads) == (None, None)
        assert exact.own_heads is None or exact.across is not None
        assert sorted(released.metrics) == ["clip", "epsilon", "noise_norm", "signal_norm"]
        assert released.bytes_up == 5 * 4 * NUMBERS
        assert exact.phones is not None
        assert exact.bytes_up == exact.phones * 4 * NUMBERS
        assert exact.train_loss is not None
        assert released.val_loss == exact.val_loss
    assert len({exact.phones for exact in found.unreleased}) > 1
    epsilons = [record.metrics["epsilon"] for record in found.records]
    assert epsilons == sorted(epsilons)
    assert len(set(epsilons)) == 4


def test_an_empty_round_gets_its_noise_and_its_step(tmp_path: Path, shards: PhoneRows) -> None:
    class Nobody(Central):
        def select(self, number: int) -> np.ndarray:
            return np.empty(0, np.int64)

    private = central(5)
    found = run(tmp_path, shards, private=Nobody(private.plan, private.coins, private.ledger))
    assert [record.phones for record in found.unreleased] == [0] * 4
    heads = [state.head for state in found.states]
    for one, two in pairwise(heads):
        assert np.linalg.norm(two - one) == pytest.approx(found.records[0].metrics["noise_norm"], rel=0.2)


@pytest.mark.parametrize("name", MEAN_ALONE)
def test_strategies_that_read_the_mean_alone_can_be_private(
    tmp_path: Path, shards: PhoneRows, name: str
) -> None:
    found = run(tmp_path, shards, private=central(5), strategy=StrategyConfig(name=name))
    assert len(found.records) == 4


@pytest.mark.parametrize("name", [name for name in EVERY if name not in (*MEAN_ALONE, "ridge")])
def test_others_are_refused(tmp_path: Path, shards: PhoneRows, name: str) -> None:
    with pytest.raises(RunError, match="needs more than a private mean"):
        run(tmp_path, shards, private=central(5), strategy=StrategyConfig(name=name))


def test_malicious_phones_are_clipped_and_what_they_measure_is_not_released(
    tmp_path: Path, shards: PhoneRows
) -> None:
    attack = AttackConfig(name="noise", phones=0.3, scale=1e6)  # type: ignore[call-arg]
    text = written(UpdateConfig(), attack)
    found = run(tmp_path, shards, rounds=1, private=central(), transforms=text, classes=CLASSES)
    assert "malicious" not in found.records[0].metrics
    assert found.unreleased[0].metrics["malicious"] == 3.0
    assert found.unreleased[0].metrics["signal_norm"] <= 0.125


def test_poisson_flips_a_coin_for_each_phone_and_round() -> None:
    private = central(20, phones=100, rounds=1000)
    came = np.zeros((1000, 100))
    for number in range(1000):
        came[number, private.select(number + 1)] = 1
    assert came.mean() == pytest.approx(0.2, abs=4.5 * np.sqrt(0.16 / 1e5))
    assert np.abs(came.mean(axis=0) - 0.2).max() < 4.5 * np.sqrt(0.16 / 1000)
    assert came.sum(axis=1).var() == pytest.approx(16, rel=0.25)  # not fixed
    assert abs(np.corrcoef(came[:, 0], came[:, 1])[0, 1]) < 0.15
    np.testing.assert_array_equal(private.select(7), private.select(7))


def test_fixed_takes_as_many_as_it_says_evenly() -> None:
    private = central(20, phones=100, rounds=1000, sampling="fixed")
    came = np.zeros((1000, 100))
    for number in range(1000):
        came[number, private.select(number + 1)] = 1
    assert (came.sum(axis=1) == 20).all()
    assert np.abs(came.mean(axis=0) - 0.2).max() < 4.5 * np.sqrt(0.16 / 1000)
    assert private.plan.guarantee.taking_part.neighbours == "replace"


def test_the_split_of_adaptive_clipping() -> None:
    assert split(1.0, 100) == pytest.approx(1.005038, abs=5e-7)
    fixed, adaptive = (plan(100, phones=1000, delta=1e-4, clipping=way) for way in ("fixed", "adaptive"))
    assert adaptive.noise > fixed.noise == 2.0
    assert adaptive.noise**-2 + (100 / 10) ** -2 == pytest.approx(fixed.noise**-2)
    with pytest.raises(InputError, match="below a tenth of the 10 phones per round, got 2"):
        plan(clipping="adaptive")


def test_the_clip_follows_the_quantile_of_the_norms() -> None:
    private = central(
        2000, phones=4000, rounds=60, clipping="adaptive", quantile=0.7, clip_rate=0.5, clip=1.0, delta=1e-4
    )
    norms = np.random.default_rng(0).lognormal(-2, 0.5, 2000)
    state = private.begin()
    for number in range(1, 61):
        clip = private.clip(state)
        update = replace(nobody(private), phones=2000, within=int((norms <= clip).sum()))
        found = private.release(update, number, state)
        assert found.metrics["within_clip"] == pytest.approx((norms <= clip).mean(), abs=5 * 0.05)
        state = found.state
    assert private.clip(state) == pytest.approx(np.quantile(norms, 0.7), rel=0.25)


def test_a_population_scales_the_noise_and_not_the_clip() -> None:
    own, scaled = central(5), central(5, population=10_000, cohort=500, delta=1e-5)
    assert scaled.plan.scale == 0.01
    norms = [one.release(nobody(one), 1, one.begin()).metrics["noise_norm"] for one in (own, scaled)]
    assert norms[1] == pytest.approx(norms[0] / 100)
    assert scaled.plan.guarantee.taking_part.chance == 0.05


@pytest.mark.slow
def test_a_budget_is_kept_lattice_included_and_never_by_much() -> None:
    found = plan(100, phones=1000, rounds=50, noise_multiplier="auto", epsilon=4.0, delta=1e-5)
    assert 3.99 < found.epsilon_of(50) <= 4.0
    assert found.within_budget(50)
    assert not found.within_budget(50, {7: 2})
    tiny = plan(100, phones=1000, rounds=50, noise_multiplier="auto", epsilon=4.0, delta=1e-5, clip=1e-4)
    assert tiny.lattice_extra > 1e-4
    assert tiny.guarantee.noise_multiplier > found.guarantee.noise_multiplier
    assert 3.9 < tiny.epsilon_of(50) <= 4.0


def test_a_run_stops_before_the_round_that_would_exceed() -> None:
    settings = {"noise_multiplier": 1.0, "epsilon": 2.0, "delta": 1e-5, "on_budget": "stop"}
    found = plan(100, phones=1000, rounds=500, **settings)
    whole = plan(100, phones=1000, rounds=500, noise_multiplier=1.0, delta=1e-5)
    assert found.rounds < 500
    assert found.epsilon_of(found.rounds) <= 2.0
    assert whole.epsilon_of(found.rounds + 1) > 2.0  # one more round
    with pytest.raises(InputError, match="is spent before the first round, which takes"):
        plan(100, phones=1000, rounds=5, **(settings | {"epsilon": 0.01}))


def test_by_rdp_the_same_budget_takes_more_noise() -> None:
    settings = {"noise_multiplier": "auto", "epsilon": 4.0, "delta": 1e-5}
    pld, rdp = (plan(100, phones=1000, rounds=50, accountant=name, **settings) for name in ("pld", "rdp"))
    assert rdp.guarantee.noise_multiplier > 1.02 * pld.guarantee.noise_multiplier
    assert rdp.guarantee.accountant == "rdp"
    assert 3.99 < rdp.epsilon_of(50) <= 4.0


@pytest.mark.parametrize(
    ("settings", "line"),
    [
        ({"clip": 1e-7}, "too fine for the lattice of exact sums"),
        ({"clip": 1e5}, "too much noise for exact sums"),
        ({"phones": 10**6, "clip": 20.0, "delta": 1e-7}, "privacy.clip must be at most 16.4"),
        ({"noise_multiplier": 0.02}, "above 300 nothing is protected"),
        ({"delta": 0.2}, r"must be below 1/phones, 0\.1"),
        ({"cohort": 5, "population": 100}, "privacy.cohort must be at least the 10 phones"),
        (
            {"cohort": 10**8, "population": 10**10, "clip": 0.1, "noise_multiplier": 1.0, "delta": 1e-12},
            "leaves the simulated phones noise of 0.67 quanta, too little to draw",
        ),
        ({"noise_multiplier": "auto", "epsilon": 1e-9}, "privacy.epsilon = 1e-09 is less than"),
    ],
)
def test_what_cannot_be(settings: dict[str, object], line: str) -> None:
    with pytest.raises(InputError, match=line):
        plan(**settings)  # type: ignore[arg-type]


@pytest.mark.parametrize("sigma", [16.0, 100.0, 1500.5])
def test_discrete_noise_is_as_near_to_rounded_noise_as_is_charged(sigma: float) -> None:
    from scipy.special import log_ndtr
    from scipy.stats import norm

    k = np.arange(0, int(FAR * sigma), max(1, int(sigma / 50)))
    upper, lower = -(k - 0.5) / sigma, -(k + 0.5) / sigma  # of the tails, whose logarithms are accurate
    rounded = log_ndtr(upper) + np.log1p(-np.exp(log_ndtr(lower) - log_ndtr(upper)))
    discrete = norm.logpdf(k, scale=sigma)  # the sum over all integers is 1 but for exp(-2 pi^2 sigma^2)
    bound = Lattice(1, sigma).extra(1) / 2
    assert np.abs(rounded - discrete).max() <= bound + 1e-9
    assert np.abs(rounded - discrete).max() > 0.2 * bound  # and not by much


def test_what_is_released_is_noted_once_and_other_sums_are_charged(tmp_path: Path) -> None:
    first = Releases(tmp_path)
    assert (first.last, first.repeated) == (0, {})
    for number, digest in ((1, "a"), (2, "b"), (2, "b")):
        first.add(number, digest)
    with (tmp_path / FILE).open("a") as file:
        file.write('{"round": 3, "sum')  # killed while it was written
    again = Releases(tmp_path)
    assert (again.last, again.repeated) == (2, {})
    assert again.has(2, "b")
    again.add(2, "c")
    assert again.repeated == Releases(tmp_path).repeated == {2: 2}
    assert again.last == 2
    assert len((tmp_path / FILE).read_text().splitlines()) == 3
    (tmp_path / FILE).write_text("nonsense\n")
    with pytest.raises(InputError, match="is damaged"):
        Releases(tmp_path)


@pytest.mark.parametrize(("sampling", "phones"), [("poisson", 1000), ("all", 100)])
def test_a_round_that_releases_twice_is_one_with_less_noise(sampling: str, phones: int) -> None:
    settings = {"delta": 1e-5, "sampling": sampling, "noise_multiplier": 2.0}
    once = plan(100 if phones > 100 else 0, phones=phones, rounds=10, **settings)
    noise = {**settings, "noise_multiplier": 2.0 / np.sqrt(2)}
    twice = plan(100 if phones > 100 else 0, phones=phones, rounds=1, **noise)
    assert once.epsilon_of(1, {1: 2}) == pytest.approx(twice.epsilon_of(1), rel=2e-3)
    assert once.epsilon_of(1, {1: 2}) > once.epsilon_of(2) or sampling == "all"
    whole = once.epsilon_of(10, {3: 2})
    assert whole > once.epsilon_of(10)
    by_rdp = plan(100 if phones > 100 else 0, phones=phones, rounds=10, accountant="rdp", **settings)
    assert by_rdp.epsilon_of(10, {3: 2}) > whole


def test_a_budget_holds_whatever_was_released_before(tmp_path: Path, shards: PhoneRows) -> None:
    """A run that was resumed from round 2 with other sums: rounds 3 and 4 had been released already."""
    private = central(5, noise_multiplier="auto", epsilon=4.0)
    whole = run(tmp_path, shards, private=private)
    start, ledger = whole.states[1], private.ledger
    assert ledger.counts == {1: 1, 2: 1, 3: 1, 4: 1}
    other = replace(start, head=start.head + np.float32(0.01))  # as after a device failed
    with pytest.raises(RunError, match="does not last for round 3: rounds that were trained again"):
        run(tmp_path, shards, start=other, private=replace(private, ledger=ledger))
    assert ledger.counts == {1: 1, 2: 1, 3: 1, 4: 1}  # nothing was released that the budget does not cover
    stopping = central(5, noise_multiplier="auto", epsilon=4.0, on_budget="stop")
    found: Recorder = run(tmp_path, shards, start=other, private=replace(stopping, ledger=ledger))
    assert (found.records, found.stopped) == ([], [True])
    assert stopping.plan.budget is not None
    assert replace(stopping, ledger=ledger).spent_in_all(2) <= stopping.plan.budget
    again: Recorder = run(tmp_path, shards, start=start, private=replace(private, ledger=ledger))
    assert same(again.records, whole.records[2:])  # the same sums cost nothing


def test_replaced_phones_are_claimed_what_holds_whatever_updates_do() -> None:
    asked = {"epsilon": 4.0, "noise_multiplier": "auto", "delta": 1e-5}
    found = plan(100, phones=1000, rounds=50, sampling="fixed", **asked)
    assert 3.9 < found.epsilon_of(50) <= 4.0
    assert not any("every round worst" in text for text in found.guarantee.assumptions)
    usual = plan(100, phones=1000, rounds=50, **asked)
    assert found.guarantee.noise_multiplier > 2 * usual.guarantee.noise_multiplier
    with pytest.raises(InputError, match="has no proven bound for phones that are replaced and sampled"):
        plan(100, phones=1000, sampling="fixed", accountant="rdp", delta=1e-5)


def test_an_adaptive_clip_never_asks_for_more_noise_than_can_be_drawn() -> None:
    private = central(
        100, phones=200, rounds=60, clipping="adaptive", quantile=0.99, clip_rate=10.0, delta=1e-4,
        noise_multiplier=1.0,
    )  # fmt: skip
    state = private.begin()
    for number in range(1, 41):
        state = private.release(replace(nobody(private), phones=100), number, state).state
    assert private.clip(state) == private.plan.clips[1]
