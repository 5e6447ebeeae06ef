"""How many points satisfy a space's conditions, and which beginnings of a point lead to one.

Values of a parameter that no condition tells apart are one *cell*. Parameters are decided in an order in
which each comes after those that it depends on. What the later ones have to know is which conditions hold so
far; so points are counted by dynamic programming over sets of such conditions, not by listing them.
"""

from __future__ import annotations

import math
from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from graphlib import TopologicalSorter
from itertools import pairwise
from typing import Any

from .base import Domain
from .conditions import Condition, Expression
from .float import Float
from .integer import Integer

_MOST_LISTED = 1000


@dataclass(frozen=True)
class Cell:
    """Values of a parameter of which the same conditions hold.

    Attributes:
        true: The texts of these conditions.
        size: How many values there are.
        value: One of them.
    """

    true: frozenset[str]
    size: float
    value: Any


@dataclass(frozen=True)
class _Step:
    """The decision on one parameter.

    Attributes:
        name: The parameter's.
        condition: When it is part of the point; None: always.
        cells: Its values.
        forbidden: The clauses that can be judged once it is decided.
        needed: The texts of conditions that later decisions, or clauses judged later, need to know.
    """

    name: str
    condition: Expression | None
    cells: Sequence[Cell]
    forbidden: Sequence[Expression]
    needed: frozenset[str]


class Feasibility:
    """Which points of a space satisfy its conditions and clauses.

    Args:
        domains: The parameters that conditions or clauses are about, each after those it depends on.
        conditions: When parameters are part of a point.
        forbidden: What may hold of no point.
    """

    def __init__(
        self,
        domains: Mapping[str, Domain],
        conditions: Mapping[str, Expression],
        forbidden: Sequence[Expression],
    ) -> None:
        about: dict[str, dict[str, Condition]] = {name: {} for name in domains}
        for expression in (*conditions.values(), *forbidden):
            for condition in expression.conditions():
                about[condition.name][str(condition)] = condition
        self._about = about
        self._domains = domains
        self._steps = _steps(domains, conditions, forbidden, about)
        self._index = {name: index for index, name in enumerate(domains)}
        self._alive: set[tuple[int, frozenset[str]]] = set()
        self._dead: set[tuple[int, frozenset[str]]] = set()

    def count(self) -> float:
        """Returns how many combinations of values there are; infinity if a parameter has infinitely many."""
        ways: dict[frozenset[str], float] = {frozenset(): 1}
        for index in range(len(self._steps)):
            further: dict[frozenset[str], float] = {}
            for true, count in ways.items():
                for size, after in self._options(index, true):
                    further[after] = further.get(after, 0) + count * size
            ways = further
        return sum(ways.values())

    def exists(self) -> bool:
        """Tells whether there is a point at all."""
        return self._exists(0, frozenset())

    def has_room(self, name: str, values: Mapping[str, Any]) -> bool:
        """Tells whether a point can begin with some values.

        Args:
            name: The last parameter that is decided; those before it are, too.
            values: Of the parameters that are part of the point so far.
        """
        if name not in self._index:
            return True
        decided = self._index[name] + 1
        true = self._true_of(values)
        for step in self._steps[:decided]:
            if any(clause.holds(lambda condition: str(condition) in true) for clause in step.forbidden):
                return False
        return self._exists(decided, true & self._steps[decided - 1].needed)

    def allows(self, name: str, expression: Expression) -> bool:
        """Tells whether an expression about parameters before `name` holds for some point."""
        decided: set[frozenset[str]] = {frozenset()}
        for index in range(self._index[name]):
            needed = self._steps[index].needed
            decided = {
                after
                for true in decided
                for _, after in self._options(index, true)
                if self._exists(index + 1, after & needed)
            }
        return any(expression.holds(lambda known: str(known) in true) for true in decided)  # noqa: B023

    def has(self, name: str) -> bool:
        """Tells whether a condition or a clause is about a parameter, or it has a condition."""
        return name in self._index

    def cells(self, name: str) -> Sequence[Cell]:
        """Returns the cells of a parameter's values."""
        return self._steps[self._index[name]].cells if name in self._index else ()

    def _true_of(self, values: Mapping[str, Any]) -> frozenset[str]:
        return frozenset(
            text
            for name, conditions in self._about.items()
            if name in values
            for text, condition in conditions.items()
            if condition.is_true_of(values[name], self._domains[name])
        )

    def _exists(self, index: int, true: frozenset[str]) -> bool:
        """Searches depth first from where `index` parameters are decided, and remembers dead ends."""
        path = [(index, true)]
        options = [self._options(index, true)]
        while path:
            place, _ = path[-1]
            if place == len(self._steps) or path[-1] in self._alive:
                self._alive.update(path)
                return True
            following = next(options[-1], None)
            if following is None:
                self._dead.add(path.pop())
                options.pop()
            elif (state := (place + 1, following[1])) not in self._dead:
                path.append(state)
                options.append(self._options(*state))
        return False

    def _options(self, index: int, true: frozenset[str]) -> Iterator[tuple[float, frozenset[str]]]:
        """Yields what can be decided on a parameter: in how many ways, and what then is known to hold."""
        step = self._steps[index]
        is_active = step.condition is None or step.condition.holds(lambda known: str(known) in true)
        for cell in step.cells if is_active else [Cell(frozenset(), 1, None)]:
            after = true | cell.true
            if not any(clause.holds(lambda known: str(known) in after) for clause in step.forbidden):  # noqa: B023
                yield cell.size, after & step.needed


