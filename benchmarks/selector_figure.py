"""The figure of `search.py`: regret over trials, one panel per table."""

import numpy as np
from matplotlib.figure import Figure

from sweeper import save_figure
from sweeper.report.figures.paper import BLUE, GREY, PAGE, SKY, VERMILLION, paper_style

COLOURS = {'random': GREY, 'RandomSweep': SKY, 'EvolutionSweep': VERMILLION, 'OptunaSelector (TPE)': BLUE}
LEAST = 0.01
FIRST = 10  # trials


def draw(curves, units, path):
    """Writes the figure.

    Args:
        curves: Regrets by table and search, shape (repetitions, points).
        units: Of each table's regret.
        path: Ends with .png, .svg or .pdf.
    """
    with paper_style():
        figure = Figure(figsize=(PAGE, 2.4), layout='constrained')
        panels = figure.subplots(1, len(curves), squeeze=False)[0]
        for axes, (name, by_search) in zip(panels, curves.items(), strict=True):
            for search, regrets in by_search.items():
                trials = np.arange(1, regrets.shape[1] + 1)
                mean, error = regrets.mean(0), regrets.std(0, ddof=1) / np.sqrt(len(regrets))
                axes.plot(trials, np.maximum(mean, LEAST), color=COLOURS[search], label=search)
                low, high = np.maximum(mean - 2 * error, LEAST), np.maximum(mean + 2 * error, LEAST)
                axes.fill_between(trials, low, high, color=COLOURS[search], alpha=0.2, linewidth=0)
            axes.set_xscale('log')
            axes.set_yscale('log')
            longest = max(regrets.shape[1] for regrets in by_search.values())
            axes.set_xlim(FIRST, longest)
            highest = max(regrets[:, FIRST - 1].mean() for regrets in by_search.values())
            axes.set_ylim(top=1.5 * highest)
            axes.set_title(name.replace('_', ' '))
            axes.set_xlabel('trials')
            axes.set_ylabel(f'regret, {units[name]}')
        handles, labels = panels[0].get_legend_handles_labels()
        figure.legend(handles, labels, loc='outside lower center', ncols=4)
    save_figure(figure, path)
