"""A sweep on several nodes gives what one machine gives, to the byte, and leaves the cluster as it was."""

import subprocess
import sys
import warnings
from collections import Counter

import psutil
import pytest
import ray

from sweeper import FixedSweep, LocalExecutor, RayExecutor, load, sweep

from .compare import differences
from .conftest import MODEL

pytestmark = pytest.mark.slow

WIDTHS = (3, 0, 5, 1, 4)  # of which 0 raises, and 1 kills its process
STEPS = ('auto', 'lanes')


@pytest.fixture(scope='module')
def problem(tmp_path_factory, problem_file):
    return problem_file(tmp_path_factory.mktemp('problem'), model=MODEL)


@pytest.fixture(scope='module')
def run(problem, tiny):
    """Runs the sweep in a folder."""

    def run(folder, executor, step='auto'):
        selector = FixedSweep.with_fixed_trials([(width,) for width in WIDTHS], 3)
        with warnings.catch_warnings():
            warnings.simplefilter('ignore')
            return sweep(
                problem.path, selector, 2, tiny, folder, executor=executor, progress='none', step=step
            )

    return run


@pytest.fixture(scope='module')
def references(run, tmp_path_factory):
    """Folders of the sweep on one machine, by the kind of its steps."""
    folders = {step: tmp_path_factory.mktemp('local') / 'out' for step in STEPS}
    for step, folder in folders.items():
        run(folder, LocalExecutor(2), step)
    return folders


@pytest.fixture(scope='module')
def swept(run, nodes, problem, tmp_path_factory):
    """The same on the cluster; and which nodes had a part in it."""
    folders, calls = {step: tmp_path_factory.mktemp('ray') / 'out' for step in STEPS}, len(problem.calls)
    results = {step: run(folder, RayExecutor(nodes.address), step) for step, folder in folders.items()}
    places = {int(call.split(' on ')[1]) for call in problem.calls[calls:]}
    return folders, results, places


@pytest.mark.parametrize('step', STEPS)
def test_the_folder_is_that_of_one_machine(step, swept, references):
    folders, results, _ = swept
    assert differences(folders[step], references[step]) == []
    assert [result.params for result in results[step]] == [(3,), (5,), (4,)]
    errors = dict(results[step].failures)
    assert [errors[0,].kind, errors[1,].kind] == ['ValueError', 'WorkerDied']
    assert 'in model' in errors[0,].traceback and errors[1,].signal == 'SIGKILL'


def test_all_nodes_have_worked_and_no_other(swept, nodes):
    assert swept[2] == set(nodes.working)


def test_what_runs_print_on_their_nodes_is_in_their_points_log(swept, capfd):
    folder = swept[0]['auto']
    lines = (folder / 'points' / '0' / 'log.txt').read_text().splitlines()
    for name in ('lr_vs_perf 0', 'trial 0', 'trial 1', 'trial 2'):
        assert any(line.endswith(f' {name} | a model of width 3') for line in lines), lines
    assert not any('of width 5' in line for line in lines)
    assert 'a model' not in capfd.readouterr().err


def test_a_sweep_that_is_done_trains_nothing_more_on_any_executor(swept, run, nodes, problem):
    folders, results, _ = swept
    before = len(problem.calls)
    for executor in (RayExecutor(nodes.address), LocalExecutor(2)):
        assert str(run(folders['auto'], executor)) == str(results['auto'])
    assert len(problem.calls) == before


def test_a_session_that_is_there_is_used_and_left_as_it_was(nodes, run, references, tmp_path):
    ray.init(nodes.address, log_to_driver=False, logging_level='error', namespace='mine')
    try:
        fruits = ray.remote(num_cpus=0)(Counter).options(name='fruits').remote(['apple'])
        assert ray.get(fruits.total.remote()) == 1
        run(tmp_path / 'out', RayExecutor())
        assert differences(tmp_path / 'out', references['auto']) == []
        assert ray.is_initialized() and ray.get_runtime_context().namespace == 'mine'
        assert ray.get(ray.get_actor('fruits').total.remote()) == 1
        # All that there was is free again, or will be at once.
        everything = ray.remote(num_cpus=2)(lambda: 'free')
        assert ray.get(everything.remote(), timeout=60) == 'free'
    finally:
        ray.shutdown()


def command(problem, out, *options):
    widths = ','.join(map(str, WIDTHS))
    return [
        sys.executable, '-m', 'sweeper', 'run', problem.path, '--grid', f'width={widths}', '--trials', '3',
        '--sweep-cores', '2', '--preset', 'fastest', '--setting', 'trial_samples=2000', '--out', out,
        '--progress', 'none', *options,
    ]  # fmt: skip


@pytest.fixture(scope='module')
def by_command(problem, tmp_path_factory):
    """The folder of a sweep by the command, on this machine."""
    folder = tmp_path_factory.mktemp('command')
    done = subprocess.run(command(problem, folder / 'out', '--cores', '2'), capture_output=True, text=True)
    assert done.returncode == 1, done.stderr  # some points failed
    return folder / 'out'


@pytest.mark.parametrize(
    'way',
    [
        'of its own',
        pytest.param('by address', marks=pytest.mark.long),
        pytest.param('as a client', marks=pytest.mark.long),
    ],
)
def test_the_command_gives_the_same_on_a_cluster(way, by_command, problem, nodes, tmp_path):
    address = {'of its own': None, 'by address': nodes.address, 'as a client': nodes.client_address}[way]
    options = ['--cores', '2'] if address is None else ['--address', address]
    process = psutil.Popen(
        command(problem, tmp_path / 'out', '--executor', 'ray', *options),
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
    )  # fmt: skip
    printed, complaints = process.communicate(timeout=120)
    assert process.returncode == 1, complaints
    assert differences(tmp_path / 'out', by_command) == []
    assert 'ray' not in (printed + complaints).lower(), 'Ray is quiet'
    assert len(load(tmp_path / 'out')) == 3