def _steps(
    domains: Mapping[str, Domain],
    conditions: Mapping[str, Expression],
    forbidden: Sequence[Expression],
    about: Mapping[str, Mapping[str, Condition]],
) -> list[_Step]:
    index = {name: place for place, name in enumerate(domains)}
    last = [max(index[name] for name in clause.names()) for clause in forbidden]
    needed: set[str] = set()
    steps = []
    for place, (name, domain) in reversed([*enumerate(domains.items())]):
        judged = [clause for clause, end in zip(forbidden, last, strict=True) if end == place]
        steps.append(
            _Step(name, conditions.get(name), cells_of(domain, about[name]), judged, frozenset(needed))
        )
        for expression in (*judged, *([conditions[name]] if name in conditions else [])):
            needed |= {str(condition) for condition in expression.conditions()}
    return steps[::-1]


def cells_of(domain: Domain, conditions: Mapping[str, Condition]) -> list[Cell]:
    """Returns the values of a domain, in cells.

    Args:
        domain: The domain.
        conditions: By text.
    """
    cells: dict[frozenset[str], Cell] = {}
    for value, size in _classes(domain, [*conditions.values()]):
        true = frozenset(text for text, known in conditions.items() if known.is_true_of(value, domain))
        known = cells.get(true)
        cells[true] = Cell(true, size + known.size, known.value) if known else Cell(true, size, value)
    return list(cells.values())


def _classes(domain: Domain, conditions: Sequence[Condition]) -> Iterator[tuple[Any, float]]:
    """Yields values, each with the number of those that no condition tells from it."""
    if not conditions:
        yield domain.decode(0.5), domain.size
    elif domain.size <= _MOST_LISTED:
        yield from ((value, 1) for value in domain.values())
    else:
        named = {value: None for condition in conditions for value in condition.values}
        if isinstance(domain.plain, Integer | Float):
            yield from _intervals(domain.plain, sorted(named))
        else:
            values = [value for value in named if domain.contains(value)]
            yield from ((value, 1) for value in values)
            places = (index / (2 * len(values) + 2) for index in range(2 * len(values) + 3))
            others = [value for value in map(domain.decode, places) if value not in values]
            yield others[0], domain.size - len(values)


def _intervals(domain: Integer | Float, limits: Sequence[float]) -> Iterator[tuple[float, float]]:
    """Yields the limits that are values, and values between them with the number of those there."""
    yield from ((limit, 1) for limit in limits if domain.contains(limit))
    inside = [limit for limit in limits if domain.low <= limit <= domain.high]
    if math.isinf(domain.size):
        ends = [domain.low, *inside, domain.high]
        for low, high in pairwise(ends):
            middle = math.sqrt(low) * math.sqrt(high) if domain.log else low + (high - low) / 2
            if low < middle < high:
                yield middle, math.inf
        yield from ((end, 1) for end in (domain.low, domain.high) if end not in inside)
        return
    indices = range(int(domain.size))
    starts = [0, *(bisect_right(indices, limit, key=domain.at) for limit in inside)]
    stops = [*(bisect_left(indices, limit, key=domain.at) for limit in inside), len(indices)]
    for start, stop in zip(starts, stops, strict=True):
        if start < stop:
            yield domain.at((start + stop) // 2), stop - start


def dependency_order(names: Iterable[str], conditions: Mapping[str, Expression]) -> list[str]:
    """Returns names so that each comes after those its condition is about, otherwise in the order given.

    Raises:
        CycleError: There is none; `args[1]` lists the names of a cycle.
    """
    names = list(names)
    TopologicalSorter({name: conditions[name].names() for name in conditions}).prepare()
    order: dict[str, None] = {}

    def add(name: str) -> None:
        if name not in order:
            for parent in conditions[name].names() if name in conditions else ():
                add(parent)
            order[name] = None

    for name in names:
        add(name)
    return list(order)
