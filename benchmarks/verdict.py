"""How far the verdict on a sweep can be believed: thousands of simulated sweeps whose truth is known.

    python benchmarks/verdict.py                 # the table of docs/statistics.md, in Markdown; ten minutes
    python benchmarks/verdict.py --sweeps 50     # roughly, in one
    python benchmarks/verdict.py --worlds        # by distribution
    python benchmarks/verdict.py --peers         # others' tests of the same sweeps (pip install autorank)

`verdict_effects.py` does the same for effects of parameters.

Scores are drawn from the distributions of `verdict_worlds.py`, and compared by the function that
`sweeper run` uses. `now` is the first look at the results, if it is not known how many will follow:
which architectures are better is then tested at 2.5%. `one look` is with `--looks 1`, which tests it at 5%.
"""

import argparse
from collections.abc import Callable, Iterator

import numpy as np
from verdict_effects import goals
from verdict_measures import (
    LARGE,
    NAMED,
    ONE_LOOK,
    advice,
    best_kept,
    claimed,
    equivalence,
    few_trials_first,
    following_advice,
    judged,
    looks,
    naming,
    rare_divergence,
    truth_by_world,
    tunings,
    worst,
)
from verdict_peers import PEERS, Claims
from verdict_worlds import NORMAL, WORLDS, ahead, equals

HEAD = '| | version 0.4 | now | one look | goal |\n|---|---|---|---|---|'
DESIGNS = None, ONE_LOOK
BEFORE = {'named': ('.00', '.00', '.01'), 'goal': ('≥ .50', '≥ .80', '≥ .45')}


def share(value):
    """A share as text: `.052`."""
    return f'{value:.3f}'.removeprefix('0') if np.isfinite(value) else ''


def row(label, before, now, one_look='', goal=''):
    return f'| {label} | {before} | {now} | {one_look} | {goal} |'


def place(cell):
    """A distribution and a size as text."""
    name, truth, count, trials = cell
    leads = {'equals': 'all equal', 'half_equal': 'half equal', 'staircase': 'all differ'}[truth]
    return f'{name}, {leads}, {count} of {trials} trials'


