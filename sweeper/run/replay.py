"""Whether a selector that adapts decides as it did when it made what a folder holds."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from pathlib import Path

from ..errors import FolderError
from ..points import Point, label


class Replay:
    """Compares what a selector proposes with the points that it added to the folder before, in order.

    Args:
        folder: Where they are, for messages.
        selector: The name of the selector's class, for messages.
        expected: The points that it added before; empty if it may decide otherwise now.
        others: Points of the folder that others added: they may be proposed at any time.
    """

    def __init__(
        self, folder: Path, selector: str, expected: Sequence[Point], others: Collection[Point]
    ) -> None:
        self._folder, self._selector = folder, selector
        self._expected, self._others = expected, set(others)
        self._done = 0

    def check(self, new: Sequence[Point]) -> None:
        """Checks points that are proposed for the first time.

        Raises:
            FolderError: They are not those that were proposed before.
        """
        proposed = [point for point in new if point not in self._others]
        expected = self._expected[self._done :][: len(proposed)]
        self._compare(expected, proposed[: len(expected)])
        self._done += len(expected)

    def check_complete(self) -> None:
        """Checks, after the last proposal, that nothing that was proposed before is missing.

        Raises:
            FolderError: Something is.
        """
        self._compare(self._expected[self._done :], [])

    def _compare(self, expected: Sequence[Point], proposed: Sequence[Point]) -> None:
        if expected == proposed:
            return
        pairs = zip(expected, proposed, strict=False)
        place = next((index for index, (first, other) in enumerate(pairs) if first != other), 0)
        instead = f', but ({label(proposed[place])})' if proposed else ''
        raise FolderError(
            f'{self._folder}: this was made by another selector, or another version of it: '
            f'{self._selector} does not propose the point ({label(expected[place])}) that is there'
            f"{instead}. Name another folder, or say if_changed='accept:selector' to keep the points of both"
        ).naming(('if_changed', 'accept:selector'))
