"""A centralized run in its own folder: trained, evaluated and written."""

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from fer_models.machine import stamp
from fer_models.models import MODELS
from fer_models.run_folder.folder import RunFolder
from fer_models.run_folder.rounds import RoundRecord, Totals
from fer_models.run_folder.summary import Summary, Trained
from simulations.run.artifacts import write_artifacts, write_data
from simulations.run.baselines import centralize, epoch_views
from simulations.run.begin import Requested, begin
from simulations.run.mirroring import Mirrors, mirrored
from simulations.terminal.display import Display, Step
from simulations.world.prepare import Prepared, World


@dataclass(frozen=True)
class Central:
    """A model to train centrally, and its prepared data."""

    world: World
    prepared: Prepared
    experiment: str  # its name
    command: str  # as typed
    seconds_features: float
    timed: bool = True  # whether the time to classify a photo is measured

    def name(self, epochs: int | Literal["matched"]) -> str:
        """The name of its training in the display."""
        model = self.world.config.model.name
        if not MODELS[model].epochs:
            return f"centralized, {model}"
        length = sum(self._views(epochs)) / len(self.prepared.central.rows)
        matched = "matched, " if epochs == "matched" else ""
        return f"centralized, {matched}{length:.4g} epoch{'' if length == 1 else 's'}"

    def train(
        self,
        folder: Path,
        epochs: int | Literal["matched"],
        display: Display,
        title: str,
        *,
        began: float,
        home: Path | None = None,
    ) -> Summary:
        """Trains for `epochs` in `folder`; returns its summary.

        `began`: the start, by time.perf_counter. `home`: the run folder of the command, if not `folder`.
        """
        log = RunFolder(folder)
        took = log.keep_rounds(0)
        config = self.world.config
        baseline = config.baseline.model_copy(update={"epochs": epochs})
        config = config.model_copy(update={"baseline": baseline})
        begin(
            log, self.world, Requested(self.experiment, self.command, federated=False, baseline=True), config
        )
        where = home or folder
        with mirrored(
            config, log, where, experiment=self.experiment, federated=False, display=display
        ) as mirrors:
            summary = self._train(log, epochs, took, display, title, began, mirrors)
            mirrors.end(summary)
        return summary

    def _train(
        self,
        log: RunFolder,
        epochs: int | Literal["matched"],
        took: Totals,
        display: Display,
        title: str,
        began: float,
        mirrors: Mirrors,
    ) -> Summary:
        views, model, path = self._views(epochs), self.world.config.model.name, self.prepared.features_path
        files = stamp.stamp([] if path is None else [path])
        with display.stage(title, unit="epochs") as step:

            def on_epoch(record: RoundRecord) -> None:
                stamp.check_unchanged(files)
                log.append_round(record)
                mirrors.add(record)
                took.add(record)
                show(step, record, len(views))

            step(0, len(views))
            selection, chosen = centralize(self.world, self.prepared, views, on_epoch)
        write_data(log.path, self.world, None)
        length = sum(views) / len(self.prepared.central.rows)
        return write_artifacts(
            log,
            self.world,
            self.prepared,
            selection,
            took,
            Trained(
                kind="centralized",
                strategy=None,
                partition=None,
                alpha=None,
                epochs=len(views) if length == len(views) else round(length, 4),
                matched=epochs == "matched" and MODELS[model].epochs,
                chosen=chosen,
                phones=0,
                nodes=0,
                experiment=self.experiment,
                seconds_features=self.seconds_features,
                seconds_features_computed=self.prepared.seconds_features,
            ),
            began=began,
            timed=self.timed,
        )

    def _views(self, epochs: int | Literal["matched"]) -> list[int]:
        return epoch_views(epochs, self.world.config, self.prepared)


def show(step: Step, record: RoundRecord, total: int) -> None:
    """Shows the results of a round, or an epoch, in the display."""
    facts = {} if record.train_loss is None else {"loss": f"{record.train_loss:.3f}"}
    if record.val_accuracy is not None and record.val_macro_f1 is not None:
        facts |= {"accuracy": f"{record.val_accuracy:.3f}", "macro-F1": f"{record.val_macro_f1:.3f}"}
    if record.phones:
        facts["phones/s"] = f"{record.phones / record.seconds:,.0f}"
    if record.dropped:
        facts["dropped"] = f"{record.dropped:,}"
    step(record.round, total, **facts)
