"""From the settings to the algorithm that they name, and whether it can work with the phones of a round."""

from collections.abc import Callable

from server.config import StrategyConfig
from server.strategies.adaptive import FedAdagrad, FedAdam, FedYogi
from server.strategies.alone import Alone
from server.strategies.base import Algorithm
from server.strategies.bulyan import Bulyan, check_bulyan
from server.strategies.calibrated import BalancedSoftmax, FedLC
from server.strategies.ditto import Ditto
from server.strategies.fedavg import FedAvg
from server.strategies.fedavgm import FedAvgM
from server.strategies.feddyn import FedDyn
from server.strategies.fednova import FedNova
from server.strategies.fedprox import FedProx
from server.strategies.fine_tune import FineTune
from server.strategies.krum import Krum, MultiKrum, check_krum, check_multi_krum
from server.strategies.median import Median
from server.strategies.qfedavg import QFedAvg
from server.strategies.scaffold import Scaffold
from server.strategies.trimmed_mean import TrimmedMean

# What builds each algorithm from the options that its strategy owns (server/config.py).
ALGORITHMS: dict[str, Callable[..., Algorithm]] = {
    "fedavg": FedAvg,
    "fedavgm": FedAvgM,
    "fedadam": FedAdam,
    "fedyogi": FedYogi,
    "fedadagrad": FedAdagrad,
    "qfedavg": QFedAvg,
    "median": Median,
    "trimmed-mean": TrimmedMean,
    "krum": Krum,
    "multi-krum": MultiKrum,
    "bulyan": Bulyan,
    "fedprox": FedProx,
    "scaffold": Scaffold,
    "feddyn": FedDyn,
    "fednova": FedNova,
    "fedlc": FedLC,
    "balanced-softmax": BalancedSoftmax,
    "ditto": Ditto,
    "fine-tune": FineTune,
    "ridge": FedAvg,  # of which no round is taken: its head is the one that sums give (ridge.py)
    "local": Alone,
}

_CHECKS: dict[str, Callable[..., object]] = {
    "krum": check_krum,
    "multi-krum": check_multi_krum,
    "bulyan": check_bulyan,
}


def make(config: StrategyConfig) -> Algorithm:
    """The algorithm that the settings name, with their options or its own defaults."""
    return ALGORITHMS[config.name](**config.options())


def check(config: StrategyConfig, phones: int) -> None:
    """ValueError, a line that starts with the key, where the settings ask too much of `phones` in a round."""
    try:
        if config.name in _CHECKS:
            _CHECKS[config.name](phones, **config.options())
    except ValueError as error:
        raise ValueError(f"strategy.{error}") from error
