"""What is written in a sweep's folder is there when it is opened again, and no one else writes in it."""

import csv
import dataclasses
import json
import math
import os
import pickle
import shutil
import subprocess
import sys

import numpy as np
import pytest

from sweeper.errors import FolderError, InvalidPoint, MissingExtra
from sweeper.points import NamedPoint
from sweeper.results import PointError, PointResult, SweepResults
from sweeper.store.details import read_curve
from sweeper.store.lookup import Lookup
from sweeper.store.store import Store
from sweeper.store.tuned_files import final_content


def test_results_are_in_the_order_proposed_with_trials_by_index(store, example):
    example.fill(store)
    results = store.results()
    assert [result.params for result in results] == [example.points[0], example.points[2]]
    params, lr_min, lr_max, bs, perf_train, loss_train, perf_val, loss_val = results[0]
    assert (params, lr_min, lr_max, bs) == (example.points[0], 0.1 / 3, 0.7, 32)
    np.testing.assert_array_equal(perf_train, [0.25, 0, 0.75])
    np.testing.assert_array_equal(loss_train, [0.75, np.inf, 0.25])
    np.testing.assert_array_equal(perf_val, [0.25 / 3, 0, 0.25])
    np.testing.assert_array_equal(loss_val, [0.75, np.inf, 0.25])
    assert all(array.shape == (0,) for array in results[1][4:])


def test_failures_and_flags_are_told(store, example):
    example.fill(store)
    results = store.results()
    assert results.failures == [(example.points[1], example.error)]
    assert results.flags == {
        example.points[0]: ['trial_diverged'],
        example.points[2]: ['lr_at_high_edge', 'nan_seen'],
    }


@pytest.mark.parametrize(('reached', 'flags'), [(0.9, []), (0.5, ['worse_than_tuned'])])
def test_trials_that_do_worse_than_a_shorter_training_in_tuning_are_flagged(example, reached, flags):
    tuned = dataclasses.replace(example.tuned(), performance=0.8)
    trials = dict(enumerate(example.record(reached + more).result for more in (-0.05, 0.05)))
    assert tuned.flags_with(trials) == flags
    assert tuned.flags_with({}) == []


def test_that_flag_is_there_as_long_as_the_sweep_runs_and_when_it_is_read_back(store, folder, example):
    point, tuned = example.points[0], example.tuned()
    store.add_points([point])
    store.write_tuned(point, dataclasses.replace(tuned, performance=0.9))
    store.write_trial(point, 0, example.record(0.5))
    assert 'worse_than_tuned' in store.flags(point)
    assert 'worse_than_tuned' in Store.read(folder).flags(point)


@pytest.mark.parametrize('test', [None, 0.5])
def test_the_table_of_results_has_the_columns_and_rows_of_results_csv(store, folder, example, test):
    example.fill(store, test=test)
    store.collate()
    with open(folder / 'points/results.csv', newline='') as file:
        header, *rows = csv.reader(file)
    for results in (store.results(), Store.read(folder).results()):
        frame = results.to_frame()
        assert frame.columns.tolist() == header
        assert [*frame['id']] == [int(row[0]) for row in rows]
        for name in ('trial', 'seed', 'perf_val', 'loss_train', 'perf_test', 'loss_test', 'lr_end'):
            found = [float(row[header.index(name)] or 'nan') for row in rows]
            assert frame[name].tolist() == pytest.approx(found, nan_ok=True)


def test_results_are_a_tidy_table_with_a_row_per_trial(store, example):
    example.fill(store)
    frame = store.results().to_frame()
    assert frame['width'].tolist() == [16] * 3 and frame['trial'].tolist() == [0, 1, 2]
    assert frame['perf_train'].tolist() == [0.25, 0, 0.75] and set(frame['flags']) == {'trial_diverged'}


def test_a_parameter_that_is_called_like_a_column_is_told_from_it():
    nothing = np.array([0.5])
    point = NamedPoint(batch_size=3, depth=2)
    results = SweepResults([PointResult(point, 0.1, 0.2, 8, *[nothing] * 4)], columns=['batch_size', 'depth'])
    (row,) = results.to_frame().to_dict('records')
    assert (row['param_batch_size'], row['batch_size'], row['depth'], row['perf_val']) == (3, 8, 2, 0.5)
    assert [*SweepResults(columns=['id']).to_frame()][:2] == ['id', 'param_id']


