"""How often an idle parameter is told as an effect, and how often a real one: simulated sweeps, known truth.

    python benchmarks/verdict_effects.py                # the table of docs/statistics.md; five minutes
    python benchmarks/verdict_effects.py --sweeps 50    # roughly, in seconds
    python benchmarks/verdict_effects.py --peers        # beside a permuted forest (scikit-learn); an hour

Half of the variance of architectures' means is noise of three trials, unless it says otherwise. What is told
is what the first look at the results tells, at a level of 2.5% (`goals`: also of the only look, at 5%).
"""

import argparse
from functools import partial
from itertools import product

import numpy as np

from sweeper.points import value_to_text
from sweeper.report.stats.influence import influence
from sweeper.stats.design import Design
from sweeper.stats.differences import holm

GRIDS = (3, 3), (2, 3, 4)
NAMES = 'rate', 'width', 'kind', 'flag', 'momentum'
FIRST_LOOK, ONE_LOOK = Design(), Design(planned_looks=1)
PERMUTATIONS, TREES, DEEPEST = 199, 8, 8


def normal(rng, shape):
    return rng.standard_normal(shape)


def heavy(rng, shape):
    return rng.standard_t(3, shape) / 3**0.5


def skewed(rng, shape):
    return 1 - rng.exponential(size=shape)


def uneven(rng, shape):
    spreads = np.exp(rng.uniform(0, np.log(10), shape[0]))[:, None]
    return rng.standard_normal(shape) * spreads / np.sqrt((spreads**2).mean())


def counts(rng, shape):
    return rng.binomial(36, 0.95, shape) / np.sqrt(36 * 0.95 * 0.05)


NOISES = {
    'normal': normal,
    'heavy-tailed': heavy,
    'skewed': skewed,
    'uneven (1 to 10)': uneven,
    'counts': counts,
}


def standard(values):
    """Of mean 0 and variance 1."""
    values = np.asarray(values, dtype=float)
    return (values - values.mean()) / values.std()


def grid(rng, sizes, share, trials=3, noise=normal):
    """Cells and scores of a grid whose first parameter has a share of the means' variance, noise the rest."""
    cells = [[str(value) for value in point] for point in product(*map(range, sizes))]
    levels = standard(rng.standard_normal(sizes[0])) if sizes[0] > 2 else np.array([-1.0, 1.0])
    signal = levels[[int(first) for first, *_ in cells]] * share**0.5
    scores = noise(rng, (len(cells), trials)) * (trials * (1 - share)) ** 0.5
    return cells, signal[:, None] + scores


def points(rng, count):
    """Parameters drawn at random: two floats, an int, a kind and a flag; each does vary."""
    rate, width = rng.permutation((np.arange(count) + rng.random(count)) / count), rng.integers(1, 7, count)
    kind = rng.permutation(np.resize(['relu', 'tanh', 'elu'], count))
    flag = rng.choice([True, False], count)
    return [rate, width, kind, flag, rng.random(count)]


FUNCTIONS = {
    'nothing': (),
    'rising': ('rate',),
    'saturating': ('saturating rate',),
    'a hump': ('hump of rate',),
    'a step': ('step of rate',),
    'a kind': ('kind',),
    'strong and weak': ('rate', 'rate', 'width'),
    'three': ('rate', 'width', 'kind'),
}


def parts_of(function, rate, width, kind):
    """What each parameter adds to the performance, of those that do."""
    shapes = {
        'rate': rate, 'saturating rate': -np.exp(-5 * rate), 'hump of rate': -((rate - 0.5) ** 2),
        'step of rate': rate > 0.75, 'width': np.sqrt(width), 'kind': kind == 'tanh',
    }  # fmt: skip
    parts = {}
    for shape in FUNCTIONS[function]:
        name = shape.split()[-1]
        parts[name] = parts.get(name, 0) + standard(shapes[shape])
    return parts


