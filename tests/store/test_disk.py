"""Real disks that are full or read-only: what was finished is kept, and once there is room it goes on."""

import os
import shutil
import subprocess
import sys

import pytest

pytestmark = pytest.mark.slow

# Saves trials in a folder, as many as there is room for; then says what is there.
SAVE = r"""
import io, resource, sys, warnings
import numpy as np
from sweeper.errors import FolderError
from sweeper.store.manifest import Manifest
from sweeper.results import TrialRecord, TrialResult, Tuned
from sweeper.store.store import Store
warnings.simplefilter('error')
folder, most = sys.argv[1:]
if most != 'unlimited':
    resource.setrlimit(resource.RLIMIT_FSIZE, (int(most), int(most)))
buffer = io.BytesIO()
np.savez(buffer, np.arange(2000.0))
model = buffer.getvalue()
record = TrialRecord(TrialResult(1, 2, 0.5, False, 1.0, 0.0, 1.0, 0.0), model, model, {})
try:
    with Store.opened(folder, Manifest('problem', None, {}, 1, 0, 9)) as store:
        store.add_points([(1,)])
        if store.records.tuned((1,)) is None:
            store.write_tuned((1,), Tuned(0.1, 0.2, 8, 1, 2))
        for index in range(12):
            if index not in store.records.trials((1,)):
                store.write_trial((1,), index, record)
    with Store.opened(folder) as store:
        store.rebuild()
    print('done')
except FolderError as error:
    print('refused:', error)
found = Store.read(folder)
print(*(len(result.perf_val) for result in found.results()), 'trials')
"""


def run(*command):
    return subprocess.run(command, capture_output=True, text=True, timeout=120)


def save(folder, most='unlimited'):
    done = run(sys.executable, '-c', SAVE, str(folder), str(most))
    assert done.returncode == 0, done.stderr
    return done.stdout.splitlines()


@pytest.fixture(scope='module')
def expected(example, tmp_path_factory):
    folder = tmp_path_factory.mktemp('expected') / 'sweep'
    assert save(folder) == ['done', '12 trials']
    return example.tree(folder)


def test_where_files_cannot_grow_it_stops_and_goes_on_when_they_can(example, folder, expected):
    told, count = save(folder, most=10_000)
    assert told.startswith('refused: cannot write') and 'File too large' in told
    assert 'model_init.pt' in told and 'run the same again' in told
    assert count == '0 trials'
    assert save(folder) == ['done', '12 trials']
    assert example.tree(folder) == expected


@pytest.fixture
def mounted(tmp_path):
    """A small disk; changed by `mounted(options)`."""
    disk = tmp_path / 'disk'
    disk.mkdir()

    def mount(options):
        return run('mount', '-t', 'tmpfs', '-o', options, 'none', str(disk))

    if not shutil.which('mount') or mount('size=200k').returncode != 0:
        pytest.skip('this system lets us mount nothing')

    def remount(options):
        done = mount(f'remount,{options}')
        assert done.returncode == 0, done.stderr

    remount.folder = disk / 'sweep'
    yield remount
    run('umount', '-l', str(disk))


def test_on_a_full_disk_it_stops_keeps_what_is_finished_and_goes_on(example, mounted, expected):
    folder = mounted.folder
    told, count = save(folder)
    assert told.startswith('refused: cannot write') and 'No space left on device' in told
    finished = int(count.split()[0])
    assert 0 < finished < 12
    results = {path: path.stat().st_mtime_ns for path in folder.rglob('result.json')}
    assert save(folder)[0].startswith('refused: ')  # and again, before there is room
    mounted('size=2m')
    assert save(folder) == ['done', '12 trials']
    assert example.tree(folder) == expected
    assert {path: path.stat().st_mtime_ns for path in results} == results  # nothing is done twice


def test_a_disk_that_is_read_only_can_be_read_and_is_an_error_to_write_on(mounted):
    mounted('size=2m')
    assert save(mounted.folder) == ['done', '12 trials']
    mounted('ro')
    told, count = save(mounted.folder)
    assert told.startswith(f'refused: cannot write in the folder {mounted.folder}')
    assert 'Read-only file system' in told
    assert count == '12 trials'
    new = run(sys.executable, '-c', SAVE, str(mounted.folder.parent / 'new'), 'unlimited')
    assert new.stdout.startswith('refused: cannot write in the folder')


@pytest.mark.skipif(os.geteuid() == 0, reason='root may write anywhere')
def test_a_folder_without_permission_to_write_can_be_read(folder):
    save(folder)
    for path in (folder, *folder.rglob('*')):
        path.chmod(0o555 if path.is_dir() else 0o444)
    try:
        told, count = save(folder)
    finally:
        for path in (folder, *folder.rglob('*')):
            path.chmod(0o755)
    assert told.startswith('refused: cannot write in the folder') and 'Permission denied' in told
    assert count == '12 trials'


@pytest.mark.parametrize('folder', ['/proc/sweep', '/dev/null/sweep', '/dev/null'])
def test_where_there_can_be_no_folder_is_an_error_that_says_so(folder):
    done = run(sys.executable, '-c', SAVE, folder, 'unlimited')
    assert done.stdout.startswith(f'refused: cannot write in the folder {folder}')
