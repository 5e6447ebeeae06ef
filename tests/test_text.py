"""Tracebacks that a person sees have the user's frames and not ours; nothing of theirs is lost."""

import re
import subprocess
import sys
import traceback
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

import sweeper
from sweeper import FixedSweep, PointFailed, ProblemError
from sweeper.text import users_frames

OURS = Path(sweeper.__file__).parent / 'training' / 'runs.py'
THEIRS, LIBRARY = '/home/me/net.py', '/usr/lib/python3.11/site-packages/torch/nn/modules/module.py'


def frame(file, name, code='x()'):
    return f'  File "{file}", line 3, in {name}\n    {code}\n    ^^^\n'


HEAD = 'Traceback (most recent call last):\n'


def test_our_frames_and_those_that_lead_to_the_users_are_left_out():
    told = HEAD + frame(OURS, 'one') + frame(LIBRARY, 'two') + frame(THEIRS, 'three') + frame(LIBRARY, 'four')
    assert re.findall(', in (.*)', users_frames(told + 'ValueError: no\n')) == ['three', 'four']
    assert users_frames(told + 'ValueError: no\n').endswith('ValueError: no')


def test_where_no_frame_is_the_users_those_of_libraries_stay_and_a_mistake_of_ours_is_shown_whole():
    assert re.findall(', in (.*)', users_frames(HEAD + frame(OURS, 'a') + frame(LIBRARY, 'b') + 'E: x')) == [
        'b'
    ]
    assert users_frames(HEAD + frame(OURS, 'a') + 'E: x') == HEAD + frame(OURS, 'a') + 'E: x'


def test_a_project_of_the_same_name_is_not_ours():
    told = HEAD + frame('/home/me/sweeper/net.py', 'mine') + 'E: x'
    assert users_frames(told) == told


def test_frames_of_another_machine_are_known_as_ours():
    away = frame('/opt/x/site-packages/sweeper/training/runs.py', 'ours')
    assert 'ours' not in users_frames(HEAD + away + frame(THEIRS, 'mine') + 'E: x')


def test_chains_and_groups_are_kept():
    def deep():
        try:
            raise KeyError('inner')
        except KeyError as error:
            raise ExceptionGroup('all', [ValueError('one'), OSError('two')]) from error

    try:
        deep()
    except ExceptionGroup as error:
        told = ''.join(traceback.format_exception(error))
    assert users_frames(told) == told.rstrip('\n')


@given(
    st.lists(st.sampled_from([OURS, THEIRS, LIBRARY]), max_size=6),
    st.text('ab \n"', max_size=20),
    st.integers(1, 3),
)
def test_the_message_and_every_frame_of_the_user_stay(files, message, sections):
    told = '\n'.join([HEAD + ''.join(frame(file, 'f') for file in files) + f'E: {message}'] * sections)
    found = users_frames(told)
    assert found.count(THEIRS) == told.count(THEIRS) and found.count(f'E: {message}'.rstrip()) >= sections
    if THEIRS in files:
        assert str(OURS) not in found


BROKEN = """
def helper(width):
    raise LookupError(f'no table for {width}')

def model(width):
    return helper(width)
"""


@pytest.mark.parametrize('executor', ['inline', pytest.param('local', marks=pytest.mark.slow)])
def test_errors_of_the_users_code_show_the_users_frames_only(write_problem, tmp_path, executor):
    problem = write_problem(model=BROKEN)
    with pytest.raises(ProblemError, match='no point can be trained') as caught:
        sweeper.sweep(
            problem.path, FixedSweep([((w,), 1) for w in (4, 5)]), 1, 'fastest', tmp_path / 'out',
            cores=1, executor=executor, progress='none',
        )  # fmt: skip
    assert re.findall(', in (.*)', str(caught.value)) == ['model', 'helper']
    with pytest.raises(PointFailed) as caught:
        sweeper.sweep(
            problem.path, FixedSweep([((4,), 1)]), 1, 'fastest', tmp_path / 'out', cores=1, executor=executor,
            on_error='raise', progress='none',
        )  # fmt: skip
    assert re.findall(', in (.*)', str(caught.value)) == ['model', 'helper']


BREAKS_ONCE_EVALUATED = """
class Model(torch.nn.Linear):
    evaluations = 0

    def forward(self, inputs):
        if not self.training:
            self.evaluations += 1
        elif self.evaluations:
            raise LookupError('no second cycle')
        return super().forward(inputs)


def model(width):
    return Model(4, 2)
"""


def test_a_run_that_fails_in_both_kinds_of_steps_has_failed_once(write_problem, tmp_path, tiny):
    problem = write_problem(model=BREAKS_ONCE_EVALUATED)
    two_cycles = tiny.replace(trial_samples=2 * 64)
    with pytest.raises(PointFailed, match='no second cycle') as caught:
        sweeper.sweep(
            problem.path, FixedSweep([((4,), 1)]), 1, two_cycles.replace(max_cycles=2), tmp_path / 'out',
            cores=1, executor='inline', on_error='raise', progress='none', step='captured',
        )  # fmt: skip
    assert re.findall(', in (.*)', str(caught.value)) == ['forward']


@pytest.mark.slow
def test_the_command_line_shows_none_of_ours(write_problem, tmp_path):
    command = [
        'run',
        write_problem(model=BROKEN).path,
        '--grid',
        'width=4,5',
        '--preset',
        'fastest',
        '--cores',
        '1',
    ]
    done = subprocess.run(
        [sys.executable, '-m', 'sweeper', *command, '--out', str(tmp_path / 'out')],
        capture_output=True, text=True, timeout=300,
    )  # fmt: skip
    assert re.findall(', in (.*)', done.stderr) == ['model', 'helper'], done.stderr
