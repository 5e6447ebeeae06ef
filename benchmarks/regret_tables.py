"""The tables of `tuner_regret.py`: what ways of choosing came to, in points below the oracle."""

import math
import statistics

from regret import GROUPS
from rich.table import Table
from scipy.stats import kendalltau

from sweeper.report.flags import HARMLESS

SILENT = 0.03


def regret(oracle, picks, split='val'):
    """Mean regret in points over picks."""
    return 100 * (oracle[split]['perf'] - statistics.mean(getattr(pick, split) for pick in picks))


def spread(picks):
    """Standard deviation over picks, in points of validation performance."""
    return 100 * statistics.stdev(pick.val for pick in picks) if len(picks) > 1 else 0.0


def silent(oracle, picks):
    """The seeds whose picks fail without a flag that casts a doubt on them."""
    best, samples = oracle['val']['perf'], oracle.get('val_size', math.inf)
    below = best - max(SILENT, 2 * math.sqrt(best * (1 - best) / samples))
    return [seed for seed, pick in enumerate(picks) if not is_flagged(pick) and pick.val < below]


def is_flagged(pick):
    """Whether a pick has a flag that casts a doubt on it."""
    return not HARMLESS.issuperset(pick.flags)


def reached(best):
    return f'{100 * best["perf"]:.1f} ± {100 * best["plus_minus"]:.1f}'


def at(choice):
    """A choice in words: learning rate/batch size/epochs."""
    return f'{choice["lr"]:.2g}/{choice["batch_size"]}/{choice["epochs"]:g}'


def headline(oracles, found):
    """A row per way and group of problems: means, medians and worst over problems.

    Args:
        oracles: By problem.
        found: By problem, the picks of every way.
    """
    table = Table(
        'way', 'validation', 'median', 'worst', 'on', 'worst unflagged', 'training', 'worst', 'cost',
        'spread', 'flagged', 'silent', title='regret in points: validation performance first',
    )  # fmt: skip
    for group, members in GROUPS.items():
        names = [name for name in members if name in found]
        if not names or (group != 'all' and len(names) == len(found)):
            continue
        table.add_section()
        table.add_row(f'[bold]{group}: {len(names)}')
        for way in next(iter(found.values())):
            table.add_row(f'  {way}', *_over_problems(oracles, {name: found[name][way] for name in names}))
    return table


def _over_problems(oracles, picks):
    """The cells of one way, whose picks are given by problem."""
    val, train = (
        {name: regret(oracles[name], picks[name], split) for name in picks} for split in ('val', 'train')
    )
    unflagged = {name: [pick for pick in some if not is_flagged(pick)] for name, some in picks.items()}
    silently = [regret(oracles[name], some) for name, some in unflagged.items() if some]
    every = [pick for some in picks.values() for pick in some]
    failures = sum(len(silent(oracles[name], some)) for name, some in picks.items())
    worst = max(val, key=val.get)
    return (
        f'{statistics.mean(val.values()):.2f}', f'{statistics.median(val.values()):.2f}',
        f'{val[worst]:.1f}', worst, f'{max(silently):.1f}' if silently else '',
        f'{statistics.mean(train.values()):.2f}', f'{max(train.values()):.1f}',
        f'{statistics.mean(pick.cost for pick in every):.2f}',
        f'{statistics.mean(map(spread, picks.values())):.2f}',
        f'{sum(map(is_flagged, every))}', f'{failures} of {len(every)}',
    )  # fmt: skip


def by_problem(oracles, found, way):
    """A row per problem, for one way."""
    table = Table(
        'problem', 'oracle', 'at', 'picked', 'regret', 'worst', 'training', 'cost', 'spread', 'flags',
        'silent', title=f'{way}, by problem: regret on validation data (worst: of the seeds)',
    )  # fmt: skip
    for name, ways in found.items():
        oracle, picks = oracles[name], ways[way]
        flags = [flag for pick in picks for flag in pick.flags]
        table.add_row(
            name, reached(oracle['val']), at(oracle['val']),
            ', '.join(at(pick.as_dict()) for pick in picks if pick.lr is not None),
            f'{regret(oracle, picks):.2f}', f'{max(regret(oracle, [pick]) for pick in picks):.1f}',
            f'{regret(oracle, picks, "train"):.2f}', f'{statistics.mean(pick.cost for pick in picks):.2f}',
            f'{spread(picks):.2f}', ', '.join(f'{flag} {flags.count(flag)}' for flag in sorted(set(flags))),
            ', '.join(map(str, silent(oracle, picks))),
        )  # fmt: skip
    return table


def all_ways(oracles, found):
    """A row per way, a column per problem: regret on validation data."""
    table = Table('way', *(name.replace('_', ' ') for name in found), title='regret on validation data')
    for way in next(iter(found.values())):
        table.add_row(way, *(f'{regret(oracles[name], found[name][way]):.1f}' for name in found))
    return table


def ranking(oracles, found):
    """A row per way: how alike its ranking of architectures is to the oracle's.

    Args:
        oracles: Of every architecture.
        found: By way, for every seed, a pick per architecture.
    """
    table = Table(
        'way', 'tau on validation', 'least', 'most', 'tau on training', 'least', 'most', 'regret', 'cost',
        title=f'{len(oracles)} architectures, and how alike their ranks are to those by the oracle',
    )  # fmt: skip
    for way, rounds in found.items():
        cells = [way]
        for split in ('val', 'train'):
            truth = [oracle[split]['perf'] for oracle in oracles]
            taus = [kendalltau(truth, [getattr(pick, split) for pick in picks]).statistic for picks in rounds]
            cells += [f'{statistics.mean(taus):.3f}', f'{min(taus):.3f}', f'{max(taus):.3f}']
        regrets = [
            regret(oracle, [pick])
            for picks in rounds
            for oracle, pick in zip(oracles, picks, strict=True)
        ]  # fmt: skip
        cost = statistics.mean(pick.cost for picks in rounds for pick in picks)
        table.add_row(*cells, f'{statistics.mean(regrets):.2f}', f'{cost:.2f}')
    return table


def architectures(points, oracles, found):
    """A row per architecture, a column per way: mean performance on validation data."""
    table = Table('architecture', 'oracle', 'at', *found, title='mean performance on validation data')
    for index, (point, oracle) in enumerate(zip(points, oracles, strict=True)):
        means = (statistics.mean(picks[index].val for picks in rounds) for rounds in found.values())
        table.add_row(
            ' '.join(map(str, point)), reached(oracle['val']), at(oracle['val']),
            *(f'{100 * mean:.1f}' for mean in means),
        )  # fmt: skip
    return table
