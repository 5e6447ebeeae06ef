"""`results.parquet` has what `results.csv` has, with values of their own types."""

import csv
import dataclasses
import math
import os
from contextlib import suppress

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pyarrow import parquet

from sweeper.errors import FolderError
from sweeper.points import NamedPoint, value_from_text, value_to_text
from sweeper.store import parquet as ours
from sweeper.store.manifest import read_manifest
from sweeper.store.store import Store

from .test_damage import Missing, opened_again

TABLE, CSV = 'points/results.parquet', 'points/results.csv'


@pytest.fixture(scope='session')
def in_columns(example):
    """The example's manifest, with summaries as Parquet."""
    return dataclasses.replace(example.manifest, storage={'summaries': 'parquet'})


def columns_of(folder):
    return parquet.read_table(folder / TABLE).to_pydict()


def typed(points, **nuisance):
    """Returns what a sweep of some points has as columns, and the types of these."""

    def write(example, folder, manifest):
        with example.opened(folder, manifest) as store:
            store.add_points(points)
            for point in points:
                store.write_tuned(point, example.tuned(**nuisance))
                store.write_trial(point, 0, example.record())
            store.rebuild('parquet')
        types = {field.name: str(field.type) for field in parquet.read_schema(folder / TABLE)}
        return columns_of(folder), types

    return write


def test_it_has_the_rows_and_columns_of_the_csv_file(example, folder):
    with example.opened(folder) as store:
        example.fill(store, test=0.5)
        header, *rows = csv.reader((folder / CSV).read_text().splitlines())
        store.rebuild('parquet')
    columns = columns_of(folder)
    assert list(columns) == header and len(rows) == 3
    for name, cells in zip(header, zip(*rows, strict=True), strict=True):
        for value, cell in zip(columns[name], cells, strict=True):
            assert cell == ('' if value is None else str(value)) or float(cell) == value


def test_scores_have_types_and_what_is_not_there_is_null(example, folder, in_columns):
    with example.opened(folder, in_columns) as store:
        example.fill(store)
    columns = columns_of(folder)
    assert columns['diverged'] == [False, True, False] and columns['loss_val'][1] == math.inf
    assert columns['perf_test'] == [None] * 3 and columns['seed'] == [2**62 + 1] * 3
    assert columns['id'] == [0] * 3 and columns['trial'] == [0, 1, 2] and columns['width'] == [16] * 3


@pytest.mark.parametrize(
    ('values', 'expected', 'kind'),
    [
        ([True, False], [True, False], 'bool'),
        ([1, 2], [1, 2], 'int64'),
        ([1, 0.5], [1.0, 0.5], 'double'),
        (['relu', '1', ''], ['relu', '1', ''], 'string'),
        ([1, 'relu', None], ['1', 'relu', 'null'], 'string'),
        ([2**70, 1], [str(2**70), '1'], 'string'),
        ([2**60 + 1, 0.5], [str(2**60 + 1), '0.5'], 'string'),
        ([(1, 2), 3], ['[1, 2]', '3'], 'string'),
    ],
)
def test_a_parameter_has_the_type_that_holds_all_its_values(
    example, folder, in_columns, values, expected, kind
):
    columns, types = typed([NamedPoint({'x': value}) for value in values])(example, folder, in_columns)
    assert columns['x'] == expected and types['x'] == kind


def test_what_a_point_does_not_have_is_null_and_what_is_tuned_has_a_type_too(example, folder, in_columns):
    points = [NamedPoint({'x': 1}), NamedPoint({'x': 2, 'trial': 'adam'})]
    columns, types = typed(points, dropout=0.25)(example, folder, in_columns)
    assert columns['param_trial'] == [None, 'adam'] and columns['x'] == [1, 2]
    assert columns['nuisance_dropout'] == [0.25, 0.25] and types['nuisance_dropout'] == 'double'


@given(
    st.lists(
        st.one_of(st.booleans(), st.integers(), st.floats(allow_nan=False), st.text(max_size=4), st.none()),
        min_size=1, max_size=6,
    )
)  # fmt: skip
def test_no_value_is_lost_or_becomes_another(values):
    cells = [value_to_text(value) for value in values]
    kept = ours._values_of(cells)
    kind = ours._kind_of([*kept.values()])
    import pyarrow

    back = pyarrow.array([kept[cell] for cell in cells], kind).to_pylist()
    for value, cell in zip(back, cells, strict=True):
        assert value == value_from_text(cell) or value == cell


