"""All kinds of figures for papers, by name."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any, cast

from ...errors import InvalidArgument
from ..collect import PointSummary
from ..findings import Findings
from ..wording import counted
from .axis import swept
from .board import board, board_height, draw_board
from .chosen import chosen
from .cost import COSTS, against_cost, against_cost_height, draw_against_cost
from .differences import differences, differences_height, draw_differences
from .effects import draw_importance, importance, importance_height
from .heat_map import draw_heat_map, heat_map, heat_map_height
from .paper import COLUMN, PAGE, paper_style
from .parallel import draw_parallel_coordinates, parallel_coordinates
from .parameter import by_parameter, draw_parameter, parameter_height
from .training import draw_training, training
from .tuning import draw_tuning, tuning

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

_NARROWEST, _WIDEST, _BESIDE = 2.0, 20.0, 2.4
_MOST_POINTS = 8


@dataclass(frozen=True)
class Wish:
    """What figure is wanted; None leaves the choice to it.

    Attributes:
        x: The parameter on the x axis.
        y: The parameter on the y axis of a heat map.
        cost: One of `COSTS`.
        points: Architectures, as `chosen` takes them.
        width: In inches.
    """

    x: str | None = None
    y: str | None = None
    cost: str | None = None
    points: Sequence[str] = ()
    width: float | None = None


@dataclass(frozen=True)
class Plan:
    """A figure before it is drawn.

    Attributes:
        rows: Each draws its row of axes.
        columns: Axes of a row.
        width: In inches, if nobody asks for another.
        height: In inches.
    """

    rows: Sequence[Callable[[Sequence[Axes]], None]]
    columns: int
    width: float
    height: float


@dataclass(frozen=True)
class Kind:
    """A kind of figure.

    Attributes:
        plan: Finds out what is to be drawn.
        options: Which attributes of a wish it looks at, besides `width`.
    """

    plan: Callable[[Findings, Wish], Plan]
    options: frozenset[str] = frozenset()


def plot(
    source: Findings | str | os.PathLike[str],
    kind: str,
    *,
    x: str | None = None,
    y: str | None = None,
    cost: str | None = None,
    points: str | Sequence[str | int] = (),
    width: float | None = None,
    axes: Axes | Iterable[Axes] | None = None,
    metric: str | None = None,
) -> Figure:
    """Draws a figure of a sweep for a paper; `save_figure` writes it to a file.

    Args:
        source: A sweep's findings or its folder, finished or not.
        kind: One of `KINDS`.
        x: The parameter along the x axis, of `parameter` and `heatmap`; that which matters most, by default.
        y: The parameter along the y axis of `heatmap`.
        cost: `parameters`, `flops` or `seconds` (per epoch), of `cost`; the first that is known, by default.
        points: Architectures to show in `tuning` and `training`, a row each: ids, or texts like
            `'hidden=16,nonlinearity=relu'` (`chosen` says more); the best one, by default.
        width: In inches; 6.9 (a page) or, for narrow figures, 3.3 (a column), by default.
        axes: Those of a figure of your own to draw in, in its style; `tuning` and `training` take two for
            each architecture.
        metric: The name of the metric to look at, such as `'loss'`; the objective by default.

    Returns:
        The figure: a new one, or that of `axes`.

    Raises:
        InvalidArgument: There is no such kind, parameter, cost, architecture or metric; or nothing to show.
        FolderError: The folder holds no sweep, or cannot be read.
        MissingExtra: matplotlib is not installed.
    """
    wish = Wish(x, y, cost, [points] if isinstance(points, str) else [*map(str, points)], width)
    _check(kind, wish)
    if axes is not None:
        if width is not None:
            raise InvalidArgument(f'width={width}: axes of your own have the size of their figure')
        own = list(axes) if isinstance(axes, Iterable) else [axes]
        return _drawn_in(own, KINDS[kind].plan(Findings.of(source, metric), wish))
    with paper_style():
        from matplotlib.figure import Figure

        plan = KINDS[kind].plan(Findings.of(source, metric), wish)
        wide = width or plan.width
        beside = plan.columns if wide >= _BESIDE * plan.columns else 1  # else below each other
        figure = Figure((wide, plan.height * plan.columns / beside), layout='constrained')
        grid = figure.subplots(len(plan.rows) * plan.columns // beside, beside, squeeze=False)
        _drawn_in(list(grid.flat), plan)
        figure.draw_without_rendering()  # makes what would be made later, in another style
    return figure


def _drawn_in(axes: Sequence[Axes], plan: Plan) -> Figure:
    """Draws in axes of the caller's figure, row by row."""
    if len(axes) != len(plan.rows) * plan.columns:
        raise InvalidArgument(f'{len(axes)} axes given; it takes {len(plan.rows) * plan.columns}')
    for row, draw in enumerate(plan.rows):
        draw(axes[row * plan.columns : (row + 1) * plan.columns])
    return cast('Figure', axes[0].figure)


def _check(kind: str, wish: Wish) -> None:
    if kind not in KINDS:
        raise InvalidArgument(f'there is no figure of the kind {kind}; valid are {", ".join(KINDS)}')
    for name in ('x', 'y', 'cost', 'points'):
        value = getattr(wish, name)
        if value not in (None, []) and name not in KINDS[kind].options:
            takers = ' and '.join(other for other, figure in KINDS.items() if name in figure.options)
            goes = f'goes with {takers}, not with {kind}'
            given = value if isinstance(value, str) else ' '.join(value)
            error = InvalidArgument(f'{name}={value!r} {goes}')
            raise error.on_command_line(f'--{name.removesuffix("s")} {given} {goes}')
    if wish.cost is not None and wish.cost not in COSTS:
        raise InvalidArgument(f'there is no cost {wish.cost}; valid are {", ".join(COSTS)}')
    if wish.width is not None and not _NARROWEST <= wish.width <= _WIDEST:
        valid = f'must be from {_NARROWEST:g} to {_WIDEST:g} inches'
        error = InvalidArgument(f'width={wish.width}: {valid}')
        raise error.on_command_line(f'--width {wish.width:g}: {valid}')
    if len(wish.points) > _MOST_POINTS:
        raise InvalidArgument(f'{len(wish.points)} points are too many for a figure; at most {_MOST_POINTS}')


