"""Secure aggregation by itself: shares, graphs and numbers, masks that cancel, and what phones refuse."""

from contextlib import suppress
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from support_secagg import Company

from fer_models.local.kernel import EXACT_BELOW, QUANTUM
from fer_models.secagg import graph, masks, shamir
from fer_models.secagg.graph import Assumed, Degree, degree_of
from fer_models.secagg.keys import Secrets, agreed, derived, public_of, usable
from fer_models.secagg.phone import Phone, RefusedError, begun
from fer_models.secagg.ring import RINGS

RING = RINGS[64]


@given(
    secret=st.binary(min_size=32, max_size=32),
    coins=st.binary(min_size=5 * shamir.COIN_BYTES, max_size=5 * shamir.COIN_BYTES),
    chosen=st.sets(st.integers(0, 9), min_size=6),
)
def test_as_many_shares_as_the_threshold_tell_all(secret: bytes, coins: bytes, chosen: set[int]) -> None:
    points = [3 * i + 1 for i in range(10)]
    shares = shamir.split(secret, points, 6, coins)
    assert shamir.join({points[i]: shares[i] for i in chosen}, 6) == secret


def test_fewer_shares_fit_every_secret() -> None:
    coins = bytes(range(144))
    shares = dict(zip((1, 2, 3, 4), shamir.split(b"a" * 32, (1, 2, 3, 4), 4, coins), strict=True))
    with pytest.raises(ValueError, match="3 shares are fewer than the threshold, 4"):
        shamir.join({point: shares[point] for point in (1, 2, 3)}, 4)
    # Any value of a fourth share goes with three: the secret takes any value, too.
    found = set()
    for value in range(50):
        guess = shares | {4: value.to_bytes(shamir.SHARE_BYTES, "little")}
        with suppress(ValueError):  # of the 297 values of the field that are no secrets
            found.add(shamir.join(guess, 4))
    assert len(found) >= 49


def test_the_modulus_is_prime() -> None:
    assert all(pow(base, shamir.PRIME - 1, shamir.PRIME) == 1 for base in (2, 3, 5, 7, 11))


@pytest.mark.parametrize(("n", "expected"), [(100, (28, 6)), (1_000, (40, 19)), (10_000, (46, 22))])
def test_degrees_and_thresholds_that_are_known(n: int, expected: tuple[int, int]) -> None:
    found = degree_of(n, Assumed(0.05, 0.1))
    assert (found.neighbours, found.threshold) == expected


def test_tails_by_hand() -> None:
    # Of 5 things 2 are marked; of 3 drawn at least one is, but in 1 of 10 draws; both are in 3.
    assert [float(graph.tail(5, 2, 3, least)) for least in (0, 1, 2, 3)] == [1.0, 0.9, 0.3, 0.0]


@given(n=st.integers(3, 60), half=st.integers(1, 10), seed=st.integers(0, 100))
def test_graphs_are_regular_and_connected(n: int, half: int, seed: int) -> None:
    degree = min(2 * half, n - 1)
    found = graph.neighbours(n, degree, np.random.default_rng(seed))
    assert found.shape == (n, degree)
    edges = {(i, int(j)) for i in range(n) for j in found[i]}
    assert len(edges) == n * degree
    assert all((j, i) in edges and i != j for i, j in edges)
    seen, left = {0}, [0]
    while left:
        for j in found[left.pop()].tolist():
            if j not in seen:
                seen.add(j)
                left.append(j)
    assert len(seen) == n


@pytest.mark.parametrize(
    ("n", "given", "line"),
    [
        (2, Assumed(0.05, 0.1), "a group of 2 phones is too small for masks, which take 3"),
        (
            10,
            Assumed(0.05, 0.1, threshold=10),
            "threshold = 10 cannot be met by the 9 others",
        ),
        (20, Assumed(0.05, 0.1, neighbours=6, threshold=7), "threshold = 7 cannot be met by 6 neighbours"),
        (10, Assumed(0.4, 0.5), "bears 4 corrupt and 5 lost ones"),
    ],
)
def test_degrees_that_cannot_be(n: int, given: Assumed, line: str) -> None:
    with pytest.raises(ValueError, match=line):
        degree_of(n, given)


