"""Ctrl-C, a closed terminal and SIGTERM alike: the run stops, cleans up after itself and says how to resume.

Only the main thread of a process can set handlers: in any other, everything here leaves them unchanged.
"""

import signal
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
_GRACE = 10.0  # seconds in which a second Ctrl-C does not disturb the clean-up


def handlers() -> dict[signal.Signals, Any]:
    """The current handlers of the signals."""
    return {number: signal.getsignal(number) for number in SIGNALS}


def restore(before: Mapping[signal.Signals, Any]) -> None:
    """Installs these handlers."""
    if threading.current_thread() is threading.main_thread():
        for number, handler in before.items():
            signal.signal(number, handler)


def listen() -> None:
    """From now on signals raise KeyboardInterrupt, at most one in _GRACE seconds; ignored ones stay so."""
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
    """Signals in this block take effect at its end, or when repeated after _GRACE seconds.

    For code that starts processes: an exception raised in the middle of a fork gets lost.
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
