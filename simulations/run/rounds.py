"""The rounds of a federated run: where they start, what phones train, and the checkpoints between them."""

import json
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from fer_models.errors import InputError, RunError
from fer_models.evaluation import Selection
from fer_models.heads import Classifier, LinearHead, new_head
from fer_models.local.kernel import WITHIN_NUMBERS
from fer_models.machine import stamp
from fer_models.models import network_phones
from fer_models.run_folder.files import UnusableError
from fer_models.run_folder.folder import RunFolder
from fer_models.run_folder.rounds import RoundRecord, Totals
from fer_models.run_folder.summary import Chosen
from fer_models.updates import written
from server import checkpoint
from server.checkpoint import Checkpoint
from server.job import Job, Plan
from server.strategies import personal_heads
from server.strategies.base import Algorithm
from server.strategies.personal_heads import PersonalHeads
from server.strategies.registry import make
from simulations.run.central import show
from simulations.run.mirroring import Mirrors
from simulations.run.private import mechanism
from simulations.run.request import Request
from simulations.terminal.display import Display
from simulations.world.directions import Directions
from simulations.world.prepare import Prepared, World

if TYPE_CHECKING:
    from fer_models.networks.phones import NetworkPhones
    from server.mechanisms.privacy.central import Central


@dataclass(frozen=True)
class ExistingGrid:
    """Nodes that exist already: started for this run, or those of one of Flower's Grids."""

    run: Callable[[Job], None]  # runs the job on it
    nodes: int  # how many it has
    devices: bool = False  # whether each node is a phone, with its own photos


@dataclass(frozen=True)
class Reached:
    """Where the rounds ended."""

    selection: Selection[Classifier]  # the head to report
    chosen: Chosen  # what was chosen for it on the validation photos
    rounds: int  # that were trained: fewer than configured if the privacy budget was spent
    private: "Central | None"


