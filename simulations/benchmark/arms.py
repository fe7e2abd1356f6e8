"""One arm of a benchmark in numbers: scores, choices, classes, costs, and how soon it comes near the
reference.
"""

from collections.abc import Sequence
from dataclasses import replace
from statistics import fmean

import numpy as np

from fer_models.run_folder.rounds import RoundRecord
from fer_models.run_folder.summary import Chosen
from simulations.benchmark.record import GOALS, ArmResult, Choice, ClassScores, Curve, Point, ToGoal
from simulations.benchmark.request import BenchmarkRequest
from simulations.benchmark.runs import CellRun, Runs
from simulations.benchmark.search import found as search_in
from simulations.benchmark.suite import Arm
from simulations.inference.intervals import estimate

_POINTS = 60  # of a curve


def result(request: BenchmarkRequest, runs: Runs, arm: Arm, failures: Sequence[str]) -> ArmResult:
    """Everything about one arm."""
    done, replicates = runs.diagonal(arm.name), runs.replicates(arm.name)
    found = ArmResult(
        name=arm.name,
        about=arm.about,
        kind=arm.kind,
        accuracy=None,
        macro_f1=None,
        settings=arm.settings,
        chosen=tuple(_choices(request, arm, done)),
        candidates=_candidates(request, arm, done),
        failures=tuple(failures),
        reference=request.suite.reference_of(arm),
        folds=len({run.cell.fold for run in done}),
        search=tuple(_search(request, arm)),
        runs=tuple(str(run.folder.relative_to(request.folder)) for run in runs.of.get(arm.name, [])),
    )
    if not done:
        return found
    classes, seed = len(done[0].summary.classes), request.suite.seed
    worst = [run.summary.across_phones.accuracy.worst_tenth for run in done if run.summary.across_phones]
    known = [one for one in worst if one is not None]
    return replace(
        found,
        accuracy=estimate(replicates, classes=classes, measure="accuracy", seed=seed),
        macro_f1=estimate(replicates, classes=classes, measure="macro_f1", seed=seed),
        classes=_classes(done),
        worst_tenth=fmean(known) if known else None,
        rounds=fmean(len(run.rounds) for run in done),
        bytes_down=fmean(run.summary.bytes_down for run in done),
        bytes_up=fmean(run.summary.bytes_up for run in done),
        phone_epochs=fmean(_phone_epochs(run) for run in done),
        seconds_training=fmean(run.summary.seconds_training for run in done),
        seconds_with_features=_with_features(done),
        curve=_curve(done),
        goals=_goals(request, runs, arm) if arm.kind == "federated" else (),
    )


def _choices(request: BenchmarkRequest, arm: Arm, done: Sequence[CellRun]) -> list[Choice]:
    """What the search chose on each fold; without one, what the model or strategy chose by itself."""
    found = []
    if not arm.tune:
        first = {run.cell.fold: run.summary.chosen for run in reversed(done) if run.summary.chosen}
        for fold, chosen in sorted(first.items()):
            found.append(Choice(fold, {"": _parameters(chosen)}, None))
        return found
    for fold in range(request.suite.folds):
        if (search := search_in(request.fold_folder(arm.name, fold))) is not None:
            found.append(Choice(fold, search.settings, search.tried[search.chosen].score))
    return found


def _parameters(chosen: Chosen) -> dict[str, float]:
    """What a model or strategy chose among: not what it found besides, such as the scale of its scores."""
    tried = chosen.get("tried")
    compared = tried[0] if isinstance(tried, list | tuple) and tried else chosen
    found = {}
    for name, value in chosen.items():
        if isinstance(value, int | float) and name in compared and name != "converged":
            found[name] = float(value)
    return found


def _search(request: BenchmarkRequest, arm: Arm) -> list[Point]:
    """The search space of an arm, with the mean score of each candidate over the folds that are searched."""
    folders = [request.fold_folder(arm.name, fold) for fold in range(request.suite.folds if arm.tune else 0)]
    searches = [search for folder in folders if (search := search_in(folder)) is not None]
    points = []
    for tried in zip(*(search.tried for search in searches), strict=True):
        scores = [one.score for one in tried if one.score is not None]
        points.append(Point(tried[0].settings, fmean(scores) if len(scores) == len(tried) else None))
    return points


def _classes(done: Sequence[CellRun]) -> dict[str, ClassScores]:
    seeds = len({run.cell.train_seed for run in done})
    found = {}
    for name in done[0].summary.classes:
        own = [run.summary.per_class[name] for run in done]
        there = [each for each in own if each.support] or own
        photos = round(sum(each.support for each in own) / seeds)
        found[name] = ClassScores(fmean(e.recall for e in there), fmean(e.f1 for e in there), photos)
    return found


