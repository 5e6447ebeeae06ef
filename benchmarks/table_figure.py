"""The figure of `public_tables.py`: how fixed settings and the tuner rank the architectures of HPOLib."""

import numpy as np
from matplotlib.figure import Figure
from table_replay import PRESETS

from sweeper import get_settings, save_figure
from sweeper.report.figures.paper import BLUE, GREY, MARKERS, PAGE, SKY, VERMILLION, paper_style

HEIGHT = 2.7
SEARCH = 'random search, 2 trainings'
COLOURS = dict(zip(PRESETS, (SKY, BLUE, 'black'), strict=True))
MARKS = dict(zip(PRESETS, MARKERS, strict=False))


def draw(found, path):
    """Writes the figure.

    Args:
        found: A table, its `Agreement` and its replays by name, each.
        path: Ends with .png, .svg or .pdf.
    """
    with paper_style():
        figure = Figure(figsize=(PAGE, HEIGHT), layout='constrained')
        left, right = figure.subplots(1, 2, sharey=True)
        for row, (_, result, replays) in enumerate(reversed(found)):
            for axes, fixed, value in (
                (left, result.taus, lambda way: way.tau),
                (right, np.exp(result.excesses), lambda way: np.exp(way.excess)),
            ):
                _draw_row(axes, row, fixed, {name: value(way) for name, way in replays.items()})
            left.plot(result.own_tau, row, '|', color='black', markersize=13, markeredgewidth=0.8,
                      label='each at its best: what noise leaves')  # fmt: skip
        names = [table.name.replace('_', ' ') for table, _, _ in reversed(found)]
        left.set_yticks(range(len(found)), names)
        left.set_ylim(-0.6, len(found) - 0.4)
        left.set_xlabel("Kendall's τ with the ranking, each at its best")
        left.axvline(0, color='#DDDDDD', linewidth=0.6, zorder=0)
        right.set_xscale('log')
        right.set_xticks([1, 2, 5, 10], ['1', '2', '5', '10'])
        right.minorticks_off()
        right.axvline(1, color='#DDDDDD', linewidth=0.6, zorder=0)
        right.set_xlabel("tuned loss of the one ranked first ÷ the best's")
        handles, labels = left.get_legend_handles_labels()
        unique = dict(zip(labels, handles, strict=True))
        figure.legend(unique.values(), unique.keys(), loc='outside lower center', ncols=3, columnspacing=1.2)
    save_figure(figure, path)


def _draw_row(axes, row, fixed, ways):
    """Fixed settings as faint dots a little below the row, the rest on it."""
    axes.plot(fixed, np.full(len(fixed), row - 0.22), 'o', color=GREY, alpha=0.45, markersize=3.5,
              markeredgewidth=0, label='all at one setting (24 of them)')  # fmt: skip
    axes.plot(np.median(fixed), row - 0.22, '|', color='black', markersize=5, label='their median')
    axes.plot(ways[SEARCH], row, 'x', color=VERMILLION, label='random search, 2 trainings each')
    for preset in PRESETS:
        budget = get_settings(preset).tuning_budget
        label = f'tuned ({preset}, {budget:g} trainings each)'
        axes.plot(ways[preset], row, MARKS[preset], color=COLOURS[preset], label=label, alpha=0.85)
