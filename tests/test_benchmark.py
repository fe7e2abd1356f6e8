"""The contenders of `fedfer speed` do the same work, and what is written is what was measured."""

import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from flwr.app import Context, Message
from flwr.clientapp import ClientApp
from flwr.serverapp import ServerApp
from rich.console import Console
from support_commands import python
from support_local_grid import LocalGrid, serve
from support_ray_cluster import Cluster

from fer_models.errors import RunError
from server.app import make_app
from server.job import Job
from simulations.cli import main as cli
from simulations.engines import launcher
from simulations.speed import benchmark
from simulations.speed.benchmark import Features, Sizes, Speed, measure, remarks, table
from simulations.speed.contenders import (
    Field,
    Row,
    arithmetic,
    draw_features,
    lay_out,
    stock_flower,
    through_flower,
    torch_loop,
    uneven,
)
from simulations.terminal.display import Display

PHONES, VIEWS = 6, 21  # a full batch and a short one
TINY = Sizes(
    phones=6, many=9, views=3, stock_rounds=1, rounds=2, many_rounds=1, repeats=1, images=2, weights="random"
)


@pytest.fixture
def field(tmp_path: Path) -> Field:
    features = draw_features(tmp_path, PHONES * VIEWS)
    return lay_out(features, np.full(PHONES, VIEWS), tmp_path / "phones")


