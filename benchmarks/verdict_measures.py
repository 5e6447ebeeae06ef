"""What `verdict.py` measures: how often the verdict on simulated sweeps is wrong, and how much it says."""

import itertools
from dataclasses import dataclass, field, replace

import numpy as np
from verdict_worlds import (
    NORMAL,
    SPREAD,
    WORLDS,
    ahead,
    equals,
    half_equal,
    staircase,
)

from sweeper.stats.design import Design
from sweeper.stats.looks import ALPHA
from sweeper.stats.verdict import verdict

SIZES = (2, 5), (4, 3), (5, 3), (6, 2), (10, 5), (20, 3), (10, 20), (3, 40)
"""Architectures and trials of each."""
LARGE = (100, 3)
NAMED = (5, 3, 4.0), (10, 3, 8.0), (10, 5, 4.0)
"""Architectures, trials, and the lead of the best in standard deviations of a trial."""
LOOKS = range(3, 31)
ONE_LOOK = Design(planned_looks=1)


def judged(sweep, design=None):
    """The verdict on a sweep."""
    world = sweep.world
    design = replace(
        design or Design(), paired=world.is_paired, limits=world.limits, resolution=world.resolution
    )
    return verdict(sweep.scores, sign=world.sign, design=design, diverged=sweep.diverged)


def claimed(found):
    """Which row a verdict calls better than which column, shape (architectures, architectures)."""
    return np.stack([found.is_better(index) for index in range(len(found.scores))])


def claimed_at_one_look(found):
    """The same if no other look at the results was to come: the correction for looks is a factor."""
    table, is_no_less_sure = found.differences.tables, found.shares[:, None] >= found.shares
    is_ahead = (found.sign * table.difference > 0) & is_no_less_sure
    return is_ahead & (table.p_adjusted * found.design.level / ALPHA < ALPHA)


@dataclass
class Rates:
    """Means over sweeps of what is noted of each, by name."""

    notes: dict[str, list] = field(default_factory=dict)

    def note(self, **values):
        for name, value in values.items():
            if value is not None:
                self.notes.setdefault(name, []).append(float(value))

    def __getitem__(self, name):
        return float(np.mean(self.notes[name])) if name in self.notes else float('nan')


def drawn(seed, world, leads, trials, count):
    """So many sweeps, always the same."""
    rng = np.random.default_rng(seed)
    return (world.draw(rng, leads, trials) for _ in range(count))


def what_is_true(sweep, found, rates):
    """Notes whether claims and intervals are true."""
    table, truth = found.differences.tables, sweep.truth
    rates.note(
        false=(claimed(found) & ~sweep.better).any(),
        one_look=(claimed_at_one_look(found) & ~sweep.better).any(),
    )
    upper = np.triu_indices(len(truth), 1)
    gaps = (truth[:, None] - truth[None, :])[upper]
    low, high = table.low[upper], table.high[upper]
    known = np.isfinite(low)
    if known.any():
        rates.note(pairs=np.mean(_covers(low, high, gaps)[known]))
    best, second = found.order[:2]
    behind = found.behind[second]
    if np.isfinite(behind.low):
        gap = sweep.world.sign * (truth[best] - truth[second])
        rates.note(runner_up=_covers(behind.low, behind.high, gap))
    single = np.array([(interval.low, interval.high) for interval in found.intervals])
    known = np.isfinite(single[:, 0])
    if known.any():
        rates.note(means=np.mean(_covers(*single.T, truth)[known]))
    if np.isfinite(single[best, 0]):
        rates.note(winner=_covers(*single[best], truth[best]))


def _covers(low, high, value):
    return (low - 1e-12 <= value) & (value <= high + 1e-12)


def truth_by_world(sweeps, sizes=SIZES, worlds=WORLDS):
    """What is true of sweeps whose better half, or all, are equal: `Rates` by world, truth and size."""
    result = {}
    for (number, world), leads, (count, trials) in itertools.product(
        enumerate(worlds), (equals, half_equal), sizes
    ):
        if leads is half_equal and count < 4:
            continue
        rates = Rates()
        for sweep in drawn((1, number, count, trials), world, leads(count), trials, sweeps):
            what_is_true(sweep, judged(sweep), rates)
        result[world.name, leads.__name__, count, trials] = rates
    return result


def worst(cells, sweeps, name='false', finalists=4, is_least=False):
    """The worst of cells, which is that by chance in part: so the worst are measured again.

    Returns:
        The cell, and its rate on sweeps that had no part in the choice.
    """
    ranked = sorted(cells, key=lambda cell: cells[cell][name], reverse=not is_least)
    ranked = [cell for cell in ranked if np.isfinite(cells[cell][name])]
    seconds = {}
    for cell in ranked[:finalists]:
        world = next(world for world in WORLDS if world.name == cell[0])
        leads = {'equals': equals, 'half_equal': half_equal}[cell[1]](cell[2])
        rates = Rates()
        for sweep in drawn((2, *cell[2:]), world, leads, cell[3], sweeps):
            what_is_true(sweep, judged(sweep), rates)
        seconds[cell] = rates[name]
    return (min if is_least else max)(seconds.items(), key=lambda item: item[1])


def naming(count, trials, lead, sweeps, design=None, world=NORMAL):
    """How often the best is named, how many are kept, and whether the best is among them."""
    rates = Rates()
    for sweep in drawn((3, count, trials), world, ahead(count, lead), trials, sweeps):
        found = judged(sweep, design)
        rates.note(
            named=found.winner == 0, kept=len(found.candidates), best_kept=0 in found.candidates,
            is_first=found.best == 0,
        )  # fmt: skip
    return rates


