"""Points keep their ids, through `params.csv`."""

import collections
import csv
import http
import pickle
from contextlib import suppress

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sweeper.errors import FolderError
from sweeper.io.checksums import checksum
from sweeper.io.files import AtomicWriter
from sweeper.points import NamedPoint
from sweeper.store.damage import DamagedFile
from sweeper.store.layout import SweepLayout
from sweeper.store.lookup import Lookup

VALUES = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False)
    | st.text()
    | st.sampled_from(['', '1', 'null', 'a,b', 'a\nb', 'a\rb', '"', http.HTTPStatus.OK, int, len]),
    lambda inner: st.lists(inner, max_size=3).map(tuple) | st.frozensets(inner, max_size=3),
    max_leaves=5,
)
TUPLES = st.lists(st.lists(VALUES, max_size=4).map(tuple), max_size=5, unique=True)
NAMED = st.lists(st.dictionaries(st.text(), VALUES, max_size=4).map(NamedPoint), max_size=5, unique=True)


@pytest.fixture(scope='module')
def layout(memory):
    return SweepLayout(memory())


@pytest.fixture(scope='module')
def writer(layout):
    return AtomicWriter(layout.folder)


@pytest.mark.parametrize('named', [False, True], ids=['tuples', 'named'])
@settings(max_examples=50)
@given(data=st.data())
def test_points_read_back_in_order(layout, writer, named, data):
    points = data.draw(NAMED if named else TUPLES)
    written = Lookup(layout)
    cut = data.draw(st.integers(0, len(points)))
    for batch in (points[:cut], points[cut:]):
        written.add(batch)
        written.write(writer)
    for path in (layout.params_csv, layout.params_csv_copy):
        read = Lookup(layout)
        read.read(path, named)
        assert read.points == written.points == points
        assert read.ids == written.ids == {point: i for i, point in enumerate(points)}
        assert read.columns == written.columns
        assert list(map(repr, map(type, read.points))) == list(map(repr, map(type, points)))


@settings(max_examples=30)
@given(points=TUPLES, more=TUPLES)
def test_a_lookup_goes_on_where_it_stopped(layout, writer, points, more):
    more = [point for point in more if point not in points]
    whole = Lookup(layout, ['width'])
    whole.add([*points, *more])
    whole.write(writer)
    expected = layout.params_csv.read_bytes()

    first = Lookup(layout, ['width'])
    first.add(points)
    first.write(writer)
    resumed = Lookup(layout, ['width'])
    resumed.read(layout.params_csv, named=False)
    resumed.add(more)
    resumed.write(writer)
    assert layout.params_csv.read_bytes() == expected
    assert resumed.points == whole.points


def test_the_csv_has_an_id_and_one_column_per_parameter_and_a_copy(layout, writer):
    lookup = Lookup(layout, ['width', 'nonlinearity'])
    lookup.add([(16, 'relu'), (32,), (64, '', None)])
    lookup.write(writer)
    with open(layout.params_csv, newline='', encoding='utf-8') as file:
        assert list(csv.reader(file)) == [
            ['id', 'width', 'nonlinearity', 'param2'],
            ['0', '16', 'relu', ''],
            ['1', '32', '', ''],
            ['2', '64', '""', 'null'],
        ]
    text = layout.params_csv.read_bytes()
    assert layout.params_csv_copy.read_bytes() == text + f'checksum,{checksum(text)}\n'.encode()


def test_the_copy_is_never_behind(layout, writer, steps):
    kept = Lookup(layout)
    kept.add([(1,)])
    kept.write(writer)
    kept.add([(2,)])
    with steps.faulty():
        Lookup.write(kept, AtomicWriter(layout.folder))
    for at in range(len(steps.taken)):
        old = Lookup(layout)
        old.add([(1,)])
        old.write(writer)
        with steps.faulty(at):
            kept.write(writer)
        found = []
        for path in (layout.params_csv, layout.params_csv_copy):
            lookup = Lookup(layout)
            lookup.read(path, named=False)
            found.append(lookup.points)
        assert found in ([[(1,)], [(1,)]], [[(1,)], [(1,), (2,)]], [[(1,), (2,)], [(1,), (2,)]])


def test_named_points_may_have_different_names(layout):
    lookup = Lookup(layout)
    lookup.add([NamedPoint(width=16), NamedPoint(depth=2, width=8), NamedPoint()])
    assert lookup.columns == ['width', 'depth']
    assert [lookup.cells(point) for point in lookup.points] == [['16', ''], ['8', '2'], ['', '']]


