"""The runs of a sweep or a benchmark in this process, one after another."""

from collections.abc import Callable, Iterator
from concurrent.futures import Future
from contextlib import contextmanager
from typing import Any

import pytest


@contextmanager
def one_after_another(most: int | None = None) -> Iterator[Callable[..., "Future[Any]"]]:
    """Stands in for simulations.sweep.workers.workers: its processes would import everything anew."""

    def submit(work: Callable[..., Any], *given: Any) -> "Future[Any]":
        done: Future[Any] = Future()
        done.set_result(work(*given))
        return done

    yield submit


def in_this_process(monkeypatch: pytest.MonkeyPatch) -> None:
    """Sweeps and benchmarks of this test run so."""
    for where in ("simulations.sweep.sweep", "simulations.benchmark.benchmark"):
        monkeypatch.setattr(f"{where}.workers", one_after_another)
