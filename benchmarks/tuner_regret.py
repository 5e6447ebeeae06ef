"""How far is what the tuner picks from the best that learning rate, batch size and length could have reached?

    pip install -e '.[benchmarks]'
    python benchmarks/tuner_regret.py [--problems A,B] [--presets fast,…] [--seeds 5] [--peers ''] [--ranking]

The suite is in `regret_problems`: small problems that differ in what makes them hard to tune. Trials last
`TRIAL_SAMPLES` of the problem at most, whatever the preset; the tuner may choose shorter ones.

*The oracle* of a problem is the best of a grid of 13 learning rates by up to 5 batch sizes with 3 seeds, of
which the best cells were trained again with 6 other seeds. On validation data it also chooses the length, the
end of any cycle. It is kept in `regret_oracle.json`; what the file lacks, or has of a problem that was
changed since, is found first (minutes).

*Regret* is how much lower the mean validation performance of 3 trials of a pick is than the oracle's, in
points (percent of performance), mean over sweep seeds and problems; `worst` is that of the worst problem,
`worst unflagged` the same without the picks that have a flag. Training regret is the same on training data,
against the oracle that is best there, at full length. *Cost* is how many samples the choice took to train, in
(longest) trials. *Spread* is the standard deviation over sweep seeds. A pick whose validation performance is
more than 3 points below the oracle's, and more than two standard errors of so many validation samples (of
wine's 36, one is 2.8 points), is a *silent* failure if no flag casts a doubt on it (`longest` and
`stopped_early` cast none).

The peers: the oracle's own choice (what noise leaves); a fixed learning rate, and the one that ignite's
`FastaiLRFinder` suggests, at batch size 64; and at the cost of each preset (`regret_peers.py`) random search
and Optuna's TPE, by performance on the training data or on a fifth of it that is held out; and searches that
stop early what does worse on that fifth: Optuna's TPE with its Hyperband pruner, in the manner of BOHB, and
successive halving. What scores on held-out data chooses the length, too.

`--ranking` instead: are 12 architectures ranked as the oracle ranks them, when each is tuned, and when all
have the same learning rate? Kendall's tau on validation data.
"""

import argparse
import importlib.util
import json
import statistics
import sys
import time
from functools import partial
from pathlib import Path

import regret_tables as tables
import torch
from regret import (
    PROBLEMS,
    RANKED,
    Oracles,
    Pick,
    find_oracle,
    fixed_pick,
    load_case,
    local_executor,
    oracle_pick,
    side_by_side,
    tuned_pick,
)
from regret_peers import AT_EQUAL_COST, ONCE
from rich.console import Console

CACHE = Path(__file__).with_name('regret_oracle.json')
PRESETS = ('fastest', 'fast', 'slow')
RANKING_LRS = (1, 0.3, 0.1, 0.03, 0.01, 0.003, 0.001)
NEEDS = {'Optuna TPE': 'optuna', 'LR finder of ignite': 'ignite'}
ORACLE = "the oracle's choice"
PEERS = [ORACLE, *ONCE, *AT_EQUAL_COST]
console = Console(width=170)


def complete(oracles, case, executor):
    """Finds what oracles are missing, and keeps each as soon as it is found."""
    for point in oracles.missing(case):
        start = time.perf_counter()
        (found,) = side_by_side(executor, [find_oracle(case, point)])
        seconds = time.perf_counter() - start
        oracles.add(case, point, found, seconds)
        val, train = found['val'], found['train']
        console.print(
            f'{case.name} {point or ""}: validation {tables.reached(val)} at {tables.at(val)}; '
            f'training {tables.reached(train)} at {tables.at(train)}; {seconds:.0f} s'
        )


def ways_of(case, oracles, presets, peers, costs):
    """Returns jobs by name of the way, each of `(case, point, seed)`; those at equal cost are of each preset.

    Args:
        case: The problem.
        oracles: Its oracle is among them.
        presets: Of the tuner.
        peers: Those of `PEERS` that are wanted.
        costs: What each preset took, in trials; those at equal cost are left out for the others.
    """
    ways = {preset: partial(tuned_pick, preset=preset) for preset in presets}
    ways |= {name: pick for name, pick in ONCE.items() if name in peers}
    if ORACLE in peers:
        ways[ORACLE] = partial(oracle_pick, oracles=oracles)
    for preset, cost in costs.items():
        samples = cost * case.samples_of_trial()
        ways |= {
            f'{name}, {preset}': partial(pick, samples=samples)
            for name, pick in AT_EQUAL_COST.items()
            if name in peers
        }
    return ways


