"""Ctrl-C, the end of a terminal and SIGTERM, all alike: the run stops, cleans up after itself and says how
to go on.
"""

import signal
import time
from collections.abc import Iterator
from contextlib import contextmanager

SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
_GRACE = 10.0  # seconds in which the clean-up that follows is not disturbed by a second Ctrl-C


def listen() -> None:
    """From now on the signals raise KeyboardInterrupt, each of them once in a while; ignored ones stay so."""
    last = -_GRACE

    def interrupt(number: int, frame: object) -> None:
        nonlocal last
        if time.monotonic() - last >= _GRACE:
            last = time.monotonic()
            raise KeyboardInterrupt

    for number in SIGNALS:
        if signal.getsignal(number) is not signal.SIG_IGN:  # started with nohup, or in the background
            signal.signal(number, interrupt)


@contextmanager
def deferred() -> Iterator[None]:
    """Signals that come in this block are heeded at its end, or again after a while if it does not end.

    For what begins processes: an exception that is raised in the midst of a fork gets lost.
    """
    came: list[tuple[float, int]] = []
    before = {number: signal.getsignal(number) for number in SIGNALS}

    def note(number: int, frame: object) -> None:
        came.append((time.monotonic(), number))
        if came[-1][0] - came[0][0] >= _GRACE:
            raise KeyboardInterrupt

    for number, handler in before.items():
        if handler is not signal.SIG_IGN:
            signal.signal(number, note)
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
        if came:
            signal.raise_signal(came[0][1])
