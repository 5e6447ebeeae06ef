"""What workers print: whose it is, what is passed on, and what is left of it in an error."""

import os
import threading
from contextlib import contextmanager
from multiprocessing.connection import Pipe

import pytest

from sweeper import LocalExecutor
from sweeper.executors.base import Task
from sweeper.executors.local import output, pool
from sweeper.executors.local.output import DROPPED, OutputSink, RunOutput, WorkerOutput
from sweeper.executors.local.streams import BEGIN, END, MARK, WARNING

pytestmark = pytest.mark.slow

TOKEN = 'token'
LONG = 120.0


def task(point=('a',), name='run'):
    return Task(name, 'measure_curve', point, {})


def marked(kind, payload):
    return MARK + TOKEN.encode() + kind + str(payload).encode() + MARK


def begin(number):
    return marked(BEGIN, number)


def end(number):
    return marked(END, number)


def warning(text):
    return marked(WARNING, text)


class Heard:
    """An `on_output` that remembers what it was told, and may also wait for an event, or raise."""

    def __init__(self):
        self.calls = []
        self.raising = None
        self.waiting_for = None
        self._told = threading.Condition()

    def __call__(self, task, text):
        with self._told:
            self.calls.append((task, text))
            self._told.notify_all()
        if self.waiting_for is not None:
            assert self.waiting_for.wait(60)
        if self.raising is not None:
            raise self.raising

    def of(self, task):
        return ''.join(text for whose, text in list(self.calls) if whose is task)

    def wait_for(self, task, text):
        with self._told:
            assert self._told.wait_for(lambda: text in self.of(task), timeout=60), self.calls


# without a worker


class Stream:
    """A pipe with its reader, to be written to as by a worker.

    Args:
        sink: Where it goes.
        left: What is in the pipe of a worker that has ended before the reader comes to it.
    """

    def __init__(self, sink, left=b''):
        printed, self.printing = os.pipe()
        sentinel, self.ended = Pipe(duplex=False)
        if left:
            self.write(left)
            self.ended.close()
        self.output = WorkerOutput(printed, sentinel, TOKEN, sink)

    def write(self, data):
        while data:
            data = data[os.write(self.printing, data) :]

    def close(self):
        os.close(self.printing)
        self.ended.close()
        assert self.output.join(60)


@pytest.fixture
def heard():
    return Heard()


def read(heard, *parts, tasks=()):
    """Everything is read; returns the outputs of the tasks, which are told of beforehand."""
    stream = Stream(OutputSink(heard))
    outputs = [stream.output.expect(task)[1] for task in tasks]
    stream.write(b''.join(parts))
    stream.close()
    return outputs


@pytest.mark.parametrize('chunk', [1, 2, 7, 1 << 16])
def test_text_is_passed_on_by_run_in_whole_lines(heard, chunk, monkeypatch):
    monkeypatch.setattr(output, '_CHUNK', chunk)
    one, two = task(name='one'), task(name='two')
    text = (b'load\xc3\xa4d', begin(1), b'1\n1 with', warning('\xe4 warning'), b'out end', end(1))
    read(heard, *text, b'between\n', begin(2), b'2', end(2), b'after', tasks=[one, two])
    assert all(text.endswith('\n') for _, text in heard.calls)
    assert heard.of(None) == 'load\xe4d\nbetween\nafter\n'
    assert heard.of(one) in ('1\n\xe4 warning\n1 without end\n', '1\n1 without end\n\xe4 warning\n')
    assert heard.of(two) == '2\n'


@pytest.mark.parametrize('chunk', [1, 1 << 16])
@pytest.mark.parametrize(
    'text',
    [
        MARK,
        MARK * 3 + b'x',
        MARK + b'other' + BEGIN + b'1' + MARK,
        MARK + TOKEN.encode() + b'x' * 9000 + MARK,
    ],
)
def test_text_that_is_like_a_marker_is_text(heard, text, chunk, monkeypatch):
    monkeypatch.setattr(output, '_CHUNK', chunk)
    one = task()
    read(heard, begin(1), b'before ', text, b'\nafter\n', end(1), b'later\n', tasks=[one])
    assert heard.of(one).replace('\n', '') == f'before {text.decode()}after'
    assert heard.of(None) == 'later\n'


