"""A sweep that is asked to end cleans up first, and leaves nothing behind but what was finished."""

import json
import os
import select
import signal
import subprocess
import sys
import threading
from contextlib import contextmanager

import psutil
import pytest

from sweeper import FixedSweep, load
from sweeper.signals import Terminated, ended_by_signals, raising_signals

pytestmark = pytest.mark.slow

BOTH = pytest.mark.parametrize('signum', [signal.SIGTERM, signal.SIGHUP], ids=lambda signum: signum.name)

# Within a process


@BOTH
def test_signals_that_would_end_the_process_raise_as_ctrl_c_does(signum):
    with pytest.raises(KeyboardInterrupt, match=signum.name) as caught, raising_signals():
        signal.raise_signal(signum)
    assert isinstance(caught.value, Terminated) and caught.value.signum == signum
    assert signal.getsignal(signum) is signal.SIG_DFL


def test_handlers_are_put_back_after_an_error():
    with pytest.raises(ZeroDivisionError), ended_by_signals():
        raise ZeroDivisionError
    assert [signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGHUP)] == [signal.SIG_DFL] * 2


@contextmanager
def handled(signum, handler):
    before = signal.signal(signum, handler)
    try:
        yield
    finally:
        signal.signal(signum, before)


@BOTH
@pytest.mark.parametrize('ending', [raising_signals, ended_by_signals])
def test_a_signal_that_the_program_handles_is_the_programs_own(signum, ending):
    heard = []
    with handled(signum, lambda number, _: heard.append(number)), ending():
        signal.raise_signal(signum)
    assert heard == [signum]


@BOTH
@pytest.mark.parametrize('ending', [raising_signals, ended_by_signals])
def test_a_signal_that_the_program_ignores_stays_ignored(signum, ending):
    with handled(signum, signal.SIG_IGN):
        with ending():
            signal.raise_signal(signum)
        assert signal.getsignal(signum) is signal.SIG_IGN


@BOTH
def test_who_asked_further_out_hears_of_it(signum):
    with pytest.raises(Terminated), raising_signals(), ended_by_signals():
        signal.raise_signal(signum)


def test_other_threads_are_not_concerned():
    seen = []

    def enter():
        with ended_by_signals():
            seen.append(signal.getsignal(signal.SIGTERM))

    thread = threading.Thread(target=enter)
    thread.start()
    thread.join()
    assert seen == [signal.SIG_DFL]


@BOTH
def test_a_process_that_a_signal_cannot_end_hears_of_it(signum, monkeypatch):
    monkeypatch.setattr(signal, 'raise_signal', lambda signum: None)  # the first process of a container, say
    with pytest.raises((Terminated, SystemExit)), ended_by_signals():
        raise Terminated(signum)


# Processes that end


