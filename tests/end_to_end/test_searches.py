"""Searches by name on the command line, and what a real sweep makes of them."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from sweeper import (
    EvolutionSweep,
    FixedSweep,
    GridSweep,
    HalvingSweep,
    Integer,
    InvalidArgument,
    OptunaSelector,
    RacingSweep,
    RandomSweep,
    Space,
    load,
    sweep,
)
from sweeper.cli.options import as_options
from sweeper.options import selector_of
from sweeper.selectors.named import SELECTORS, make_selector

from ..conftest import SHORT
from ..crash.compare import differences

ROOT = Path(__file__).parents[2]
NOTHING = {
    'grid': [], 'random': [], 'point': [], 'declared': False, 'settings': [], 'points': None, 'trials': None,
    'seed': 3,
}  # fmt: skip


def chosen(**options):
    selector = selector_of('any.py', **NOTHING | options)
    return selector() if callable(selector) else selector


def test_a_selector_by_name_searches_what_is_varied():
    selector = chosen(
        name='evolution', random=['width=8..128:log', 'kind=relu,tanh'], settings=['depth=2'], points=7,
        trials=2, options=['population=5', 'objectives=performance,parameters', 'crossover=0.5'],
    )  # fmt: skip
    assert isinstance(selector, EvolutionSweep)
    assert (selector.points, selector.trials, selector.population, selector.crossover) == (7, 2, 5, 0.5)
    assert [objective.name for objective in selector.objectives] == ['performance', 'parameters']
    point = selector.ask().point
    assert point['depth'] == 2 and 8 <= point['width'] <= 128 and point['kind'] in ('relu', 'tanh')
    assert (
        chosen(name='evolution', random=['a=1..900'], seed=3).ask()
        != chosen(name='evolution', random=['a=1..900'], seed=4).ask()
    )


def test_grids_and_random_points_take_single_ones_beside_them():
    grid = chosen(name='grid', grid=['width=2,4'], point=['width=9'], trials=1)
    assert isinstance(grid, GridSweep)
    assert grid.points_and_trials() == [({'width': 2}, 1), ({'width': 4}, 1), ({'width': 9}, 1)]
    assert isinstance(chosen(name='random', random=['width=1..3']), RandomSweep)
    assert len(chosen(name='random', random=['width=1..3']).points_and_trials()) == 3
    assert isinstance(chosen(random=['width=1..3']), FixedSweep)


def test_each_name_is_a_selector_of_its_own():
    pytest.importorskip('optuna')
    kinds = [
        GridSweep, RandomSweep, EvolutionSweep, OptunaSelector, RacingSweep, HalvingSweep
    ]  # fmt: skip
    assert [type(chosen(name=name, random=['width=1..9'], trials=3)) for name in SELECTORS] == kinds


def test_a_race_ends_by_the_margin_of_the_sweep():
    race, search = (chosen(name=name, random=['width=1..9'], margin=0.01) for name in ('racing', 'evolution'))
    assert race.margin == 0.01 and isinstance(search, EvolutionSweep)


@pytest.mark.parametrize('name', ['random', 'evolution', 'optuna', 'racing', 'halving'])
@pytest.mark.parametrize('seed', ['3', 1.5, True, -1])
def test_a_seed_is_an_integer(name, seed):
    pytest.importorskip('optuna')
    with pytest.raises(InvalidArgument, match='seed='):
        make_selector(name, Space({'width': Integer(1, 9)}), {'seed': seed})


@pytest.mark.parametrize(
    ('options', 'message'),
    [
        ({'name': 'evolutoin'}, "no selector 'evolutoin'; did you mean evolution?"),
        ({'name': 'sobol'}, 'valid are grid, random'),
        (
            {'name': 'random', 'options': ['populaton=3']},
            "random has no option 'populaton'; valid are points",
        ),
        ({'name': 'evolution', 'options': ['populaton=3']}, 'did you mean population'),
        (
            {'name': 'evolution', 'options': ['population=1']},
            'population=1: must be an integer of at least 2',
        ),
        ({'name': 'evolution', 'options': ['population']}, 'population=30'),
        ({'name': 'evolution', 'options': ['points=3'], 'points': 4}, '--points says so, too'),
        ({'name': 'evolution', 'point': ['width=3']}, '--point: --selector evolution chooses all points'),
        ({'name': 'evolution', 'random': []}, 'what should be varied'),
        ({'name': 'random', 'points': 4}, '--points 4: the space is too small'),
        ({'name': 'racing', 'trials': 2}, '--trials 2: must be an integer of at least 3'),
        ({'name': 'grid', 'points': 2}, '--points 2: --selector grid tries every point; --budget points=2'),
        (
            {'name': 'racing', 'random': ['x=0..0.5']},
            'infinitely many points: say how many to draw with --points',
        ),
        ({'name': 'racing', 'options': ['margin=much']}, "margin='much': must be a positive number"),
        ({'name': 'racing', 'margin': -1.0}, '--margin -1.0: must be a positive number'),
        ({'name': 'racing', 'margin': 0.1, 'options': ['margin=0.2']}, '--margin says so, too'),
        ({'name': 'halving', 'options': ['eta=1']}, 'eta=1: must be an integer of at least 2'),
        ({'name': 'grid', 'options': ['counts=x']}, "counts='x': must be an integer of at least 1"),
        (
            {'name': 'grid', 'options': ["counts={'wdith':2}"]},
            "'wdith': the space has no such parameter; did you",
        ),
        ({'name': 'evolution', 'options': ['population=4', 'population=5']}, 'population is given twice'),
        ({'options': ['population=3']}, 'goes with --selector'),
    ],
)
def test_what_is_wrong_is_named(options, message):
    with pytest.raises(InvalidArgument) as caught:
        chosen(**{'random': ['width=1..3']} | options)
    assert message in as_options(caught.value)


@pytest.mark.slow
def test_the_command_line_searches(write_problem, tmp_path):
    problem, out = write_problem(), tmp_path / 'out'
    command = [
        sys.executable, '-m', 'sweeper', 'run', problem.path, '--random', 'width=1..60', *SHORT,
        '--points', '4',
        '--selector', 'evolution', '--selector-option', 'population=2', '--sweep-cores', '1',
        '--executor', 'inline', '--out', out,
    ]  # fmt: skip
    done = subprocess.run([*map(str, command)], capture_output=True, text=True, cwd=ROOT)
    assert done.returncode == 0, done.stderr
    assert len(load(out)) == 4
    assert json.loads((out / 'sweep.json').read_text())['origin'][-1]['selector'] == 'EvolutionSweep'


class EndsAfter:
    """A listener that ends the sweep when so many trials are done."""

    def __init__(self, trials):
        self.left = trials

    def handle(self, event):
        if type(event).__name__ == 'TrialsDone':
            self.left -= len(event.trials)
            if self.left <= 0:
                raise KeyboardInterrupt


@pytest.mark.slow
@pytest.mark.parametrize('objectives', ['performance', 'performance,parameters'])
def test_an_interrupted_evolution_ends_as_one_that_was_not(write_problem, tiny, tmp_path, objectives):
    space = Space({'width': Integer(1, 90), 'depth': Integer(1, 3)})
    problem = write_problem().path

    def run(name, listeners=()):
        selector = EvolutionSweep(space, points=7, population=3, in_flight=2, objectives=objectives)
        options = {'executor': 'inline', 'progress': 'none', 'listeners': listeners}
        return sweep(problem, selector, 1, tiny, tmp_path / name, **options)

    whole = run('whole')
    for trials in (1, 3, 2):
        with pytest.raises(KeyboardInterrupt):
            run('interrupted', [EndsAfter(trials)])
    assert [result.params for result in run('interrupted')] == [result.params for result in whole]
    assert differences(tmp_path / 'interrupted', tmp_path / 'whole') == []