def _candidates(request: BenchmarkRequest, arm: Arm, done: Sequence[CellRun]) -> int:
    """How many the choice is among: those of the search, or those that a model or strategy tries by
    itself.
    """
    tried = [run.summary.chosen.get("tried") for run in done[:1] if run.summary.chosen and not arm.tune]
    return (
        len(tried[0]) if tried and isinstance(tried[0], list | tuple) else len(request.suite.candidates(arm))
    )


def recalls(runs: Runs, arm: str) -> dict[str, dict[int, float]]:
    """The recall of each class by fold, means over seeds; without folds that have no test photo of it."""
    found: dict[str, dict[int, list[float]]] = {}
    for run in runs.diagonal(arm):
        for name, quality in run.summary.per_class.items():
            by_fold = found.setdefault(name, {})
            if quality.support:
                by_fold.setdefault(run.cell.fold, []).append(quality.recall)
    return {name: {fold: fmean(each) for fold, each in folds.items()} for name, folds in found.items()}


def _with_features(done: Sequence[CellRun]) -> float | None:
    """Seconds of training and of computing the features, per run, whenever these were computed."""
    took = [run.summary.seconds_features_computed for run in done]
    known = [one for one in took if one is not None]
    if len(known) < len(took):
        return None
    return fmean(run.summary.seconds_training for run in done) + fmean(known)


def _phone_epochs(run: CellRun) -> float:
    """Passes of a phone over its photos, summed over phones and rounds."""
    return float(run.summary.updates * run.local_epochs)


def _curve(done: Sequence[CellRun]) -> Curve | None:
    """The scores of the rounds that every run has judged, thinned to a readable number."""
    judged = [{r.round: r for r in run.rounds if r.val_accuracy is not None} for run in done]
    rounds = sorted(set.intersection(*(set(each) for each in judged)))
    if len(rounds) < 2:
        return None
    if len(rounds) > _POINTS:
        rounds = [rounds[round(i * (len(rounds) - 1) / (_POINTS - 1))] for i in range(_POINTS)]
    sums = [_cumulated(run.rounds) for run in done]
    return Curve(
        rounds=tuple(rounds),
        accuracy=tuple(fmean(own[n].val_accuracy or 0.0 for own in judged) for n in rounds),
        macro_f1=tuple(fmean(own[n].val_macro_f1 or 0.0 for own in judged) for n in rounds),
        bytes=tuple(fmean(each[n][0] for each in sums) for n in rounds),
        seconds=tuple(fmean(each[n][1] for each in sums) for n in rounds),
    )


def _cumulated(rounds: Sequence[RoundRecord]) -> dict[int, tuple[float, float]]:
    """Bytes and seconds up to each round."""
    sent = np.cumsum([record.bytes_down + record.bytes_up for record in rounds])
    seconds = np.cumsum([record.seconds for record in rounds])
    return {r.round: (float(b), float(s)) for r, b, s in zip(rounds, sent, seconds, strict=True)}


def _goals(request: BenchmarkRequest, runs: Runs, arm: Arm) -> tuple[ToGoal, ...]:
    """How soon the arm comes near the score of the reference on the same fold's validation photos."""
    measure = {"accuracy": "val_accuracy", "macro_f1": "val_macro_f1"}[request.suite.choose]
    ceilings: dict[int, list[float]] = {}
    for run in runs.diagonal(request.suite.reference):
        best = [value for record in run.rounds if (value := getattr(record, measure)) is not None]
        ceilings.setdefault(run.cell.fold, []).append(best[-1])
    found = []
    for goal in GOALS if ceilings else ():
        costs = []
        for run in runs.diagonal(arm.name):
            if run.cell.fold in ceilings:
                costs.append(_cost_to(run, goal * fmean(ceilings[run.cell.fold]), measure))
        if costs:
            reached, rounds, phones, sent = (fmean(column) for column in zip(*costs, strict=True))
            found.append(ToGoal(goal, reached, rounds, phones, sent))
    return tuple(found)


def _cost_to(run: CellRun, goal: float, measure: str) -> tuple[float, float, float, float]:
    """Whether it reached the goal, and its rounds, phone-epochs and bytes until then, or in all."""
    scores = ((record.round, getattr(record, measure)) for record in run.rounds)
    first = next((number for number, score in scores if score is not None and score >= goal), None)
    until = [record for record in run.rounds if first is None or record.round <= first]
    each = _phone_epochs(run) / max(1, run.summary.updates)
    private = run.summary.privacy
    expected = private.simulated_per_round if private else 0
    phones = sum(expected if record.phones is None else record.phones for record in until) * each
    sent = sum(record.bytes_down + record.bytes_up for record in until)
    return float(first is not None), float(len(until)), phones, float(sent)
