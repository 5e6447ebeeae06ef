"""Random search: points drawn from a space, spread evenly or independently."""

from __future__ import annotations

import random
from collections.abc import Iterator, Mapping
from contextlib import suppress
from itertools import islice
from typing import Any, Literal

from ..amounts import at_least
from ..errors import InvalidArgument, InvalidPoint
from ..events import Event, PointRejected
from ..points import NamedPoint, Point
from ..space import Space
from ..space.forms import as_space
from ..space.roles import scientific
from .drawing import DEFAULT_POINTS
from .fixed import FixedSweep

_ATTEMPTS_PER_POINT = 1000
_CHUNK = 256


class RandomSweep(FixedSweep):
    """Tries points drawn from a space at random, all different.

    Args:
        space: What to draw from, or a mapping from names to ranges, as for `FixedSweep.with_random_trials`.
        points: How many points to draw, by default 10, or all if there are fewer; others in the place of
            those that constraints reject.
        trials: Trials of every point.
        method: `sobol` spreads the points evenly: a Sobol sequence, shifted at random, so that few points
            leave no large gaps in any parameter. More points are the same ones and others.
            `uniform` draws each independently of the others.
        seed: Seeds the drawing of points.

    Raises:
        InvalidArgument: An argument is invalid, or so many different points were not drawn.
    """

    def __init__(
        self,
        space: Space | Mapping[str, Any],
        points: int | None = None,
        trials: int = 3,
        *,
        method: Literal['sobol', 'uniform'] = 'sobol',
        seed: int = 0,
    ) -> None:
        self.whole_space = as_space(space)
        self.space = scientific(self.whole_space)
        if points is None:
            points = int(min(DEFAULT_POINTS, self.space.size))
        at_least(1, 'points', points)
        at_least(0, 'seed', seed)
        if method not in ('sobol', 'uniform'):
            raise InvalidArgument(f'method={method!r}: must be sobol or uniform')
        rng = random.Random(seed)
        drawn = _sobol(self.space, rng) if method == 'sobol' else _uniform(self.space, rng)
        super().__init__((point, trials) for point in _distinct(self.space, drawn, points))
        self._trials, self._drawn = trials, drawn
        self._seen: set[Point] = {point for point, _ in self._proposals}

    def tell(self, event: Event) -> None:
        """Has another point drawn in the place of one that constraints reject."""
        if isinstance(event, PointRejected):
            for point in islice(self._drawn, _ATTEMPTS_PER_POINT):
                if point is not None and point not in self._seen:
                    self._seen.add(point)
                    self._proposals.append((point, self._trials))
                    break
        super().tell(event)


def _distinct(space: Space, drawn: Iterator[NamedPoint | None], points: int) -> list[NamedPoint]:
    if points > space.size:
        message = f'the space is too small: it has {space.size:.0f} points, not {points}'
        raise InvalidArgument(f'points={points}: {message}').naming(('points', points))
    distinct: dict[NamedPoint, None] = {}
    for _ in range(points * _ATTEMPTS_PER_POINT):
        point = next(drawn)
        if point is not None:
            distinct[point] = None
        if len(distinct) == points:
            return list(distinct)
    raise InvalidArgument(
        f'points={points}: only {len(distinct)} different points of the space were drawn; draw fewer'
    ).naming(('points', points))


def _uniform(space: Space, rng: random.Random) -> Iterator[NamedPoint | None]:
    while True:
        yield space.sample(rng)


def _sobol(space: Space, rng: random.Random) -> Iterator[NamedPoint | None]:
    """Yields points of a Sobol sequence, all moved by one random shift (Cranley and Patterson, 1976).

    None is in the place of what is no point of the space.
    """
    from scipy.stats.qmc import Sobol  # here, since it takes a while

    sequence = Sobol(len(space), scramble=False)  # the same in all versions, as scrambled ones may not be
    shift = [rng.random() for _ in space]
    while True:
        for places in sequence.random(_CHUNK).tolist():
            point = None
            with suppress(InvalidPoint):  # a forbidden combination
                point = space.decode([(place + by) % 1.0 for place, by in zip(places, shift, strict=True)])
            yield point
