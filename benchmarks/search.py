"""What selectors find, on tables of networks that others trained and one of our own. Nothing is trained.

    pip install -e '.[tables,optuna]'
    python benchmarks/search.py regret [--repetitions 100] [--figure docs/search.png]
    python benchmarks/search.py peers [--repetitions 20] [--trials 200]
    python benchmarks/search.py finals [--repetitions 50]
    python benchmarks/search.py race [--repetitions 200]
    python benchmarks/search.py halving [--repetitions 100]
    python benchmarks/search.py seconds

*regret.* A search of so many points with a trial each; after it, the architecture of the highest value that
was seen is picked. Regret is how much worse that truly is (the mean over all seeds of the table) than the
best of the table: what noise makes one believe in counts, too. The trials of a repetition are the same for
all. *peers* does the same with other libraries, where they are installed, each one trial at a time.

*finals.* The same search of fewer points, and then a race between the ten that looked best.

*race.* Architectures drawn from the best tenth of a table, more trials for the contenders (`RacingSweep`) or
the same number for all: trials spent, how often the pick is the truly best, and how often the truly best was
thrown out. Trials are simulated: the truth is a table's, the noise its residuals, or of another kind and of
that spread.

*halving.* Our own table has courses: `HalvingSweep` trains most architectures in part. The training that it
spends, and how much random search with full trials takes to the same regret.

*seconds.* A selector's own time per proposal when 10,000 points are known.

The tables are read by `selector_tables.py`; `selector_replay.py` asks and tells as a sweep does.
"""

import argparse
import time
from pathlib import Path

import numpy as np
from selector_peers import PEERS, at, missing, optuna_search
from selector_replay import replay
from selector_tables import NASBENCH, Draws, load_architectures, load_digits_table, load_nasbench, point_of
from table_data import HPOLIB

from sweeper import (
    EvolutionSweep,
    Float,
    GridSweep,
    HalvingSweep,
    Integer,
    OptunaSelector,
    RandomSweep,
    Space,
    events,
)
from sweeper.metric import PERFORMANCE
from sweeper.results import TrialResult

CHECKPOINTS = (50, 100, 200, 500)
SEARCHES = {
    'random': lambda space, points, seed: RandomSweep(space, points, 1, method='uniform', seed=seed),
    'RandomSweep': lambda space, points, seed: RandomSweep(space, points, 1, seed=seed),
    'EvolutionSweep': lambda space, points, seed: EvolutionSweep(space, points, 1, seed=seed),
    'OptunaSelector (TPE)': lambda space, points, seed: OptunaSelector(space, points, 1, seed=seed),
}
SLOW = {'OptunaSelector (TPE)': (200, 20)}  # so many points at most, and repetitions
WITHIN = 0.1  # points of accuracy, or per cent of the loss, that do not matter
DIRECT = {
    'OptunaSelector (TPE), 8 in flight': lambda table, draws, trials, seed: replay(
        OptunaSelector(table.space, trials, 1, seed=seed), table, draws
    ),
    'OptunaSelector (TPE), 1 in flight': lambda table, draws, trials, seed: replay(
        OptunaSelector(table.space, trials, 1, in_flight=1, seed=seed), table, draws
    ),
    'Optuna, TPE, 8 in flight': lambda table, draws, trials, seed: optuna_search(
        table, draws, trials, seed, in_flight=8
    ),
    'EvolutionSweep, 8 in flight': lambda table, draws, trials, seed: replay(
        EvolutionSweep(table.space, trials, 1, seed=seed), table, draws
    ),
}
MOST = 40  # trials of a point in a race
NOISES = ('residuals', 'normal', 'skewed', 'heavy', 'bad')


def tables():
    """All tables by name, each made when it is asked for."""
    makers = {NASBENCH[name]: lambda name=name: load_nasbench(name) for name in NASBENCH}
    makers |= {name: lambda name=name: load_architectures(name) for name in HPOLIB}
    return makers | {'digits': load_digits_table}


def mean_and_error(values):
    """A mean and its standard error, in words."""
    values = np.asarray(values, dtype=float)
    return f'{values.mean():.2f} ± {values.std(ddof=1) / np.sqrt(len(values)):.2f}'


