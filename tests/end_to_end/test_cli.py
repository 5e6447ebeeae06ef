"""The command line, as a person or a script uses it."""

import re
import signal
import subprocess
import sys
from pathlib import Path

import psutil
import pytest

from sweeper import FixedSweep, cli, load, options
from sweeper.errors import DamagedFileWarning
from sweeper.frozen import freeze

from ..conftest import SHORT

pytestmark = pytest.mark.slow

ROOT = Path(__file__).parents[2]
HANGS = """
def model(width, depth=1):
    if width == 9:
        import threading
        threading.Event().wait()
    return torch.nn.Linear(4, 2)
"""
BREAKS = """
def model(width, depth=1):
    if width == 9:
        raise ValueError('nine is too many')
    return torch.nn.Linear(4, 2)
"""
DECLARES = """
from sweeper.m import _
def model(width, depth=1):
    return torch.nn.Sequential(torch.nn.Dropout(_('dropout', 0.0)), torch.nn.Linear(4, 2))
"""
SELECTOR = """
from sweeper import FixedSweep

def selector(trials=2):
    return FixedSweep.with_fixed_trials([(2,), (3, 2)], trials)
"""
FAST = [*SHORT, '--sweep-cores', '1', '--executor', 'inline', '--trials', '1']


def sweeper(*arguments):
    command = [sys.executable, '-m', 'sweeper', *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, cwd=ROOT)


def test_run_shows_a_table_and_continues(write_problem, tmp_path):
    problem, out = write_problem(), tmp_path / 'out'
    command = ['run', problem.path, '--grid', 'width=2,4', '--grid', 'depth=1,2', *FAST, '--out', out]
    done = sweeper(*command)
    assert done.returncode == 0, done.stderr
    header, *rows = done.stdout.splitlines()
    assert header.split()[:2] == ['width', 'depth']
    assert {tuple(row.split()[:2]) for row in rows[:4]} == {('2', '1'), ('2', '2'), ('4', '1'), ('4', '2')}
    assert '4/4 tuned, 4/4 trials' in done.stderr

    calls = len(problem.calls)
    again = sweeper(*command)
    assert again.stdout == done.stdout
    assert len(problem.calls) == calls


@pytest.mark.parametrize('lines', [0, 1])
def test_a_reader_that_stops_reading_changes_nothing(write_problem, tmp_path, lines):
    """As `sweeper status DIR | head -1` does."""
    problem, out = write_problem(model=DECLARES), tmp_path / 'out'
    commands = [
        ['run', problem.path, '--grid', 'width=2,4', '--grid', 'depth=1,2', *FAST, '--out', out],
        ['run', problem.path, '--grid', 'width=2,4', '--grid', 'depth=1,2', *FAST, '--out', out],
        ['status', out],
        *(['report', out, '--format', form] for form in ('md', 'csv', 'json')),
        ['report', out],
        ['collate', out],
        ['params', problem.path],
        ['params', problem.path, '--format', 'json'],
        ['--help'],
        ['run', '--help'],
    ]
    for command in commands:
        full = subprocess.Popen(
            [sys.executable, '-m', 'sweeper', *map(str, command)],
            stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, cwd=ROOT,
        )  # fmt: skip
        for _ in range(lines):
            assert full.stdout.readline()
        full.stdout.close()
        said = full.stderr.read()
        assert full.wait() == 0, (command, said)
        assert 'Traceback' not in said and 'BrokenPipe' not in said and 'Exception' not in said, (
            command,
            said,
        )
    assert len(load(out)) == 4


