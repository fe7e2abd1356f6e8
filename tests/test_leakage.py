"""The leakage check: planted duplicates are found, different faces are not; laws of the search."""

import io
import os
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays
from PIL import Image, ImageEnhance
from support_photo_folders import PAIR, load, write_csv

from fer_models.config import DataConfig, SketchConfig
from fer_models.data import leakage, thumbnails
from fer_models.data.images import ImageTable, load_table
from fer_models.data.leakage import close_pairs, copies, hashes, near_duplicates, shared_subjects
from fer_models.data.thumbnails import look, thumbnail
from fer_models.emotions import EMOTIONS

words = arrays.arrays(np.uint64, st.integers(0, 60), elements=st.integers(0, 2**64 - 1))


pytestmark = pytest.mark.usefixtures("own_cache")


def scene(seed: int, side: int = 96) -> Image.Image:
    """A smooth picture like no other."""
    coarse = np.random.default_rng(seed).integers(30, 200, (7, 7), dtype=np.uint8)
    return Image.fromarray(coarse).resize((side, side), Image.Resampling.BICUBIC)


def saved_again(image: Image.Image, quality: int = 60) -> Image.Image:
    file = io.BytesIO()
    image.save(file, "jpeg", quality=quality)
    return Image.open(file)


def check(table: ImageTable) -> leakage.Leakage:
    return leakage.find_leakage(table)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Twelve scenes of either emotion; the last of fear is one of anger, brighter and saved again."""
    for k, emotion in enumerate(PAIR):
        (tmp_path / emotion).mkdir()
        for i in range(12):
            scene(100 * k + i).save(tmp_path / emotion / f"{i:02d}.png")
    brighter = ImageEnhance.Brightness(scene(2)).enhance(1.1).resize((80, 80))
    saved_again(brighter).save(tmp_path / "fear" / "11.jpg", quality=80)
    os.remove(tmp_path / "fear" / "11.png")
    return tmp_path


def test_a_planted_near_duplicate_is_found_and_nothing_else(folder: Path) -> None:
    table = load(folder)
    leaks = check(table)
    ((first, second),) = leaks.near.tolist()
    assert [Path(table.paths[i]).name for i in (first, second)] == ["02.png", "11.jpg"]
    assert leaks.across.tolist() == [table.split[first] != table.split[second]]
    assert leaks.correlation[0] > 0.99
    assert (leaks.copies, leaks.shared, leaks.more) == ((), (), False)


def test_a_copy_in_another_part_takes_its_near_duplicates_across(folder: Path) -> None:
    original = folder / "anger" / "02.png"
    (folder / "fear" / "copy.png").write_bytes(original.read_bytes())
    table = load(folder)
    files = [os.path.relpath(path, folder) for path in table.paths]
    first, near, copy = (files.index(name) for name in ("anger/02.png", "fear/11.jpg", "fear/copy.png"))
    for parts, expected in (
        ((0, 0, 0), [False]),
        ((0, 0, 2), [True]),
        ((0, 1, 0), [True]),
        ((2, 2, 2), [False]),
    ):
        split = np.zeros(len(table), dtype=np.int8)
        split[[first, near, copy]] = parts
        moved = ImageTable(**(vars(table) | {"split": split}))
        leaks = check(moved)
        assert leaks.copies == ((first, copy),)
        assert leaks.near.tolist() == [[first, near]]
        assert leaks.across.tolist() == expected
        assert leaks.copies_across(split) == ([(first, copy)] if parts[0] != parts[2] else [])


@pytest.mark.parametrize(
    "change",
    [
        lambda image: saved_again(image, 50),
        lambda image: ImageEnhance.Brightness(image).enhance(1.15),
        lambda image: ImageEnhance.Contrast(image).enhance(0.8),
        lambda image: image.resize((48, 48), Image.Resampling.BILINEAR),
        lambda image: image.convert("RGB").resize((300, 300)),
    ],
)
def test_what_counts_as_the_same_photo(change: object) -> None:
    assert callable(change)
    thumbs = np.array([thumbnail(image) for image in (scene(0, 224), change(scene(0, 224)), scene(1, 224))])
    assert near_duplicates(thumbs)[0].tolist() == [[0, 1]]


def test_hashes_by_hand() -> None:
    ramp = np.tile(np.arange(0, 256, 8, dtype=np.uint8), (32, 1))  # grows to the right: odd terms of row 0
    bits = np.unpackbits(hashes(ramp[None]).view(np.uint8)).reshape(8, 8)
    assert bits[0, 0] == 1  # the mean
    assert bits.sum() == 1  # a rising ramp has negative waves, and the median is nought
    falling = np.unpackbits(hashes(ramp[None, :, ::-1]).view(np.uint8)).reshape(8, 8)
    assert np.argwhere(falling).tolist() == [[0, 0], [0, 1], [0, 3], [0, 5], [0, 7]]
    assert hashes(np.full((1, 32, 32), 7, np.uint8)) == hashes(np.full((1, 32, 32), 200, np.uint8))
    assert len(hashes(np.zeros((0, 32, 32), np.uint8))) == 0


def test_blank_photos_are_like_one_another_and_like_no_other() -> None:
    blank = np.full((2, 32, 32), 90, np.uint8)
    spot = blank[:1].copy()
    spot[0, 16, 16] = 91
    pairs, alike, _ = near_duplicates(np.concatenate([blank, spot]))
    assert pairs.tolist() == [[0, 1]]
    assert alike.tolist() == [1.0]


@given(words, st.integers(0, 64))
def test_close_pairs_are_those_of_the_definition(hashed: np.ndarray, bits: int) -> None:
    found = [tuple(pair) for block in close_pairs(hashed, bits) for pair in block.tolist()]
    numbers = hashed.tolist()
    wanted = {
        (i, j) for j in range(len(numbers)) for i in range(j) if (numbers[i] ^ numbers[j]).bit_count() <= bits
    }
    assert set(found) == wanted
    assert len(found) == len(wanted)


def test_close_pairs_beyond_one_block() -> None:
    rng = np.random.default_rng(0)
    hashed = rng.integers(0, 2**63, 9000, dtype=np.uint64)
    planted = [(5, 8999), (63, 64), (100, 8192), (8191, 8192)]
    for i, j in planted:
        hashed[j] = hashed[i] ^ np.uint64(0b111)
    found = {tuple(pair) for block in close_pairs(hashed, 3) for pair in block.tolist()}
    assert found == {*planted[:2], (8191, 8192)}  # the last plant went over the third


def test_so_many_pairs_that_they_are_cut_off(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(leakage, "MOST_PAIRS", 10)
    pairs, alike, more = near_duplicates(np.stack([thumbnail(scene(0))] * 8))
    assert more
    assert pairs.shape == (10, 2)
    assert len(alike) == 10


@given(st.lists(st.tuples(st.sampled_from("abc"), st.integers(0, 2)), max_size=30))
def test_shared_subjects_are_those_of_the_definition(photos: list[tuple[str, int]]) -> None:
    subjects = np.array([name for name, _ in photos], dtype=str)
    split = np.array([part for _, part in photos], dtype=np.int8)
    wanted = sorted({n for n, part in photos if any(n == m and part != other for m, other in photos)})
    assert shared_subjects(subjects, split) == tuple(wanted)
    assert shared_subjects(None, split) == ()


@given(st.lists(st.sampled_from("abcdef"), max_size=12))
def test_groups_of_copies(digests: list[str]) -> None:
    groups = copies(tuple(digests))
    assert sorted(i for group in groups for i in group) == [
        i for i, digest in enumerate(digests) if digests.count(digest) > 1
    ]
    assert all(len({digests[i] for i in group}) == 1 for group in groups)


def test_people_in_two_parts_only_where_the_split_is_by_photo(folder: Path) -> None:
    rows = [[os.path.relpath(path, folder), path.parent.name, f"p{i // 2}"]
            for i, path in enumerate(sorted(folder.rglob("*.*g")))]  # fmt: skip
    write_csv(folder / "labels.csv", [["file", "emotion", "subject"], *rows])
    assert check(load(folder)).shared == ()
    free = load(folder, split_by="photo")
    assert free.subjects is not None
    together = {p for p in free.subjects if len(set(free.split[free.subjects == p].tolist())) > 1}
    assert set(check(free).shared) == together != set()


def test_a_second_look_opens_only_what_is_new(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    opened: list[int] = []
    real = thumbnails._glance
    monkeypatch.setattr(thumbnails, "_glance", lambda table, i: opened.append(i) or real(table, i))
    first = look(load(folder))
    assert len(opened) == 24
    opened.clear()
    again = look(load(folder))
    assert opened == []
    assert all(np.array_equal(a, b) for a, b in zip(first, again, strict=True))
    scene(77).save(folder / "anger" / "03.png")
    look(load(folder))
    assert len(opened) == 1
    (store,) = Path(os.environ["FEDFER_CACHE"], "looks").iterdir()
    for content in (b"", b"no array", store.read_bytes()[:900]):
        store.write_bytes(content)
        assert np.array_equal(look(load(folder)).thumbs[0], first.thumbs[0])


def test_an_interrupted_look_keeps_what_it_saw(folder: Path) -> None:
    def stop(done: int, total: int) -> None:
        seen.append((done, total))
        if done == 10:
            raise KeyboardInterrupt

    seen: list[tuple[int, int]] = []
    table = load(folder)
    with pytest.raises(KeyboardInterrupt):
        look(table, progress=stop)
    assert seen == [(i, 24) for i in range(11)]
    seen.clear()
    look(table, progress=lambda done, total: seen.append((done, total)))
    assert seen == [(i, 24) for i in range(10, 25)]


def test_sizes_and_modes_are_those_of_the_files(folder: Path) -> None:
    scene(5).convert("RGBA").resize((30, 20)).save(folder / "anger" / "odd.png")
    kinds = thumbnails.sizes(look(load(folder)))
    assert kinds == [(96, 96, "L", 23), (30, 20, "RGBA", 1), (80, 80, "L", 1)]


@pytest.mark.slow
def test_drawn_faces_are_all_different() -> None:
    table = load_table(DataConfig(classes=EMOTIONS), SketchConfig(faces=200, subjects=20), seed=0)
    leaks = check(table)
    assert len(leaks.near) == 0
    assert thumbnails.sizes(look(table)) == [(224, 224, "L", 200)]


@pytest.mark.slow
def test_real_faces_of_one_person_are_not_flagged_in_masses(real_faces: Path, tmp_path: Path) -> None:
    table = load(real_faces, classes=("anger", "sadness", "surprise"))
    assert table.subjects is not None
    leaks = check(table)
    _, photos = np.unique(table.subjects, return_counts=True)
    pairs_of_one_person = int((photos * (photos - 1) // 2).sum())
    assert len(leaks.near) < pairs_of_one_person / 1000
    planted = [thumbnail(saved_again(table.reader(i), 40)) for i in range(0, len(table), 10)]
    thumbs = np.concatenate([look(table).thumbs, np.stack(planted)])
    found = {tuple(pair) for pair in near_duplicates(thumbs)[0].tolist()}
    assert {(i, len(table) + k) for k, i in enumerate(range(0, len(table), 10))} <= found
