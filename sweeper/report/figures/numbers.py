"""Numbers as figures take them."""

from __future__ import annotations

import math
from collections.abc import Sequence

from ..measure import Measure

_LOG_FROM = 16.0


def finite(value: float) -> float | None:
    """Returns a number; None for one that is not finite."""
    return value if math.isfinite(value) else None


def is_wide(values: Sequence[float | None]) -> bool:
    """Whether a logarithmic scale shows them better; what is None does not count."""
    given = [value for value in values if value is not None]
    return bool(given) and min(given) > 0 and max(given) >= _LOG_FROM * min(given)


def shortly(value: float, measure: Measure) -> str:
    """Returns a score in a few digits."""
    return f'{value:.3f}' if measure.info.is_share else f'{value:.4g}'


def exactly(value: float) -> str:
    """Returns a number as text, in as few digits as tell it from every other."""
    text = f'{value:g}'
    return text if float(text) == value else repr(float(value)).removesuffix('.0')
