"""Nodes that are lost and processes that are killed cost only what ran there; the folder is the same."""

import os
import pty
import select
import signal
import subprocess
import sys
import threading
from contextlib import ExitStack, closing
from typing import NamedTuple

import psutil
import pytest

from sweeper import FixedSweep, LocalExecutor, RayExecutor, sweep

from .compare import differences
from .conftest import MODEL

pytestmark = [pytest.mark.slow, pytest.mark.long]

WIDTHS = (3, 9, 4, 5, 6)  # the first is also that of the dry run, and never holds
LONG = 120  # seconds, for what should take a few


class HeldRun(NamedTuple):
    """A run that holds: its width, and where it is."""

    width: int
    node: int
    pid: int


class HoldingProblem:
    """A problem whose runs hold, of those widths that are to; `held` says which do.

    Args:
        problem: Its file, with `MODEL`.
        widths: Those that are to hold, once each.
    """

    def __init__(self, problem, widths):
        self.path, self._folder = problem.path, problem.path.parent
        self._count = lambda: calls_of(problem)
        self._before = self._count()
        for width in widths:
            self._hold(width).touch()
        for name in ('held', 'go'):
            os.mkfifo(self._folder / name)
        self._reading = os.open(self._folder / 'held', os.O_RDWR)
        self._open = [self._reading]

    def held(self, count=1):
        """Waits until so many runs hold; returns them. Others of their widths will not."""
        words = []
        while len(words) < 3 * count:
            assert select.select([self._reading], [], [], LONG)[0], f'only {words} hold'
            words += os.read(self._reading, 1000).decode().split()
        runs = [HeldRun(*map(int, words[start : start + 3])) for start in range(0, len(words), 3)]
        for run in runs:
            self._hold(run.width).unlink(missing_ok=True)
        return runs

    def let_go(self):
        """Lets all go that hold, and those that will."""
        self._open.append(os.open(self._folder / 'go', os.O_RDWR))

    def calls(self):
        """How often each width was run since then."""
        return {width: count - self._before[width] for width, count in self._count().items()}

    def close(self):
        for descriptor in self._open:
            os.close(descriptor)
        for path in [*self._folder.glob('hold *'), self._folder / 'held', self._folder / 'go']:
            path.unlink()

    def _hold(self, width):
        return self._folder / f'hold {width}'


def calls_of(problem):
    """How often each width was run; without the first, of which each start has a dry run."""
    widths = [int(call.split(' on ')[0]) for call in problem.calls]
    return {width: widths.count(width) for width in WIDTHS[1:]}


@pytest.fixture(scope='module')
def problem(tmp_path_factory, problem_file):
    return problem_file(tmp_path_factory.mktemp('problem'), model=MODEL)


@pytest.fixture
def holding(problem):
    """Says which widths are to hold."""
    with ExitStack() as stack:
        yield lambda *widths: stack.enter_context(closing(HoldingProblem(problem, widths)))


@pytest.fixture(scope='module')
def swept(tiny):
    def run(path, folder, executor):
        selector = FixedSweep.with_fixed_trials([(width,) for width in WIDTHS], 2)
        return sweep(path, selector, 1, tiny, folder, executor=executor, progress='none')

    return run


@pytest.fixture(scope='module')
def reference(tmp_path_factory, problem, swept):
    """The folder of the sweep on one machine, and how often it ran each point."""
    folder = tmp_path_factory.mktemp('reference') / 'out'
    swept(problem.path, folder, LocalExecutor(2))
    return folder, calls_of(problem)


@pytest.fixture
def run(swept, tmp_path):
    """Runs the sweep on the cluster, and something else meanwhile; returns its folder."""

    def run(problem, executor, meanwhile):
        troubles = []

        def watched():
            try:
                meanwhile()
            except BaseException as error:
                troubles.append(error)
                problem.let_go()

        thread = threading.Thread(target=watched)
        thread.start()
        swept(problem.path, tmp_path / 'out', executor)
        thread.join()
        assert not troubles
        return tmp_path / 'out'

    return run


def check(folder, problem, reference, held, most):
    """The folder is that of one machine; runs that were lost ran again, and no others: `most` in all."""
    assert differences(folder, reference[0]) == []
    again = {width: count - reference[1][width] for width, count in problem.calls().items()}
    assert all(count >= 0 for count in again.values())
    assert all(again[run.width] >= 1 for run in held)
    assert sum(again.values()) <= most


def test_a_node_that_comes_is_used(nodes, holding, run, reference):
    problem = holding(*WIDTHS[1:])

    def grow():
        slots = sum(nodes.cpus.values())
        assert slots == len(WIDTHS) - 2
        assert {held.node for held in problem.held(slots)} == set(nodes.working)
        new = nodes.add(1)
        assert [held.node for held in problem.held()] == [new]
        problem.let_go()

    check(run(problem, RayExecutor(nodes.address), grow), problem, reference, [], 0)


