"""What is drawn, as artists in axes."""

import math
import warnings

import numpy as np
import pytest
from matplotlib import rcParams
from matplotlib.colors import to_rgba
from matplotlib.figure import Figure

from sweeper.points import NamedPoint
from sweeper.report.figures.board import board, draw_board
from sweeper.report.figures.cost import AgainstCost, draw_against_cost
from sweeper.report.figures.effects import Importance, draw_importance
from sweeper.report.figures.paper import BLUE, GREY, ORANGE, PALETTE, paper_style, shown
from sweeper.report.figures.parameter import by_parameter, draw_parameter
from sweeper.report.figures.plotting import KINDS, plot

from ..conftest import trial


def texts(axes, which='y'):
    return [tick.get_text() for tick in getattr(axes, f'get_{which}ticklabels')()]


def legend(axes):
    return [] if axes.get_legend() is None else [text.get_text() for text in axes.get_legend().get_texts()]


def intervals(axes):
    """Ends of all intervals, each from low to high."""
    return [tuple(path.vertices[:, 1]) for lines in axes.collections for path in lines.get_paths()]


def test_the_board_has_a_row_per_architecture_with_interval_and_trials(grid):
    axes = plot(grid, 'board').axes[0]
    assert texts(axes) == board(grid).names
    assert axes.get_ylim() == (5.6, -0.6)  # the best at the top
    drawn = [path.vertices[:, 0].tolist() for lines in axes.collections for path in lines.get_paths()]
    assert sorted(drawn) == sorted(map(list, zip(board(grid).lows, board(grid).highs, strict=True)))
    assert sum(len(line.get_xdata()) for line in axes.lines) == 6 * 3 + 6


def test_those_tied_for_first_are_told_from_the_others_by_colour(write_sweep):
    findings = write_sweep({(1, 'a'): [0.9, 0.91, 0.92], (2, 'a'): [0.2, 0.22, 0.21]}, perf=0.1)
    axes = plot(findings, 'board').axes[0]
    means = {
        round(line.get_xdata()[0], 9): line.get_color() for line in axes.lines if len(line.get_xdata()) == 1
    }
    assert means == {0.91: BLUE, 0.21: GREY}
    assert legend(axes) == ['the best', 'worse than the best', 'a trial']


def test_a_single_trial_has_no_interval_and_is_not_drawn_twice(write_sweep):
    axes = plot(write_sweep({(1, 'a'): [0.9], (2, 'a'): [0.8]}), 'board').axes[0]
    assert not any(len(lines.get_paths()) for lines in axes.collections)
    assert sum(len(line.get_xdata()) for line in axes.lines) == 2
    assert legend(axes) == ['may be the best']


def test_what_cannot_be_compared_is_not_called_worse(write_sweep):
    points = {(1, 'a'): [0.9, 0.91, 0.92], (2, 'a'): [0.2, 0.22, trial(0.0, diverged=True)]}
    axes = plot(write_sweep(points), 'board').axes[0]
    assert legend(axes) == ['the best', 'not comparable', 'a trial']
    assert to_rgba(ORANGE) in {to_rgba(line.get_color()) for line in axes.lines}
    cost = plot(write_sweep(points), 'cost', cost='seconds').axes[0]
    assert legend(cost) == ['1 hidden=1 nonlinearity=a'] and 'not comparable' in cost.get_xlabel()


@pytest.fixture
def doubted(write_sweep):
    """A grid of which the architecture of depth 2 and width 2 diverged in a trial."""
    points = {
        NamedPoint(depth=depth, width=width): [0.6 + depth / 10 + width / 50, 0.61 + depth / 10 + width / 50]
        for depth in (1, 2) for width in (1, 2, 3)
    }  # fmt: skip
    return write_sweep({**points, NamedPoint(depth=2, width=2): [0.1, trial(0.0, diverged=True)]})


def test_what_cannot_be_compared_is_a_cross_beside_the_lines_of_its_group(doubted):
    axes = plot(doubted, 'parameter', x='width').axes[0]
    lines = {len(line.get_xdata()) for line in axes.lines if line.get_linestyle() == '-'}
    assert lines == {2, 3}, 'the line of depth 2 leaves it out'
    (cross,) = (line for line in axes.lines if line.get_marker() == 'X')
    assert (cross.get_color(), cross.get_xdata().tolist()) == (ORANGE, [2.0])
    assert axes.get_xlabel() == 'width\norange crosses: not comparable'


