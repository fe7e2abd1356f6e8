"""From the settings to the algorithm they name, and the check that it can work with the phones of a round."""

from collections.abc import Mapping
from typing import Any, Protocol

from fer_models.pages.registry import Registry
from server.strategies.adaptive import FedAdagrad, FedAdam, FedYogi
from server.strategies.base import Algorithm
from server.strategies.bulyan import Bulyan
from server.strategies.calibrated import BalancedSoftmax, FedLC
from server.strategies.closed_form import ClosedForm
from server.strategies.ditto import Ditto
from server.strategies.fedavg import FedAvg
from server.strategies.fedavgm import FedAvgM
from server.strategies.fedbabu import FedBABU
from server.strategies.feddyn import FedDyn
from server.strategies.fedexp import FedExP
from server.strategies.fednova import FedNova
from server.strategies.fedpac import FedPAC
from server.strategies.fedprox import FedProx
from server.strategies.fedrep import FedRep
from server.strategies.fine_tune import FineTune
from server.strategies.krum import Krum, MultiKrum
from server.strategies.lda import FederatedLda
from server.strategies.local_only import LocalOnly
from server.strategies.median import Median
from server.strategies.mime_lite import MimeLite
from server.strategies.moon import Moon
from server.strategies.ncm import FederatedNcm
from server.strategies.own_prior import OwnPrior
from server.strategies.qfedavg import QFedAvg
from server.strategies.ridge import FederatedRidge
from server.strategies.scaffold import Scaffold
from server.strategies.trimmed_mean import TrimmedMean

ALGORITHMS: dict[str, type[Algorithm]] = {
    "fedavg": FedAvg,
    "fedprox": FedProx,
    "fedavgm": FedAvgM,
    "fedadam": FedAdam,
    "fedyogi": FedYogi,
    "fedadagrad": FedAdagrad,
    "fedexp": FedExP,
    "qfedavg": QFedAvg,
    "median": Median,
    "trimmed-mean": TrimmedMean,
    "krum": Krum,
    "multi-krum": MultiKrum,
    "bulyan": Bulyan,
    "scaffold": Scaffold,
    "feddyn": FedDyn,
    "fednova": FedNova,
    "mime-lite": MimeLite,
    "fedlc": FedLC,
    "balanced-softmax": BalancedSoftmax,
    "ditto": Ditto,
    "fine-tune": FineTune,
    "fedrep": FedRep,
    "fedbabu": FedBABU,
    "moon": Moon,
    "own-prior": OwnPrior,
    "fedpac": FedPAC,
    "ridge": FederatedRidge,
    "lda": FederatedLda,
    "ncm": FederatedNcm,
    "local": LocalOnly,
}
STRATEGIES: Registry[Algorithm] = Registry("strategy.name", Algorithm, ALGORITHMS, default="fedavg")  # type: ignore[type-abstract]


CLOSED_FORMS = {name: page for name, page in ALGORITHMS.items() if issubclass(page, ClosedForm)}


class Chosen(Protocol):
    """The strategy as the settings choose it."""

    @property
    def name(self) -> str:
        """One of ALGORITHMS, or module:Class."""

    def options(self) -> Mapping[str, Any]:
        """Its options by name."""


def make(chosen: Chosen) -> Algorithm:
    """The algorithm that the settings name, with their options or its defaults."""
    return STRATEGIES.page(chosen.name)(**chosen.options())


def check_optimizer(chosen: Chosen, optimizer: str) -> None:
    """ValueError, one line that starts with the key, if the strategy cannot work with train.optimizer."""
    algorithm = make(chosen)
    if algorithm.plain_sgd and algorithm.sgd_rate is None and optimizer != "sgd":
        raise ValueError(
            f'train.optimizer: the phones of {chosen.name} must run plain SGD, got "{optimizer}"; set it to'
            ' "sgd" with a train.lr that suits, or give strategy.local_lr'
        )


def check_phones(chosen: Chosen, phones: int) -> None:
    """ValueError, one line that starts with the key, if the strategy cannot work with `phones` per round."""
    try:
        make(chosen).check(phones)
    except ValueError as error:
        raise ValueError(f"strategy.{error}") from error
