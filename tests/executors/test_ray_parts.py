"""Parts of the executor on Ray that need no cluster."""

import subprocess
import sys
from types import SimpleNamespace

import pytest

from sweeper import InvalidArgument, RayExecutor, SweepError, WorkerSpec
from sweeper.executors.base import Outcome, Task
from sweeper.executors.ray.messages import LARGE, OpenedByWorker, PackedTask, Reply, Report, SealedTask
from sweeper.executors.ray.printing import PrintedInOrder
from sweeper.executors.ray.session import RaySession
from sweeper.executors.ray.shipping import fingerprint_here, pack, unpack
from sweeper.executors.ray.versions import check_same, versions
from sweeper.frozen import NamedPoint
from sweeper.problem.reference import find_problem

LOAD = """
import pickle, sys
from sweeper.executors.ray.shipping import fingerprint_here, unpack
from sweeper.problem.reference import load_module

package = pickle.load(open(sys.argv[1], 'rb'))
reference, made = unpack(package)
module = load_module(reference, in_worker=True)
print(module.SIZE, module.__file__, made, fingerprint_here(reference) == package.fingerprint)
"""


@pytest.fixture
def written(tmp_path, monkeypatch):
    """Writes the files of a problem in a folder that this process imports from."""

    def write(**files):
        folder = tmp_path / 'sources'
        for name, text in files.items():
            path = folder / (name.replace('__in__', '/') + '.py')
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text)
        monkeypatch.syspath_prepend(str(folder))
        return folder

    return write


def loaded_elsewhere(package, folder, tmp_path):
    """What a process finds that gets the package when the folder is no more there."""
    import pickle

    (tmp_path / 'package').write_bytes(pickle.dumps(package))
    folder.rename(tmp_path / 'away')
    done = subprocess.run(
        [sys.executable, '-c', LOAD, str(tmp_path / 'package')], capture_output=True, text=True, check=True
    )
    return done.stdout.split()


@pytest.mark.slow
def test_a_file_is_sent_with_the_local_modules_that_it_leads_to(written, tmp_path):
    folder = written(
        problem_sent='from sizes_sent import SIZE\nmodel = dataset = None\n',
        sizes_sent='SIZE = 42\n',
        other='X = 1\n',
    )
    package = pack(find_problem(folder / 'problem_sent.py'), False)
    assert [name for name, _ in package.files] == ['problem_sent.py', 'sizes_sent.py']
    size, file, made, same = loaded_elsewhere(package, folder, tmp_path)
    assert (size, file, same) == ('42', f'{made}/problem_sent.py', 'True')


@pytest.mark.slow
def test_a_module_is_sent_with_its_package(written, tmp_path):
    folder = written(
        pack_sent__in____init__='SIZE = 7\n',
        pack_sent__in__inner__in____init__='',
        pack_sent__in__inner__in__problem='from .. import SIZE\nmodel = None\n',
    )
    package = pack(find_problem('pack_sent.inner.problem'), False)
    assert [name for name, _ in package.files] == [
        'pack_sent/__init__.py', 'pack_sent/inner/__init__.py', 'pack_sent/inner/problem.py',
    ]  # fmt: skip
    size, file, made, same = loaded_elsewhere(package, folder, tmp_path)
    assert (size, file, same) == ('7', f'{made}/pack_sent/inner/problem.py', 'True')


def test_what_is_at_the_same_place_is_used_there(written):
    folder = written(problem_here='SIZE = 3\n')
    reference = find_problem(folder / 'problem_here.py')
    assert unpack(pack(reference, False)) == (reference, None)


def test_what_is_installed_is_not_sent_but_compared(written):
    folder = written(problem_installed='def model():\n    return 3\n')
    reference = find_problem(folder / 'problem_installed.py')
    package = pack(reference, True)
    assert not package.files and package.fingerprint == fingerprint_here(reference) is not None
    (folder / 'problem_installed.py').write_text('def model():\n    return 4\n')
    assert fingerprint_here(reference) != package.fingerprint


def test_a_problem_whose_source_is_not_known_is_left_to_the_worker_that_loads_it():
    package = pack(find_problem('no_such_module_anywhere'), False)
    assert (package.files, package.fingerprint) == ((), None)
    assert fingerprint_here(package.reference) is None


def report(fingerprint='abc', **others):
    return Report('id', 'far (10.0.0.7)', {**versions(), **others}, fingerprint)


def test_a_node_like_this_one_is_accepted():
    check_same(report(), versions(), 'abc')
    check_same(report(None), versions(), None)


@pytest.mark.parametrize('name', ['python', 'sweeper', 'torch', 'numpy', 'ray'])
def test_a_node_with_another_version_is_named_with_both(name):
    here = versions()[name]
    with pytest.raises(SweepError, match=rf'far \(10.0.0.7\) has {name} 0.1, this process {here}'):
        check_same(report(**{name: '0.1'}), versions(), 'abc')


@pytest.mark.parametrize(('fingerprint', 'words'), [('xyz', 'has xyz'), (None, 'does not have it')])
def test_a_node_with_another_problem_is_named(fingerprint, words):
    with pytest.raises(SweepError, match=rf'far \(10.0.0.7\).* abc: the node {words}'):
        check_same(report(fingerprint), versions(), 'abc')


