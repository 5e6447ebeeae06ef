"""What `sweep.json` says of the parameters that the problem's code declares."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from ..annotations import check_types


@dataclass(frozen=True)
class Declaration:
    """What code says of a parameter.

    Attributes:
        role: What is done with it: `scientific`, `nuisance` or `fixed`.
        default: Its default as it is written in the code; None if it has none.
        places: Where it is declared and read, as `layers.py:12`; first the place with the default.
    """

    role: str
    default: str | None
    places: Sequence[str]


def declarations(entries: Mapping[str, Any]) -> dict[str, Declaration]:
    """Returns the declarations by the parameter's name, as a manifest has them in plain values.

    Raises:
        ValueError, TypeError: They are something else.
    """
    result = {}
    for name, entry in entries.items():
        check_types(Declaration, entry)
        result[name] = Declaration(**entry)
    return result
