"""The centralized study: every model at every balance over several seeds, each in its own run folder.

Finished runs are never trained again, so an interrupted study resumes where it was. All models and balances
of a seed share the split, and rows that several of them read are computed once.
"""

import time
from collections.abc import Callable, Mapping
from contextlib import nullcontext
from pathlib import Path

import numpy as np

from fer_models.balancing.registry import central_plan
from fer_models.data.augment import ViewPlan, joined_plan
from fer_models.data.images import ImageTable, load_table
from fer_models.errors import InputError, RunError
from fer_models.machine.cache import sha256_of
from fer_models.models import MODELS
from fer_models.run_folder.data_facts import DataFacts
from fer_models.run_folder.files import UnusableError
from fer_models.run_folder.summary import Summary
from fer_models.text import printable
from simulations.experiment import read_toml, validate
from simulations.report.report import write_report
from simulations.run.central import Central
from simulations.run.provenance import fingerprint, versions
from simulations.run.request import check_cache, locked
from simulations.study import files as study_files
from simulations.study import page as study_page
from simulations.study import results as study_results
from simulations.study.figures import files as study_figures
from simulations.study.leakage_check import LeakageCheck
from simulations.study.request import StudyRequest, check_same
from simulations.terminal.display import Display
from simulations.world.known_photos import tell
from simulations.world.prepare import Prepared, World, world_of

_EXAMPLES = 10  # pairs of near duplicates that are listed


def run_study(study: StudyRequest, display: Display) -> tuple[study_results.Study, Path, list[str]]:
    """Trains what is not trained yet, in run folders below `study.folder`, then writes tables, figures, page.

    Returns the results, the page, and what failed: a model that diverges does not stop the others. The folder
    is created once all input is checked.
    """
    check_cache()
    if study.left_out:
        libraries = (MODELS[name].requires for name in study.left_out)
        needed = dict.fromkeys(library[1] for library in libraries if library)
        display.note(f"left out, as {', '.join(needed)} is not installed: {', '.join(study.left_out)}")
    tables = {seed: _photos(study, seed, display) for seed in study.every_seed}
    first = study.config.run.seed
    for model in study.models:  # their libraries and weights must be available
        world_of(study.config_of(model, study.balances[0], first), tables[first], phones=False)
    study.folder.mkdir(parents=True, exist_ok=True)
    with locked(study.folder):
        study.begin()
        _check_finished(study, tables, display)
        _check_leakage(study, tables[first], display)
        failed = [words for seed, table in tables.items() for words in _train(study, seed, table, display)]
        done = [model for model in study.models if _whole(study, model)]
        if not done:
            raise RunError(f"no model finished; {failed[0]}", resumable=False)
        with display.stage("Tables and figures", unit="pages") as step:
            result = study_results.read(study.folder, done, study.balances, study.every_seed)
            study_files.write(result, study.folder)
            study_figures.draw(result, study.folder)
            page = study_page.write(result, study.folder)
            step(1, 1)
    return result, page, failed


def _photos(study: StudyRequest, seed: int, display: Display) -> ImageTable:
    config = study.config
    with display.stage(f"Photos{_of(study, seed)}", unit="photos") as step:
        table = load_table(config.data, config.sketch, seed=study.split_seed(seed), progress=step)
        step(len(table), len(table))
    return table


def _of(study: StudyRequest, seed: int) -> str:
    return f", seed {seed}" if study.seeds > 1 else ""


def _check_leakage(study: StudyRequest, table: ImageTable, display: Display) -> None:
    """Shows what is known of the photos, and writes leakage.json: what the parts of the first seed's split
    share but should not.
    """
    found = tell(table, display, always=True)
    assert found is not None
    across = found.near[found.across]
    LeakageCheck(
        seed=study.config.run.split,
        photos=len(table),
        copies_across_parts=len(found.copies_across(table.split)),
        near_pairs=len(found.near),
        near_across_parts=len(across),
        more=found.more,
        subjects=None if table.subjects is None else len(np.unique(table.subjects)),
        subjects_in_two_parts=len(found.shared),
        examples=tuple(tuple(printable(table.paths[int(i)]) for i in pair) for pair in across[:_EXAMPLES]),
    ).write(study.folder)


