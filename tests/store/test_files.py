"""Files appear whole or not at all, equal content gives equal bytes, and nothing is made anew in silence."""

import csv
import io
import itertools
import json
import math
import os
import pickle
import shutil
import tracemalloc
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sweeper.errors import FolderError
from sweeper.io import checksums, files
from sweeper.io.files import AtomicWriter
from sweeper.points import NamedPoint

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=5,
)


@pytest.fixture
def writer(tmp_path):
    return AtomicWriter(tmp_path)


@pytest.fixture(scope='module')
def lasting(memory):
    """A writer for tests of hypothesis, which takes no fixture that is made anew per test."""
    return AtomicWriter(memory())


def names(folder):
    return sorted(path.name for path in folder.iterdir())


# Whole or not at all


def test_a_file_is_written_with_the_folders_on_the_way(writer, tmp_path):
    path = tmp_path / 'a/b/c.txt'
    writer.write_bytes(path, b'whole')
    assert path.read_bytes() == b'whole'
    assert names(path.parent) == ['c.txt']


def test_a_file_is_on_the_disk_before_it_gets_its_name_and_then_so_is_its_name(writer, tmp_path, monkeypatch):
    calls = []
    fsync, replace = os.fsync, os.replace
    monkeypatch.setattr(os, 'fsync', lambda fd: (calls.append(os.readlink(f'/proc/self/fd/{fd}')), fsync(fd)))
    monkeypatch.setattr(os, 'replace', lambda *a: (calls.append('replace'), replace(*a)))
    writer.write_bytes(tmp_path / 'file', b'x')
    assert calls == [f'{tmp_path}/file.partial', 'replace', str(tmp_path)]


def test_a_new_folder_is_on_the_disk_too(writer, tmp_path, monkeypatch):
    flushed, fsync = [], os.fsync
    monkeypatch.setattr(
        os, 'fsync', lambda fd: (flushed.append(os.readlink(f'/proc/self/fd/{fd}')), fsync(fd))
    )
    writer.write_bytes(tmp_path / 'a/b/file', b'x')
    assert flushed[:2] == [str(tmp_path), f'{tmp_path}/a']


def steps_of_a_write(steps, folder):
    """The kinds of the steps that replace a file."""
    folder.mkdir()
    writer = AtomicWriter(folder)
    writer.write_bytes(folder / 'file', b'the old content')
    with steps.faulty():
        writer.write_bytes(folder / 'file', b'what is new')
    assert {'open', 'write', 'fsync', 'replace'} <= set(steps.taken)
    return list(steps.taken)


def test_an_interrupted_write_leaves_the_old_file_or_the_new_one(writer, tmp_path, steps):
    kinds, path = steps_of_a_write(steps, tmp_path / 'counted'), tmp_path / 'here/file'
    for at in range(len(kinds)):
        writer.write_bytes(path, b'the old content')
        with steps.faulty(at):
            writer.write_bytes(path, b'what is new')
        assert steps.had_fault
        assert path.read_bytes() == (
            b'the old content' if at <= kinds.index('replace') else b'what is new'
        ), f'{at}, {kinds[at]}'
        writer.write_bytes(path, b'what is new')
        assert path.read_bytes() == b'what is new'
        assert names(path.parent) == ['file']


def test_an_error_of_the_system_leaves_the_old_file_whole_and_says_which_and_why(
    writer, tmp_path, steps, code
):
    kinds, path = steps_of_a_write(steps, tmp_path / 'counted'), tmp_path / 'here/file'
    for at in range(len(kinds)):
        writer.write_bytes(path, b'the old content')
        with (
            steps.faulty(at, code),
            pytest.raises(FolderError, match='run the same again') as caught,
        ):
            writer.write_bytes(path, b'what is new')
        assert str(path) in str(caught.value)
        assert os.strerror(code) in str(caught.value)
        assert isinstance(caught.value.__cause__, OSError)
        assert path.read_bytes() == (
            b'the old content' if at <= kinds.index('replace') else b'what is new'
        ), f'{at}, {kinds[at]}'


def test_a_folder_that_cannot_be_made_says_so_and_why(writer, tmp_path, steps, code):
    with steps.faulty(0, code), pytest.raises(FolderError, match=os.strerror(code)):
        writer.write_bytes(tmp_path / 'a/file', b'x')
    assert steps.taken == ['mkdir']
    assert names(tmp_path) == []
    writer.write_bytes(tmp_path / 'a/file', b'x')


