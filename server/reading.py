"""One node's reply, read and checked: everything a phone sends is, before it is added up."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Generic, TypeVar

import numpy as np
from flwr.app import ArrayRecord, Message

from fer_models.linear.statistics import Sums
from fer_models.local.training import Update
from server.replies import Reply

NOT_FINITE, LARGE = "not finite", "too large to be added exactly"
WRONG, _BEYOND = "not of the shape that was asked for", "too large for the bound sent with it"
_SLACK = 1.001  # factor by which rounding may take a sum beyond the bound sent with it

T = TypeVar("T")


class UnsoundError(ValueError):
    """A node's reply cannot be used, for this reason."""


@dataclass(frozen=True)
class Hidden:
    """What a reply of secure aggregation holds instead of its sum: one in a ring for each group."""

    dtype: np.dtype[np.unsignedinteger]  # of the ring
    groups: Mapping[int, int]  # of each phone


@dataclass(frozen=True)
class Expected:
    """What a reply to an order must hold."""

    round: int
    shape: tuple[int, ...]  # of an update
    epochs: int
    reach_limit: float  # of one phone's update
    classes: int
    each: list[str]  # arrays with one row per phone
    own: list[str]
    metrics: bool  # whether transforms measured something; the names are theirs
    clip: float = 0.0  # of every update; 0: none
    hidden: "Hidden | None" = None  # how updates are summed if the reply does not hold their sum


@dataclass(frozen=True)
class Read(Generic[T]):
    """What a node sent, and for which of its phones."""

    found: T
    phones: np.ndarray  # (k,) int64, the phones included
    large: np.ndarray  # (j,) int64, phones left out because their updates are too large


def read_sums(
    reply: Message,
    share: np.ndarray,
    sizes: np.ndarray,
    kind: type[Sums],
    shapes: Mapping[str, tuple[int, int]],
) -> Read[Sums]:
    """The sums that a node sent for the phones `share`; UnsoundError if they cannot be used."""
    record, views = reply.content.array_records["sums"], reply.content.metric_records["counts"]["views"]
    arrays, phones = {name: record[name].numpy() for name in shapes}, record["phones"].numpy()
    phones = _some_of(share, phones)
    if any(arrays[name].shape != shape for name, shape in shapes.items()) or views != sizes[phones].sum():
        raise UnsoundError(WRONG)
    if not all(np.isfinite(array).all() for array in arrays.values()):
        raise UnsoundError(NOT_FINITE)
    if (sums := kind(**arrays)).n != views:
        raise UnsoundError(WRONG)
    return Read(sums, phones, phones[:0])


def read_vector(
    reply: Message, share: np.ndarray, sizes: np.ndarray, numbers: int, clip: float
) -> Read[Update]:
    """The sum of bounded vectors that a node sent for the phones `share`; UnsoundError if unusable."""
    record, counts = reply.content.array_records["sums"], reply.content.metric_records["counts"]
    total, phones = record["total"].numpy(), _some_of(share, record["phones"].numpy())
    within, views = int(counts["within"]), int(sizes[phones].sum())  # type: ignore[arg-type]
    if total.shape != (1, numbers) or total.dtype.kind != "f" or not 0 <= within <= len(phones):
        raise UnsoundError(WRONG)
    if not np.isfinite(total).all():
        raise UnsoundError(NOT_FINITE)
    reach = clip * len(phones)
    if np.abs(total).max(initial=0.0) > _SLACK * (reach + 1):
        raise UnsoundError(_BEYOND)
    return Read(Update(total, views, views, len(phones), 0.0, reach, within), phones, phones[:0])


