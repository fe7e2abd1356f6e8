"""Secure aggregation: whether the settings can have it."""

from fer_models.errors import InputError
from server.strategies.base import Algorithm
from server.strategies.registry import make
from simulations.config import Config


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


def _single(config: Config, algorithm: Algorithm) -> str:
    """Why a sum of updates is not enough for the strategy; "" if it is."""
    if config.strategy.sums:
        return "phones send sums over their views, which are not masked"
    if algorithm.needs_updates:
        return "it reads each phone's update"
    if algorithm.own in ("instead", "partly"):
        return "phones share nothing, or a part of their head"
    if algorithm.measures or algorithm.losses:
        return "phones send more than an update, and it is read one by one"
    return ""


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