def python(*arguments, **options):
    return subprocess.Popen(
        [sys.executable, *map(str, arguments)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        **options,
    )


CLEANS_UP = """
import signal, sys
from sweeper.signals import ended_by_signals

with ended_by_signals():
    try:
        signal.raise_signal(int(sys.argv[1]))
    finally:
        signal.raise_signal(int(sys.argv[2]))
        print('cleaned up', flush=True)
print('went on')
"""


@pytest.mark.parametrize('second', [signal.SIGTERM, signal.SIGHUP], ids=lambda signum: f'then {signum.name}')
@BOTH
def test_a_process_ends_by_the_first_signal_when_all_is_cleaned_up(signum, second):
    process = python('-c', CLEANS_UP, int(signum), int(second))
    assert process.communicate(timeout=60)[0] == 'cleaned up\n'
    assert process.returncode == -signum


MODEL = """
def model(width):
    record(width)
    hold = Path(__file__).with_name('hold')
    if width == 9 and hold.exists() and open(Path(__file__).with_suffix('.calls')).read().count('9') == 3:
        with open(Path(__file__).with_name('reached'), 'w') as reached:
            reached.write('.')
        hold.read_text()
    return torch.nn.Sequential(torch.nn.Linear(4, width), torch.nn.Linear(width, 2))
"""
PROGRAM = """
import json
import sys

from sweeper import FixedSweep, HyperparameterSettings, sweep

if __name__ == '__main__':
    problem, folder, settings = sys.argv[1:]
    settings = HyperparameterSettings(**json.loads(settings))
    sweep(problem, FixedSweep([((3,), 0), ((9,), 1)]), 1, settings, folder, cores=1, progress='none')
    print('finished')
"""


class Sweep:
    """A sweep in a process of its own, one of whose runs holds until it is let go.

    Args:
        folder: Where everything is.
        problem: Its model takes the way through the pipes beside it.
    """

    def __init__(self, folder, problem):
        self.problem, self.out = problem, folder / 'out'
        self._hold, reached = folder / 'hold', folder / 'reached'
        os.mkfifo(self._hold)
        os.mkfifo(reached)
        self._reached = os.open(reached, os.O_RDONLY | os.O_NONBLOCK)
        self.process = None

    def start(self, *command, **options):
        """Starts it and waits until the run holds."""
        self.process = python(*command, cwd=self.problem.path.parent, **options)
        ended = os.pidfd_open(self.process.pid)
        ready, _, _ = select.select([self._reached, ended], [], [], 100)
        os.close(ended)
        assert ready == [self._reached], self.process.communicate(timeout=10)
        self.workers = psutil.Process(self.process.pid).children(recursive=True)
        assert self.workers

    def let_go(self):
        with open(self._hold, 'w'):
            pass

    def let_all_go(self):
        self._hold.unlink()

    def end(self, signum):
        """Sends a signal; returns what the process printed when it and its workers are gone."""
        self.process.send_signal(signum)
        _, left = psutil.wait_procs(self.workers, timeout=30)
        assert [process for process in left if process.status() != psutil.STATUS_ZOMBIE] == []
        return self.process.communicate(timeout=30)

    def close(self):
        os.close(self._reached)
        if self.process is not None:
            self.process.kill()
            self.process.communicate()


@pytest.fixture
def sweeping(tmp_path, write_problem):
    running = Sweep(tmp_path, write_problem(model=MODEL))
    yield running
    running.close()


@pytest.fixture
def program(tmp_path, sweeping, tiny):
    """The command of a program that calls `sweep`."""
    path = tmp_path / 'program.py'
    path.write_text(PROGRAM)
    return path, sweeping.problem.path, sweeping.out, json.dumps(vars(tiny))


def check_what_is_kept(sweeping, sweep_inline, count_tuning_runs):
    """All finished runs are there, and nothing else, and the same sweep goes on with them."""
    calls = sweeping.problem.calls
    dry_runs = 1
    assert calls == ['3'] * (dry_runs + count_tuning_runs(sweeping.out, 0)) + ['9'] * 3
    assert [result.params for result in load(sweeping.out)] == [(3,)]
    runs = {path.name for path in (sweeping.out / 'points' / '1' / 'hparams' / 'runs').glob('*.npz')}
    assert {'0-0.npz'} <= runs <= {'0-0.npz', '1-0.npz'}  # the second may have been about to be written
    assert not (sweeping.out / 'running.json').exists()
    sweeping.let_all_go()
    sweep_inline(sweeping.problem.path, FixedSweep([((3,), 0), ((9,), 1)]), sweeping.out)
    assert sweeping.problem.calls[len(calls) :] == ['9'] * (
        count_tuning_runs(sweeping.out, 1) + 1 - len(runs)
    )


ENDINGS = pytest.mark.parametrize(
    'signum', [signal.SIGTERM, signal.SIGHUP, signal.SIGINT], ids=lambda signum: signum.name
)


@ENDINGS
def test_a_program_that_sweeps_ends_by_the_signal_and_what_was_finished_is_kept(
    signum, sweeping, program, sweep_inline, count_tuning_runs
):
    sweeping.start(*program)
    printed, _ = sweeping.end(signum)
    assert (sweeping.process.returncode, printed) == (-signum, '')
    check_what_is_kept(sweeping, sweep_inline, count_tuning_runs)


def test_a_program_under_nohup_goes_on_when_it_is_hung_up(sweeping, program):
    sweeping.start(*program, preexec_fn=lambda: signal.signal(signal.SIGHUP, signal.SIG_IGN))
    sweeping.process.send_signal(signal.SIGHUP)
    sweeping.let_go()
    printed, complaints = sweeping.process.communicate(timeout=100)
    assert (sweeping.process.returncode, printed) == (0, 'finished\n'), complaints
    assert [result.params for result in load(sweeping.out)] == [(3,), (9,)]


@ENDINGS
def test_the_command_says_how_to_go_on_and_ends_as_a_shell_would_have_it(signum, sweeping):
    arguments = [
        'run', sweeping.problem.path.name, '--grid', 'width=3,9', '--trials', '0', '--preset', 'fastest',
        '--sweep-cores', '1', '--cores', '1', '--out', 'out', '--progress', 'none',
    ]  # fmt: skip
    sweeping.start('-m', 'sweeper', *arguments)
    _, complaints = sweeping.end(signum)
    assert sweeping.process.returncode == 128 + signum
    assert 'Kept in out: 1 of 2 points tuned' in complaints
    assert 'To continue, run the same command again' in complaints
    assert f'sweeper {" ".join(arguments)}' in complaints
    assert [dict(result.params) for result in load(sweeping.out)] == [{'width': 3}]