def test_what_was_tuned_besides_is_in_the_results_and_in_their_table(store, folder, example):
    fixed, free = NamedPoint(width=1, momentum=0.5), NamedPoint(width=2, nuisance_momentum='mine')
    store.add_points([fixed, free])
    for point, tuned in ((fixed, example.tuned()), (free, example.tuned(momentum=0.9, kind=('a', 2)))):
        store.write_tuned(point, tuned)
        store.write_trial(point, 0, example.record())
    for results in (store.results(), Store.read(folder).results()):
        assert results.nuisance == {free: {'momentum': 0.9, 'kind': ('a', 2)}}
        frame = results.to_frame()
        assert frame.columns.tolist()[:10] == [
            'id', 'width', 'momentum', 'param_nuisance_momentum', 'lr_start', 'lr_end', 'batch_size',
            'nuisance_momentum', 'nuisance_kind', 'trial',
        ]  # fmt: skip
        one, other = frame.to_dict('records')
        assert math.isnan(one['nuisance_momentum']) and other['nuisance_momentum'] == 0.9
        assert other['nuisance_kind'] == ('a', 2) and other['param_nuisance_momentum'] == 'mine'


def test_without_pandas_it_is_said_how_to_get_it(monkeypatch):
    monkeypatch.setitem(sys.modules, 'pandas', None)
    with pytest.raises(MissingExtra, match=r"pip install 'fair-sweeper\[pandas\]'"):
        SweepResults().to_frame()


@pytest.mark.parametrize('test', [None, 0.5])
def test_reading_back_gives_what_was_written(store, folder, example, test):
    example.fill(store, test=test)
    read = Store.read(folder)
    example.assert_same_results(read.results(), store.results())
    assert read.points == store.points == list(example.points)
    assert read.parameter_columns() == ['width', 'nonlinearity']
    for point in example.points:
        assert read.tuned(point) == store.tuned(point)
        assert read.trials(point) == store.trials(point)
        assert read.errors(point) == store.errors(point)
        assert read.flags(point) == store.flags(point)


def test_named_points_read_back(folder, example):
    points = [NamedPoint(width=16, depth=2), NamedPoint(width=8)]
    with example.opened(folder) as store:
        store.add_points(points)
        store.write_tuned(points[1], example.tuned())
        store.collate()
        assert store.manifest.named_points is True
    read = Store.read(folder)
    assert read.points == points
    assert read.manifest.named_points is True
    assert read.results()[0].params == points[1]
    with example.opened(folder) as store:
        assert store.points == points


def test_a_trial_without_test_split_has_no_test_scores(store, folder, example):
    example.fill(store)
    trials = Store.read(folder).trials(example.points[0])
    assert all(trial.perf_test is None and trial.loss_test is None for trial in trials.values())


def test_all_trials_share_the_name_of_their_kind_of_step(folder, example):
    with example.opened(folder) as store:
        store.add_points([(1,)])
        for index in range(2):
            record = example.record()
            name = b'captured'.decode()  # a string of its own, as one that comes from a worker is
            record = dataclasses.replace(record, result=dataclasses.replace(record.result, step=name))
            store.write_trial((1,), index, record)
    for one in (store, Store.read(folder)):
        first, second = one.trials((1,)).values()
        assert first.step == 'captured' and first.step is second.step


