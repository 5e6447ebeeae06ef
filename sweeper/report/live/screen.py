"""Where a display is drawn: it stays in place in a terminal, and in a cell of a notebook."""

from __future__ import annotations

import io
from collections.abc import Sequence
from typing import Any, Protocol

from rich.console import Console, Group, RenderableType
from rich.constrain import Constrain
from rich.live import Live
from rich.text import Text

_NOTEBOOK_WIDTH, _NOTEBOOK_HEIGHT = 100, 40
_MOST_LINES = 100
_ECHO = 2 * len('^C')  # a terminal echoes it behind the view: were it wrapped there, a line would stay
_PRE = '<pre style="white-space:pre;line-height:normal;font-family:monospace">{code}</pre>'


class Screen(Protocol):
    """Shows what is drawn in place of what was drawn before, and lines that stay above it."""

    @property
    def height(self) -> int:
        """How many lines fit."""
        ...

    def open(self) -> None:
        """Called once, before anything is shown."""
        ...

    def show(self, view: RenderableType, lines: Sequence[Text]) -> None:
        """Shows a view, in place of the one before, and new lines that stay."""
        ...

    def close(self, lines: Sequence[Text]) -> None:
        """Takes the view away and leaves the lines. Called once, if it was opened; called last."""
        ...


class TerminalScreen:
    """A terminal; what else is printed meanwhile appears above the view.

    Args:
        console: The terminal's console.
    """

    def __init__(self, console: Console) -> None:
        self._console = console
        self._live = Live(console=console, auto_refresh=False, transient=True, vertical_overflow='crop')

    @property
    def height(self) -> int:
        return self._console.height - 1

    def open(self) -> None:
        self._live.start()

    def show(self, view: RenderableType, lines: Sequence[Text]) -> None:
        self._live.update(Constrain(view, self._console.width - _ECHO))
        if lines:
            self._console.print(*lines, sep='\n')  # draws the view anew, too
        else:
            self._live.refresh()

    def close(self, lines: Sequence[Text]) -> None:
        self._live.stop()
        for line in lines:
            self._console.print(line)


class NotebookScreen:
    """The output of a notebook's cell, of which one part is replaced again and again."""

    height = _NOTEBOOK_HEIGHT

    def __init__(self) -> None:
        self._handle: Any = None
        self._lines: list[Text] = []

    def open(self) -> None:
        ipython = _ipython()
        self._handle = ipython.display(ipython.HTML(''), display_id=True)

    def show(self, view: RenderableType, lines: Sequence[Text]) -> None:
        self._lines = [*self._lines, *lines][-_MOST_LINES:]
        self._update(Group(*self._lines, view))

    def close(self, lines: Sequence[Text]) -> None:
        self._update(Group(*self._lines, *lines))

    def _update(self, shown: RenderableType) -> None:
        self._handle.update(_ipython().HTML(as_html(shown)))


def _ipython() -> Any:
    from IPython import display  # there, if this is a notebook

    return display


def as_html(shown: RenderableType) -> str:
    """Returns what a terminal would show as a piece of HTML, escaped."""
    console = Console(
        record=True, file=io.StringIO(), width=_NOTEBOOK_WIDTH, force_terminal=True, force_jupyter=False
    )
    console.print(shown)
    return console.export_html(inline_styles=True, code_format=_PRE)
