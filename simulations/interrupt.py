"""Ctrl-C, the end of a terminal and SIGTERM, all alike: the run stops, cleans up after itself and says how
to go on.
"""

import signal
import time

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