@pytest.fixture
def in_process(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Flower's runtime is a Grid in this process; nodes listed here are broken."""
    broken: list[int] = []

    def simulate(server: ServerApp, client: ClientApp, nodes: int, logs: Path, *, actors: int) -> None:
        def node(message: Message, context: Context) -> Message:
            context.node_config["partition-id"] = grid.ids.index(message.metadata.dst_node_id)
            return client(message, context)

        grid = LocalGrid(nodes, app=node, broken=tuple(broken))  # type: ignore[arg-type]
        logs.mkdir(parents=True)
        serve(server, grid)

    def launch(job: Job, logs: Path, engine: str = "ray") -> None:
        logs.mkdir(parents=True)
        serve(make_app(job), LocalGrid(job.nodes))

    monkeypatch.setattr(launcher, "simulate", simulate)
    monkeypatch.setattr(launcher, "launch", launch)
    return broken


def no_step(done: int, total: int, **facts: str) -> None: ...


def test_all_contenders_arrive_at_the_same_head(field: Field, in_process: list[int], tmp_path: Path) -> None:
    outcomes = [
        stock_flower(field, 2, tmp_path / "stock", no_step),
        torch_loop(field, 2, no_step),
        through_flower(field, 0.0, 2, tmp_path / "ours", no_step),
        arithmetic(field, 0.0, 2, no_step),
    ]
    for outcome in outcomes:
        np.testing.assert_allclose(outcome.head, outcomes[0].head, rtol=0, atol=1e-5)
        assert np.abs(outcome.head - field.head).max() > 1e-4
        row = outcome.row
        assert (row.phones, row.photos, row.dropout, row.rounds) == (PHONES, PHONES * VIEWS, 0.0, 2)
    assert np.abs(arithmetic(field, 0.2, 1, no_step).head - outcomes[0].head).max() > 1e-5


def test_a_phone_of_stock_flower_that_fails_is_not_passed_over(
    field: Field, in_process: list[int], tmp_path: Path
) -> None:
    in_process.append(4)
    with pytest.raises(RunError, match="only 5 of 6 phones replied in round 1"):
        stock_flower(field, 1, tmp_path / "stock", no_step)


def test_a_rate_is_the_median_of_the_rounds_after_the_first(field: Field) -> None:
    row = field.row("name", 0.2, [100.0, 1.0, 3.0, 2.0])
    assert row == Row("name", PHONES, PHONES * VIEWS, 0.2, 3, PHONES / 2.0, 2000.0)


def test_each_phone_has_views_of_its_own_as_long_as_they_last(tmp_path: Path) -> None:
    features = draw_features(tmp_path, 12)
    few, many = (lay_out(features, np.full(phones, 4), tmp_path / str(phones)).shards for phones in (3, 7))
    assert few.sizes.tolist() == [4] * 3
    assert many.sizes.tolist() == [4] * 7
    assert np.bincount(few.rows).tolist() == [1] * 12
    assert np.bincount(many.rows, minlength=12).max() == 3
    assert np.bincount(many.rows, minlength=12).min() == 2
    assert few.features.shape == (12, 1280)
    assert few.features.min() == 0


def test_uneven_phones_have_the_mean_that_was_asked_for() -> None:
    sizes = uneven(10_000, 40)
    assert sizes.mean() == pytest.approx(40, rel=0.01)
    assert sizes.min() >= 1
    logs = np.log(sizes[sizes > 5])
    assert np.std(np.log(sizes)) == pytest.approx(1, abs=0.05)
    assert np.median(sizes) == pytest.approx(40 * np.exp(-0.5), rel=0.05)  # of a log-normal with sigma 1
    assert len(logs) > 9_000


def check(speed: Speed, folder: Path, sizes: Sizes) -> None:
    assert Speed.read(folder) == speed
    rows = speed.rows
    assert [(row.phones, row.dropout) for row in rows] == [
        *[(sizes.phones, 0.0)] * 3,
        (sizes.many, 0.0),
        (sizes.many, 0.2),
        (sizes.many, 0.0),
        (10, 0.0),
        (100, 0.0),
        (sizes.many, 0.0),
        (sizes.many, 0.2),
    ]
    for row in rows[:3]:
        assert row.photos == row.phones * sizes.views
    for row in rows:
        assert row.phones_per_second > 0
        assert row.milliseconds_per_round == pytest.approx(1000 * row.phones / row.phones_per_second)
    assert rows[0].name.startswith("stock Flower")
    assert speed.stock_flower_phones_per_second == rows[0].phones_per_second
    assert speed.phones_per_second == rows[3].phones_per_second
    assert speed.milliseconds_per_round == {
        "10": rows[6].milliseconds_per_round,
        "100": rows[7].milliseconds_per_round,
    }
    assert speed.ratio_to_stock_flower == pytest.approx(rows[3].phones_per_second / rows[0].phones_per_second)
    assert speed.largest_difference_to_stock_flower < 1e-5
    features = speed.features
    assert features.ratio == pytest.approx(features.images_per_second / features.eager_images_per_second)
    assert features.cosine > 0.9999
    assert (folder / "logs" / "stock-flower").is_dir()


@pytest.mark.slow
def test_measures_writes_and_shows(
    in_process: list[int], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(benchmark, "Sizes", lambda: TINY)
    monkeypatch.setattr(sys, "argv", ["fedfer", "speed", "--out", str(tmp_path / "out")])
    cli.main()
    speed = Speed.read(tmp_path / "out")
    check(speed, tmp_path / "out", TINY)
    shown, _ = capsys.readouterr()
    for row in speed.rows:
        assert row.name in shown
        assert f"{row.phones_per_second:,.0f}" in shown
    assert f"{speed.ratio_to_stock_flower:.1f}" in shown
    assert f"{speed.features.ratio:.1f} times eager torchvision" in shown
    assert max(map(len, shown.splitlines())) < 110


def test_the_table_marks_the_headline_and_compares_only_the_same_work() -> None:
    rows = [Row("a", 2, 4, 0.0, 1, 10.0, 200.0), Row("b", 2, 4, 0.0, 1, 200.0, 10.0)]
    rows += [Row("c", 2, 4, 0.2, 1, 200.0, 10.0), Row("d", 9, 18, 0.0, 1, 400.0, 22.5)]
    rows += [Row("e", 1, 2, 0.0, 1, 100.0, 10.0)]
    speed = Speed(
        rows=tuple(rows), phones_per_second=400.0, stock_flower_phones_per_second=10.0,
        ratio_to_stock_flower=40.0, largest_difference_to_stock_flower=2e-7, milliseconds_per_round={},
        features=Features(200.0, 40.0, 5.0, 1.0), date="", cpus=2, load=0.0, versions={},
    )  # fmt: skip
    console = Console(width=80, record=True, file=sys.stderr)
    console.print(table(speed))
    lines = [line.split() for line in console.export_text().splitlines()]
    assert lines[1:] == [
        ["a", "2", "0", "200", "10", "1.0"],
        ["b", "2", "0", "10", "200", "20.0"],
        ["c", "2", "0.2", "10", "200"],
        ["d", "9", "0", "22", "400", "40.0"],
        ["e", "1", "0", "10", "100"],
    ]
    assert [row.style for row in table(speed).rows] == [None, None, None, "bold", None]
    assert "2 views on each of 2 phones" in remarks(speed)
    assert "2e-07" in remarks(speed)


def test_a_failure_leaves_the_logs_and_an_interruption_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    error: BaseException = RunError("a node failed")

    def race(sizes: Sizes, folder: Path, logs: Path, display: Display) -> Any:
        logs.mkdir(parents=True)
        (logs / "flower.log").write_text("why")
        places.append(folder)
        raise error

    places: list[Path] = []
    monkeypatch.setattr(benchmark, "_race", race)
    monkeypatch.setattr(benchmark, "compare_encoders", lambda sizes, step: {})
    with pytest.raises(RunError):
        measure(tmp_path / "failed", Display(quiet=True), TINY)
    assert [path.name for path in (tmp_path / "failed").rglob("*")] == ["logs", "flower.log"]
    error = KeyboardInterrupt()
    with pytest.raises(KeyboardInterrupt):
        measure(tmp_path / "stopped", Display(quiet=True), TINY)
    assert not (tmp_path / "stopped").exists()
    assert not any(place.exists() for place in places)


def test_a_folder_in_use_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "notes.txt").write_text("mine")
    monkeypatch.setattr(sys, "argv", ["fedfer", "speed", "--out", str(tmp_path)])
    with pytest.raises(SystemExit) as stopped:
        cli.main()
    assert stopped.value.code == 2
    assert "is in use" in capsys.readouterr().err


@pytest.fixture
def cluster() -> Iterator[str]:
    """The address of a Ray that all contenders share: each would start its own."""
    with tempfile.TemporaryDirectory(prefix="ffc", ignore_cleanup_errors=True) as folder:
        cluster = Cluster(folder, nodes=1, cpus=2)
        yield cluster.address
        cluster.end()


@pytest.mark.slow
def test_the_whole_of_it_through_real_flower_and_ray(tmp_path: Path, cluster: str) -> None:
    # In a process of its own: Ray leaves its children to the end of the process, which pytest warns of.
    code = f"from simulations.speed.benchmark import *; measure(Path('out'), Display(), {TINY})"
    done = python(code, "", cwd=tmp_path, RAY_ADDRESS=cluster)
    assert done.code == 0, done.err
    check(Speed.read(tmp_path / "out"), tmp_path / "out", TINY)
    assert (tmp_path / "out" / "logs" / "stock-flower" / "flower.log").stat().st_size > 0
    assert "Stock Flower: done, 1 round" in done.out
    assert done.err == ""


@pytest.mark.slow
def test_ctrl_c_ends_it_within_seconds_and_leaves_nothing(tmp_path: Path) -> None:
    log = tmp_path / "out" / "logs" / "stock-flower" / "flower.log"
    code = (
        "import sys; from simulations.cli import main as cli; from simulations.speed import benchmark;"
        " sizes = benchmark.Sizes;"
        "benchmark.Sizes = lambda: sizes(phones=9, many=9, images=1, stock_rounds=10**6, weights='random');"
        f"sys.argv = ['fedfer', 'speed', '--quiet', '--out', {str(tmp_path / 'out')!r}]; cli.main()"
    )
    command, environment = [sys.executable, "-c", code], os.environ | {"TMPDIR": str(tmp_path)}
    with subprocess.Popen(command, env=environment, stderr=subprocess.PIPE, text=True) as process:
        try:
            while not (log.exists() and "[ROUND 3/" in log.read_text()):
                assert process.poll() is None
                time.sleep(0.2)
            process.send_signal(signal.SIGINT)
            assert process.wait(15) == 130
            assert process.stderr
            assert process.stderr.read() == "fedfer: stopped; run the same command again\n"
        finally:
            process.kill()
    assert not list(tmp_path.glob("fedfer-*"))
    assert not (tmp_path / "out").exists()
