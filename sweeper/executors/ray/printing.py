"""Puts what an agent printed into order."""

from __future__ import annotations

from collections.abc import Callable

from ..base import OnOutput, Task
from .messages import Printed


class PrintedInOrder:
    """Passes on pieces of what was printed in the order of their numbers, however they come.

    Args:
        pass_on: Called with each text and the task whose run printed it.
    """

    def __init__(self, pass_on: OnOutput) -> None:
        self._pass_on = pass_on
        self._next = 0
        self._early: dict[int, list[tuple[Task | None, str]]] = {}

    def take(self, printed: Printed, task_of: Callable[[int], Task | None]) -> None:
        """Takes a piece; `task_of` tells the task of a key."""
        number, texts = printed
        self._early[number] = [(None if key is None else task_of(key), text) for key, text in texts]
        while (piece := self._early.pop(self._next, None)) is not None:
            self._next += 1
            for task, text in piece:
                self._pass_on(task, text)

    def take_rest(self) -> None:
        """No more will come: passes on what is there, in order."""
        for number in sorted(self._early):
            for task, text in self._early.pop(number):
                self._pass_on(task, text)