def test_what_cannot_be_compared_has_no_part_in_a_mean_of_a_heat_map(doubted):
    axes = plot(doubted, 'heatmap', x='width', y='depth').axes[0]
    assert [text.get_text() for text in axes.texts] == ['0.725', '0.745', '0.765', '0.825', '0.865']
    assert axes.get_xlabel() == 'width\n1 not comparable: left out'


def test_what_cannot_be_compared_is_dotted_in_parallel_coordinates(doubted):
    axes = plot(doubted, 'parallel').axes[0]
    lines = [line for line in axes.lines if len(line.get_ydata()) == 3]
    assert [line.get_color() for line in lines if line.get_linestyle() == ':'] == [ORANGE]
    assert 'orange, dotted: not comparable' in [text.get_text() for text in axes.texts]


@pytest.mark.parametrize('kind', ['parameter', 'heatmap', 'parallel'])
def test_if_nothing_can_be_compared_all_is_shown(write_sweep, kind):
    points = {(width, kind): [0.5, trial(0.3, diverged=True)] for width in (1, 2) for kind in 'ab'}
    axes = plot(write_sweep(points), kind).axes[0]
    assert 'left out' not in axes.get_xlabel()
    assert kind != 'heatmap' or len(axes.texts) == 4


def test_a_long_board_says_how_much_it_leaves_out(write_sweep):
    axes = plot(write_sweep({(width, 'relu'): [width / 100] for width in range(64)}), 'board').axes[0]
    assert len(texts(axes)) == 40 and 'hidden=63 nonlinearity=relu' in texts(axes)
    assert 'the best 40 of 64 architectures' in axes.get_xlabel()


def test_an_interval_beyond_what_can_be_does_not_stretch_the_axis(write_sweep):
    findings = write_sweep({(1, 'a'): [0.2, 0.9]})
    low, high = plot(findings, 'board').axes[0].get_xlim()
    assert -0.05 <= low < 0.2 and 0.9 < high <= 1.05


def test_performance_against_a_parameter_has_a_line_per_group(grid):
    axes = plot(grid, 'parameter', x='hidden').axes[0]
    assert legend(axes) == ['nonlinearity=relu', 'nonlinearity=tanh']
    assert texts(axes, 'x') == ['16', '32', '64']
    lines = [line for line in axes.lines if line.get_linestyle() == '-' and len(line.get_xdata()) == 3]
    assert [line.get_color() for line in lines] == list(PALETTE[:2])
    assert len(intervals(axes)) == 6


def test_values_on_a_logarithmic_axis_are_written_plainly(write_sweep):
    axes = plot(write_sweep({(0.001 * 4**one, 'a'): [0.5] for one in range(6)}), 'parameter').axes[0]
    assert axes.get_xscale() == 'log'
    assert texts(axes, 'x') == ['0.001', '0.004', '0.016', '0.064', '0.256', '1.024']


def test_values_too_close_to_each_other_have_one_tick(write_sweep):
    axes = plot(write_sweep({(width, 'a'): [0.5] for width in (8, 8.01, 100)}), 'parameter').axes[0]
    assert texts(axes, 'x') == ['8.01', '100']


def test_long_labels_are_aslant_and_cropped(write_sweep):
    kinds = ['relu', 'a' * 100, 'leaky_relu_of_0.01', 'softplus_and_more']
    axes = plot(write_sweep({(1, kind): [0.5] for kind in kinds}), 'parameter').axes[0]
    assert all(tick.get_rotation() == 30 for tick in axes.get_xticklabels())
    assert f'{"a" * 12}…{"a" * 12}' in texts(axes, 'x')


def test_of_many_groups_all_architectures_are_dots_with_means(write_sweep):
    points = {NamedPoint(a=a, b=b, c=c): [a / 10 + b / 100] for a in (1, 2) for b in range(5) for c in 'xyz'}
    axes = plot(write_sweep(points, perf=0.0), 'parameter', x='a').axes[0]
    assert legend(axes) == ['architecture', 'mean over architectures']
    dots, *bars = axes.lines
    assert len(dots.get_xdata()) == 30
    assert [bar.get_ydata()[0] for bar in bars] == [pytest.approx(0.12), pytest.approx(0.22)]


def test_those_that_lack_the_parameter_are_counted(write_sweep):
    points = {NamedPoint(width=1): [0.5], NamedPoint(width=2, depth=3): [0.4]}
    axes = plot(write_sweep(points, perf=0.0), 'parameter', x='depth').axes[0]
    assert axes.get_xlabel() == 'depth (1 of 2 architectures lack it)'


