"""A run from beginning to end: survey, features, rounds, baselines, page.

Every stage leaves its result in the run folder or the cache, so a run that is stopped anywhere goes on
from there: `fedfer run --resume DIR`.
"""

import time
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from fer_models import stamp
from fer_models.backbone import FEATURES
from fer_models.cache import sweep_up
from fer_models.errors import InputError, RunError
from fer_models.evaluation import Selection
from fer_models.heads import Classifier, LinearHead, new_head
from fer_models.models import MODELS, network_phones
from fer_models.runlog import RoundRecord, RunLog
from server import checkpoint, own_heads, ridge
from server.algorithm import Algorithm
from server.algorithms import check, make
from server.app import Job
from server.checkpoint import Checkpoint
from server.own_heads import OwnHeads
from server.strategies import Plan
from simulations import origin
from simulations.central import Central, show
from simulations.display import Display
from simulations.experiment import Config
from simulations.finish import begin, finish, write_data
from simulations.partition import READS
from simulations.prepare import Prepared, World, survey
from simulations.request import Request, alone, check_cache

if TYPE_CHECKING:
    from fer_models.network_phones import NetworkPhones


@dataclass(frozen=True)
class Result:
    """What there is to show at the end."""

    summary: dict[str, Any]
    baselines: list[tuple[str, dict[str, Any]]]
    page: Path


def conduct(request: Request, display: Display) -> Result:
    """Does what was requested; the run folder appears once nothing the user gave can be wrong any more."""
    began = time.perf_counter()
    if request.federated and not MODELS[request.config.model.name].federated:
        known = ", ".join(name for name, model in MODELS.items() if model.federated)
        raise InputError(
            f'model.name: "{request.config.model.name}" is trained centrally only; use fedfer baseline, or'
            f" set model.name to one of {known}"
        )
    if request.federated:
        from simulations.launcher import node_count

        _check_strategy(request.config)
        node_count(request.config.federation)
    check_cache()
    with display:
        with display.stage("Photos", unit="photos") as step:
            shared_out = request.federated or request.config.baseline.epochs == "matched"
            shared_out |= request.config.federation.partition == "camera"  # which changes what is seen
            world = survey(request.config, step, phones=shared_out)
            step(len(world.table), len(world.table))
        if world.table.unreadable:
            display.note(f"left out {len(world.table.unreadable)} photos that cannot be read: unreadable.csv")
        log = RunLog(request.folder)
        asked = {"experiment": request.experiment, "command": request.command}
        if request.origin:
            origin.check_data(request.folder, request.origin, world.table, world.weights)
        with alone(log.folder):
            sweep_up(log.folder)
            origin.write(log, request.config, world.table, world.weights)
            begin(log, world, {**asked, "federated": request.federated, "baseline": request.baseline})
            features_began = time.perf_counter()
            with display.stage("Features", unit="views") as step:
                prepared = world.prepare(step)
            run = _Run(request, display, world, prepared, began, time.perf_counter() - features_began)
            return run.federated() if request.federated else run.central()


def _check_strategy(config: Config) -> None:
    """InputError where the strategy cannot work with the model, or with the phones of a round."""
    strategy = config.strategy
    if strategy.sums and config.model.name != "mobilenet":
        raise InputError(
            f"ridge regression (strategy.name, strategy.start) is of a linear head: model.name must be"
            f' "mobilenet", got "{config.model.name}"; set it, or another strategy'
        )
    if strategy.projection > FEATURES:
        raise InputError(
            f"strategy.projection must be at most {FEATURES}, as many as there are features, got "
            f"{strategy.projection}; lower it"
        )
    try:
        check(strategy, config.phones_per_round or config.federation.phones)
    except ValueError as error:
        raise InputError(str(error)) from error


