"""Searches in the table of digits that the benchmark of selectors ships: nothing is trained."""

import sys
from pathlib import Path

import numpy as np
import pytest

from sweeper import DONE, WAIT, EvolutionSweep, Proposal, RandomSweep, Selector, events

BENCHMARKS = Path(__file__).parents[2] / 'benchmarks'
pytestmark = pytest.mark.skipif(not BENCHMARKS.is_dir(), reason='needs the repository')


@pytest.fixture
def modules(monkeypatch):
    monkeypatch.syspath_prepend(str(BENCHMARKS))
    import selector_replay
    import selector_tables

    yield selector_tables, selector_replay
    for name in ('selector_replay', 'selector_tables', 'digits_table', 'table_data'):
        sys.modules.pop(name, None)


@pytest.fixture
def table(modules):
    return modules[0].load_digits_table()


def test_the_table_has_every_architecture_and_its_course(table):
    assert table.values.shape == (216, 8) and table.courses.shape == (216, 8, 8)
    assert table.space.size == 216 and len(table.rows) == 216
    assert np.array_equal(table.values, table.courses[:, :, -1])
    assert 0.97 < table.best < 1 and np.median(table.truth) > 0.8
    rows = [table.row(point) for point in table.space.points()]
    assert sorted(rows) == list(range(216))


def test_trials_are_the_seeds_of_the_table_in_the_same_order_for_all(modules, table):
    draws, again = (modules[0].Draws(table, 3) for _ in range(2))
    trials = [draws.trial(5, index) for index in (2, 0, 1, 3, 4, 5, 6, 7)]
    assert sorted(trials) == sorted(table.values[5])
    assert [again.trial(5, index) for index in (2, 0, 1)] == trials[:3]
    assert modules[0].Draws(table, 4).trial(5, 0) in table.values[5]


@pytest.mark.parametrize('noise', ['residuals', 'normal', 'skewed', 'heavy', 'bad'])
def test_simulated_trials_have_the_truth_as_their_mean(noise, modules, table):
    draws = modules[0].Draws(table, 0, noise)
    row = int(np.argsort(table.truth)[150])
    trials = np.array([draws.trial(row, index) for index in range(3000)])
    error = trials.std(ddof=1) / np.sqrt(len(trials))
    assert abs(trials.mean() - table.truth[row]) < 4 * error


@pytest.mark.parametrize('kind', [RandomSweep, EvolutionSweep])
def test_a_search_that_tries_all_points_finds_what_looks_best(kind, modules, table):
    tables, replays = modules
    draws = tables.Draws(table, 0)
    history = replays.replay(kind(table.space, 216, 1), table, draws)
    assert sorted(history.rows) == list(range(216)) and history.trained[-1] == 216
    looks_best = np.argmax([draws.trial(row, 0) for row in range(216)])
    assert draws.trial(history.picks()[-1], 0) == draws.trial(looks_best, 0)
    assert table.regret(history.picks()[-1]) < 2


def test_a_trial_that_goes_on_costs_only_what_is_added(modules, table):
    tables, replays = modules

    class Twice(Selector):
        def __init__(self):
            self.fractions, self.open = [0.25, 1.0], False

        def ask(self):
            if self.open:
                return WAIT
            if not self.fractions:
                return DONE
            self.open = True
            return Proposal(tables.point_of(table, 7), 2, self.fractions.pop(0))

        def tell(self, event):
            self.open = self.open and not isinstance(event, events.TrialsDone)

    draws = tables.Draws(table, 0)
    history = replays.replay(Twice(), table, draws, cycles=8)
    assert history.trained == [0.5, 2.0]
    assert history.values[0] == np.mean([draws.trial(7, index, 1) for index in range(2)])
    assert history.values[1] == np.mean([draws.trial(7, index) for index in range(2)])
