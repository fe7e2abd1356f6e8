"""The centralized study: every model at every balance over several seeds, each in a run folder of its own.

What is finished is never trained again, so a study that was stopped goes on where it was. All models and
balances of a seed share the split, and the rows that several of them read are computed once.
"""

import time
from collections.abc import Callable
from contextlib import nullcontext

import numpy as np

from fer_models import leakage, looks
from fer_models.augment import ViewPlan, joined_plan, plan_views
from fer_models.errors import InputError
from fer_models.images import ImageTable, load_table
from fer_models.listing import shown
from fer_models.models import MODELS
from fer_models.runlog import RunLog
from simulations.central import Central
from simulations.display import Display
from simulations.experiment import read_toml, validate
from simulations.finish import fingerprint
from simulations.prepare import Prepared, World, world_of
from simulations.report import write_report
from simulations.request import alone, check_cache
from simulations.study_request import StudyRequest, check_same

_EXAMPLES = 10  # pairs of near duplicates that are named


def conduct(study: StudyRequest, display: Display) -> None:
    """Trains what is not trained yet, in run folders below `study.folder`.

    The folder appears once nothing the user gave can be wrong any more.
    """
    check_cache()
    tables = {seed: _photos(study, seed, display) for seed in study.every_seed}
    first = study.config.run.seed
    for model in study.models:  # their libraries and weights must be there
        world_of(study.config_of(model, study.balances[0], first), tables[first], phones=False)
    study.begin()
    with alone(study.folder):
        _check_leakage(study, tables[first], display)
        for seed, table in tables.items():
            _train(study, seed, table, display)


def _photos(study: StudyRequest, seed: int, display: Display) -> ImageTable:
    config = study.config
    with display.stage(f"Photos{_of(study, seed)}", unit="photos") as step:
        table = load_table(config.data, config.sketch, seed=seed, progress=step)
        step(len(table), len(table))
    if table.unreadable and seed == config.run.seed:
        display.note(
            f"left out {len(table.unreadable)} photos that cannot be read: unreadable.csv of the runs"
        )
    return table


def _of(study: StudyRequest, seed: int) -> str:
    return f", seed {seed}" if study.seeds > 1 else ""


def _check_leakage(study: StudyRequest, table: ImageTable, display: Display) -> None:
    """Writes leakage.json: what the parts of the first seed's split share that they should not."""
    with display.stage("Leakage check", unit="photos") as step:
        found = leakage.check(table, looks.look(table, progress=step))
    across = found.near[found.across]
    result = {
        "seed": study.config.run.seed,
        "photos": len(table),
        "copies_across_parts": len(found.copies_across(table.split)),
        "near_pairs": len(found.near),
        "near_across_parts": len(across),
        "subjects": None if table.subjects is None else len(np.unique(table.subjects)),
        "subjects_in_two_parts": len(found.shared),
        "examples": [[shown(table.paths[int(i)]) for i in pair] for pair in across[:_EXAMPLES]],
    }
    RunLog(study.folder).write_json("leakage", result)
    leaks = {
        "copies": result["copies_across_parts"],
        "near duplicates": result["near_across_parts"],
        "people": result["subjects_in_two_parts"],
    }
    if said := [f"{count} {name}" for name, count in leaks.items() if count]:
        display.note(f"in two parts of the split: {', '.join(said)}; see leakage.json")


def _train(study: StudyRequest, seed: int, table: ImageTable, display: Display) -> None:
    """Trains what is missing of one seed."""
    whole = joined_plan(table, [plan_views(table, balance, seed=seed) for balance in study.balances])
    prepare = _preparer(study, whole, display)
    runs = study.runs
    for number, (own, model, balance) in enumerate(runs, 1):
        if own != seed:
            continue
        config, folder = study.config_of(model, balance, seed), study.place_of(model, balance, seed)
        if (folder / "summary.json").exists():
            _check_finished(study, model, balance, seed, table)
        else:
            began = time.perf_counter()
            world = world_of(config, table, phones=False)
            prepared, seconds = prepare(world)
            title = f"{number}/{len(runs)} {model}, balance {balance}{_of(study, seed)}"
            central = Central(world, prepared, "study", study.command, seconds)
            central.train(folder, config.baseline.epochs, display, title, began=began)
        if not (folder / "report.html").exists():
            write_report(folder)


def _preparer(
    study: StudyRequest, whole: ViewPlan, display: Display
) -> Callable[[World], tuple[Prepared, float]]:
    """Prepares worlds of one seed and says how long it took; shows it where rows are new to this study."""
    seen = set[tuple[str, int]]()

    def prepare(world: World) -> tuple[Prepared, float]:
        began = time.perf_counter()
        reads = MODELS[world.config.model.name].reads
        new = reads != "nothing" and (reads, world.size) not in seen
        seen.add((reads, world.size))
        name = f"{reads.capitalize()}{_of(study, world.config.run.seed)}"
        with display.stage(name, unit="views") if new else nullcontext(lambda done, total: None) as step:
            prepared = world.prepare(step, whole)
        return prepared, time.perf_counter() - began

    return prepare


def _check_finished(study: StudyRequest, model: str, balance: int, seed: int, table: ImageTable) -> None:
    """InputError unless a finished run is the one that would be trained now."""
    folder, config = study.place_of(model, balance, seed), study.config_of(model, balance, seed)
    check_same(validate(read_toml(folder / "config.toml")), config, folder)
    if RunLog(folder).read_json("data").get("photos_sha256") != fingerprint(table):
        raise InputError(
            f"the photos changed since {shown(folder)} was trained; give another folder for a new study"
        )
