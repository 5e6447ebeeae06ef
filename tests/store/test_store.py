"""What is written in a sweep's folder reads back equal, and the summaries follow from it."""

import csv
import dataclasses
import json
import math
import os
import pickle

import numpy as np
import pytest

from sweeper.errors import FolderError, InvalidPoint
from sweeper.points import NamedPoint
from sweeper.store.manifest import Manifest
from sweeper.store.results import PointError, TrialRecord, TrialResult, Tuned
from sweeper.store.store import Store
from sweeper.tuning.settings import get_settings

MANIFEST = Manifest('problem', 'fast', vars(get_settings('fast')), sweep_cores=1, seed=0, train_size=9)
ERROR = PointError('ValueError', 'no such\nlayer', 'trial 1', 'Traceback …')
POINTS = [(16, 'relu'), (8, ''), (32, None)]


def tuned(batch_size=32, flags=()):
    return Tuned(
        lr_start=0.1 / 3,
        lr_end=0.7,
        batch_size=batch_size,
        cycle_size_epochs=10,
        epochs=40,
        misc={'flags': list(flags), 'improvement': np.float64(0.5), 'lr_cutoff': math.inf},
        curves={'lr_vs_perf': {'lrs': np.geomspace(1e-5, 10, 7), 'losses': np.full((2, 7), np.inf)}},
    )


def record(perf=0.5, *, test=None, diverged=False):
    loss = math.inf if diverged else 1.0 - perf
    scores = [0.0 if diverged else perf, loss, 0.0 if diverged else perf / 3, loss]
    tests = (None, None) if test is None else (0.0, loss) if diverged else (test, 1.0 - test)
    result = TrialResult(2**62 + 1, 40, 1.25, diverged, *scores, *tests)
    return TrialRecord(result, b'model', b'init', {'epochs': np.arange(3)})


@pytest.fixture
def folder(tmp_path):
    return tmp_path / 'sweep'


@pytest.fixture
def store(folder):
    with Store.opened(folder, MANIFEST, ['width', 'nonlinearity']) as store:
        yield store


def fill(store, *, test=None):
    """Three points: with three trials, one of them diverged; failed after a trial; tuned only."""
    store.add_points(POINTS)
    for point, flags in zip(POINTS, ([], [], ['lr_at_high_edge', 'nan_seen']), strict=True):
        store.save_tuned(point, tuned(flags=flags))
    store.save_trial(POINTS[0], 2, record(0.75, test=test))  # trials need not be done in order
    store.save_trial(POINTS[0], 0, record(0.25, test=test))
    store.save_trial(POINTS[0], 1, record(diverged=True, test=test))
    store.save_trial(POINTS[1], 0, record(test=test))
    store.save_error(POINTS[1], ERROR)
    store.rebuild()


def assert_same_results(one, other):
    assert len(one) == len(other)
    for a, b in zip(one, other, strict=True):
        assert a[:4] == b[:4]
        for x, y in zip(a[4:], b[4:], strict=True):
            np.testing.assert_array_equal(x, y)
    assert one.failures == other.failures
    assert one.flags == other.flags


def tree(folder):
    return {str(p.relative_to(folder)): p.read_bytes() for p in folder.rglob('*') if p.is_file()}


def test_results_are_in_the_order_proposed_with_trials_by_index(store):
    fill(store)
    results = store.results()
    assert [result.params for result in results] == [POINTS[0], POINTS[2]]
    params, lr_min, lr_max, bs, perf_train, loss_train, perf_val, loss_val = results[0]
    assert (params, lr_min, lr_max, bs) == (POINTS[0], 0.1 / 3, 0.7, 32)
    np.testing.assert_array_equal(perf_train, [0.25, 0, 0.75])
    np.testing.assert_array_equal(loss_train, [0.75, math.inf, 0.25])
    np.testing.assert_array_equal(perf_val, [0.25 / 3, 0, 0.25])
    np.testing.assert_array_equal(loss_val, [0.75, math.inf, 0.25])
    assert all(array.shape == (0,) for array in results[1][4:])


def test_failures_and_flags_are_told(store):
    fill(store)
    results = store.results()
    assert results.failures == [(POINTS[1], ERROR)]
    assert results.flags == {POINTS[0]: ['trial_diverged'], POINTS[2]: ['lr_at_high_edge', 'nan_seen']}


