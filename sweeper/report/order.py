"""The order of parameter values: numbers by size, also within texts and lists."""

from __future__ import annotations

import math
import re

from ..amounts import is_real
from ..points import value_from_text

_NUMBER = re.compile(r'(\d+(?:\.\d+)?(?:[eE][+-]?\d+)?)')


def value_order(cell: str) -> tuple[bool, float, list[tuple[float, str]]]:
    """Returns a key that sorts values as cells have them: numbers first, then texts, in which `9` < `16`."""
    number = _number(cell)
    if number is not None:
        return False, number, []
    parts = _NUMBER.split(cell)
    return True, 0.0, [(float(p), '') if index % 2 else (math.inf, p) for index, p in enumerate(parts)]


def _number(cell: str) -> float | None:
    try:
        value = value_from_text(cell) if cell else None
    except (ValueError, LookupError, RecursionError):
        return None
    if not is_real(value) or value != value:
        return None
    try:
        return float(value)
    except OverflowError:
        return math.copysign(math.inf, value)