def _train(study: StudyRequest, seed: int, table: ImageTable, display: Display) -> list[str]:
    """Trains what is missing of one seed; returns a line for each run that diverged."""
    views = study.split_seed(seed)
    ways = [study.config_of(study.models[0], balance, seed).data for balance in study.balances]
    whole = joined_plan(table, [central_plan(table, data, seed=views) for data in ways])
    prepare, runs, failed = _preparer(study, whole, display), study.runs, []
    for number, (own, model, balance) in enumerate(runs, 1):
        folder = study.place_of(model, balance, seed)
        if own != seed:
            continue
        if not (folder / "summary.json").exists():
            began, config = time.perf_counter(), study.config_of(model, balance, seed)
            world = world_of(config, table, phones=False)
            prepared, seconds = prepare(world)
            name = f"{model}, balance {balance}{_of(study, seed)}"
            central = Central(world, prepared, "study", study.command, seconds)
            try:
                title = f"{number}/{len(runs)} {name}"
                central.train(folder, config.baseline.epochs, display, title, began=began)
            except RunError as error:
                if error.resumable:
                    raise
                failed.append(f"{name}: {error}")
                continue
        if not (folder / "report.html").exists():
            write_report(folder)
    return failed


def _whole(study: StudyRequest, model: str) -> bool:
    """Whether every run of a model finished."""
    places = (study.place_of(model, balance, seed) for seed in study.every_seed for balance in study.balances)
    return all((place / "summary.json").exists() for place in places)


def _preparer(
    study: StudyRequest, whole: ViewPlan, display: Display
) -> Callable[[World], tuple[Prepared, float]]:
    """Prepares worlds of one seed and times it; shows a stage if the rows are new to this study."""
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


def _check_finished(study: StudyRequest, tables: dict[int, ImageTable], display: Display) -> None:
    """InputError unless every finished run is intact, and the one that would be trained now."""
    fingerprints = {seed: fingerprint(table) for seed, table in tables.items()}
    others = set()
    for seed, model, balance in study.runs:
        folder = study.place_of(model, balance, seed)
        if not (folder / "summary.json").exists():
            continue
        photos, made_by = _read_finished(folder)
        config = validate(read_toml(folder / "config.toml"))
        check_same(config, study.config_of(model, balance, seed), folder)
        if photos != fingerprints[seed]:
            raise InputError(
                f"the photos changed since {printable(folder)} was trained; give another folder for a new"
                " study"
            )
        others |= {name for name, number in versions().items() if made_by.get(name) != number}
    if others:
        display.note(f"some runs were made with other versions of {', '.join(sorted(others))}")


def _read_finished(folder: Path) -> tuple[str, Mapping[str, str]]:
    """The fingerprint of a finished run's photos and the versions that made it; InputError if files of it
    are missing or damaged.
    """
    try:
        summary, data = Summary.read(folder), DataFacts.read(folder)
        for name in ("config.toml", "environment.json", "rounds.jsonl", "predictions.csv"):
            (folder / name).read_bytes()
        if summary.head_sha256 != sha256_of(folder / "head.safetensors"):
            raise ValueError("head.safetensors does not match summary.json")
        return data.photos_sha256, summary.versions
    except OSError as error:
        why = f"{Path(str(error.filename)).name}: {error.strerror}"
        raise _damaged(folder, why) from error
    except ValueError as error:
        raise _damaged(folder, str(error)) from error
    except UnusableError as error:
        raise InputError(f"{error.what}; remove {printable(folder)} and run again") from error


def _damaged(folder: Path, why: str) -> InputError:
    return InputError(f"the run in {printable(folder)} is damaged ({why}); remove that folder and run again")
