"""Folders of very many points are in folders themselves; all else is as if they were all in one."""

import dataclasses
import os
import shutil
import warnings
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sweeper.errors import FolderError
from sweeper.store.following import Follower
from sweeper.store.layout import SweepLayout
from sweeper.store.store import Store

from .test_damage import LOOKUP, Missing, opened_again

GROUPS = ('0-1', '2-3')


@pytest.fixture(scope='session')
def grouped(example):
    """The example's manifest, with two points to a folder."""
    return dataclasses.replace(example.manifest, storage={'points_per_folder': 2})


@pytest.fixture
def filled(example, folder, grouped):
    with example.opened(folder, grouped) as store:
        example.fill(store)
    return folder


def as_one(tree):
    """A tree with all points' folders in one, without what says how many are in one."""
    flat = {}
    for name, data in tree.items():
        parts = name.split('/')
        if len(parts) > 1 and parts[1] in GROUPS:
            del parts[1]
        if parts[-1] != 'sweep.json' and parts != ['points']:
            flat['/'.join(parts)] = data
    return flat


# Where they are


@pytest.mark.parametrize(
    ('size', 'point', 'path'),
    [
        (None, 1234, 'points/1234'), (100, 0, 'points/0-99/0'), (100, 99, 'points/0-99/99'),
        (100, 100, 'points/100-199/100'), (1000, 12_345, 'points/12000-12999/12345'), (1, 7, 'points/7-7/7'),
    ],
)  # fmt: skip
def test_a_points_folder_is_in_that_of_its_range(tmp_path, size, point, path):
    assert SweepLayout(tmp_path, size).point(point).folder == tmp_path / path


@given(size=st.integers(1, 50), points=st.integers(0, 300))
def test_every_point_is_in_one_of_the_groups_and_each_has_its_name(size, points):
    layout = SweepLayout(Path('folder')).grouped(size)
    groups = layout.groups(points)
    inside = [layout.point(point_id).folder.parent for point_id in range(points)]
    assert list(dict.fromkeys(inside)) == groups
    assert all(layout.is_group(group.name) for group in groups)
    assert max(map(inside.count, groups), default=0) <= size


@pytest.mark.parametrize(
    'name', ['0', '0-98', '1-100', '00-99', '0-99x', '-99', 'params.csv', '\u0660-\u0669\u0669']
)
def test_what_has_another_name_is_no_group(tmp_path, name):
    layout = SweepLayout(tmp_path, 100)
    assert layout.is_group('0-99') and not layout.is_group(name)


# All else is the same


def test_what_is_written_and_read_is_as_if_they_were_all_in_one(example, filled, tmp_path):
    with example.opened(tmp_path / 'flat') as store:
        example.fill(store)
    assert as_one(example.tree(filled)) == as_one(example.tree(tmp_path / 'flat'))
    example.assert_same_results(Store.read(filled).results(), Store.read(tmp_path / 'flat').results())


def test_whoever_looks_on_finds_them(example, filled):
    news = Follower(filled).look()
    assert [change.point for change in news] == list(example.points)
    assert [len(change.trials) for change in news] == [3, 1, 0]


def test_the_folder_is_opened_again_without_saying_so_again(example, filled):
    before = example.tree(filled)
    with example.opened(filled) as store:
        assert [len(store.trials(point)) for point in example.points] == [3, 1, 0]
        store.rebuild()
    assert example.tree(filled) == before


@settings(max_examples=25)
@given(at=st.integers(0, 220))
def test_killed_at_any_step_it_ends_with_the_same_folder(example, grouped, memory, steps, at):
    expected, folder = memory() / 'sweep', memory() / 'sweep'
    with example.opened(expected, grouped) as store:
        example.fill(store)
    with steps.faulty(at), example.opened(folder, grouped) as store:
        example.fill(store)
    with example.opened(folder, grouped) as store:
        example.fill(Missing(store))
    assert example.tree(folder) == example.tree(expected)


# It stays as it is


@pytest.mark.parametrize('size', [1000, 1])
def test_another_number_is_refused_as_points_stay_where_they_are(example, filled, grouped, size):
    before = example.tree(filled)
    other = dataclasses.replace(grouped, storage={'points_per_folder': size})
    with (
        pytest.raises(FolderError, match=f'points_per_folder={size}: .* in folders of 2, where they stay'),
        example.opened(filled, other),
    ):
        pass
    assert example.tree(filled) == before


def test_a_folder_of_an_earlier_version_stays_as_it_is(example, folder, grouped):
    with example.opened(folder) as store:
        example.fill(store)
    with (
        pytest.raises(FolderError, match=r'points_per_folder=2: .* all in one, where they stay'),
        example.opened(folder, grouped),
    ):
        pass
    with example.opened(folder, grouped, if_changed='restart') as store:
        example.fill(store)
    assert (folder / 'earlier/0/points/2').is_dir() and (folder / 'points/2-3/2').is_dir()


# Damage


@pytest.mark.parametrize('name', ['points/0-1/0/hparams/final.json', 'points/0-1/0/trials/1/model.pt'])
def test_damage_within_them_is_set_aside_and_done_again(example, filled, name):
    whole = example.tree(filled)
    os.truncate(filled / name, 10)
    (said,) = opened_again(example, filled)
    assert 'is set aside as damaged/points/0-1/0/' in said
    assert example.tree(filled) == whole


def test_a_link_in_the_place_of_one_is_followed_by_nobody(example, filled, tmp_path):
    whole = example.tree(filled)
    (filled / 'points/0-1').rename(tmp_path / 'outside')
    (filled / 'points/0-1').symlink_to(tmp_path / 'outside')
    before = example.tree(tmp_path / 'outside')
    for look in (Store.read, lambda folder: Follower(folder).look()):
        with pytest.raises(FolderError, match='points/0-1 is a link, not a folder'):
            look(filled)
    (said,) = opened_again(example, filled)
    assert 'points/0-1 is a link, not a folder' in said
    assert example.tree(filled) == whole
    assert example.tree(tmp_path / 'outside') == before


def test_without_either_list_the_points_are_restored_from_their_results(example, filled):
    whole = example.tree(filled)
    for name in LOOKUP:
        (filled / name).unlink()
    with warnings.catch_warnings():
        warnings.simplefilter('error')
        with example.opened(filled) as store:
            assert store.points == list(example.points)
    assert example.tree(filled) == whole


def test_leftovers_within_them_are_removed(example, filled):
    whole = example.tree(filled)
    (filled / 'points/0-1/x.partial').touch()
    (filled / 'points/2-3/2/error.json.partial').touch()
    shutil.copytree(filled / 'points/0-1/0/trials/0', filled / 'points/2-3/2/trials/0')
    (filled / 'points/2-3/2/trials/0/result.json').unlink()
    with example.opened(filled):
        pass
    found = example.tree(filled)
    assert {name: data for name, data in found.items() if name != 'points/2-3/2/trials'} == whole