@dataclass(frozen=True)
class Rounds:
    """A request, and what has been prepared for it."""

    request: Request
    display: Display
    world: World
    prepared: Prepared
    through: ExistingGrid
    along: Directions | None = None  # public directions along which phones train

    def train(
        self, log: RunFolder, start: Checkpoint, took: Totals, began: float, mirrors: Mirrors | None = None
    ) -> Reached:
        """Trains the remaining rounds and adds their cost to `took`; `mirrors`, if any, get each of them."""
        config, states, stopped = self.request.config, [start], list[bool]()
        private, rounds = mechanism(config, log.path, start.number), config.rounds
        if private is not None:
            rounds = min(rounds, private.plan.rounds)
        plan = self._plan((log.path / "prepared").absolute())

        with self.display.stage("Federated training", unit="rounds") as step:

            def on_round(record: RoundRecord, state: Checkpoint) -> None:
                stamp.check_unchanged(plan.stamp)
                log.append_round(record)
                if mirrors is not None:
                    mirrors.add(record)
                took.add(record)
                states[:] = [state]
                if record.round % config.checkpoint.every == 0 or record.round == rounds:
                    log.settle()
                    replace(state, seconds=time.perf_counter() - began).save(log.path)
                show(step, record, rounds)

            step(start.number, rounds)
            job = self._job(log, plan, start, rounds, on_round)
            job = replace(job, private=private, on_stopped=lambda: stopped.append(True))
            if start.number < rounds or (len(job.adapting) and personal_heads.load(log.path) is None):
                self.through.run(job)
            if (kept := personal_heads.of(states[0].state)) is not None:
                replace(kept, heads=self._whole(kept.heads)).save(log.path)
            if (reached := states[0]).number < rounds:
                if not stopped:
                    raise RunError(f"the simulation ended after round {reached.number} of {rounds}")
                replace(reached, seconds=time.perf_counter() - began).save(log.path)
        chosen = reached.selection
        model = self.classifier(chosen.head)
        selection = Selection(chosen.rule, model, chosen.number, chosen.macro_f1)
        return Reached(selection, self.algorithm.chosen(reached.state), reached.number, private)

    def _job(
        self,
        log: RunFolder,
        plan: Plan,
        start: Checkpoint,
        rounds: int,
        on_round: Callable[[RoundRecord, Checkpoint], None],
    ) -> Job:
        """The job of the remaining rounds."""
        adapting = self._adapting()
        return Job(
            plan=plan,
            start=start,
            rounds=rounds,
            nodes=self.through.nodes,
            evaluation=self.request.config.evaluation,
            validation=self._inside.validation,
            on_round=on_round,
            classifier=self.plain_classifier,
            validation_on_phones=self._inside.validation_on_phones,
            adapting=adapting,
            on_adapted=lambda heads: PersonalHeads(adapting, self._whole(heads)).save(log.path),
            recipe=self._recipe if self.request.devices else None,
            on_unreleased=log.append_unreleased,
        )

    def _plan(self, folder: Path) -> Plan:
        """What the strategy needs; saves what nodes need in `folder`, unless they have their own photos."""
        config, prepared, federation = self.request.config, self._inside, self.request.config.federation
        lies, files, sizes, photos = "", "", np.ones(federation.phones, np.int64), None
        if not self.request.devices:
            assert prepared.features_path is not None  # the model that phones train reads features
            prepared.phone_data.save(folder, prepared.features_path)
            if network := self._network:
                network.save(folder)
            files = stamp.stamp([*folder.glob("[!.]*"), prepared.features_path])
            lies, sizes = str(folder), prepared.phone_data.sizes
            photos = prepared.phone_data.photos_of(np.arange(len(sizes)))
        return Plan(
            prepared=lies,
            sizes=sizes,
            phones_per_round=config.phones_per_round,
            epochs=federation.local_epochs,
            block=federation.block,
            train=config.train,
            seed=config.run.train,
            strategy=config.strategy,
            min_phones=0 if config.privacy.private else federation.min_phones,
            stamp=files,
            transforms=written(config.update, config.attack),
            classes=len(config.data.classes),
            output=0 if self._network is None else self._network.output,
            patience=federation.patience,
            photos=photos,
            radius=0.0 if self.along is None else self.along.radius,
            secagg=config.secagg,
        )

    @cached_property
    def _inside(self) -> Prepared:
        """What the rounds see: along the public directions, if there are any."""
        if self.along is None:
            return self.prepared
        return self.along.within(self.prepared, self.request.folder / "prepared")

    def _whole(self, heads: np.ndarray) -> np.ndarray:
        """Heads (..., C, D + 1) on all features that are equivalent to those of the rounds."""
        return heads if self.along is None else self.along.expanded(heads)

    @property
    def _recipe(self) -> dict[str, Any]:
        """What a node that is a phone needs to prepare its photos; see clients/phone_node.py."""
        config, weights = self.request.config, self.world.weights
        assert weights is not None  # of the frozen part of the one model that devices train
        return {
            "classes": list(config.data.classes),
            "names": json.dumps(config.data.names),
            "max_unreadable": config.data.max_unreadable,
            "balance": config.data.balance,
            "balance_on": config.data.balance_on,
            "size": self.world.size,
            "weights": weights.name,
            "weights_sha256": weights.sha256,
            "seed": config.run.train,
            "views_seed": config.run.split,
        }

    @property
    def algorithm(self) -> Algorithm:
        """The algorithm that the settings name."""
        return make(self.request.config.strategy)

    def _adapting(self) -> np.ndarray:
        """The phones, sorted, that fine-tune the selected head for themselves at the end: those with test
        photos, which are all unless phones outnumber photos.
        """
        phones, parts = self.request.config.federation.phones, self.prepared.test_on_phones
        if not self.algorithm.epochs_after:
            return np.empty(0, np.int64)
        return np.arange(phones) if parts is None else parts.phones

    @cached_property
    def _network(self) -> "NetworkPhones | None":
        """The network that phones train, in its initial state; None for a linear head."""
        config, world = self.request.config, self.world
        return network_phones(
            config.model, config.train, classes=len(config.data.classes), size=world.size,
            weights=world.weights, seed=config.run.train, device=config.run.device,
        )  # fmt: skip

    def classifier(self, head: np.ndarray) -> Classifier:
        """The classifier with this head of the rounds."""
        return self.plain_classifier(self._whole(head))

    def plain_classifier(self, head: np.ndarray) -> Classifier:
        """The classifier with a head on the features that it was trained on, or on all of them."""
        return LinearHead(head) if self._network is None else self._network.classifier(head)

    def start(self, log: RunFolder) -> tuple[Checkpoint, Totals]:
        """Where the rounds start, and the cost of those before; InputError if they do not fit the run."""
        config = self.request.config
        if self._network is None:
            width = self._inside.phone_data.features.shape[1]
            head = new_head(len(config.data.classes), width, seed=config.run.train)
        else:
            head = self._network.head
            if config.privacy.private and head.size > WITHIN_NUMBERS:
                raise InputError(
                    f"a private update has at most {WITHIN_NUMBERS:,} numbers, this network's has"
                    f" {head.size:,}; choose a smaller model"
                )
        rule = config.evaluation.select
        start = checkpoint.load(log.path, rule) or Checkpoint(0, head, Selection(rule, head))
        whole = start.head.shape == start.selection.head.shape == head.shape
        try:
            took = log.keep_rounds(start.number)
        except (ValueError, UnusableError):  # a line that was cut off
            took = Totals()
        if not whole or took.rounds != start.number:
            raise InputError(
                f"{checkpoint.FILE} and rounds.jsonl in {log.path} do not fit the run; remove them to start"
                " it from its first round"
            )
        return start, took
