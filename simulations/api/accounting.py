"""`privacy` for Python: what noise guarantees, or what a guarantee takes in noise; nothing is run."""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from server.mechanisms.accounting.guarantee import Guarantee


def privacy(
    phones: int,
    per_round: int = 0,
    rounds: int = 1,
    *,
    epsilon: float | None = None,
    noise_multiplier: float | None = None,
    delta: float | None = None,
    sampling: str = "poisson",
    neighbours: str | None = None,
    parameters: int | None = None,
) -> "Guarantee":
    """The guarantee of `epsilon` or `noise_multiplier`, whichever is given, for a phone over all rounds.

    `per_round`: expected phones, 0: all. `delta` None: phones^-1.1. `neighbours` None: "add-remove", and
    "replace" for `sampling="fixed"`. `parameters`: numbers in an update; None: those of the default head.
    """
    from server.mechanisms.accounting.guarantee import HEAD, guarantee
    from server.mechanisms.accounting.participation import participation

    return guarantee(
        participation(phones, per_round, rounds, sampling, neighbours),
        epsilon=epsilon,
        noise_multiplier=noise_multiplier,
        delta=delta,
        numbers=HEAD if parameters is None else parameters,
    )
