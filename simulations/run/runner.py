"""A run from start to end: survey, features, rounds, baselines, page.

Every stage leaves its result in the run folder or the cache, so a run that is stopped anywhere resumes
from there: `fedfer run --resume DIR`.
"""

import time
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from fer_models.data.images import ImageTable
from fer_models.errors import InputError
from fer_models.machine.cache import sweep_up
from fer_models.run_folder.folder import RunFolder
from fer_models.run_folder.summary import Kind, Summary, Trained
from fer_models.text import printable
from server.strategies import personal_heads
from simulations.mirrors.registry import check_installed
from simulations.run import cut_short, provenance
from simulations.run.artifacts import write_artifacts, write_data
from simulations.run.begin import Requested, begin
from simulations.run.central import Central
from simulations.run.checks import check_federated
from simulations.run.mirroring import mirrored
from simulations.run.private import forget_key, private_facts
from simulations.run.request import Request, check_cache, locked
from simulations.run.rounds import ExistingGrid, Reached, Rounds
from simulations.terminal.display import Display
from simulations.world.directions import Directions, directions
from simulations.world.known_photos import tell
from simulations.world.prepare import Prepared, World, survey, world_of


@dataclass(frozen=True)
class Result:
    """What is shown at the end."""

    summary: Summary
    baselines: list[tuple[str, Summary]]  # each with its name in the display
    page: Path | None  # None for one of many runs


def run_experiment(
    request: Request,
    display: Display,
    through: ExistingGrid | None = None,
    *,
    table: ImageTable | None = None,
) -> Result:
    """Does what was requested; the run folder is created only after all user input has been checked.

    The rounds go through an existing Grid, if one is given; `table`: the photos, if they are loaded already.
    """
    began = time.perf_counter()
    _check(request, through)
    check_cache()
    with display:
        with display.stage("Photos", unit="photos") as step:
            shared_out = request.federated or request.config.baseline.epochs == "matched"
            shared_out |= request.config.federation.make().changes_pixels  # and so changes what is seen
            phones = shared_out and not request.devices
            if table is None:
                world = survey(request.config, step, phones=phones)
            else:
                world = world_of(request.config, table, phones=phones)
            step(len(world.table), len(world.table))
        tell(world.table, display)
        log = RunFolder(request.folder)
        requested = Requested(
            request.experiment, request.command, request.federated, request.baseline, request.devices
        )
        if request.provenance:
            provenance.check_data(request.folder, request.provenance, world.table, world.weights)
        with locked(log.path):
            sweep_up(log.path)
            provenance.of(request.config, world.table, world.weights).write(log.path)
            begin(log, world, requested)
            with ExitStack() as nodes:
                if request.federated and through is None:
                    through = _nodes(request, display, nodes)
                features_began = time.perf_counter()
                with display.stage("Features", unit="views") as step:
                    prepared = world.prepare(step)
                seconds = time.perf_counter() - features_began
                run = _Run(request, display, world, prepared, began, seconds)
                with cut_short.told(request.folder, prepared.features_path):
                    return run.central() if through is None else run.federated(through, nodes.close)


def _check(request: Request, through: ExistingGrid | None) -> None:
    """InputError if what was requested cannot be run, as far as the settings alone tell."""
    check_installed(request.config.report.mirror)
    if request.devices != (through is not None and through.devices):
        real, simulated = ("is", "flwr run and devices=true"), ("is not", "fedfer run --resume")
        kind, way = real if request.devices else simulated
        raise InputError(
            f"the run in {printable(request.folder)} {kind} a run on devices; resume it with {way}"
        )
    if request.devices and request.config.privacy.directions:
        raise InputError(
            f"privacy.directions must be 0 on devices, got {request.config.privacy.directions}: they do not"
            " know the directions; leave it out"
        )
    if request.federated:
        from simulations.engines.launcher import node_count

        check_federated(request.config)
        if through is None:
            node_count(request.config.federation)


def _nodes(request: Request, display: Display, stack: ExitStack) -> ExistingGrid:
    """Starts what the nodes run on: its errors are known before the first feature is computed."""
    from simulations.engines.launcher import begun, node_count

    federation = request.config.federation
    number, logs = node_count(federation), request.folder / "logs"
    if federation.engine == "process":
        return ExistingGrid(stack.enter_context(begun("process", number, logs)), number)
    with display.stage("Nodes", unit="nodes") as step:
        step(0, number)
        run = stack.enter_context(begun(federation.engine, number, logs))
        step(number, number)
    return ExistingGrid(run, number)


