"""Files appear whole or not at all, and equal content gives equal bytes."""

import csv
import json
import math
import os
import pickle

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sweeper.store import files

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=5,
)


class Crash(BaseException):
    """The process is killed here."""


@pytest.fixture
def crash(monkeypatch):
    def crash_instead(*_):
        raise Crash

    monkeypatch.setattr(os, 'replace', crash_instead)
    return monkeypatch


def test_a_file_is_written_with_the_folders_on_the_way(tmp_path):
    path = tmp_path / 'a/b/c.txt'
    files.write_bytes(path, b'whole')
    assert path.read_bytes() == b'whole'
    assert [p.name for p in path.parent.iterdir()] == ['c.txt']


def test_a_new_file_is_absent_after_a_crash_before_the_rename(tmp_path, crash):
    path = tmp_path / 'result.json'
    with pytest.raises(Crash):
        files.write_json(path, {'a': 1})
    assert not path.exists()
    crash.undo()
    files.write_json(path, {'a': 1})
    assert [p.name for p in tmp_path.iterdir()] == ['result.json']


def test_an_old_file_stays_whole_after_a_crash_before_the_rename(tmp_path, crash):
    path = tmp_path / 'result.json'
    path.write_bytes(b'old')
    with pytest.raises(Crash):
        files.write_bytes(path, b'new')
    assert path.read_bytes() == b'old'


def test_a_file_is_on_the_disk_before_it_gets_its_name(tmp_path, monkeypatch):
    calls = []
    fsync, replace = os.fsync, os.replace
    monkeypatch.setattr(os, 'fsync', lambda fd: (calls.append('fsync'), fsync(fd)))
    monkeypatch.setattr(os, 'replace', lambda *a: (calls.append('replace'), replace(*a)))
    files.write_bytes(tmp_path / 'file', b'x')
    assert calls == ['fsync', 'replace']


def test_what_cannot_be_written_leaves_nothing(tmp_path):
    with pytest.raises(TypeError):
        files.write_json(tmp_path / 'a.json', {'a': object()})
    with pytest.raises(AssertionError):
        files.write_npz(tmp_path / 'a.npz', {'a': np.array([None])})
    assert list(tmp_path.iterdir()) == []


@given(data=st.dictionaries(st.text(), JSON, max_size=3))
def test_json_reads_back_equal(tmp_path_factory, data):
    path = tmp_path_factory.getbasetemp() / 'data.json'
    files.write_json(path, data)
    assert files.read_json(path) == data


def test_json_is_strict_and_takes_numpy(tmp_path):
    path = tmp_path / 'data.json'
    files.write_json(
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


def test_arrays_read_back_with_shape_and_type(tmp_path):
    arrays = {
        'losses': np.array([[1.0, np.inf], [np.nan, 2.0]]),
        'sizes': np.arange(3),
        'batch_size': np.array(32),
        'none': np.zeros((0,)),
    }
    files.write_npz(tmp_path / 'a.npz', arrays)
    found = files.read_npz(tmp_path / 'a.npz')
    assert found.keys() == arrays.keys()
    for name, array in arrays.items():
        assert found[name].dtype == array.dtype
        np.testing.assert_array_equal(found[name], array)


def test_equal_arrays_give_equal_bytes(tmp_path, monkeypatch):
    arrays = {'a': np.arange(1000) / 3, 'b': np.ones((2, 3))}
    files.write_npz(tmp_path / 'one.npz', arrays)
    monkeypatch.setattr('time.time', lambda: 2e9)
    files.write_npz(tmp_path / 'other.npz', {name: array.copy() for name, array in arrays.items()})
    assert (tmp_path / 'one.npz').read_bytes() == (tmp_path / 'other.npz').read_bytes()


def test_pickled_arrays_are_not_read(tmp_path):
    np.savez(tmp_path / 'a.npz', a=np.array([None, {}]))
    with pytest.raises(ValueError, match='allow_pickle'):
        files.read_npz(tmp_path / 'a.npz')


CELLS = st.text() | st.sampled_from(['a,b', 'a\nb', 'a\rb', '\r\n', '"', '', ' '])


@given(rows=st.lists(st.lists(CELLS, min_size=2, max_size=2)))
def test_csv_reads_back_equal(tmp_path_factory, rows):
    path = tmp_path_factory.getbasetemp() / 'data.csv'
    files.write_csv(path, ['x', 'a "name"'], rows)
    with open(path, newline='', encoding='utf-8') as file:
        assert list(csv.reader(file)) == [['x', 'a "name"'], *rows]


def test_csv_takes_numbers(tmp_path):
    files.write_csv(tmp_path / 'a.csv', ['x', 'y'], [[1, 0.1], [None, math.inf]])
    assert (tmp_path / 'a.csv').read_text() == 'x,y\n1,0.1\n,inf\n'


def test_pickles_are_for_users(tmp_path):
    files.write_pickle(tmp_path / 'a.pt', {'a': (1, 2)})
    assert pickle.loads((tmp_path / 'a.pt').read_bytes()) == {'a': (1, 2)}
