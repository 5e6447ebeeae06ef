"""Random points of a space, no two of them nearly the same."""

from __future__ import annotations

import math
import random
from collections.abc import Callable
from typing import Any

from ..errors import InvalidArgument
from ..points import NamedPoint
from ..space import Domain, Float, Space

DEFAULT_POINTS = 10
"""How many points are drawn if nobody says how many."""

_ATTEMPTS_PER_POINT = 1000


def draw_distinct(
    space: Space,
    points: int,
    r_eps: float,
    seed: int,
    draw: Callable[[Domain, random.Random], Any] = lambda domain, rng: domain.sample(rng),
) -> list[NamedPoint]:
    """Draws points at random, rejecting those that are nearly the same as one drawn before.

    Args:
        space: What to draw from.
        points: How many; at least 1.
        r_eps: Share of an interval within which two floats are nearly the same; in [0, 1).
        seed: Seeds the drawing of points.
        draw: Draws one value.

    Raises:
        InvalidArgument: An argument is invalid, or so many different points cannot be found.
    """
    if not isinstance(points, int) or points < 1:
        raise InvalidArgument(f'points={points!r}: must be an integer of at least 1')
    if not 0 <= r_eps < 1:
        raise InvalidArgument(f'r_eps={r_eps!r}: must be in [0, 1)')
    if points > space.size:
        message = f'it has {space.size:.0f} different point{"s" * (space.size != 1)}, not {points}'
        message = f'the space is too small: {message}'
        raise InvalidArgument(message).on_command_line(f'--points {points}: {message}')
    intervals = {name: domain for name, domain in space.items() if math.isinf(domain.size)}
    rng = random.Random(seed)
    drawn: list[NamedPoint] = []
    alike: dict[NamedPoint, list[NamedPoint]] = {}
    for _ in range(points * _ATTEMPTS_PER_POINT):
        point = space.draw(rng, draw)
        continuous = {name: domain for name, domain in intervals.items() if name in point}
        choices = NamedPoint({name: None if name in intervals else point[name] for name in point})
        same_choices = alike.setdefault(choices, [])
        if not any(
            all(domain.distance(point[n], other[n]) <= r_eps * (1 + 1e-9) for n, domain in continuous.items())
            for other in same_choices
        ):
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


def draw_unrounded(domain: Domain, rng: random.Random) -> Any:
    """Draws a value as versions before 0.2 did, floats with all their digits."""
    if not isinstance(domain, Float) or domain.step is not None:
        return domain.sample(rng)
    if not domain.log:
        return rng.uniform(domain.low, domain.high)
    value = math.exp(rng.uniform(math.log(domain.low), math.log(domain.high)))
    return min(max(value, domain.low), domain.high)