def test_a_quiet_run_tells_the_answer_and_what_failed(write_problem, tmp_path):
    command = ['run', write_problem(model=BREAKS).path, '--grid', 'width=2,9', *FAST, '--out', tmp_path / 'o']
    done = sweeper(*command, '--quiet')
    assert done.returncode == cli.SOME_POINTS_FAILED
    assert done.stderr == ''
    failed, answer, hint = done.stdout.splitlines()
    assert failed == 'failed: width=9: ValueError in tuning: nine is too many'
    assert answer.startswith('width=2 is the only architecture with trials')
    assert hint.startswith('Tracebacks are in')
    loud = sweeper(*command, '--quiet', '--progress', 'plain')
    assert loud.returncode == cli.WRONG_INPUT and '--quiet' in loud.stderr


def test_run_takes_the_modules_own_selector(write_problem, tmp_path):
    problem = write_problem(record=SELECTOR + '\ndef record(text): pass')
    done = sweeper('run', problem.path, *FAST, '--out', tmp_path / 'out')
    assert done.returncode == 0, done.stderr
    assert [result.params for result in load(tmp_path / 'out')] == [(2,), (3, 2)]


def test_run_draws_random_points(write_problem, tmp_path):
    command = ['run', write_problem().path, '--random', 'width=2..9', '--points', '3', *FAST]
    done = sweeper(*command, '--out', tmp_path / 'out')
    assert done.returncode == 0, done.stderr
    assert len({result.params['width'] for result in load(tmp_path / 'out')}) == 3


def test_run_keeps_trials_where_people_keep_their_experiments(write_problem, tmp_path):
    pytest.importorskip('tensorboard')
    mlflow = pytest.importorskip('mlflow')
    options = ['--tensorboard', tmp_path / 'runs', '--mlflow', tmp_path / 'tracking']
    done = sweeper(
        'run', write_problem().path, '--grid', 'width=2,4', *FAST, '--out', tmp_path / 'out', *options
    )
    assert done.returncode == 0, done.stderr
    assert len(list((tmp_path / 'runs').glob('width=*/trial 0/*tfevents*'))) == 2
    client = mlflow.MlflowClient(f'sqlite:///{tmp_path}/tracking/mlflow.db')
    found = client.search_runs([client.get_experiment_by_name('out').experiment_id])
    assert [run.data.params['width'] for run in found].count('2') == 2 and len(found) == 4


def test_run_tells_of_failed_points_by_its_exit_code(write_problem, tmp_path):
    problem = write_problem(model=BREAKS)
    done = sweeper('run', problem.path, '--grid', 'width=2,9', *FAST, '--out', tmp_path / 'out')
    assert done.returncode == cli.SOME_POINTS_FAILED
    assert 'failed: width=9: ValueError in tuning: nine is too many' in done.stdout


def test_failed_points_are_tried_again_if_asked(write_problem, tmp_path):
    problem, out = write_problem(model=BREAKS), tmp_path / 'out'
    command = ['run', problem.path, '--grid', 'width=2,9', *FAST, '--out', out]
    assert sweeper(*command).returncode == cli.SOME_POINTS_FAILED
    assert sweeper(*command).returncode == cli.SOME_POINTS_FAILED
    problem.path.write_text(problem.text.replace('width == 9', 'width == 99'))
    asked = sweeper(*command, '--retry-failed')
    assert asked.returncode == cli.WRONG_INPUT
    assert 'accept:source' in asked.stderr and 'restart' in asked.stderr
    accepted = sweeper(*command, '--retry-failed', '--if-changed', 'accept:source')
    assert accepted.returncode == 0, accepted.stderr
    assert len(load(out)) == 2


def test_a_changed_sweep_can_be_started_anew(write_problem, sweep_inline, tmp_path):
    problem, out = write_problem(), tmp_path / 'out'
    sweep_inline(problem.path, FixedSweep.with_grid({'width': [2]}, 1), out, hparams='fastest')
    command = ['run', problem.path, '--grid', 'width=2', *FAST, '--out', out, '--seed', '1']
    refused = sweeper(*command)
    assert refused.returncode == cli.WRONG_INPUT
    assert 'seed: 0 there, 1 asked' in refused.stderr
    assert '--if-changed restart' in refused.stderr
    done = sweeper(*command, '--if-changed', 'restart')
    assert done.returncode == 0, done.stderr
    assert len(load(out)) == len(load(out / 'earlier/0')) == 1


