"""MLflow: a run in the store that MLFLOW_TRACKING_URI names, or else in `mlflow.db` in the run folder.

To be read with `mlflow ui --backend-store-uri sqlite:///DIR/mlflow.db`. A run that was stopped is found again
by a tag, the digest of its folder and start.
"""

import os
import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

from simulations.mirrors.base import Copy, Mirror, Mirrored

if TYPE_CHECKING:
    from mlflow import MlflowClient

_TAG = "fedfer_run"
_LAST = "round"  # the metric that says how far it is
_PARAMETERS = 100  # that a request may hold
# Of a server that the user names: a run does not wait for minutes for it. And no log lines between ours.
_DEFAULTS = {
    "MLFLOW_HTTP_REQUEST_MAX_RETRIES": "1",
    "MLFLOW_HTTP_REQUEST_TIMEOUT": "10",
    "MLFLOW_LOGGING_LEVEL": "WARNING",
}


@dataclass(frozen=True)
class MLflow(Mirror):
    """Metrics over rounds, and the settings as parameters; an experiment of MLflow for each of ours."""

    package: ClassVar[str] = "mlflow"
    extra: ClassVar[str] = "mlflow"

    def open(self, run: Mirrored) -> Copy:
        """Finds the run by its tag, or creates it."""
        for name, value in _DEFAULTS.items():
            os.environ.setdefault(name, value)
        from mlflow import MlflowClient

        given, home = os.environ.get("MLFLOW_TRACKING_URI"), run.home.resolve()
        client = MlflowClient(tracking_uri=given or f"sqlite:///{home / 'mlflow.db'}")
        experiment = _experiment(client, run.experiment, None if given else (home / "mlruns").as_uri())
        return _Run(client, experiment, run)


def _experiment(client: "MlflowClient", name: str, artifacts: str | None) -> str:
    """The id of the experiment; another process may be about to create it as well."""
    from mlflow.exceptions import MlflowException

    if found := client.get_experiment_by_name(name):
        return str(found.experiment_id)
    try:
        return str(client.create_experiment(name, artifact_location=artifacts))
    except MlflowException:
        if found := client.get_experiment_by_name(name):
            return str(found.experiment_id)
        raise


class _Run(Copy):
    def __init__(self, client: "MlflowClient", experiment: str, run: Mirrored) -> None:
        self._client = client
        found = client.search_runs([experiment], f"tags.{_TAG} = '{run.id}'", max_results=1)
        if found:
            self._id, self.last = found[0].info.run_id, int(found[0].data.metrics.get(_LAST, 0))
            client.update_run(self._id, status="RUNNING")
            return
        self._id = client.create_run(experiment, run_name=run.name, tags={_TAG: run.id}).info.run_id
        from mlflow.entities import Param

        every = [Param(key, value) for key, value in run.settings.items()]
        for first in range(0, len(every), _PARAMETERS):
            client.log_batch(self._id, params=every[first : first + _PARAMETERS])

    def add(self, number: int, scores: Mapping[str, float]) -> None:
        self._log(number, {**scores, _LAST: number})
        self.last = number

    def end(self, scores: Mapping[str, float]) -> None:
        self._log(self.last, scores)

    def close(self, *, finished: bool) -> None:
        self._client.set_terminated(self._id, "FINISHED" if finished else "KILLED")

    def _log(self, number: int, scores: Mapping[str, float]) -> None:
        from mlflow.entities import Metric

        now = int(1000 * time.time())
        self._client.log_batch(self._id, metrics=[Metric(k, v, now, number) for k, v in scores.items()])
