"""Which parameter matters how much, where that is known."""

import warnings

import numpy as np
import pytest

from sweeper.points import value_to_text
from sweeper.report.stats.comparison import Comparison
from sweeper.report.stats.effects import EXACT, FANOVA
from sweeper.report.stats.importance import FEWEST_POINTS
from sweeper.report.stats.importance import importances as noisy_importances
from sweeper.report.stats.influence import influence
from sweeper.report.stats.noise import Noise


def cells_of(*columns):
    texts = [['' if value is None else value_to_text(value) for value in column] for column in columns]
    return [list(row) for row in zip(*texts, strict=True)]


def shares(found):
    return {effect.parameters[0]: effect.share for effect in found}


def importances(cells, names, means):
    """Without noise."""
    return noisy_importances(cells, names, means, Noise(np.zeros(len(means)), np.full(len(means), 2.0)))


def drawn(n=200, seed=0):
    """Parameters at random: a float, an int on a logarithmic scale, a kind, and two that do nothing."""
    rng = np.random.default_rng(seed)
    rate, width = rng.random(n), (2 ** rng.uniform(2, 10, n)).astype(int).tolist()
    kind, idle = rng.choice(['relu', 'tanh', 'elu'], n).tolist(), rng.choice([True, False], n).tolist()
    return rate.tolist(), width, kind, idle, rng.random(n).tolist()


NAMES = ['rate', 'width', 'kind', 'idle', 'noise']


def test_shares_are_those_of_a_function_that_is_known():
    columns = drawn()
    rate, width, kind, *_ = columns
    levels = {'relu': 1.0, 'tanh': -1.0, 'elu': 0.0}
    parts = [3 * np.array(rate), 0.25 * np.log2(width), 0.5 * np.array([levels[one] for one in kind])]
    found = importances(cells_of(*columns), NAMES, sum(parts).tolist())
    truth = np.array([part.var() for part in parts]) / sum(part.var() for part in parts)
    assert [found[0].parameters, found[0].method, found[0].levels] == [('rate',), FANOVA, {}]
    assert [shares(found)[name] for name in NAMES[:3]] == pytest.approx(truth, abs=0.1)
    assert shares(found)['idle'] < 0.02 and shares(found)['noise'] < 0.02


def test_what_works_only_together_is_the_share_of_neither():
    a, b = np.random.default_rng(0).choice([-1, 1], (2, 200)).tolist()
    found = shares(importances(cells_of(a, b), ['a', 'b'], np.multiply(a, b).tolist()))
    assert max(found.values()) < 0.05


def test_an_estimate_agrees_with_the_exact_shares_of_a_grid():
    grid = [(width, kind) for width in range(8) for kind in ('relu', 'tanh', 'elu')]
    performances = [0.1 * width + 0.3 * (kind == 'relu') for width, kind in grid]
    cells = cells_of(*zip(*grid, strict=True))
    scores = np.array(performances)[:, None] + np.random.default_rng(0).normal(0, 1e-5, (24, 3))
    exact = Comparison(grid, ['width', 'kind'], cells, scores).effects()
    estimated = Comparison(grid[:-1], ['width', 'kind'], cells[:-1], scores[:-1]).effects()
    assert {effect.method for effect in exact} == {EXACT}
    assert {effect.method for effect in estimated} == {FANOVA}
    for name in ('width', 'kind'):
        share = {effect.parameters: effect.share for effect in exact}[(name,)]
        assert shares(estimated)[name] == pytest.approx(share, abs=0.12)


def test_that_a_parameter_is_missing_is_a_value_of_it():
    n = 60
    rng = np.random.default_rng(0)
    dropout = [None if i % 2 else float(rng.normal()) for i in range(n)]
    norm = ['batch' if i % 3 else None for i in range(n)]
    found = importances(cells_of(dropout, norm), ['dropout', 'norm'], [float(d is None) for d in dropout])
    assert shares(found)['dropout'] > 0.9
    found = importances(cells_of(dropout, norm), ['dropout', 'norm'], [float(one is None) for one in norm])
    assert shares(found)['norm'] > 0.9


def test_of_many_kinds_each_may_be_good_or_bad_whatever_it_is_called():
    rng = np.random.default_rng(0)
    good = {f'kind {i}': value for i, value in enumerate(rng.permutation(20))}
    kind, idle = rng.choice(list(good), (2, 200)).tolist()
    rate = rng.random(200)
    found = shares(
        importances(cells_of(rate.tolist(), kind, idle), ['rate', 'kind', 'idle'],
                    [20 * a + good[b] for a, b in zip(rate, kind, strict=True)])
    )  # fmt: skip
    assert found['kind'] == pytest.approx(0.5, abs=0.12) and found['idle'] < 0.03


def test_all_kinds_of_values_count_and_constants_are_left_out():
    n = 40
    rng = np.random.default_rng(0)
    layers = [((8,), (8, 8), (16, 8))[i % 3] for i in range(n)]
    mixed = [(1, 2.0, 'auto', None)[i] for i in rng.integers(4, size=n)]
    odd = [(float('nan'), float('inf'), 1.0)[i] for i in rng.integers(3, size=n)]
    cells = cells_of(layers, mixed, odd, ['adam'] * n, [1] * n)
    names = ['layers', 'mixed', 'odd', 'optimizer', 'seed']
    found = shares(importances(cells, names, [float(len(one)) for one in layers]))
    assert found.keys() == {'layers', 'mixed', 'odd'} and found['layers'] > 0.8