@pytest.mark.parametrize(
    ('arguments', 'message'),
    [
        (['--grid', 'width'], 'must be NAME=VALUES'),
        (['--grid', 'wide=1'], 'cannot take the parameters (wide=1)'),
        (['--grid', 'width=2', '--random', 'depth=1..2'], 'cannot be mixed'),
        (
            ['--grid', 'width=2', '--preset', 'fastestest'],
            '--preset fastestest: valid are fastest',
        ),
        (['--random', 'width=2..3', '--points', '9'], 'too small'),
        (['--grid', 'width=2', '--sweep-cores', '0'], '--sweep-cores 0'),
        (['--grid', 'width=2', '--progress', 'loud'], '--progress loud'),
        ([], 'what should be varied?'),
        (['--grid', 'width=2', '--grid', 'width=4'], 'width is given twice'),
        (['--grid', 'width=2,2'], '--grid width=2,2: 2 is given twice'),
        (['--grid', 'width=2,,4'], '--grid width=2,,4: a value is missing'),
        (['--grid', 'width=1,1.0'], '1 and 1.0 are equal in Python'),
        (['--grid', 'width=1,true'], '1 and true are equal in Python'),
        (['--grid', 'width=nan'], '--grid width=nan: nan equals nothing'),
        (['--grid', 'width=8..16'], '--grid width=8..16: a range goes with --random'),
        (['--grid', 'widht=8'], 'did you mean `width`?'),
        (['--grid', 'width=8', '16'], 'unexpected: 16 (after width=8). Put commas between values'),
        (['--declared', 'true'], 'unexpected: true. --declared takes no value'),
        (['--random', 'width=8-128'], '--random width=8-128: write a range as 8..128'),
        (['--random', 'width=8:128'], 'write a range as 8..128'),
        (['--random', 'width=8..16', '--points', '0'], '--points 0: must be at least 1'),
        (['--grid', 'width=8', '--trials', '-1'], '--trials -1: must be at least 0'),
        (['--grid', 'width=8', '--device', 'cpuu'], '--device cpuu: must be'),
        (['--grid', 'width=8', '--timeout', '0'], '--timeout 0: must be a positive number of seconds\n'),
        (['--grid', 'width=8', '--timeout', '5'], '--timeout needs --executor local'),
        (['--point', 'width'], 'must be NAME=VALUE,NAME=VALUE'),
        (['--point', 'width=8,width=9'], 'width is given twice'),
        (['--point', 'width=8', '--set', 'width=9'], 'width is given twice'),
        (['--grid', 'width=2', '--points', '4'], '--points 4 goes with --random'),
        (['--grid', 'width=2', '--if-changed', 'ask'], '--if-changed ask: must be stop, restart, or accept:'),
        (['--grid', 'width=2', '--memory', 'much'], '--memory much: must be'),
    ],
)
def test_run_refuses_wrong_input(write_problem, tmp_path, arguments, message):
    problem = write_problem()
    done = sweeper('run', problem.path, '--executor', 'inline', '--out', tmp_path / 'out', *arguments)
    assert done.returncode == cli.WRONG_INPUT
    assert message in done.stderr
    assert 'Traceback' not in done.stderr
    assert not problem.calls


