"""The executor that docs/executors.md shows keeps the contract, in a sweep, too."""

import re
from pathlib import Path

import numpy as np
import pytest

from sweeper import FixedSweep, sweep

pytestmark = pytest.mark.slow

TEXT = (Path(__file__).parents[2] / 'docs' / 'executors.md').read_text()
NAMES = {'__name__': __name__}
SHOWN, SUITE = re.findall(r'```python\n(from concurrent.*?|from sweeper.testing.*?)```', TEXT, re.DOTALL)
exec(SHOWN + SUITE, NAMES)

TestPoolExecutor = NAMES['TestPoolExecutor']


def test_it_is_shown_in_under_thirty_lines():
    assert len(SHOWN.splitlines()) < 30


@pytest.mark.long
def test_a_sweep_with_the_executor_shown_gives_what_others_give(tmp_path, write_problem, tiny):
    problem, found = write_problem().path, []
    for executor in ('inline', NAMES['PoolExecutor'](2)):
        selector = FixedSweep([((2,), 2), ((3,), 1)])
        folder = tmp_path / str(len(found))
        found.append(sweep(problem, selector, 1, tiny, folder, executor=executor, progress='none'))
    for one, other in zip(*found, strict=True):
        assert (one.params, one.lr_max, one.bs) == (other.params, other.lr_max, other.bs)
        np.testing.assert_array_equal(one.loss_val, other.loss_val)
