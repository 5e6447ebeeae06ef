"""The tuner's regret: a short version of `benchmarks/tuner_regret.py`, on real data."""

import sys
from pathlib import Path

import pytest

pytestmark = pytest.mark.slow

BENCHMARKS = Path(__file__).parents[2] / 'benchmarks'


@pytest.fixture
def regret(monkeypatch):
    monkeypatch.syspath_prepend(BENCHMARKS)
    monkeypatch.syspath_prepend(BENCHMARKS / 'regret_problems')
    import regret

    yield regret
    for name in ('regret', '_data', *regret.PROBLEMS, regret.RANKED):
        sys.modules.pop(name, None)


def test_there_is_an_oracle_for_every_problem_as_it_is_now(regret):
    oracles = regret.Oracles(BENCHMARKS / 'regret_oracle.json')
    for name in regret.PROBLEMS:
        case = regret.load_case(name)
        assert oracles.missing(case) == [], f'{name} was changed: python benchmarks/tuner_regret.py --oracle'


@pytest.mark.parametrize('problem', ['digits_momentum', 'wine'])
def test_the_least_preset_comes_close_to_the_best_of_a_grid(regret, problem):
    case = regret.load_case(problem)
    best = regret.Oracles(BENCHMARKS / 'regret_oracle.json')[case, ()]['train']['perf']
    with regret.local_executor(case) as executor:
        tuned, usual = regret.side_by_side(
            executor, [regret.tuned_pick(case, (), 0, 'fastest'), regret.fixed_pick(case, (), 0, 0.0001)]
        )
    assert tuned.train > best - 0.05
    assert tuned.train > usual.train + 0.2
    assert 0.1 < tuned.cost < 0.6