def best_kept(sweeps, design=None, sizes=((10, 5), (5, 3), (20, 3))):
    """By world and size, how often the best is among the candidates, each half a spread behind the last."""
    result = {}
    for (number, world), (count, trials) in itertools.product(enumerate(WORLDS), sizes):
        rates = Rates()
        for sweep in drawn((4, number, count), world, staircase(count), trials, sweeps):
            rates.note(best_kept=0 in judged(sweep, design).candidates)
        result[world.name, 'staircase', count, trials] = rates
    return result


def looks(sweeps, looks=LOOKS, count=2, planned=None):
    """How often, among equals, any is called better at any look, one after each trial."""
    rates = Rates()
    for sweep in drawn((5, count), NORMAL, equals(count), max(looks), sweeps):
        is_false = False
        for number, trials in enumerate(looks, start=1):
            part = replace(sweep, scores=sweep.scores[:, :trials])
            is_false |= bool(claimed(judged(part, Design(look=number, planned_looks=planned))).any())
        rates.note(false=is_false)
    return rates['false']


def rare_divergence(sweeps, trials=3):
    """A is better where it converges, and diverges in one run of five; B never does.

    Returns:
        How often A is called better, and how often after it was seen to diverge.
    """
    rng, rates = np.random.default_rng(6), Rates()
    for _ in range(sweeps):
        scores = np.array([[0.97], [0.95]]) + SPREAD / 2 * rng.standard_normal((2, trials))
        is_diverged = np.stack([rng.random(trials) < 0.2, np.zeros(trials, dtype=bool)])
        if is_diverged.sum() * 2 > trials:
            rates.note(better=False, better_though_diverged=False)
            continue  # it is not comparable then
        found = verdict(np.where(is_diverged, np.nan, scores), diverged=is_diverged.sum(1))
        is_better = bool(found.is_better(0)[1])
        rates.note(better=is_better, better_though_diverged=is_better and is_diverged.any())
    return rates


def equivalence(sweeps, count=2, trials=10, lead=1.0, margin=1.0):
    """How often the others are called equivalent to the best, whose lead is just the margin, or nothing."""
    rates = Rates()
    for sweep in drawn((7, count, trials, int(10 * lead)), NORMAL, ahead(count, lead), trials, sweeps):
        found = judged(sweep, Design(margin=margin * SPREAD))
        rates.note(
            any=any(index != found.best for index in found.equivalent), all=len(found.equivalent) == count
        )
    return rates


def tunings(sweeps, trials, number=1, count=2, share=0.5):
    """False claims among equals whose tunings vary, by `share` of what trials vary (standard deviations)."""
    rates = Rates()
    for sweep in drawn((8, trials, number), NORMAL, equals(count), trials, sweeps):
        rng = np.random.default_rng(int(abs(sweep.scores[0, 0]) * 1e12))
        effects = share * SPREAD * rng.standard_normal((count, number))
        scores = sweep.scores + effects[:, np.arange(trials) % number]
        found = verdict(scores, design=Design(tunings=number))
        rates.note(false=claimed(found).any())
    return rates['false']


def few_trials_first(sweeps, count=10):
    """Among equals of which half have 3 trials and the others 12: how often one of few trials comes first."""
    rates = Rates()
    for sweep in drawn((9, count), NORMAL, equals(count), 12, sweeps):
        scores = sweep.scores.copy()
        scores[: count // 2, 3:] = np.nan
        found = verdict(scores)
        by_mean = int(np.argmax(np.nanmean(scores, axis=1)))
        rates.note(first=found.best < count // 2, by_mean=by_mean < count // 2)
    return rates


def advice(sweeps, count=5, trials=3, lead=1.0):
    """Whether the number of trials that is said to confirm a lead as large as the margin does.

    Returns:
        Among sweeps: how often a number is named (`named`); its ends (`least`, `most`); and how
        often, with as many trials, the leader is then better than another (`at_least`, `at_most`).
    """
    rates = Rates()
    rng = np.random.default_rng(10)
    for sweep in drawn((10, count, trials), NORMAL, ahead(count, lead), trials, sweeps):
        found = judged(sweep, Design(margin=lead * SPREAD))
        needed = found.advice.trials
        rates.note(named=needed is not None)
        if needed is None:
            continue
        for end, number in (('least', needed.least), ('most', needed.most)):
            if number is None:
                rates.note(open=True)
                continue
            later = NORMAL.draw(rng, ahead(count, lead), number)
            second = judged(later, Design(look=1))
            rates.note(**{end: number, f'at_{end}': second.is_better(0)[1]})
        if needed.most is not None:
            rates.note(open=False)
    return rates


def following_advice(sweeps, count=2, rounds=3):
    """How often equals are called different by someone who adds trials as advised, up to so many times."""
    rates = Rates()
    for sweep in drawn((11, count), NORMAL, equals(count), 100, sweeps):
        trials, is_false = 3, False
        for look in range(1, rounds + 1):
            found = judged(replace(sweep, scores=sweep.scores[:, :trials]), Design(look=look))
            is_false |= bool(claimed(found).any())
            needed = found.advice.trials
            if is_false or needed is None or (needed.most or 100) <= trials:
                break
            trials = needed.most or 100
        rates.note(false=is_false)
    return rates['false']