def test_what_cannot_be_removed_or_moved_says_so_and_why(writer, tmp_path, steps, code):
    path = tmp_path / 'a/file'
    writer.write_bytes(path, b'x')
    for change in (
        lambda: writer.remove(path),
        lambda: writer.remove(path.parent),
        lambda: writer.move(path, tmp_path / 'b/file'),
    ):
        with steps.faulty(0, code), pytest.raises(FolderError, match=os.strerror(code)):
            change()
    assert not (tmp_path / 'b/file').exists()


def test_what_cannot_be_put_into_bytes_leaves_nothing(writer, tmp_path):
    with pytest.raises(TypeError):
        writer.write_json(tmp_path / 'a.json', {'a': object()})
    with pytest.raises(AssertionError):
        writer.write_npz(tmp_path / 'a.npz', {'a': np.array([None])})
    assert names(tmp_path) == []


def test_equal_content_is_not_written_again(writer, tmp_path, steps):
    path = tmp_path / 'a/file'
    writer.write_bytes(path, b'the same')
    before = path.stat()
    with steps.faulty(0):
        writer.write_bytes(path, b'the same')
        AtomicWriter(tmp_path).write_bytes(path, b'the same')
    assert steps.taken == []
    assert (path.stat().st_ino, path.stat().st_mtime_ns) == (before.st_ino, before.st_mtime_ns)
    writer.write_bytes(path, b'not same')
    assert path.read_bytes() == b'not same'


def test_of_files_written_together_the_last_is_there_only_if_all_are(memory, steps):
    files = {'a': b'one', 'b': b'two', 'last': b'three'}

    def write(root):
        folder = root / 'x/y'
        AtomicWriter(root).write_together({folder / name: data for name, data in files.items()})
        return folder

    with steps.faulty():
        write(memory())
    kinds = list(steps.taken)
    assert kinds.count('fsync') == 3 + 2 + 2  # files; folders on the way; before and after the last appears
    for at in range(len(kinds)):
        root = memory()
        with steps.faulty(at):
            write(root)
        there = {path.name: path.read_bytes() for path in (root / 'x/y').glob('*') if '.' not in path.name}
        assert there.items() <= files.items()
        assert 'last' not in there or there == files
    assert 'last' in there  # it was killed when only the folder was to be flushed


def test_folders_are_made_by_several_threads_at_once(tmp_path):
    writer = AtomicWriter(tmp_path)
    with ThreadPoolExecutor(8) as pool:
        paths = [tmp_path / f'{i % 3}/{i % 5}/{i}/file' for i in range(60)]
        list(pool.map(lambda path: writer.write_together({path: b'data'}), paths))
    assert all(path.read_bytes() == b'data' for path in paths)


def test_a_removed_folder_is_made_anew_with_those_in_it(writer, tmp_path):
    writer.write_bytes(tmp_path / 'a/b/c/file', b'one')
    writer.remove(tmp_path / 'a/b')
    writer.write_bytes(tmp_path / 'a/b/c/file', b'two')
    assert (tmp_path / 'a/b/c/file').read_bytes() == b'two'


def test_any_number_of_frozensets_can_be_pickled(writer, tmp_path):
    value = [(frozenset({number}), frozenset()) for number in range(200)]
    writer.write_pickle(tmp_path / 'a.pt', value)
    assert pickle.loads((tmp_path / 'a.pt').read_bytes()) == value


def test_a_link_is_replaced_and_what_it_points_to_is_left_alone(writer, tmp_path):
    (tmp_path / 'mine').write_bytes(b'mine')
    (tmp_path / 'file').symlink_to(tmp_path / 'mine')
    writer.write_bytes(tmp_path / 'file', b'new')
    assert (tmp_path / 'mine').read_bytes() == b'mine'
    assert (tmp_path / 'file').read_bytes() == b'new'
    assert not (tmp_path / 'file').is_symlink()


def test_a_link_in_place_of_the_temporary_file_is_not_followed(writer, tmp_path):
    (tmp_path / 'mine').write_bytes(b'mine')
    (tmp_path / 'file.partial').symlink_to(tmp_path / 'mine')
    with suppress(FolderError):  # to refuse it is as good
        writer.write_bytes(tmp_path / 'file', b'new')
    assert (tmp_path / 'mine').read_bytes() == b'mine'


def test_removing_takes_files_and_folders_and_what_is_not_there_but_not_behind_links(writer, tmp_path):
    writer.write_bytes(tmp_path / 'kept/file', b'x')
    writer.write_bytes(tmp_path / 'a/b/file', b'x')
    (tmp_path / 'link').symlink_to(tmp_path / 'kept')
    for name in ('a', 'link', 'missing', 'missing/too'):
        writer.remove(tmp_path / name)
    assert names(tmp_path) == ['kept']
    assert names(tmp_path / 'kept') == ['file']
    writer.write_bytes(tmp_path / 'a/b/file', b'x')  # removed on purpose, and may be made again


