"""What several tunings of a point came to, on disk."""

import dataclasses
import json
import os
import shutil
import warnings

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sweeper.errors import DamagedFileWarning, FolderError
from sweeper.store.collation import results_table
from sweeper.store.following import Follower
from sweeper.store.manifest import read_manifest
from sweeper.store.store import Store

POINT, OTHER = (16, 'relu'), (8, '')


def tuned_often(example, tunings=3):
    first, *others = (
        dataclasses.replace(
            example.tuned(batch_size=2**number, momentum=number / 10), flags=(f'odd_{number}',), epochs=10
        )
        for number in range(tunings)
    )
    return dataclasses.replace(first, alternatives=tuple(others))


@pytest.fixture(scope='module')
def manifest(example):
    return dataclasses.replace(example.manifest, tunings=3)


@pytest.fixture
def filled(example, folder, manifest):
    with example.opened(folder, manifest) as store:
        store.add_points([POINT, OTHER])
        store.write_tuned(POINT, tuned_often(example))
        for index in range(4):
            store.write_trial(POINT, index, example.record())
        store.rebuild()
    return folder


def test_all_of_them_are_read_back(example, filled):
    tuned = Store.read(filled).tuned(POINT)
    assert tuned == tuned_often(example).without_report()
    assert [tuned.of_trial(index).batch_size for index in range(7)] == [1, 2, 4, 1, 2, 4, 1]
    own = filled / 'points/0/hparams'
    for number in (1, 2):
        assert json.loads((own / f'tunings/{number}/final.json').read_text())['batch_size'] == 2**number
        assert (own / f'tunings/{number}/lr_vs_perf.npz').exists()
    (news,) = Follower(filled).look()
    assert news.tuned == tuned


def test_a_single_one_has_the_files_that_it_always_had(example, folder):
    with example.opened(folder) as store:
        store.add_points([POINT])
        store.write_tuned(POINT, example.tuned())
    assert not (folder / 'points/0/hparams/tunings').exists()
    assert 'tunings' not in json.loads((folder / 'points/0/hparams/misc.json').read_text())
    assert 'tunings' not in json.loads((folder / 'sweep.json').read_text())
    assert read_manifest(Store.read(folder).layout).tunings == 1


def test_tables_have_for_each_trial_what_its_own_tuning_came_to(filled):
    store = Store.read(filled)
    header, rows = results_table(store)
    columns = dict(zip(header, zip(*rows, strict=True), strict=True))
    assert columns['tuning'] == (*columns['trial'][:3], 0) == (0, 1, 2, 0)
    assert columns['batch_size'] == (1, 2, 4, 1)
    assert columns['nuisance_momentum'] == ('0.0', '0.1', '0.2', '0.0')
    frame = store.results().to_frame()
    assert [*frame.columns] == header
    for name in ('tuning', 'trial', 'batch_size', 'lr_start', 'lr_end'):
        assert tuple(frame[name]) == columns[name]
    assert [*frame['nuisance_momentum']] == [0.0, 0.1, 0.2, 0.0]
    assert store.results().tunings[POINT] == store.tuned(POINT).tunings
    assert set(frame['flags']) == {'odd_0 odd_1 odd_2'}


def test_a_folder_of_so_many_tunings_is_no_folder_of_others(example, filled, manifest):
    for tunings, said in ((1, 'tunings: 3 there, 1 asked'), (2, 'tunings: 3 there, 2 asked')):
        other = dataclasses.replace(manifest, tunings=tunings)
        with pytest.raises(FolderError, match=said), example.opened(filled, other):
            pass


def again(example, folder, manifest):
    """Opens the folder, and tunes again what is not tuned; returns what was said."""
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter('always')
        with example.opened(folder, manifest) as store:
            if store.tuned(POINT) is None:
                store.write_tuned(POINT, tuned_often(example))
    return [str(warning.message) for warning in caught if warning.category is DamagedFileWarning]


def emptied(path):
    os.truncate(path, 0)


def a_link(path):
    moved = path.with_name('moved')
    path.rename(moved)
    path.symlink_to(moved)


def gone(path):
    shutil.rmtree(path) if path.is_dir() else path.unlink()


@pytest.mark.parametrize('damage', [emptied, a_link, gone])
@pytest.mark.parametrize(
    'name',
    ['tunings/2/final.json', 'tunings/1/misc.json', 'tunings/1/lr_vs_perf.npz', 'tunings/2', 'tunings'],
)
def test_what_is_wrong_with_one_of_them_sets_all_aside_and_all_are_done_again(
    example, filled, manifest, name, damage, tmp_path
):
    if damage is emptied and '.' not in name:
        pytest.skip('no file')
    whole = shutil.copytree(filled, tmp_path / 'whole')
    damage(filled / 'points/0/hparams' / name)
    said = again(example, filled, manifest)
    if damage is gone and name.endswith('.npz'):  # as for a single tuning: curves need not be there
        assert said == []
        return
    assert len(said) == 1 and 'points/0/hparams is set aside' in said[0]
    assert example.tree(filled) == example.tree(whole)


@given(st.integers(0, 200))
def test_killed_while_they_are_written_nothing_of_them_stays(example, memory, manifest, steps, at):
    folder = memory() / 'sweep'
    with example.opened(folder, manifest) as store:
        store.add_points([POINT])
        with steps.faulty(at):
            store.write_tuned(POINT, tuned_often(example))
        if not steps.had_fault:
            return
    with example.opened(folder, manifest) as store:
        if store.tuned(POINT) is None:
            assert not any((folder / 'points/0').rglob('*.*'))
            store.write_tuned(POINT, tuned_often(example))
        assert store.tuned(POINT) == tuned_often(example).without_report()


def test_trials_of_any_tuning_can_show_that_they_do_worse(example):
    tuned = dataclasses.replace(example.tuned(), performance=0.5)
    tuned = dataclasses.replace(tuned, alternatives=(dataclasses.replace(tuned, performance=0.9),))
    records = {index: example.record(0.6).result for index in range(4)}
    assert tuned.flags_with({0: records[0], 2: records[2]}) == []
    assert tuned.flags_with({0: records[0], 1: records[1]}) == ['worse_than_tuned']
    assert tuned.flags_with(records) == ['worse_than_tuned']
    diverged = {3: example.record(diverged=True).result}
    assert tuned.flags_with(records | diverged) == ['trial_diverged', 'worse_than_tuned']


def test_a_number_of_tunings_that_cannot_be_is_damage(example, filled):
    example.without_checksums(filled)
    path = filled / 'points/0/hparams/misc.json'
    for wrong in (0, True, 'three', 4):
        path.write_text(json.dumps({**json.loads(path.read_text()), 'tunings': wrong}))
        with pytest.raises(FolderError, match='tunings'):
            Store.read(filled)