@pytest.mark.parametrize('test', [None, 0.5])
def test_reading_back_gives_what_was_written(store, folder, test):
    fill(store, test=test)
    read = Store.read(folder)
    assert_same_results(read.results(), store.results())
    assert read.points == store.points == POINTS
    assert read.parameter_columns() == ['width', 'nonlinearity']
    for point in POINTS:
        assert read.trials(point) == store.trials(point)
        assert list(read.trials(point)) == sorted(read.trials(point))
        assert read.error(point) == store.error(point)
        assert read.tuned(point).final() == tuned().final()


def test_named_points_read_back(folder):
    points = [NamedPoint(width=16, depth=1), NamedPoint(depth=2, width=8), NamedPoint(width=4)]
    with Store.opened(folder, MANIFEST) as store:
        store.add_points(points)
        for point in points:
            store.save_tuned(point, tuned())
        assert_same_results(Store.read(folder).results(), store.results())
    assert Store.read(folder).manifest.named_points is True
    with Store.opened(folder, MANIFEST) as store:
        assert store.points == points


def test_infinite_losses_survive_strict_json(store, folder):
    fill(store, test=0.5)
    path = folder / 'points/0/trials/1/result.json'
    assert json.loads(path.read_text(), parse_constant=pytest.fail)['loss_train'] is None
    trial = Store.read(folder).trials(POINTS[0])[1]
    assert trial.diverged
    assert trial.loss_train == trial.loss_val == trial.loss_test == math.inf


def test_a_trial_without_test_split_has_no_test_scores(store, folder):
    fill(store)
    trials = Store.read(folder).trials(POINTS[0])
    assert all(trial.perf_test is None and trial.loss_test is None for trial in trials.values())


def test_the_files_of_a_point_are_there(store, folder):
    fill(store)
    assert {name for name in tree(folder) if name.startswith('points/0/')} == {
        'points/0/hparams/final.json',
        'points/0/hparams/misc.json',
        'points/0/hparams/lr_vs_perf.npz',
        'points/0/results.npz',
        *(
            f'points/0/trials/{i}/{name}'
            for i in range(3)
            for name in ('result.json', 'model.pt', 'model_init.pt', 'throughtime.npz')
        ),
    }
    assert json.loads((folder / 'points/0/hparams/final.json').read_text()) == tuned().final()
    assert json.loads((folder / 'points/0/hparams/misc.json').read_text())['lr_cutoff'] is None
    assert (folder / 'points/0/trials/0/model.pt').read_bytes() == b'model'
    assert (folder / 'points/0/trials/0/model_init.pt').read_bytes() == b'init'


def test_curves_read_back(store, folder):
    fill(store)
    read = Store.read(folder)
    curve = read.read_curve(POINTS[0], 'lr_vs_perf')
    np.testing.assert_array_equal(curve['losses'], np.full((2, 7), np.inf))
    assert read.read_curve(POINTS[0], 'lr_vs_perf2') is None


@pytest.mark.parametrize('test', [None, 0.5])
def test_results_npz_has_the_scores_of_the_splits_that_there_are(store, folder, test):
    fill(store, test=test)
    splits = ['train', 'val', *([] if test is None else ['test'])]
    with np.load(folder / 'points/0/results.npz', allow_pickle=False) as arrays:
        assert set(arrays.files) == {f'final_{kind}_{s}' for kind in ('loss', 'perf') for s in splits}
        assert all(arrays[name].shape == (3,) for name in arrays.files)
        np.testing.assert_array_equal(arrays['final_perf_train'], [0.25, 0, 0.75])
        np.testing.assert_array_equal(arrays['final_loss_val'], [0.75, math.inf, 0.25])
        if test is not None:
            np.testing.assert_array_equal(arrays['final_perf_test'], [0.5, 0, 0.5])


def test_results_csv_has_one_row_per_trial(store, folder):
    fill(store)
    with open(folder / 'points/results.csv', newline='', encoding='utf-8') as file:
        rows = list(csv.DictReader(file))
    assert [(row['id'], row['trial']) for row in rows] == [('0', '0'), ('0', '1'), ('0', '2')]
    assert rows[0]['width'] == '16' and rows[0]['nonlinearity'] == 'relu'
    assert float(rows[0]['perf_train']) == 0.25 and float(rows[1]['loss_val']) == math.inf
    assert float(rows[0]['lr_start']) == 0.1 / 3 and rows[0]['batch_size'] == '32'
    assert rows[1]['diverged'] == 'True' and rows[0]['perf_test'] == ''
    assert int(rows[0]['seed']) == 2**62 + 1


