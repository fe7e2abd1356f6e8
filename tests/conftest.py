"""What several tests share: the folder of real faces, and a cache of their own."""

import os
import signal
from pathlib import Path

import pytest
from support_commands import settings, started
from support_photo_folders import make_folder

from fer_models.cache import cache_path
from fer_models.quiet import hush
from simulations.engines.interrupt import SIGNALS

hush()  # nor do the tests send or look up anything
# Compiled once for all tests, and before any of them imports numba: their own caches begin empty.
os.environ.setdefault("NUMBA_CACHE_DIR", str(cache_path("numba")))


def pytest_configure() -> None:
    """Commands that the tests start must heed Ctrl-C, even where the tests run in the background.

    A shell has what it starts there ignore it, and what is ignored stays so in every process below.
    """
    for number in SIGNALS:
        if signal.getsignal(number) is signal.SIG_IGN:
            signal.signal(number, signal.default_int_handler if number == signal.SIGINT else signal.SIG_DFL)


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
def run_cache(tmp_path_factory: pytest.TempPathFactory) -> str:
    """The cache that the small runs of a test session share."""
    return str(tmp_path_factory.mktemp("cache"))


@pytest.fixture(scope="session")
def whole_run(tmp_path_factory: pytest.TempPathFactory, run_cache: str) -> Path:
    """The folder of a small run, from beginning to end through the real command."""
    home = tmp_path_factory.mktemp("whole")
    run = started("run", *settings(), "--out", "run", cwd=home, FEDFER_CACHE=run_cache)
    done = run.wait()
    assert (done.code, done.err) == (0, ""), done
    assert run.left() == []
    return home / "run"