def test_interrupting_leaves_no_process_and_says_how_to_continue(write_problem, tmp_path):
    problem = write_problem(model=HANGS)
    arguments = ['--grid', 'width=2,9', '--trials', '1', *SHORT, '--sweep-cores', '1']
    command = [sys.executable, '-m', 'sweeper', 'run', problem.path, *arguments, '--cores', '2']
    with subprocess.Popen(
        [*map(str, command), '--out', str(tmp_path / 'out')], stderr=subprocess.PIPE, text=True, cwd=ROOT
    ) as running:
        lines = iter(running.stderr.readline, '')
        assert any('trained (width=2)' in line for line in lines)
        state = sweeper('status', tmp_path / 'out')
        assert f'running pid {running.pid} host ' in state.stdout
        assert 'cores busy' in state.stdout and 'width=9' in state.stdout
        second = sweeper(*command[3:], '--out', tmp_path / 'out')
        assert second.returncode == cli.WRONG_INPUT
        assert f'another sweep is running in {tmp_path / "out"} (process {running.pid} on ' in second.stderr
        workers = psutil.Process(running.pid).children(recursive=True)
        assert workers
        running.send_signal(signal.SIGINT)
        told = running.stderr.read()
    assert running.returncode == 130
    assert not psutil.wait_procs(workers, timeout=10)[1]
    assert '1 of 2 points tuned, trials: 1' in ' '.join(told.split())
    assert f'sweeper run {problem.path}' in told
    assert len(load(tmp_path / 'out')) == 1


def test_status_and_collate(write_problem, tmp_path, sweep_inline):
    out = tmp_path / 'out'
    sweep_inline(write_problem().path, FixedSweep([((2,), 2), ((3,), 0)]), out)
    told = sweeper('status', out)
    assert told.returncode == 0
    assert '2 points, 2 tuned, 2 trials done, 0 failed' in told.stdout

    assert told.stdout.splitlines()[0].endswith('seed 0: not running')

    summaries = ['funcres.pt', 'results.csv', 'params_lookup.pt', 'params.csv']
    summaries += ['0/results.npz', '1/results.npz']
    before = {name: out.joinpath('points', name).read_bytes() for name in summaries}
    for name in summaries:
        out.joinpath('points', name).unlink()
    assert sweeper('collate', out).returncode == 0
    assert {name: out.joinpath('points', name).read_bytes() for name in summaries} == before


def test_damage_is_told_and_seen_to_by_running_the_sweep_again(write_problem, sweep_inline, tmp_path):
    problem, out, selector = write_problem(), tmp_path / 'out', FixedSweep([((2,), 1), ((3,), 1)])
    expected = sweep_inline(problem.path, selector, out)
    damaged, whole = (out / f'points/{point}/trials/0/result.json' for point in (1, 0))
    before = whole.stat().st_mtime_ns
    damaged.write_text('{')
    told = sweeper('status', out)
    assert told.returncode == cli.WRONG_INPUT
    assert f'{damaged} is damaged' in told.stderr
    assert 'Running the sweep again computes it anew' in told.stderr
    assert 'Traceback' not in told.stderr
    with pytest.warns(
        DamagedFileWarning, match='points/1/trials/0 is set aside as damaged/points/1/trials/0'
    ):
        again = sweep_inline(problem.path, FixedSweep([((2,), 1), ((3,), 1)]), out)
    assert str(again) == str(expected)
    assert whole.stat().st_mtime_ns == before


def test_watching_a_sweep_ends_when_it_ends_and_with_the_table(write_problem, tmp_path):
    problem, out = write_problem(), tmp_path / 'out'
    command = [sys.executable, '-m', 'sweeper', 'status', str(out), '--watch', '--interval', '0.1']
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, cwd=ROOT
    ) as watching:
        assert watching.stderr.readline() == f'waiting for a sweep in {out}\n'
        done = sweeper('run', problem.path, '--grid', 'width=2,4', *FAST, '--out', out, '--quiet')
        assert done.returncode == 0, done.stderr
        told, seen = watching.communicate()
    assert watching.returncode == 0
    assert 'seed 0: ' in seen and 'trained (width=4)' in seen
    heading, counts, *_ = told.splitlines()
    assert heading.endswith('not running')
    assert counts == '2 points, 2 tuned, 2 trials done, 0 failed'
    assert 'width=' in told and '±' not in told