def measure(case, executor, ways, seeds, found):
    """Adds the picks, one per seed, of the ways that are not among those found."""
    new = [name for name in ways if len(found.get(name, ())) < len(seeds)]
    jobs = [ways[name](case, (), seed) for name in new for seed in seeds]
    picks = iter(side_by_side(executor, jobs))
    found.update((name, [next(picks) for _ in seeds]) for name in new)


def _is_installed(name):
    package = NEEDS.get(name.split(',')[0])
    return package is None or importlib.util.find_spec(package) is not None


def rank(case, oracles, executor, preset, seeds):
    """Returns every way's picks, one list of architectures per seed."""
    ways = {f'sweeper, {preset}': partial(tuned_pick, preset=preset)}
    ways |= {f'LR {lr}': partial(fixed_pick, lr=lr) for lr in RANKING_LRS}
    ways[ORACLE] = partial(oracle_pick, oracles=oracles)
    jobs = [pick(case, point, seed) for pick in ways.values() for seed in seeds for point in case.points]
    picks = iter(side_by_side(executor, jobs))
    return {way: [[next(picks) for _ in case.points] for _ in seeds] for way in ways}


def main():
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument('--problems', default=','.join(PROBLEMS), help='only these, with commas between')
    parser.add_argument('--presets', default=','.join(PRESETS))
    parser.add_argument('--seeds', type=int, default=5)
    parser.add_argument(
        '--peers', default=';'.join(PEERS), help=f'only these, with semicolons between: {"; ".join(PEERS)}'
    )
    parser.add_argument('--no-peers', action='store_const', const='', dest='peers')
    parser.add_argument('--ranking', action='store_true', help='rank architectures instead')
    parser.add_argument('--oracle', action='store_true', help='only find the oracles that are missing')
    parser.add_argument(
        '--json', type=Path, help='a file for all picks; ways that it has of a problem are not measured again'
    )
    options = parser.parse_args()
    options.presets = [name for name in options.presets.split(',') if name]
    options.peers = [name.strip() for name in options.peers.split(';') if name.strip()]
    if unknown := {*options.peers} - {*PEERS}:
        parser.error(f'--peers {"; ".join(sorted(unknown))}: valid are {"; ".join(PEERS)}')
    options.peers = [name for name in options.peers if _is_installed(name)]
    torch.set_num_threads(1)
    oracles, seeds, began = Oracles(CACHE), range(options.seeds), time.perf_counter()
    (report_ranking if options.ranking else report_regret)(oracles, options, seeds)
    console.print(f'{time.perf_counter() - began:.0f} s')


def _keep(file, found):
    if file:
        file.write_text(json.dumps(found, default=lambda pick: pick.as_dict(), indent=1))


def _kept(file):
    """The picks of a file by problem and way; none if there is no such file."""
    if not file or not file.exists():
        return {}
    return {
        name: {way: [Pick(**pick) for pick in picks] for way, picks in ways.items()}
        for name, ways in json.loads(file.read_text()).items()
    }


def report_ranking(oracles, options, seeds):
    case = load_case(RANKED)
    with local_executor(case) as executor:
        complete(oracles, case, executor)
        if options.oracle:
            return
        preset = 'fast' if 'fast' in options.presets else options.presets[0]
        found = rank(case, oracles, executor, preset, seeds)
    known = [oracles[case, point] for point in case.points]
    console.print(tables.ranking(known, found))
    console.print(tables.architectures(case.points, known, found))
    _keep(options.json, found)


def report_regret(oracles, options, seeds):
    known, shown, found = {}, {}, {} if options.oracle else _kept(options.json)
    for name in options.problems.split(','):
        case, start = load_case(name), time.perf_counter()
        with local_executor(case) as executor:
            complete(oracles, case, executor)
            if options.oracle:
                continue
            known[name] = {**oracles[case, ()], 'val_size': case.val_size}
            picks = found.setdefault(name, {})
            ways = ways_of(case, oracles, options.presets, options.peers, {})
            measure(case, executor, ways, seeds, picks)
            costs = {
                preset: statistics.mean(pick.cost for pick in picks[preset]) for preset in options.presets
            }
            ways = ways_of(case, oracles, options.presets, options.peers, costs)
            measure(case, executor, ways, seeds, picks)
        _note(f'{name}: {time.perf_counter() - start:.0f} s')
        shown[name] = {way: picks[way][: options.seeds] for way in ways}
        for way, some in shown[name].items():
            _note(f'    {tables.regret(known[name], some):6.2f}  {way}')
        _keep(options.json, found)
    if options.oracle:
        return
    console.print(tables.headline(known, shown))
    for preset in options.presets:
        console.print(tables.by_problem(known, shown, preset))
    if options.peers:
        console.print(tables.all_ways(known, shown))


def _note(text):
    print(text, file=sys.stderr, flush=True)


if __name__ == '__main__':
    main()
