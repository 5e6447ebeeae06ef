"""How trials are resampled, as an option says."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Self

VALID = "must be 'folds:' and a number of at least 2, as in 'folds:5', or 'holdout:' and one of at least 1"


@dataclass(frozen=True)
class Resampling:
    """How trials are split: `folds:5` or `holdout:10`.

    Attributes:
        kind: `folds`: K-fold cross-validation, of which each further round shuffles anew. `holdout`:
            every trial has a random validation set of the original size.
        count: Folds of a round, or holdouts: how many trials are meant.
    """

    kind: str
    count: int

    @classmethod
    def parse(cls, text: str) -> Self | None:
        """Returns what a text says; None if it is no such text."""
        match = re.fullmatch(r'(folds|holdout):([0-9]{1,6})', text)
        if match is None or int(match[2]) < (2 if match[1] == 'folds' else 1):
            return None
        return cls(match[1], int(match[2]))

    def __str__(self) -> str:
        return f'{self.kind}:{self.count}'

    def val_to_train(self, train: int, val: int) -> float:
        """Returns the number of validation samples per training sample, for so many originally."""
        return 1 / (self.count - 1) if self.kind == 'folds' else val / train
