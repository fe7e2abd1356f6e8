"""What the commands do, for Python. `settings` maps configuration keys, as in "federation.rounds", to values.

Each function checks its arguments before it computes anything. Paths are relative to the current folder.
"""

import shlex
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from fer_models.errors import InputError
from simulations.api.given import Settings, as_list, as_settings, as_text, counted
from simulations.api.results import Run, opened
from simulations.api.tables import StudyFailedError, StudyResult, SweepFailedError, SweepResult
from simulations.experiment import Experiment
from simulations.experiment import load as load_named

if TYPE_CHECKING:
    from simulations.run.request import Request

Source = str | Path | Experiment  # a shipped name, the path of a TOML file, or what `load` returned
# Values by key, or KEY=VALUE each, as for --set; None: no settings.


def load(
    experiment: Source = "quickstart", data: str | Path | None = None, settings: Settings = ()
) -> Experiment:
    """An experiment with its complete configuration: `data` overrides data.source, `settings` any key."""
    named_or_loaded = experiment if isinstance(experiment, Experiment) else str(experiment)
    return Experiment(*load_named(named_or_loaded, data=as_text(data), settings=as_settings(settings)))


def run(
    experiment: Source = "quickstart",
    data: str | Path | None = None,
    settings: Settings = (),
    out: str | Path | None = None,
    progress: bool = True,
    *,
    baseline: bool = True,
    command: str | None = None,
) -> Run:
    """A federated run in the new folder `out`, with centralized baselines beside it unless `baseline=False`.

    `command`: the command recorded in environment.json; default: this call.
    """
    return _begin("run", experiment, data, settings, out, progress, command, baseline=baseline)


def baseline(
    experiment: Source = "quickstart",
    data: str | Path | None = None,
    settings: Settings = (),
    out: str | Path | None = None,
    progress: bool = True,
    *,
    command: str | None = None,
) -> Run:
    """The centralized baseline alone, in the new folder `out`."""
    return _begin("baseline", experiment, data, settings, out, progress, command, federated=False)


def resume(folder: str | Path, progress: bool = True) -> Run:
    """Resumes the run that was stopped in `folder`; a finished one is opened."""
    from simulations.engines.surroundings import settle
    from simulations.run.request import finished, resumed

    settle()
    place = Path(folder).expanduser()
    if not str(folder):
        raise InputError("--resume: the name is empty; give the folder of a run")
    request = resumed(place)
    return opened(place) if finished(place) else _trained(request, progress)


def open_run(folder: str | Path) -> Run:
    """The finished run in `folder`."""
    return opened(folder)


def study(
    data: str | Path | None = None,
    settings: Settings = (),
    out: str | Path | None = None,
    progress: bool = True,
    *,
    models: str | Iterable[str] | None = None,
    balances: str | Iterable[int] | None = None,
    seeds: int | None = None,
    command: str | None = None,
) -> StudyResult:
    """Every centralized model at every balance over several seeds, in `out`: new, or a study to resume.

    StudyFailedError, a RunError that holds the results of the others, if a model's runs failed.
    """
    from simulations.engines.surroundings import settle
    from simulations.run.ends import failing
    from simulations.run.folders import run_folder_for
    from simulations.study.request import ask
    from simulations.study.study import run_study
    from simulations.terminal.display import Display

    settle()
    folder = run_folder_for(as_text(out), "study")
    asked = ask(
        data=as_text(data),
        settings=as_settings(settings),
        models=as_list(models),
        balances=as_list(balances),
        seeds=seeds,
        folder=folder,
        command=command or "api.study(...)",
    )
    with failing(folder, "study.toml", asked.how_to_go_on), Display(not progress) as display:
        found, page, failed = run_study(asked, display)
    result = StudyResult(folder, found, page)
    if failed:
        raise StudyFailedError(counted(failed, len(asked.runs)), result)
    return result


def sweep(
    experiment: Source | None = None,
    data: str | Path | None = None,
    settings: Settings = (),
    out: str | Path | None = None,
    progress: bool = True,
    *,
    strategies: str | Iterable[str] | None = None,
    partitions: str | Iterable[str] | None = None,
    seeds: int | None = None,
    command: str | None = None,
) -> SweepResult:
    """Strategies x partitions x seeds, in parallel, in `out`: new, or a sweep to resume.

    SweepFailedError, a RunError that holds the results of the others, if some runs failed.
    """
    from simulations.engines.surroundings import settle
    from simulations.run.ends import failing
    from simulations.run.folders import run_folder_for
    from simulations.sweep import differences, outcomes, table
    from simulations.sweep.request import SETTINGS, ask
    from simulations.sweep.sweep import run_sweep
    from simulations.terminal.display import Display

    settle()
    folder = run_folder_for(as_text(out), "sweep")
    asked = ask(
        str(experiment) if isinstance(experiment, Path) else experiment,
        data=as_text(data),
        settings=as_settings(settings),
        strategies=as_list(strategies),
        partitions=as_list(partitions),
        seeds=seeds,
        folder=folder,
        command=command or "api.sweep(...)",
    )
    with failing(folder, SETTINGS, asked.how_to_go_on), Display(not progress) as display:
        failed = run_sweep(asked, display)
    finished = outcomes.read(asked)
    table.write(finished, [], folder)  # the runs, whatever becomes of their differences
    found, left_out = differences.read(asked, finished)
    table.write(finished, found, folder, left_out)
    result = SweepResult(folder, finished, found, tuple(left_out))
    if failed:
        raise SweepFailedError(counted(failed, len(asked.cells)), result)
    return result


def _begin(
    name: str,
    experiment: Source,
    data: str | Path | None,
    settings: Settings,
    out: str | Path | None,
    progress: bool,
    command: str | None,
    *,
    federated: bool = True,
    baseline: bool = True,
) -> Run:
    from simulations.engines.surroundings import settle
    from simulations.run.folders import run_folder_for
    from simulations.run.request import Request, check_folder

    settle()
    loaded = load(experiment, data, settings)
    folder = run_folder_for(as_text(out), loaded.name)
    check_folder(folder)
    said = command or _call(name, experiment, data, settings, alone=federated and not baseline)
    return _trained(Request(loaded.name, loaded.config, folder, said, federated, baseline), progress)


def _trained(request: "Request", progress: bool) -> Run:
    from simulations.run.ends import failing
    from simulations.run.runner import run_experiment
    from simulations.terminal.display import Display

    with failing(request.folder, "config.toml", how_to_go_on(request.folder)):
        run_experiment(request, Display(not progress))
    return Run(request.folder)


def how_to_go_on(folder: Path) -> str:
    """The command that resumes the run in a folder."""
    return f"fedfer run --resume {shlex.quote(str(folder))}"


def _call(name: str, experiment: Source, data: str | Path | None, settings: Settings, *, alone: bool) -> str:
    """The call as it could be typed; of a loaded experiment the name stands for all of it."""
    words = [repr(experiment.name if isinstance(experiment, Experiment) else str(experiment))]
    if data is not None:
        words.append(f"data={str(data)!r}")
    if settings:
        words.append(f"settings={dict(settings) if isinstance(settings, Mapping) else list(settings)!r}")
    return f"api.{name}({', '.join([*words, *(['baseline=False'] if alone else [])])})"
