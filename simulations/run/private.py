"""A private run: what it can be, its key, and what it says in the end."""

import secrets
from pathlib import Path
from typing import TYPE_CHECKING

from fer_models.balancing.registry import chosen
from fer_models.encoders.backbone import FEATURES
from fer_models.errors import InputError
from fer_models.linear import bounded
from fer_models.local.kernel import WITHIN_NUMBERS
from fer_models.machine.cache import whole_file
from fer_models.models import MODELS
from fer_models.run_folder.releases import Releases
from fer_models.text import printable
from server.strategies.registry import make
from simulations.config import Config

if TYPE_CHECKING:
    from fer_models.run_folder.privacy import PrivacyFacts
    from server.mechanisms.privacy.central import Central
    from server.mechanisms.privacy.plan import PrivatePlan

KEY = "noise.key"


def check_private(config: Config) -> None:
    """InputError if the privacy that the settings ask for cannot be had."""
    if not config.privacy.private:
        return
    if (config.update.model_extra or {}).get("clip_norm", 0) > 0:
        raise InputError(
            "update.clip_norm is a clip of its own, which privacy.clip replaces; leave it out with"
            f" privacy.mechanism = {config.privacy.mechanism}"
        )
    if config.federation.min_phones > 1:
        raise InputError(
            "federation.min_phones must be 1 in a private run, in which no round is repeated for want of"
            f" phones: that would tell how many came; got {config.federation.min_phones}; leave it out"
        )
    _check_directions(config)
    if why := _more_than_a_mean(config):
        raise InputError(
            f"strategy.name = {config.strategy.name} cannot be private: {why}; set another strategy, or"
            ' privacy.mechanism = "none"'
        )
    plan_of(config)


def _more_than_a_mean(config: Config) -> str:
    """Why a private mean is not enough for the strategy; "" if it is."""
    algorithm = make(config.strategy)
    if config.strategy.sums and not config.strategy.page.closed_form:
        return "its head starts from sums over the phones' views (strategy.start), to which no noise is added"
    if config.strategy.sums and not algorithm.can_be_private:
        return "phones send sums over their views, from which it cannot be solved with noise"
    if config.strategy.sums:
        return ""
    weighs = "" if algorithm.mean_only else "it weighs phones, or reads more of a round than its mean"
    return algorithm.more_than_the_sum or weighs


def plan_of(config: Config) -> "PrivatePlan | None":
    """The plan of a private run; None without privacy. InputError if it cannot be. Price: seconds, once."""
    if not config.privacy.private:
        return None
    from server.mechanisms.privacy.plan import planned

    linear = MODELS[config.model.name].linear
    return planned(
        config.privacy,
        phones=config.federation.phones,
        per_round=config.phones_per_round,
        rounds=config.rounds,
        numbers=_numbers(config, linear),
    )


def _numbers(config: Config, linear: bool) -> int:
    """In what a phone sends, at most."""
    classes, width = len(config.data.classes), config.privacy.directions or FEATURES
    if config.strategy.sums:
        return bounded.size(width, classes)
    return classes * (width + 1) if linear else WITHIN_NUMBERS


def _check_directions(config: Config) -> None:
    """InputError if public directions are missing, or have nothing to direct."""
    if config.privacy.directions and not MODELS[config.model.name].linear:
        raise InputError(
            f'privacy.directions are for linear heads: model.name must be "mobilenet", got'
            f' "{config.model.name}"; leave them out'
        )
    if config.strategy.page.closed_form and not config.privacy.directions:
        raise InputError(
            "privacy.directions must be given with a closed form: on all 1,280 features the noise on their"
            " products is larger than any signal; for example 128"
        )


def mechanism(config: Config, folder: Path, number: int) -> "Central | None":
    """The privacy of the run in `folder`, which has reached round `number`, with its key if rounds remain.

    InputError if the key of a run that has begun is gone.
    """
    if (plan := plan_of(config)) is None:
        return None
    from server.mechanisms.privacy.central import Central
    from server.mechanisms.privacy.coins import Coins

    releases = Releases(folder)
    if config.privacy.randomness == "seeded":
        return Central(plan, Coins.seeded(config.run.train), releases)
    key = _key(folder, begun=releases.last > 0) if number < plan.rounds else b""
    return Central(plan, Coins(key), releases)


def _key(folder: Path, *, begun: bool) -> bytes:
    path = folder / KEY
    if not path.exists():
        if begun:
            raise InputError(
                f"{printable(path)} is gone: without it the noise of the rounds so far cannot be drawn again;"
                " restore it, or start a new run"
            )
        with whole_file(path) as temporary:
            temporary.touch(mode=0o600)
            temporary.write_bytes(secrets.token_bytes(32))
    key = path.read_bytes()
    if len(key) != 32:
        raise InputError(
            f"{printable(path)} must hold 32 bytes, got {len(key)}; restore it, or start a new run"
        )
    return key


def private_facts(config: Config, private: "Central | None", rounds: int) -> "PrivacyFacts | None":
    """What the run guarantees after so many rounds, for its summary."""
    if private is None:
        return None
    from server.mechanisms.privacy.statement import facts

    algorithm = make(config.strategy)
    return facts(
        private.plan,
        private.spent_in_all(rounds),
        rounds,
        planned=chosen(config.data).central_plan and config.data.balance > 0,
        personal=bool(algorithm.own or algorithm.epochs_after),
    )


def forget_key(folder: Path) -> None:
    """Deletes the key of a run that needs it no more."""
    (folder / KEY).unlink(missing_ok=True)
