"""A folder holds one sweep, and one process writes in it."""

import dataclasses
import json
import subprocess
import sys
import warnings

import pytest

from sweeper.errors import FolderError
from sweeper.store.layout import SweepLayout
from sweeper.store.manifest import Manifest, claim, is_locked, locked, read_manifest, write_manifest
from sweeper.tuning.settings import get_settings

SETTINGS = vars(get_settings('fast'))
MANIFEST = Manifest(
    'problem', 'fast', SETTINGS, sweep_cores=2, seed=0, train_size=9, named_points=False, source='abc'
)

HOLD = """
import sys
from pathlib import Path
from sweeper.store.manifest import locked
with locked(Path(sys.argv[1])):
    print('held', flush=True)
    sys.stdin.read()
"""


@pytest.fixture
def layout(tmp_path):
    return SweepLayout(tmp_path)


def test_an_empty_folder_is_claimed_and_nothing_is_written(layout):
    assert claim(layout, MANIFEST) is MANIFEST
    assert list(layout.folder.iterdir()) == []


def test_what_an_interrupted_write_left_is_no_stranger(layout):
    (layout.folder / 'sweep.json.partial').touch()
    assert claim(layout, MANIFEST) is MANIFEST


def test_a_manifest_reads_back_equal(layout):
    write_manifest(layout, MANIFEST)
    assert read_manifest(layout) == MANIFEST
    assert claim(layout, MANIFEST) == MANIFEST


def test_the_same_sweep_is_let_in_again_with_what_is_known_of_its_points(layout):
    write_manifest(layout, MANIFEST)
    assert claim(layout, dataclasses.replace(MANIFEST, named_points=None)).named_points is False


def test_other_versions_are_let_in_and_the_first_are_kept(layout):
    write_manifest(layout, MANIFEST)
    asked = dataclasses.replace(MANIFEST, versions={'torch': 'another'})
    assert claim(layout, asked).versions == MANIFEST.versions


@pytest.mark.parametrize(
    ('change', 'named'),
    [
        ({'module': 'other'}, "module: 'problem' there, 'other' asked"),
        ({'seed': 1}, 'seed: 0 there, 1 asked'),
        ({'sweep_cores': 3}, 'sweep_cores: 2 there, 3 asked'),
        ({'format': 2}, 'format: 1 there, 2 asked'),
        ({'preset': None, 'settings': {**SETTINGS, 'lr_end': 5.0}}, 'setting lr_end: 10.0 there, 5.0 asked'),
        ({'preset': None, 'settings': {**SETTINGS, 'new': 5}}, 'setting new: None there, 5 asked'),
    ],
    ids=lambda value: next(iter(value)) if isinstance(value, dict) else '',
)
def test_another_sweep_is_refused_by_what_differs(layout, change, named):
    write_manifest(layout, MANIFEST)
    with pytest.raises(FolderError) as caught:
        claim(layout, dataclasses.replace(MANIFEST, **change))
    assert named in str(caught.value) and str(layout.folder) in str(caught.value)


def test_another_preset_is_refused_by_name(layout):
    write_manifest(layout, MANIFEST)
    slow = dataclasses.replace(MANIFEST, preset='slow', settings=vars(get_settings('slow')))
    with pytest.raises(FolderError, match="'fast' there, 'slow' asked"):
        claim(layout, slow)


def test_a_folder_with_strangers_is_refused_by_their_names(layout):
    (layout.folder / 'thesis.tex').touch()
    with pytest.raises(FolderError, match=r'thesis\.tex'):
        claim(layout, MANIFEST)


def test_a_changed_source_is_let_in_with_a_warning(layout):
    write_manifest(layout, MANIFEST)
    with pytest.warns(UserWarning, match='problem has changed since'):
        claim(layout, dataclasses.replace(MANIFEST, source='def'))
    with warnings.catch_warnings():
        warnings.simplefilter('error')
        claim(layout, MANIFEST)


def test_a_folder_without_a_sweep_cannot_be_read(layout):
    with pytest.raises(FolderError, match=r'holds no sweep: there is no sweep\.json'):
        read_manifest(layout)


@pytest.mark.parametrize('text', ['', '{', '[]', '{"module": "m"}', '{"unknown": 1}', '"text"'])
def test_a_broken_manifest_is_refused(layout, text):
    layout.manifest.write_text(text)
    with pytest.raises(FolderError, match=r'sweep\.json'):
        read_manifest(layout)


def test_the_manifest_is_plain_json_with_versions(layout):
    write_manifest(layout, MANIFEST)
    data = json.loads(layout.manifest.read_text())
    assert {'module', 'preset', 'seed', 'versions', 'settings', 'sweep_cores'} <= data.keys()
    assert {'python', 'sweeper', 'torch', 'numpy'} <= data['versions'].keys()


def test_a_folder_that_cannot_be_made_is_refused(tmp_path):
    (tmp_path / 'file').touch()
    for folder in (tmp_path / 'file', tmp_path / 'file/folder'):
        with pytest.raises(FolderError, match='cannot write in the folder') as caught, locked(folder):
            pass
        assert str(folder) in str(caught.value)


def test_a_folder_is_made_locked_and_left_as_it_was(tmp_path):
    folder = tmp_path / 'a/b'
    with locked(folder):
        assert is_locked(folder)
        with pytest.raises(FolderError, match='another sweep is running'), locked(folder):
            pass
        assert is_locked(folder)
    assert not is_locked(folder)
    assert list(folder.iterdir()) == []


def test_the_lock_is_free_again_after_an_error(tmp_path):
    with pytest.raises(KeyError), locked(tmp_path):
        raise KeyError
    assert not is_locked(tmp_path)


@pytest.mark.parametrize('end', ['killed', 'ended'])
def test_a_second_process_is_kept_out_until_the_first_is_gone(tmp_path, end):
    command = [sys.executable, '-c', HOLD, str(tmp_path)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as holder:
        try:
            assert holder.stdout.readline() == 'held\n'
            assert is_locked(tmp_path)
            with pytest.raises(FolderError, match='another sweep is running'), locked(tmp_path):
                pass
            if end == 'ended':
                holder.stdin.close()
        finally:
            if end == 'killed':
                holder.kill()
            holder.wait()
    assert not is_locked(tmp_path)
    with locked(tmp_path):
        pass