def test_pieces_are_passed_on_in_the_order_in_which_they_were_printed():
    passed_on = []
    tasks = [Task(name, 'packed', (), {}) for name in ('first', 'second')]
    printed = PrintedInOrder(lambda task, text: passed_on.append((task and task.name, text)))
    for key, task in enumerate(tasks):
        printed.expect(key, task)
    printed.take((1, [(1, 'c'), (None, 'd')]))
    assert passed_on == []
    printed.take((0, [(0, 'a'), (0, 'b')]))
    assert passed_on == [('first', 'a'), ('first', 'b'), ('second', 'c'), (None, 'd')]
    printed.take((4, [(1, 'f')]))
    printed.take((3, [(1, 'e')]))
    printed.take_end()  # piece 2 was lost with its node
    assert passed_on[4:] == [('second', 'e'), ('second', 'f')]


def test_an_agent_can_pass_a_task_on_that_it_cannot_open():
    import pickle

    task = Task('trial 3', 'train_trial', NamedPoint(width=3), {'seed': 5})
    sealed = pickle.loads(pickle.dumps(SealedTask.of(task, '/shared')))
    assert (sealed.name, sealed.point) == ('trial 3', 'width=3')
    opened = pickle.loads(pickle.dumps(OpenedByWorker(7, sealed)))
    assert (opened.name, opened.point, opened.folder) == (task.name, task.point, '/shared')
    assert (opened.function, opened.arguments) == ('train_trial', {'seed': 5})


def test_a_large_value_comes_by_a_file_and_leaves_none(tmp_path):
    for value, files in (('small', 0), ('x' * LARGE, 1)):
        packed = PackedTask('run', 'train_trial', (), {}, folder=str(tmp_path)).packed(value)
        assert len(list(tmp_path.iterdir())) == files
        assert Reply(Outcome(packed), (0, [])).opened() == Outcome(value)
        assert not list(tmp_path.iterdir())
    assert isinstance(PackedTask('run', 'train_trial', (), {}).packed('x' * LARGE), bytes)


@pytest.mark.parametrize(
    ('options', 'message'),
    [
        ({'address': ''}, r"address='': must be 'auto', 'host:port' or 'ray://host:10001', or None"),
        ({'address': 10001}, 'address=10001: must be'),
        ({'cpus': 0}, 'cpus=0: must be an integer of at least 1'),
        ({'cpus_per_run': 0.5}, 'cpus_per_run=0.5: must be an integer of at least 1'),
        ({'gpus_per_run': 1.5}, 'gpus_per_run=1.5: must be 0, a fraction'),
        ({'memory': 'much'}, "memory='much': must be"),
        ({'problem': 'there'}, "problem='there': valid are 'sent', 'installed'"),
        ({'timeout': 0}, 'timeout=0: must be'),
        ({'checkpoint_seconds': -1}, 'checkpoint_seconds=-1: must be'),
        ({'patience': -1}, 'patience=-1: must be'),
    ],
    ids=str,
)
def test_options_are_checked_when_it_is_made(options, message):
    with pytest.raises(InvalidArgument, match=f'^{message}'):
        RayExecutor(**options)


@pytest.mark.parametrize('address', ['127.0.0.1:9', 'ray://127.0.0.1:9', 'localhost:9'])
def test_an_address_where_nothing_listens_is_an_error_at_once(address):
    with pytest.raises(SweepError, match=f'cannot connect to Ray at {address}: .*refused'):
        RaySession(address, 1, {}, {})


@pytest.mark.parametrize('device', ['cuda', 'cuda:1'])
def test_a_gpu_is_had_only_by_runs_that_ask_for_one(device):
    spec = WorkerSpec(find_problem('json'), 0, device)
    with pytest.raises(InvalidArgument, match=f"device='{device}'.* gpus_per_run"):
        RayExecutor().start(spec)


@pytest.mark.parametrize(
    ('gpus', 'device', 'own'), [(0, 'auto', 'cpu'), (0.5, 'auto', 'cuda'), (1, 'cpu', 'cpu')]
)
def test_runs_use_a_gpu_exactly_if_they_were_given_one(gpus, device, own):
    executor = RayExecutor(gpus_per_run=gpus)
    assert executor._on_its_device(WorkerSpec(find_problem('json'), 0, device)).device == own


def test_trials_keep_their_state_only_where_nodes_see_the_folder(tmp_path):
    def kept(shared, folder, is_own=False):
        executor = RayExecutor(shared_folder=shared)
        executor._session = SimpleNamespace(is_own=is_own)
        task = Task('trial 0', 'train_trial', (), {'seed': 1, 'checkpoints': {'folder': str(folder)}})
        return executor._without_far_folder(task).arguments['checkpoints'] is not None

    assert kept(tmp_path, tmp_path / 'out/points/0/checkpoints')
    assert kept(None, tmp_path, is_own=True)
    assert not kept(None, tmp_path)
    assert not kept(tmp_path / 'shared', tmp_path / 'out')
