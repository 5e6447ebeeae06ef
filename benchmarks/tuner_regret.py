"""How far is what the tuner picks from the best that learning rate and batch size could have reached?

    pip install -e '.[benchmarks]'
    python benchmarks/tuner_regret.py [--problems A,B] [--presets fast,…] [--seeds 5] [--no-peers] [--ranking]

The suite is in `regret_problems`: small problems that differ in what makes them hard to tune. Trials last
`TRIAL_SAMPLES` of the problem, whatever the preset.

*The oracle* of a problem is the best of a grid of 13 learning rates by up to 5 batch sizes with 3 seeds, of
which the best cells were trained again with 6 other seeds. On validation data it also chooses the length, the
end of any cycle (the full length where it was found before that). It is kept in `regret_oracle.json`; what
the file lacks, or has of a problem that was changed since, is found first (minutes).

*Regret* is how much lower the mean performance of 3 trials of a pick is than the oracle, in points (percent
of performance), mean over sweep seeds and problems, on validation data first; `worst` is that of the worst
problem. *Cost* is how many samples the choice took to train, in trials. *Spread* is the standard deviation
over sweep seeds. A pick more than 3 points below the oracle on training data without a flag is a *silent*
failure.

The peers: a fixed learning rate, and the one that ignite's `FastaiLRFinder` suggests, at batch size 64;
random search and Optuna's TPE over the oracle's ranges, with as many samples as the preset took, for 8
configurations.

`--ranking` instead: are 12 architectures ranked as the oracle ranks them, when each is tuned, and when all
have the same learning rate? Kendall's tau.
"""

import argparse
import importlib.util
import json
import statistics
import sys
import time
from functools import partial
from pathlib import Path

import torch
from regret import (
    PROBLEMS,
    RANKED,
    Oracles,
    find_oracle,
    fixed_pick,
    load_case,
    local_executor,
    side_by_side,
    try_plan,
    tuned_pick,
)
from regret_peers import AT_EQUAL_COST, ONCE
from rich.console import Console
from rich.table import Table
from scipy.stats import kendalltau

CACHE = Path(__file__).with_name('regret_oracle.json')
PRESETS = ('fastest', 'fast', 'slow')
RANKING_LRS = (1, 0.3, 0.1, 0.03, 0.01, 0.003, 0.001)
SILENT = 0.03
NEEDS = {'Optuna TPE': 'optuna', 'LR finder of ignite': 'ignite'}
console = Console(width=140)


def complete(oracles, case, executor):
    """Finds what oracles are missing, and keeps each as soon as it is found."""
    for point in oracles.missing(case):
        start = time.perf_counter()
        (found,) = side_by_side(executor, [find_oracle(case, point)])
        seconds = time.perf_counter() - start
        oracles.add(case, point, found, seconds)
        train, val = found['train'], found['val']
        console.print(
            f'{case.name} {point or ""}: {_reached(train)} at {_at(train)}; '
            f'validation {_reached(val)} at {_at(val)}; {seconds:.0f} s'
        )


def _reached(best):
    return f'{100 * best["perf"]:.1f} ± {100 * best["plus_minus"]:.1f}'


def _at(choice):
    return f'{choice["lr"]:.2g}/{choice["batch_size"]}'


def pick_by_tuner(case, executor, presets, seeds):
    """Returns the picks of every preset, one per seed."""
    jobs = [tuned_pick(case, (), seed, preset) for preset in presets for seed in seeds]
    return _grouped(presets, seeds, side_by_side(executor, jobs))


def pick_by_peers(case, executor, costs, seeds):
    """Returns the peers' picks by name; those at equal cost are named `Optuna TPE, fast`.

    Args:
        case: The problem.
        executor: Started.
        costs: What each preset took, in trials.
        seeds: Sweep seeds.
    """
    ways = {name: pick for name, pick in ONCE.items() if _is_installed(name)}
    for preset, cost in costs.items():
        for name, pick in AT_EQUAL_COST.items():
            if _is_installed(name):
                ways[f'{name}, {preset}'] = partial(pick, samples=cost * case.samples_of_trial())
    jobs = [pick(case, (), seed) for pick in ways.values() for seed in seeds]
    return _grouped(ways, seeds, side_by_side(executor, jobs))


def _grouped(names, seeds, results):
    results = iter(results)
    return {name: [next(results) for _ in seeds] for name in names}