def test_a_heat_map_writes_its_means_and_leaves_gaps(write_sweep):
    figure = plot(
        write_sweep({(1, 'a'): [0.2, 0.4], (1, 'b'): [0.5], (2, 'a'): [0.6]}, perf=0.0), 'heatmap', x='hidden'
    )
    axes, bar = figure.axes
    assert [text.get_text() for text in axes.texts] == ['0.300', '0.600', '0.500']
    assert texts(axes, 'x') == ['1', '2'] and texts(axes) == ['a', 'b']
    assert bar.get_ylabel() == 'validation performance'


def test_a_heat_map_of_many_values_is_dots_in_their_order(write_sweep):
    points = {(one, one * 7 % 30): [one / 40] for one in range(30)}
    axes = plot(write_sweep(points, perf=0.0), 'heatmap', x='hidden', y='nonlinearity').axes[0]
    assert not axes.texts
    (dots,) = axes.collections
    assert dots.get_offsets().tolist() == [
        [one, one * 7 % 30] for one in sorted(range(30), key=lambda i: i * 7 % 30)
    ]


def test_parallel_coordinates_have_a_line_per_architecture_broken_where_a_value_lacks(write_sweep):
    points = {NamedPoint(a=1, b=1): [0.5], NamedPoint(a=2, b=5): [0.4], NamedPoint(a=3): [0.3]}
    axes = plot(write_sweep(points), 'parallel').axes[0]
    lines = [line.get_ydata() for line in axes.lines if len(line.get_ydata()) == 3]
    assert len(lines) == 3
    assert [math.isnan(line[1]) for line in lines] == [True, False, False]  # the best is drawn last
    assert lines[-1].tolist() == [0, 0, 1]
    assert {'a', 'b', 'validation\nperformance'} <= {text.get_text() for text in axes.texts}


def test_the_front_is_named_and_unknown_costs_are_counted(write_sweep):
    points = {(width, 'a'): [perf] for width, perf in ((1, 0.8), (2, 0.9), (3, 0.7), (4, 0.1))}
    costs = [20.0, 1.0, 10.0, None]  # in the order of the board
    data = AgainstCost(board(write_sweep(points)), 'euros', costs, [True, True, False, False])
    axes = Figure().subplots()
    draw_against_cost(data, axes)
    assert legend(axes) == ['1 hidden=1 nonlinearity=a', '2 hidden=2 nonlinearity=a']
    assert [text.xy for text in axes.texts] == [(1.0, 0.8), (20.0, 0.9)]
    assert axes.get_xlabel() == 'euros\nunknown of 1 of 4 architectures'
    assert axes.get_xscale() == 'log'


def test_a_long_front_is_named_in_part_with_the_best(write_sweep):
    shown = board(write_sweep({(width, 'a'): [width / 20] for width in range(20)}))
    axes = Figure().subplots()
    draw_against_cost(AgainstCost(shown, 'euros', [20.0 - one for one in range(20)], [True] * 20), axes)
    assert axes.get_legend().get_title().get_text() == 'Pareto front, 7 of 20:'
    assert legend(axes)[-1] == '7 hidden=19 nonlinearity=a'


def test_effects_are_bars_the_largest_first(grid):
    axes = plot(grid, 'effects').axes[0]
    assert texts(axes)[0] == 'hidden' and texts(axes)[1] == 'nonlinearity'
    expected = [100 * effect.share for effect in grid.comparison.effects()[:2]]
    assert [bar.get_width() for bar in axes.patches[:2]] == pytest.approx(expected)


def test_effects_without_worth_are_counted():
    axes = Figure().subplots()
    draw_importance(Importance([('a',), ('b',), ('a', 'b')], [0.995, 0.003, 0.002]), axes)
    assert texts(axes) == ['a', 'b'] and [text.get_text() for text in axes.texts] == ['100%', '<1%']
    assert '1 of 3 effects are not shown' in axes.get_xlabel()


def test_tuning_shows_the_range_test_the_candidates_and_the_choice(write_sweep):
    findings = write_sweep({(1, 'a'): [0.9]}, diverges=True)
    test, compared = plot(findings, 'tuning').axes
    assert test.get_legend().get_title().get_text() == 'hidden=1 nonlinearity=a'
    assert legend(test) == ['chosen for the trials; batch size 16']
    assert 'diverged' in [text.get_text() for text in test.texts]
    assert legend(compared) == ['round 1', 'batch size 16']
    assert compared.lines[0].get_ydata().tolist() == [0.5, 0.4]
    for axes in (test, compared):
        assert axes.patches[0].get_extents().transformed(axes.transData.inverted()).x0 == pytest.approx(0.01)
        assert axes.get_xscale() == 'log'