def read_update(
    reply: Message, share: np.ndarray, numbers: tuple[np.ndarray, np.ndarray], expected: Expected
) -> Read[Reply]:
    """What a node sent for `share`, the phones assigned to it; UnsoundError if it cannot be used.

    `numbers`: the views of each phone of the population, and what it counts.
    """
    arrays, counts = reply.content.array_records["update"], reply.content.metric_records["counts"]
    total = np.zeros(expected.shape) if expected.hidden else arrays["total"].numpy()
    phones = _some_of(share, arrays["phones"].numpy())
    large = phones[:0]
    if "large" in arrays:
        large = _some_of(np.setdiff1d(share, phones), arrays["large"].numpy())
    views, photos, number = (int(counts[name]) for name in ("views", "photos", "phones"))  # type: ignore[arg-type]
    loss, reach = (float(counts[name]) for name in ("loss", "reach"))  # type: ignore[arg-type]
    within = int(counts["within"]) if expected.clip else 0  # type: ignore[arg-type]
    processed, counted = (int(each[phones].sum()) for each in numbers)
    consistent = (number, views, photos) == (len(phones), counted, processed * expected.epochs)
    if total.shape != expected.shape or total.dtype.kind != "f" or not consistent or within > number:
        raise UnsoundError(WRONG)
    if not (np.isfinite(total).all() and np.isfinite([loss, reach]).all()):
        raise UnsoundError(NOT_FINITE)
    if np.abs(total).max() > _SLACK * (reach + 1):
        raise UnsoundError(_BEYOND)
    if len(share) == 1 and reach >= expected.reach_limit:
        raise UnsoundError(LARGE)
    shapes = expected.shape, (expected.classes,), ()
    records, rows = reply.content.array_records, dict[str, dict[str, np.ndarray]]()
    for record, names in (("each", expected.each), ("own", expected.own)):
        rows[record] = _rows(records[record], phones, shapes) if names else {}
        if sorted(rows[record]) != sorted(names):
            raise UnsoundError(WRONG)
    metrics = _rows(records["metrics"], phones, shapes) if expected.metrics else {}
    update = Update(total.astype(np.float64, copy=False), views, photos, number, loss, reach, within)
    rounds = np.full(len(phones), expected.round)
    rings = _rings(records["rings"], phones, expected.hidden, total.size) if expected.hidden else {}
    return Read(Reply(rounds, phones, update, rows["each"], rows["own"], metrics, rings), phones, large)


def read_rows(
    reply: Message, share: np.ndarray, shapes: Mapping[str, tuple[int, ...]]
) -> Read[dict[str, np.ndarray]]:
    """Bytes of each phone in a step of secure aggregation, (k, ...) uint8 by name; `shapes`: of one phone's.

    UnsoundError unless they are there for all phones of `share`.
    """
    record = reply.content.array_records["circle"]
    phones, arrays = record["phones"].numpy(), {name: record[name].numpy() for name in shapes}
    right = all(a.dtype == np.uint8 and a.shape == (len(share), *shapes[name]) for name, a in arrays.items())
    if not right or not np.array_equal(phones, share):
        raise UnsoundError(WRONG)
    return Read(arrays, share, share[:0])


def _rings(record: ArrayRecord, phones: np.ndarray, hidden: Hidden, size: int) -> dict[str, np.ndarray]:
    """The elements of the ring, (size,) each, one for each group of these phones."""
    found = {group: array.numpy() for group, array in record.items()}
    if set(found) != {str(hidden.groups[phone]) for phone in phones.tolist()}:
        raise UnsoundError(WRONG)
    if any(array.dtype != hidden.dtype or array.shape != (size,) for array in found.values()):
        raise UnsoundError(WRONG)
    return found


def _some_of(share: np.ndarray, phones: np.ndarray) -> np.ndarray:
    """`phones`, which must be a subset of `share`, sorted, without duplicates."""
    if not np.isin(phones, share).all() or (np.diff(phones) <= 0).any():
        raise UnsoundError(WRONG)
    return phones


def _rows(
    record: ArrayRecord, phones: np.ndarray, shapes: tuple[tuple[int, ...], ...]
) -> dict[str, np.ndarray]:
    """The arrays of a record, reordered to one row per phone of `phones` (k,), each of one of `shapes`."""
    found, arrays = record["phones"].numpy(), {}
    place = np.searchsorted(found, phones)
    if not np.array_equal(found[np.minimum(place, len(found) - 1)] if len(found) else found, phones):
        raise UnsoundError(WRONG)
    for name in set(record) - {"phones"}:
        values = record[name].numpy()
        if len(values) != len(found) or values.shape[1:] not in shapes:
            raise UnsoundError(WRONG)
        if not np.isfinite(values := values[place]).all():
            raise UnsoundError(NOT_FINITE)
        arrays[name] = values
    return arrays