def test_the_pickle_maps_both_ways(layout, writer):
    points = [(1, collections.OrderedDict), (2, len)]
    lookup = Lookup(layout)
    lookup.add(points)
    lookup.write(writer)
    ids, by_id = pickle.loads(layout.params_lookup.read_bytes())
    assert ids == {points[0]: 0, points[1]: 1}
    assert by_id == {0: points[0], 1: points[1]}


# Restoring


@pytest.mark.parametrize('points', [[(1, 'relu'), (2,)], [NamedPoint(a=1), NamedPoint(a='1', b=(2, 3))], []])
def test_points_are_restored_from_what_each_of_them_recorded(layout, points):
    written = Lookup(layout, ['width'])
    written.add(points)
    restored = Lookup(layout, ['width'])
    records = {i: written.record(point) for i, point in reversed(list(enumerate(points)))}
    restored.restore(records, named=NamedPoint in map(type, points))
    assert restored.points == points
    assert restored.columns == written.columns


@pytest.mark.parametrize(('known', 'missing'), [([1], 0), ([0, 2], 1), ([0, 1, 10**15], 2)])
def test_a_point_that_nothing_tells_is_an_error_that_names_its_folder(layout, known, missing):
    lookup = Lookup(layout)
    with pytest.raises(FolderError, match='is lost, and nothing in') as caught:
        lookup.restore({point_id: {'width': '1'} for point_id in known}, named=False)
    assert str(layout.params_csv) in str(caught.value)
    assert f'{layout.point(missing).folder} ' in str(caught.value)


# What cannot be read

STRANGE = [
    '{"other": 1}',
    '{"frozenset": 5}',
    '{"frozenset": [{}]}',
    '{"import": []}',
    '{"enum": 5}',
    '{"import": "sys:path"}',
]
BROKEN = [
    '',
    'id,a\n0,1,2\n',
    'id,a\n0\n',
    'id,a\n1,1\n',
    'id,a\n0,1\n2,2\n',
    'id,a\n0,1\n\n',
    'id,a\n../../x,1\n',
    'a,b\n0,1\n',
    'id,a\n0,"1\n',
    'id,a\n0,1',
    'id,a\n0,' + '[' * 100_000 + '\n',
    b'id,a\n0,\xff\n',
    b'\0\0\0\0',
]


@pytest.mark.parametrize('text', BROKEN, ids=range(len(BROKEN)))
def test_what_cannot_be_understood_is_damaged(layout, text):
    layout.params_csv.write_bytes(text if isinstance(text, bytes) else text.encode())
    for named in (False, True):
        lookup = Lookup(layout, ['width'])
        with pytest.raises(DamagedFile, match=r'params\.csv is damaged: ') as caught:
            lookup.read(layout.params_csv, named)
        assert caught.value.path == layout.params_csv
        assert (lookup.points, lookup.names) == ([], ['width'])


@pytest.mark.parametrize('cell', STRANGE)
def test_a_value_that_none_wrote_is_damage_or_a_value_but_raises_nothing_else(layout, writer, cell):
    writer.write_csv(layout.params_csv, ['id', 'a'], [[0, cell]])
    lookup, restored = Lookup(layout), Lookup(layout)
    with suppress(DamagedFile):
        lookup.read(layout.params_csv, named=False)
        assert lookup.cells(lookup.points[0])
    with suppress(FolderError, DamagedFile):
        restored.restore({0: {'a': cell}}, named=False)


@settings(max_examples=60)
@given(points=TUPLES, data=st.data())
def test_a_truncated_list_of_points_is_damaged_or_a_shorter_list(layout, writer, points, data):
    """What is cut at the end of a line cannot be told from a shorter list; the copy tells."""
    whole = Lookup(layout)
    whole.add(points)
    whole.write(writer)
    content = layout.params_csv.read_bytes()
    layout.params_csv.write_bytes(content[: data.draw(st.integers(0, len(content)))])
    lookup = Lookup(layout)
    try:
        lookup.read(layout.params_csv, named=False)
    except DamagedFile:
        assert lookup.points == []
    else:
        assert lookup.points == points[: len(lookup.points)]


def test_a_list_that_is_missing_is_not_damaged(layout):
    with pytest.raises(FileNotFoundError):
        Lookup(layout).read(layout.folder / 'nowhere.csv', named=False)
