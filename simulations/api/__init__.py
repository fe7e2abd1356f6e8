"""The Python API: what the commands do, as functions that return typed results.

    from simulations import api
    run = api.run("quickstart", settings={"federation.rounds": 3})
    run.summary.accuracy, run.rounds["val_accuracy"], run.head["weight"].shape, run.page

The functions are in door.py, folders.py, suites.py, accounting.py and auditing.py; their results (results.py,
tables.py, columns.py) read a folder's files on access, and render in a notebook. Errors are exceptions,
`InputError` and `RunError`, whose message is the line that the command prints. Nothing is printed with
`progress=False`. See docs/python.md.
"""

from fer_models.errors import InputError, RunError
from simulations.api.accounting import privacy
from simulations.api.auditing import audit
from simulations.api.door import baseline, how_to_go_on, load, open_run, resume, run, study, sweep
from simulations.api.folders import Report, list_runs, report
from simulations.api.results import Run
from simulations.api.suites import BenchmarkFailedError, BenchmarkResult, benchmark
from simulations.api.tables import StudyFailedError, StudyResult, SweepFailedError, SweepResult
from simulations.experiment import Experiment

__all__ = [
    "BenchmarkFailedError",
    "BenchmarkResult",
    "Experiment",
    "InputError",
    "Report",
    "Run",
    "RunError",
    "StudyFailedError",
    "StudyResult",
    "SweepFailedError",
    "SweepResult",
    "audit",
    "baseline",
    "benchmark",
    "how_to_go_on",
    "list_runs",
    "load",
    "open_run",
    "privacy",
    "report",
    "resume",
    "run",
    "study",
    "sweep",
]
