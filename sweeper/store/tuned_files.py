"""What a point's tuning came to, as its two files have it: `final.json` and `misc.json`.

They keep the names that they have always had, which differ from those of `Tuned`.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

from ..annotations import check_types
from ..points import from_json, to_json, value_to_text
from ..results import ModelCost, Tuned

_FIRST, _LAST = ('flags', 'why', 'perf', 'span'), ('cost', 'unread')


@dataclass(frozen=True)
class _Final:
    """What `final.json` has; `nuisance` and `training` only if there is some."""

    lr_start: float
    lr_end: float
    batch_size: int
    cycle_size_epochs: float
    epochs: float
    nuisance: Mapping[str, Any] = field(default_factory=dict)
    training: Mapping[str, str | float] = field(default_factory=dict)


def final_content(tuned: Tuned) -> dict[str, Any]:
    """The content of `final.json`: how to train."""
    plan = tuned.plan()
    content = {'lr_start': plan.pop('lr_min'), 'lr_end': plan.pop('lr_max'), **plan}
    if tuned.nuisance:
        content['nuisance'] = {name: to_json(value) for name, value in tuned.nuisance.items()}
    if tuned.training:
        content['training'] = {**tuned.training}
    return content


def misc_content(tuned: Tuned) -> dict[str, Any]:
    """The content of `misc.json`: all that led to the choice, the flags, and what the architecture costs."""
    content = {
        **tuned.report,
        'flags': [*tuned.flags],
        'perf': tuned.performance,
        **({'span': tuned.span} if tuned.span != 1 else {}),
        **({'tunings': len(tuned.tunings)} if tuned.alternatives else {}),
        'cost': None if tuned.cost is None else asdict(tuned.cost),
        **({'unread': [*tuned.unread]} if tuned.unread else {}),
    }
    between = [name for name in content if name not in (*_FIRST, *_LAST)]
    return {name: content[name] for name in (*_FIRST, *between, *_LAST) if name in content}


def facts_from_misc(misc: Mapping[str, Any]) -> dict[str, Any]:
    """Returns what of `misc.json` is looked up time and again, as fields of `Tuned`.

    Raises:
        ValueError, LookupError, TypeError: It is not what was written.
    """
    flags, unread, cost = misc['flags'], misc.get('unread'), misc.get('cost')
    performance = misc.get('perf') or 0.0
    if not isinstance(flags, list) or not all(isinstance(flag, str) for flag in flags):
        raise ValueError(f'flags are {flags!r}')
    span = misc.get('span', 1.0)
    for name, value in (('perf', performance), ('span', span)):
        if not isinstance(value, float | int) or not math.isfinite(value):
            raise ValueError(f'{name} is {value!r}')
    if 'span' not in misc and not 0 <= performance <= 1:
        raise ValueError(f'perf is {performance!r}')
    if cost is not None:
        check_types(ModelCost, cost)
        cost = ModelCost(**cost)
    names = map(str, unread) if isinstance(unread, list) else ()
    return {'flags': (*flags,), 'unread': (*names,), 'cost': cost, 'performance': performance, 'span': span}


def tunings_from_misc(misc: Mapping[str, Any]) -> int:
    """Returns how many tunings of the point `misc.json` speaks of; raises `ValueError` if that cannot be."""
    number = misc.get('tunings', 1)
    if not isinstance(number, int) or isinstance(number, bool) or number < 1:
        raise ValueError(f'tunings is {number!r}')
    return number


def tuned_from(content: Mapping[str, Any], facts: Mapping[str, Any]) -> Tuned:
    """Returns what `final.json` says, with what `facts_from_misc` returned.

    Raises:
        ValueError, LookupError, TypeError: It is not what was written, or trials cannot be trained so.
    """
    check_types(_Final, content)
    final = _Final(**content)
    for name in ('lr_start', 'lr_end'):
        if not 0 <= content[name] < math.inf:
            raise ValueError(f'{name} is {content[name]!r}')
    for name, least in (('batch_size', 1), ('cycle_size_epochs', 0), ('epochs', 0)):
        if not least <= content[name] < math.inf or content[name] == 0:
            raise ValueError(f'{name} is {content[name]!r}')
    nuisance = {name: from_json(value) for name, value in final.nuisance.items()}
    for value in nuisance.values():
        value_to_text(value)  # what cannot be written was not written
    rates = final.lr_start, final.lr_end
    plan = *rates, final.batch_size, final.cycle_size_epochs, final.epochs
    return Tuned(*plan, nuisance, training=final.training, **facts)
