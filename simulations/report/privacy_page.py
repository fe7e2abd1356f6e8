"""What a private run guarantees, on its page and in the terminal."""

from html import escape as esc

from fer_models.run_folder.privacy import PrivacyFacts
from fer_models.run_folder.summary import Summary
from simulations.report import charts
from simulations.report.page import paragraph, section, table
from simulations.report.results import Run

_BY = {"pld": "by PLD", "rdp": "by RDP", "gaussian": "exact"}
_NEIGHBOURS = {"add-remove": "whether a phone is there at all", "replace": "what is on a phone"}
_SHOWN = ("noise_norm", "signal_norm")


def guaranteed(facts: PrivacyFacts) -> str:
    """The guarantee in short: epsilon 4 at delta 1e-05 for a phone."""
    whose = f" for a population of {facts.population:,}" if facts.population else ""
    return f"epsilon {facts.epsilon:.4g} at delta {facts.delta:.3g} for a {facts.unit}{whose}"


def stopped(summary: Summary) -> str:
    """The line of a run that its budget ended; "" of any other."""
    facts = summary.privacy
    if facts is None or summary.stopped_by is None:
        return ""
    return (
        f"The run stopped after round {facts.rounds}: another one would have exceeded the privacy budget;"
        f" spent is {guaranteed(facts)}"
    )


def privacy(run: Run) -> str:
    """The section of a private run; "" for others."""
    facts = run.summary.privacy
    if facts is None:
        return ""
    numbers = [
        ("Protected", f"{_NEIGHBOURS[facts.neighbours]}, over all {facts.rounds:,} rounds"),
        ("Epsilon", f"{facts.epsilon:.4g} ({_BY[facts.accountant]})"),
        ("Delta", f"{facts.delta:.3g}"),
        ("Noise multiplier", f"{facts.noise_multiplier:g}"),
        ("A round", f"{facts.per_round:,} of {facts.phones:,} phones, sampling {facts.sampling}"),
        ("Clipping", f"{facts.clipping}, at {_clips(run)}"),
        ("Noise from", {"seeded": "the run's seed", "secret": "a secret key"}[facts.randomness]),
    ]
    rows = [[esc(name), esc(value)] for name, value in numbers]
    ended = stopped(run.summary)
    listed = "".join(f"<li>{esc(text)}</li>" for text in facts.assumptions)
    return section(
        "Privacy",
        paragraph(f"The head is private: {guaranteed(facts)}. {f'{ended}.' if ended else ''}"),
        f'<div class="grid pair"><div><h3>The guarantee</h3>'
        f"{table('The guarantee', ['What', 'How much'], rows)}</div>"
        f"{_epsilon(run) + _norms(run) if run.rounds else ''}"
        f'<div><h3>It holds if</h3><ul class="small">{listed}</ul></div></div>',
    )


def _clips(run: Run) -> str:
    clips = [line.metrics["clip"] for line in run.rounds] or [run.config.privacy.clip]
    return f"{clips[0]:.4g}" if len(set(clips)) == 1 else f"{clips[0]:.4g} to {clips[-1]:.4g}"


def _epsilon(run: Run) -> str:
    rounds = [float(line.round) for line in run.rounds]
    spent = [line.metrics["epsilon"] for line in run.rounds]
    label = f"Epsilon after each round; {spent[-1]:.4g} after the last"
    budget = run.config.privacy.epsilon
    reference = None if budget == "auto" else (float(budget), "budget")
    chart = charts.curves(
        [charts.Curve(0, rounds, spent)], label=label, percent=False, x_title="rounds", reference=reference
    )
    return f"<div><h3>Epsilon spent</h3>{chart}</div>"


def _norms(run: Run) -> str:
    rounds = [float(line.round) for line in run.rounds]
    noise, signal = ([line.metrics[name] for line in run.rounds] for name in _SHOWN)
    label = f"Norms of the mean update: noise {noise[-1]:.3g}, signal {signal[-1]:.3g} in the last round"
    chart = charts.curves(
        [charts.Curve(0, rounds, signal), charts.Curve(1, rounds, noise)],
        label=label, percent=False, x_title="rounds",
    )  # fmt: skip
    key = "".join(
        f'<span class="run">{charts.swatch(series)}<span>{name}</span></span> '
        for series, name in enumerate(("signal, estimated from the noisy mean", "noise, expected"))
    )
    return f'<div><h3>Signal and noise: norm of the mean update</h3><p class="small">{key}</p>{chart}</div>'
