"""Starts what nodes run on, and runs jobs on them; their output goes to the logs of the run.

The only file that uses `run_simulation`. Flower deprecates that function in favour of `flwr run`, which
starts a service that outlives the run; here, the process that starts something also ends it.
"""

import logging
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, redirect_stdout
from pathlib import Path
from threading import Event, Thread
from typing import TYPE_CHECKING

from fer_models.errors import FedferError, InputError, RunError, first_cause
from fer_models.machine.cores import cores
from server.app import make_app
from server.job import Job
from simulations.engines import cluster
from simulations.engines.own_ray import load, own_ray

if TYPE_CHECKING:
    from flwr.app import Context
    from flwr.clientapp import ClientApp
    from flwr.serverapp import Grid, ServerApp

    from simulations.config import FederationConfig

_GRACE = 10.0  # seconds that Flower's runtime has to end after the server


def node_count(federation: "FederationConfig") -> int:
    """The number of nodes: as set, or for 0 one per core (of the Ray cluster if one is used), but at most one
    per phone. InputError if a cluster does not answer, or has fewer CPUs.
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
    """Yields a function that runs jobs on this many nodes. What these run on starts now, and a node loads its
    code once; RunError if that fails, so that it is known before anything is computed.

    engine "ray": each node is a Ray actor; "flower": one of Flower's simulation runtime, on Ray as well;
    "process": all of them are in this process. The bits are the same. Logs go to the folder `logs`.
    """
    logs.mkdir(parents=True, exist_ok=True)
    with ExitStack() as stack:
        if engine != "process":
            load()
            with _heard(logs):
                stack.enter_context(_ray(nodes, logs / "ray"))
                from simulations.engines.ray_grid import try_node

                try_node(logs)

        def run(job: Job) -> None:
            from clients.app import app
            from simulations.engines.grid import context

            with _heard(logs):
                if engine == "flower":
                    _simulate(make_app(job), app, job.nodes)
                elif engine == "process":
                    from simulations.engines.in_process import InProcessGrid

                    make_app(job)(InProcessGrid(app, range(1, job.nodes + 1)), context())
                else:
                    from simulations.engines.ray_grid import RayGrid

                    make_app(job)(RayGrid(app, job.nodes), context())

        yield run


def launch(job: Job, logs: Path, engine: str = "ray") -> None:
    """Runs the job on as many nodes as it waits for, which start and end with it; see `begun`."""
    with begun(engine, job.nodes, logs) as run:
        run(job)


def simulate(
    server_app: "ServerApp", client_app: "ClientApp", nodes: int, logs: Path, *, actors: int
) -> None:
    """Runs any two Flower apps on `nodes` simulated nodes, which take turns on `actors` Ray actors."""
    logs.mkdir(parents=True, exist_ok=True)
    load()
    with _heard(logs), _ray(actors, logs / "ray"):
        _simulate(server_app, client_app, nodes)


def _simulate(server_app: "ServerApp", client_app: "ClientApp", nodes: int) -> None:
    from flwr.serverapp import ServerApp
    from flwr.simulation import run_simulation

    told, ended = Event(), Event()
    app = ServerApp()

    @app.main()
    def main(grid: "Grid", context: "Context") -> None:
        try:
            server_app(grid, context)
        finally:
            told.set()

    watch = Thread(target=_end_workers, args=(told, ended), daemon=True)
    watch.start()
    try:
        run_simulation(
            server_app=app,
            client_app=client_app,
            num_supernodes=nodes,
            backend_config={"client_resources": {"num_cpus": 1, "num_gpus": 0.0}},
        )
    finally:
        ended.set()
        told.set()
        watch.join()


def _end_workers(told: Event, ended: Event) -> None:
    """Ends workers if Flower's runtime does not end soon after the server: it waits for one that hangs."""
    told.wait()
    if not ended.wait(_GRACE):
        from simulations.engines.ray_grid import end_actors

        end_actors()


@contextmanager
def _ray(actors: int, logs: Path) -> Iterator[None]:
    """The cluster that the environment names, or this process's own Ray."""
    with own_ray(actors, logs) if cluster.cpus() is None else cluster.joined():
        yield


@contextmanager
def _heard(logs: Path) -> Iterator[None]:
    """Output in the block goes to the folder `logs`; what stops the block becomes a RunError."""
    with _log_file(logs / "flower.log"), _reasons(logs):
        yield


@contextmanager
def _reasons(logs: Path) -> Iterator[None]:
    """What stops the simulation becomes a RunError, with its traceback in the log."""
    try:
        yield
    except (FedferError, OSError):
        raise
    except Exception as error:
        logging.getLogger("flwr").error("the simulation failed", exc_info=error)
        raise RunError(f"the simulation failed ({first_cause(error)}); its logs are in {logs}") from error


@contextmanager
def _log_file(path: Path) -> Iterator[None]:
    """Flower's and Ray's messages go to the file `path` instead of the screen; Ray prints some of its own."""
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
