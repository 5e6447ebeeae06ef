"""How training steps were taken, as a value and in words."""

from __future__ import annotations

import re
from typing import NamedTuple

_NOT_IN_LANES = 'not in lanes, because '


class StepKind(NamedTuple):
    """How training steps were taken.

    Attributes:
        kind: `eager`, `captured` or `lanes`; empty where nobody has noted it.
        reason: Why not in another way that was wanted; None if they were taken as wanted.
        lanes: How many runs were trained side by side.
    """

    kind: str
    reason: str | None = None
    lanes: int = 1

    def alone(self, reason: str) -> StepKind:
        """The same of a run that was to be in lanes, and why it was not."""
        reasons = (self.reason, f'{_NOT_IN_LANES}{reason}')
        return self._replace(reason='; '.join(filter(None, reasons)))

    def __str__(self) -> str:
        """The kind in words, as files have it: `eager, because it takes fewer than 48 steps`."""
        if self.kind == 'lanes':
            return f'in {self.lanes} lanes'
        if self.reason is None:
            return self.kind
        return f'{self.kind}{"; " if self.reason.startswith(_NOT_IN_LANES) else ", because "}{self.reason}'

    @classmethod
    def parse(cls, text: str) -> StepKind:
        """Returns the kind that is told in such words."""
        if lanes := re.fullmatch(r'in (\d{1,9}) lanes', text):
            return cls('lanes', lanes=int(lanes[1]))
        match = re.fullmatch(rf'(\w*)(?:, because |; (?={_NOT_IN_LANES}))(.*)', text, re.DOTALL)
        return cls(text) if match is None else cls(match[1], match[2])
