"""The attacks on a finished run, one after another: from its folder to audit.json and its page."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from fer_models.errors import InputError
from fer_models.run_folder.audit import Audit
from fer_models.run_folder.summary import Summary
from fer_models.text import printable
from simulations.audit import membership
from simulations.audit.again import Again
from simulations.audit.canaries import canaries
from simulations.audit.features import features
from simulations.audit.labels import labels
from simulations.audit.pictures import pictures
from simulations.audit.updates import Views
from simulations.experiment import read_toml, validate
from simulations.report.report import write_report
from simulations.run import provenance
from simulations.run.request import check_cache, finished, locked
from simulations.terminal.display import Display
from simulations.world.prepare import survey

ATTACKS = ("labels", "features", "membership", "canaries")


@dataclass(frozen=True)
class AuditRequest:
    """What the user requested."""

    folder: Path
    attacks: tuple[str, ...]
    seeds: int  # how often the canaries are let in anew


def requested(folder: Path, attack: str, seeds: int) -> AuditRequest:
    """InputError if the run cannot be audited, or not in this way."""
    if attack not in (*ATTACKS, "all"):
        *most, last = [f'"{name}"' for name in (*ATTACKS, "all")]
        raise InputError(f'--attack must be {", ".join(most)} or {last}, got "{attack}"')
    if seeds < 1:
        raise InputError(f"--seeds must be at least 1, got {seeds}")
    if not folder.is_dir() or not finished(folder):
        raise InputError(f"{printable(folder)} is not the folder of a finished run; give one")
    summary = Summary.read(folder)
    if summary.kind != "federated":
        what = f"is a {summary.kind} run: no phones sent updates"
        raise InputError(f"{printable(folder)} {what}; give a federated run")
    if summary.partition == "devices":
        raise InputError(f"{printable(folder)} is a run on devices, whose photos are not here; give another")
    config = validate(read_toml(folder / "config.toml"))
    if config.strategy.sums or config.privacy.directions:
        raise InputError(
            "audit: the attacks are on updates of heads on all features; a run of a closed form, or along"
            " privacy.directions, cannot be audited"
        )
    chosen: tuple[str, ...] = ATTACKS if attack == "all" else (attack,)
    if attack == "all" and not config.privacy.private:
        chosen = tuple(name for name in chosen if name != "canaries")
    if "canaries" in chosen and not config.privacy.private:
        raise InputError(
            'canaries look for noise, and the run has privacy.mechanism = "none"; audit a private run, or'
            " make another attack"
        )
    return AuditRequest(folder, chosen, seeds)


def audit(request: AuditRequest, display: Display) -> Audit:
    """Makes the attacks, and writes audit.json and the page anew. Attacks that were made before are kept."""
    config, folder = validate(read_toml(request.folder / "config.toml")), request.folder
    check_cache()
    with display, locked(folder):
        with display.stage("Photos", unit="photos") as step:
            world = survey(config, step)
        provenance.check_data(folder, provenance.read(folder), world.table, world.weights)
        with display.stage("Features", unit="views") as step:
            prepared = world.prepare(step)
        run = Again.of(config, world, prepared)
        found = {name: _made(name, run, request, display) for name in request.attacks}
        made = {name: value for part in found.values() for name, value in part.items()}
        before = Audit.read(folder) if (folder / Audit.FILE).exists() else Audit(seed=0)
        kept = {name: value for name, value in vars(before).items() if name not in made}
        whole = Audit(**(kept | made))
        whole.write(folder)
        write_report(folder)
    return whole


def _made(name: str, run: Again, request: AuditRequest, display: Display) -> dict[str, Sequence[Any]]:
    """The fields of `Audit` that an attack fills."""
    views = Views(run, 0)
    if name == "labels":
        with display.stage("Labels", unit="ways") as step:
            return {"labels": labels(views, step)}
    if name == "features":
        with display.stage("Features of phones", unit="ways") as step:
            recovered = features(views, step)
            shown = pictures(views, recovered, request.folder)
            return {"features": tuple(each.found for each in recovered), "pictures": shown}
    if name == "membership":
        found = []
        for unit, attack in (("phones", membership.phones), ("photos", membership.photos)):
            with display.stage(f"Membership of {unit}", unit="heads") as step:
                found.append(attack(run, seed=0, step=step))
        return {"members": tuple(found)}
    with display.stage("Canaries", unit="runs") as step:
        each = []
        for seed in range(request.seeds):
            step(seed, request.seeds)
            each.append(canaries(run, seed=seed, among=request.seeds))
        step(request.seeds, request.seeds)
        return {"canaries": tuple(each)}
