"""The phones that a node works for: their data and how they train, opened once per process."""

import platform
from collections.abc import Callable
from functools import lru_cache
from pathlib import Path

import numpy as np

from fer_models.data import draws
from fer_models.data.draws import PoolDraws
from fer_models.errors import RunError
from fer_models.local.measures import Gradient, linear_gradient
from fer_models.local.phone_rows import PhoneData, PhoneRows
from fer_models.local.training import LocalWork, Trained, train_phones
from fer_models.networks import phones as network_phones
from fer_models.networks.phones import NetworkPhones

Train = Callable[[PhoneData, np.ndarray, LocalWork], Trained]


@lru_cache(maxsize=2)
def phones_of(prepared: str) -> PhoneData:
    """The data prepared in the folder `prepared`; RunError if this node cannot read it."""
    try:
        folder = Path(prepared)
        return PoolDraws.load(folder) if (folder / draws.FILE).exists() else PhoneRows.load(folder)
    except (OSError, ValueError, KeyError) as error:
        raise RunError(
            f"the node on {platform.node()} cannot read the prepared data in {prepared}: {error}; on a"
            " cluster the run folder and FEDFER_CACHE must be on storage that all machines share, at one path"
        ) from error


def trainer_of(prepared: str) -> Train:
    """The local update for what phones train: a linear head, or the network stored in the folder."""
    network = _network_of(prepared)
    return train_phones if network is None else network.train


def gradient_of(prepared: str) -> Gradient:
    """The gradient of the mean loss of what phones train."""
    network = _network_of(prepared)
    return linear_gradient if network is None else network.gradient


@lru_cache(maxsize=2)
def _network_of(prepared: str) -> NetworkPhones | None:
    folder = Path(prepared)
    if not (folder / network_phones.FILE).exists():
        return None
    try:
        return NetworkPhones.load(folder)
    except (OSError, ValueError, TypeError) as error:
        raise RunError(f"this node cannot read the network in {prepared}: {error}") from error
