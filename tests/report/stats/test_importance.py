"""Which parameter matters how much, where that is known."""

import builtins
import logging
import warnings
from importlib.util import find_spec

import numpy as np
import pytest

from sweeper.errors import MissingExtra
from sweeper.points import value_to_text
from sweeper.report.stats.comparison import Comparison
from sweeper.report.stats.effects import EXACT, FANOVA
from sweeper.report.stats.importance import FEWEST_POINTS, importances

# Looked for, not imported: that takes seconds, also where these tests are left out.
_IS_THERE = all(map(find_spec, ('optuna', 'sklearn')))
pytestmark = [pytest.mark.slow, pytest.mark.skipif(not _IS_THERE, reason='Optuna is not installed')]


def cells_of(*columns):
    texts = [['' if value is None else value_to_text(value) for value in column] for column in columns]
    return [list(row) for row in zip(*texts, strict=True)]


def shares(found):
    return {effect.parameters[0]: effect.share for effect in found}


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


def test_it_is_the_same_every_time_and_silent(capfd):
    import optuna

    columns = drawn(40)
    before, state = optuna.logging.get_verbosity(), np.random.get_state()[1].copy()
    with warnings.catch_warnings():
        warnings.simplefilter('error')
        first = importances(cells_of(*columns), NAMES, columns[0])
    assert first == importances(cells_of(*columns), NAMES, columns[0])
    assert capfd.readouterr() == ('', '')
    assert optuna.logging.get_verbosity() == before == logging.INFO
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


@pytest.mark.parametrize('missing', ['optuna', 'sklearn'])
def test_what_to_install_is_said_where_the_sentence_would_be(monkeypatch, missing):
    found, imports = compared(), builtins.__import__

    def without(name, *arguments, **options):
        if name.partition('.')[0] == missing:
            raise ImportError(f'No module named {name!r}')
        return imports(name, *arguments, **options)

    monkeypatch.setattr(builtins, '__import__', without)
    with pytest.raises(MissingExtra, match=r"pip install 'fair-sweeper\[importance\]'"):
        importances(found.cells, found.columns, found.means.tolist())
    assert "pip install 'fair-sweeper[importance]'" in found.influence()
    assert found.effects() == []
    assert found.answer()