def test_the_files_of_a_point_are_there(store, folder, example):
    example.fill(store)
    tree = example.tree(folder)
    assert {name for name, data in tree.items() if name.startswith('points/0/') and data is not None} == {
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
    assert json.loads(tree['points/0/hparams/final.json']) == final_content(example.tuned())
    misc = json.loads(tree['points/0/hparams/misc.json'])
    assert misc['lr_cutoff'] is None
    assert misc['params'] == {'width': '16', 'nonlinearity': 'relu'}
    assert tree['points/0/trials/0/model.pt'] == example.archive('model')
    assert tree['points/0/trials/0/model_init.pt'] == example.archive('init')


def test_curves_read_back(store, folder, example):
    example.fill(store)
    read = Store.read(folder)
    curve = read_curve(read.files(example.points[0]), 'lr_vs_perf')
    np.testing.assert_array_equal(curve['losses'], np.full((2, 7), np.inf))
    assert read_curve(read.files(example.points[0]), 'candidates') is None


def test_a_curve_that_is_damaged_is_an_error_that_names_it(store, folder, example):
    example.fill(store)
    path = folder / 'points/0/hparams/lr_vs_perf.npz'
    os.truncate(path, 99)
    with pytest.raises(FolderError, match=r'lr_vs_perf\.npz'):
        read_curve(Store.read(folder).files(example.points[0]), 'lr_vs_perf')


# Runs of a tuning


def test_runs_of_a_tuning_are_there_until_it_is_done(store, folder, example):
    point = example.points[0]
    store.add_points([point])
    assert store.saved_run(point, 0, 0, 'one') is None
    for stage, index in ((0, 0), (0, 1), (1, 0)):
        store.write_run(point, stage, index, f'{stage} {index}', {'loss': np.arange(3.0), 'perf': 0.5})
    runs = folder / 'points/0/hparams/runs'
    assert sorted(path.name for path in runs.iterdir()) == ['0-0.npz', '0-1.npz', '1-0.npz']
    found = store.saved_run(point, 0, 1, '0 1')
    np.testing.assert_array_equal(found['loss'], np.arange(3.0))
    assert found['perf'] == 0.5
    assert store.saved_run(point, 0, 1, '0 0') is None
    store.write_tuned(point, example.tuned())
    assert not runs.exists()


def test_runs_of_a_tuning_are_found_when_the_folder_is_opened_again(folder, example):
    point = example.points[0]
    with example.opened(folder) as store:
        store.add_points([point])
        store.write_run(point, 0, 0, 'one', {'loss': np.arange(3.0)})
    with example.opened(folder) as store:
        assert store.saved_run(point, 0, 0, 'one').keys() == {'loss'}


def test_a_failed_tuning_leaves_no_runs(store, folder, example):
    point = example.points[0]
    store.add_points([point])
    store.write_run(point, 0, 0, 'one', {'loss': np.arange(3.0)})
    store.write_error(point, PointError('TuningFailed', 'no', 'tuning'))
    assert not (folder / 'points/0/hparams/runs').exists()


# Failures


def test_every_failed_run_of_a_point_is_kept_and_the_first_counts(store, folder, example):
    point = example.points[0]
    store.add_points([point])
    store.write_tuned(point, example.tuned())
    failed = {index: PointError('ValueError', f'in {index}', f'trial {index}') for index in (10, 2, 3)}
    for error in failed.values():
        store.write_error(point, error)
    for one in (store, Store.read(folder)):
        assert one.errors(point) == [failed[2], failed[3], failed[10]]
        assert one.error(point) == failed[2]
        assert one.results().failures == [(point, failed[2])]
        assert list(one.results()) == []


def test_failures_are_forgotten_if_asked_and_nothing_else_is(store, folder, example):
    example.fill(store)
    before = example.tree(folder)
    store.forget_failures()
    assert store.errors(example.points[1]) == [] and store.results().failures == []
    assert before.items() - example.tree(folder).items() == {
        ('points/1/error.json', before['points/1/error.json'])
    }
    assert list(store.trials(example.points[1])) == [0]
    assert Store.read(folder).errors(example.points[1]) == []


# Adding points


def test_nothing_is_written_before_the_first_points(store, folder):
    assert [path.name for path in folder.iterdir()] == ['running.json']
    store.add_points([])
    assert [path.name for path in folder.iterdir()] == ['running.json']


def test_points_keep_their_ids_when_added_again(store):
    store.add_points([(1,), (2,), (1,)])
    store.add_points([(2,), (3,)])
    assert store.points == [(1,), (2,), (3,)]


@pytest.mark.parametrize('first', [(1,), NamedPoint(a=1)], ids=['tuple', 'named'])
def test_named_points_and_tuples_do_not_mix(store, folder, first):
    other = NamedPoint(a=2) if isinstance(first, tuple) else (2,)
    with pytest.raises(InvalidPoint, match='either all named or all tuples'):
        store.add_points([first, other])
    assert store.points == [] and [path.name for path in folder.iterdir()] == ['running.json']
    store.add_points([first])
    with pytest.raises(InvalidPoint) as caught:
        store.add_points([other])
    assert repr(other) in str(caught.value)


def test_points_are_on_disk_before_anything_is_done_for_them(store, folder, example):
    store.add_points(example.points[:2])
    store.add_points(example.points)
    assert Store.read(folder).points == list(example.points)


@pytest.mark.parametrize('step', ['tuned', 'trial', 'error'])
def test_a_step_counts_only_once_its_last_file_is_there(store, folder, example, step, monkeypatch):
    point, replace = example.points[0], os.replace
    steps = {
        'tuned': lambda: store.write_tuned(point, example.tuned()),
        'trial': lambda: store.write_trial(point, 0, example.record()),
        'error': lambda: store.write_error(point, example.error),
    }
    store.add_points(example.points)
    if step == 'trial':
        store.write_tuned(point, example.tuned())
    last = {'tuned': 'final.json', 'trial': 'result.json', 'error': 'error.json'}[step]
    appeared = []

    def stop_before_the_last(source, target):
        if target.name == last:
            raise KeyboardInterrupt
        appeared.append(target.name)
        replace(source, target)

    monkeypatch.setattr(os, 'replace', stop_before_the_last)
    with pytest.raises(KeyboardInterrupt):
        steps[step]()
    assert len(appeared) == {'tuned': 2, 'trial': 3, 'error': 0}[step]
    read = Store.read(folder)
    assert (read.tuned(point) is None) == (step != 'trial')
    assert read.trials(point) == {} and read.error(point) is None
    monkeypatch.undo()
    steps[step]()
    read = Store.read(folder)
    found = {'tuned': read.tuned(point), 'trial': read.trials(point), 'error': read.error(point)}
    assert found[step]


# Leftovers


LEFTOVERS = [
    'sweep.json.partial',
    'copies/sweep.json.partial',
    'points/params.csv.partial',
    'points/0/results.npz.partial',
    'points/0/trials/0/result.json.partial',
    'points/0/trials/9/model.pt',
    'points/0/trials/9/model_init.pt.partial',
    'points/0/hparams/runs/0-0.npz',
    'points/0/hparams/runs/0-1.npz.partial',
    'points/3/hparams/misc.json',
    'points/3/hparams/lr_vs_perf.npz',
    'points/3/hparams/runs/0-1.npz.partial',
]


def test_leftovers_of_interrupted_writes_are_removed_when_the_folder_is_opened(folder, example, recwarn):
    with example.opened(folder) as store:
        example.fill(store)
        store.add_points([(9, None)])
        store.write_run((9, None), 0, 0, 'one', {'loss': np.arange(3.0)})
    before = example.tree(folder)
    for name in LEFTOVERS:
        assert not (folder / name).exists()
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(b'half')
    read = Store.read(folder)  # which does not mind them, and removes nothing
    assert read.trials(example.points[0]).keys() == {0, 1, 2}
    assert all((folder / name).exists() for name in LEFTOVERS)
    with example.opened(folder) as store:
        assert store.trials(example.points[0]).keys() == {0, 1, 2}
        assert store.saved_run((9, None), 0, 0, 'one') is not None
    assert example.tree(folder) == before
    assert not recwarn.list


def test_what_was_set_aside_or_archived_is_left_alone(folder, example):
    with example.opened(folder) as store:
        example.fill(store)
    kept = [folder / 'damaged/points/0/results.npz.partial', folder / 'earlier/0/points/params.csv.partial']
    for path in kept:
        path.parent.mkdir(parents=True)
        path.write_bytes(b'half')
    with example.opened(folder):
        assert all(path.exists() for path in kept)


def test_a_stray_file_does_no_harm(store, folder, example):
    example.fill(store)
    for name in (
        'points/0/trials/.DS_Store',
        'points/.DS_Store',
        'points/notes.txt',
        'points/0/notes.txt',
        'my.txt',
    ):
        (folder / name).write_text('mine')
    example.assert_same_results(Store.read(folder).results(), store.results())


def test_a_stray_file_is_not_taken_away(folder, example):
    with example.opened(folder) as store:
        example.fill(store)
    strays = [folder / name for name in ('points/0/trials/notes.txt', 'points/notes.txt', 'my.txt')]
    for path in strays:
        path.write_text('mine')
    with example.opened(folder) as store:
        store.rebuild()
    assert all(path.read_text() == 'mine' for path in strays)


# Reading


def test_reading_never_unpickles(store, folder, example, monkeypatch):
    example.fill(store)
    store.collate()

    def refuse(*_, **__):
        raise AssertionError('unpickled')

    for name in ('load', 'loads', 'Unpickler', '_Unpickler'):
        monkeypatch.setattr(pickle, name, refuse)
    read = Store.read(folder)
    assert len(read.results()) == 2
    assert read_curve(read.files(example.points[0]), 'lr_vs_perf') is not None
    (folder / 'points/params_lookup.pt').write_bytes(b'garbage')
    (folder / 'points/funcres.pt').unlink()
    example.assert_same_results(Store.read(folder).results(), store.results())


def test_reading_changes_nothing(store, folder, example):
    example.fill(store)
    before = example.tree(folder)
    Store.read(folder).results()
    assert example.tree(folder) == before


def test_a_folder_can_be_read_while_points_are_added(store, folder, example, monkeypatch):
    """A point that appears while it is being read is in it or not, but does not look like damage."""
    store.add_points(example.points[:1])
    store.write_run(example.points[0], 0, 0, 'one', {'loss': np.arange(3.0)})
    read, late = Lookup.read, list(example.points[1:])

    def read_slowly(*args):
        read(*args)
        if late:
            point = late.pop(0)
            store.add_points([point])
            store.write_run(point, 0, 0, 'one', {'loss': np.arange(3.0)})

    monkeypatch.setattr(Lookup, 'read', read_slowly)
    found = Store.read(folder).points
    assert found == list(example.points[: len(found)]) and found


def test_a_folder_without_a_sweep_cannot_be_read(tmp_path):
    (tmp_path / 'file').touch()
    for folder in (tmp_path, tmp_path / 'nowhere', tmp_path / 'file'):
        with pytest.raises(FolderError):
            Store.read(folder)


# Who may write


def test_a_folder_is_opened_by_one_at_a_time(store, folder, example):
    with pytest.raises(FolderError, match='another sweep is running'), example.opened(folder):
        pass
    store.add_points(example.points)
    assert Store.read(folder).points == list(example.points)  # reading is free


def test_whatever_sweep_is_there_can_be_opened_and_no_folder_is_made_where_none_is(
    store, folder, example, tmp_path
):
    with pytest.raises(FolderError, match='holds no sweep'), Store.opened(tmp_path / 'typo'):
        pass
    assert not (tmp_path / 'typo').exists()
    example.fill(store)
    with pytest.raises(FolderError, match='another sweep is running'), Store.opened(folder):
        pass


def test_a_folder_that_was_left_by_a_killed_process_can_be_opened(folder, example, tmp_path):
    with example.opened(folder) as store:
        example.fill(store)
    script = (
        'import os, sys\n'
        'from sweeper.store.store import Store\n'
        'with Store.opened(sys.argv[1]) as store:\n'
        '    store.add_points([(7, None)])\n'
        '    os.kill(os.getpid(), 9)\n'
    )
    done = subprocess.run([sys.executable, '-c', script, str(folder)])
    assert done.returncode == -9
    assert (folder / 'running.json').exists()
    with example.opened(folder) as store:
        assert store.points == [*example.points, (7, None)]
    assert not (folder / 'running.json').exists()


# What disappears under way


def test_a_folder_that_is_still_there_is_fine(store, example):
    store.check_still_there()
    example.fill(store)
    store.check_still_there()


@pytest.mark.parametrize(
    'gone',
    [
        'points',
        'points/0',
        'points/0/hparams',
        'points/0/hparams/final.json',
        'points/0/trials/1',
        'points/0/trials',
    ],
)
def test_a_result_that_disappears_is_an_error_that_names_it(folder, example, gone):
    with example.opened(folder) as store:
        example.fill(store)
    with example.opened(folder) as store:  # of which it has written nothing itself
        if (folder / gone).is_dir():
            shutil.rmtree(folder / gone)
        else:
            (folder / gone).unlink()
        with pytest.raises(FolderError, match='disappeared while the sweep was running') as caught:
            store.check_still_there()
        assert str(folder / gone) in str(caught.value)


@pytest.mark.parametrize('replaced', [False, True])
def test_a_folder_that_disappears_is_an_error_and_not_made_again(folder, example, replaced):
    with example.opened(folder) as store:
        example.fill(store)
        shutil.rmtree(folder)
        if replaced:
            folder.mkdir()
        for use in (
            store.check_still_there,
            lambda: store.write_error(example.points[2], example.error),
            store.collate,
            lambda: store.write_trial(example.points[0], 7, example.record()),
        ):
            with pytest.raises(FolderError, match='delet'):
                use()
        assert folder.exists() == replaced
        assert not replaced or list(folder.iterdir()) == []


def test_a_log_does_not_make_the_folder_again_either(folder, example):
    with example.opened(folder) as store:
        example.fill(store)
        shutil.rmtree(folder)
        for point in (None, example.points[0]):
            with pytest.raises(OSError, match='No such file'):
                store.append_log(point, 'words\n')
        assert not folder.exists()