def test_moving_takes_a_folder_with_all_that_is_in_it(writer, tmp_path):
    writer.write_bytes(tmp_path / 'a/b/file', b'x')
    writer.move(tmp_path / 'a', tmp_path / 'c/d')
    assert (tmp_path / 'c/d/b/file').read_bytes() == b'x'
    assert names(tmp_path) == ['c']
    writer.write_bytes(tmp_path / 'a/b/file', b'y')
    assert (tmp_path / 'a/b/file').read_bytes() == b'y'


# What disappears under way


def test_a_deleted_root_is_an_error_and_not_made_again(tmp_path):
    root = tmp_path / 'root'
    root.mkdir()
    writer = AtomicWriter(root)
    writer.write_bytes(root / 'a/file', b'x')
    shutil.rmtree(root)
    for change in (
        lambda: writer.write_bytes(root / 'file', b'x'),
        lambda: writer.write_bytes(root / 'a/file', b'y'),
        lambda: writer.write_bytes(root / 'b/file', b'y'),
        lambda: writer.move(root / 'a', root / 'b'),
        writer.check_root,
    ):
        with pytest.raises(
            FolderError, match='was deleted or replaced while the sweep was running'
        ) as caught:
            change()
        assert str(root) in str(caught.value)
    assert not root.exists()


def test_a_replaced_root_is_an_error(tmp_path):
    root = tmp_path / 'root'
    root.mkdir()
    writer = AtomicWriter(root)
    writer.check_root()
    root.rename(tmp_path / 'moved')
    root.mkdir()
    with pytest.raises(FolderError, match='deleted or replaced'):
        writer.check_root()


def test_a_deleted_folder_is_an_error_and_not_made_again(writer, tmp_path):
    writer.write_bytes(tmp_path / 'a/b/file', b'x')
    shutil.rmtree(tmp_path / 'a')
    for path in ('a/b/file', 'a/b/other', 'a/other', 'a/b/c/other'):
        with pytest.raises(FolderError, match='was deleted while the sweep was running') as caught:
            writer.write_bytes(tmp_path / path, b'y')
        assert str((tmp_path / path).parent) in str(caught.value)
    assert names(tmp_path) == []


def test_a_deleted_file_is_written_again(writer, tmp_path):
    writer.write_bytes(tmp_path / 'file', b'x')
    (tmp_path / 'file').unlink()
    writer.write_bytes(tmp_path / 'file', b'x')
    assert (tmp_path / 'file').read_bytes() == b'x'


def test_a_log_grows_and_its_lines_may_hold_anything(tmp_path):
    (tmp_path / '0').mkdir()
    for text in ('one\n', 'zwei ü \udcff\n'):
        files.append_text(tmp_path / '0/log.txt', text)
    assert (tmp_path / '0/log.txt').read_bytes() == 'one\nzwei ü ?\n'.encode()


# JSON


@given(data=st.dictionaries(st.text(), JSON, max_size=3))
def test_json_reads_back_equal(lasting, data):
    path = lasting.root / 'data.json'
    lasting.write_json(path, data)
    assert checksums.read_json(path) == data


def test_json_is_strict_and_takes_numpy(writer, tmp_path):
    path = tmp_path / 'data.json'
    writer.write_json(
        path,
        {
            'numbers': [math.inf, -math.inf, math.nan, 1.5],
            'array': np.array([[1.0, np.nan], [np.inf, 2.0]]),
            'scalars': (np.float32(0.5), np.int64(3), np.bool_(True), np.float64('nan')),
            3: {'deep': {'tuple': (1, math.nan)}},
        },
    )

    def refuse(constant):
        raise AssertionError(constant)

    assert json.loads(path.read_text(), parse_constant=refuse) == {
        'numbers': [None, None, None, 1.5],
        'array': [[1.0, None], [None, 2.0]],
        'scalars': [0.5, 3, True, None],
        '3': {'deep': {'tuple': [1, None]}},
    }


@pytest.mark.parametrize(
    'data', [b'', b'{', b'[]', b'"text"', b'null', b'{"a": 1', b'\xff\xfe\x00', b'{"a":' * 100_000]
)
def test_what_is_no_json_object_is_a_value_error(tmp_path, data):
    (tmp_path / 'a.json').write_bytes(data)
    with pytest.raises(ValueError):  # noqa: PT011
        checksums.read_json(tmp_path / 'a.json')


# Arrays