def _is_installed(name):
    return name not in NEEDS or importlib.util.find_spec(NEEDS[name]) is not None


def regret(oracle, picks, split):
    """Mean regret in points over picks."""
    return 100 * (oracle[split]['perf'] - statistics.mean(getattr(pick, split) for pick in picks))


def spread(picks):
    return 100 * statistics.stdev(pick.train for pick in picks) if len(picks) > 1 else 0.0


def silent(oracle, picks):
    """The seeds whose picks fail without a flag."""
    return [
        seed
        for seed, pick in enumerate(picks)
        if not pick.flags and pick.train < oracle['train']['perf'] - SILENT
    ]


def headline(oracles, found):
    """A row per way: means and worst over problems."""
    table = Table(
        'way', 'validation', 'worst', 'on', 'training', 'worst', 'on', 'cost', 'spread', 'flagged', 'silent',
        title=f'tuner regret in points, {len(oracles)} problems',
    )  # fmt: skip
    for way in next(iter(found.values())):
        cells = [way]
        for split in ('val', 'train'):
            values = {name: regret(oracles[name], found[name][way], split) for name in found}
            worst = max(values, key=values.get)
            cells += [f'{statistics.mean(values.values()):.2f}', f'{values[worst]:.1f}', worst]
        picks = [pick for name in found for pick in found[name][way]]
        failures = sum(len(silent(oracles[name], found[name][way])) for name in found)
        table.add_row(
            *cells, f'{statistics.mean(pick.cost for pick in picks):.2f}',
            f'{statistics.mean(spread(found[name][way]) for name in found):.2f}',
            f'{sum(bool(pick.flags) for pick in picks)}', f'{failures} of {len(picks)}',
        )  # fmt: skip
    return table


def by_problem(oracles, found, preset):
    """A row per problem, for one preset."""
    table = Table(
        'problem', 'oracle', 'at', 'picked', 'regret', 'worst', 'val', 'cost', 'spread', 'flags', 'silent',
        title=f'{preset}: by problem (worst: of the seeds)',
    )  # fmt: skip
    for name, ways in found.items():
        oracle, picks = oracles[name], ways[preset]
        best = oracle['train']
        tuned = [pick for pick in picks if pick.lr is not None]
        flags = [flag for pick in picks for flag in pick.flags]
        table.add_row(
            name, _reached(best),
            _at(best),
            ', '.join(_at(pick.as_dict()) for pick in tuned),
            f'{regret(oracle, picks, "train"):.2f}',
            f'{max(regret(oracle, [one], "train") for one in picks):.1f}',
            f'{regret(oracle, picks, "val"):.2f}', f'{statistics.mean(pick.cost for pick in picks):.2f}',
            f'{spread(picks):.2f}', ', '.join(f'{flag} {flags.count(flag)}' for flag in sorted(set(flags))),
            ', '.join(map(str, silent(oracle, picks))),
        )  # fmt: skip
    return table


def peers_by_problem(oracles, found):
    """A row per way, a column per problem: regret on training data."""
    table = Table('way', *(name.replace('_', ' ') for name in found), title='regret on training data')
    for way in next(iter(found.values())):
        table.add_row(way, *(f'{regret(oracles[name], found[name][way], "train"):.1f}' for name in found))
    return table


def rank(case, oracles, executor, preset, seeds):
    """Returns every way's picks, one list of architectures per seed."""

    def of_oracle(case, point, seed):
        best = oracles[case, point]['train']
        return try_plan(case, point, seed, case.plan(best['lr'], best['batch_size']))

    ways = {f'sweeper, {preset}': partial(tuned_pick, preset=preset)}
    ways |= {f'LR {lr}': partial(fixed_pick, lr=lr) for lr in RANKING_LRS}
    ways["the oracle's picks"] = of_oracle
    jobs = [pick(case, point, seed) for pick in ways.values() for seed in seeds for point in case.points]
    picks = iter(side_by_side(executor, jobs))
    return {way: [[next(picks) for _ in case.points] for _ in seeds] for way in ways}