def test_degrees_that_are_given() -> None:
    assert degree_of(20, Assumed(0.05, 0.1, neighbours=7, threshold=3)) == Degree(8, 3)
    assert degree_of(20, Assumed(0.05, 0.1, neighbours=40, threshold=3)) == Degree(19, 3)
    assert degree_of(100, Assumed(0.05, 0.1, threshold=8)) == Degree(28, 8)
    assert degree_of(100, Assumed(0.05, 0.1, neighbours=20)) == Degree(20, 6)


def test_two_phones_agree_and_a_third_does_not() -> None:
    one, two, three = (Secrets.fresh() for _ in range(3))
    from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey

    def common(own: Secrets, other: Secrets) -> bytes:
        return agreed(X25519PrivateKey.from_private_bytes(own.mask), public_of(other.mask))

    assert common(one, two) == common(two, one) != common(one, three)
    assert derived(common(one, two), "mask", 1, 0) != derived(common(one, two), "mask", 2, 0)
    assert len({*one.text, *two.text}) > 100
    assert "mask=" not in repr(one)


def test_keystreams_are_those_of_the_standard() -> None:
    # NIST SP 800-38A, F.5.5 has another counter; the first block of ours is the cipher of a block of zeros.
    from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes

    key = bytes(range(32))
    block = Cipher(algorithms.AES256(key), modes.ECB()).encryptor().update(bytes(16))
    assert masks.keystream(key, 16) == block
    assert masks.expand(key, 2, RING).tobytes() == block


@given(
    st.lists(st.integers(-(2**50), 2**50), min_size=1, max_size=5),
    st.lists(st.integers(-(2**50), 2**50), min_size=1, max_size=5),
)
def test_sums_in_the_ring_are_exact(one: list[int], two: list[int]) -> None:
    m = min(len(one), len(two))
    a, b = (np.array(each[:m]) * QUANTUM for each in (one, two))
    np.testing.assert_array_equal(RING.decode(RING.encode(a) + RING.encode(b)), a + b)
    assert RING.below == EXACT_BELOW


def test_32_bits_round_to_a_coarser_quantum() -> None:
    ring, values = RINGS[32], np.array([1.0, -1.0, 2.0**-17 * 1.5, -(2.0**-17) * 1.5, 16_000.0])
    np.testing.assert_array_equal(ring.decode(ring.encode(values)), [1, -1, 2**-16, -(2**-16), 16_000])
    inwards = ring.decode(ring.encode(values, inwards=True))
    np.testing.assert_array_equal(inwards, [1, -1, 0, 0, 16_000])
    assert ring.below * 2 == 2**31 * ring.quantum


@settings(max_examples=25, deadline=None)
@given(st.data())
def test_masks_cancel_whoever_is_lost(data: st.DataObject) -> None:
    n = data.draw(st.integers(5, 12))
    degree = degree_of(n, Assumed(0.0, 0.1))
    ring = RINGS[data.draw(st.sampled_from([32, 64]))]
    fates = data.draw(st.lists(st.sampled_from("    123"), min_size=n, max_size=n))
    lost = [[i for i, fate in enumerate(fates) if fate == step] for step in "123"]
    company = Company(n, degree, seed=data.draw(st.integers(0, 5)))
    values = np.random.default_rng(n).integers(0, 2**ring.bits, (n, 50), ring.dtype.type, endpoint=False)
    company.share(lost[0])
    if min(len(company.within(i)) for i in company.shared or [0]) < degree.threshold:
        return
    total = company.masked(values, ring, lost[1])
    answering = frozenset(company.sent) - set(lost[2])
    if company.group().enough(answering) is not None or not company.sent:
        return
    if min(len(company.asked(i)[0]) for i in answering) < degree.threshold:
        return
    expected = values[company.sent].sum(axis=0, dtype=ring.dtype)
    assert not np.array_equal(total, expected)
    np.testing.assert_array_equal(company.unmasked(total, ring, lost[2]), expected)


def test_a_masked_update_alone_looks_random() -> None:
    company = Company(10, degree_of(10, Assumed(0.05, 0.1)))
    company.share()
    values = np.zeros((10, 20_000), RING.dtype)
    total = company.masked(values, RING, lost=range(1, 10))
    ones = np.unpackbits(total.view(np.uint8)).mean()
    assert ones == pytest.approx(0.5, abs=4.5 * 0.5 / np.sqrt(64 * 20_000))


def ready(n: int = 10) -> Company:
    """Everybody has sent a masked update but phone 3."""
    company = Company(n, Degree(n - 1, 3))
    company.share()
    company.masked(np.zeros((n, 4), RING.dtype), RING, lost=[3])
    return company


