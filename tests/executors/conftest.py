"""What the tests of executors share: a module's `PROBLEM` as a file, and a clock that can be put forward."""

import sys
from pathlib import Path

import pytest

from sweeper.executors.local import supervisor
from sweeper.problem.reference import find_problem
from sweeper.work import WorkerSpec


@pytest.fixture(scope='module')
def problem_path(request, tmp_path_factory):
    name = Path(request.path).stem.removeprefix('test_')
    path = tmp_path_factory.mktemp('problem') / f'problem_of_{name}.py'
    path.write_text(request.module.PROBLEM)
    return path


@pytest.fixture(scope='module')
def spec(problem_path):
    before = list(sys.path)
    yield WorkerSpec(find_problem(problem_path), 0, 'cpu')
    sys.path[:] = before
    sys.modules.pop(problem_path.stem, None)


class Clock:
    """The clock of the local executor, which a test can put forward."""

    ahead = 0.0

    def __init__(self, monotonic):
        self._monotonic = monotonic

    def monotonic(self):
        return self._monotonic() + self.ahead


@pytest.fixture(scope='module')
def clock():
    with pytest.MonkeyPatch.context() as patch:
        clock = Clock(supervisor.time.monotonic)
        patch.setattr(supervisor, 'time', clock)
        yield clock