@dataclass(frozen=True)
class _Run:
    """A request, and what has been prepared for it."""

    request: Request
    display: Display
    world: World
    prepared: Prepared
    began: float
    seconds_features: float

    def federated(self) -> Result:
        """The rounds, then the baselines beside them."""
        config, log = self.request.config, RunLog(self.request.folder)
        start, records = self._start(log)
        began = self.began - start.seconds  # as if the run had never been interrupted
        nodes, selection, facts = self._rounds(log, start, records, began)
        baselines = []
        if self.request.baseline:
            kinds = dict.fromkeys((config.baseline.epochs, "matched"))
            folders = ["centralized", "centralized-matched"]
            for name, epochs in zip(folders, kinds, strict=False):
                baselines.append(self._baseline(log.folder / name, epochs))
        write_data(log, self.world, self.prepared.shards)
        federation = config.federation
        summary = finish(
            log,
            self.world,
            self.prepared,
            selection,
            records,
            kind="local" if self._algorithm.own == "instead" else "federated",
            strategy=config.strategy.name,
            partition=federation.partition,
            alpha=federation.alpha,
            partition_options={name: getattr(federation, name) for name in READS[federation.partition]},
            rounds=config.rounds,
            phones=federation.phones,
            nodes=nodes,
            experiment=self.request.experiment,
            seconds_features=self.seconds_features,
            began=began,
            **({"chosen": facts} if facts else {}),
            own=own_heads.load(log.folder),
            classifier=self._classifier,
        )
        return self._report(summary, baselines)

    def central(self) -> Result:
        """The baseline alone."""
        _, summary = self._baseline(self.request.folder, self.request.config.baseline.epochs)
        return self._report(summary, [])

    def _rounds(
        self, log: RunLog, start: Checkpoint, records: list[RoundRecord], began: float
    ) -> tuple[int, Selection[Classifier], dict[str, Any]]:
        """Trains the rounds that are not done yet, adding their records; returns the nodes, the head to
        report and what was chosen for it on the validation photos.
        """
        from simulations.launcher import launch, node_count

        config, prepared, federation = self.request.config, self.prepared, self.request.config.federation
        nodes = node_count(federation)
        states = [start]
        folder = (log.folder / "prepared").absolute()
        assert prepared.features_path is not None  # the model that phones train reads features
        prepared.shards.save(folder, prepared.features_path)
        if network := self._network:
            network.save(folder)
        files = stamp.stamp([*folder.glob("[!.]*"), prepared.features_path])

        with self.display.stage("Federated training", unit="rounds") as step:

            def on_round(record: RoundRecord, state: Checkpoint) -> None:
                stamp.check(files)
                log.append_round(record)
                records.append(record)
                states[:] = [state]
                if record.round % config.checkpoint.every == 0 or record.round == config.rounds:
                    log.settle()
                    replace(state, seconds=time.perf_counter() - began).save(log.folder)
                show(step, record, config.rounds)

            step(start.number, config.rounds)
            job = Job(
                plan=Plan(
                    prepared=str(folder),
                    sizes=prepared.shards.sizes,
                    phones_per_round=config.phones_per_round,
                    epochs=federation.local_epochs,
                    block=federation.block,
                    train=config.train,
                    seed=config.run.seed,
                    strategy=config.strategy,
                    min_phones=federation.min_phones,
                    stamp=files,
                ),
                start=start,
                rounds=config.rounds,
                nodes=nodes,
                evaluation=config.evaluation,
                validation=prepared.validation,
                on_round=on_round,
                classifier=self._classifier,
                own_validation=prepared.own_validation,
                adapting=(adapting := self._adapting()),
                on_adapted=lambda heads: OwnHeads(adapting, heads).save(log.folder),
            )
            if start.number < config.rounds or (len(adapting) and own_heads.load(log.folder) is None):
                launch(job, log.folder / "logs", federation.engine)
            if (kept := own_heads.of(states[0].state)) is not None:
                kept.save(log.folder)
            if (reached := states[0].number) < config.rounds:
                raise RunError(f"the simulation ended after round {reached} of {config.rounds}")
        chosen = states[0].selection
        model = self._classifier(chosen.head)
        selection = Selection(chosen.rule, model, chosen.number, chosen.macro_f1)
        return nodes, selection, ridge.chosen(states[0].state)

    @property
    def _algorithm(self) -> Algorithm:
        return make(self.request.config.strategy)

    def _adapting(self) -> np.ndarray:
        """The phones, sorted, that train the chosen head further for themselves in the end: those that test
        photos were dealt to, which are all but where phones outnumber photos.
        """
        phones, parts = self.request.config.federation.phones, self.prepared.own_test
        if not self._algorithm.epochs_after:
            return np.empty(0, np.int64)
        return np.arange(phones) if parts is None else parts.phones

    @cached_property
    def _network(self) -> "NetworkPhones | None":
        """The network that phones train, as it starts; None for a linear head."""
        config, world = self.request.config, self.world
        return network_phones(
            config.model, config.train, classes=len(config.data.classes), size=world.size,
            weights=world.weights, seed=config.run.seed, device=config.run.device,
        )  # fmt: skip

    def _classifier(self, head: np.ndarray) -> Classifier:
        return LinearHead(head) if self._network is None else self._network.classifier(head)

    def _start(self, log: RunLog) -> tuple[Checkpoint, list[RoundRecord]]:
        """Where the rounds begin, and the records of those before; InputError where they do not fit."""
        config, prepared = self.request.config, self.prepared
        if self._network is None:
            width = prepared.central.features.shape[1]
            head = new_head(len(config.data.classes), width, seed=config.run.seed)
        else:
            head = self._network.head
        rule = config.evaluation.select
        start = checkpoint.load(log.folder, rule) or Checkpoint(0, head, Selection(rule, head))
        whole = start.head.shape == start.selection.head.shape == head.shape
        try:
            records = log.keep_rounds(start.number)
        except (ValueError, TypeError):  # a line that was cut off
            records = []
        if not whole or len(records) != start.number:
            raise InputError(
                f"{checkpoint.FILE} and rounds.jsonl in {log.folder} do not fit the run; remove them to start"
                " it from its first round"
            )
        return start, records

    def _baseline(self, folder: Path, epochs: int | Literal["matched"]) -> tuple[str, dict[str, Any]]:
        """Trains a baseline in `folder`, or reads it where it is done; returns its name and summary."""
        request = self.request
        central = Central(
            self.world, self.prepared, request.experiment, request.command, self.seconds_features
        )
        name = central.name(epochs)
        if (folder / "summary.json").exists():
            return name, RunLog(folder).read_json("summary")
        began = self.began if folder == request.folder else time.perf_counter()
        return name, central.train(folder, epochs, self.display, name.capitalize(), began=began)

    def _report(self, summary: dict[str, Any], baselines: list[tuple[str, dict[str, Any]]]) -> Result:
        from simulations.report import write_report

        folder = self.request.folder
        with self.display.stage("Report", unit="pages") as step:
            folders = [folder / name for name in ("centralized", "centralized-matched")]
            pages = [place for place in folders if (place / "summary.json").exists()] + [folder]
            for done, place in enumerate(pages, 1):
                page = write_report(place)
                step(done, len(pages))
        return Result(summary, baselines, page)
