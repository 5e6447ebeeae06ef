"""The tuner's regret: a short version of `benchmarks/tuner_regret.py`, on real data."""

import io
import sys
from pathlib import Path

import pytest
from rich.console import Console

BENCHMARKS = Path(__file__).parents[2] / 'benchmarks'
ORACLE = {
    'val': {'perf': 0.9, 'plus_minus': 0.01, 'lr': 0.1, 'batch_size': 8, 'epochs': 20},
    'train': {'perf': 1.0, 'plus_minus': 0.0, 'lr': 0.3, 'batch_size': 8, 'epochs': 60},
}


@pytest.fixture
def regret(monkeypatch):
    monkeypatch.syspath_prepend(BENCHMARKS)
    monkeypatch.syspath_prepend(BENCHMARKS / 'regret_problems')
    import regret

    yield regret
    names = 'regret', 'regret_peers', 'regret_tables', '_data', '_generated'
    for name in (*names, *regret.PROBLEMS, regret.RANKED):
        sys.modules.pop(name, None)


@pytest.fixture
def tables(regret):
    import regret_tables

    return regret_tables


@pytest.fixture
def peers(regret):
    import regret_peers

    return regret_peers


def test_every_problem_is_in_one_half_of_the_suite(regret):
    _, first, added, six = regret.GROUPS.values()
    assert sorted([*first, *added]) == regret.PROBLEMS
    assert (len(first), len(added), len(six)) == (13, 11, 6) and {*six} < {*added}


def pick_of(regret, val, train=1.0, flags=()):
    return regret.Pick(0.1, 8, 20, train, val, 2.0, [*flags])


def test_a_failure_is_silent_if_validation_is_far_below_the_oracle_and_nothing_is_flagged(regret, tables):
    picks = [
        pick_of(regret, 0.89),
        pick_of(regret, 0.86),
        pick_of(regret, 0.5, flags=['toss_up']),
        pick_of(regret, 0.9, train=0.2),
        pick_of(regret, 0.8),
    ]
    assert tables.silent(ORACLE, picks) == [1, 4]


def test_the_headline_has_the_means_over_problems_of_each_half(regret, tables):
    known = dict.fromkeys(['wine', 'digits_wide', 'digits_few'], ORACLE)
    found = {
        'wine': {'fast': [pick_of(regret, 0.88), pick_of(regret, 0.86)]},
        'digits_wide': {'fast': [pick_of(regret, 0.9, train=0.98)] * 2},
        'digits_few': {'fast': [pick_of(regret, 0.7, flags=['barely_learned'])] * 2},
    }
    console = Console(width=200, file=io.StringIO())
    console.print(tables.headline(known, found))
    lines = console.file.getvalue().splitlines()
    cells = [[cell.strip() for cell in line.split('│')[1:-1]] for line in lines if line.startswith('│')]
    shown = [cell for row in cells for cell in row[:2] if cell]
    assert shown == [
        'all: 3',
        'fast',
        '7.67',
        'the first: 2',
        'fast',
        '1.50',
        'added later: 1',
        'fast',
        '20.00',
    ]
    assert cells[1][2:7] == ['3.00', '20.0', 'digits_few', '3.0', '0.67'] and cells[1][-2:] == ['2', '1 of 6']


def test_a_search_takes_the_length_of_its_best_cycle_unless_it_was_the_last(peers):
    class Case:
        epochs, cycle_epochs = 60, 10

    assert peers.length(Case, 3, 3, 10) == 60  # it might have got better
    assert peers.length(Case, 2, 3, 10) == 20
    assert peers.length(Case, 1, 3, 7) == 10  # whole cycles
    assert peers.length(Case, 1, 9, 60 / 9) == 10
    assert peers.length(Case, 7, 9, 60 / 9) == 50
    result = {'perf': 0.6, 'loss': 1.0, 'perfs': [0.5, 0.7, 0.7], 'losses': [1.0, 0.9, 0.8]}
    assert peers.best_cycle(result) == ((0.7, -0.8), 3)  # ties by loss
    assert peers.best_cycle({'perf': 0.6, 'loss': 1.0}) == ((0.6, -1.0), 1)


@pytest.mark.slow
def test_training_goes_on_as_it_began(regret, peers):
    """So what is stopped early and trained again, for longer, need be counted once."""
    case = regret.load_case('wine')
    tasks = [peers.held_out_task(case, (), 0, 0, 0.01, 8, cycles, 3.3) for cycles in (1, 3)]
    with regret.local_executor(case, cores=1) as executor:
        short, long = regret.side_by_side(executor, [one(task) for task in tasks])
    assert peers.scores(long)[0] == peers.scores(short)[0] and len(peers.scores(long)) == 3


def one(task):
    (value,) = yield [task]
    return value


@pytest.mark.slow
def test_searches_stay_within_their_budget(regret, peers):
    case = regret.load_case('wine')
    with regret.local_executor(case) as executor:
        samples = 0.4 * case.samples_of_trial()
        jobs = [pick(case, (), 1, samples) for pick in peers.AT_EQUAL_COST.values()]
        picks = dict(zip(peers.AT_EQUAL_COST, regret.side_by_side(executor, jobs), strict=True))
    for name, pick in picks.items():
        assert 0.3 < pick.cost <= 0.4, name
        assert pick.epochs % 10 == 0 and 10 <= pick.epochs <= case.epochs, name
        assert pick.val > 0.8, name


@pytest.mark.slow
def test_there_is_an_oracle_for_every_problem_as_it_is_now(regret):
    oracles = regret.Oracles(BENCHMARKS / 'regret_oracle.json')
    for name in [*regret.PROBLEMS, regret.RANKED]:
        case = regret.load_case(name)
        assert oracles.missing(case) == [], f'{name} was changed: python benchmarks/tuner_regret.py --oracle'


@pytest.mark.slow
@pytest.mark.parametrize('problem', ['digits_momentum', 'wine'])
def test_the_least_preset_comes_close_to_the_best_of_a_grid(regret, problem):
    case = regret.load_case(problem)
    best = regret.Oracles(BENCHMARKS / 'regret_oracle.json')[case, ()]['val']['perf']
    with regret.local_executor(case) as executor:
        tuned, usual = regret.side_by_side(
            executor, [regret.tuned_pick(case, (), 0, 'fastest'), regret.fixed_pick(case, (), 0, 0.0001)]
        )
    assert tuned.val > best - 0.05
    assert tuned.val > usual.val + 0.2
    assert 0.1 < tuned.cost < 0.6