def run_regret(options):
    """Prints a row per table and search; returns regrets by table and search, shape (repetitions, points)."""
    points = CHECKPOINTS[-1]
    print(f'| table | search |{"".join(f" {count} |" for count in CHECKPOINTS)} best | within {WITHIN} |')
    print(f'|---|---|{"---|" * (len(CHECKPOINTS) + 2)}')
    curves = {}
    for name, load in tables().items():
        if options.only and name not in options.only:
            continue
        table = load()
        curves[name] = {}
        count = min(points, len(table.rows))
        for search, make in SEARCHES.items():
            most, repetitions = np.minimum(SLOW.get(search, np.inf), (count, options.repetitions)).astype(int)
            trials = np.arange(1, (points if most == count else most) + 1)
            picks = np.array([
                at(replay(make(table.space, int(most), seed), table, Draws(table, seed)).picks(), trials)
                for seed in range(repetitions)
            ])  # fmt: skip
            regrets = curves[name][search] = table.regret(picks)
            cells = [
                mean_and_error(regrets[:, checkpoint - 1]) if checkpoint <= len(trials) else ''
                for checkpoint in CHECKPOINTS
            ]
            final = regrets[:, -1]
            is_best, is_within = np.mean(final == 0), np.mean(final <= WITHIN)
            print(
                f'| {name} | {search} | {" | ".join(cells)} | {is_best:.0%} | {is_within:.0%} |', flush=True
            )
    if options.figure:
        from selector_figure import draw

        draw(curves, {name: load().unit for name, load in tables().items() if name in curves}, options.figure)
    return curves


def run_peers(options):
    """Prints a row per way of searching."""
    marks = [count for count in CHECKPOINTS if count <= options.trials]
    print(f'| table | search |{"".join(f" {count} |" for count in marks)} s per trial |')
    print(f'|---|---|{"---|" * (len(marks) + 1)}')
    for name, load in tables().items():
        if name not in (options.only or ('cifar10', 'protein_structure')):
            continue
        table = load()
        for way, search in {**PEERS, **DIRECT}.items():
            if (reason := missing(way) if way in PEERS else None) is not None:
                print(f'| {name} | {way} | not installed: {reason} |')
                continue
            repetitions = min(options.repetitions, options.slow) if way == 'SMAC' else options.repetitions
            began, regrets = time.process_time(), []
            for seed in range(repetitions):
                picks = search(table, Draws(table, seed), options.trials, seed).picks()
                regrets.append(table.regret(at(picks, marks)))
            seconds = (time.process_time() - began) / repetitions / options.trials
            cells = [mean_and_error(column) for column in np.array(regrets).T]
            print(f'| {name} | {way} ({repetitions}) | {" | ".join(cells)} | {seconds:.4f} |', flush=True)


def run_finals(options):
    """Prints a row per table: a search, then a race between the best that it saw, and the search alone."""
    print(
        '| table | points | trials in all | regret | best | of the search alone |\n|---|---|---|---|---|---|'
    )
    for name, load in tables().items():
        if name not in (options.only or (*NASBENCH.values(), 'protein_structure')):
            continue
        table = load()
        for points in (100, 200):
            races = [final(table, points, seed) for seed in range(options.repetitions)]
            spent, regrets, alone = map(np.array, zip(*races, strict=True))
            print(
                f'| {name} | {points} | {np.mean(spent):.0f} | {mean_and_error(regrets)} | '
                f'{np.mean(regrets == 0):.0%} | {mean_and_error(alone)} |',
                flush=True,
            )


def final(table, points, seed, finalists=10, most=20):
    """Trials in all, the regret of what a race picks, and of what the search before it picks."""
    from sweeper import RacingSweep

    draws = Draws(table, seed)
    search = replay(EvolutionSweep(table.space, points, 1, seed=seed), table, draws)
    best = [search.rows[place] for place in np.argsort(search.values)[::-1][:finalists]]
    selector = RacingSweep([point_of(table, row) for row in best], trials=most)
    race = replay(selector, table, draws)
    left = [table.row(selector.points[number]) for number in selector.race.contenders]
    pick = max(left, key=lambda row: np.mean(race.trials[row]))
    spent = search.trained[-1] + race.trained[-1] - finalists  # whose first trials are those of the search
    return spent, table.regret(pick), table.regret(search.picks()[-1])


def run_race(options):
    """Prints a row per table and number of architectures, over all kinds of noise."""
    print(
        '| table | points | best thrown out | pick is best | trials | equal allocation: pick is best with as '
        'many | trials for the same | share |\n|---|---|---|---|---|---|---|---|'
    )
    for name, load in tables().items():
        if name not in (options.only or ('cifar10', 'protein_structure', 'digits')):
            continue
        table = load()
        for count in (10, 50):
            races = [
                race(table, noise, count, seed) for noise in NOISES for seed in range(options.repetitions)
            ]
            lost, right, spent, equal = (np.array(column) for column in zip(*races, strict=True))
            most_lost = lost.reshape(len(NOISES), -1).mean(axis=1).max()
            equal = np.maximum.accumulate(equal.mean(axis=0))  # after so many trials of each
            as_many = np.interp(spent.mean() / count, np.arange(1, MOST + 1), equal)
            reached = np.flatnonzero(equal >= right.mean())
            needed = count * (reached[0] + 1) if len(reached) else np.nan
            print(
                f'| {table.name} | {count} | {lost.mean():.1%} (at most {most_lost:.1%}) | '
                f'{right.mean():.0%} | {spent.mean():.0f} | {as_many:.0%} | {needed:.0f} | '
                f'{spent.mean() / needed:.0%} |',
                flush=True,
            )


