"""Reading past the end of a mapped file ends the process with a line; in the block alone."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from support_slow import few_quick

from fer_models.local.phone_rows import PhoneRows

READ = """
import os, sys
from pathlib import Path
import numpy as np
from simulations.run import cut_short

path = Path(sys.argv[1])
values = np.load(path, mmap_mode="r")
with cut_short.told(Path("runs/a run"), path):
    if sys.argv[2] == "inside":
        os.truncate(path, 1000)
    values.sum()
assert "FEDFER_CUT_SHORT" not in os.environ
os.truncate(path, 1000)
values.sum()
"""


@pytest.mark.parametrize("where", few_quick(["inside", "after"]))
def test_the_line_of_a_file_that_is_cut_short(tmp_path: Path, where: str) -> None:
    path = tmp_path / "features.npy"
    np.save(path, np.ones((1000, 100)))
    done = subprocess.run([sys.executable, "-c", READ, path, where], capture_output=True, text=True)
    if where == "after":
        assert done.returncode == -signal.SIGBUS
        return
    assert done.returncode == 1
    assert done.stderr == (
        f"fedfer: {path}, or a file in runs/a run/prepared, was cut short while the run read it; leave"
        " prepared files alone; resume with: fedfer run --resume 'runs/a run'\n"
    )


def test_what_is_too_short_is_not_opened(tmp_path: Path) -> None:
    np.save(tmp_path / "features.npy", np.ones((10, 100), np.float32))
    shards = PhoneRows(np.ones((10, 100)), np.zeros(10, int), np.arange(10), np.array([0, 4, 10]))
    shards.save(tmp_path / "prepared", tmp_path / "features.npy")
    assert PhoneRows.load(tmp_path / "prepared").phones == 2
    os.truncate(tmp_path / "features.npy", 4000)
    with pytest.raises(ValueError, match="greater than file size"):
        PhoneRows.load(tmp_path / "prepared")
