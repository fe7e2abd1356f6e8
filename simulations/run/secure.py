"""Secure aggregation: whether the settings can have it."""

from fer_models.errors import InputError
from server.strategies.base import Algorithm
from server.strategies.registry import make
from simulations.config import Config

_UNMASKABLE, _RARE = 3, 1e-6  # phones that no graph can mask, and how often that may happen


def check_secure(config: Config) -> None:
    """InputError if updates cannot be summed as the settings ask for."""
    settings = config.secagg
    if not settings.on:
        return
    if why := _single(config, make(config.strategy)):
        raise InputError(
            f"strategy.name = {config.strategy.name} cannot work with secure aggregation: {why}; set another"
            ' strategy, or secagg.protocol = "none"'
        )
    if settings.masks:
        phones = config.phones_per_round or config.federation.phones
        try:
            settings.degree(phones // -(-phones // settings.group))  # the smallest group
        except ValueError as error:
            raise InputError(
                f"secagg: {error}; change secagg.threshold, secagg.neighbours or secagg.group, or let more"
                " phones take part"
            ) from error
    _check_ring(config)
    _check_coins(config)


def _single(config: Config, algorithm: Algorithm) -> str:
    """Why a sum of updates is not enough for the strategy; "" if it is."""
    if config.strategy.sums:
        return "phones send sums over their views, which are not masked"
    return algorithm.more_than_the_sum


def _check_coins(config: Config) -> None:
    """InputError if the coins of a private run might bring phones, but too few to be masked."""
    from scipy.stats import binom

    phones, chosen, private = config.federation.phones, config.phones_per_round, config.privacy
    by_coin = private.private and private.sampling == "poisson" and chosen > 0
    if not config.secagg.masks or not by_coin:
        return
    few = binom.cdf(_UNMASKABLE, phones, chosen / phones) - binom.pmf(0, phones, chosen / phones)
    if (chance := min(few * config.rounds, 1.0)) > _RARE:
        raise InputError(
            f"secagg: with {chosen:,} phones expected, coins may bring 1 to {_UNMASKABLE} of them in some"
            f" round (chance {chance:.2g}), too few to mask; raise federation.phones_per_round, or set"
            ' privacy.sampling = "fixed"'
        )


def _check_ring(config: Config) -> None:
    """InputError if a round's sum could leave the ring, as far as the settings bound updates."""
    ring, private, phones = config.secagg.ring, config.privacy.private, config.federation.phones
    clip = config.privacy.clip if private else (config.update.model_extra or {}).get("clip_norm", 0.0)
    if private and config.privacy.clipping == "adaptive" and not ring.exact:
        raise InputError(
            f'privacy.clipping = "adaptive" has no bound that secagg.bits = {ring.bits} could be checked'
            " against; set secagg.bits = 64"
        )
    many = phones if private else config.phones_per_round or phones  # coins may take all
    if many * clip >= ring.below:
        raise InputError(
            f"secagg.bits = {ring.bits} holds sums below {ring.below:,.0f}, but {many:,} phones x a clip of"
            f" {clip:g} may sum up to {many * clip:,.0f}; set secagg.bits = 64, or lower the clip"
        )