def test_no_phone_hands_out_both_shares_of_another() -> None:
    company = ready()
    alive, lost = company.asked(0)
    with pytest.raises(RefusedError, match="was asked for both shares of phone 5"):
        company.at(0).unmask(alive, lost | {5: alive[5]})
    # Nor one after the other: whatever comes second is refused.
    after, shares = company.at(0).unmask(alive, lost)
    assert sorted(shares) == [1, 2, 3, 4, 5, 6, 7, 8, 9]
    for second in ((alive, lost), (lost, alive), ({}, alive), ({5: alive[5]}, {})):
        with pytest.raises(RefusedError, match="but answered unmasked last"):
            after.unmask(*second)


def test_no_phone_takes_part_again_in_a_round_that_it_helped_to_unmask() -> None:
    company = ready()
    after, _ = company.at(0).unmask(*company.asked(0))
    for number in (1, 0):
        with pytest.raises(RefusedError, match="was in round 1, and takes no part in"):
            begun(0, number, 1, Secrets.fresh(), after)
    assert begun(0, 2, 0, Secrets.fresh(), after).stage == "keys"
    assert begun(0, 1, 1, Secrets.fresh(), company.at(0)).attempt == 1  # it has not unmasked anything yet


def test_a_phone_refuses_what_is_out_of_order_or_too_little() -> None:
    company = ready()
    alive, lost = company.asked(0)
    with pytest.raises(RefusedError, match="only 2 neighbours of phone 0 sent updates, fewer than 3"):
        company.at(0).unmask({1: alive[1], 2: alive[2]}, {})
    with pytest.raises(RefusedError, match="shares of phones that it did not mask with"):
        company.at(0).unmask(alive | {0: alive[1]}, {})
    with pytest.raises(RefusedError, match="cannot read its shares of phone 1"):
        company.at(0).unmask(alive | {1: alive[2]}, lost)
    fresh = Company(10, Degree(9, 3))
    with pytest.raises(RefusedError, match="answered keys last"):
        fresh.at(0).mask([1, 2, 3])
    with pytest.raises(RefusedError, match="answered keys last"):
        fresh.at(0).unmask(alive, lost)
    for threshold in (1, 10):
        with pytest.raises(RefusedError, match="9 shares with a threshold of"):
            fresh.at(0).share(fresh.neighbours(0), threshold)
    with pytest.raises(RefusedError, match="given itself"):
        fresh.at(0).share(fresh.neighbours(1), 3)
    fresh.share()
    with pytest.raises(RefusedError, match="only 2 neighbours of phone 0 sent shares, fewer than 3"):
        fresh.at(0).mask([1, 2])
    with pytest.raises(RefusedError, match="not its neighbours"):
        fresh.at(0).mask([1, 2, 3, 17])
    with pytest.raises(RefusedError, match="answered shares last"):
        fresh.at(0).share(fresh.neighbours(0), 3)


def test_a_lost_phone_is_not_uncovered_and_wrong_shares_are_noticed() -> None:
    company = ready()
    shares = {i: company.at(i).unmask(*company.asked(i))[1] for i in company.sent}
    group = company.group()
    assert len(group.masks(shares)) == 9 + 9
    shares[0] = shares[0] | {3: shares[0][5]}
    with pytest.raises(Exception, match="the shares of phone 3 in round 1 do not fit each other"):
        group.masks(shares)
    assert group.enough(frozenset(range(3))) == 0
    assert group.enough(frozenset(company.sent)) is None
    nobody = replace(group, sent=frozenset())
    assert nobody.masks({}) == []


def test_a_state_survives_as_arrays() -> None:
    company = ready()
    for phone in (company.at(0), Company(10, Degree(9, 3)).at(4)):
        assert Phone.of(phone.arrays()) == phone


def test_a_threshold_that_is_not_secret_is_not_taken() -> None:
    found = degree_of(1000, Assumed(0.05, 0.1, 0, 19))
    assert (found.neighbours, found.threshold) == (40, 19)
    with pytest.raises(ValueError, match="no threshold for a group of 1000 phones"):
        degree_of(1000, Assumed(0.05, 0.1, 0, 2))


def test_a_public_key_of_low_order_is_not_usable() -> None:
    assert not usable(bytes(32))
    assert not usable(bytes([1, *bytes(31)]))
    assert usable(Secrets.fresh().public[0])