def test_results_csv_keeps_parameters_apart_from_its_own_columns(folder):
    with Store.opened(folder, MANIFEST) as store:
        point = NamedPoint(trial='a', batch_size=7, id=3)
        store.add_points([point])
        store.save_tuned(point, tuned(flags=['nan_seen']))
        store.save_trial(point, 0, record())
        store.collate()
    with open(folder / 'points/results.csv', newline='', encoding='utf-8') as file:
        header, row = csv.reader(file)
    assert len(set(header)) == len(header) == len(row)
    found = dict(zip(header, row, strict=True))
    assert (found['id'], found['trial'], found['batch_size'], found['flags']) == ('0', '0', '32', 'nan_seen')
    assert (found['param_id'], found['param_trial'], found['param_batch_size']) == ('3', 'a', '7')


def test_funcres_holds_the_result_tuples(store, folder):
    fill(store)
    found = pickle.loads((folder / 'points/funcres.pt').read_bytes())
    assert [type(result) for result in found] == [tuple, tuple]
    assert [result[:4] for result in found] == [result[:4] for result in store.results()]
    np.testing.assert_array_equal(found[0][4], [0.25, 0, 0.75])


def test_rebuilding_restores_every_summary_byte_by_byte(store, folder):
    fill(store, test=0.5)
    before = tree(folder)
    summaries = {'params_lookup.pt', 'funcres.pt', 'results.csv', 'results.npz'}
    for path in folder.rglob('*'):
        if path.name in summaries:
            path.unlink()
    read = Store.read(folder)
    read.rebuild()
    assert tree(folder) == before


def test_reading_never_unpickles(store, folder, monkeypatch):
    fill(store)
    store.collate()

    def refuse(*_, **__):
        raise AssertionError('unpickled')

    for name in ('load', 'loads', 'Unpickler', '_Unpickler'):
        monkeypatch.setattr(pickle, name, refuse)
    read = Store.read(folder)
    assert len(read.results()) == 2
    assert read.read_curve(POINTS[0], 'lr_vs_perf') is not None
    (folder / 'points/params_lookup.pt').write_bytes(b'garbage')
    (folder / 'points/funcres.pt').unlink()
    assert_same_results(Store.read(folder).results(), store.results())


def test_reading_changes_nothing(store, folder):
    fill(store)
    before = tree(folder)
    Store.read(folder).results()
    assert tree(folder) == before


def _count_collations(store, monkeypatch):
    count = []
    collate = store.collate
    monkeypatch.setattr(store, 'collate', lambda: (count.append(1), collate()))
    monkeypatch.setattr(os, 'fsync', lambda fd: None)
    return count


def test_a_thousand_trials_are_collated_a_logarithmic_number_of_times(store, monkeypatch):
    count = _count_collations(store, monkeypatch)
    store.add_points([(1,)])
    store.save_tuned((1,), tuned())
    for index in range(1000):
        store.save_trial((1,), index, record())
        store.collate_if_due()
        store.collate_if_due()  # nothing new, nothing to do
    assert math.log(1000, 2) < len(count) < 10 * math.log(1000, 2)
    done = len(pickle.loads(store.layout.funcres.read_bytes())[0][4])
    assert done >= 900  # what is on disk is never far behind


def test_points_that_are_only_tuned_are_collated_as_seldom(store, monkeypatch):
    count = _count_collations(store, monkeypatch)
    points = [(i,) for i in range(1000)]
    store.add_points(points)
    for point in points:
        store.save_tuned(point, dataclasses.replace(tuned(), curves={}))
        store.collate_if_due()
    assert math.log(1000, 2) < len(count) < 10 * math.log(1000, 2)
    assert len(pickle.loads(store.layout.funcres.read_bytes())) >= 900


def test_nothing_is_written_before_the_first_points(store, folder):
    assert list(folder.iterdir()) == []
    store.add_points([])
    store.collate_if_due()
    assert list(folder.iterdir()) == []