def test_a_watch_ends_at_ctrl_c(tmp_path):
    command = [sys.executable, '-m', 'sweeper', 'status', str(tmp_path / 'out'), '--watch']
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True, cwd=ROOT) as watching:
        watching.stderr.readline()
        watching.send_signal(signal.SIGINT)
        assert watching.stderr.read() == ''
    assert watching.returncode == 130
    assert not (tmp_path / 'out').exists()


@pytest.mark.parametrize('command', ['status', 'collate'])
def test_a_folder_without_a_sweep_is_refused(tmp_path, command):
    done = sweeper(command, tmp_path)
    assert done.returncode == cli.WRONG_INPUT
    assert 'holds no sweep' in done.stderr


@pytest.mark.parametrize('command', ['status', 'report'])
def test_that_nobody_reads_on_is_no_failure(command, write_problem, sweep_inline, tmp_path):
    import os

    sweep_inline(write_problem().path, FixedSweep([((2,), 1)]), tmp_path / 'out')
    reading, writing = os.pipe()
    os.close(reading)
    options = ['--format', 'csv'] if command == 'report' else []
    done = subprocess.run(
        [sys.executable, '-m', 'sweeper', command, str(tmp_path / 'out'), *options],
        stdout=writing, stderr=subprocess.PIPE, cwd=ROOT, text=True,
    )  # fmt: skip
    os.close(writing)
    assert (done.returncode, done.stderr) == (0, '')


def test_single_points_are_added_to_what_is_there(write_problem, tmp_path):
    problem, out = write_problem(), tmp_path / 'out'
    assert sweeper('run', problem.path, '--grid', 'width=2,4', *FAST, '--out', out).returncode == 0
    calls = len(problem.calls)
    points = ['--point', 'width=3,depth=2', '--point', 'depth=1,width=5', '--point', 'width=4']
    done = sweeper('run', problem.path, *points, *FAST, '--out', out)
    assert done.returncode == 0, done.stderr
    assert re.search(r'^Marked \+: already in .*, not part of this command: width=2\.$', done.stdout, re.M)
    assert [dict(result.params) for result in load(out)] == [
        {'width': 2}, {'width': 4}, {'width': 3, 'depth': 2}, {'depth': 1, 'width': 5},
    ]  # fmt: skip
    assert {*problem.calls[calls:]} <= {'2', '3', '5'}


@pytest.mark.parametrize(
    ('text', 'point'),
    [
        ('depth=3,width=8', {'depth': 3, 'width': 8}),
        ('sizes=(8, 8), act=relu', {'sizes': (8, 8), 'act': 'relu'}),
        ("name='a,b'", {'name': 'a,b'}),
        ('a=1,2,b=[3,4]', {'a': (1, 2), 'b': (3, 4)}),
        ('rate=inf', {'rate': float('inf')}),
        (
            'cfg={"a": "x,b=3", "c": [1, true]},depth=8',
            {'cfg': freeze({'a': 'x,b=3', 'c': [1, True]}), 'depth': 8},
        ),
        ("text='a,b=(',depth=8", {'text': 'a,b=(', 'depth': 8}),
    ],
)
def test_a_point_on_the_command_line(text, point):
    assert options._single_point(text, {}) == point


def test_a_text_where_the_default_is_a_number_is_warned_of(write_problem, tmp_path):
    command = ['run', write_problem().path, '--set', 'width=2', *FAST, '--grid']
    done = sweeper(*command, 'depth=deep,2', '--out', tmp_path / 'out')
    assert 'depth=deep is a text, and the default of depth is a number, 1' in done.stderr
    assert 'is a text' not in sweeper(*command, 'depth=2,3', '--out', tmp_path / 'numbers').stderr


def test_flags_take_no_value_in_the_help_either():
    lines = [line for line in sweeper('run', '--help').stdout.splitlines() if '--help' not in line]
    assert any('--declared' in line for line in lines) and not any('<bool>' in line for line in lines)
