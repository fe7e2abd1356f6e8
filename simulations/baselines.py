"""The centralized baseline: the same views, head, optimiser and training code, all in one place."""

import time
from collections.abc import Callable

import numpy as np

from fer_models.errors import RunError
from fer_models.evaluation import Selection, evaluate
from fer_models.heads import new_head
from fer_models.runlog import RoundRecord
from fer_models.training import CentralTrainer
from server.selection import select
from simulations.experiment import Config
from simulations.prepare import Prepared


def federated_views(config: Config, sizes: np.ndarray) -> int:
    """Views that the federated run processes in all, with phones of `sizes` (phones,) views."""
    federation = config.federation
    rounds = (
        select(len(sizes), federation.phones_per_round, seed=config.run.seed, number=number)
        for number in range(1, federation.rounds + 1)
    )
    return sum(int(sizes[phones].sum()) for phones in rounds) * federation.local_epochs


def epoch_views(epochs: int | str, config: Config, prepared: Prepared) -> list[int]:
    """Views of each epoch: all of them `epochs` times, or for "matched" as many as the federated run sees.

    The last matched epoch is cut short where the numbers do not divide.
    """
    views = len(prepared.central.rows)
    if isinstance(epochs, int):
        return [views] * epochs
    whole, rest = divmod(federated_views(config, prepared.shards.sizes), views)
    return [views] * whole + [rest] * (rest > 0)


def centralize(
    config: Config, prepared: Prepared, epochs: list[int], on_epoch: Callable[[RoundRecord], None]
) -> Selection:
    """Trains over `epochs`, each a number of views; returns the head that evaluation.select names."""
    seed, classes = config.run.seed, len(config.data.classes)
    start = new_head(classes, prepared.central.features.shape[1], seed=seed)
    trainer = CentralTrainer(prepared.central, start, config.train, seed=seed)
    selection = Selection(config.evaluation.select, start)
    for number, views in enumerate(epochs, 1):
        began = time.perf_counter()
        loss = trainer.epoch(views)
        seconds = time.perf_counter() - began
        if not np.isfinite(trainer.head).all():
            raise RunError(
                f"the baseline diverged in epoch {number}; lower train.lr (it is {config.train.lr})",
                resumable=False,
            )
        judged = number % config.evaluation.every == 0 or number == len(epochs)
        scores = evaluate(trainer.head, prepared.validation) if judged else None
        record = RoundRecord(
            round=number,
            phones=0,
            photos=views,
            train_loss=loss / views,
            val_accuracy=scores.accuracy if scores else None,
            val_macro_f1=scores.macro_f1 if scores else None,
            seconds=seconds,
            bytes_down=0,
            bytes_up=0,
            wire_bytes=0,
        )
        selection = selection.after(trainer.head.copy(), number, record.val_macro_f1)
        on_epoch(record)
    return selection
