"""The verdict on sweeps whose truth is known: a short version of `benchmarks/verdict.py`."""

import sys
from pathlib import Path

import numpy as np
import pytest
from scipy import stats

BENCHMARKS = Path(__file__).parents[2] / 'benchmarks'
MODULES = 'verdict', 'verdict_measures', 'verdict_peers', 'verdict_worlds'
UNLIKELY = 1e-3


@pytest.fixture(scope='module')
def measures():
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(BENCHMARKS)
        import verdict_measures

        yield verdict_measures
    for name in MODULES:
        sys.modules.pop(name, None)


@pytest.fixture(scope='module')
def worlds(measures):
    return sys.modules['verdict_worlds']


@pytest.fixture(scope='module')
def cells(measures):
    """What is true of sweeps of 5 architectures and 3 trials, from every distribution."""
    return measures.truth_by_world(50, [(5, 3)])


def is_more(share, count, limit):
    """Whether a share of so many sweeps is above a limit, and not by chance."""
    return stats.binomtest(round(share * count), count, limit, 'greater').pvalue < UNLIKELY


def is_less(share, count, limit):
    return is_more(1 - share, count, 1 - limit)


def test_scores_spread_around_what_is_said_to_be_their_mean(worlds):
    rng = np.random.default_rng(0)
    for world in worlds.WORLDS:
        sweep = world.draw(rng, [2.0, 0.0, -1.0], 40_000)
        errors = np.nanstd(sweep.scores, axis=1) / np.sqrt(np.isfinite(sweep.scores).sum(1))
        assert (np.abs(np.nanmean(sweep.scores, axis=1) - sweep.truth) < 5 * errors).all(), world.name
        assert sweep.better[0, 1] and not sweep.better[1, 0] and not np.diag(sweep.better).any()
        assert not np.isfinite(sweep.scores).all() or world.omits is None


def test_false_claims_are_rare_whatever_the_distribution(cells):
    for kind, limit in (('false', 0.03), ('one_look', 0.05)):
        assert np.mean([rates[kind] for rates in cells.values()]) <= limit
        for cell, rates in cells.items():
            assert not is_more(rates[kind], 50, limit), (cell, kind, rates[kind])


def test_intervals_of_differences_cover_them_whatever_the_distribution(cells):
    for cell, rates in cells.items():
        assert rates['pairs'] > 0.92 and rates['runner_up'] > 0.91, cell
    assert np.mean([rates['pairs'] for rates in cells.values()]) >= 0.95


@pytest.mark.parametrize('case', range(3))
def test_the_best_is_named_where_it_is_far_ahead(measures, case):
    count, trials, lead = measures.NAMED[case]
    rates = measures.naming(count, trials, lead, 200)
    assert not is_less(rates['named'], 200, (0.5, 0.8, 0.45)[case]), rates['named']
    assert rates['kept'] <= 2.3 and rates['best_kept'] > 0.97


def test_the_true_best_is_among_those_of_which_it_is_said_to_be_one(measures):
    for cell, rates in measures.best_kept(30, sizes=[(10, 5)]).items():
        assert not is_less(rates['best_kept'], 30, 0.95), cell


@pytest.mark.parametrize('planned', [None, 28])
def test_equals_stay_equal_however_often_one_looks(measures, planned):
    assert not is_more(measures.looks(60, planned=planned), 60, 0.05)
    alone = np.mean([measures.looks(60, looks=[trials]) for trials in (3, 10, 20)])
    assert alone <= 0.05


def test_one_that_was_seen_to_diverge_is_not_called_better_than_one_that_never_did(measures):
    rates = measures.rare_divergence(300)
    assert rates['better_though_diverged'] == 0 < rates['better']


def test_what_differs_by_the_margin_is_seldom_called_equivalent_and_equals_often(measures):
    assert not is_more(measures.equivalence(300)['any'], 300, 0.05)
    assert measures.equivalence(100, trials=40, lead=0.0)['any'] > 0.5


def test_tunings_that_vary_make_no_false_claims_where_there_are_several(measures):
    assert not is_more(measures.tunings(300, 30, number=3), 300, 0.05)
    assert measures.tunings(300, 30) > 0.15, 'they do with one: the answer says that it is as tuned'


def test_as_many_trials_as_are_advised_show_the_lead(measures):
    rates = measures.advice(60)
    assert rates['named'] > 0.9 and rates['least'] < rates['most']
    assert rates['at_least'] < 0.8 < rates['at_most']


def test_one_of_few_trials_is_first_no_more_often_for_that(measures):
    rates = measures.few_trials_first(200)
    assert rates['by_mean'] > 0.65 > rates['first'] > 0.35


def test_other_tests_are_those_of_scipy(worlds):
    import verdict_peers as peers

    rng, counts = np.random.default_rng(0), np.zeros(2)
    for _ in range(6):
        sweep = worlds.NORMAL.draw(rng, worlds.staircase(5) * 3, 4)
        found, expected = peers.tukey(sweep), stats.tukey_hsd(*sweep.scores)
        assert np.array_equal(found.better, (expected.pvalue < 0.05) & (expected.statistic > 0))
        best = int(np.argmax(sweep.scores.mean(1)))
        others = np.delete(sweep.scores, best, 0)
        expected = stats.dunnett(*others, control=sweep.scores[best], alternative='less', rng=1)
        found = peers.dunnett(sweep)
        assert np.array_equal(np.delete(found.better[best], best), expected.pvalue < 0.05)
        counts += found.better.any(), len(found.candidates) > 1
    assert counts.all()


def test_a_table_is_printed(measures, capsys, monkeypatch):
    import verdict

    monkeypatch.setattr(verdict, 'claims', verdict.margins)
    monkeypatch.setattr(verdict, 'repeated', lambda sweeps: iter(()))
    monkeypatch.setattr(sys, 'argv', ['verdict.py', '--sweeps', '3'])
    verdict.main()
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) > 6 and {line.count('|') for line in lines} == {6}