def test_points_keep_their_ids_when_added_again(store):
    store.add_points([(1,), (2,), (1,)])
    store.add_points([(2,), (3,)])
    assert store.points == [(1,), (2,), (3,)]


@pytest.mark.parametrize('first', [(1,), NamedPoint(a=1)], ids=['tuple', 'named'])
def test_named_points_and_tuples_do_not_mix(store, folder, first):
    other = NamedPoint(a=2) if isinstance(first, tuple) else (2,)
    with pytest.raises(InvalidPoint, match='either all named or all tuples'):
        store.add_points([first, other])
    assert store.points == [] and list(folder.iterdir()) == []
    store.add_points([first])
    with pytest.raises(InvalidPoint) as caught:
        store.add_points([other])
    assert repr(other) in str(caught.value)


@pytest.mark.parametrize('step', ['tuned', 'trial', 'error'])
def test_a_step_counts_only_once_its_last_file_is_there(store, folder, step, monkeypatch):
    point, replace = POINTS[0], os.replace
    steps = {
        'tuned': lambda: store.save_tuned(point, tuned()),
        'trial': lambda: store.save_trial(point, 0, record()),
        'error': lambda: store.save_error(point, ERROR),
    }
    store.add_points(POINTS)
    if step == 'trial':
        store.save_tuned(point, tuned())
    for survivors in range(10):
        left = [replace] * survivors

        def crash_in_time(source, target, left=left):
            if not left:
                raise KeyboardInterrupt
            left.pop()(source, target)

        monkeypatch.setattr(os, 'replace', crash_in_time)
        try:
            steps[step]()
            break
        except KeyboardInterrupt:
            read = Store.read(folder)
            assert (read.tuned(point) is None) == (step != 'trial')
            assert read.trials(point) == {} and read.error(point) is None
    assert survivors == {'tuned': 3, 'trial': 4, 'error': 1}[step]  # and with all of its files, it counts
    read = Store.read(folder)
    found = {'tuned': read.tuned(point), 'trial': read.trials(point), 'error': read.error(point)}
    assert found[step]


def test_a_crash_while_points_are_added_loses_nothing_that_was_there(store, folder, monkeypatch):
    store.add_points([(1,)])
    replace = os.replace

    def crash(source, target):
        if str(target).endswith('params.csv'):
            raise KeyboardInterrupt
        replace(source, target)

    monkeypatch.setattr(os, 'replace', crash)
    with pytest.raises(KeyboardInterrupt):
        store.add_points([(2,)])
    monkeypatch.undo()
    assert Store.read(folder).points == [(1,)]


@pytest.mark.parametrize(
    ('file', 'text'),
    [
        ('hparams/final.json', '{}'),
        ('hparams/final.json', '['),
        ('hparams/misc.json', ''),
        ('trials/0/result.json', '{}'),
        ('trials/0/result.json', '[]'),
        ('error.json', '{"unknown": 1}'),
    ],
)
def test_a_broken_file_is_refused_with_its_folder(store, folder, file, text):
    fill(store)
    path = folder / 'points/0' / file
    path.parent.mkdir(exist_ok=True)
    path.write_text(text)
    with pytest.raises(FolderError, match='points/0'):
        Store.read(folder)


def test_a_stray_file_among_the_trials_does_no_harm(store, folder):
    fill(store)
    (folder / 'points/0/trials/.DS_Store').touch()
    assert_same_results(Store.read(folder).results(), store.results())


def test_a_folder_without_a_sweep_cannot_be_read(tmp_path):
    (tmp_path / 'file').touch()
    for folder in (tmp_path, tmp_path / 'nowhere', tmp_path / 'file'):
        with pytest.raises(FolderError):
            Store.read(folder)


def test_a_folder_is_opened_by_one_at_a_time(store, folder):
    with pytest.raises(FolderError, match='another sweep is running'), Store.opened(folder, MANIFEST):
        pass
    store.add_points(POINTS)
    assert Store.read(folder).points == POINTS  # reading is free


def test_whatever_sweep_is_there_can_be_opened_and_no_folder_is_made_where_none_is(store, folder, tmp_path):
    with pytest.raises(FolderError, match='holds no sweep'), Store.opened(tmp_path / 'typo'):
        pass
    assert not (tmp_path / 'typo').exists()
    fill(store)
    with pytest.raises(FolderError, match='another sweep is running'), Store.opened(folder):
        pass
