"""What attacks found out about the phones of a run: a section of its page, and lines for the terminal."""

import base64
from collections.abc import Iterator
from html import escape as esc
from pathlib import Path

from fer_models.run_folder.audit import Audit, MembersFound, Picture, Seen
from simulations.report import charts
from simulations.report.page import paragraph, percent, section, table
from simulations.report.results import Run

_FOLDER = "audit"


def lines(found: Audit) -> Iterator[str]:
    """The findings for the terminal, within 80 columns."""
    if found.labels:
        yield "Labels: class shares guessed from updates are off by (L1; blind, exact counts)"
    for one in found.labels:
        yield f"  {one.seen.words:<26} {one.error:.2f}  ({one.blind:.2f}, {percent(one.exact)})"
    if found.features:
        yield "Features: the phone found from updates (by luck; cosine of what was recovered)"
    for feature in found.features:
        luck, cosine = percent(feature.by_luck), feature.cosine
        yield f"  {feature.seen.words:<26} {percent(feature.identified):>5}  ({luck}; {cosine:.2f})"
    if found.members:
        yield "Membership from the head alone, found at 1% false alarms (at 0.1%; AUC)"
    for member in found.members:
        low, high = (percent(rate) for rate in member.tpr_at_1_range)
        rest = f"({percent(member.tpr_at_01)}; {member.auc:.3f})"
        yield f"  {member.unit + 's':<26} {percent(member.tpr_at_1):>5}, {low} to {high}  {rest}"
    if found.canaries:
        yield f"Canaries: epsilon at delta {found.canaries[0].delta:.1g} is at least (the claim)"
    for canary in found.canaries:
        each = f"{canary.clopper_pearson:.2f} one threshold, {canary.one_run:.2f} one run"
        yield f"  {each}, {canary.gaussian:.2f} if normal  ({canary.claim:.3g})"
        yield f"  variance of the noise      {canary.noise_ratio:.4f} of what it should be"


def broken(found: Audit) -> str:
    """The line of a refuted claim; "" if none is."""
    for one in found.broken:
        if one.noise_p < 1e-6:
            return (
                f"the noise is not what it should be: {one.noise_ratio:.3f} of its variance"
                f" (p = {one.noise_p:.1g}); the guarantee does not hold"
            )
        return (
            f"canaries show an epsilon of at least {one.bound:.3g} at delta {one.delta:.1g}, more than the"
            f" {one.claim:.3g} that is claimed; the guarantee does not hold"
        )
    return ""


def audit(run: Run) -> str:
    """The section of an audited run; "" for others."""
    if not (run.folder / Audit.FILE).is_file():
        return ""
    found = Audit.read(run.folder)
    wrong = broken(found)
    parts = [paragraph(f"{wrong[0].upper()}{wrong[1:]}.")] if wrong else []
    return section("What attacks found out", *parts, *_updates(found, run.folder), *_heads(found))


def _updates(found: Audit, folder: Path) -> Iterator[str]:
    """What a curious server learns from updates."""
    if found.labels or found.features:
        ways = list(dict.fromkeys([*(a.seen for a in found.labels), *(b.seen for b in found.features)]))
        labels = {one.seen: one for one in found.labels}
        features = {one.seen: one for one in found.features}
        heads = ["The server sees"]
        rows = [[esc(way.words)] for way in ways]
        if labels:
            heads += ["Class shares off by", "Blind guess", "Counts exact"]
            for row, way in zip(rows, ways, strict=True):
                one = labels[way]
                row += [f"{one.error:.2f}", f"{one.blind:.2f}", percent(one.exact)]
        if features:
            heads += ["Cosine of the largest class's mean feature", "Phone found", "By luck"]
            for row, way in zip(rows, ways, strict=True):
                other = features[way]
                row += [f"{other.cosine:.2f}", percent(other.identified), percent(other.by_luck)]
        yield "<h3>By a curious server, from updates of the first round</h3>"
        yield table("What updates tell", heads, rows)
        yield paragraph(
            "Class shares are off by the sum of absolute differences, 0 to 2; a blind guess sees nothing."
            " Features are compared less the mean of other people's, so that a guess has a cosine of 0.",
            "small",
        )
    if found.pictures:
        yield _photos(found, folder)


def _photos(found: Audit, folder: Path) -> str:
    """The photos nearest to what was recovered, a row for each phone."""
    ways = [one.seen for one in found.features]
    heads = ["Phone", "On the phone", *(f"Nearest: {way.words}" for way in ways)]
    rows = [
        [f"{each.phone}<br><small>{esc(each.emotion)}</small>", *_faces(each, ways, folder)]
        for each in found.pictures
    ]
    return table("Photos nearest to what was recovered", heads, rows)


def _faces(each: Picture, ways: list[Seen], folder: Path) -> Iterator[str]:
    words = ["photo on the phone", *(f"nearest to what was recovered from {way.words}" for way in ways)]
    for name, text in zip((each.true, *each.found), words, strict=False):
        data = base64.b64encode((folder / _FOLDER / name).read_bytes()).decode("ascii")
        yield f'<img src="data:image/png;base64,{data}" alt="{esc(text)}" width="64" height="64">'


def _heads(found: Audit) -> Iterator[str]:
    """What the head, or all rounds, tell of who took part."""
    if found.members:
        yield "<h3>By a reader of the head: who was trained on? (LiRA)</h3>"
        yield paragraph(" ".join(f"{one.unit.capitalize()}s: {_members(one)}." for one in found.members))
        yield f"<figure>{_roc(found.members)}</figure>"
    if found.canaries:
        yield "<h3>By canaries, phones that are easy to find: a lower bound on epsilon</h3>"
        heads = ["Canaries", "Claim", "Clopper-Pearson", "One run", "If normal", "Noise, of its variance"]
        rows = [
            [f"{one.canaries:,}", f"{one.claim:.3g}", f"{one.clopper_pearson:.3g}", f"{one.one_run:.3g}",
             f"{one.gaussian:.3g}", f"{one.noise_ratio:.4f}"]
            for one in found.canaries
        ]  # fmt: skip
        yield table("Lower bounds", heads, rows)
        yield paragraph(
            f"Epsilon at delta {found.canaries[0].delta:.1g}, with 95% confidence; a bound above the claim"
            " would refute it. Small errors of the mechanism can stay below these bounds: the variance of the"
            " noise is tested besides.",
            "small",
        )


def _members(one: MembersFound) -> str:
    low, high = one.tpr_at_1_range
    return (
        f"{percent(one.tpr_at_1)} ({percent(low)} to {percent(high)}) found at 1% false alarms,"
        f" {percent(one.tpr_at_01)} at 0.1%, AUC {one.auc:.3f}"
    )


def _roc(members: tuple[MembersFound, ...]) -> str:
    """True against false positive rates, both on a log scale."""
    curves = [charts.Curve(series, one.fpr, one.tpr) for series, one in enumerate(members)]
    names = [f"{one.unit}s" for one in members]
    key = " ".join(
        f'<span class="run">{charts.swatch(series)}<span>{esc(name)}</span></span>'
        for series, name in enumerate(names)
    )
    label = "ROC of membership inference on log scales; the dotted line is luck; " + "; ".join(
        f"{one.unit}s {_members(one)}" for one in members
    )
    chart = charts.rates(curves, label=label, x_title="false alarms; up: members found", least=1e-3)
    return f'<p class="small">{key}</p>{chart}'
