"""A folder is read again and again while a sweep writes in it, and each time only what is new."""

import builtins
import os
import shutil

import pytest

from sweeper.errors import FolderError
from sweeper.store import reading
from sweeper.store.following import Follower
from sweeper.store.store import Store

LATER = 3600 * 10**9


def follower_of(folder):
    """One to which all that is there is old."""
    return Follower(folder, now=lambda: os.stat('/proc/self').st_mtime_ns + LATER)


def told(news):
    return [
        (one.point, one.tuned is not None, sorted(one.trials), one.error and one.error.phase, one.flags)
        for one in news
    ]


@pytest.fixture
def reads(monkeypatch):
    """The names of the JSON files that are read."""
    names = []
    for function in ('read_json', 'read_sealed'):
        read = getattr(reading, function)
        monkeypatch.setattr(reading, function, lambda path, read=read: names.append(path.name) or read(path))
    return names


def test_a_folder_need_not_be_there_yet(folder, example):
    follower = follower_of(folder)
    assert follower.look() == [] and follower.manifest is None and not follower.is_running
    folder.mkdir()
    assert follower.look() == [] and follower.manifest is None
    with example.opened(folder) as store:
        assert follower.look() == [] and follower.is_running
        store.add_points(example.points)
        assert follower.look() == []
        assert follower.points == list(example.points) and follower.manifest.module == 'problem'
    assert not follower.is_running


def test_everything_that_is_there_is_news_once(folder, store, example):
    example.fill(store)
    for follower in (follower_of(folder), Follower(folder)):
        assert told(follower.look()) == [
            ((16, 'relu'), True, [0, 1, 2], None, ['trial_diverged']),
            ((8, ''), True, [0], 'trial 1', None),
            ((32, None), True, [], None, ['lr_at_high_edge', 'nan_seen']),
        ]
        assert follower.look() == follower.look() == []
        assert (follower.tuned, follower.trials_done, follower.failed) == (3, 5, 1)


def test_what_comes_later_is_news_when_it_comes(folder, store, example):
    follower, point = follower_of(folder), example.points[1]
    store.add_points(example.points)
    follower.look()
    store.write_tuned(point, example.tuned())
    assert told(follower.look()) == [(point, True, [], None, None)]
    for index in (1, 0):
        store.write_trial(point, index, example.record(diverged=index == 0))
        flags = ['trial_diverged', 'too_few_converged'] if index == 0 else None
        assert told(follower.look()) == [(point, False, [index], None, flags)]
    store.write_error(point, example.error)
    assert told(follower.look()) == [(point, False, [], 'trial 1', None)]
    assert follower.generation == 0


def test_what_is_known_is_not_read_again(folder, store, example, reads):
    example.fill(store)
    follower = follower_of(folder)
    follower.look()
    assert reads.count('result.json') == 4
    reads.clear()
    follower.look()
    assert reads == []
    store.write_trial(example.points[2], 0, example.record())
    follower.look()
    assert reads == ['result.json']


def test_a_change_just_after_another_is_seen_though_the_folders_time_is_the_same(folder, store, example):
    store.add_points(example.points)
    store.write_tuned(example.points[0], example.tuned())
    follower = Follower(folder)
    follower.look()
    times = {path: path.stat() for path in folder.rglob('*') if path.is_dir()}
    store.write_error(example.points[0], example.error)
    for path, status in times.items():
        os.utime(path, ns=(status.st_atime_ns, status.st_mtime_ns))
    assert told(follower.look()) == [(example.points[0], False, [], 'trial 1', None)]


def test_a_trial_that_is_being_written_is_news_when_it_is_whole(folder, store, example):
    example.fill(store)
    follower = follower_of(folder)
    follower.look()
    trial = folder / 'points/2/trials/0'
    trial.mkdir(parents=True)
    (trial / 'result.json.partial').write_text('{')
    assert follower.look() == []
    shutil.copy(folder / 'points/0/trials/0/result.json', trial)
    assert told(follower.look()) == [((32, None), False, [0], None, None)]


def test_damage_is_noted_and_does_not_hide_the_rest(folder, store, example):
    example.fill(store)
    (folder / 'points/0/trials/1/result.json').write_text('{')
    follower = follower_of(folder)
    assert told(follower.look())[0] == ((16, 'relu'), True, [0, 2], None, None)
    assert [path.name for path in follower.damaged] == ['result.json']
    (folder / 'points/params.csv').write_text('no list')
    assert follower_of(folder).look()  # from its copy


def test_points_are_those_of_the_copy_where_the_list_was_changed(folder, store, example):
    example.fill(store)
    table = folder / 'points/params.csv'
    table.write_text(table.read_text().replace('16', '17'))
    follower = follower_of(folder)
    follower.look()
    assert follower.points == Store.read(folder).points == [*example.points]


def test_when_failures_are_forgotten_everything_is_news_once_more(folder, example):
    with example.opened(folder) as store:
        example.fill(store)
    follower = follower_of(folder)
    before = told(follower.look())
    with example.opened(folder) as store:
        store.forget_failures()
        again = told(follower.look())
    assert follower.generation == 1
    assert [(*one[:3], one[4]) for one in again] == [(*one[:3], one[4]) for one in before]
    assert again[1][3] is None and follower.failed == 0


def test_when_the_sweep_is_started_anew_what_it_finds_is_news(folder, example):
    with example.opened(folder) as store:
        example.fill(store)
    follower = follower_of(folder)
    follower.look()
    for path in folder.iterdir():
        shutil.rmtree(path) if path.is_dir() else path.unlink()
    with example.opened(folder) as store:
        store.add_points(example.points[:1])
        store.write_tuned(example.points[0], example.tuned())
        assert told(follower.look()) == [((16, 'relu'), True, [], None, None)]
    assert follower.generation == 1 and follower.points == [(16, 'relu')]


def test_a_folder_that_holds_something_else_is_refused(folder):
    folder.mkdir()
    (folder / 'sweep.json').write_text('{}')
    with pytest.raises(FolderError):
        follower_of(folder).look()


def test_nothing_is_written(folder, example, monkeypatch):
    with example.opened(folder) as store:
        example.fill(store)
    before = example.tree(folder, without=())

    def refuse(path, mode='r', *rest, **options):
        assert set(mode) <= set('rbt')
        return opened(path, mode, *rest, **options)

    opened = builtins.open
    monkeypatch.setattr(builtins, 'open', refuse)
    follower = follower_of(folder)
    assert follower.look() and not follower.is_running
    assert example.tree(folder, without=()) == before


def test_what_it_reads_is_what_the_store_reads(folder, store, example):
    example.fill(store, test=0.5)
    read = Store.read(folder)
    for one in follower_of(folder).look():
        assert one.tuned == read.tuned(one.point)
        assert one.trials == read.trials(one.point)
        assert one.error == read.error(one.point)