def claims(sweeps) -> Iterator[str]:
    """False claims, and the best's name."""
    cells, kinds = truth_by_world(sweeps), ('false', 'one_look')
    ends = (worst(cells, 8 * sweeps, kind) for kind in kinds)
    texts = (f'{share(rate)} ({place(cell)})' for cell, rate in ends)
    yield row('a false "better", worst of all distributions and sizes', '.067', *texts, '≤ .06')
    means = (share(np.mean([rates[kind] for rates in cells.values()])) for kind in kinds)
    yield row('the same, mean', '', *means)
    large = truth_by_world(max(sweeps // 20, 20), [LARGE]).values()
    rates = (share(max(rates[kind] for rates in large)) for kind in kinds)
    yield row('the same of 100 architectures with 3 trials, worst', '', *rates, '≤ .06')
    for (count, trials, lead), before, goal in zip(NAMED, *BEFORE.values(), strict=True):
        named = (share(naming(count, trials, lead, 4 * sweeps, design)['named']) for design in DESIGNS)
        label = f'best of {count} named, {lead:g} spreads ahead, {trials} trials'
        yield row(label, before, *named, goal)
    kept = (naming(10, 5, 4.0, 4 * sweeps, design)['kept'] for design in DESIGNS)
    label = '"the best is among these": how many of 10, 4 spreads ahead, 5 trials'
    yield row(label, '6.8', *(f'{number:.1f}' for number in kept), '≤ 2.3')
    parts = (best_kept(2 * sweeps, design) for design in DESIGNS)
    ends = (min(part.items(), key=lambda item: item[1]['best_kept']) for part in parts)
    texts = (f'{share(rates["best_kept"])} ({place(cell)})' for cell, rates in ends)
    yield row('the true best is among them, least of all distributions', '≥ .97', *texts, '≥ .95')
    yield from intervals(cells, sweeps)


def intervals(cells, sweeps) -> Iterator[str]:
    """The coverage of intervals, which does not depend on the look."""
    for name, label, before, goal in (
        ('pairs', 'the interval of a difference covers it, least of all', '', '≥ .93'),
        ('runner_up', 'that of the best and the runner-up', '', '≥ .93'),
        ('means', 'the interval of a single mean', '.83', ''),
    ):
        cell, rate = worst(cells, 2 * sweeps, name, is_least=True)
        mean = np.mean([rates[name] for rates in cells.values() if np.isfinite(rates[name])])
        yield row(label, before, f'{share(rate)} ({place(cell)}); mean {share(mean)}', '', goal)
    rates = cells['normal', 'equals', 10, 5]
    yield row('the interval of the best of 10 equals, 5 trials', '', share(rates['winner']))


def repeated(sweeps) -> Iterator[str]:
    """What looking again, divergence, tuning and uneven numbers of trials do."""
    rates = share(looks(sweeps)), share(looks(sweeps, planned=28)) + ' (28 planned)'
    yield row('two equals, a look after every trial 3 to 30: any false "better"', '.27', *rates, '≤ .05')
    yield row('five equals, the same', '', share(looks(sweeps // 2, count=5)))
    yield row(
        'two equals, trials added as advised, up to 3 looks', '.13', share(following_advice(4 * sweeps))
    )
    rates = rare_divergence(4 * sweeps)
    label = 'A, better where it converges, diverges in 1 run of 5: called better, 3 trials'
    seen = f'{share(rates["better"])}; {share(rates["better_though_diverged"])} where it was seen to'
    yield row(label, '.42', seen, '', '≤ .05')
    for trials, before in ((10, '.26'), (30, '.50')):
        label = f'two equals, tuning varies half as much as trials do, {trials} trials: a false "better"'
        several = f'{share(tunings(4 * sweeps, trials, 3))} with 3 tunings'
        yield row(label, before, f'{share(tunings(4 * sweeps, trials))} as tuned; {several}')
    rates = few_trials_first(4 * sweeps)
    label = '10 equals, half of them with 3 trials, half with 12: one of 3 comes first'
    yield row(label, share(rates['by_mean']), share(rates['first']), '', '.50')


def margins(sweeps) -> Iterator[str]:
    """Equivalence and advice."""
    at, equal = equivalence(4 * sweeps), equivalence(4 * sweeps, lead=0.0)
    yield row(
        '"equivalent", though the lead is the margin (1 spread, 10 trials)',
        '',
        share(at['any']),
        '',
        '≤ .05',
    )
    yield row('"equivalent", and equal', '', share(equal['any']))
    many = equivalence(4 * sweeps, trials=40, lead=0.0)
    yield row('the same, 40 trials', '', share(many['any']))
    rates = advice(2 * sweeps)
    ends = f'{rates["least"]:.0f} to {rates["most"]:.0f}'
    yield row(
        'trials advised for a lead of 1 spread, 5 architectures of 3 trials (mean ends)', '18 to 821', ends
    )
    comes_true = f'{share(rates["at_least"])} at the lower, {share(rates["at_most"])} at the upper end'
    yield row('with as many, the leader is found better than another', '.41 to .93', comes_true)


def verdict(sweep):
    """What the verdict claims of a sweep that is looked at once."""
    found = judged(sweep, ONE_LOOK)
    return Claims(claimed(found), found.winner, found.candidates)


def effects(sweeps) -> Iterator[str]:
    """What is told of parameters that do nothing (`verdict_effects.py` has the rest)."""
    for label, before, now, one_look, goal in goals(2 * sweeps):
        yield row(label, before, share(now), share(one_look), goal)


def of_peers(sweeps) -> Iterator[str]:
    """What others' tests claim of the same sweeps."""
    tests = {'sweeper': verdict, **PEERS}
    yield '| | ' + ' | '.join(tests) + ' |\n|---|' + '---|' * len(tests)
    counts = {'autorank': max(sweeps // 10, 20)}
    for count, trials, lead in NAMED:
        cells = []
        for name, peer in tests.items():
            found = _claims(peer, NORMAL, ahead(count, lead), trials, counts.get(name, sweeps))
            cells.append(share(np.mean([part.winner == 0 for _, part in found]) if found else np.nan))
        yield f'| best of {count} named, {lead:g} spreads ahead, {trials} trials | {" | ".join(cells)} |'
    for count, trials in ((5, 3), (10, 5)):
        rates = {name: {} for name in tests}
        for world in WORLDS:
            for name, peer in tests.items():
                found = _claims(peer, world, equals(count), trials, counts.get(name, sweeps))
                if found:
                    rates[name][world.name] = np.mean([part.better.any() for _, part in found])
        label = f'a false "better", {count} equals of {trials} trials'
        cells = [share(part.get('normal', np.nan)) for part in rates.values()]
        yield f'| {label}, normal | {" | ".join(cells)} |'
        ends = [max(part.items(), key=lambda item: item[1], default=('', np.nan)) for part in rates.values()]
        cells = [f'{share(rate)} ({world})' if world else '' for world, rate in ends]
        yield f'| {label}, worst | {" | ".join(cells)} |'


def _claims(peer: Callable, world, leads, trials, sweeps):
    """What a peer claims of sweeps, beside each; empty if it makes no claims of such."""
    rng, found = np.random.default_rng((12, len(leads), trials)), []
    for _ in range(sweeps):
        sweep = world.draw(rng, leads, trials)
        part = peer(sweep)
        if part is not None:
            found.append((sweep, part))
    return found


def of_worlds(sweeps) -> Iterator[str]:
    """Each distribution: the worst of sizes."""
    cells = truth_by_world(sweeps)
    kept = best_kept(sweeps)
    yield '| | a false "better" | difference covered | best and runner-up | mean covered | true best kept |'
    yield '|---|---|---|---|---|---|'
    for world in WORLDS:
        of_world = [rates for cell, rates in cells.items() if cell[0] == world.name]
        least = (np.nanmin([rates[name] for rates in of_world]) for name in ('pairs', 'runner_up', 'means'))
        among = min(rates['best_kept'] for cell, rates in kept.items() if cell[0] == world.name)
        false = max(rates['false'] for rates in of_world)
        yield f'| {world.name} | ' + ' | '.join(map(share, (false, *least, among))) + ' |'


def main():
    """Prints the tables."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument('--sweeps', type=int, default=500, help='how many of each kind; of rare ones, more')
    parser.add_argument('--peers', action='store_true')
    parser.add_argument('--worlds', action='store_true')
    arguments = parser.parse_args()
    parts = (
        [of_peers]
        if arguments.peers
        else [of_worlds]
        if arguments.worlds
        else [claims, repeated, margins, effects]
    )
    if not (arguments.peers or arguments.worlds):
        print(HEAD)
    for part in parts:
        for line in part(arguments.sweeps):
            print(line, flush=True)


if __name__ == '__main__':
    main()
