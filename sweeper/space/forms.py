"""The forms in which the values of a parameter may be given: as a domain, or as plain Python values."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from collections.abc import Set as AbstractSet
from typing import Any

from ..amounts import is_real
from ..errors import InvalidArgument, InvalidPoint
from ..points import as_point, value_to_text
from .base import Domain, as_number
from .categorical import Categorical
from .float import Float
from .integer import Integer
from .space import Space


def domain_of(name: str, given: Any, kind: type | None = None) -> Domain:
    """Returns the domain that is meant by a range.

    Args:
        name: The parameter's, for messages.
        given: A domain; a `(low, high)` or `(low, high, 'log')` tuple, of integers if both ends are; a
            `range`; or a list or set of values.
        kind: The type of the values, if it is known: an interval of floats may have integers for ends.

    Raises:
        InvalidArgument: It is none of these.
        InvalidPoint: A value cannot be in a point.
    """
    try:
        if isinstance(given, Domain):
            return given
        if isinstance(given, range) and len(given) > 1 and given.step > 0:
            return Integer(given[0], given[-1], step=given.step)
        if isinstance(given, range | list | AbstractSet):
            return _choices(given, kind)
        if isinstance(given, tuple) and _is_interval(*given):
            return interval_of(given[0], given[1], len(given) == 3, kind)
    except InvalidPoint:
        raise
    except InvalidArgument as error:
        raise InvalidArgument(f'range {given!r} of parameter {name!r}: {error}') from None
    raise InvalidArgument(
        f'range {given!r} of parameter {name!r}: must be a range, a (low, high) pair of ints or floats '
        f"(or (low, high, 'log')), or a set or list of values"
    )


def as_space(given: Space | Mapping[str, Any]) -> Space:
    """Returns a space, or that of ranges by name, each as for `domain_of`.

    Raises:
        InvalidArgument: It is neither, or a range is none.
    """
    if isinstance(given, Space):
        return given
    if not isinstance(given, Mapping):
        raise InvalidArgument(f'space={given!r}: must be a Space, or a mapping from names to ranges')
    return Space({name: domain_of(name, values) for name, values in given.items()})


def interval_of(low: float, high: float, log: bool, kind: type | None = None) -> Integer | Float:
    """Returns the integers between two ends if these are integers; else the floats.

    Raises:
        InvalidArgument: There are none.
    """
    low, high = as_number(low, kind), as_number(high, kind)
    if isinstance(low, int) and isinstance(high, int):
        return Integer(low, high, log)
    return Float(low, high, log)


def _choices(values: Iterable[Any], kind: type | None) -> Categorical:
    choices = [*as_point([as_number(value, kind) for value in values])]
    if isinstance(values, AbstractSet):  # in an order that does not depend on the process
        choices.sort(key=value_to_text)
    return Categorical(tuple(choices))


def _is_interval(low: Any = None, high: Any = None, *scale: Any) -> bool:
    are_numbers = all(is_real(end) for end in (low, high))
    return are_numbers and scale in ((), ('log',))