def race(table, noise, count, seed):
    """A race of architectures drawn from the best tenth of a table, or from twice as many.

    Returns:
        Whether the best was thrown out, whether it was picked, trials spent, and after how many trials of
        each it has the highest mean, shape (MOST,).
    """
    from sweeper import RacingSweep

    better = np.argsort(-table.truth)[: max(len(table.truth) // 10, 2 * count)]
    rows = np.random.default_rng((seed, count)).choice(better, count, replace=False)
    best = rows[np.argmax(table.truth[rows])]
    draws = Draws(table, seed, noise)
    selector = RacingSweep([point_of(table, row) for row in rows], trials=MOST)
    history = replay(selector, table, draws)
    left = [table.row(selector.points[number]) for number in selector.race.contenders]
    pick = max(left, key=lambda row: np.mean(history.trials[row]))
    scores = np.array([[draws.trial(row, index) for index in range(MOST)] for row in rows])
    means = np.cumsum(scores, axis=1) / np.arange(1, MOST + 1)
    is_first = rows[np.argmax(means, axis=0)] == best
    return best not in left, pick == best, history.trained[-1], is_first


def run_halving(options):
    """Prints a row per number of points that a halving starts with."""
    table = load_digits_table()
    everything, seeds = len(table.rows), range(options.repetitions)
    searches = [
        replay(RandomSweep(table.space, everything, 1, seed=seed), table, Draws(table, seed))
        for seed in seeds
    ]
    random = np.mean([table.regret(search.picks()) for search in searches], axis=0)
    random = np.minimum.accumulate(random)
    print('| points | regret | trained | random search: regret | trained for the same | share |')
    print('|---|---|---|---|---|---|')
    for points in (18, 27, 54, 108):
        runs = [
            replay(HalvingSweep(table.space, points, 1, seed=seed), table, Draws(table, seed), cycles=8)
            for seed in seeds
        ]
        trained = np.mean([run.trained[-1] for run in runs])
        regrets = [table.regret(max(run.trials, key=lambda row, run=run: run.trials[row])) for run in runs]
        reached = np.flatnonzero(random <= np.mean(regrets))
        needed = reached[0] + 1 if len(reached) else np.nan
        as_much = np.interp(trained, np.arange(1, everything + 1), random)
        print(
            f'| {points} | {mean_and_error(regrets)} | {trained:.1f} | {as_much:.2f} | {needed:.0f} | '
            f'{trained / needed:.0%} |',
            flush=True,
        )


def run_seconds(_):
    """Prints a row per selector: its own time to be asked and told, at 10,000 points and on the way there."""
    space = Space({f'x{index}': Float(0.0, 1.0) for index in range(5)} | {'width': Integer(1, 199)})
    searches = {
        'GridSweep': lambda: GridSweep({'a': range(100), 'b': range(110)}, trials=1),
        'RandomSweep': lambda: RandomSweep(space, 11_000, 1),
        'EvolutionSweep': lambda: EvolutionSweep(space, 11_000, 1),
    }
    print('| selector | until the first | ms per proposal at 1,000 | at 10,000 |\n|---|---|---|---|')
    for name, make in searches.items():
        began = time.process_time()
        selector = make()
        selector.tell(events.SweepStarted(Path('none'), (), (PERFORMANCE,)))
        proposal = selector.ask()
        first = time.process_time() - began
        marks, rng = {}, np.random.default_rng(0)
        for number in range(10_500):
            if number in (500, 1500, 9500):
                marks[number] = time.process_time()
            value = float(rng.random())
            trial = TrialResult(0, 1, 1, False, value, value, value, value)
            selector.tell(events.TrialsDone(proposal.point, {0: trial}))
            proposal = selector.ask()
        early = marks[1500] - marks[500]
        late = time.process_time() - marks[9500]
        print(f'| {name} | {first:.2f} s | {early:.3f} | {late:.3f} |', flush=True)


PARTS = {
    'regret': run_regret,
    'peers': run_peers,
    'finals': run_finals,
    'race': run_race,
    'halving': run_halving,
    'seconds': run_seconds,
}


def main():
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument('part', choices=PARTS)
    parser.add_argument('--repetitions', type=int, default=100)
    parser.add_argument('--trials', type=int, default=200, help='of peers')
    parser.add_argument('--slow', type=int, default=10, help='repetitions of SMAC')
    parser.add_argument('--only', nargs='*', help='tables')
    parser.add_argument('--figure', type=Path, help='draw the regret here: .png, .svg or .pdf')
    options = parser.parse_args()
    PARTS[options.part](options)


if __name__ == '__main__':
    main()
