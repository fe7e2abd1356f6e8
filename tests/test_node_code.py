"""A node has the server's code whenever it is given work, also one that comes in the place of a lost one."""

import os
import signal
import sys
from pathlib import Path

import numpy as np
import pytest
from flwr.app import ConfigRecord, Context, Message
from flwr.common import Error
from support_checkout import other_checkout
from support_commands import Running, settings, wait_for_rounds
from support_local_grid import LocalGrid
from support_reference import make_shards
from support_rounds import SIZES, head_bytes, run

from clients.app import app
from fer_models.errors import RunError
from fer_models.machine import code

CHANGED = "has other code than the server, in .*: it changed since the run began"


def test_code_is_compared_by_a_digest_of_all_of_it(monkeypatch: pytest.MonkeyPatch) -> None:
    code.check_node(code.node_digest())
    code.check_node("")
    with pytest.raises(RunError, match=CHANGED):
        code.check_node("0" * 16)
    digests = []
    for number in ("1.0", "2.0"):
        monkeypatch.setattr(code, "installed", lambda library, number=number: number)
        code._node_digest.cache_clear()
        digests.append(code.node_digest())
    code._node_digest.cache_clear()
    assert digests[0] != digests[1]


def test_a_node_that_came_with_other_code_is_given_no_work(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shards = make_shards(SIZES)
    np.save(tmp_path / "features.npy", shards.features)
    shards.save(tmp_path, tmp_path / "features.npy")
    whole = run(tmp_path, shards)
    anew, refused = list[int](), list[str]()

    def replaced(message: Message, context: Context) -> Message:
        """The first node that is given work has come anew, from another checkout."""
        node, kind = message.metadata.dst_node_id, message.metadata.message_type
        if kind == "train" and not anew:
            anew.append(node)
        if kind == "train" and node in anew:
            order = message.content.config_records["order"]
            message.content["order"] = ConfigRecord({**order, "code": "that of its server"})
            try:
                return app(message, context)
            except RunError as error:
                refused.append(str(error))
                return Message(Error(code=2, reason=str(error)), reply_to=message)
        return app(message, context)

    monkeypatch.setattr(LocalGrid.__init__, "__defaults__", (0, replaced, ()))
    assert head_bytes(run(tmp_path, shards, nodes=4)) == head_bytes(whole)
    assert refused
    anew.clear()
    with pytest.raises(RunError, match=f"none is left to take its work: the node on .* {CHANGED}"):
        run(tmp_path, shards, nodes=1)


@pytest.mark.slow
def test_a_worker_that_ray_begins_anew_after_the_code_changed(tmp_path: Path, run_cache: str) -> None:
    """The program of another checkout, of which a file changes while it runs, and then its worker is lost."""
    other = other_checkout(tmp_path / "other")
    command = "import sys; sys.argv[0] = 'fedfer'; from simulations.cli.main import main; main()"
    asked = settings(federation__rounds=9999, federation__nodes=1)
    there = {"FEDFER_CACHE": run_cache, "PYTHONPATH": str(other)}
    words = [sys.executable, "-c", command, "run", *asked, "--no-baseline", "--out", "run"]
    running = Running(words, tmp_path, there)
    wait_for_rounds(tmp_path / "run", 3)
    with (other / "clients" / "phones.py").open("a") as file:
        file.write("# yet another\n")
    (worker,) = running.workers()
    os.kill(worker, signal.SIGKILL)
    done = running.wait()
    assert done.code == 1
    last = done.err.splitlines()[-1]
    assert "none is left to take its work: the node on" in last
    assert f"has other code than the server, in {other}: it changed since the run began" in last
    assert running.left() == []
