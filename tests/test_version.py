"""The version changes when results do."""

import pytest

from sweeper import FixedSweep
from sweeper.version import RESULTS_VERSION

# What the sweep below gives: if it gives something else, raise the version's second number with the change
# that does it (CONTRIBUTING.md, *Versions*), and write here what it gives then.
RESULTS = {
    '0.4': [
        0.1, 8, 0.69049, 0.72033, 0.70656, 0.72321,
        0.31623, 8, 0.62292, 0.48754, 0.63957, 0.53163,
    ],
}  # fmt: skip


def test_what_a_small_sweep_gives_changes_with_the_version_only(tmp_path, write_problem, sweep_inline):
    selector = FixedSweep.with_fixed_trials([(3, 1), (8, 1)], 2)
    results = sweep_inline(write_problem().path, selector, tmp_path / 'out', step='eager')
    numbers = [
        number
        for _, _, lr_max, batch_size, _, loss_train, _, loss_val in results
        for number in (lr_max, batch_size, *loss_train, *loss_val)
    ]
    assert numbers == pytest.approx(RESULTS[RESULTS_VERSION], rel=1e-3)
