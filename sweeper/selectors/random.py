"""Random points within given ranges, no two of them nearly the same."""

from __future__ import annotations

import math
import random
from collections.abc import Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from typing import Any, Protocol

from ..errors import InvalidArgument
from ..points import as_point, value_to_text

DEFAULT_POINTS = 10
"""How many points are drawn if nobody says how many."""

_ATTEMPTS_PER_POINT = 1000


def draw_distinct(ranges: Mapping[Any, Any], points: int, r_eps: float, seed: int) -> list[tuple[Any, ...]]:
    """Draws points at random, rejecting those that are nearly the same as one drawn before.

    Args:
        ranges: One range per parameter, as `FixedSweep.with_random_trials` documents.
        points: How many; at least 1.
        r_eps: Share of an interval within which two floats are nearly the same; in [0, 1).
        seed: Of the drawing.

    Raises:
        InvalidArgument: An argument is invalid, or so many different points cannot be found.
    """
    if not isinstance(points, int) or points < 1:
        raise InvalidArgument(f'points={points!r}: must be an integer of at least 1')
    if not 0 <= r_eps < 1:
        raise InvalidArgument(f'r_eps={r_eps!r}: must be in [0, 1)')
    axes = [_as_axis(name, given) for name, given in ranges.items()]
    rng = random.Random(seed)
    size = space_size(ranges)
    if points > size:
        told = f'the space is too small: it has {size:.0f} different point{"s" * (size != 1)}, not {points}'
        raise InvalidArgument(told).on_command_line(f'--points {points}: {told}')
    drawn: list[tuple[Any, ...]] = []
    alike: dict[tuple[Any, ...], list[tuple[Any, ...]]] = {}
    for _ in range(points * _ATTEMPTS_PER_POINT):
        point = tuple(axis.draw(rng) for axis in axes)
        choices = tuple(value for axis, value in zip(axes, point, strict=True) if isinstance(axis, _Values))
        same_choices = alike.setdefault(choices, [])
        if not any(_nearly_same(axes, point, other, r_eps) for other in same_choices):
            same_choices.append(point)
            drawn.append(point)
            if len(drawn) == points:
                return drawn
    error = InvalidArgument(
        f'the space is too small: found only {len(drawn)} of {points} points that differ by more than '
        f'r_eps={r_eps:g} of the range; draw fewer, or lower r_eps'
    )
    raise error.on_command_line(
        f'--points {points}: the space is too small: found only {len(drawn)} points that differ by more than '
        f'{r_eps:g} of the range; draw fewer'
    )


def space_size(ranges: Mapping[Any, Any]) -> float:
    """Returns how many different points are within ranges; infinity if one is an interval of floats."""
    return math.prod(_as_axis(name, given).size for name, given in ranges.items())


def all_values(name: str, given: Any) -> list[Any]:
    """Returns all values of a range, of which there are finitely many."""
    axis = _as_axis(name, given)
    assert isinstance(axis, _Values)
    return list(axis.options)


class _Axis(Protocol):
    """The range of one parameter."""

    @property
    def size(self) -> float: ...

    def draw(self, rng: random.Random) -> Any: ...

    def near(self, one: Any, other: Any, r_eps: float) -> bool: ...


@dataclass(frozen=True)
class _Values:
    options: Sequence[Any]
    weights: Sequence[float] | None = None

    @property
    def size(self) -> float:
        return len(self.options)

    def draw(self, rng: random.Random) -> Any:
        if self.weights is None:
            return rng.choice(self.options)
        return rng.choices(self.options, self.weights)[0]

    def near(self, one: Any, other: Any, r_eps: float) -> bool:
        return bool(one == other)


@dataclass(frozen=True)
class _Interval:
    low: float
    high: float
    log: bool = False

    @property
    def size(self) -> float:
        return float('inf')

    def draw(self, rng: random.Random) -> float:
        if not self.log:
            return rng.uniform(self.low, self.high)
        value = math.exp(rng.uniform(math.log(self.low), math.log(self.high)))
        return min(max(value, self.low), self.high)

    def near(self, one: float, other: float, r_eps: float) -> bool:
        if self.log:
            return abs(math.log(one / other)) <= r_eps * math.log(self.high / self.low)
        return abs(one - other) <= r_eps * (self.high - self.low)


def _as_axis(name: str | int, given: Any) -> _Axis:
    if isinstance(given, range) and len(given):
        return _Values(given)
    is_log = isinstance(given, tuple) and len(given) == 3 and given[2] == 'log'
    if isinstance(given, tuple) and len(given) == 2 + is_log and all(map(_is_number, given[:2])):
        low, high = given[:2]
        if not (low < high and math.isfinite(high - low)):
            raise InvalidArgument(
                f'range {given!r} of parameter {name!r}: low must be below high, both finite'
            )
        if is_log and low <= 0:
            raise InvalidArgument(f"range {given!r} of parameter {name!r}: with 'log', low must be above 0")
        if isinstance(low, int) and isinstance(high, int):
            options = range(low, high + 1)
            return _Values(options, [math.log((n + 0.5) / (n - 0.5)) for n in options] if is_log else None)
        return _Interval(float(low), float(high), is_log)
    if isinstance(given, AbstractSet | list) and given:
        if isinstance(given, AbstractSet):  # in an order that does not depend on the process
            return _Values(sorted(as_point(list(given)), key=value_to_text))
        return _Values(given)
    raise InvalidArgument(
        f'range {given!r} of parameter {name!r}: must be a range, a (low, high) pair of ints or floats '
        f"(or (low, high, 'log')), or a set or list of values, and not be empty"
    )


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _nearly_same(axes: Sequence[_Axis], one: Sequence[Any], other: Sequence[Any], r_eps: float) -> bool:
    return all(axis.near(a, b, r_eps) for axis, a, b in zip(axes, one, other, strict=True))
