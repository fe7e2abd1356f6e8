"""Ctrl-C, the end of a terminal and SIGTERM, all alike: the run stops, cleans up after itself and says how
to go on.

Handlers belong to a process's main thread: in any other, everything here leaves them as they are.
"""

import signal
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
_GRACE = 10.0  # seconds in which the clean-up that follows is not disturbed by a second Ctrl-C


def handlers() -> dict[signal.Signals, Any]:
    """The handlers of the signals, as they are."""
    return {number: signal.getsignal(number) for number in SIGNALS}


def restore(before: Mapping[signal.Signals, Any]) -> None:
    """Puts these handlers in place."""
    if threading.current_thread() is threading.main_thread():
        for number, handler in before.items():
            signal.signal(number, handler)


def listen() -> None:
    """From now on the signals raise KeyboardInterrupt, each of them once in a while; ignored ones stay so."""
    last = -_GRACE

    def interrupt(number: int, frame: object) -> None:
        nonlocal last
        if time.monotonic() - last >= _GRACE:
            last = time.monotonic()
            raise KeyboardInterrupt

    # Ignored ones: started with nohup, or in the background.
    restore({n: interrupt for n, handler in handlers().items() if handler is not signal.SIG_IGN})


@contextmanager
def deferred() -> Iterator[None]:
    """Signals that come in this block are heeded at its end, or again after a while if it does not end.

    For what begins processes: an exception that is raised in the midst of a fork gets lost.
    """
    came: list[tuple[float, int]] = []
    before = handlers()

    def note(number: int, frame: object) -> None:
        came.append((time.monotonic(), number))
        if came[-1][0] - came[0][0] >= _GRACE:
            raise KeyboardInterrupt

    restore({n: note for n, handler in before.items() if handler is not signal.SIG_IGN})
    try:
        yield
    finally:
        restore(before)
        if came:
            signal.raise_signal(came[0][1])