def test_arrays_read_back_with_shape_and_type(writer, tmp_path):
    arrays = {
        'losses': np.array([[1.0, np.inf], [np.nan, 2.0]]),
        'sizes': np.arange(3),
        'batch_size': np.array(32),
        'none': np.zeros((0,)),
        'text': np.array('words'),
    }
    writer.write_npz(tmp_path / 'a.npz', arrays)
    found = files.read_npz(tmp_path / 'a.npz')
    assert found.keys() == arrays.keys()
    for name, array in arrays.items():
        assert found[name].dtype == array.dtype
        np.testing.assert_array_equal(found[name], array)


def test_equal_arrays_give_equal_bytes(writer, tmp_path, monkeypatch):
    arrays = {'a': np.arange(1000) / 3, 'b': np.ones((2, 3))}
    writer.write_npz(tmp_path / 'one.npz', arrays)
    monkeypatch.setattr('time.time', lambda: 2e9)
    writer.write_npz(tmp_path / 'other.npz', {name: array.copy() for name, array in arrays.items()})
    assert (tmp_path / 'one.npz').read_bytes() == (tmp_path / 'other.npz').read_bytes()


def test_pickled_arrays_are_not_read(tmp_path):
    np.savez(tmp_path / 'a.npz', a=np.array([None, {}]))
    with pytest.raises(ValueError, match='allow_pickle'):
        files.read_npz(tmp_path / 'a.npz')


@pytest.fixture(scope='module')
def archive(lasting):
    lasting.write_npz(lasting.root / 'whole.npz', {'a': np.arange(40) / 3, 'b': np.array('words')})
    return (lasting.root / 'whole.npz').read_bytes()


@pytest.mark.parametrize('read', [files.read_npz, files.check_archive])
def test_arrays_with_a_changed_byte_are_whole_or_a_value_error(in_memory, archive, read):
    path, raised = in_memory / 'a.npz', set()
    for place in range(len(archive)):
        for byte in (0, 1, 255):
            path.write_bytes(archive[:place] + bytes([byte]) + archive[place + 1 :])
            try:
                read(path)
            except Exception as error:
                raised.add(type(error))
    assert raised  # some changes are noticed
    assert {kind for kind in raised if not issubclass(kind, ValueError)} == set()


@given(cut=st.integers(min_value=0))
def test_a_truncated_archive_is_told_from_a_whole_one(lasting, archive, cut):
    path = lasting.root / 'truncated.npz'
    path.write_bytes(archive)
    files.check_archive(path)
    path.write_bytes(archive[: cut % len(archive)])
    with pytest.raises(ValueError, match=r'truncated\.npz'):
        files.check_archive(path)


@given(garbage=st.binary(max_size=200))
def test_garbage_is_no_archive(lasting, garbage):
    path = lasting.root / 'garbage.npz'
    path.write_bytes(garbage)
    for read in (files.read_npz, files.check_archive):
        with pytest.raises(ValueError, match=r'garbage|pickle'):
            read(path)


def test_a_missing_archive_is_no_damage(tmp_path):
    files.check_archive(tmp_path / 'missing.npz')


# CSV

CELLS = st.text() | st.sampled_from(['a,b', 'a\nb', 'a\rb', '\r\n', '"', '', ' '])


@given(rows=st.lists(st.lists(CELLS, min_size=2, max_size=2)))
def test_csv_reads_back_equal(lasting, rows):
    path = lasting.root / 'data.csv'
    lasting.write_csv(path, ['x', 'a "name"'], rows)
    with open(path, newline='', encoding='utf-8') as file:
        assert list(csv.reader(file)) == [['x', 'a "name"'], *rows]


def test_csv_takes_numbers(writer, tmp_path):
    writer.write_csv(tmp_path / 'a.csv', ['x', 'y'], [[1, 0.1], [None, math.inf]])
    assert (tmp_path / 'a.csv').read_text() == 'x,y\n1,0.1\n,inf\n'


# Pickles

VALUES = st.recursive(
    st.none() | st.integers() | st.floats() | st.text() | st.binary(),
    lambda inner: (
        st.lists(inner, max_size=3).map(tuple)
        | st.dictionaries(st.text(), inner, max_size=3)
        | st.lists(st.floats(), max_size=4).map(np.array)
    ),
    max_leaves=8,
)


def test_a_table_is_written_while_its_rows_are_made(writer, tmp_path):
    written = []

    def rows():
        for number in range(100_000):
            if number % 20_000 == 0:
                written.append((tmp_path / 'a.csv.partial').stat().st_size)
            yield [number, 'x' * 20]

    writer.write_csv(tmp_path / 'a.csv', ['x', 'y'], rows())
    assert all(earlier < later for earlier, later in itertools.pairwise(written))
    assert len((tmp_path / 'a.csv').read_bytes().splitlines()) == 100_001