def test_the_runs_of_a_node_that_is_killed_go_to_the_others(nodes, holding, run, reference):
    problem, lost = holding(9), []

    def kill():
        lost.extend(problem.held())
        cpus = nodes.cpus[lost[0].node]
        nodes.kill(lost[0].node)
        nodes.add(cpus)  # for the tests to come

    folder = run(problem, RayExecutor(nodes.address), kill)
    check(folder, problem, reference, lost, most=max(nodes.cpus.values()))


def test_a_sweep_all_nodes_of_which_are_killed_goes_on_on_those_that_come(nodes, holding, run, reference):
    problem, lost, slots = holding(9), [], sum(nodes.cpus.values())

    def kill():
        lost.extend(problem.held())
        for node in nodes.working:
            nodes.kill(node)
        nodes.add(2)

    check(run(problem, RayExecutor(nodes.client_address), kill), problem, reference, lost, most=slots)


def test_an_agent_that_is_killed_costs_no_attempt(nodes, holding, run, reference):
    problem, lost = holding(9), []

    def kill():
        lost.extend(problem.held())
        agent_of(lost[0]).kill()

    folder = run(problem, RayExecutor(nodes.address, retries=0), kill)
    check(folder, problem, reference, lost, most=max(nodes.cpus.values()))


def agent_of(run):
    """The process of Ray's actor whose worker has the run."""
    return next(parent for parent in psutil.Process(run.pid).parents() if 'ray::' in parent.name())


# The process that sweeps


def command(problem, out, *options):
    return [
        sys.executable, '-m', 'sweeper', 'run', problem.path, '--grid', f'width={",".join(map(str, WIDTHS))}',
        '--trials', '2', '--sweep-cores', '1', '--preset', 'fastest', '--setting', 'trial_samples=500',
        '--out', out, '--progress', 'none', *options,
    ]  # fmt: skip


@pytest.fixture(scope='module')
def by_command(tmp_path_factory, problem):
    """The folder of a sweep by the command, on this machine."""
    folder = tmp_path_factory.mktemp('command') / 'out'
    subprocess.run(command(problem, folder, '--cores', '2'), check=True, stdout=subprocess.DEVNULL)
    return folder


class Terminal:
    """A command at a terminal of its own, where Ctrl-C can be pressed."""

    def __init__(self, command):
        self._master, slave = pty.openpty()
        self.process = psutil.Popen(
            command, stdin=slave, stdout=slave, stderr=slave, start_new_session=True,
            preexec_fn=lambda: os.close(os.open(os.ttyname(0), os.O_RDWR)),  # which makes it the terminal's
        )  # fmt: skip
        os.close(slave)

    def press_ctrl_c(self):
        os.write(self._master, b'\x03')

    def read(self):
        """Returns all that is written, when the process has ended."""
        text = b''
        while True:
            try:
                text += os.read(self._master, 10_000)
            except OSError:  # nobody has it any more
                os.close(self._master)
                return text.decode()


def all_gone(processes):
    _, alive = psutil.wait_procs(processes, timeout=LONG)
    return [one for one in alive if one.is_running() and one.status() != psutil.STATUS_ZOMBIE] == []


def test_a_killed_sweep_leaves_no_process_on_any_node_and_goes_on_elsewhere(
    nodes, holding, by_command, tmp_path
):
    problem, out = holding(9), tmp_path / 'out'
    started = psutil.Popen(command(problem, out, '--executor', 'ray', '--address', nodes.address))
    [held] = problem.held()
    agent = agent_of(held)
    processes = [agent, *agent.children(recursive=True)]
    started.kill()
    started.wait()
    assert held.pid in {process.pid for process in processes} and all_gone(processes)
    before = problem.calls()
    elsewhere = command(problem, out, '--executor', 'ray', '--address', nodes.client_address)
    subprocess.run(elsewhere, check=True, stdout=subprocess.DEVNULL)
    assert differences(out, by_command) == []
    assert before[9] >= 1


@pytest.mark.parametrize('way', ['of its own', 'by address'])
def test_ctrl_c_ends_all_runs_on_the_cluster_and_says_how_to_go_on(way, nodes, holding, by_command, tmp_path):
    problem, out = holding(9), tmp_path / 'out'
    options = ['--cores', '2'] if way == 'of its own' else ['--address', nodes.address]
    arguments = command(problem, out, '--executor', 'ray', *options)
    terminal = Terminal(arguments)
    [held] = problem.held()
    agent = agent_of(held)
    processes = {agent, *agent.children(recursive=True), *terminal.process.children(recursive=True)}
    terminal.press_ctrl_c()
    told = terminal.read()
    assert terminal.process.wait(timeout=LONG) == 128 + signal.SIGINT, told
    assert 'To continue, run the same command again' in told and 'Traceback' not in told
    assert held.pid in {process.pid for process in processes} and all_gone(processes)
    subprocess.run(arguments, check=True, stdout=subprocess.DEVNULL)
    assert differences(out, by_command) == []
