"""The run again, from its settings: the same world, and rounds on other phones or with other noise."""

import tempfile
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from fer_models.errors import InputError
from fer_models.local.phone_rows import PhoneRows
from fer_models.models import MODELS
from fer_models.run_folder.folder import RunFolder
from server.job import Job
from simulations.config import Config
from simulations.run.request import Request
from simulations.run.rounds import ExistingGrid, Rounds
from simulations.terminal.display import Display
from simulations.world.prepare import Prepared, World

if TYPE_CHECKING:
    from server.mechanisms.privacy.central import Central

_MOST_ROWS = 5_000_000
Wrapped = Callable[["Central"], "Central"]


@dataclass(frozen=True)
class Again:
    """A run's world, prepared, with what each phone holds written out."""

    config: Config
    world: World
    prepared: Prepared
    held: PhoneRows  # of all phones
    photos: np.ndarray  # (m,) int64, the photo of each row of the features, for training views

    @classmethod
    def of(cls, config: Config, world: World, prepared: Prepared) -> "Again":
        """InputError if the model is no linear head, or there are too many phones to write out."""
        if not MODELS[config.model.name].linear:
            raise InputError(
                f'audit: model.name = "{config.model.name}" trains a network, and the attacks are for linear'
                " heads on features; audit a run of another model"
            )
        data = prepared.phone_data
        if (rows := int(data.sizes.sum())) > _MOST_ROWS:
            raise InputError(
                f"audit: the phones hold {rows:,} views, more than the {_MOST_ROWS:,} that an audit can hold;"
                " audit a run with fewer phones"
            )
        every, firsts, lasts = (np.asarray(part) for part in data.of(np.arange(data.phones)))
        own = [every[first:last] for first, last in zip(firsts, lasts, strict=True)]
        counts = data.photos_of(np.arange(data.phones))
        held = PhoneRows(data.features, np.asarray(data.labels), *joined(own), counts, data.weighted)
        return cls(config, world, prepared, held, world.every_view.photos)

    def rows_of(self, phone: int) -> np.ndarray:
        """The rows of a phone."""
        return self.held.rows[self.held.offsets[phone] : self.held.offsets[phone + 1]]

    def head(
        self, held: PhoneRows, wrapped: Wrapped | None = None, **changes: Mapping[str, Any]
    ) -> np.ndarray:
        """The head (C, D + 1) of the run on other phones; `changes`: settings by section.

        `wrapped` replaces the privacy mechanism.
        """
        from simulations.engines.launcher import begun

        fixed: dict[str, Mapping[str, Any]] = {
            "evaluation": {"every": 1_000_000, "select": "last"}, "federation": {"phones": held.phones},
        }  # fmt: skip
        config = changed(self.config, **(fixed | changes))
        prepared = replace(self.prepared, phone_data=held, validation_on_phones=None, test_on_phones=None)
        world = replace(self.world, config=config)
        with tempfile.TemporaryDirectory(prefix="fedfer-audit-") as folder:
            log = RunFolder(Path(folder, "run"))
            request = Request("audit", config, log.path, "", baseline=False)
            with begun("process", 1, log.path / "logs") as run:

                def through(job: Job) -> None:
                    private = job.private and wrapped(job.private) if wrapped else job.private
                    run(replace(job, private=private, adapting=np.empty(0, np.int64)))

                rounds = Rounds(request, Display(quiet=True), world, prepared, ExistingGrid(through, 1))
                start, took = rounds.start(log)
                reached = rounds.train(log, start, took, time.perf_counter())
        arrays = reached.selection.head.arrays()
        return np.concatenate([arrays["weight"], arrays["bias"][:, None]], axis=1)


def joined(own: list[np.ndarray]) -> tuple[np.ndarray, np.ndarray]:
    """The rows of all phones in a row, and their offsets."""
    offsets = np.concatenate([[0], np.cumsum([len(rows) for rows in own])])
    return np.concatenate([np.empty(0, np.int64), *own]), offsets.astype(np.int64)


def changed(config: Config, **changes: Mapping[str, Any]) -> Config:
    """The settings with others, by section; checked."""
    every = config.model_dump(mode="json")
    for section, values in changes.items():
        every[section] = every[section] | dict(values)
    return Config.model_validate(every)
