"""A run on a Ray cluster that is there already."""

import shutil
import signal
import socket
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from support_commands import (
    LONG,
    Here,
    assert_refused,
    fedfer,
    fresh_fedfer,
    settings,
    started,
    wait_for_rounds,
)  # fmt: skip
from support_ray_cluster import Cluster
from support_same import assert_same
from support_traps import lay_traps

from simulations.engines import cluster as joining

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def cluster() -> Iterator[Cluster]:
    folder = tempfile.mkdtemp(prefix="ffc")
    cluster = Cluster(folder, nodes=3, cpus=1)
    yield cluster
    cluster.end()
    shutil.rmtree(folder, ignore_errors=True)


def test_the_same_bytes_on_every_node(
    whole_run: Path, run_cache: str, tmp_path: Path, cluster: Cluster
) -> None:
    there = {"FEDFER_CACHE": run_cache, "RAY_ADDRESS": cluster.address}
    asked = settings(federation__nodes=0)
    traps = lay_traps(tmp_path / "traps")
    done = fresh_fedfer("run", *asked, "--out", tmp_path / "run", cwd=traps, **there)
    assert (done.code, done.err) == (0, "")
    assert_same(tmp_path / "run", whole_run)
    assert '"nodes": 3' in (tmp_path / "run" / "summary.json").read_text()
    done = fedfer("run", *settings(federation__nodes=4), "--out", "more", cwd=tmp_path, **there)
    assert_refused(done)
    assert "federation.nodes is 4, but the Ray cluster has 3 CPUs" in done.err
    assert not (tmp_path / "more").exists()


def test_a_node_that_is_killed_costs_no_bit(
    long_run: Path, run_cache: str, tmp_path: Path, cluster: Cluster
) -> None:
    there = {"FEDFER_CACHE": run_cache, "RAY_ADDRESS": cluster.address}
    asked = ["--no-baseline", *settings(**LONG)]
    hurt = started("run", *asked, "--set", "federation.nodes=3", "--out", "run", cwd=tmp_path, **there)
    wait_for_rounds(tmp_path / "run", 1)
    time.sleep(0.1)
    cluster.kill_a_node()
    done = hurt.wait()
    assert (done.code, done.err) == (0, "")
    assert hurt.left() == []
    assert_same(tmp_path / "run", long_run)


def test_sigterm_on_a_cluster(run_cache: str, tmp_path: Path, cluster: Cluster) -> None:
    there = {"FEDFER_CACHE": run_cache, "RAY_ADDRESS": cluster.address}
    run = started(
        "run", *settings(federation__rounds=9999), "--no-baseline", "--out", "run", cwd=tmp_path, **there
    )
    wait_for_rounds(tmp_path / "run", 5)
    run.send(signal.SIGTERM)
    done = run.wait()
    assert (done.code, done.err) == (130, "fedfer: stopped; resume with: fedfer run --resume run\n")
    assert run.left() == []


def test_a_cluster_that_does_not_answer_is_refused_soon(
    here: Here, run_cache: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """By the real command, where something takes connections and says nothing; meanwhile others, here."""
    (tmp_path / "real").mkdir()
    began = time.monotonic()
    with socket.create_server(("127.0.0.1", 0)) as silent:
        address = f"127.0.0.1:{silent.getsockname()[1]}"
        there = {"FEDFER_CACHE": run_cache, "RAY_ADDRESS": address}
        real = started("run", *settings(), "--out", "run", cwd=tmp_path / "real", **there)
        monkeypatch.setattr(joining, "_PATIENCE", 1.0)
        for other, words in [
            ("127.0.0.1:9", "no Ray cluster answered within 1 s"),
            ("nonsense", "no Ray cluster is there"),
            ("ray://127.0.0.1:10001", "is the address of Ray Client, which is not used here"),
        ]:
            monkeypatch.setenv("RAY_ADDRESS", other)
            said = here.refused("run", *settings(), "--out", "run")
            assert f"RAY_ADDRESS={other}" in said
            assert words in said
        done = real.wait()
    assert time.monotonic() - began < 60  # where Ray itself would wait for minutes
    assert_refused(done)
    assert f"RAY_ADDRESS={address}: no Ray cluster answered within 10 s" in done.err
    assert not (tmp_path / "real" / "run").exists()
