"""Centralized training: of the federation's head on the same views, and of every other model."""

import time
from collections.abc import Callable

import numpy as np

from fer_models import models
from fer_models.errors import RunError
from fer_models.evaluation import HeldOut, Selection, evaluate
from fer_models.heads import Classifier, cross_entropy
from fer_models.run_folder.rounds import RoundRecord
from fer_models.run_folder.summary import Chosen
from server.selection import select
from server.strategies.registry import make
from simulations.config import Config
from simulations.world.prepare import Prepared, World


def epochs_per_round(config: Config) -> int:
    """Epochs of a phone's local update, with those that the strategy adds."""
    return config.federation.local_epochs + make(config.strategy).extra_epochs


def federated_views(config: Config, sizes: np.ndarray) -> int:
    """Views that the federated run processes in total, with phones of `sizes` (phones,) views."""
    rounds = (
        select(len(sizes), config.phones_per_round, seed=config.run.train, number=number)
        for number in range(1, config.rounds + 1)
    )
    return sum(int(sizes[phones].sum()) for phones in rounds) * epochs_per_round(config)


def epoch_views(epochs: int | str, config: Config, prepared: Prepared) -> list[int]:
    """Views of each epoch: all of them `epochs` times, or for "matched" as many as the federated run sees.

    The last matched epoch is shorter if the numbers do not divide. A model that is fitted all at once sees
    each view once.
    """
    views = len(prepared.central.rows)
    if not models.MODELS[config.model.name].epochs:
        return [views]
    if isinstance(epochs, int):
        return [views] * epochs
    whole, rest = divmod(federated_views(config, prepared.phone_data.sizes), views)
    return [views] * whole + [rest] * (rest > 0)


_ROWS = 4096  # training views evaluated at a time
OnEpoch = Callable[[RoundRecord], None]


def centralize(
    world: World, prepared: Prepared, epochs: list[int], on_epoch: OnEpoch
) -> tuple[Selection[Classifier], Chosen]:
    """Trains the model over `epochs`, each a number of views; returns what evaluation.select picks, and
    what else was chosen on the validation photos.
    """
    if models.MODELS[world.config.model.name].epochs:
        return _in_epochs(world, prepared, epochs, on_epoch), {}
    return _at_once(world, prepared, on_epoch)


def _in_epochs(
    world: World, prepared: Prepared, epochs: list[int], on_epoch: OnEpoch
) -> Selection[Classifier]:
    config = world.config
    trainer = models.start(
        config.model,
        config.central_training,
        prepared.central,
        classes=len(config.data.classes),
        size=world.size,
        weights=world.weights,
        seed=config.run.train,
        device=config.run.device,
    )
    selection = Selection[Classifier](config.evaluation.select, trainer.classifier)
    for number, views in enumerate(epochs, 1):
        began = time.perf_counter()
        loss = trainer.epoch(views)
        seconds = time.perf_counter() - began
        if not trainer.finite:
            own = "train" if config.baseline.lr == "auto" else "baseline"
            rate = config.central_training.lr
            raise RunError(
                f"{config.model.name} diverged in epoch {number}; lower {own}.lr (it is {rate})",
                resumable=False,
            )
        judged = number % config.evaluation.every == 0 or number == len(epochs)
        classifier = trainer.classifier
        record = _record(
            number, views, loss / views, seconds, classifier, prepared.validation if judged else None
        )
        selection = selection.after(classifier, number, record.val_macro_f1)
        on_epoch(record)
    return selection


def _at_once(world: World, prepared: Prepared, on_epoch: OnEpoch) -> tuple[Selection[Classifier], Chosen]:
    pooled, began = prepared.central, time.perf_counter()
    classifier, chosen = models.fit(world.config.model, pooled, prepared.validation, world.photos)
    seconds, views = time.perf_counter() - began, len(pooled.rows)
    loss = 0.0
    for first in range(0, views, _ROWS):
        rows = pooled.rows[first : first + _ROWS]
        chances = classifier.probabilities(pooled.features[rows])
        loss += len(rows) * cross_entropy(chances, pooled.labels[rows])
    on_epoch(_record(1, views, loss / views, seconds, classifier, prepared.validation))
    return Selection("last", classifier, 1), chosen


def _record(
    number: int,
    views: int,
    train_loss: float,
    seconds: float,
    classifier: Classifier,
    judged_on: HeldOut | None,
) -> RoundRecord:
    scores, val_loss = evaluate(classifier, judged_on) if judged_on else (None, None)
    return RoundRecord(
        round=number,
        phones=0,
        photos=views,
        train_loss=train_loss,
        val_accuracy=scores.accuracy if scores else None,
        val_macro_f1=scores.macro_f1 if scores else None,
        val_loss=val_loss,
        seconds=seconds,
        bytes_down=0,
        bytes_up=0,
        wire_bytes=0,
    )
