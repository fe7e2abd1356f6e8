"""What several tests share: the folder of real faces, and a cache of their own."""

import os
from pathlib import Path

import pytest
from commands import settings, started

from fer_models.cache import cache_path

# Compiled once for all tests, and before any of them imports numba: their own caches begin empty.
os.environ.setdefault("NUMBA_CACHE_DIR", str(cache_path("numba")))


@pytest.fixture(scope="session")
def real_faces() -> Path:
    named = os.environ.get("FEDFER_FACES")
    folder = Path(named) if named else Path(__file__).resolve().parents[2] / "shared" / "faces"
    if not folder.is_dir():
        pytest.skip("no real faces here: set FEDFER_FACES to a folder with one sub-folder per emotion")
    return folder


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
