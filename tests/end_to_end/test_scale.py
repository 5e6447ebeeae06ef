"""`benchmarks/scale.py`: sweeps of simulated workers are whole ones, and what is printed of them is right."""

import sys
from pathlib import Path

import pytest

from sweeper import load

BENCHMARKS = Path(__file__).parents[2] / 'benchmarks'


@pytest.fixture
def simulated(monkeypatch):
    monkeypatch.syspath_prepend(BENCHMARKS)
    import simulated

    yield simulated
    sys.modules.pop('simulated', None)


@pytest.mark.slow
@pytest.mark.parametrize('kind', ['SimulatedExecutor', 'SleepingExecutor'])
@pytest.mark.parametrize(('keep', 'files'), [('all', 4), ('none', 2)])
def test_a_simulated_sweep_leaves_the_folder_of_a_real_one(simulated, tmp_path, kind, keep, files):
    seen = []

    def look(folder):
        files_of_trials = {len([*path.iterdir()]) for path in folder.glob('points/*/trials/*')}
        seen.append((len(load(folder)), files_of_trials))

    executor = getattr(simulated, kind)(8, 0.01)
    cost = simulated.run(executor, 6, 5, str(tmp_path), tuning_runs=7, keep=keep, look=look)
    assert cost.trials == 30 and seen == [(6, {files})]
    assert len(executor.spans) == 6 * (7 + 5) and 0 < executor.busy <= 1


def test_a_selector_that_waits_is_asked_for_all(simulated, tmp_path):
    cost = simulated.run(
        simulated.SimulatedExecutor(8, 0.01), 5, 2, str(tmp_path), make_selector=simulated.Waiting
    )
    assert cost.trials == 10


def test_slots_count_as_busy_until_the_last_task_begins(simulated):
    executor = simulated.SimulatedExecutor(2, 1.0)
    executor.spans = [(0.0, 2.0), (0.0, 1.0), (1.5, 3.0), (2.0, 1.0)]  # one slot had nothing to do for 0.5 s
    assert executor.busy == pytest.approx(3.5 / 4)
