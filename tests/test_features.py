"""The feature matrix: its rows, its key, and what becomes of it when a computation is cut off."""

import multiprocessing
import os
import resource
import signal
import threading
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from support_slow import few_quick

from fer_models.data.augment import ViewPlan, view_pixels
from fer_models.data.images import ImageTable
from fer_models.encoders.backbone import FEATURES, Encoder, load
from fer_models.encoders.encoder import GrayPixels, gray
from fer_models.encoders.weights import find
from fer_models.errors import RunError
from fer_models.features import BATCH, extract, key, seconds
from fer_models.machine.code import with_imports

SIZE = 32
PHOTOS = 100


@pytest.fixture(scope="module")
def encoder(tmp_path_factory: pytest.TempPathFactory) -> Encoder:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("FEDFER_CACHE", str(tmp_path_factory.mktemp("encoder")))
        return load(find("random"), threads=2)


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("FEDFER_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache" / "features"


class Reader:
    """Draws photo i, every fifth in colour; remembers which were read; `at` happens when photo i is."""

    def __init__(self, at: dict[int, Callable[[], None]] | None = None, seconds: float = 0.0) -> None:
        self.read: list[int] = []
        self.at = at or {}
        self.seconds = seconds

    def __call__(self, photo: int, least: int = 0) -> Image.Image:
        self.read.append(photo)
        self.at.get(photo, lambda: None)()
        time.sleep(self.seconds)
        shape = (40, 40, 3) if photo % 5 == 0 else (40, 40)
        return Image.fromarray(np.random.default_rng(photo).integers(0, 256, shape, dtype=np.uint8))


def table_of(reader: Reader, n: int = PHOTOS) -> ImageTable:
    return ImageTable(
        source="drawn",
        classes=("a", "b"),
        paths=tuple(f"drawn/{i}" for i in range(n)),
        labels=np.arange(n) % 2,
        subjects=None,
        split=np.zeros(n, np.int8),
        digests=tuple(f"digest {i}" for i in range(n)),
        unreadable=(),
        reader=reader,
    )


PLAN = ViewPlan(np.repeat(np.arange(PHOTOS), 2)[:-3], np.tile([0, 1], PHOTOS)[:-3])
TOTAL = len(PLAN)  # 197: not a multiple of the batch


def no_thread_left() -> bool:
    """Whether they end, for which a busy machine needs a moment."""
    deadline = time.monotonic() + 2
    while (left := at_work()) and time.monotonic() < deadline:
        time.sleep(0.01)
    return not left


def at_work() -> list[threading.Thread]:
    return [t for t in threading.enumerate() if t.name.startswith(("photos", "encoder"))]


@pytest.mark.slow
def test_rows_are_the_views_of_the_plan_in_its_order(encoder: Encoder, cache: Path) -> None:
    table = table_of(Reader())
    path = extract(table, PLAN, encoder, SIZE, seed=3)
    rows = np.load(path, mmap_mode="r")
    assert path.parent == cache
    assert rows.shape == (TOTAL, FEATURES)
    assert rows.dtype == np.float32
    for row in (0, 1, 5, 31, 32, 33, 100, TOTAL - 1):
        photo, view = int(PLAN.photos[row]), int(PLAN.views[row])
        pixels = view_pixels(table, photo, view, SIZE, seed=3)
        np.testing.assert_array_equal(rows[row], encoder(pixels[None])[0])
    assert sorted(file.suffix for file in cache.iterdir()) == [".lock", ".npy", ".seal", ".seconds"]
    assert no_thread_left()


def test_rows_of_any_shape_and_type(cache: Path) -> None:
    table = table_of(Reader())
    path = extract(table, PLAN, GrayPixels(), SIZE, seed=3)
    rows = np.load(path, mmap_mode="r")
    assert (rows.shape, rows.dtype) == ((TOTAL, 1, SIZE, SIZE), np.dtype(np.uint8))
    first = view_pixels(table, 0, 0, SIZE, seed=3)
    assert len(first) == 3  # in colour
    np.testing.assert_array_equal(rows[0], gray(first[None])[0])
    np.testing.assert_array_equal(rows[2], view_pixels(table, 1, 0, SIZE, seed=3))


def test_progress_counts_rows_up_to_the_whole(encoder: Encoder) -> None:
    seen: list[tuple[int, int]] = []
    extract(table_of(Reader()), PLAN, encoder, SIZE, seed=0, progress=lambda *step: seen.append(step))
    done = [step[0] for step in seen]
    assert done == sorted(done)
    assert (done[0], done[1], done[-1]) == (0, BATCH, TOTAL)
    assert {step[1] for step in seen} == {TOTAL}


def test_the_second_time_no_photo_is_read(encoder: Encoder) -> None:
    first = extract(table_of(Reader()), PLAN, encoder, SIZE, seed=0)
    reader = Reader()
    seen: list[tuple[int, int]] = []
    took = seconds(first)
    again = extract(table_of(reader), PLAN, encoder, SIZE, seed=0, progress=lambda *step: seen.append(step))
    assert (again, reader.read, seen) == (first, [], [(TOTAL, TOTAL)])
    assert seconds(again) == took


def test_how_long_it_took_is_known_afterwards_and_scaled_up_after_a_break(
    cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A clock on which encoding a row takes a second."""
    clock, gray_pixels = [0.0], GrayPixels()

    class Slow:
        key = "slow"

        def __call__(self, images: np.ndarray) -> np.ndarray:
            clock[0] += len(images)
            return gray_pixels(images)

    monkeypatch.setattr("time.perf_counter", lambda: clock[0])
    path = extract(table_of(Reader()), PLAN, Slow(), SIZE, seed=0)
    assert seconds(path) == pytest.approx(TOTAL)
    for file in cache.iterdir():
        file.unlink()
    assert seconds(path) is None
    with pytest.raises(CutOffError):
        extract(table_of(Reader({98: cut})), PLAN, Slow(), SIZE, seed=0)
    assert seconds(extract(table_of(Reader()), PLAN, Slow(), SIZE, seed=0)) == pytest.approx(TOTAL)


def test_the_key_holds_all_that_shapes_the_rows_and_nothing_else(encoder: Encoder) -> None:
    table = table_of(Reader())
    one = key(table, PLAN, encoder, SIZE, seed=0)
    elsewhere = replace(table, paths=tuple(f"moved/{i}" for i in range(PHOTOS)), source="moved")
    relabelled = replace(table, labels=1 - table.labels, split=table.split + 1, classes=("c", "d"))
    more = replace(encoder, threads=7)
    assert one == key(elsewhere, PLAN, encoder, SIZE, seed=0) == key(relabelled, PLAN, more, SIZE, seed=0)
    other_photo = replace(table, digests=("other", *table.digests[1:]))
    order = ViewPlan(PLAN.photos[::-1], PLAN.views[::-1])
    views = ViewPlan(PLAN.photos, PLAN.views + 1)
    others = [
        key(other_photo, PLAN, encoder, SIZE, seed=0),
        key(table, order, encoder, SIZE, seed=0),
        key(table, views, encoder, SIZE, seed=0),
        key(table, ViewPlan(PLAN.photos[:-1], PLAN.views[:-1]), encoder, SIZE, seed=0),
        key(table, PLAN, replace(encoder, key="other"), SIZE, seed=0),
        key(table, PLAN, encoder, SIZE + 1, seed=0),
        key(table, PLAN, encoder, SIZE, seed=1),
        key(replace(table, source="sketch"), PLAN, encoder, SIZE, seed=0),
    ]
    assert len({one, *others}) == 1 + len(others)


def test_the_seed_matters_only_where_views_are_drawn(encoder: Encoder) -> None:
    table = table_of(Reader())
    plain = ViewPlan(PLAN.photos, np.zeros_like(PLAN.views))
    assert key(table, plain, encoder, SIZE, seed=0) == key(table, plain, encoder, SIZE, seed=1)


def test_the_key_of_drawn_faces_holds_all_the_code_that_draws() -> None:
    modules = {name.rpartition(".")[2] for name in with_imports("fer_models.sketch.faces")}
    assert {"faces", "expression", "identity", "seeding", "drawing", "render"} <= modules
    assert not {"features", "heads", "training"} & modules


class CutOffError(Exception):
    pass


def cut() -> None:
    raise CutOffError


@pytest.mark.parametrize("photo", few_quick([0, 16, 70, 98], 16))
def test_a_computation_that_was_cut_off_goes_on_to_the_same_bits(
    photo: int, encoder: Encoder, cache: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    with pytest.raises(CutOffError):
        extract(table_of(Reader({photo: cut})), PLAN, encoder, SIZE, seed=0)
    assert no_thread_left()
    assert not list(cache.glob("*.npy"))
    reader = Reader()
    seen: list[int] = []
    path = extract(table_of(reader), PLAN, encoder, SIZE, seed=0, progress=lambda done, _: seen.append(done))
    assert seen[0] % BATCH == 0
    assert min(reader.read) == seen[0] // 2
    if photo >= 70:
        assert seen[0] >= BATCH
    assert not list(cache.glob("*.partial"))
    monkeypatch.setenv("FEDFER_CACHE", str(tmp_path / "fresh"))
    whole = extract(table_of(Reader()), PLAN, encoder, SIZE, seed=0)
    assert path.name == whole.name
    assert path.read_bytes() == whole.read_bytes()


@pytest.mark.parametrize(
    "damage",
    few_quick(["torn row", "zeros in the last batch", "no header", "other header", "empty"], "torn row"),
)
def test_an_unfinished_file_is_used_only_as_far_as_it_is_sound(
    damage: str, encoder: Encoder, cache: Path
) -> None:
    whole = extract(table_of(Reader()), PLAN, encoder, SIZE, seed=0)
    content = whole.read_bytes()
    header = len(content) - TOTAL * FEATURES * 4
    batch = BATCH * FEATURES * 4
    left = {
        "torn row": content[: header + 3 * batch + 1000],
        "zeros in the last batch": content[: header + 2 * batch] + bytes(batch),
        "no header": bytes(header) + content[header : header + 3 * batch],
        "other header": content[:header].replace(b"197", b"196") + content[header : header + 3 * batch],
        "empty": b"",
    }[damage]
    whole.with_suffix(".partial").write_bytes(left)
    whole.unlink()
    reader = Reader()
    assert extract(table_of(reader), PLAN, encoder, SIZE, seed=0).read_bytes() == content
    assert min(reader.read) == (BATCH if damage in ("torn row", "zeros in the last batch") else 0)


@pytest.mark.parametrize("damage", few_quick(["short", "long", "header"], "header"))
def test_a_damaged_matrix_is_computed_again(damage: str, encoder: Encoder) -> None:
    path = extract(table_of(Reader()), PLAN, encoder, SIZE, seed=0)
    content = path.read_bytes()
    path.write_bytes(
        {"short": content[:-4], "long": content + b"1234", "header": b"\0" + content[1:]}[damage]
    )
    assert extract(table_of(Reader()), PLAN, encoder, SIZE, seed=0).read_bytes() == content


def test_ctrl_c_stops_promptly_and_leaves_no_thread(encoder: Encoder, cache: Path) -> None:
    reader = Reader(seconds=0.02)  # 0.6 s a batch
    pressed: list[float] = []

    def press() -> None:
        pressed.append(time.monotonic())
        os.kill(os.getpid(), signal.SIGINT)

    timer = threading.Timer(0.9, press)
    timer.start()
    with pytest.raises(KeyboardInterrupt):
        extract(table_of(reader), PLAN, encoder, SIZE, seed=0)
    assert time.monotonic() - pressed[0] < 1.0
    timer.join()
    assert no_thread_left()
    assert not list(cache.glob("*.npy"))


def test_a_full_disk_is_one_plain_line_and_loses_nothing(encoder: Encoder, cache: Path) -> None:
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    handler = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (100 * FEATURES * 4, limits[1]))  # 100 rows
    try:
        with pytest.raises(
            RunError, match=r"could not be written to the cache \(File too large\); free some"
        ) as caught:
            extract(table_of(Reader()), PLAN, encoder, SIZE, seed=0)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
        signal.signal(signal.SIGXFSZ, handler)
    assert "\n" not in str(caught.value)
    assert not list(cache.glob("*.npy"))
    reader = Reader()
    extract(table_of(reader), PLAN, encoder, SIZE, seed=0)
    assert min(reader.read) > 0


def test_a_cache_that_cannot_be_written_is_a_plain_error(
    encoder: Encoder, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "file").write_text("not a folder")
    monkeypatch.setenv("FEDFER_CACHE", str(tmp_path / "file"))
    with pytest.raises(RunError, match=r"Not a directory: .*/file/features"):
        extract(table_of(Reader()), PLAN, encoder, SIZE, seed=0)


def _in_another_process(log: Path) -> None:
    """Computes the matrix with its own encoder; writes down how many photos it read."""
    reader = Reader(seconds=0.005)
    path = extract(table_of(reader), PLAN, load(find("random"), threads=1), SIZE, seed=0)
    log.write_text(f"{len(reader.read)} {path}")


@pytest.mark.slow
def test_two_processes_compute_one_matrix_once(tmp_path: Path, encoder: Encoder) -> None:
    context = multiprocessing.get_context("spawn")
    logs = [tmp_path / "one", tmp_path / "two"]
    load(encoder.weights)  # keeps the graph in this test's cache
    workers = [context.Process(target=_in_another_process, args=(log,)) for log in logs]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join(120)
        assert worker.exitcode == 0
    (one, path), (two, other) = (log.read_text().split() for log in logs)
    assert path == other
    assert sorted((int(one), int(two)))[0] == 0
    rows = np.load(path)
    assert rows.shape == (TOTAL, FEATURES)
    assert Path(path) == extract(table_of(Reader()), PLAN, encoder, SIZE, seed=0)


def test_a_waiting_run_sees_how_far_the_other_is(encoder: Encoder) -> None:
    """The first run is held up at a photo until the second has been seen waiting."""
    begun, waiting = threading.Event(), threading.Event()
    seen: list[int] = []

    def hold() -> None:
        assert waiting.wait(30)

    def note(done: int, total: int) -> None:
        if done >= BATCH:
            begun.set()

    first = threading.Thread(
        target=extract,
        args=(table_of(Reader({70: hold})), PLAN, encoder, SIZE),
        kwargs={"seed": 0, "progress": note},
    )
    first.start()
    assert begun.wait(30)

    def progress(done: int, total: int) -> None:
        seen.append(done)
        waiting.set()

    reader = Reader()
    path = extract(table_of(reader), PLAN, encoder, SIZE, seed=0, progress=progress)
    first.join()
    assert reader.read == []
    assert seen[0] >= BATCH
    assert seen[-1] == TOTAL
    assert np.load(path).shape == (TOTAL, FEATURES)