def _single(draw: Callable[[Any, Axes], None], data: Any, width: float, height: float) -> Plan:
    return Plan([lambda axes: draw(data, axes[0])], 1, width, height)


def _board(findings: Findings, _wish: Wish) -> Plan:
    _with_trials(findings)
    data = board(findings)
    return _single(draw_board, data, PAGE, board_height(data))


def _differences(findings: Findings, _wish: Wish) -> Plan:
    _with_trials(findings)
    data = differences(findings)
    if len(data.names) < 2:
        raise InvalidArgument('there are no differences to show: fewer than two architectures are comparable')
    return _single(draw_differences, data, PAGE, differences_height(data))


def _parameter(findings: Findings, wish: Wish) -> Plan:
    (name,) = _parameters(findings, [wish.x])
    data = by_parameter(findings, name)
    return _single(draw_parameter, data, COLUMN, parameter_height(data))


def _heat_map(findings: Findings, wish: Wish) -> Plan:
    x, y = _parameters(findings, [wish.x, wish.y])
    data = heat_map(findings, x, y)
    return _single(draw_heat_map, data, COLUMN, heat_map_height(data))


def _parallel(findings: Findings, _wish: Wish) -> Plan:
    _with_trials(findings)
    data = parallel_coordinates(findings)
    if not data.axes:
        raise InvalidArgument('nothing to draw in parallel: no parameter has more than one value')
    return _single(draw_parallel_coordinates, data, PAGE, 3.0)


def _cost(findings: Findings, wish: Wish) -> Plan:
    _with_trials(findings)
    every = {cost: against_cost(findings, cost) for cost in COSTS}
    known = [cost for cost, data in every.items() if any(value is not None for value in data.costs)]
    cost = wish.cost or (known[0] if known else next(iter(COSTS)))
    if cost not in known:
        raise InvalidArgument(f'{COSTS[cost][0]} of no architecture are known; known are {", ".join(known)}')
    return _single(draw_against_cost, every[cost], COLUMN, against_cost_height(every[cost]))


def _importance(findings: Findings, _wish: Wish) -> Plan:
    _with_trials(findings)
    data = importance(findings)
    if findings.comparison.influences.unknown:
        raise InvalidArgument(
            f'the effects of the parameters are not known: {findings.comparison.influences.unknown}'
        )
    return _single(draw_importance, data, COLUMN, importance_height(data))


def _tuning(findings: Findings, wish: Wish) -> Plan:
    data = []
    for summary in _architectures(findings, wish):
        figure = tuning(findings, summary)
        if figure is None:
            raise InvalidArgument(f'{findings.name(summary)} is not tuned, so there is nothing to show')
        data.append(figure)
    height = 3.0 if any(figure.note for figure in data) else 2.5
    return Plan([partial(draw_tuning, figure) for figure in data], 2, PAGE, height * len(data))


def _training(findings: Findings, wish: Wish) -> Plan:
    data = [training(findings, summary) for summary in _architectures(findings, wish)]
    for figure in data:
        if not figure.epochs:
            raise InvalidArgument(f'{figure.name} has no trials, so there is nothing to show')
    return Plan([partial(draw_training, figure) for figure in data], 2, PAGE, 2.5 * len(data))


def _with_trials(findings: Findings) -> list[PointSummary]:
    if not findings.compared:
        raise InvalidArgument('there is nothing to show yet: no architecture has trials')
    return findings.compared


def _architectures(findings: Findings, wish: Wish) -> list[PointSummary]:
    if wish.points:
        return [chosen(findings, point) for point in wish.points]
    return _with_trials(findings)[:1]


def _parameters(findings: Findings, names: Sequence[str | None]) -> list[str]:
    """Those that are asked for; instead of None those that matter most, of what is left."""
    _with_trials(findings)
    effects = findings.comparison.effects() if None in names else ()
    mains = [effect.parameters[0] for effect in effects if len(effect.parameters) == 1]
    ranked = dict.fromkeys([*mains, *swept(findings), *findings.columns])
    for name in names:
        if name is not None and name not in ranked:
            raise InvalidArgument(
                f'there is no parameter {name}; valid are {", ".join(findings.columns) or "none"}'
            )
    left = (name for name in ranked if name not in names)
    parameters = [next(left, '') if name is None else name for name in names]
    if '' in parameters or len(set(parameters)) < len(parameters):
        raise InvalidArgument(
            f'this figure needs {counted(len(parameters), "different parameter")}; '
            f'the sweep has {", ".join(findings.columns) or "no parameters"}'
        )
    return parameters


KINDS: Mapping[str, Kind] = {
    'board': Kind(_board),
    'differences': Kind(_differences),
    'parameter': Kind(_parameter, frozenset({'x'})),
    'heatmap': Kind(_heat_map, frozenset({'x', 'y'})),
    'parallel': Kind(_parallel),
    'cost': Kind(_cost, frozenset({'cost'})),
    'effects': Kind(_importance),
    'tuning': Kind(_tuning, frozenset({'points'})),
    'training': Kind(_training, frozenset({'points'})),
}
