"""What several tests share: the folder of real faces, and a cache of their own."""

import os
from pathlib import Path

import pytest


@pytest.fixture(scope="session")
def real_faces() -> Path:
    named = os.environ.get("FEDFER_FACES")
    folder = Path(named) if named else Path(__file__).resolve().parents[2] / "shared" / "faces"
    if not folder.is_dir():
        pytest.skip("no real faces here: set FEDFER_FACES to a folder with one sub-folder per emotion")
    return folder