@dataclass(frozen=True)
class _Run:
    """A request, and what has been prepared for it."""

    request: Request
    display: Display
    world: World
    prepared: Prepared
    began: float
    seconds_features: float

    def federated(self, through: ExistingGrid, trained: Callable[[], None]) -> Result:
        """Trains the rounds, calls `trained`, then trains the baselines beside them."""
        config, log = self.request.config, RunFolder(self.request.folder)
        along = self._along()
        rounds = Rounds(self.request, self.display, self.world, self.prepared, through, along)
        start, took = rounds.start(log)
        began = self.began - start.seconds  # as if the run had never been interrupted
        experiment, display = self.request.experiment, self.display
        with mirrored(
            config, log, log.path, experiment=experiment, federated=True, display=display
        ) as mirrors:
            reached = rounds.train(log, start, took, began, mirrors)
            trained()
            baselines = self._baselines(log)
            simulated = not self.request.devices
            write_data(log.path, self.world, self.prepared.phone_data if simulated else None)
            summary = write_artifacts(
                log,
                self.world,
                self.prepared,
                reached.selection,
                took,
                self._trained(
                    "local" if rounds.algorithm.own == "instead" else "federated", through, reached
                ),
                began=began,
                own=personal_heads.load(log.path),
                classifier=rounds.plain_classifier,
                timed=not self.request.brief,
                private=private_facts(config, reached.private, reached.rounds),
            )
            forget_key(log.path)
            mirrors.end(summary)
        return self._report(summary, baselines)

    def _along(self) -> Directions | None:
        """The public directions along which the phones of a private run train, if any."""
        privacy = self.request.config.privacy
        if not privacy.private or not privacy.directions:
            return None
        with self.display.stage("Directions", unit="drawn faces") as step:
            return directions(self.world, privacy.directions, step)

    def _trained(self, kind: Kind, through: ExistingGrid, reached: Reached) -> Trained:
        """What was trained on the phones."""
        config, federation = self.request.config, self.request.config.federation
        simulated = not self.request.devices
        return Trained(
            kind=kind,
            strategy=config.strategy.name,
            partition=federation.partition if simulated else "devices",
            alpha=federation.model_dump()["alpha"] if simulated else None,
            partition_options=federation.options() if simulated else {},
            rounds=reached.rounds,
            chosen=reached.chosen or None,
            phones=federation.phones,
            nodes=through.nodes,
            experiment=self.request.experiment,
            seconds_features=self.seconds_features,
            seconds_features_computed=self.prepared.seconds_features,
        )

    def central(self) -> Result:
        """The baseline alone."""
        _, summary = self._baseline(self.request.folder, self.request.config.baseline.epochs)
        return self._report(summary, [])

    def _baselines(self, log: RunFolder) -> list[tuple[str, Summary]]:
        """Trains the baselines beside the rounds, if they are requested; their names and summaries."""
        if not self.request.baseline:
            return []
        kinds = dict.fromkeys((self.request.config.baseline.epochs, "matched"))
        named = zip(("centralized", "centralized-matched"), kinds, strict=False)
        return [self._baseline(log.path / name, epochs) for name, epochs in named]

    def _baseline(self, folder: Path, epochs: int | Literal["matched"]) -> tuple[str, Summary]:
        """Trains a baseline in `folder`, or reads it if it is done; returns its name and summary."""
        request = self.request
        central = Central(
            self.world,
            self.prepared,
            request.experiment,
            request.command,
            self.seconds_features,
            timed=not request.brief,
        )
        name = central.name(epochs)
        if (folder / "summary.json").exists():
            return name, Summary.read(folder)
        began = self.began if folder == request.folder else time.perf_counter()
        title = name.capitalize()
        return name, central.train(folder, epochs, self.display, title, began=began, home=request.folder)

    def _report(self, summary: Summary, baselines: list[tuple[str, Summary]]) -> Result:
        from simulations.report.report import write_report

        folder = self.request.folder
        if self.request.brief:
            return Result(summary, baselines, None)
        with self.display.stage("Report", unit="pages") as step:
            folders = [folder / name for name in ("centralized", "centralized-matched")]
            pages = [place for place in folders if (place / "summary.json").exists()] + [folder]
            for done, place in enumerate(pages, 1):
                page = write_report(place)
                step(done, len(pages))
        return Result(summary, baselines, page)
