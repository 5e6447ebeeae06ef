"""Puts what an agent printed into order, and says which task printed it."""

from __future__ import annotations

from ..base import OnOutput, Task
from .messages import Printed

_REMEMBERED = 1000


class PrintedInOrder:
    """Passes on pieces of what was printed in the order of their numbers, however they come.

    Args:
        pass_on: Called with each text and the task whose run printed it.
    """

    def __init__(self, pass_on: OnOutput) -> None:
        self._pass_on = pass_on
        self._next = 0
        self._early: dict[int, list[tuple[int | None, str]]] = {}
        self._tasks: dict[int, Task] = {}

    def expect(self, key: int, task: Task) -> None:
        """That task will print, and what it printed may still come when it is done."""
        self._tasks[key] = task
        if len(self._tasks) > 2 * _REMEMBERED:
            for old in list(self._tasks)[:_REMEMBERED]:
                del self._tasks[old]

    def take(self, printed: Printed) -> None:
        """Takes a piece."""
        number, texts = printed
        self._early[number] = texts
        while (piece := self._early.pop(self._next, None)) is not None:
            self._next += 1
            self._pass_on_piece(piece)

    def take_end(self) -> None:
        """No more will come: passes on what is there, in order."""
        for number in sorted(self._early):
            self._pass_on_piece(self._early.pop(number))

    def _pass_on_piece(self, texts: list[tuple[int | None, str]]) -> None:
        for key, text in texts:
            self._pass_on(None if key is None else self._tasks.get(key), text)
