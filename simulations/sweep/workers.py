"""The processes of a sweep: as many as there are cores, each with one run at a time.

Each stands in a pool of its own, so that one that is killed costs the run that it was at: in a common pool it
takes all the others along.
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
from fer_models.machine import cores
from simulations.engines.standing import environment

KILLED = "its process was killed, perhaps for want of memory"
_THREADS = {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"}  # of each worker
_PLACE = {"PYTHONSAFEPATH": "1"}  # what lies in the current folder is not taken for one of Python's modules

Submit = Callable[..., "Future[str | None]"]


@contextmanager
def workers(most: int | None = None) -> Iterator[Submit]:
    """Calls functions, which return why they failed or None, in so many processes, by default one a core.

    A function whose process is killed failed by that. No process outlives the block.
    """
    import psutil

    mine = psutil.Process()
    before = set(mine.children(recursive=True))
    with environment(**_PLACE):
        resource_tracker.ensure_running()  # a process that keeps an eye on what the others share
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
            desks.clear()  # else the tracker would complain of what is left; then it has nothing to do
            for child in others - before:
                child.kill()
            raise
        threads.shutdown()
        desks.close()
        desks.clear()


class _Desks:
    """Of each thread a process of its own, which is begun anew after it was killed."""

    def __init__(self) -> None:
        self._own, self._every = local(), list[ProcessPoolExecutor]()
        self._closed, self._lock = False, Lock()

    def run(self, work: Callable[..., str | None], *given: Any) -> str | None:
        """What `work` returns in the process of this thread."""
        try:
            with self._lock:  # no process begins once they are closed
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
        """Lets no process begin any more."""
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
    """Ctrl-C is for the process that began it, which then ends this one."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
