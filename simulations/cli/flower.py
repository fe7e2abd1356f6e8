"""The ServerApp for Flower's own command: `flwr run .` does what `fedfer run` does, on Flower's nodes.

In Flower's simulation the nodes train simulated phones; in a deployment each node can be a phone with its
own photos (`devices=true`). Source fingerprints are compared when the nodes report; see docs/flower.md.
"""

import os
import shlex
import time
from pathlib import Path

from flwr.app import Context
from flwr.serverapp import Grid, ServerApp

from fer_models.balancing.registry import chosen
from fer_models.errors import InputError
from fer_models.machine.quiet import hush
from fer_models.models import ON_DEVICES
from server.app import make_app
from server.job import Job
from server.strategies.registry import make
from simulations.cli.exits import told
from simulations.config import Config, FederationConfig
from simulations.experiment import load, read_toml, shipped
from simulations.run.folders import run_folder_for
from simulations.run.request import Request, check_folder, finished, resumed
from simulations.run.rounds import ExistingGrid

hush()  # Flower imports this and starts Ray before it calls anything here
app = ServerApp()
_AS_THEY_ARE = "data.balance=0"  # the default on devices, unless they can balance
_PATIENCE, _PAUSE = 120.0, 1.0  # seconds to wait for the first nodes, and between polls


@app.main()
def main(grid: Grid, context: Context) -> None:
    """Runs the experiment named in Flower's run configuration; an error is the log's last line."""
    from simulations.run.runner import run_experiment
    from simulations.terminal.display import Display

    try:
        settings = {name: str(value) for name, value in context.run_config.items()}
        devices = settings.pop("devices", "False") == "True"
        asked = request(settings, devices=devices)
        nodes = _nodes(grid, asked.config.federation.phones if devices else 1)

        def run(job: Job) -> None:
            make_app(job)(grid, context)

        result = run_experiment(asked, Display(), ExistingGrid(run, nodes, devices))
        print(f"fedfer: done; open {result.page}", flush=True)
    except Exception as error:
        print(f"fedfer: {told(error)}", flush=True)
        raise


def request(settings: dict[str, str], *, devices: bool) -> Request:
    """The request made by Flower's run configuration; InputError if it cannot be met."""
    experiment = settings.get("experiment") or "quickstart"
    here = run_folder_for(None, Path(experiment).stem).absolute()  # where Flower runs the app
    out = Path(_absolute(settings, "out")) if settings.get("out") else here
    if (out / "config.toml").exists() and not finished(out):
        return resumed(out)
    check_folder(out)
    data = _absolute(settings, "data") if settings.get("data") else None
    given = shlex.split(settings.get("set", ""))
    name, config = load(experiment, data=data, settings=given)
    if devices:
        written = read_toml(shipped().get(experiment, Path(experiment))).get("data", {})
        if "balance" not in written and chosen(config.data).central_plan:
            _, config = load(experiment, data=data, settings=[_AS_THEY_ARE, *given])
        _check_devices(config)
    return Request(name, config, out, "flwr run", baseline=not devices, devices=devices)


def _absolute(settings: dict[str, str], name: str) -> str:
    """A path from the run configuration; must be absolute: Flower runs the app in its own folder."""
    path = os.path.expanduser(settings.get(name, ""))
    if not os.path.isabs(path) and (name, path) != ("data", "sketch"):
        raise InputError(f'{name}: needs an absolute path, got "{path}"; give --run-config \'{name}="/..."\'')
    return path


def _check_devices(config: Config) -> None:
    """InputError for settings that work on simulated phones but not on devices."""
    if chosen(config.data).central_plan:
        raise InputError(
            f'data.balance_on: "{config.data.balance_on}" needs a plan over all photos, which no node has;'
            f" set it to another way, or data.balance, which is {config.data.balance}, to 0"
        )
    if config.federation.partition != FederationConfig().partition:
        raise InputError(
            "federation.partition: devices hold their own photos, so there is nothing to partition, got"
            f' "{config.federation.partition}"; omit it'
        )
    algorithm = make(config.strategy)
    if config.secagg.masks and (algorithm.own or algorithm.epochs_after):
        raise InputError(
            f"strategy.name = {config.strategy.name} has each device send its personal head as it is, which"
            ' secagg.protocol = "secagg+" does not mask; set another strategy'
        )
    if config.model.name not in ON_DEVICES:
        raise InputError(
            f'model.name: devices train the linear head of "{" or ".join(ON_DEVICES)}", got'
            f' "{config.model.name}"; set it'
        )


def _nodes(grid: Grid, least: int) -> int:
    """The number of nodes, once at least `least` have connected and no more do."""
    deadline, seen = time.monotonic() + _PATIENCE, -1
    while (found := len(list(grid.get_node_ids()))) < least or found != seen:
        if time.monotonic() > deadline:
            raise InputError(
                f"only {found} of {least} nodes connected within {_PATIENCE:.0f} s; start the others"
            )
        seen = found
        time.sleep(_PAUSE)
    return found
