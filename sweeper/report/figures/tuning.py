"""How an architecture's learning rate, batch size and nuisance parameters were chosen."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from textwrap import fill
from typing import TYPE_CHECKING, Any

import numpy as np

from ...points import value_to_text
from ...store.details import read_curve, read_misc
from ...tables import nuisance_columns
from ..collect import PointSummary
from ..findings import Findings
from ..measure import Measure, measure_of
from .numbers import finite
from .paper import BLACK, BLUE, MARKERS, SKY, VERMILLION, legend_above, limited_to, room

if TYPE_CHECKING:
    from matplotlib.axes import Axes

_MOST_STEPS = 120
_SAME = 1e-6


@dataclass(frozen=True)
class Tuning:
    """How a learning rate, a batch size and nuisance parameters were chosen.

    Attributes:
        name: The architecture.
        lrs: Learning rates of the range test, rising.
        loss: Of the range test at these, median over initialisations; None from where it diverged.
        perf: Performance of the range test at these; empty if single steps cannot measure it.
        candidates: What was trained briefly and compared: `round`, `lr` (highest of its cycle),
            `batch_size`, `steps`, `loss`, `perf`, and `nuisance_<name>`; those of a void round (all diverged)
            included.
        lr_min: Lowest learning rate of the trials.
        lr_max: Highest learning rate of the trials.
        batch_size: The batch size of the trials.
        why: The choice in words.
        budget: Samples that tuning trained on, in trials.
        steps: How the training steps of each stage were taken.
        nuisance: Nuisance parameters of the trials, by name, as text.
        unread: Parameters of the architecture that no code asked for.
        note: Why the trials' learning rates lie below all of the last round; empty if they do not.
        measure: The objective, by which candidates were compared.
        scored_on: What they were scored on: training data, or held-out training data.
        epochs: The length of the trials.
        probability_best: That the chosen candidate is the best of its round; None if nobody said.
    """

    name: str
    lrs: list[float]
    loss: list[float | None]
    perf: list[float]
    candidates: list[dict[str, Any]]
    lr_min: float
    lr_max: float
    batch_size: int
    why: str
    budget: float | None
    steps: dict[str, Any]
    nuisance: dict[str, str]
    unread: list[str]
    note: str
    measure: Measure
    scored_on: str = 'training data'
    epochs: float = 0
    probability_best: float | None = None

    def group(self, candidate: Mapping[str, Any]) -> tuple[Any, ...]:
        """What candidates have in common that differ in their learning rates at most."""
        names = ('round', 'batch_size', *nuisance_columns([*self.nuisance]))
        return tuple(candidate.get(name) for name in names)


def tuning(findings: Findings, summary: PointSummary) -> Tuning | None:
    """Returns how an architecture was tuned; None if it is not."""
    layout, store = findings.store.files(summary.params), findings.store
    tuned, misc = store.tuned(summary.params), read_misc(layout)
    if tuned is None:
        return None
    lrs, loss, perf = _range_test(read_curve(layout, 'lr_vs_perf') or {})
    budget = misc.get('budget')
    compared = _candidates(read_curve(layout, 'candidates') or {})
    usual = 'held-out' if tuned.nuisance else 'training'  # of folders that do not say it
    scored_on, probability = misc.get('scored_on', usual), misc.get('probability_best')
    return Tuning(
        findings.name(summary), lrs, loss, perf, compared,
        tuned.lr_min, tuned.lr_max, tuned.batch_size, str(misc.get('why', '')),
        budget.get('trials') if isinstance(budget, dict) else None, misc.get('steps', {}),
        {name: value_to_text(value) for name, value in tuned.nuisance.items()},
        [*tuned.unread],
        _note(compared, tuned.lr_max, tuned.epochs * store.manifest.train_size),
        measure_of(store.manifest.metrics),
        'held-out training data' if scored_on == 'held-out' else 'training data', tuned.epochs,
        float(probability) if isinstance(probability, float | int) else None,
    )  # fmt: skip


def _range_test(curve: dict[str, np.ndarray]) -> tuple[list[float], list[float | None], list[float]]:
    """The test's curve without its warm-up, thinned out to what can be seen."""
    if not {'lrs', 'loss', 'perf'} <= curve.keys():
        return [], [], []
    lrs = curve['lrs']
    rising = np.flatnonzero(lrs > lrs[0]) if len(lrs) else np.array([], dtype=int)
    seen = rising[:: max(1, -(-len(rising) // _MOST_STEPS))]
    loss = [*map(finite, curve['loss'][seen].tolist())]
    perf = curve['perf'][seen].tolist()
    return lrs[seen].tolist(), loss, perf if any(perf) else []


def _candidates(table: dict[str, np.ndarray]) -> list[dict[str, Any]]:
    columns = {name: array.tolist() for name, array in table.items()}
    return [dict(zip(columns, row, strict=True)) for row in zip(*columns.values(), strict=True)]


def _note(compared: Sequence[Mapping[str, Any]], lr_max: float, trial_samples: float) -> str:
    """Why the trials' learning rates lie below all that the last round compared; '' if they do not."""
    last = [
        candidate for candidate in compared if candidate['round'] == max(every['round'] for every in compared)
    ]
    rates = sorted({candidate['lr'] for candidate in last})
    if not rates or lr_max >= rates[0] * (1 - _SAME):
        return ''
    between = f'{rates[0]:.2g} to {rates[-1]:.2g}' if len(rates) > 1 else f'{rates[0]:.2g}'
    longest = max(candidate['steps'] * candidate['batch_size'] for candidate in last)
    why = (
        'trials are longer than those trainings, and the best learning rate falls as training gets longer'
        if trial_samples > longest
        else 'slightly higher learning rates did much worse'
    )
    return (
        f'The highest of these, {lr_max:.2g}, was set below all of the last round ({between}), because {why}.'
    )


def draw_tuning(data: Tuning, axes: Sequence[Axes]) -> None:
    """Draws the range test in the first axes; in the second what was trained briefly and compared."""
    test, compared = axes
    _draw_range_test(data, test)
    _draw_candidates(data, compared)
    test.set_xlabel('learning rate')
    note = fill(f'Shaded: the learning rates of the trials. {data.note}', room(compared)) if data.note else ''
    compared.set_xlabel('\n'.join(filter(None, ('highest learning rate', note))))
    for panel in axes:
        panel.set_xscale('log')
        panel.grid(axis='y')
        chosen = panel.axvspan(data.lr_min, data.lr_max, color=SKY, alpha=0.25, linewidth=0, zorder=0)
    values = [f'batch size {data.batch_size}', *(f'{name} {value}' for name, value in data.nuisance.items())]
    label = f'chosen{":" if data.nuisance else " for the trials;"} {", ".join(values)}'  # as there is room
    legend_above(test, [chosen], [label], data.name)
    limited_to(data.measure, compared)


def _draw_range_test(data: Tuning, axes: Axes) -> None:
    axes.plot(data.lrs, [np.nan if loss is None else loss for loss in data.loss], color=BLUE)
    axes.set_ylabel('loss in the range test')
    finite = [loss for loss in data.loss if loss is not None]
    if finite:  # what it rises to in the end would hide where it falls
        first, low = finite[0], min(finite)
        high = first + max(0.5 * (first - low), 0.1 * abs(first))
        axes.set_ylim(low - 0.1 * (high - low), high)
    diverged = next((lr for lr, loss in zip(data.lrs, data.loss, strict=True) if loss is None), None)
    if diverged is not None:
        axes.axvline(diverged, color=VERMILLION, linewidth=0.8, linestyle=':')
        axes.annotate(
            'diverged', (diverged, 0.97), (-2, 0), xycoords=('data', 'axes fraction'),
            textcoords='offset points', rotation=90, color=VERMILLION, fontsize=6.5,
            horizontalalignment='right', verticalalignment='top',
        )  # fmt: skip


def _draw_candidates(data: Tuning, axes: Axes) -> None:
    """A colour per round, the darker the later, a marker per batch size, a line per nuisance parameters."""
    from matplotlib import colormaps

    rounds = sorted({candidate['round'] for candidate in data.candidates})
    sizes = sorted({candidate['batch_size'] for candidate in data.candidates})
    colours = {which: colormaps['Blues']((place + 1) / len(rounds)) for place, which in enumerate(rounds)}
    markers = {size: MARKERS[place % len(MARKERS)] for place, size in enumerate(sizes)}
    for group in dict.fromkeys(map(data.group, data.candidates)):
        same = sorted((candidate for candidate in data.candidates if data.group(candidate) == group), key=_lr)
        rates, perfs = [candidate['lr'] for candidate in same], [candidate['perf'] for candidate in same]
        axes.plot(rates, perfs, color=colours[group[0]], marker=markers[group[1]], linewidth=0.8)
    axes.set_ylabel(
        '\n'.join(filter(None, (data.measure.name, f'on {data.scored_on}', data.measure.direction.strip())))
    )
    lines = [axes.plot([], [], color=colour)[0] for colour in colours.values()]
    lines += [axes.plot([], [], marker, color=BLACK)[0] for marker in markers.values()]
    legend_above(
        axes, lines, [f'round {which + 1}' for which in colours] + [f'batch size {size}' for size in sizes]
    )


def _lr(candidate: Mapping[str, Any]) -> float:
    return float(candidate['lr'])
