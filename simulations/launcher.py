"""Starts what nodes live on, a Ray of its own or none, and sees to it that nothing of it stays behind.

The one file that knows of `run_simulation` and of Ray. Flower marks that function as deprecated in favour
of `flwr run`, which starts a service that outlives the run: what one process starts, one process ends.
"""

import logging
import os
import shutil
import site
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, redirect_stdout, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

from fer_models.backbone import cores
from fer_models.errors import FedferError, InputError, RunError, first_cause
from fer_models.quiet import ALONE, hush
from server.app import Job, make_app
from simulations import cluster
from simulations.guardian import guarded
from simulations.interrupt import deferred, handlers, restore
from simulations.standing import environment, nowhere

if TYPE_CHECKING:
    from flwr.clientapp import ClientApp
    from flwr.serverapp import ServerApp

    from simulations.experiment import FederationConfig

_SUBREAPER = 36  # PR_SET_CHILD_SUBREAPER of prctl(2)
_OBJECT_STORE = 256 * 2**20  # bytes: heads and sums are small


def node_count(federation: "FederationConfig") -> int:
    """The number of nodes: as set, or for 0 one per core, of the Ray cluster if one is used, but no more than
    there are phones. InputError where a cluster does not answer, or has fewer CPUs.
    """
    there = None if federation.engine == "process" else cluster.cpus()
    if there is not None and federation.nodes > there:
        raise InputError(
            f"federation.nodes is {federation.nodes}, but the Ray cluster has {there} CPUs; lower it, or add"
            " machines"
        )
    return federation.nodes or max(1, min(there or cores(), federation.phones))


@contextmanager
def begun(engine: str, nodes: int, logs: Path) -> Iterator[Callable[[Job], None]]:
    """What runs jobs on so many nodes. What these live on starts now, and one of them has loaded its code;
    RunError where that does not work, so that it is known before anything is computed.

    engine "ray": each node is a Ray actor; "flower": one of Flower's simulation runtime, on Ray as well;
    "process": all of them are in this process. The bits are the same. Logs go to the folder `logs`.
    """
    logs.mkdir(parents=True, exist_ok=True)
    with ExitStack() as stack:
        if engine != "process":
            _load_ray()
            with _heard(logs):
                stack.enter_context(_ray(nodes, logs / "ray"))
                from simulations.ray_grid import try_node

                try_node(logs)

        def run(job: Job) -> None:
            from clients.app import app
            from simulations.grid import context

            with _heard(logs):
                if engine == "flower":
                    _simulate(make_app(job), app, job.nodes)
                elif engine == "process":
                    from simulations.in_process import InProcessGrid

                    make_app(job)(InProcessGrid(app, range(1, job.nodes + 1)), context())
                else:
                    from simulations.ray_grid import RayGrid

                    make_app(job)(RayGrid(app, job.nodes), context())

        yield run


def launch(job: Job, logs: Path, engine: str = "ray") -> None:
    """Runs the job on as many nodes as it waits for, which begin and end with it; as `begun` says."""
    with begun(engine, job.nodes, logs) as run:
        run(job)


def simulate(
    server_app: "ServerApp", client_app: "ClientApp", nodes: int, logs: Path, *, actors: int
) -> None:
    """Runs any two Flower apps on `nodes` simulated nodes, which take turns on `actors` Ray actors."""
    logs.mkdir(parents=True, exist_ok=True)
    _load_ray()
    with _heard(logs), _ray(actors, logs / "ray"):
        _simulate(server_app, client_app, nodes)


def _simulate(server_app: "ServerApp", client_app: "ClientApp", nodes: int) -> None:
    from flwr.simulation import run_simulation

    run_simulation(
        server_app=server_app,
        client_app=client_app,
        num_supernodes=nodes,
        backend_config={"client_resources": {"num_cpus": 1, "num_gpus": 0.0}},
    )


def _load_ray() -> None:
    """Imports Ray, which then learns where it is alone, and gives its loggers ways to the screen."""
    with environment(**(ALONE if cluster.cpus() is None else {})):
        import ray  # noqa: F401


@contextmanager
def _ray(actors: int, logs: Path) -> Iterator[None]:
    """The cluster that the environment names, or a Ray of this process alone."""
    hush()
    with _own_ray(actors, logs) if cluster.cpus() is None else cluster.joined():
        yield


