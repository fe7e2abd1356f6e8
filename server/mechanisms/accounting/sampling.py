"""Who takes part in a round, and what it is accounted as."""

from dataclasses import dataclass
from typing import Literal

from fer_models.errors import InputError

Neighbours = Literal["add-remove", "replace"]


@dataclass(frozen=True)
class Sampling:
    """One way to select the phones of a round."""

    name: str
    words: str  # the assumption that the accounting makes
    neighbours: tuple[Neighbours, ...] = (
        "add-remove",
        "replace",
    )  # those it can be accounted for, first: usual
    everybody: bool = False  # every phone takes part in every round
    exact: bool = False  # a round takes exactly as many phones as expected


_POISSON = Sampling(
    "poisson",
    "Each phone joins each round by its own coin, and who joined stays secret: a phone known to have taken"
    " part has less privacy.",
)
_FIXED = Sampling(
    "fixed",
    "Each round takes the same number of phones, drawn evenly without replacement, and who was drawn stays"
    " secret. Accounted as the replacement of a phone, with half the noise multiplier.",
    neighbours=("replace",),
    exact=True,
)
_ALL = Sampling(
    "all", "Every phone takes part in every round: nothing is gained from sampling.", everybody=True
)

SAMPLINGS = {one.name: one for one in (_POISSON, _FIXED, _ALL)}


def sampling_named(name: str) -> Sampling:
    """InputError if there is none of that name."""
    if name not in SAMPLINGS:
        raise InputError(f'sampling must be {_either(SAMPLINGS)}, got "{name}"')
    return SAMPLINGS[name]


def neighbours_of(sampling: Sampling, name: str | None) -> Neighbours:
    """The neighbours of that name; None: the usual ones. InputError if they do not go with the sampling."""
    known: tuple[Neighbours, ...] = _POISSON.neighbours
    if name is None:
        return sampling.neighbours[0]
    for one in known:
        if one == name and one in sampling.neighbours:
            return one
    if name in known:
        raise InputError(
            f"neighbours are {name}, but sampling {sampling.name} is accounted for"
            f" {' or '.join(sampling.neighbours)} alone; leave neighbours out, or sample by poisson"
        )
    raise InputError(f'neighbours must be {_either(known)}, got "{name}"')


def _either(names: object) -> str:
    *most, last = [f'"{name}"' for name in names]  # type: ignore[attr-defined]
    return f"{', '.join(most)} or {last}"
