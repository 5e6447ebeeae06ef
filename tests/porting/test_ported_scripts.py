"""Fifteen people's training scripts, as problems: `scripts/` has their code as it was, as far as it can be.

Of the two architectures of each, one is better by construction, and a sweep has to say so.
"""

from pathlib import Path
from typing import NamedTuple

import pytest

from sweeper import FixedSweep, compare, get_settings, sweep

pytestmark = [pytest.mark.slow, pytest.mark.long]

SCRIPTS = Path(__file__).parent / 'scripts'
QUICK = get_settings('fastest').replace(lr_initialisations=1, batch_candidates=1)


class Case(NamedTuple):
    """What is compared, by which settings, and how far apart the two are at least, in the objective."""

    worse: object
    better: object
    apart: float
    settings: dict
    eager: str = ''  # why steps are not captured


OWN_LOOP = 'its training loop is its own'
CASES = {
    'mnist_cnn': Case(2, 12, 0.2, {'trial_samples': 12_000}),
    'siamese': Case(False, True, 0.03, {'trial_samples': 10_000}),
    'vae': Case(1, 8, 0.7, {'trial_samples': 12_000}),
    'makemore': Case(1, 2, 0.5, {'trial_samples': 8_000}),
    'nanogpt': Case(False, True, 0.2, {'trial_samples': 2_500}),
    'unet': Case(False, True, 0.5, {'trial_samples': 1_200, 'cycle_epochs': 4}),
    'ltsf_linear': Case('Linear', 'NLinear', 5.0, {'trial_samples': 8_000}),
    'gcn': Case(False, True, 0.3, {'trial_samples': 4_000}),
    'imbalanced_table': Case(0, 16, 0.2, {'trial_samples': 12_000}),
    'lightning_module': Case(1, 8, 1.0, {'trial_samples': 6_000}),
    'distilbert': Case(0, 1, 0.3, {'trial_samples': 12_000}),
    'reinforce': Case(1, 2, 0.8, {'trial_samples': 200}, eager=OWN_LOOP),
    'lbfgs_time_series': Case(
        0,
        8,
        0.05,
        {'trial_samples': 600, 'batch_size': 32, 'batch_objective': 32},
        eager='it takes fewer than',
    ),
    'augmentation': Case('linear', 'conv', 0.1, {'trial_samples': 8_000}),
    'dcgan': Case('relu', 'tanh', 3.0, {'trial_samples': 2_000}, eager=OWN_LOOP),
}


@pytest.mark.filterwarnings('error:.*changed what the next runs')
@pytest.mark.parametrize('name', CASES)
def test_a_ported_script_says_which_architecture_is_better(name, tmp_path):
    if name == 'lightning_module':
        pytest.importorskip('lightning')
    case = CASES[name]
    selector = FixedSweep.with_fixed_trials([(case.worse,), (case.better,)], trials=3)
    settings = QUICK.replace(**case.settings)
    options = {'executor': 'inline', 'cores': 1, 'progress': 'none', 'looks': 1}
    results = sweep(SCRIPTS / f'{name}.py', selector, 1, settings, tmp_path / 'out', **options)
    assert not results.failures
    worse, better = results
    sign = results.objective.sign
    assert (sign * better.perf_val).min() > (sign * worse.perf_val).max() + case.apart
    answer = compare(tmp_path / 'out').answer().lower()
    assert answer.startswith(f'{results.columns[0]}={case.better} is the '.lower()), answer
    steps = {(trial.step, trial.step_reason) for trial in results.trials[better.params].values()}
    assert all(step == ('eager' if case.eager else 'captured') for step, _ in steps), steps
    assert all(case.eager in (reason or '') for _, reason in steps), steps