def random(rng, count, function, share=0.5, trials=3, noise=normal):
    """Cells, scores and true shares of random points of which noise has what is left of a share."""
    columns = points(rng, count)
    cells = [[value_to_text(value.item()) for value in row] for row in zip(*columns, strict=True)]
    parts = parts_of(function, *columns[:3])
    signal = standard(sum(parts.values())) * share**0.5 if parts else np.zeros(count)
    variances = np.array([np.var(parts[name]) if name in parts else 0.0 for name in NAMES])
    scores = signal[:, None] + noise(rng, (count, trials)) * (trials * (1 - share)) ** 0.5
    return cells, scores, variances / max(variances.sum(), 1e-12)


def told(found):
    """The names of effects that are told."""
    return {effect.name for effect in found.significant}


def of_grid(sweeps, sizes, share, trials=3, noise=normal, design=FIRST_LOOK):
    """How often an idle effect is told, how often the real one; mean shares of the idle ones and of it."""
    names = [f'p{index}' for index in range(len(sizes))]
    wrong, right, idle, real = 0, 0, [], []
    for sweep in range(sweeps):
        rng = np.random.default_rng([sweep, len(sizes), trials])
        cells, scores = grid(rng, sizes, share, trials, noise)
        found = influence(cells, names, scores, design)
        wrong, right = wrong + bool(told(found) - {'p0'}), right + ('p0' in told(found))
        real += [effect.share for effect in found.effects if effect.name == 'p0']
        idle += [effect.share for effect in found.effects if effect.name != 'p0']
    return wrong / sweeps, right / sweeps, np.mean(idle), np.mean(real)


def model(cells, scores, design=FIRST_LOOK):
    """Of each parameter, whether it is told, and its share."""
    found = {effect.name: effect for effect in influence(cells, NAMES, scores, design).effects}
    effects = [found.get(name) for name in NAMES]
    return (
        np.array([effect is not None and effect.is_significant for effect in effects]),
        np.array([effect.share if effect else 0.0 for effect in effects]),
    )


def of_points(sweeps, count, function, method=model, **options):
    """How often an idle effect is told, how often each real one; the mean error of the real ones' shares."""
    wrong, right, errors = 0, np.zeros(len(NAMES)), []
    for sweep in range(sweeps):
        rng = np.random.default_rng([sweep, count])
        cells, scores, truth = random(rng, count, function, **options)
        is_told, shares = method(cells, scores)
        wrong, right = wrong + is_told[truth == 0].any(), right + is_told
        errors.append(np.abs(shares - truth)[truth > 0])
    real = [f'{name} {right[index] / sweeps:.2f}' for index, name in enumerate(NAMES) if truth[index]]
    return wrong / sweeps, ', '.join(real), f'{np.mean(errors):.2f}' if real else ''


# A permuted random forest, as Hutter et al. (2014) split it and Altmann et al. (2010) test it.


def forest_shares(places, values):
    """The main effects' shares of the variance of a random forest of ranks, shape `(parameters,)`."""
    from sklearn.ensemble import RandomForestRegressor

    forest = RandomForestRegressor(TREES, max_depth=DEEPEST, random_state=0).fit(places, values)
    shares = [_tree_shares(part.tree_, places.max(axis=0) + 1) for part in forest.estimators_]
    return np.mean([part for part in shares if part is not None] or [np.zeros(places.shape[1])], axis=0)


def _tree_shares(tree, sizes):
    low, high = np.zeros((tree.node_count, len(sizes))), np.tile(sizes - 1.0, (tree.node_count, 1))
    for node, (left, right) in enumerate(zip(tree.children_left, tree.children_right, strict=True)):
        if left >= 0:
            axis, limit = tree.feature[node], np.floor(tree.threshold[node])
            low[[left, right]], high[[left, right]] = low[node], high[node]
            high[left, axis], low[right, axis] = limit, limit + 1
    is_leaf = tree.children_left < 0
    low, high, values = low[is_leaf], high[is_leaf], tree.value[is_leaf].ravel()
    widths = (high - low + 1) / sizes
    weights = widths.prod(axis=1)
    whole = (weights * values**2).sum() - (weights * values).sum() ** 2
    if whole <= 0:
        return None
    shares = []
    for axis, size in enumerate(sizes):
        steps = np.zeros(size + 1)
        np.add.at(steps, low[:, axis].astype(int), values * weights / widths[:, axis])
        np.add.at(steps, high[:, axis].astype(int) + 1, -values * weights / widths[:, axis])
        shares.append(np.cumsum(steps)[:-1].var() / whole)
    return np.array(shares)


