"""What several tests share: the folder of real faces, and a cache of their own."""

import gc
import os
import shutil
import signal
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import hypothesis
import pytest
import support_compiled
import support_forks
from support_commands import LONG, Here, fedfer, fresh_started, settings
from support_once import Once
from support_photo_folders import make_folder

from fer_models.encoders import backbone, weights
from fer_models.machine.cache import cache_path
from fer_models.machine.quiet import hush
from simulations.engines.interrupt import SIGNALS

if TYPE_CHECKING:
    from fer_models.local.phone_rows import PhoneRows

WORKER = os.environ.get("PYTEST_XDIST_WORKER", "")

# Hundreds of processes import the same sources: compiled once, and no core waits busily for another's work.
os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
sys.dont_write_bytecode = False
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
# Ray's workers get their turn on a busy machine: its default, 15, is as good as none.
os.environ.setdefault("RAY_worker_niceness", "0")

# Time limits of single examples say more about what else the machine does. `make test` tries hypothesis's
# usual 100 examples of a law, the quick tests alone a few.
hypothesis.settings.register_profile("whole", deadline=None)
hypothesis.settings.register_profile("quick", deadline=None, max_examples=25)

# No test pulls the plug: what is written need not be on the disk before the next line.
os.fsync = lambda descriptor: None

hush()  # nor do the tests send or look up anything
# Compiled once for all tests, and before any of them imports numba: their own caches begin empty.
os.environ.setdefault("NUMBA_CACHE_DIR", str(cache_path("numba")))
os.environ.setdefault("MPLCONFIGDIR", str(cache_path("matplotlib")))


def pytest_configure(config: pytest.Config) -> None:
    """Commands that the tests start must heed Ctrl-C, even where the tests run in the background.

    A shell has what it starts there ignore it, and what is ignored stays so in every process below.
    """
    for number in SIGNALS:
        if signal.getsignal(number) is signal.SIG_IGN:
            signal.signal(number, signal.default_int_handler if number == signal.SIGINT else signal.SIG_DFL)
    gc.disable()  # while hundreds of modules are imported, none of which becomes garbage
    hypothesis.settings.load_profile("quick" if config.option.markexpr == "not slow" else "whole")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Each of two processes begins with half of the slow tests: quick ones are left for the end, so that both
    end together.
    """
    if WORKER:
        slow = [item for item in items if item.get_closest_marker("slow")]
        quick = [item for item in items if not item.get_closest_marker("slow")]
        halves = [(group[: len(group) // 2], group[len(group) // 2 :]) for group in (slow, quick)]
        items[:] = [item for parts in zip(*halves, strict=True) for part in parts for item in part]


def pytest_collection_finish() -> None:
    """What is loaded by now stays: Flower has all of it searched for garbage with every message it reads."""
    gc.collect()
    gc.freeze()
    gc.enable()


def pytest_unconfigure() -> None:
    gc.unfreeze()


@pytest.fixture(scope="session")
def real_faces() -> Path:
    named = os.environ.get("FEDFER_FACES")
    folder = Path(named) if named else Path(__file__).resolve().parents[2] / "shared" / "faces"
    if not folder.is_dir():
        pytest.skip("no real faces here: set FEDFER_FACES to a folder with one sub-folder per emotion")
    return folder


@pytest.fixture
def own_cache(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> None:
    """An empty cache for one test."""
    monkeypatch.setenv("FEDFER_CACHE", str(tmp_path_factory.mktemp("cache")))


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Twelve different photos of anger and twelve of fear; some files have a folder of their own."""
    return make_folder(tmp_path / "faces")


@pytest.fixture(scope="session")
def once(tmp_path_factory: pytest.TempPathFactory) -> Once:
    root = tmp_path_factory.getbasetemp()
    return Once(root.parent if WORKER else root)


@pytest.fixture(scope="session", autouse=True)
def timed() -> None:
    """A run measures how long its model takes for a photo: of two photos, here and in all forks."""
    support_forks.time_few_photos()


