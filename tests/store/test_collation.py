"""The summaries follow from the single results, byte by byte."""

import csv
import math
import pickle

import numpy as np
import pytest

from sweeper.points import NamedPoint
from sweeper.store import collation
from sweeper.store.store import Store

SUMMARIES = ['points/params_lookup.pt', 'points/params.csv', 'copies/params.csv', 'points/funcres.pt']
SUMMARIES += ['points/results.csv', 'points/0/results.npz', 'points/1/results.npz', 'points/2/results.npz']


def rows_of(folder):
    with open(folder / 'points/results.csv', newline='', encoding='utf-8') as file:
        return list(csv.DictReader(file))


@pytest.mark.parametrize('test', [None, 0.5])
def test_results_npz_has_the_scores_of_the_splits_that_there_are(store, folder, example, test):
    example.fill(store, test=test)
    splits = ['train', 'val', *([] if test is None else ['test'])]
    with np.load(folder / 'points/0/results.npz', allow_pickle=False) as arrays:
        assert set(arrays.files) == {f'final_{kind}_{s}' for kind in ('loss', 'perf') for s in splits}
        assert all(arrays[name].shape == (3,) for name in arrays.files)
        np.testing.assert_array_equal(arrays['final_perf_train'], [0.25, 0, 0.75])
        np.testing.assert_array_equal(arrays['final_loss_val'], [0.75, math.inf, 0.25])
        if test is not None:
            np.testing.assert_array_equal(arrays['final_perf_test'], [0.5, 0, 0.5])


def test_scores_on_test_data_need_all_trials_and_none_has_none(example):
    with_test, without = example.record(test=0.5).result, example.record().result
    assert 'final_perf_test' in collation.final_arrays({0: with_test})
    for trials in ({0: with_test, 1: without}, {0: without}, {}):
        arrays = collation.final_arrays(trials)
        assert set(arrays) == {'final_loss_train', 'final_perf_train', 'final_loss_val', 'final_perf_val'}
        assert all(array.shape == (len(trials),) and array.dtype == float for array in arrays.values())


def test_trials_are_in_the_order_of_their_index(example):
    arrays = collation.final_arrays({index: example.record(index / 10).result for index in (3, 0, 2)})
    np.testing.assert_array_equal(arrays['final_perf_train'], [0, 0.2, 0.3])


def test_results_csv_has_one_row_per_trial(store, folder, example):
    example.fill(store)
    rows = rows_of(folder)
    assert [(row['id'], row['trial']) for row in rows] == [('0', '0'), ('0', '1'), ('0', '2')]
    assert rows[0]['width'] == '16' and rows[0]['nonlinearity'] == 'relu'
    assert float(rows[0]['perf_train']) == 0.25 and float(rows[1]['loss_val']) == math.inf
    assert float(rows[0]['lr_start']) == 0.1 / 3 and rows[0]['batch_size'] == '32'
    assert rows[1]['diverged'] == 'True' and rows[0]['perf_test'] == ''
    assert int(rows[0]['seed']) == 2**62 + 1


def test_results_csv_keeps_parameters_apart_from_its_own_columns(folder, example):
    with example.opened(folder) as store:
        point = NamedPoint(trial='a', batch_size=7, id=3)
        store.add_points([point])
        store.write_tuned(point, example.tuned(flags=['nan_seen']))
        store.write_trial(point, 0, example.record())
        store.collate()
    with open(folder / 'points/results.csv', newline='', encoding='utf-8') as file:
        header, row = csv.reader(file)
    assert len(set(header)) == len(header) == len(row)
    found = dict(zip(header, row, strict=True))
    assert (found['id'], found['trial'], found['batch_size'], found['flags']) == ('0', '0', '32', 'nan_seen')
    assert (found['param_id'], found['param_trial'], found['param_batch_size']) == ('3', 'a', '7')


def test_results_csv_has_what_nuisance_parameters_were_tuned_to_after_the_batch_size(folder, example):
    points = [NamedPoint(width=1, momentum=0.5), NamedPoint(width=2), NamedPoint(width=3, nuisance_kind=7)]
    with example.opened(folder) as store:
        store.add_points(points)
        tuned = [example.tuned(), example.tuned(momentum=0.9), example.tuned(kind=('a', 2), momentum=0.0)]
        for point, one in reversed([*zip(points, tuned, strict=True)]):  # tuned in any order
            store.write_tuned(point, one)
            store.write_trial(point, 0, example.record())
        store.collate()
        with open(folder / 'points/results.csv', newline='', encoding='utf-8') as file:
            header, *rows = csv.reader(file)
        at = header.index('batch_size')
        assert header[at : at + 4] == ['batch_size', 'nuisance_momentum', 'nuisance_kind', 'trial']
        assert [row[at + 1 : at + 3] for row in rows] == [['', ''], ['0.9', ''], ['0.0', '["a", 2]']]
        assert header[1:4] == ['width', 'momentum', 'param_nuisance_kind'] and len(set(header)) == len(header)
    before = (folder / 'points/results.csv').read_bytes()
    with Store.opened(folder) as again:
        again.rebuild()
    assert (folder / 'points/results.csv').read_bytes() == before


def test_without_nuisance_parameters_results_csv_has_no_column_for_them(store, folder, example):
    example.fill(store)
    assert not any('nuisance' in name for name in rows_of(folder)[0])


def test_funcres_holds_the_result_tuples(store, folder, example):
    example.fill(store)
    found = pickle.loads((folder / 'points/funcres.pt').read_bytes())
    assert [type(result) for result in found] == [tuple, tuple]
    assert [result[:4] for result in found] == [result[:4] for result in store.results()]
    np.testing.assert_array_equal(found[0][4], [0.25, 0, 0.75])


def test_rebuilding_restores_every_summary_byte_by_byte(store, folder, example):
    example.fill(store, test=0.5)
    before = example.tree(folder)
    assert {
        name for name in before if name.rpartition('/')[2].startswith(('params', 'funcres', 'results'))
    } == set(SUMMARIES)
    for name in SUMMARIES:
        (folder / name).unlink()
    store.rebuild()
    assert example.tree(folder) == before


def test_the_summaries_of_a_folder_that_is_opened_again_are_the_same(folder, example):
    with example.opened(folder) as store:
        example.fill(store)
    before = {path: path.stat().st_mtime_ns for path in folder.rglob('*') if path.is_file()}
    with Store.opened(folder) as again:
        again.rebuild()
    assert {path: path.stat().st_mtime_ns for path in folder.rglob('*') if path.is_file()} == before