def forest(cells, scores):
    """As `model`, with performances permuted, and the mean share of permuted ones taken off."""
    values, rng = scores.mean(axis=1), np.random.default_rng(0)
    places = np.transpose([np.unique(column, return_inverse=True)[1] for column in zip(*cells, strict=True)])
    shares = forest_shares(places, values)
    permuted = np.array([forest_shares(places, rng.permutation(values)) for _ in range(PERMUTATIONS)])
    p = (1 + (permuted >= shares).sum(axis=0)) / (1 + PERMUTATIONS)
    return holm(p) < 0.05, np.maximum(0, shares - permuted.mean(axis=0))


def goals(sweeps):
    """What is aimed at: label, before, at the first of looks, at the only look, goal."""
    for sizes in GRIDS:
        label = f'an idle parameter told as an effect, grid of {" by ".join(map(str, sizes))}'
        rates = [of_grid(sweeps, sizes, 0.5, design=design)[0] for design in (FIRST_LOOK, ONE_LOOK)]
        yield label, '1.00', *rates, '≤ .05'
    label = 'an idle parameter told as an effect, 20 random points'
    methods = (partial(model, design=design) for design in (FIRST_LOOK, ONE_LOOK))
    rates = [of_points(sweeps, 20, 'nothing', method)[0] for method in methods]
    yield label, '.40', *rates, '≤ .05'


def rows(sweeps):
    """Of the table in docs/statistics.md: what, before, now, goal."""
    for sizes in GRIDS:
        shape = '×'.join(map(str, sizes))  # noqa: RUF001
        rates = {name: of_grid(sweeps, sizes, 0.5, noise=noise)[0] for name, noise in NOISES.items()}
        label = f'idle parameter told as an effect, grid {shape}, half of the variance is noise'
        yield f'| {label} | 1.00 | {rates.pop("normal"):.3f} | ≤ .05 |'
        worst = max(rates, key=rates.get)
        yield f'| the same, worst of {", ".join(rates)} | | {rates[worst]:.3f} ({worst}) | |'
        _, right, idle, real = of_grid(sweeps, sizes, 0.5)
        more = of_grid(sweeps, sizes, 0.5, 10)[1]
        yield f'| the real one told | 1.00 | {right:.2f} (10 trials: {more:.2f}) | |'
        yield f'| its mean share (truth: 1), and that of idle ones | | {real:.2f}, {idle:.2f} | |'
    for count in (20, 50, 200):
        for function in FUNCTIONS:
            wrong, right, error = of_points(sweeps, count, function)
            before, goal = ('.40', '≤ .05') if (count, function) == (20, 'nothing') else ('', '')
            label = f'{count} random points, {function}: idle told; real told; error of its share'
            now = '; '.join(filter(None, (f'{wrong:.3f}', right, error)))
            yield f'| {label} | {before} | {now} | {goal} |'
    for name, noise in list(NOISES.items())[1:]:
        wrong, right, _ = of_points(sweeps, 20, 'rising', noise=noise)
        yield f'| 20 random points, rising, {name}: idle told; real told | | {wrong:.3f}; {right} | |'


def of_peers(sweeps):
    """The model beside the forest."""
    yield '| random points | additive model: idle told; real told; error | permuted forest |\n|---|---|---|'
    for count, function in product((20, 50), FUNCTIONS):
        both = (of_points(sweeps, count, function, method) for method in (model, forest))
        cells = ['; '.join(filter(None, (f'{wrong:.3f}', right, error))) for wrong, right, error in both]
        yield f'| {count}, {function} | {" | ".join(cells)} |'


if __name__ == '__main__':
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument('--sweeps', type=int, default=1000)
    parser.add_argument('--peers', action='store_true')
    arguments = parser.parse_args()
    print_now = partial(print, flush=True)
    if not arguments.peers:
        print_now('| | before | now | goal |\n|---|---|---|---|')
    for line in of_peers(arguments.sweeps) if arguments.peers else rows(arguments.sweeps):
        print_now(line)
