"""The progress of a stage: units done and time left. The display shows it; see display.py."""

import time
from collections.abc import Callable
from math import ceil, exp
from threading import Lock
from typing import Protocol

_MEMORY = 10.0  # seconds over which the rate decays, or a third of the time spent if that is longer
_QUIET = 5.0  # minimum seconds between log lines


class Step(Protocol):
    """Reports progress to a stage: units done, total (0: not known yet), and facts to show beside them."""

    def __call__(self, done: int, total: int, **facts: str) -> None:
        """Records the progress."""


class Stage:
    """The progress of a stage; a Step that may be called thousands of times a second, from any thread.

    Fields:
        done, total: in units. facts: as last reported. steps: number of reports.
    """

    def __init__(
        self,
        name: str,
        unit: str,
        *,
        clock: Callable[[], float] = time.monotonic,
        log: Callable[[str], None] | None = None,
    ) -> None:
        """`log` receives a few lines for a log when there is no terminal."""
        self.name, self._unit, self._clock, self._log = name, unit, clock, log
        self.done, self.total, self.facts, self.steps = 0, 0, dict[str, str](), 0
        self._lock = Lock()
        self._began = self._moved = self._logged = clock()
        self._tenths, self._pause = 0, _QUIET
        self._going = False
        self._work = self._time = 0.0  # units and the seconds they took, decayed over time

    def __call__(self, done: int, total: int, **facts: str) -> None:
        """Records the progress; a Step."""
        with self._lock:
            now = self._clock()
            self._pace(done - self.done, now)
            self.done, self.total, self.facts, self.steps = done, total, facts, self.steps + 1
            due = self._log is not None and self._due(now)
        if due and self._log:
            self._log(self.line())

    @property
    def elapsed(self) -> float:
        """Seconds since the start."""
        return self._clock() - self._began

    def left(self) -> float | None:
        """Estimated seconds left at the recent rate; None until it is known."""
        with self._lock:
            if self._time < 1 or self.done >= self.total:
                return None
            waited = self._clock() - self._moved
            return max(1.0, (self.total - self.done) * self._time / self._work - waited)

    def time(self) -> str:
        """The time left if known, else the time elapsed: "1:05 left", "0:12"."""
        left = self.left()
        minutes, seconds = divmod(int(self.elapsed) if left is None else ceil(left), 60)
        shown = f"{minutes}" if minutes < 60 else f"{minutes // 60}:{minutes % 60:02}"
        return f"{shown}:{seconds:02}{'' if left is None else ' left'}"

    def share(self) -> str:
        """Units done of the total: "12/50"; without the total if it is not known."""
        total = f"{self.total:,}"
        return f"{self.done:>{len(total)},}/{total}" if self.total else f"{self.done:,}"

    def amount(self, *, short: bool = False) -> str:
        """What was done: "50 rounds", with the total if it fell `short`; "" without any report."""
        if not self.steps:
            return ""
        if short and self.total:
            return f"{self.share().lstrip()} {self._unit}"
        return f"{self.done:,} {self._unit if self.done != 1 else self._unit.removesuffix('s')}"

    def line(self) -> str:
        """The whole line, for a log: "Features: 640/6,440 views, 0:20 left"."""
        facts = [f"{key} {value}" for key, value in self.facts.items()]
        return f"{self.name}: {', '.join([self.amount(short=True), *facts, self.time()])}"

    def _pace(self, gained: int, now: float) -> None:
        """Updates the rate between two steps; the first units include the start-up and do not count."""
        if gained <= 0:
            return
        if self._going:
            since = now - self._moved
            keep = exp(-since / max(_MEMORY, (now - self._began) / 3))
            self._work, self._time = self._work * keep + gained, self._time * keep + since
        self._going, self._moved = self.steps > 0, now

    def _due(self, now: float) -> bool:
        """Whether to log: at every tenth, at least _QUIET apart; without a total, ever more rarely."""
        if self.done >= self.total > 0 or now - self._logged < self._pause:
            return False
        tenths = 10 * self.done // self.total if self.total > 0 else self._tenths + 1
        if tenths <= self._tenths:
            return False
        self._pause = _QUIET if self.total > 0 else 2 * self._pause
        self._tenths, self._logged = tenths, now
        return True
