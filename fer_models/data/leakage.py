"""The leakage check: what would let a model know validation or test photos from training.

Three kinds: copies of a file, near-duplicate photos (saved again, resized, a little brighter), and people in
two parts. Near duplicates are found in two steps. A 64-bit perceptual hash of each thumbnail (which of its
lowest 8x8 cosine terms are above their median: Zauner, Implementation and Benchmarking of Perceptual Image
Hash Functions, 2010) gives the pairs that differ in at most 8 bits; they count as near duplicates if their
thumbnails also correlate by 0.963 or more. Faces resemble one another: the hash alone would flag hundreds of
pairs that are not the same photo. Measurements, and what is not found, are in docs/photos.md.
The pairs do not depend on the split: they are cached per set of photos.
"""

import hashlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from math import cos, pi
from pathlib import Path
from zipfile import BadZipFile

import numpy as np

from fer_models.data.images import ImageTable
from fer_models.data.thumbnails import SIDE, look
from fer_models.machine.cache import cache_dir, whole_file
from fer_models.photos.scan import Progress

BITS = 8  # of 64: most that differ between near duplicates
CORRELATION = 0.963  # least, between their thumbnails
MOST_PAIRS = 100_000  # near duplicates kept: a set with more is not a set of photos

_ROWS, _COLUMNS = 64, 8192  # of a block of the table of distances: 2 MB of the processor's cache
_FORMAT = 1  # of the cache
_FLAT = 1e-6  # standard deviation of a blank thumbnail


@dataclass(frozen=True)
class Leakage:
    """The leaks found. Photos are rows of the table; a pair is "across" if its photos are in two parts."""

    copies: tuple[tuple[int, ...], ...]  # groups of photos with the same bytes, two or more each
    near: np.ndarray  # (k, 2) int64, ascending in each row: near duplicates, copies counting as one photo
    correlation: np.ndarray  # (k,) float32, of each pair's thumbnails
    across: np.ndarray  # (k,) bool, per near pair: the two, or copies of them, are in two parts
    more: bool  # there are more than MOST_PAIRS
    shared: tuple[str, ...]  # subjects in two parts or more

    def copies_across(self, split: np.ndarray) -> list[tuple[int, ...]]:
        """The groups of copies that are in two parts or more."""
        return [group for group in self.copies if len(np.unique(split[list(group)])) > 1]


def find_leakage(table: ImageTable, *, progress: Progress | None = None) -> Leakage:
    """The leaks of a split table; `progress` is called as (photos done, photos)."""
    groups = copies(table.digests)
    parts = np.left_shift(1, table.split.astype(np.int64))  # per photo, as a bit
    kept = np.ones(len(table), dtype=bool)
    for group in groups:
        kept[list(group[1:])] = False
        parts[group[0]] = np.bitwise_or.reduce(parts[list(group)])
    rows = np.flatnonzero(kept)
    pairs, correlation, more = _near_pairs(table, rows, progress)
    near = rows[pairs]
    both = parts[near[:, 0]] | parts[near[:, 1]]
    return Leakage(
        copies=groups,
        near=near,
        correlation=correlation,
        across=(both & (both - 1)) != 0,
        more=more,
        shared=shared_subjects(table.subjects, table.split),
    )


def _near_pairs(
    table: ImageTable, rows: np.ndarray, progress: Progress | None
) -> tuple[np.ndarray, np.ndarray, bool]:
    """The `near_duplicates` of the photos `rows` (n,), cached for the same photos."""
    store = _store([table.digests[row] for row in rows.tolist()])
    if (known := _load(store)) is not None:
        if progress:
            progress(len(table), len(table))
        return known
    found = near_duplicates(look(table, progress=progress).thumbs[rows])
    with whole_file(store) as temporary, temporary.open("wb") as file:
        np.savez(file, pairs=found[0], correlations=found[1], more=found[2])
    return found


def _store(digests: Sequence[str]) -> Path:
    name = f"{_FORMAT} {BITS} {CORRELATION} {MOST_PAIRS} {' '.join(digests)}"
    return cache_dir("looks") / f"near-{hashlib.sha256(name.encode()).hexdigest()[:24]}.npz"


def _load(store: Path) -> tuple[np.ndarray, np.ndarray, bool] | None:
    try:
        with np.load(store) as kept:
            return kept["pairs"], kept["correlations"], bool(kept["more"])
    except (FileNotFoundError, ValueError, EOFError, KeyError, BadZipFile):  # absent or not ours: look again
        return None