def test_a_large_pickle_is_never_whole_in_memory(writer, tmp_path):
    value = [float(number) for number in range(500_000)]
    tracemalloc.start()
    writer.write_pickle(tmp_path / 'a.pt', value)
    _, most = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert most < (tmp_path / 'a.pt').stat().st_size / 4
    assert pickle.loads((tmp_path / 'a.pt').read_bytes()) == value


@pytest.mark.parametrize('last', [1, 2])
def test_only_what_is_another_table_takes_the_place_of_one(writer, tmp_path, last):
    writer.write_csv(tmp_path / 'a.csv', ['x'], [[0], [1]])
    before = (tmp_path / 'a.csv').stat().st_ino
    writer.write_csv(tmp_path / 'a.csv', ['x'], [[0], [last]])
    assert ((tmp_path / 'a.csv').stat().st_ino == before) == (last == 1)
    assert (tmp_path / 'a.csv').read_text() == f'x\n0\n{last}\n'
    assert [path.name for path in tmp_path.iterdir()] == ['a.csv']


def test_pickles_are_for_users(writer, tmp_path):
    value = [({'a': (1, 2), 'b': 'relu'}, np.arange(3.0)), NamedPoint(width=3, activation='relu')]
    writer.write_pickle(tmp_path / 'a.pt', value)
    (numbers, array), point = pickle.loads((tmp_path / 'a.pt').read_bytes())
    assert (numbers, point) == (value[0][0], value[1])
    np.testing.assert_array_equal(array, np.arange(3.0))


def _shared(value):
    """The same value, in which everything that is there twice is one object."""
    first = {}

    def share(part):
        if isinstance(part, tuple):
            part = tuple(share(one) for one in part)
        elif isinstance(part, dict):
            return {share(name): share(one) for name, one in part.items()}
        elif isinstance(part, np.ndarray):
            return part
        return first.setdefault((type(part), repr(part)), part)

    return share(value)


def _apart(value):
    """The same value, in which no two things are one object."""
    return pickle.loads(_fast_pickle(value))


def _fast_pickle(value):
    buffer = io.BytesIO()
    pickler = pickle.Pickler(buffer)
    pickler.fast = True
    pickler.dump(value)
    return buffer.getvalue()


@given(value=VALUES)
def test_equal_values_give_equal_pickles_however_they_share_objects(lasting, value):
    value = (value, value, {'again': value})
    written = []
    for one in (value, _shared(value), _apart(value)):
        lasting.write_pickle(lasting.root / 'a.pt', one)
        written.append((lasting.root / 'a.pt').read_bytes())
    assert written[0] == written[1] == written[2]


def test_a_string_that_is_one_object_gives_the_bytes_of_two(writer, tmp_path):
    one, two = ''.join(['re', 'lu']), ''.join(['re', 'lu'])
    assert one is not two
    writer.write_pickle(tmp_path / 'shared.pt', [(one,), {'a': one}])
    writer.write_pickle(tmp_path / 'apart.pt', [(one,), {'a': two}])
    assert (tmp_path / 'shared.pt').read_bytes() == (tmp_path / 'apart.pt').read_bytes()


ARRAYS = [
    np.array(1.5), np.array('text'), np.array([], dtype=np.float32), np.arange(6).reshape(2, 3),
    np.asfortranarray(np.arange(6).reshape(2, 3)), np.arange(10)[::3], np.array([True, False]),
    np.array(['a', 'äöü']), np.array([math.nan, math.inf]), np.arange(4, dtype='>i2'), [1, 2.5], 7,
]  # fmt: skip


@given(st.lists(st.sampled_from(range(len(ARRAYS))), max_size=8))
def test_arrays_come_back_as_numpy_itself_reads_them(tmp_path_factory, chosen):
    arrays = {f'array_{number}': ARRAYS[index] for number, index in enumerate(chosen)}
    path = tmp_path_factory.mktemp('arrays') / 'some.npz'
    path.write_bytes(files.npz_bytes(arrays))
    with np.load(path, allow_pickle=False) as others:
        assert others.files == [*arrays]
        for read in (files.read_npz(path), others):
            for name, array in arrays.items():
                np.testing.assert_array_equal(read[name], array, strict=not isinstance(array, list | int))
                assert read[name].dtype == np.asarray(array).dtype
    copies = {name: np.array(array, order='F') for name, array in arrays.items()}
    assert files.npz_bytes(copies) == path.read_bytes()