def test_it_is_the_same_every_time():
    columns = drawn(40)
    state = np.random.get_state()[1].copy()
    with warnings.catch_warnings():
        warnings.simplefilter('error')
        first = importances(cells_of(*columns), NAMES, columns[0])
    assert first == importances(cells_of(*columns), NAMES, columns[0])
    np.testing.assert_array_equal(np.random.get_state()[1], state)


def test_of_few_points_of_one_parameter_and_of_equals_nothing_is_said():
    columns = drawn(FEWEST_POINTS)
    cells, performances = cells_of(*columns), columns[0]
    assert importances(cells, NAMES, performances)
    assert importances(cells[:-1], NAMES, performances[:-1]) == []
    assert importances([row[:1] for row in cells], NAMES[:1], performances) == []
    assert importances(cells, NAMES, [0.5] * FEWEST_POINTS) == []


def compared(n=40):
    columns = drawn(n)
    scores = np.array(columns[0])[:, None] + np.random.default_rng(1).normal(0, 0.001, (n, 5))
    return Comparison([(value,) for value in columns[0]], NAMES, cells_of(*columns), scores)


def test_the_sentence_says_that_it_is_an_estimate():
    told = compared().influence()
    assert told.startswith('Of the variance between architectures, estimated by fANOVA: rate 9')
    assert 'idle' not in told and 'noise' not in told


# Beyond noise


def measured(signal, cells, seed, names=NAMES):
    """What is found if noise of means has as much variance as what there is to find, or is all there is."""
    rng = np.random.default_rng([seed, 1])
    spread = np.std(signal) or 1.0
    noise = spread * 3**0.5 * rng.normal(size=(len(cells), 3))
    return influence(cells, names, np.reshape(signal, (-1, 1)) + noise)


@pytest.mark.parametrize('has_effect', [False, True])
def test_of_20_points_what_is_idle_is_told_as_an_effect_in_at_most_5_percent_of_sweeps(has_effect):
    count, wrong = 150, 0
    for seed in range(count):
        columns = drawn(20, seed)
        found = measured(np.array(columns[0]) * has_effect, cells_of(*columns), seed)
        wrong += any(effect.name != 'rate' or not has_effect for effect in found.significant)
    assert wrong <= count * 0.05 + 2 * (count * 0.05 * 0.95) ** 0.5


@pytest.mark.parametrize(
    ('name', 'function', 'power'),
    [
        ('rate', lambda rate, width, kind: rate, 0.95),
        ('rate', lambda rate, width, kind: -((rate - 0.5) ** 2), 0.8),
        ('rate', lambda rate, width, kind: rate > 0.75, 0.9),
        ('width', lambda rate, width, kind: np.log(width), 0.95),
        ('kind', lambda rate, width, kind: kind == 'tanh', 0.95),
    ],
    ids=['rising', 'hump', 'step', 'logarithm', 'kind'],
)
def test_of_50_points_whatever_has_an_effect_is_told_and_its_share_has_no_noise_in_it(name, function, power):
    told, of_it = 0, []
    for seed in range(20):
        columns = drawn(50, seed)
        signal = np.asarray(function(*map(np.array, columns[:3])), dtype=float)
        found = measured(signal, cells_of(*columns), seed)
        told += any(effect.name == name for effect in found.significant)
        of_it.append(shares(found.effects)[name])
    assert told >= 20 * power - 1 and np.mean(of_it) == pytest.approx(1, abs=0.2)


def test_a_weak_effect_is_told_beside_a_strong_one():
    columns = drawn(100)
    signal = np.array(columns[0]) + 0.06 * np.log2(columns[1])
    scores = np.reshape(signal, (-1, 1)) + np.random.default_rng(0).normal(0, 0.2, (100, 3))
    found = influence(cells_of(*columns), NAMES, scores).significant
    assert [effect.name for effect in found] == ['rate', 'width'] and found[0].share > 2 * found[1].share


def test_a_choice_is_not_hidden_by_parameters_that_only_some_of_its_values_have():
    rng = np.random.default_rng(0)
    kind = rng.choice(['conv', 'dense'], 60).tolist()
    size = [float(rng.random()) if one == 'conv' else None for one in kind]
    found = importances(
        cells_of(kind, size), ['kind', 'size'], [(one == 'conv') + rng.normal() / 9 for one in kind]
    )
    assert [effect.name for effect in found if effect.is_significant] == ['kind']


def test_no_single_architecture_is_all_that_matters():
    columns = drawn(60)
    signal = np.array(columns[0])
    signal[7] = -100
    noise = np.random.default_rng(0).normal(0, 0.05, (60, 3))
    found = influence(cells_of(*columns), NAMES, signal[:, None] + noise)
    assert found.outlier.startswith(f'rate={columns[0][7]}') and 7 not in found.chosen
    signal[[8, 9]] = -80, -60
    found = influence(cells_of(*columns), NAMES, signal[:, None] + noise)
    assert not found.outlier and [effect.name for effect in found.significant] == ['rate']
