"""Whether settings can be trained on phones, as far as they tell by themselves."""

from fer_models.encoders.backbone import FEATURES
from fer_models.errors import InputError
from fer_models.models import MODELS
from fer_models.updates import chosen
from server.strategies.registry import check_optimizer, check_phones, make
from simulations.config import Config
from simulations.run.private import check_private
from simulations.run.secure import check_secure

_TRAINS = {"linear": "linear heads on frozen features only", "network": "whole networks only"}


def check_federated(config: Config) -> None:
    """InputError if the model is trained centrally only, or the strategy does not fit the other settings."""
    if not MODELS[config.model.name].federated:
        known = ", ".join(name for name, model in MODELS.items() if model.federated)
        raise InputError(
            f'model.name: "{config.model.name}" is trained centrally only; use fedfer baseline, or set'
            f" model.name to one of {known}"
        )
    _check_strategy(config)
    check_private(config)
    check_secure(config)


def _check_strategy(config: Config) -> None:
    """InputError if the strategy cannot work with the model, or with the phones of a round."""
    strategy = config.strategy
    if strategy.sums and not MODELS[config.model.name].linear:
        raise InputError(
            f"a closed form (strategy.name, strategy.start) needs a linear head: model.name must be"
            f' "mobilenet", got "{config.model.name}"; set it, or another strategy'
        )
    algorithm = make(strategy)
    if algorithm.trains not in ("any", kind := "linear" if MODELS[config.model.name].linear else "network"):
        fitting = (n for n, page in MODELS.items() if page.federated and page.linear != (kind == "linear"))
        raise InputError(
            f"strategy.name = {strategy.name} trains {_TRAINS[algorithm.trains]}: model.name must be one of"
            f' {", ".join(fitting)}, got "{config.model.name}"; set it, or another strategy'
        )
    steps = chosen(config.update, config.attack)
    sums = strategy.sums and not all(step.data_alone for step in steps)
    more = sums or algorithm.own in ("instead", "partly") or bool(algorithm.measures)
    if steps and more:
        raise InputError(
            "update.clip_norm and attack.name change the updates that phones send in every round; with"
            f" strategy.name = {strategy.name} and strategy.start = {strategy.start} phones send something"
            " else as well, or nothing; omit them, or set another strategy"
        )
    attack, phones = config.attack, config.federation.phones
    if any(attack.steps()) and attack.phones > 0 and not round(attack.phones * phones):
        raise InputError(
            f"attack.phones: a share of {attack.phones} is none of the {phones} phones; raise it, or"
            " leave the attack out"
        )
    if strategy.projection > FEATURES:
        raise InputError(
            f"strategy.projection must be at most {FEATURES}, the number of features, got "
            f"{strategy.projection}; lower it"
        )
    try:
        check_optimizer(strategy, config.train.optimizer)
        check_phones(strategy, config.phones_per_round or config.federation.phones)
    except ValueError as error:
        raise InputError(str(error)) from error
