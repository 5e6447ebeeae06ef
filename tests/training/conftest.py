import pytest
import torch

from sweeper import FixedSweep, ProblemError


@pytest.fixture(autouse=True, scope='session')
def _one_thread():
    """As in a worker; threads only get in each other's way on tensors this small."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


@pytest.fixture
def refused(write_problem, sweep_inline, tmp_path):
    """Returns a function that checks that a problem is refused before anything is trained, and why."""

    def check(ending, message):
        problem = write_problem(ending=ending)
        with pytest.raises(ProblemError, match=message):
            sweep_inline(problem.path, FixedSweep.with_fixed_trials([(4,)], 1), tmp_path / 'out')
        assert not (tmp_path / 'out' / 'points').exists()

    return check