def test_a_marker_that_never_came_costs_its_run_alone(heard):
    one, two, three = task(), task(), task()
    outputs = read(heard, begin(1), b'1\n', begin(3), b'3\n', end(3), tasks=[one, two, three])
    assert (heard.of(one), heard.of(two), heard.of(three)) == ('1\n', '', '3\n')
    assert all(output.complete.is_set() for output in outputs)


def test_a_run_that_prints_without_end_is_cut_once_and_keeps_its_end(heard):
    one, two = task(), task()
    lines = [b'%07d\n' % index for index in range(500_000)]
    [printed, _] = read(heard, begin(1), *lines, end(1), begin(2), b'2\n', end(2), tasks=[one, two])
    text = heard.of(one)
    assert text.endswith(DROPPED) and text.count(DROPPED) == 1
    kept = text.removesuffix(DROPPED)
    assert kept == b''.join(lines[: len(kept) // 8]).decode()
    assert output.MOST_PASSED_ON - 8 <= len(kept) <= output.MOST_PASSED_ON
    assert printed.tail(0).endswith('0499998\n0499999\n')
    assert heard.of(two) == '2\n'


def test_what_is_like_a_marker_without_end_is_not_waited_for(heard):
    one = task()
    stream = Stream(OutputSink(heard))
    stream.output.expect(one)
    stream.write(begin(1) + MARK + TOKEN.encode() + b'x' * 9000 + b'\n')
    heard.wait_for(one, 'x\n')
    stream.close()


def test_a_line_without_end_is_passed_on_in_pieces_of_whole_characters(heard, monkeypatch):
    monkeypatch.setattr(output, '_CHUNK', 997)
    one = task()
    stream = Stream(OutputSink(heard))
    stream.output.expect(one)
    text = 'x' + '\xe4\u20ac\U0001f600' * 3000  # cut by no chunk at a character
    stream.write(begin(1) + text.encode())
    heard.wait_for(one, '\n')
    stream.close()
    assert heard.of(one).replace('\n', '') == text


def test_bytes_that_are_no_text_are_replaced(heard):
    read(heard, b'caf\xe9 \xff\n')
    assert heard.of(None) == 'caf\ufffd \ufffd\n'


def test_of_a_progress_bar_the_last_state_is_passed_on(heard):
    read(heard, b'start\r\n\r 10%\r 50%\r100%\nend\r\n')
    assert heard.of(None) == 'start\n100%\nend\n'


def test_a_warning_is_passed_on_once_for_a_point_by_all_workers_together(heard):
    sink = OutputSink(heard)
    first, again, other = task(('a',)), task(('a',)), task(('b',))
    outputs = []
    for tasks in (first, other), (again,):
        stream = Stream(sink)
        outputs += [stream.output.expect(task)[1] for task in tasks]
        stream.write(warning('at load') + begin(1) + warning('W') + warning('V') + end(1))
        stream.write(begin(2) + warning('W') + end(2))
        stream.close()
    assert heard.of(first) == 'W\nV\n'
    assert heard.of(other) == 'W\n'
    assert heard.of(again) == ''
    assert heard.of(None) == 'at load\n' + 'W\n'  # the second worker's second run is no one's
    assert [output.tail(0) for output in outputs] == ['W\nV\n', 'W\n', 'W\nV\n']


def test_an_operating_system_error_of_the_listener_is_ignored(heard):
    heard.raising = BrokenPipeError()
    sink = OutputSink(heard)
    for _ in range(2):
        sink.pass_on(None, 'text\n')
    sink.raise_error()
    assert len(heard.calls) == 2


def test_another_error_of_the_listener_is_raised_once_and_it_is_not_called_again(heard):
    heard.raising = KeyError('a bug')
    sink = OutputSink(heard)
    for _ in range(2):
        sink.pass_on(None, 'text\n')
    assert len(heard.calls) == 1
    with pytest.raises(KeyError, match='a bug'):
        sink.raise_error()
    sink.raise_error()


def test_a_closed_sink_tells_no_one(heard):
    sink = OutputSink(heard)
    sink.close()
    sink.pass_on(None, 'text\n')
    sink.pass_on_warning(None, 'text\n')
    assert heard.calls == []


def test_a_listener_that_blocks_does_not_block_the_end():
    entered, go_on = threading.Event(), threading.Event()

    def block(task, text):
        entered.set()
        go_on.wait()

    sink = OutputSink(block)
    stream = Stream(sink)
    stream.write(b'text\n')
    assert entered.wait(60)
    sink.close()
    assert not stream.output.join(0.01)
    go_on.set()
    stream.close()


@pytest.mark.parametrize(('most', 'count'), [(1 << 20, 500), (3000, 200)])
def test_what_a_worker_left_is_read_though_another_process_holds_its_pipe(heard, monkeypatch, most, count):
    monkeypatch.setattr(output, '_CHUNK', 1500)
    monkeypatch.setattr(output, '_MOST_AFTER_THE_END', most)  # so that the other may write for ever
    stream = Stream(OutputSink(heard), b'before the end\n' * 500)
    assert stream.output.join(60)
    assert heard.of(None) == 'before the end\n' * count
    with pytest.raises(BrokenPipeError):
        stream.write(b'after the end\n')
    os.close(stream.printing)


def test_tail_waits_until_all_is_read(monkeypatch):
    run = RunOutput(None)
    run.take('one\n')
    monkeypatch.setattr(run.complete, 'wait', lambda seconds: run.take(f'{seconds} later\n'))
    assert run.tail(5) == 'one\n5 later\n'


def tail_of(text):
    run = RunOutput(None)
    run.take(text)
    return run.tail(0)


def test_tail_has_the_last_lines_and_no_more_than_fit():
    assert tail_of('') == ''
    assert tail_of('one\ntwo\n') == 'one\ntwo\n'
    assert tail_of(''.join(f'{i}\n' for i in range(99))) == ''.join(f'{i}\n' for i in range(49, 99))
    wide = tail_of(''.join(f'{i:200}\n' for i in range(99)))
    assert 3700 < len(wide) <= output.TAIL_CHARACTERS and wide.endswith(' 98\n')
    assert tail_of('x' * 10_000 + '\nlast\n') == 'x' * 300 + '...\nlast\n'


def test_tail_keeps_the_innermost_calls_of_a_crash():
    def stack(thread, name):
        return f'{thread} (most recent call first):\n' + ''.join(f'  {name} {i}\n' for i in range(99))

    crash = (
        'Fatal Python error: Aborted\n\n' + stack('Thread 0x1', 'other') + '\n' + stack('Current thread', 'c')
    )
    tail = tail_of(f'printed\n{crash}\nExtension modules: numpy, torch (total: 2)\n')
    assert tail.startswith('printed\nFatal Python error: Aborted\n')
    assert ' other 0\n' in tail and ' other 9\n' not in tail
    assert ' c 0\n' in tail and ' c 19\n' in tail and ' c 30\n' not in tail
    assert 'Extension modules' not in tail


# with workers

PROBLEM = """
import ctypes, json, logging, os, signal, subprocess, sys, threading, time, warnings
import torch

accuracy_style = 'classification'
loss = torch.nn.CrossEntropyLoss
print('the problem is loaded')


def dataset():
    inputs = torch.randn(32, 4)
    data = torch.utils.data.TensorDataset(inputs, (inputs[:, 0] > 0).long())
    return data, data


def model(code):
    exec(code, globals())
    return torch.nn.Linear(4, 2)
"""


class Workers:
    """An executor whose runs execute code that a test gives, and what was heard of them."""

    def __init__(self, executor):
        self.executor = executor
        self.heard = Heard()

    def run(self, *codes, heard=False):
        """Runs each code; returns tasks and outcomes in that order.

        Args:
            heard: Wait until all that the runs printed was passed on.
        """
        marker = '' if not heard else "\nprint('that was all')"
        tasks = [
            Task(
                f'run {key}', 'measure_curve', (code + marker,), {'seed': 1, 'lrs': [0.1], 'batch_sizes': [4]}
            )
            for key, code in enumerate(codes)
        ]
        outcomes = {}
        for key, task in enumerate(tasks):
            if key - len(outcomes) == self.executor.cores:
                outcomes |= self.executor.wait()
            self.executor.submit(key, task)
        while len(outcomes) < len(tasks):
            outcomes |= self.executor.wait()
        if heard:
            for task in tasks:
                self.heard.wait_for(task, 'that was all\n')
        return [(task, outcomes[key]) for key, task in enumerate(tasks)]

    def failure(self, code):
        [(_, outcome)] = self.run(code)
        return outcome.error

    def printed_by(self, *codes):
        """Runs each code, which must succeed; returns what was passed on of each."""
        runs = self.run(*codes, heard=True)
        assert [outcome.error for _, outcome in runs] == [None] * len(codes)
        return [self.heard.of(task).removesuffix('that was all\n') for task, _ in runs]


@contextmanager
def opened(spec, cores):
    workers = Workers(LocalExecutor(cores, 0, LONG))
    with pytest.MonkeyPatch.context() as patch:
        patch.delenv('PYTHONUNBUFFERED', raising=False)  # as for users
        try:
            workers.executor.start(spec, True, workers.heard)
            yield workers
        finally:
            workers.executor.close()


@pytest.fixture(scope='module')
def two_workers(spec, clock):
    with opened(spec, 2) as workers:
        yield workers


@pytest.fixture(scope='module')
def worker(spec, clock):
    """One worker, so that what one run leaves behind would meet the next."""
    with opened(spec, 1) as workers:
        yield workers


def test_what_is_printed_outside_runs_belongs_to_none(worker):
    worker.run('')
    worker.heard.wait_for(None, 'the problem is loaded\n')


def test_each_line_belongs_to_the_run_that_printed_it(two_workers):
    code = """
for i in range(300):
    print('print {0}')
    print('stderr {0}', file=sys.stderr)
    os.write(1, b'written {0}\\n')
    library = ctypes.CDLL(None)
    library.printf(b'C {0}\\n')
subprocess.run(['echo', 'child {0}'])
logging.getLogger('log').warning('logged {0}')
print('no newline {0}', end='')
"""
    every = two_workers.printed_by(*(code.format(f'of run {i}') for i in range(12)))
    for i, text in enumerate(every):
        words = ['print', 'stderr', 'written', 'C'] * 300 + ['child', 'logged', 'no newline']
        assert sorted(text.splitlines()) == sorted(f'{word} of run {i}' for word in words)


def test_a_run_that_raises_leaves_the_end_of_its_output(worker):
    error = worker.failure("for i in range(200): print(i)\nprint('the last', end='')\nraise KeyError('no')")
    assert (error.kind, error.signal) == ('KeyError', None)
    assert error.output == ''.join(f'{i}\n' for i in range(151, 200)) + 'the last\n'


def test_an_error_has_no_output_of_another_run(worker):
    worker.run("print('another')")
    assert worker.failure("raise KeyError('no')").output == ''


@pytest.mark.parametrize(
    ('code', 'signal_name'),
    [('ctypes.string_at(0)', 'SIGSEGV'), ('os._exit(3)', None)],
)
def test_a_run_that_kills_its_worker_leaves_output_and_signal(two_workers, code, signal_name):
    (task, outcome), (_, good) = two_workers.run(f"print('last words')\n{code}", "print('other')")
    error = outcome.error
    assert (error.kind, error.signal) == ('WorkerDied', signal_name)
    assert (signal_name or 'exit code 3') in error.message
    assert error.output.startswith('last words\n') and 'other' not in error.output
    assert two_workers.heard.of(task).startswith('last words\n')
    assert good.error is None
    if signal_name == 'SIGSEGV':
        assert 'Segmentation fault' in error.output and 'string_at' in error.output
        assert ' in model\n' in error.output
    else:
        assert error.output == 'last words\n'


def test_signals_are_named():
    assert [pool.signal_name(code) for code in (0, 3, -11, -40, None)] == [
        *(None, None, 'SIGSEGV', 'signal 40', None)
    ]


@pytest.mark.parametrize(
    ('code', 'place'),
    [
        # no other thread of the interpreter can run
        ("print('here')\nctypes.PyDLL(None).sleep(600)", 'in <module>\n'),
        ("signal.signal(signal.SIGABRT, signal.SIG_IGN)\nprint('here')\nthreading.Event().wait()", None),
    ],
)
def test_a_run_that_hangs_says_where(two_workers, clock, code, place):
    two_workers.run('')  # a worker is ready: the time of the next run begins at once
    hanging = Task('hanging', 'measure_curve', (code,), {'seed': 1, 'lrs': [0.1], 'batch_sizes': [4]})
    two_workers.executor.submit(0, hanging)
    two_workers.heard.wait_for(hanging, 'here\n')
    clock.ahead += LONG
    [(_, outcome)] = two_workers.executor.wait()
    error = outcome.error
    assert (error.kind, error.signal) == ('TimedOut', None)
    assert '120 seconds' in error.message
    assert error.output.startswith('here\n')
    if place is None:
        assert error.output == 'here\n'
    else:
        current = error.output[error.output.index('Current thread') :]
        assert place in current.split('model')[0]
        assert ' in model\n' in current


MISCHIEF = [
    'os.close(1); os.close(2)',
    'sys.stdout.close(); sys.stderr.close()',
    'sys.stdout.detach()',
    'sys.stdout = None; sys.stderr = None',
    'sys.stdout = object()',
    "os.dup2(os.open(os.devnull, os.O_WRONLY), 1); sys.stderr = open(os.devnull, 'w')",
    'os.closerange(1, 3)',
]


@pytest.mark.parametrize('code', MISCHIEF)
def test_a_run_that_meddles_with_its_streams_meddles_with_no_other(worker, code):
    pid, also = "print(os.getpid(), 'out')", "print('err', file=sys.stderr)"
    [before] = worker.printed_by(f'{pid}\n{also}')
    [(task, outcome)] = worker.run(f"print('before')\n{code}")
    assert outcome.error is None
    [after] = worker.printed_by(f'{pid}\n{also}')
    assert before == after == f'{before.split()[0]} out\nerr\n'
    worker.heard.wait_for(task, 'before\n')


def test_a_run_may_print_more_than_the_pipe_holds_after_one_that_made_it_non_blocking(worker):
    worker.run('os.set_blocking(2, False)')
    [text] = worker.printed_by("print('x' * 7 + '\\n', end='')\nprint('y' * 500_000)")
    assert text.count('y') == 500_000


@pytest.mark.parametrize(
    'code',
    [
        'sys.stdout.reconfigure(line_buffering=False)',
        "kept = sys.stdout = os.fdopen(os.dup(1), 'w')",
    ],
)
def test_what_a_stream_still_holds_belongs_to_the_run_that_printed_it(worker, code):
    [(one, _)] = worker.run(f"{code}\nprint('of the first')\nos.close(1)")
    [second] = worker.printed_by("print('of the second')")
    assert worker.heard.of(one) == 'of the first\n'
    assert second == 'of the second\n'


def test_every_point_warns_once_and_every_failed_run_has_its_warnings(worker):
    code = """
for _ in range(3):
    with warnings.catch_warnings():
        warnings.warn('mind this')
"""
    [(one, first), (other, second)] = worker.run(code + 'raise KeyError(1)', code + 'raise KeyError(2)')
    [(again, third)] = worker.run(code + 'raise KeyError(1)')
    for outcome in first, second, third:
        assert outcome.error.output.count('UserWarning: mind this') == 1
    assert [worker.heard.of(task).count('mind this') for task in (one, other, again)] == [1, 1, 0]


def test_filters_for_warnings_are_undone_after_a_run(worker):
    worker.run("warnings.simplefilter('ignore')\nwarnings.showwarning = None")
    [text] = worker.printed_by("warnings.warn('filtered by no one')")
    assert 'filtered by no one' in text


def test_a_warning_of_any_length_can_be_passed_on(worker):
    [text] = worker.printed_by("warnings.warn('\xe4' * 10_000)")
    assert text.count('\xe4') > 100 and text.endswith('...\n')


def test_a_listener_that_fails_does_not_stop_a_run(worker):
    worker.heard.raising = OSError('disk full')
    try:
        [(_, outcome)] = worker.run("print(('x' * 99 + '\\n') * 5000)")
        error = worker.failure("print('still read')\nraise KeyError")
    finally:
        worker.heard.raising = None
    assert outcome.error is None
    assert error.output == 'still read\n'


def reader_is_joined(monkeypatch):
    """Returns an event that is set when the executor waits for a reader."""
    joined, join = threading.Event(), WorkerOutput.join
    monkeypatch.setattr(WorkerOutput, 'join', lambda *args: joined.set() or join(*args))
    return joined


def test_all_is_passed_on_before_close_returns_and_nothing_after(spec, monkeypatch):
    before = set(threading.enumerate())
    with opened(spec, 1) as workers:
        workers.heard.waiting_for = reader_is_joined(monkeypatch)
        [(task, _)] = workers.run("for i in range(2000): print(i)\nprint('the end')")
        workers.executor.close()
        assert workers.heard.of(task).endswith('1999\nthe end\n')
        assert set(threading.enumerate()) <= before


def test_an_error_of_the_listener_reaches_the_caller(spec):
    with opened(spec, 1) as workers:
        workers.heard.raising = KeyError('a bug in the listener')
        with pytest.raises(KeyError, match='a bug in the listener'):
            workers.run('', '')
