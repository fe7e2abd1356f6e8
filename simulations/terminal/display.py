"""The terminal display: stages while a run is in progress, and the result at its end.

On a terminal the current stage is a live line or two, and finished ones stay above it, one plain line each;
elsewhere (a pipe, a log, TERM=dumb) every stage is a few plain lines without control characters.
Nothing is computed here: stages report their progress (progress.py), summaries the result (comparison.py).
"""

import logging
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from types import TracebackType

from rich.console import Console, ConsoleOptions, RenderableType, RenderResult
from rich.live import Live
from rich.padding import Padding
from rich.text import Text

from fer_models.run_folder.summary import Summary
from simulations.engines.surroundings import on_terminal
from simulations.report.page import duration
from simulations.report.privacy_page import stopped
from simulations.terminal import notebook
from simulations.terminal.comparison import compare
from simulations.terminal.progress import Stage, Step

__all__ = ["Display", "Step"]

_WIDTH = 78  # columns used at most, also on a wide screen
_NAME = 22  # minimum columns of a stage's name, so that bars align
_FRAMES = 10  # a second


class Display:
    """The terminal of one run; a context manager that leaves it clean however the run ends.

    When `quiet` it prints nothing at all.
    """

    def __init__(
        self,
        quiet: bool = False,
        console: Console | None = None,
        *,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """`console`: standard output unless given. `clock`: seconds that only grow."""
        # Bind the stream now: what others print while a simulation runs is redirected.
        shown_as_html = console is None and not quiet and notebook.in_notebook()
        if shown_as_html:
            console = notebook.console()
        self._console = console or Console(
            file=sys.stdout, force_interactive=None if on_terminal(sys.stdout) else False
        )
        self._unicode = self._console.encoding.lower().startswith("utf")
        self._tick, self._cross, self._more = "✓✗…" if self._unicode else "+x~"
        self._quiet, self._clock = quiet, clock
        self._stage: Stage | None = None
        self._warned: set[str] = set()
        self._frames = "⠋⠙⠹⠸⠼⠴⠦⠧⠇⠏" if self._unicode else "|/-\\"
        self._live: Live | notebook.Output | None = None
        if shown_as_html:
            self._live = notebook.Output(self._console, self)
        elif not quiet and self._console.is_interactive:
            errors = on_terminal(sys.stderr)  # if redirected, leave them alone
            self._live = Live(
                self,
                console=self._console,
                refresh_per_second=_FRAMES,
                transient=True,
                redirect_stderr=errors,
            )

    def __enter__(self) -> "Display":
        if self._live:
            self._live.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._live:
            self._live.stop()

    @contextmanager
    def stage(self, name: str, *, unit: str) -> Iterator[Step]:
        """Shows a stage while the block runs, then what it did and how long it took, or that it failed."""
        log = None if self._quiet or self._live else self._plain
        stage = Stage(name, unit, clock=self._clock, log=log)
        if log:
            log(f"{name}: started")
        self._stage = stage
        try:
            yield stage
        except BaseException:
            self._end(stage, failed=True)
            raise
        self._end(stage, failed=False)

    def note(self, text: str, *, plain: bool = False) -> None:
        """Shows a line that stays; in yellow unless it is `plain` information."""
        if self._live:
            style = "" if plain else "yellow"
            line = Padding(Text(self._printable(text), style=style), (0, 0, 0, 2), expand=False)
            self._console.print(line, width=self._width)
        elif not self._quiet:
            self._plain(text)

    def warn(self, text: str) -> None:
        """Shows a warning once, as `note` does; if `quiet`, the logger "fedfer" gets it (default: stderr)."""
        if text in self._warned:
            return
        self._warned.add(text)
        if self._quiet:
            logging.getLogger("fedfer").warning("fedfer: %s", self._printable(text))
        else:
            self.note(text)

    def results(self, summary: Summary, baselines: list[tuple[str, Summary]], page: Path | None) -> None:
        """Shows the run and its baselines side by side, their differences, and the page."""
        if self._quiet:
            return
        with self._console.capture() as text:
            self._console.print(compare(summary, baselines, page), width=self._width)
        self._console.out(self._encodable(text.get()), end="", highlight=False)
        if page:
            self._console.print()
            self._console.print(Text(self._printable(f"Open {_near(page)}")), soft_wrap=True)
        if line := stopped(summary):
            self._console.print(Text(self._printable(line)), soft_wrap=True)

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        """The live area: nothing between stages."""
        if stage := self._stage:
            yield from self._current(stage, self._width)
            if stage.facts:
                yield self._facts(stage.facts, self._width)
            yield Text()  # the cursor rests here: the ^C echoed by a terminal must not wrap

    def _current(self, stage: Stage, width: int) -> Iterator[RenderableType]:
        """Spinner, name, bar, amount, time; the bar takes the free room, the name is cut first."""
        share = stage.amount(short=True) if width >= 70 else stage.share() if stage.steps else ""
        took = stage.time()
        free = width - 16 - len(share)  # beside spinner, share and time
        name = self._cut(stage.name, free - 2)
        used = max(len(name) + 2, min(_NAME, free))
        frame = self._frames[int(self._clock() * _FRAMES) % len(self._frames)]
        yield Text.assemble((frame, "cyan"), " ", (name.ljust(used), "bold"), end="")
        yield self._bar(stage, free - used)
        style = "" if took.endswith("left") else "dim"
        yield Text.assemble(f"  {share}", (f"{took:>12}", style), no_wrap=True, overflow="crop")

    def _bar(self, stage: Stage, room: int) -> Text:
        """Two kinds of line, readable without colours too; blank if there is too little room."""
        if not stage.total or room < 8:
            return Text(" " * room, end="")
        full = room * min(stage.done, stage.total) // stage.total
        thick, thin = "━─" if self._unicode else "=-"
        return Text.assemble((thick * full, "cyan"), (thin * (room - full), "dim"), end="")

    def _facts(self, facts: dict[str, str], width: int) -> Text:
        """Facts in a row, closer together if there is little room; those that do not fit are dropped."""
        shown = [Text.assemble((f"{key} ", "dim"), self._printable(value)) for key, value in facts.items()]
        gap = "  " if sum(2 + len(fact) for fact in shown) <= width else " "
        line = Text("  ", no_wrap=True, overflow="crop")
        for fact in shown:
            if len(line) + len(fact) <= width:
                line.append_text(fact).append(gap)
        return line

    def _end(self, stage: Stage, *, failed: bool) -> None:
        """Leaves the stage's line behind."""
        self._stage = None
        amount = stage.amount(short=failed)
        took = duration(stage.elapsed)
        if self._live:
            width = self._width
            right = f"  {amount}{took:>12}"
            name = self._cut(stage.name, width - 2 - len(right))
            mark = (f"{self._cross} ", "bold red") if failed else (f"{self._tick} ", "green")
            line = Text.assemble(mark, name, (right.rjust(width - 2 - len(name)), "dim"))
            line.no_wrap, line.overflow = True, "crop"
            self._console.print(line)
        elif not self._quiet:
            how = "failed" if failed else "done"
            self._plain(f"{stage.name}: {how}, {f'{amount}, ' if amount else ''}{took}")

    @property
    def _width(self) -> int:
        return min(self._console.width - 1, _WIDTH)

    def _plain(self, text: str) -> None:
        self._console.print(Text(self._printable(text)), soft_wrap=True)

    def _printable(self, text: str) -> str:
        """Without control characters and characters the terminal cannot show."""
        return self._encodable("".join(char if char.isprintable() else "?" for char in text))

    def _encodable(self, text: str) -> str:
        if self._unicode:
            return text
        encoding = self._console.encoding
        return text.replace("\N{MINUS SIGN}", "-").encode(encoding, "replace").decode(encoding)

    def _cut(self, text: str, width: int) -> str:
        clean = self._printable(text)
        return clean if len(clean) <= width else clean[: max(0, width - 1)] + self._more


def _near(path: Path) -> Path:
    """The path relative to the working directory, if it is below it."""
    here = Path.cwd()
    return path.absolute().relative_to(here) if path.absolute().is_relative_to(here) else path
