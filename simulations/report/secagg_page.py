"""What secure aggregation did, and cost, on the page of a run."""

from html import escape as esc
from statistics import fmean

from simulations.report.page import paragraph, section, table
from simulations.report.results import Run

_STEPS = {"keys": "Keys", "shares": "Shares", "masked": "Training, masked updates", "unmask": "Unmasking"}
_DEVICES = (
    "Keys came from the phones' own systems. Counts, losses and bounds of updates travel beside them as they"
    " are, and the server relays the keys."
)
_HIDES_NOTHING = (
    "In a simulation this shows that sums are correct, what they cost and what lost phones do; it hides"
    " nothing: the phones' keys follow from the run's seed, and their updates are all on this machine."
)


def secure_aggregation(run: Run) -> str:
    """The section of a run with secure aggregation; "" for others."""
    settings = run.config.secagg
    if not settings.on:
        return ""
    what = (
        f"Updates are masked in groups of at most {settings.group:,} phones; the server sees their sums."
        if settings.masks
        else "Updates are summed as they would be under masks (secagg.protocol = sum), without any."
    )
    ring = settings.ring
    lattice = f"Sums are integers modulo 2^{settings.bits}, in units of 2^{ring.exponent}" + (
        ", as without it: the head is the same to the last bit."
        if ring.exact
        else ", coarser than in other runs: every update is rounded to them."
    )
    promise = _DEVICES if run.environment.devices else _HIDES_NOTHING
    rows = [row for step in _STEPS if (row := _cost(run, step))]
    costs = table("Cost of a round", ["Step", "Bytes a phone, both ways", "Seconds"], rows)
    return section(
        "Secure aggregation",
        paragraph(f"{what} {lattice} {promise if settings.masks else ''}"),
        costs if rows else "",
    )


def _cost(run: Run, step: str) -> list[str]:
    """The row of a step, averaged over the rounds that took it; [] if none did, or does not tell."""
    units = "bytes", "seconds"
    lines = [[line.metrics.get(f"secagg_{step}_{unit}") for unit in units] for line in run.rounds]
    told = [(size, seconds) for size, seconds in lines if size is not None and seconds is not None]
    if not told:
        return []
    sizes, times = zip(*told, strict=True)
    return [esc(_STEPS[step]), f"{fmean(sizes):,.0f}", f"{fmean(times):.3g}"]
