"""The processes of a sweep: one per core, each with one run at a time.

Each has its own pool, so that a killed process costs only its current run: in a shared pool it would take
all the others down.
"""

import gc
import multiprocessing
import signal
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ProcessPoolExecutor, ThreadPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from multiprocessing import resource_tracker
from threading import Lock, local
from typing import Any

from fer_models.errors import RunError
from fer_models.machine.cores import cores
from simulations.engines.standing import environment

KILLED = "its process was killed, perhaps out of memory"
_THREADS = {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"}  # of each worker
_PLACE = {"PYTHONSAFEPATH": "1"}  # files in the current folder do not shadow Python's modules

Submit = Callable[..., "Future[str | None]"]


@contextmanager
def workers(most: int | None = None) -> Iterator[Submit]:
    """Calls functions, which return why they failed or None, in `most` processes; default: one per core.

    A function whose process is killed has failed. No process outlives the block.
    """
    import psutil

    mine = psutil.Process()
    before = set(mine.children(recursive=True))
    with environment(**_PLACE):
        resource_tracker.ensure_running()  # a process that tracks what the others share
    others = set(mine.children(recursive=True))
    desks = _Desks()
    with environment(**_THREADS, **_PLACE), ThreadPoolExecutor(most or cores()) as threads:
        try:
            yield lambda work, *given: threads.submit(desks.run, work, *given)
        except BaseException:
            threads.shutdown(wait=False, cancel_futures=True)
            desks.close()
            for child in set(mine.children(recursive=True)) - others:
                child.kill()
            desks.clear()  # otherwise the tracker would complain about leftovers; now it has none
            for child in others - before:
                child.kill()
            raise
        threads.shutdown()
        desks.close()
        desks.clear()


class _Desks:
    """One process per thread, restarted after it was killed."""

    def __init__(self) -> None:
        self._own, self._every = local(), list[ProcessPoolExecutor]()
        self._closed, self._lock = False, Lock()

    def run(self, work: Callable[..., str | None], *given: Any) -> str | None:
        """What `work` returns in this thread's process."""
        try:
            with self._lock:  # no process starts once they are closed
                if self._closed:
                    raise RunError("the sweep was stopped")
                future = self._pool().submit(work, *given)
            return future.result()
        except BrokenProcessPool:
            self._own.pool = None
            return KILLED

    def _pool(self) -> ProcessPoolExecutor:
        if getattr(self._own, "pool", None) is None:
            self._own.pool = ProcessPoolExecutor(1, multiprocessing.get_context("spawn"), _begin)
            self._every.append(self._own.pool)
        pool: ProcessPoolExecutor = self._own.pool
        return pool

    def close(self) -> None:
        """Keeps any further process from starting."""
        with self._lock:
            self._closed = True

    def clear(self) -> None:
        """Waits for the processes, which are idle or killed, and frees what was shared with them."""
        for pool in self._every:
            pool.shutdown(cancel_futures=True)
        self._every.clear()
        self._own = local()
        gc.collect()


def _begin() -> None:
    """Ignores Ctrl-C: the process that started this one handles it, and then ends this one."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