def copies(digests: tuple[str, ...]) -> tuple[tuple[int, ...], ...]:
    """Groups of photos with the same digest, in the order of their first photos."""
    found: dict[str, list[int]] = {}
    for i, digest in enumerate(digests):
        found.setdefault(digest, []).append(i)
    return tuple(tuple(group) for group in found.values() if len(group) > 1)


def shared_subjects(subjects: np.ndarray | None, split: np.ndarray) -> tuple[str, ...]:
    """The subjects (n,) str that have photos in two parts (n,) or more, sorted; () if all are unknown."""
    if subjects is None:
        return ()
    names, person = np.unique(subjects, return_inverse=True)
    low, high = np.full(len(names), 127), np.full(len(names), -1)
    np.minimum.at(low, person, split)
    np.maximum.at(high, person, split)
    return tuple(names[low != high].tolist())


def near_duplicates(thumbs: np.ndarray) -> tuple[np.ndarray, np.ndarray, bool]:
    """Pairs (k, 2) int64 of thumbnails (n, 32, 32) uint8 that show the same photo, in order, with their
    correlations (k,) float32, and whether MOST_PAIRS cut them off. Memory grows as n, not as n squared.
    """
    pairs, correlations, total = [np.zeros((0, 2), dtype=np.int64)], [np.zeros(0, dtype=np.float32)], 0
    for candidates in close_pairs(hashes(thumbs), BITS):
        alike = _correlation(thumbs, candidates)
        near = alike >= CORRELATION
        pairs.append(candidates[near])
        correlations.append(alike[near])
        total += int(np.count_nonzero(near))
        if total > MOST_PAIRS:
            break
    every, alike = np.concatenate(pairs), np.concatenate(correlations)
    order = np.lexsort((every[:, 1], every[:, 0]))[:MOST_PAIRS]
    return every[order], alike[order], total > MOST_PAIRS


def hashes(thumbs: np.ndarray) -> np.ndarray:
    """The perceptual hash, (n,) uint64, of thumbnails (n, 32, 32) uint8.

    Bit k says whether cosine term k of the lowest 8x8 is above the median of the 64, so brightness and
    contrast change no bit except perhaps the first.
    """
    waves = np.array(
        [[cos(pi * k * (2 * x + 1) / (2 * SIDE)) for x in range(SIDE)] for k in range(8)], dtype=np.float64
    )
    waves[0] /= 2**0.5
    found = np.empty(len(thumbs), dtype=np.uint64)
    for start in range(0, len(thumbs), 4096):
        terms = waves @ thumbs[start : start + 4096].astype(np.float64) @ waves.T
        terms = np.round(terms.reshape(-1, 64), 3)  # rounding noise becomes zero: a blank photo has none
        bits = terms > np.median(terms, axis=1, keepdims=True)
        found[start : start + 4096] = np.packbits(bits, axis=1).view(np.uint64)[:, 0]
    return found


def close_pairs(hashed: np.ndarray, bits: int) -> Iterator[np.ndarray]:
    """Every pair i < j of hashes (n,) uint64 that differ in at most `bits`, in blocks (k, 2) int64.

    All distances are computed, a block at a time (5 billion for 100,000 photos: about 3 s): hashes of faces
    are clustered, so an index over parts of the hashes would rule out hardly any.
    """
    for top in range(0, len(hashed), _ROWS):
        rows = hashed[top : top + _ROWS, None]
        for left in range(top, len(hashed), _COLUMNS):
            near = np.bitwise_count(rows ^ hashed[left : left + _COLUMNS]) <= bits
            if near.any():
                pairs = np.argwhere(near) + np.array([top, left])
                pairs = pairs[pairs[:, 0] < pairs[:, 1]]
                if len(pairs):
                    yield pairs


def _correlation(thumbs: np.ndarray, pairs: np.ndarray) -> np.ndarray:
    """The correlation (k,) float32 of the thumbnails of each pair; 1 if both are blank, 0 if one is."""
    alike = np.empty(len(pairs), dtype=np.float32)
    for start in range(0, len(pairs), 4096):
        first, second = (
            thumbs[pairs[start : start + 4096, side]].reshape(-1, SIDE * SIDE).astype(np.float32)
            for side in (0, 1)
        )
        first -= first.mean(axis=1, keepdims=True)
        second -= second.mean(axis=1, keepdims=True)
        one, two = (np.sqrt(np.einsum("ij,ij->i", x, x)) for x in (first, second))
        product = np.einsum("ij,ij->i", first, second)
        blank = (one < _FLAT).astype(int) + (two < _FLAT)
        alike[start : start + 4096] = np.where(blank > 0, blank == 2, product / np.maximum(one * two, _FLAT))
    return alike
