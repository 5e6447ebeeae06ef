"""Damage is named and set aside, counts as not done, and costs nothing else."""

import os
import random
import re
import shutil
import warnings

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sweeper.errors import DamagedFileWarning, FolderError
from sweeper.io.files import AtomicWriter
from sweeper.store.damage import DamagedFile, set_aside
from sweeper.store.layout import SweepLayout
from sweeper.store.store import Store

RUNS = [(0, 0), (0, 1)]
LOOKUP = {'points/params.csv': 'copies/params.csv', 'copies/params.csv': 'points/params.csv'}
# What a damaged file takes with it.
SET_ASIDE = {
    'points/0/hparams/final.json': 'points/0/hparams',
    'points/0/hparams/misc.json': 'points/0/hparams',
    'points/0/hparams/lr_vs_perf.npz': 'points/0/hparams',
    'points/0/trials/1/result.json': 'points/0/trials/1',
    'points/0/trials/1/model.pt': 'points/0/trials/1',
    'points/0/trials/1/model_init.pt': 'points/0/trials/1',
    'points/0/trials/1/throughtime.npz': 'points/0/trials/1',
    'points/1/trials/0/result.json': 'points/1/trials/0',
    'points/1/error.json': 'points/1/error.json',
}
READ = [name for name in SET_ASIDE if name.endswith('.json')]
NOT_READ = sorted(SET_ASIDE.keys() - set(READ))
SUMMARIES = ['points/params_lookup.pt', 'points/funcres.pt', 'points/results.csv', 'points/0/results.npz']


def _garble(path, seed=0):
    path.write_bytes(random.Random(seed).randbytes(path.stat().st_size))


