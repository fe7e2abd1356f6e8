"""The command `fedfer privacy`: epsilon for noise, or noise for epsilon. Heavy imports when it runs."""

import json as to_json
import textwrap
from typing import TYPE_CHECKING, Annotated, Any

import typer

from fer_models.errors import InputError
from fer_models.text import many
from simulations.cli.options import Quiet

if TYPE_CHECKING:
    from server.mechanisms.accounting.guarantee import Guarantee

_WIDTH = 80  # columns, at most


def _option(name: str, value: str, words: str) -> Any:
    return typer.Option(name, metavar=value, help=words)


Phones = Annotated[int | None, _option("--phones", "N", "Phones that could take part.")]
PerRound = Annotated[int | None, _option("--per-round", "N", "Phones in a round; default: all.")]
Rounds = Annotated[int | None, _option("--rounds", "N", "Rounds of the run.")]
Epsilon = Annotated[float | None, _option("--epsilon", "E", "The budget: how much noise does it take?")]
Noise = Annotated[
    float | None, _option("--noise-multiplier", "Z", "The noise, in clips: what is its epsilon?")
]
Delta = Annotated[float | None, _option("--delta", "D", "Below 1/phones; default: phones^-1.1.")]
Numbers = Annotated[
    int | None, _option("--parameters", "N", "Numbers in an update; default: 6405, of a head.")
]
How = Annotated[str | None, _option("--sampling", "HOW", "poisson, fixed or all; default: poisson.")]
Which = Annotated[
    str | None,
    _option("--neighbours", "WHICH", "add-remove or replace; default: add-remove, for fixed replace."),
]
Json = Annotated[bool, typer.Option("--json", help="Print a JSON object instead of text.")]


def privacy(
    phones: Phones = None,
    per_round: PerRound = None,
    rounds: Rounds = None,
    epsilon: Epsilon = None,
    noise_multiplier: Noise = None,
    delta: Delta = None,
    sampling: How = None,
    neighbours: Which = None,
    parameters: Numbers = None,
    json: Json = False,
    quiet: Quiet = False,
) -> None:
    """Compute what noise guarantees, or what noise a budget takes.

    Give --phones, --rounds, and either --epsilon or --noise-multiplier. Nothing is run: private runs have
    privacy.mechanism = "central".
    """
    if phones is None or rounds is None:
        missing = "--phones" if phones is None else "--rounds"
        raise InputError(f"privacy depends on the numbers of phones and rounds; give {missing} N")
    if per_round is not None and per_round < 1:
        raise InputError(
            f"--per-round must be at least 1, got {per_round:,}; leave it out to take all phones"
        )

    from simulations import api

    found = api.privacy(
        phones, per_round or 0, rounds, epsilon=epsilon, noise_multiplier=noise_multiplier, delta=delta,
        sampling=sampling or "poisson", neighbours=neighbours, parameters=parameters,
    )  # fmt: skip
    if json:
        print(to_json.dumps(found.record(), indent=2))
    elif not quiet:
        print(text(found))


def text(found: "Guarantee") -> str:
    """The guarantee, and what it stands on."""
    part = found.taking_part
    who = (
        f"{part.per_round:,} of {part.phones:,} phones" if part.chance < 1 else f"all {part.phones:,} phones"
    )
    way = {"pld": "PLD", "gaussian": "exact"}[found.accountant]
    rows = {
        "Noise multiplier": f"{found.noise_multiplier:.5g}",
        "Epsilon": f"{_up(found.epsilon)} ({way}); by RDP {_up(found.epsilon_rdp)}",
        "Delta": f"{found.delta:.3g}",
        "Noise of the mean": f"{found.noise_in_clips:.3g} clips (norm, {found.numbers:,} numbers)",
    }
    lines = [f"Privacy of a phone over {many(part.rounds, 'round')} of {who}", ""]
    lines += [f"  {name:18}  {value}" for name, value in rows.items()]
    lines += ["", "It holds if:", ""]
    for one in found.assumptions:
        lines += textwrap.wrap(one, _WIDTH, initial_indent="  - ", subsequent_indent="    ")
    return "\n".join(lines)


def _up(epsilon: float) -> str:
    """In four digits, never too small."""
    from server.mechanisms.accounting.calibration import rounded_up

    return f"{rounded_up(epsilon, 4) if epsilon else 0:.4g}"
