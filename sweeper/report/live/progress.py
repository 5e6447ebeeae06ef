"""Shows a running sweep: a live display in a terminal or a notebook, plain lines elsewhere."""

from __future__ import annotations

from typing import Literal

from ...listeners.base import Listener
from .plain import PlainProgress


def open_progress(kind: Literal['auto', 'rich', 'plain', 'none']) -> Listener | None:
    """Returns a listener that shows progress on stderr, or None for `none`.

    Args:
        kind: `rich`, `plain`, `none`, or `auto`: `rich` in a terminal or a notebook, `plain` elsewhere.
    """
    if kind == 'none':
        return None
    if kind == 'plain':
        return PlainProgress()
    return open_display(always_rich=kind == 'rich')


def open_display(elapsed: float = 0.0, always_rich: bool = False) -> Listener:
    """Returns a listener that shows progress as suits where stderr goes.

    Args:
        elapsed: For how many seconds the sweep is going on already.
        always_rich: Also where it is neither a terminal nor a notebook.
    """
    from rich.console import Console

    console = Console(stderr=True)
    if not (console.is_terminal or console.is_jupyter or always_rich):
        return PlainProgress(elapsed=elapsed)
    from .live import LiveProgress
    from .screen import NotebookScreen, TerminalScreen

    return LiveProgress(NotebookScreen() if console.is_jupyter else TerminalScreen(console), elapsed=elapsed)