@contextmanager
def _own_ray(actors: int, logs: Path) -> Iterator[None]:
    """A Ray of this process alone, in a temporary folder; its logs are kept in `logs`."""
    import ray

    before = handlers()
    folder = tempfile.mkdtemp(prefix="fedfer-ray-", dir=_short_folder())
    with guarded(folder, logs):
        others = _children()
        _adopt(True)
        try:
            with deferred(), nowhere(Path(folder)), _homeless(Path(folder)):
                ray.init(
                    address="local",
                    num_cpus=actors,
                    num_gpus=0,
                    object_store_memory=_OBJECT_STORE,
                    include_dashboard=False,
                    log_to_driver=False,
                    logging_level=logging.ERROR,
                    _temp_dir=folder,
                )
            yield
        except SystemExit as stopped:  # from Ray's handler
            raise KeyboardInterrupt from stopped
        finally:
            begun = _children() - others
            try:
                with deferred():  # a signal does not leave half of it behind
                    ray.shutdown()
            finally:
                restore(before)  # which Ray replaces by its own when it starts, and by none when it ends
                with deferred():
                    _end(begun | _children() - others)
                    _adopt(False)
                    try:
                        latest = Path(folder) / "session_latest" / "logs"
                        if latest.is_dir():
                            shutil.copytree(latest, logs, dirs_exist_ok=True)
                    finally:
                        shutil.rmtree(folder, ignore_errors=True)


@contextmanager
def _homeless(folder: Path) -> Iterator[None]:
    """What begins in the block has this folder for a home, with a file in it that keeps Ray's dashboard from
    asking the hosts of three cloud providers where it runs, which it does with its usage reports off, too.

    Packages that the user installed in the real home are found there still.
    """
    (folder / "ray_bootstrap_config.yaml").touch()
    with environment(HOME=str(folder), PYTHONUSERBASE=site.getuserbase(), **ALONE):
        yield


def _children() -> set[Any]:
    """Every process that comes from this one, as psutil.Process."""
    import psutil

    return set(psutil.Process().children(recursive=True))


def _adopt(orphans: bool) -> None:
    """Whether processes whose parent has ended become children of this one, where the system is Linux.

    Actors outlive the process that began them by a moment, and so do parts of a Ray that was stopped while
    it started: only as children can they be found, and ended for certain.
    """
    if sys.platform == "linux":
        import ctypes

        ctypes.CDLL(None).prctl(_SUBREAPER, int(orphans), 0, 0, 0)


def _end(processes: set[Any]) -> None:
    """Ends processes that may have ended already."""
    import psutil

    for process in processes:
        with suppress(psutil.NoSuchProcess):
            process.kill()
    psutil.wait_procs(processes, timeout=5)


def _short_folder() -> str:
    """Where Ray's folder can lie: the names of Unix sockets in it have room for about 107 bytes."""
    usual = tempfile.gettempdir()
    return usual if len(os.fsencode(usual)) <= 24 else "/tmp"


@contextmanager
def _heard(logs: Path) -> Iterator[None]:
    """What is said in the block goes to the folder `logs`, and what breaks it off is an error of the run."""
    with _log_file(logs / "flower.log"), _reasons(logs):
        yield


@contextmanager
def _reasons(logs: Path) -> Iterator[None]:
    """What breaks off the simulation is an error of the run, with its trace in the log."""
    try:
        yield
    except (FedferError, OSError):
        raise
    except Exception as error:
        logging.getLogger("flwr").error("the simulation broke off", exc_info=error)
        raise RunError(f"the simulation broke off ({first_cause(error)}); its logs are in {logs}") from error


@contextmanager
def _log_file(path: Path) -> Iterator[None]:
    """Flower's and Ray's messages go to the file `path` instead of the screen; some of Ray's are printed."""
    handler = logging.FileHandler(path, encoding="utf-8")
    handler.setFormatter(logging.Formatter("%(asctime)s %(name)s %(levelname)s %(message)s"))
    loggers = [logging.getLogger(name) for name in ("flwr", "ray")]
    before = [(logger, logger.handlers[:], logger.propagate) for logger in loggers]
    for logger in loggers:
        logger.handlers, logger.propagate = [handler], False
    try:
        with redirect_stdout(handler.stream):
            yield
    finally:
        for logger, handlers, propagate in before:
            logger.handlers, logger.propagate = handlers, propagate
        handler.close()