def ranking_table(case, oracles, found):
    table = Table(
        'way', 'tau', 'least', 'most', 'tau on val', 'least', 'most', 'regret', 'cost',
        title=f'{len(case.points)} architectures, and how alike their ranks are to those by the oracle',
    )  # fmt: skip
    for way, rounds in found.items():
        cells = [way]
        for split in ('train', 'val'):
            truth = [oracles[case, point][split]['perf'] for point in case.points]
            taus = [kendalltau(truth, [getattr(one, split) for one in picks]).statistic for picks in rounds]
            cells += [f'{statistics.mean(taus):.3f}', f'{min(taus):.3f}', f'{max(taus):.3f}']
        regrets = [
            regret(oracles[case, point], [one], 'train')
            for picks in rounds
            for point, one in zip(case.points, picks, strict=True)
        ]
        cost = statistics.mean(one.cost for picks in rounds for one in picks)
        table.add_row(*cells, f'{statistics.mean(regrets):.2f}', f'{cost:.2f}')
    return table


def architectures_table(case, oracles, found):
    table = Table('architecture', 'oracle', 'at', 'val', *found, title='mean performance on training data')
    for index, point in enumerate(case.points):
        oracle = oracles[case, point]
        best = oracle['train']
        means = (statistics.mean(picks[index].train for picks in rounds) for rounds in found.values())
        table.add_row(
            ' '.join(map(str, point)), _reached(best),
            _at(best), f'{100 * oracle["val"]["perf"]:.1f}',
            *(f'{100 * mean:.1f}' for mean in means),
        )  # fmt: skip
    return table


def main():
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument('--problems', default=','.join(PROBLEMS), help='only these, with commas between')
    parser.add_argument('--presets', default=','.join(PRESETS))
    parser.add_argument('--seeds', type=int, default=5)
    parser.add_argument('--no-peers', action='store_true')
    parser.add_argument('--ranking', action='store_true', help='rank architectures instead')
    parser.add_argument('--oracle', action='store_true', help='only find the oracles that are missing')
    parser.add_argument('--json', type=Path, help='a file for all picks')
    options = parser.parse_args()
    torch.set_num_threads(1)
    oracles, seeds, began = Oracles(CACHE), range(options.seeds), time.perf_counter()
    (report_ranking if options.ranking else report_regret)(oracles, options, seeds)
    console.print(f'{time.perf_counter() - began:.0f} s')


def _keep(options, found):
    if options.json:
        options.json.write_text(json.dumps(found, default=lambda pick: pick.as_dict(), indent=1))


def report_ranking(oracles, options, seeds):
    case = load_case(RANKED)
    with local_executor(case) as executor:
        complete(oracles, case, executor)
        if options.oracle:
            return
        preset = 'fast' if 'fast' in options.presets.split(',') else options.presets.split(',')[0]
        found = rank(case, oracles, executor, preset, seeds)
    console.print(ranking_table(case, oracles, found))
    console.print(architectures_table(case, oracles, found))
    _keep(options, found)


def report_regret(oracles, options, seeds):
    presets, known, found = options.presets.split(','), {}, {}
    parts = {} if options.oracle else {'tuner': lambda *of: pick_by_tuner(*of, presets, seeds)}
    if parts and not options.no_peers:
        parts['peers'] = lambda *of: pick_by_peers(*of, _costs(found[of[0].name]), seeds)
    seconds = dict.fromkeys(['oracle', *parts], 0.0)
    for name in options.problems.split(','):
        case, start = load_case(name), time.perf_counter()
        with local_executor(case) as executor:
            complete(oracles, case, executor)
            seconds['oracle'] += time.perf_counter() - start
            known[name], found[name] = oracles[case, ()], {}
            for part, work in parts.items():
                start = time.perf_counter()
                found[name] |= work(case, executor)
                took = time.perf_counter() - start
                seconds[part] += took
                print(f'{name}: {part} {took:.0f} s', file=sys.stderr, flush=True)
        for way, picks in found[name].items():
            print(f'    {regret(known[name], picks, "train"):6.2f}  {way}', file=sys.stderr, flush=True)
        _keep(options, found)
    told = ', '.join(f'{part} {value:.0f} s' for part, value in seconds.items())
    if parts:
        console.print(headline(known, found))
        for preset in presets:
            console.print(by_problem(known, found, preset))
    if 'peers' in parts:
        console.print(peers_by_problem(known, found))
    console.print(told)


def _costs(picks):
    return {preset: statistics.mean(pick.cost for pick in picks) for preset, picks in picks.items()}


if __name__ == '__main__':
    main()