DAMAGES = {
    'truncated': lambda path: os.truncate(path, path.stat().st_size // 2),
    'cut short': lambda path: os.truncate(path, path.stat().st_size - 2),
    'emptied': lambda path: os.truncate(path, 0),
    'garbled': _garble,
    'zeroed': lambda path: path.write_bytes(bytes(path.stat().st_size)),
}
damaged_anyhow = pytest.mark.parametrize('damage', DAMAGES.values(), ids=DAMAGES)
SOME = ('truncated', 'garbled')
damaged_somehow = pytest.mark.parametrize('damage', [DAMAGES[name] for name in SOME], ids=SOME)


@pytest.fixture(scope='module')
def whole(example, memory):
    """A finished folder, never changed."""
    folder = memory() / 'sweep'
    with example.opened(folder) as store:
        example.fill(store)
    return folder


@pytest.fixture
def folder(whole, in_memory):
    return shutil.copytree(whole, in_memory / 'sweep')


def opened_again(example, folder):
    """Opens the folder and does again what is missing; returns the warnings' texts."""
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter('always')
        with example.opened(folder) as store:
            example.fill(Missing(store))
    return [str(warning.message) for warning in caught if warning.category is DamagedFileWarning]


class Missing:
    """Writes what the store does not have yet."""

    def __init__(self, store):
        self._store = store

    def __getattr__(self, name):
        return getattr(self._store, name)

    def write_tuned(self, point, tuned):
        if self._store.tuned(point) is None:
            self._store.write_tuned(point, tuned)

    def write_trial(self, point, index, trial):
        if index not in self._store.trials(point):
            self._store.write_trial(point, index, trial)

    def write_error(self, point, error):
        if error not in self._store.errors(point):
            self._store.write_error(point, error)


# Setting aside


def test_what_is_set_aside_keeps_its_path_and_every_version_of_it(tmp_path):
    layout, writer = SweepLayout(tmp_path), AtomicWriter(tmp_path)
    for number in range(3):
        writer.write_bytes(tmp_path / 'points/0/error.json', b'%d' % number)
        with pytest.warns(DamagedFileWarning) as caught:
            set_aside(layout, writer, tmp_path / 'points/0/error.json', 'its end is missing')
        suffix = f'.{number + 1}' if number else ''
        assert str(caught[0].message) == (
            'damaged: its end is missing; points/0/error.json is set aside as '
            f'damaged/points/0/error.json{suffix} and computed anew'
        )
    kept = [tmp_path / f'damaged/points/0/error.json{suffix}' for suffix in ('', '.2', '.3')]
    assert [path.read_bytes() for path in kept] == [b'0', b'1', b'2']
    assert list((tmp_path / 'points/0').iterdir()) == []


def test_a_damaged_file_names_itself_and_what_is_wrong(tmp_path):
    damage = DamagedFile(tmp_path / 'final.json', ValueError('its end is missing'))
    assert str(damage) == f'{tmp_path}/final.json is damaged: its end is missing'


# Each kind of file


def test_every_kind_of_file_is_tried(whole):
    kinds = {
        re.sub(r'\d+', '#', path.relative_to(whole).as_posix()) for path in whole.rglob('*') if path.is_file()
    }
    tried = [*SET_ASIDE, *SUMMARIES, *LOOKUP, 'sweep.json', 'copies/sweep.json']
    assert kinds == {re.sub(r'\d+', '#', name) for name in tried}


@damaged_anyhow
@pytest.mark.parametrize('name', SET_ASIDE)
def test_a_damaged_result_is_named_set_aside_and_done_again(example, whole, folder, name, damage):
    damage(folder / name)
    spoiled = (folder / name).read_bytes()
    (warning,) = opened_again(example, folder)
    assert name in warning
    assert f'{SET_ASIDE[name]} is set aside as damaged/{SET_ASIDE[name]}' in warning
    assert (folder / 'damaged' / name).read_bytes() == spoiled
    assert example.tree(folder) == example.tree(whole)


@damaged_somehow
@pytest.mark.parametrize('name', SET_ASIDE)
def test_a_damaged_result_counts_as_not_done_and_nothing_else_is_lost(example, whole, folder, name, damage):
    expected, (trained, broken, tuned_only) = Store.read(whole), example.points
    damage(folder / name)
    with warnings.catch_warnings():
        warnings.simplefilter('ignore', DamagedFileWarning)
        with example.opened(folder) as store:
            pass
    assert store.points == expected.points
    for point_id, point in enumerate(example.points):
        trials = expected.trials(point)
        for index in list(trials):
            if name.startswith(f'points/{point_id}/trials/{index}/'):
                del trials[index]
        assert store.trials(point) == trials
    assert (store.tuned(trained) is None) == ('/hparams/' in name)
    assert store.tuned(broken) == expected.tuned(broken)
    assert store.tuned(tuned_only) == expected.tuned(tuned_only)
    assert (store.errors(broken) == []) == name.endswith('error.json')
    before, after = example.tree(whole), example.tree(folder)
    gone = {path for path in before if path not in after}
    assert SET_ASIDE[name] in gone
    assert all(path.startswith(SET_ASIDE[name]) for path in gone)
    assert all(before[path] == data for path, data in after.items())
    with warnings.catch_warnings():  # it is set aside once
        warnings.simplefilter('error')
        with example.opened(folder):
            pass


@damaged_somehow
@pytest.mark.parametrize('name', READ)
def test_reading_a_damaged_result_is_an_error_that_names_it(example, folder, name, damage):
    damage(folder / name)
    before = example.tree(folder)
    with pytest.raises(FolderError, match='Running the sweep again computes it anew') as caught:
        Store.read(folder)
    assert f'{folder / name} is damaged: ' in str(caught.value)
    assert example.tree(folder) == before


@damaged_somehow
@pytest.mark.parametrize('name', [*NOT_READ, *SUMMARIES, *LOOKUP, 'sweep.json', 'copies/sweep.json'])
def test_reading_does_not_mind_damage_in_what_it_does_not_need(example, whole, folder, name, damage):
    damage(folder / name)
    before = example.tree(folder)
    store = Store.read(folder)
    assert store.points == list(example.points)
    example.assert_same_results(store.results(), Store.read(whole).results())
    assert example.tree(folder) == before


@damaged_somehow
@pytest.mark.parametrize('name', SUMMARIES)
def test_damaged_summaries_are_rebuilt(example, whole, folder, name, damage):
    damage(folder / name)
    assert opened_again(example, folder) == []
    assert example.tree(folder, without=['running.json']) == example.tree(whole)


@pytest.mark.parametrize('result', ['result.json', 'error.json', 'final.json'])
def test_a_missing_result_is_not_done_and_what_went_with_it_is_no_obstacle(example, whole, folder, result):
    (path,) = [path for path in folder.rglob(result) if '/0/' in str(path) or path.name == 'error.json'][:1]
    path.unlink()
    assert opened_again(example, folder) == []
    assert example.tree(folder) == example.tree(whole)


def test_a_missing_part_of_a_result_is_damage(example, whole, folder):
    (folder / 'points/0/hparams/misc.json').unlink()
    with pytest.raises(FolderError, match=r'points/0/hparams/misc\.json is damaged: it is missing'):
        Store.read(folder)
    (warning,) = opened_again(example, folder)
    assert 'misc.json is damaged: it is missing' in warning
    assert example.tree(folder) == example.tree(whole)


# Runs of an unfinished tuning


@damaged_somehow
def test_a_damaged_run_of_a_tuning_is_set_aside_and_the_others_are_kept(store, example, damage):
    (point,) = example.points[:1]
    store.add_points([point])
    for stage, index in RUNS:
        store.write_run(point, stage, index, f'run {index}', {'loss': np.arange(4.0)})
    path = store.layout.point(0).run(0, 1)
    damage(path)
    assert store.saved_run(point, 0, 0, 'run 0').keys() == {'loss'}
    with pytest.warns(DamagedFileWarning, match=r'hparams/runs/0-1\.npz is set aside'):
        assert store.saved_run(point, 0, 1, 'run 1') is None
    assert not path.exists()
    store.write_run(point, 0, 1, 'run 1', {'loss': np.ones(2)})
    np.testing.assert_array_equal(store.saved_run(point, 0, 1, 'run 1')['loss'], np.ones(2))


@pytest.fixture
def store(example, tmp_path):
    with example.opened(tmp_path / 'runs') as store:
        yield store


# The list of points, and the manifest


@damaged_anyhow
@pytest.mark.parametrize('name', LOOKUP)
def test_a_damaged_list_of_points_is_restored_from_the_other(example, whole, folder, name, damage):
    damage(folder / name)
    spoiled = (folder / name).read_bytes()
    (warning,) = opened_again(example, folder)
    assert f'{name} is set aside as damaged/{name}' in warning
    assert (folder / 'damaged' / name).read_bytes() == spoiled
    assert example.tree(folder) == example.tree(whole)


@settings(max_examples=30)
@given(data=st.data())
def test_a_list_of_points_cut_anywhere_loses_no_point_and_no_id(example, whole, memory, data):
    folder = shutil.copytree(whole, memory() / 'sweep')
    name = data.draw(st.sampled_from(sorted(LOOKUP)))
    size = (folder / name).stat().st_size
    os.truncate(folder / name, data.draw(st.integers(0, size)))
    assert Store.read(folder).points == list(example.points)
    opened_again(example, folder)
    assert example.tree(folder) == example.tree(whole)


@pytest.mark.parametrize('lines', range(4))
def test_a_list_of_points_cut_at_the_end_of_a_line_is_restored_from_its_copy(example, whole, folder, lines):
    path = folder / 'points/params.csv'
    path.write_text(''.join(path.read_text().splitlines(keepends=True)[:lines]))
    assert Store.read(folder).points == list(example.points)
    opened_again(example, folder)
    assert example.tree(folder) == example.tree(whole)


def test_points_of_which_there_is_nothing_but_their_line_are_not_lost_with_one_of_the_lists(
    example, tmp_path
):
    folder = tmp_path / 'new'
    with example.opened(folder) as store:
        store.add_points(example.points)
    for name, spared in LOOKUP.items():
        for count in range(4):
            whole, text = (folder / name).read_text(), (folder / spared).read_text()
            (folder / name).write_text(''.join(text.splitlines(keepends=True)[:count]))
            with warnings.catch_warnings():
                warnings.simplefilter('ignore', DamagedFileWarning)
                with example.opened(folder) as store:
                    assert store.points == list(example.points)
                    store.collate()
            assert (folder / name).read_text() == whole


@damaged_somehow
def test_without_either_list_the_points_are_restored_from_their_results(example, whole, folder, damage):
    for name in LOOKUP:
        damage(folder / name)
    assert len(opened_again(example, folder)) == 2
    assert example.tree(folder) == example.tree(whole)


@pytest.mark.parametrize('is_final_there', [True, False])
@pytest.mark.parametrize('other', [None, os.mkfifo, DAMAGES['truncated']])
def test_what_is_left_of_a_tuning_tells_the_point_before_it_is_removed(
    example, whole, folder, is_final_there, other
):
    """A tuning that is not whole is removed, or set aside with all its files."""
    for name in LOOKUP:
        (folder / name).unlink()
    if not is_final_there:
        (folder / 'points/0/hparams/final.json').unlink()
    if other is not None:
        curves = folder / 'points/0/hparams/lr_vs_perf.npz'
        if other is os.mkfifo:
            curves.unlink()
        other(curves)
    opened_again(example, folder)
    assert example.tree(folder) == example.tree(whole)


def test_no_point_is_told_by_what_a_link_leads_to(example, whole, folder):
    outside = folder.parent / 'outside'
    (folder / 'points/0/hparams').rename(outside)
    (folder / 'points/0/hparams').symlink_to(outside)
    for name in LOOKUP:
        (folder / name).unlink()
    with pytest.raises(FolderError, match=r'nothing in .*points/0 tells which point that was'):
        opened_again(example, folder)


def test_points_of_which_nothing_tells_which_they_were_are_an_error_that_says_so(example, whole, folder):
    for name in [*LOOKUP, 'points/1/hparams/misc.json', 'points/1/error.json']:
        (folder / name).unlink()
    for use in (Store.read, lambda folder: opened_again(example, folder)):
        with pytest.raises(FolderError, match=r'nothing in .*points/1 tells which point that was'):
            use(folder)


def test_a_point_that_nobody_proposed_does_no_harm(example, whole, folder):
    """A folder with a number for a name, which someone made by hand."""
    (folder / 'points/2026').mkdir()
    store = Store.read(folder)
    assert store.points == list(example.points)


@pytest.mark.parametrize('names', [('sweep.json',), ('copies/sweep.json',)], ids='+'.join)
@damaged_somehow
def test_a_damaged_manifest_is_restored_from_the_other(example, whole, folder, names, damage):
    for name in names:
        damage(folder / name)
    opened_again(example, folder)
    assert example.tree(folder) == example.tree(whole)


@damaged_anyhow
def test_two_damaged_manifests_are_a_clear_error_and_nothing_is_touched(example, folder, damage):
    for name in ('sweep.json', 'copies/sweep.json'):
        damage(folder / name)
    before = example.tree(folder)
    for use in (Store.read, lambda folder: opened_again(example, folder)):
        with pytest.raises(FolderError) as caught:
            use(folder)
        for name in ('sweep.json', 'copies/sweep.json'):
            assert str(folder / name) in str(caught.value)
    assert example.tree(folder) == before


# Anything at once


@settings(max_examples=40)
@given(data=st.data())
def test_whatever_is_damaged_the_sweep_ends_as_if_nothing_had_happened(example, whole, memory, data):
    folder = shutil.copytree(whole, memory() / 'sweep')
    names = sorted(path.relative_to(folder).as_posix() for path in folder.rglob('*') if path.is_file())
    spared = {'copies/sweep.json', data.draw(st.sampled_from(sorted(LOOKUP)))}
    chosen = data.draw(st.lists(st.sampled_from(sorted({*names} - spared)), unique=True, max_size=6))
    for name in chosen:
        size = (folder / name).stat().st_size
        kept = data.draw(st.integers(0, size - 2)) if size > 2 else 0
        garbage = data.draw(st.binary(max_size=size))
        (folder / name).write_bytes((folder / name).read_bytes()[:kept] + garbage * (kept % 2))
    opened_again(example, folder)
    # a number of bytes may by chance still be an archive, of which only the outside is looked at
    opaque = {name for name in chosen if name.endswith(('.pt', '.npz'))}
    expected, found = example.tree(whole), example.tree(folder)
    assert {n: d for n, d in found.items() if n not in opaque} == {
        n: d for n, d in expected.items() if n not in opaque
    }
