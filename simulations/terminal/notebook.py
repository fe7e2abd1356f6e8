"""The display in a notebook: an output redrawn while a run is in progress, like a terminal's live area."""

import io
import sys
import threading
from html import escape as esc

from rich.console import Console, RenderableType

_PAUSE = 0.5  # seconds between redraws
_WIDTH = 79
_STYLE = "font-family:ui-monospace,Menlo,Consolas,monospace;font-size:13px;line-height:1.35;white-space:pre"


def in_notebook() -> bool:
    """Whether this runs in a notebook kernel, which can show HTML."""
    ipython = sys.modules.get("IPython")
    shell = None if ipython is None else ipython.get_ipython()
    return shell is not None and hasattr(shell, "kernel")


def console() -> Console:
    """A console that records what is printed to it, for the output."""
    return Console(
        file=io.StringIO(), record=True, width=_WIDTH, force_terminal=True, force_jupyter=False, _environ={}
    )


class Output:
    """The output of a cell: what `console` has recorded, and below it the current state of `live`."""

    def __init__(self, console: Console, live: RenderableType) -> None:
        self._console, self._live = console, live
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._keep_drawing, daemon=True)

    def start(self) -> None:
        """Shows it."""
        from IPython.display import HTML, display

        self._handle = display(HTML(self._html()), display_id=True)
        self._thread.start()

    def stop(self) -> None:
        """Draws it one last time."""
        self._over.set()
        self._thread.join()
        self._draw()

    def _keep_drawing(self) -> None:
        while not self._over.wait(_PAUSE):
            self._draw()

    def _draw(self) -> None:
        from IPython.display import HTML

        self._handle.update(HTML(self._html()))

    def _html(self) -> str:
        now = console()
        now.print(self._live)
        kept = self._console.export_text(clear=False)
        return f'<div style="{_STYLE}">{esc(kept + now.export_text().rstrip())}</div>'
