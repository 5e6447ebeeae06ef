"""How a folder keeps what a sweep found: of which trials the weights, and in which files."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

from ..annotations import check_types


@dataclass(frozen=True)
class Storage:
    """What is kept, and how. Results do not depend on it, so it may be changed when a sweep is continued.

    Attributes:
        keep_weights: Whose trained weights, and those they started from, are kept: those of `all` trials, of
            the `best` trial of each point, or of `none`.
    """

    keep_weights: Literal['all', 'best', 'none'] = 'all'

    @classmethod
    def of(cls, chosen: Mapping[str, Any]) -> Storage:
        """Returns what was chosen, with defaults for the rest.

        Raises:
            ValueError: A value cannot be.
            TypeError: There is nothing of such a name to choose.
        """
        check_types(cls, chosen)
        return cls(**chosen)


CHOICES = tuple(field.name for field in dataclasses.fields(Storage))
"""What can be chosen, by name."""
