"""Points keep their ids, through `params.csv`."""

import collections
import csv
import http
import pickle

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sweeper.errors import FolderError
from sweeper.points import NamedPoint
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
def layout(tmp_path_factory):
    return SweepLayout(tmp_path_factory.mktemp('sweep'))


@pytest.mark.parametrize('named', [False, True], ids=['tuples', 'named'])
@settings(max_examples=50)
@given(data=st.data())
def test_points_read_back_in_order(layout, named, data):
    points = data.draw(NAMED if named else TUPLES)
    written = Lookup(layout)
    cut = data.draw(st.integers(0, len(points)))
    for batch in (points[:cut], points[cut:]):
        written.add(batch)
    read = Lookup(layout)
    read.read(named)
    assert read.points == written.points == points
    assert read.ids == written.ids == {point: i for i, point in enumerate(points)}
    assert read.columns == written.columns
    assert list(map(repr, map(type, read.points))) == list(map(repr, map(type, points)))


@settings(max_examples=30)
@given(points=TUPLES, more=TUPLES)
def test_a_lookup_goes_on_where_it_stopped(layout, points, more):
    more = [point for point in more if point not in points]
    whole = Lookup(layout, ['width'])
    whole.add([*points, *more])
    expected = layout.params_csv.read_bytes()

    Lookup(layout, ['width']).add(points)
    resumed = Lookup(layout, ['width'])
    resumed.read(named=False)
    resumed.add(more)
    assert layout.params_csv.read_bytes() == expected
    assert resumed.points == whole.points


def test_the_csv_has_an_id_and_one_column_per_parameter(layout):
    lookup = Lookup(layout, ['width', 'nonlinearity'])
    lookup.add([(16, 'relu'), (32,), (64, '', None)])
    with open(layout.params_csv, newline='', encoding='utf-8') as file:
        assert list(csv.reader(file)) == [
            ['id', 'width', 'nonlinearity', 'param2'],
            ['0', '16', 'relu', ''],
            ['1', '32', '', ''],
            ['2', '64', '""', 'null'],
        ]


def test_named_points_may_have_different_names(layout):
    lookup = Lookup(layout)
    lookup.add([NamedPoint(width=16), NamedPoint(depth=2, width=8), NamedPoint()])
    assert lookup.columns == ['width', 'depth']
    assert [lookup.cells(point) for point in lookup.points] == [['16', ''], ['8', '2'], ['', '']]


def test_the_pickle_maps_both_ways(layout):
    points = [(1, collections.OrderedDict), (2, len)]
    Lookup(layout).add(points)
    ids, by_id = pickle.loads(layout.params_lookup.read_bytes())
    assert ids == {points[0]: 0, points[1]: 1}
    assert by_id == {0: points[0], 1: points[1]}


@pytest.mark.parametrize('points', [[(1, 'relu'), (2,)], [NamedPoint(a=1), NamedPoint(a='1', b=(2, 3))], []])
def test_points_are_restored_from_what_each_of_them_recorded(layout, points):
    written = Lookup(layout, ['width'])
    written.add(points)
    restored = Lookup(layout, ['width'])
    restored.restore([written.record(point) for point in points], named=NamedPoint in map(type, points))
    assert restored.points == points
    assert restored.columns == written.columns


@pytest.mark.parametrize(
    'text',
    [
        '',
        'id,a\n0,1,2\n',
        'id,a\n0\n',
        'id,a\n0,"{""other"": 1}"\n',
        'id,a\n0,' + 'x' * 200_000,
        b'id,a\n0,\xff\n',
    ],
    ids=range(6),
)
def test_what_cannot_be_understood_is_refused_with_its_file(layout, text):
    layout.params_csv.write_bytes(text if isinstance(text, bytes) else text.encode())
    with pytest.raises(FolderError, match=r'cannot read the points in .*params\.csv'):
        Lookup(layout).read(named=False)