def test_rates_below_all_of_the_last_round_are_explained_under_the_figure(write_sweep):
    findings = write_sweep({(16, 'relu'): [0.5, 0.6]})
    assert plot(findings, 'tuning').axes[1].get_xlabel() == 'highest learning rate'
    curve = {'round': [0, 1, 1], 'lr': [0.1, 0.2, 0.4], 'batch_size': [16] * 3, 'steps': [5, 5, 5]}
    path = findings.store.files(findings.summaries[0].params).curve('candidates')
    np.savez(path, **{**curve, 'loss': [1, 1, 1], 'perf': [0.5, 0.6, 0.7]})
    told = plot(findings, 'tuning').axes[1].get_xlabel().replace('\n', ' ')
    assert 'Shaded: the learning rates of the trials. The highest of these, 0.1, was set below' in told


def test_candidates_with_different_nuisance_parameters_are_not_joined(declared):
    test, compared = plot(declared, 'tuning').axes
    assert legend(test) == ['chosen: batch size 16, momentum 0.9']
    assert legend(compared) == ['round 1', 'batch size 16']
    assert [line.get_ydata().tolist() for line in compared.lines if len(line.get_ydata())] == [[0.5], [0.4]]
    assert compared.get_ylabel() == 'performance\non held-out training data'


def test_training_has_mean_band_and_every_trial(write_sweep):
    figure = plot(write_sweep({(1, 'a'): [0.8, 0.9, 0.85]}), 'training')
    perf, loss = figure.axes
    assert legend(perf) == ['validation', 'training'] and not legend(loss)
    finals = sorted(line.get_ydata()[-1] for line in perf.lines)
    assert finals == pytest.approx([0.8, 0.8, 0.85, 0.85, 0.85, 0.85, 0.9, 0.9])  # both splits are alike
    assert perf.collections[0].get_paths()


def test_several_architectures_are_rows(write_sweep):
    figure = plot(write_sweep({(1, 'a'): [0.8], (2, 'a'): [0.9]}), 'training', points=['0', 'hidden=2'])
    titles = [axes.get_legend().get_title().get_text() for axes in figure.axes[::2]]
    assert titles == ['hidden=1 nonlinearity=a', 'hidden=2 nonlinearity=a']


def test_what_does_not_fit_beside_each_other_is_below_each_other(write_sweep):
    findings = write_sweep({(1, 'a'): [0.8]})
    wide, narrow = plot(findings, 'training'), plot(findings, 'training', width=3.3)
    assert narrow.get_figheight() == 2 * wide.get_figheight()
    assert narrow.axes[0].get_position().y0 > narrow.axes[1].get_position().y1


HOSTILE = ['$a^2$', '$\\frac{', 'new\nline\x07', '_under', '日本語', '\\$5', '<b>&', 'x' * 500, '\u202eabc']


@pytest.mark.parametrize('kind', KINDS)
def test_texts_of_users_are_shown_as_they_are(write_sweep, kind):
    points = {
        NamedPoint({'$x_1$': value, 'a_b': b}): [
            0.5 + 0.01 * one + 0.1 * b + one * index % 7 / 1e5 for index in range(8)
        ]
        for one, value in enumerate(HOSTILE)
        for b in (1, 2)
    }
    with warnings.catch_warnings():
        warnings.simplefilter('error', UserWarning)
        figure = plot(write_sweep(points), kind)
    assert figure.axes


def test_a_text_is_one_line_without_formulas_and_not_too_long():
    assert shown('$a$ b') == r'\$a\$ b'
    assert shown('a\n\tb\x07\u202e') == 'a b\ufffd\ufffd'
    assert shown('0123456789', 5) == '01…89' and shown('01234', 5) == '01234'
    with paper_style():
        text = Figure().text(0, 0, shown(r'\$a$b$'))
        assert text._preprocess_math(text.get_text()) == (r'\$a$b$', False)


def test_a_figure_may_be_part_of_another(grid):
    before = dict(rcParams)
    figure = Figure()
    left, right = figure.subplots(1, 2)
    draw_board(board(grid), left)
    draw_parameter(by_parameter(grid, 'hidden'), right)
    assert len(texts(left)) == 6 and right.get_xlabel() == 'hidden'
    plot(grid, 'board')
    assert dict(rcParams) == before


def test_colours_are_told_apart(grid):
    assert len({to_rgba(colour) for colour in PALETTE}) == len(PALETTE)
