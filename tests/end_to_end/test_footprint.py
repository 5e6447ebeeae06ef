"""What a sweep leaves on disk per trial, without weights, if its points have three trials."""

import numpy as np
import pytest

from sweeper import FixedSweep, get_settings
from sweeper.io.files import npz_bytes
from sweeper.tuning.lr_range import analyse, schedule

pytestmark = pytest.mark.slow

POINTS = [((2,), 3), ((4,), 3)]
TRIALS = 6
LIMITS = {'fast': 20_000, 'slow': 20_000, 'slowest': 27_000}
"""Most bytes per trial, by preset: the more initialisations are behind a curve, the more there is to keep."""


@pytest.fixture(scope='module')
def footprint(problem_file, sweep_inline, tmp_path_factory):
    """Runs a sweep of two architectures; returns the sizes of the files that it leaves of them, by name."""

    def measure(**options):
        folder = tmp_path_factory.mktemp('footprint')
        problem = problem_file(folder)
        sweep_inline(problem.path, FixedSweep(POINTS), folder / 'out', keep_weights='none', **options)
        files = (path for path in (folder / 'out/points').rglob('*') if path.is_file())
        return {path.relative_to(folder / 'out/points').as_posix(): path.stat().st_size for path in files}

    return measure


def largest_curves(settings):
    """The bytes of the longest range test that a budget allows: noise, which nothing makes smaller."""
    lrs, rng = schedule(settings, 1e12, 32), np.random.default_rng(0)
    shape = (settings.lr_initialisations, len(lrs))
    return len(npz_bytes(analyse(settings, lrs, 32, rng.normal(2, 1, shape), rng.random(shape)).arrays))


@pytest.mark.parametrize('preset', LIMITS)
def test_three_trials_of_a_point_take_less_than_five_files_and_20_kilobytes_each(footprint, preset):
    """Trainings are cut short here, and with them the range test: it is counted as long as it may be."""
    settings = get_settings(preset)
    sizes = footprint(hparams=settings.replace(trial_samples=96 * 20))
    sizes |= {name: largest_curves(settings) for name in sizes if name.endswith('lr_vs_perf.npz')}
    assert len(sizes) / TRIALS < 5
    assert sum(sizes.values()) / TRIALS < LIMITS[preset], sizes


def test_with_one_file_of_summaries_it_is_one_file_less_per_architecture(footprint):
    settings = get_settings('fastest').replace(trial_samples=96 * 20)
    apart, together = footprint(hparams=settings), footprint(hparams=settings, summaries='parquet')
    assert apart.keys() - together.keys() == {'results.csv', '0/results.npz', '1/results.npz'}
    assert together.keys() - apart.keys() == {'results.parquet'}
