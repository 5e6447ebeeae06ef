"""Learning rates and batch sizes that a space gives: the limits within which the tuner looks for them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from ..amounts import is_real
from ..errors import InvalidArgument
from ..space import Categorical, Domain, Space
from .base import TuningMethod
from .settings import HyperparameterSettings

_NAMES = {'lr': 'lr', 'learning_rate': 'lr', 'batch_size': 'batch_size'}


@dataclass(frozen=True)
class Bounds:
    """What a space says of learning rate and batch size.

    Attributes:
        settings: Changes of the settings of tuning.
        text: The limits in words; empty if there are none.
    """

    settings: dict[str, Any]
    text: str = ''

    def applied(self, method: TuningMethod) -> TuningMethod:
        """Returns a tuning method that looks within the limits.

        Raises:
            InvalidArgument: It has no such settings, or they do not go together.
        """
        if not self.settings:
            return method
        if not isinstance(method, HyperparameterSettings):
            raise InvalidArgument(
                f'{self.text} in the space: goes with a preset or settings, not with {type(method).__name__}'
            )
        size = max(method.batch_size, self.settings.get('batch_start', 1))
        size = min(size, self.settings.get('batch_end', size))
        return method.replace(**{'batch_size': size, **self.settings})


def split_bounds(space: Space, is_read: Callable[[str], bool]) -> tuple[Bounds, Space | None]:
    """Parts learning rate and batch size from what else a space has.

    They are the nuisance parameters that are called `lr`, `learning_rate` or `batch_size`, or end with such a
    name after a dot, and that no code reads.

    Args:
        space: The space.
        is_read: Tells whether the problem's code reads a parameter.

    Returns:
        The limits, and the space of all else; None if nothing else is tuned.

    Raises:
        InvalidArgument: There are two of a kind, one depends on others or others on it, or it has a single
            or an impossible value.
    """
    kinds = {
        name: kind
        for name, domain in space.items()
        if domain.role == 'nuisance' and not is_read(name) and (kind := _NAMES.get(name.rpartition('.')[2]))
    }
    names = {kind: name for name, kind in kinds.items()}
    if len(names) < len(kinds):
        raise InvalidArgument(f'{", ".join(kinds)}: a trial has one learning rate and one batch size')
    for expression in (*space.conditions.values(), *space.forbidden):
        for name in expression.names():
            if name in kinds:
                raise InvalidArgument(f'{name} is tuned: no condition can be about it, as {expression} is')
    for name in kinds:
        if name in space.conditions:
            raise InvalidArgument(f'{name} is tuned for every architecture: it can have no condition')
    settings: dict[str, Any] = {}
    for kind, name in names.items():
        settings |= _rates(name, space[name]) if kind == 'lr' else _sizes(name, space[name])
    text = ', '.join(f'{name} ({space[name].describe()})' for name in kinds)
    domains = {name: domain for name, domain in space.items() if name not in kinds}
    if not any(domain.role == 'nuisance' for domain in domains.values()):
        return Bounds(settings, text), None
    return Bounds(settings, text), Space(domains, space.conditions, space.forbidden)


def _ends(name: str, domain: Domain) -> tuple[Any, Any]:
    plain = domain.plain
    ends = plain.choices if isinstance(plain, Categorical) else plain.values(2)
    if any(not is_real(end) or end <= 0 for end in ends):
        raise InvalidArgument(f'{name}: must be numbers above 0; it is {domain.describe()}')
    return min(ends), max(ends)


def _rates(name: str, domain: Domain) -> dict[str, Any]:
    low, high = _ends(name, domain)
    if low == high:
        raise InvalidArgument(
            f'{name}: has a single value, {low!r}; give a range to tune it, or fix it by FixedHyperparameters'
        )
    return {'lr_start': float(low), 'lr_end': float(high)}


def _sizes(name: str, domain: Domain) -> dict[str, Any]:
    low, high = _ends(name, domain)
    if not (isinstance(low, int) and isinstance(high, int)):
        raise InvalidArgument(f'{name}: must be integers; it is {domain.describe()}')
    if low == high:
        return {'batch_objective': low, 'batch_size': low}
    return {'batch_start': low, 'batch_end': high}
