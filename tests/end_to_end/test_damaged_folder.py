"""Anything may happen to any file of a finished sweep: the same command brings back what was there."""

import os
import random
import shutil
import signal
import tempfile
import warnings
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from typer.testing import CliRunner

from sweeper import FixedSweep, cli
from sweeper.errors import DamagedFileWarning, FolderError, PointFailedWarning

from ..crash.compare import differences

pytestmark = pytest.mark.slow

BREAKS = """
def model(width):
    if width == 9:
        raise ValueError('nine is too many')
    return torch.nn.Linear(4, width)
"""
POINTS = [((2,), 2), ((9,), 1), ((4,), 1)]
KINDS = [
    'sweep.json', 'copies/sweep.json', 'copies/params.csv', 'log.txt',
    'points/params.csv', 'points/params_lookup.pt', 'points/funcres.pt', 'points/results.csv',
    'points/0/results.npz', 'points/0/hparams/final.json', 'points/0/hparams/misc.json',
    'points/0/hparams/lr_vs_perf.npz', 'points/0/hparams/candidates.npz',
    'points/0/trials/1/result.json', 'points/0/trials/1/model.pt', 'points/0/trials/1/model_init.pt',
    'points/0/trials/1/throughtime.npz', 'points/1/error.json',
]  # fmt: skip


def flip(path, rng):
    content = bytearray(path.read_bytes())
    content[rng.randrange(len(content))] ^= rng.randrange(1, 256)
    path.write_bytes(content)


def cut(path, rng):
    os.truncate(path, rng.randrange(path.stat().st_size))


def garble(path, rng):
    path.write_bytes(rng.randbytes(path.stat().st_size))


def remove(path, _):
    path.unlink()


def put_folder(path, _):
    path.unlink()
    (path / 'inner').mkdir(parents=True)
    (path / 'inner' / path.name).write_text('{}')


def put_pipe(path, _):
    path.unlink()
    os.mkfifo(path)


def put_link(path, _):
    path.unlink()
    path.symlink_to(outside(path))


def put_dangling_link(path, _):
    path.unlink()
    path.symlink_to(path.parent / 'nowhere')


def outside(path):
    """A file that belongs to somebody else, beside all sweeps."""
    root = next(parent for parent in path.parents if (parent / 'mine').exists())
    return root / 'mine'


MAY_BE_DELETED = ('.npz', '.pt')  # to save space: a summary is made anew, weights and curves are not missed
DAMAGES = [flip, cut, garble, remove, put_folder, put_pipe, put_link, put_dangling_link]


@contextmanager
def ends(seconds=60):
    """What waits for a pipe without end fails."""

    def give_up(*_):
        raise AssertionError(f'not done after {seconds} s')

    before = signal.signal(signal.SIGALRM, give_up)
    signal.alarm(seconds)
    try:
        yield
    finally:
        signal.alarm(0)
        signal.signal(signal.SIGALRM, before)


@pytest.fixture(scope='session')
def place():
    with tempfile.TemporaryDirectory(dir='/dev/shm' if os.access('/dev/shm', os.W_OK) else None) as folder:
        (Path(folder) / 'mine').write_text('not of the sweep')
        yield Path(folder)


@pytest.fixture(scope='session')
def run(problem_file, sweep_inline, place):
    """Runs the sweep in a folder; returns the warnings that it gives."""
    problem = problem_file(place, model=BREAKS)

    def run(folder):
        with warnings.catch_warnings(record=True) as given:
            warnings.simplefilter('always')
            sweep_inline(problem.path, FixedSweep(POINTS), folder)
        return [one for one in given if not issubclass(one.category, PointFailedWarning)]

    return run


@pytest.fixture(scope='session')
def whole(run, place):
    run(place / 'whole')
    run(place / 'whole')  # which a third time changes nothing
    return place / 'whole'


def test_every_kind_of_file_is_among_those_that_are_damaged(whole):
    def kind(name):
        return name.replace('/2/', '/0/').replace('/trials/0/', '/trials/1/')

    names = [path.relative_to(whole).as_posix() for path in whole.rglob('*') if path.is_file()]
    assert {kind(name) for name in names if not name.endswith('log.txt')} <= set(KINDS)


@pytest.mark.parametrize('name', KINDS)
@settings(max_examples=5, deadline=None)
@given(damage=st.sampled_from(DAMAGES), seed=st.integers(0, 2**32))
def test_whatever_happens_to_a_file_its_results_come_back(whole, place, run, name, damage, seed):
    folder = Path(tempfile.mkdtemp(dir=place)) / 'sweep'
    shutil.copytree(whole, folder)
    path = folder / name
    if not path.exists():
        path.write_text('a log\n')
    damage(path, random.Random(seed))
    with ends():
        look_at(folder)
        given = run(folder)
    assert all(issubclass(one.category, DamagedFileWarning) for one in given), [
        str(one.message) for one in given
    ]
    deleted = {name} if damage is remove and name.endswith(MAY_BE_DELETED) else set()
    assert set(differences(folder, whole)) <= deleted
    assert (place / 'mine').read_text() == 'not of the sweep'
    with ends():
        assert run(folder) == []
    shutil.rmtree(folder.parent)


@settings(max_examples=15, deadline=None)
@given(
    names=st.lists(st.sampled_from(KINDS), min_size=2, max_size=5, unique=True),
    damages=st.lists(st.sampled_from(DAMAGES), min_size=5, max_size=5),
    seed=st.integers(0, 2**32),
)
@example(
    names=['points/params.csv', 'copies/params.csv', 'points/0/hparams/misc.json'], damages=[flip] * 5, seed=0
)
@example(
    names=[
        'points/params.csv', 'copies/params.csv', 'points/0/hparams/final.json',
        'points/0/hparams/candidates.npz',
    ],
    damages=[flip, flip, remove, put_pipe, flip],
    seed=0,
)  # fmt: skip
def test_whatever_happens_to_several_files_their_results_come_back(whole, place, run, names, damages, seed):
    folder, rng = Path(tempfile.mkdtemp(dir=place)) / 'sweep', random.Random(seed)
    shutil.copytree(whole, folder)
    for name, damage in zip(names, damages, strict=False):
        if (folder / name).exists():
            damage(folder / name, rng)
    with ends():
        look_at(folder)
        if {'sweep.json', 'copies/sweep.json'} <= set(names):
            with pytest.raises(FolderError, match=r'sweep\.json|holds no sweep'):
                run(folder)
        elif tell_the_points(
            names
        ):  # then nothing does any more: it may be refused, or another point be seen
            with suppress(FolderError):
                run(folder)
        else:
            run(folder)
            pairs = zip(names, damages, strict=False)
            deleted = {name for name, damage in pairs if damage is remove and name.endswith(MAY_BE_DELETED)}
            assert set(differences(folder, whole)) <= deleted
    shutil.rmtree(folder.parent)


def tell_the_points(names):
    """Whether some files are all that tell of a point which one it is."""
    lists = {'points/params.csv', 'copies/params.csv'}
    return lists <= set(names) and any(name.endswith(('misc.json', 'error.json')) for name in names)


def look_at(folder):
    """Looks with every command that only reads: it says what is wrong, and no more goes wrong."""
    reports = (['report', folder, '--format', one] for one in ('csv', 'md', 'json'))
    for command in (['status', folder], *reports):
        result = CliRunner().invoke(cli.app, [*map(str, command)])
        assert result.exit_code in (0, cli.WRONG_INPUT, cli.ENDED_EARLY), result.output
        assert result.exception is None or isinstance(result.exception, SystemExit), result.output
