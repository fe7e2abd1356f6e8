"""Starts Flower's simulation runtime on a Ray of its own, and sees to it that nothing of it stays behind.

The one file that knows of `run_simulation` and of Ray. Flower marks that function as deprecated in favour
of `flwr run`, which starts a service that outlives the run: what one process starts, one process ends.
"""

import logging
import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from fer_models.backbone import cores
from server.app import Job, make_app

# Read when Flower and Ray are imported: no telemetry, no update check, no word on the screen.
_QUIET = {
    "FLWR_TELEMETRY_ENABLED": "0",
    "FLWR_DISABLE_UPDATE_CHECK": "1",
    "RAY_USAGE_STATS_ENABLED": "0",
    "RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO": "0",
    "RAY_DEDUP_LOGS": "0",
}
_OBJECT_STORE = 256 * 2**20  # bytes: heads and sums are small


def node_count(nodes: int) -> int:
    """The number of nodes: `nodes`, or one per core for 0."""
    return nodes or cores()


def launch(job: Job, nodes: int, logs: Path) -> None:
    """Runs the job on `nodes` simulated nodes, each on a Ray actor; their logs go to the folder `logs`."""
    os.environ.update(_QUIET)
    from flwr.simulation import run_simulation

    from clients.app import app as client_app

    logs.mkdir(parents=True, exist_ok=True)
    with _log_file(logs / "flower.log"), _ray(nodes, logs / "ray"):
        run_simulation(
            server_app=make_app(job),
            client_app=client_app,
            num_supernodes=nodes,
            backend_config={"client_resources": {"num_cpus": 1, "num_gpus": 0.0}},
        )


@contextmanager
def _ray(nodes: int, logs: Path) -> Iterator[None]:
    """A Ray of this process alone, in a temporary folder; its logs are kept in `logs`."""
    import ray

    folder = tempfile.mkdtemp(prefix="fedfer-ray-")  # short: Unix sockets lie in it
    try:
        ray.init(
            address="local",
            num_cpus=nodes,
            num_gpus=0,
            object_store_memory=_OBJECT_STORE,
            include_dashboard=False,
            log_to_driver=False,
            logging_level=logging.ERROR,
            _temp_dir=folder,
        )
        yield
    finally:
        ray.shutdown()
        latest = Path(folder) / "session_latest" / "logs"
        if latest.is_dir():
            shutil.copytree(latest, logs, dirs_exist_ok=True)
        shutil.rmtree(folder, ignore_errors=True)


@contextmanager
def _log_file(path: Path) -> Iterator[None]:
    """Flower's and Ray's messages go to the file `path` instead of the screen."""
    handler = logging.FileHandler(path, encoding="utf-8")
    handler.setFormatter(logging.Formatter("%(asctime)s %(name)s %(levelname)s %(message)s"))
    loggers = [logging.getLogger(name) for name in ("flwr", "ray")]
    before = [(logger, logger.handlers[:], logger.propagate) for logger in loggers]
    for logger in loggers:
        logger.handlers, logger.propagate = [handler], False
    try:
        yield
    finally:
        for logger, handlers, propagate in before:
            logger.handlers, logger.propagate = handlers, propagate
        handler.close()
