"""A worker that is stopped, as one that hangs, is given up; the run ends with the same bytes."""

import os
import signal
from pathlib import Path

import pytest
from support_commands import LONG, fedfer, settings, started, wait_for_rounds
from support_once import Once
from support_same import assert_same

pytestmark = pytest.mark.slow

ASKED = LONG | {"federation__rounds": 15, "evaluation__every": 15}


@pytest.fixture
def whole(once: Once, run_cache: str) -> Path:
    """The folder of the run in which no worker is stopped."""

    def make(home: Path) -> None:
        asked = settings(**ASKED, federation__engine="process")
        done = fedfer("run", *asked, "--no-baseline", "--out", "run", cwd=home, FEDFER_CACHE=run_cache)
        assert (done.code, done.err) == (0, "")

    return once("nobody-hangs", make) / "run"


@pytest.mark.parametrize("engine", ["ray", "flower"])
def test_a_worker_that_is_stopped_costs_patience_and_no_bit(
    whole: Path, run_cache: str, tmp_path: Path, engine: str
) -> None:
    asked = settings(**ASKED, federation__engine=engine, federation__patience=2)
    run = started("run", *asked, "--no-baseline", "--out", "run", cwd=tmp_path, FEDFER_CACHE=run_cache)
    run.processes()  # imports what looks at processes, before it must be quick
    wait_for_rounds(tmp_path / "run", 1)
    workers = run.workers()
    assert len(workers) == 2
    os.kill(workers[0], signal.SIGSTOP)
    done = run.wait()
    assert (done.code, done.err) == (0, "")
    assert run.left() == []
    assert_same(tmp_path / "run", whole)
    log = (tmp_path / "run" / "logs" / "flower.log").read_text()
    assert "1 nodes failed: it gave no answer within 2 s (federation.patience)" in log
