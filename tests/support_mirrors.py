"""What the local stores of mirrors hold, read back with the tools' own means."""

import os
from collections.abc import Callable
from pathlib import Path

Stored = dict[str, dict[int, list[float]]]  # metric -> round -> every value that is stored for it


def _tensorboard(home: Path, part: str) -> Stored:
    from simulations.mirrors.tensorboard import events

    found: Stored = {}
    for event in events(home / "tensorboard" / part):
        if event.HasField("session_log"):  # what readers of such files do
            for steps in found.values():
                for step in [step for step in steps if step >= event.step]:
                    del steps[step]
        for value in event.summary.value:
            if value.HasField("simple_value"):
                found.setdefault(value.tag, {}).setdefault(event.step, []).append(value.simple_value)
    return found


def _mlflow(home: Path, part: str) -> Stored:
    from mlflow import MlflowClient

    client = MlflowClient(tracking_uri=f"sqlite:///{home.resolve() / 'mlflow.db'}")
    ids = [experiment.experiment_id for experiment in client.search_experiments()]
    (run,) = client.search_runs(ids, f"attributes.run_name = '{home.name}/{part}'")
    found: Stored = {}
    for name in run.data.metrics:
        for one in client.get_metric_history(run.info.run_id, name):
            found.setdefault(name, {}).setdefault(one.step, []).append(one.value)
    return found


def _trackio(home: Path, part: str) -> Stored:
    from trackio.sqlite_storage import SQLiteStorage

    (project,) = {path.stem for path in Path(os.environ["TRACKIO_DIR"]).glob("*.db")}
    found: Stored = {}
    for line in SQLiteStorage.get_logs(project, f"{home.name}/{part}"):
        for name, value in line.items():
            if name not in ("timestamp", "step"):
                found.setdefault(name, {}).setdefault(line["step"], []).append(value)
    return found


READERS: dict[str, Callable[[Path, str], Stored]] = {
    "tensorboard": _tensorboard, "mlflow": _mlflow, "trackio": _trackio,
}  # fmt: skip
