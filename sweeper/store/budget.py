"""`budget.json`: what was decided by the time, so that a sweep that is resumed decides it again."""

from __future__ import annotations

import math
from collections.abc import Mapping

from ..io.checksums import read_sealed
from ..io.files import AtomicWriter
from .damage import DamagedFile, set_aside
from .layout import SweepLayout


def read_budget(layout: SweepLayout, writer: AtomicWriter, selector: str) -> dict[str, float]:
    """Returns what was kept of a selector's time; empty if nothing was, or it is damaged and set aside."""
    try:
        return dict(_read(layout).get(selector, {}))
    except DamagedFile as damage:
        set_aside(layout, writer, damage.path, damage)
        return {}


def write_budget(layout: SweepLayout, writer: AtomicWriter, selector: str, kept: Mapping[str, float]) -> None:
    """Keeps what is to be known of a selector's time."""
    writer.write_sealed(layout.budget, {'selectors': {**_read(layout), selector: dict(kept)}})


def _read(layout: SweepLayout) -> dict[str, dict[str, float]]:
    try:
        data = read_sealed(layout.budget)['selectors']
        for kept in data.values():
            if not all(isinstance(kept[name], int | float) for name in ('in_time', 'seconds')):
                raise ValueError(f'it has {kept!r}')
            if not 0 <= kept['seconds'] < math.inf or not 0 <= kept['in_time'] < math.inf:
                raise ValueError(f'it has {kept!r}')
        return dict(data)
    except FileNotFoundError:
        return {}
    except (ValueError, TypeError, LookupError, AttributeError) as error:
        raise DamagedFile(layout.budget, error) from error