def test_of_many_trials_the_file_has_several_parts(example, folder, in_columns, monkeypatch):
    monkeypatch.setattr(ours, '_ROWS', 2)
    with example.opened(folder, in_columns) as store:
        example.fill(store)
    assert parquet.ParquetFile(folder / TABLE).num_row_groups == 2
    assert columns_of(folder)['trial'] == [0, 1, 2]


def test_a_sweep_without_a_trial_has_a_table_without_rows(example, folder, in_columns):
    with example.opened(folder, in_columns) as store:
        store.add_points(example.points)
        store.rebuild()
    assert columns_of(folder)['width'] == []


# In place of other files


def test_no_other_summary_of_trials_is_written(example, folder, in_columns):
    with example.opened(folder, in_columns) as store:
        example.fill(store)
        store.complete(example.points[0], store.trials(example.points[0]))
    assert not (folder / CSV).exists() and not list(folder.rglob('results.npz'))


@pytest.mark.parametrize('there', ['csv', 'parquet'])
def test_the_other_kind_may_be_chosen_at_any_time_and_takes_the_place_of_the_first(example, folder, there):
    other = {'csv': 'parquet', 'parquet': 'csv'}[there]
    with example.opened(folder) as store:
        example.fill(store)
        store.rebuild(there)
    first = example.tree(folder)
    with Store.opened(folder) as store:
        store.rebuild(other)
    assert read_manifest(store.layout).kept.summaries == other
    assert (folder / TABLE).exists() == (other == 'parquet') != (folder / CSV).exists()
    with Store.opened(folder) as store:
        store.rebuild(there)
    assert example.tree(folder) == first


def test_equal_results_give_equal_bytes_and_nothing_is_written_twice(example, folder, in_columns):
    with example.opened(folder, in_columns) as store:
        example.fill(store)
        before = (folder / TABLE).stat()
        store.rebuild()
        assert (folder / TABLE).stat().st_ino == before.st_ino


@pytest.mark.parametrize('damage', [lambda path: os.truncate(path, 20), os.remove])
def test_damaged_it_is_written_anew(example, folder, in_columns, damage):
    with example.opened(folder, in_columns) as store:
        example.fill(store)
    whole = example.tree(folder)
    damage(folder / TABLE)
    assert opened_again(example, folder) == []
    assert example.tree(folder) == whole


@settings(max_examples=25)
@given(at=st.integers(0, 180))
def test_killed_at_any_step_it_ends_with_the_same_folder(example, in_columns, memory, steps, at):
    expected, folder = memory() / 'sweep', memory() / 'sweep'
    with example.opened(expected, in_columns) as store:
        example.fill(store)
    with steps.faulty(at), example.opened(folder, in_columns) as store:
        example.fill(store)
    with example.opened(folder, in_columns) as store:
        example.fill(Missing(store))
    assert example.tree(folder) == example.tree(expected)


@pytest.mark.parametrize('make', [os.mkfifo, lambda path: path.symlink_to(path.parent / 'elsewhere')])
def test_what_is_no_file_in_its_place_is_set_aside(example, folder, in_columns, make):
    with example.opened(folder, in_columns) as store:
        example.fill(store)
    (folder / TABLE).unlink()
    make(folder / TABLE)
    (said,) = opened_again(example, folder)
    assert 'points/results.parquet is set aside' in said
    assert columns_of(folder)['trial'] == [0, 1, 2]


def test_a_full_disk_is_a_clear_error_and_leaves_the_earlier_table(example, folder, in_columns, steps, code):
    kept = []
    with example.opened(folder, in_columns) as store:
        example.fill(store)
        before = (folder / TABLE).read_bytes()
        store.write_trial(example.points[0], 3, example.record())
        for at in range(100):
            with suppress(FolderError), steps.faulty(at, code):
                store.write_summaries(store.records)
            if not steps.had_fault:
                break
            kept += [at] if (folder / TABLE).read_bytes() == before else []
    assert len(kept) > 5 and columns_of(folder)['trial'] == [0, 1, 2, 3]