@pytest.fixture(scope="session", autouse=True)
def compiled(once: Once) -> None:
    """Two processes that share out the tests begin with one part each, instead of both compiling both."""
    if WORKER:
        parts = [support_compiled.kernel, support_compiled.drawing]
        for part in parts if WORKER.endswith(tuple("02468")) else reversed(parts):
            once(part.__name__, lambda home, part=part: part())


@pytest.fixture(scope="session")
def run_cache(once: Once, encoders: Path, tmp_path_factory: pytest.TempPathFactory) -> str:
    """The cache that the small runs of a test process share; it begins with what the smallest one needs."""

    def make(home: Path) -> None:
        from simulations.experiment import load
        from simulations.world.prepare import survey

        shutil.copytree(encoders, home, dirs_exist_ok=True)
        with pytest.MonkeyPatch.context() as patch:
            patch.setenv("FEDFER_CACHE", str(home))
            survey(load("quickstart", settings=settings()[1::2])[1], no_step).prepare(no_step)

    return str(shutil.copytree(once("cache", make), tmp_path_factory.mktemp("runs") / "cache"))


def no_step(done: int, total: int, **facts: str) -> None:
    """Progress that nobody watches."""


@pytest.fixture(scope="session")
def encoders(once: Once) -> Path:
    """A cache that holds the encoder of random weights and nothing else, to begin another cache with."""

    def make(home: Path) -> None:
        with pytest.MonkeyPatch.context() as patch:
            patch.setenv("FEDFER_CACHE", str(home))
            backbone.load(weights.find("random"))

    return once("encoders", make)


@pytest.fixture
def own_encoders(own_cache: None, encoders: Path) -> None:
    """A cache for one test that holds the encoder of random weights and nothing else."""
    shutil.copytree(encoders, os.environ["FEDFER_CACHE"], dirs_exist_ok=True)


@pytest.fixture
def here(
    tmp_path: Path, run_cache: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture
) -> Here:
    """Commands in this process, in a folder of the test's own, with the cache of the small runs."""
    monkeypatch.setenv("FEDFER_CACHE", run_cache)
    return Here(tmp_path, monkeypatch, capsys)


@pytest.fixture(scope="session")
def whole_run(once: Once, run_cache: str) -> Path:
    """The folder of a small run, from beginning to end through the real command."""

    def make(home: Path) -> None:
        run = fresh_started("run", *settings(), "--out", "run", cwd=home, FEDFER_CACHE=run_cache)
        done = run.wait()
        assert (done.code, done.err) == (0, ""), done
        assert run.left() == []

    return once("whole", make) / "run"


@pytest.fixture(scope="session")
def short_run(once: Once, run_cache: str) -> Path:
    """The folder of the small run cut to two rounds, without its baseline, in one process."""
    return once("short", lambda home: alone(home, run_cache, federation__rounds=2)) / "run"


@pytest.fixture(scope="session")
def long_run(once: Once, run_cache: str) -> Path:
    """The folder of a run of LONG, without its baseline, in one process."""
    return once("long", lambda home: alone(home, run_cache, **LONG)) / "run"


def alone(home: Path, cache: str, **changes: object) -> None:
    """A run in one process."""
    words = [*settings(**changes, federation__engine="process"), "--no-baseline", "--out", "run"]
    done = fedfer("run", *words, cwd=home, FEDFER_CACHE=cache)
    assert (done.code, done.err) == (0, ""), done


@pytest.fixture
def shards(tmp_path: Path) -> "PhoneRows":
    """Phones with drawn rows, as prepared files in the test's folder."""
    import numpy as np
    from support_reference import make_shards
    from support_rounds import SIZES

    made = make_shards(SIZES)
    np.save(tmp_path / "features.npy", made.features)
    made.save(tmp_path, tmp_path / "features.npy")
    return made
