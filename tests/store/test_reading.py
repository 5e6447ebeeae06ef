"""What single files say reads back equal; what says nothing of the kind is damage, and nothing else."""

import dataclasses
import json
import math
from contextlib import suppress

import numpy as np
import pytest
from rich.console import Console

from sweeper.io.checksums import read_json
from sweeper.report.collect import summarise
from sweeper.report.stats.comparison import compare
from sweeper.report.table import comparison_table
from sweeper.results import PointError, PointFailure, TrialResult, Tuned
from sweeper.store import reading
from sweeper.store.damage import DamagedFile
from sweeper.store.layout import PointLayout
from sweeper.store.store import Store

JSON_FILES = ['hparams/final.json', 'hparams/misc.json', 'trials/0/result.json', 'error.json']
VALUES = [None, 'text', [1], {}, '\ud800', 10**400, True]


@pytest.fixture
def layout(store, example):
    """The files of a point that is tuned, trained and failed."""
    point = example.points[1]
    example.fill(store)
    for trial in (3, 2):
        store.write_error(point, dataclasses.replace(example.error, phase=f'trial {trial}', signal='SIGSEGV'))
    example.without_checksums(store.layout.points)
    return store.layout.point(1)


def change(path, data):
    path.write_text(json.dumps(data))


def test_what_was_tuned_reads_back_without_its_curves(layout, store, example):
    tuned = example.tuned()
    for thoroughly in (False, True):
        read = reading.read_tuned(layout, thoroughly)
        assert read == dataclasses.replace(tuned, report={}, curves={})
        assert read == store.tuned(example.points[1]) and read.cost == example.cost


def test_a_tuning_that_did_not_look_at_the_cost_has_none(layout):
    change(layout.misc, {key: value for key, value in read_json(layout.misc).items() if key != 'cost'})
    read = reading.read_tuned(layout)
    assert read.cost is None and read.flags == () and read.performance == 0.0


@pytest.mark.parametrize(
    'changes', [{'flops': '9'}, {'parameters': 1.5}, {'reason': 3}, {'other': 1}], ids=str
)
def test_a_cost_of_other_kinds_is_damage(layout, example, changes):
    cost = {**dataclasses.asdict(example.cost), **changes}
    change(layout.misc, {**read_json(layout.misc), 'cost': cost})
    with pytest.raises(DamagedFile):
        reading.read_tuned(layout)


@pytest.mark.parametrize('test', [None, 0.5])
@pytest.mark.parametrize('diverged', [False, True])
def test_a_trial_reads_back_equal(store, example, test, diverged):
    record = example.record(test=test, diverged=diverged)
    store.add_points(example.points)
    store.write_trial(example.points[0], 0, record)
    for thoroughly in (False, True):
        assert reading.read_trial(store.layout.point(0).trial(0), thoroughly) == record.result


def test_infinite_losses_survive_strict_json(store, example):
    example.fill(store, test=0.5)
    layout = store.layout.point(0).trial(1)
    assert json.loads(layout.result.read_text(), parse_constant=pytest.fail)['loss_train'] is None
    trial = reading.read_trial(layout)
    assert trial.diverged
    assert trial.loss_train == trial.loss_val == trial.loss_test == math.inf


def test_failures_read_back_that_which_counts_first(layout, example):
    errors = reading.read_errors(layout)
    assert [error.phase for error in errors] == ['trial 1', 'trial 2', 'trial 3']
    assert errors[0] == example.error
    assert (errors[1].signal, errors[1].output) == ('SIGSEGV', 'what it printed')
    data = read_json(layout.error)
    assert data['phase'] == 'trial 1' and data['output'] == 'what it printed' and data['signal'] is None
    assert [other['phase'] for other in data['others']] == ['trial 2', 'trial 3']
    assert data['params'] == {'width': '8', 'nonlinearity': '""'}


def test_the_failure_of_the_tuning_counts_more_than_any_trials():
    phases = ['trial 10', 'trial 2', 'tuning']
    errors = [PointError('ValueError', 'no', phase) for phase in phases]
    assert [error.phase for error in sorted(errors, key=reading.failure_order)] == [
        'tuning',
        'trial 2',
        'trial 10',
    ]


def test_runs_read_back_if_they_answer_the_same_request(layout, store, example):
    arrays = {'loss': np.array([1.0, np.inf]), 'perf': np.array(0.5)}
    store.write_run(example.points[1], 2, 7, 'this one', arrays)
    found = reading.read_run(layout, 2, 7, 'this one')
    assert found.keys() == arrays.keys()
    for name, array in arrays.items():
        np.testing.assert_array_equal(found[name], array)
        assert found[name].shape == array.shape
    assert reading.read_run(layout, 2, 7, 'another') is None
    assert reading.read_run(layout, 2, 8, 'this one') is None


def test_a_point_is_told_from_its_results(layout):
    expected = {'width': '8', 'nonlinearity': '""'}
    for path in (layout.misc, layout.error):
        assert reading.read_params(layout) == expected
        path.unlink()
    assert reading.read_params(layout) is None


def test_what_is_not_there_is_none(tmp_path):
    layout = PointLayout(tmp_path)
    assert reading.read_tuned(layout, True) is None
    assert reading.read_trial(layout.trial(0), True) is None
    assert reading.read_errors(layout) == []
    assert reading.read_params(layout) is None
    assert reading.trial_indices(layout) == []


def test_only_numbers_are_trials(layout):
    for name in ('10', 'x', '.DS_Store', '-1', '1.5', '2'):
        (layout.trials / name).mkdir()
    assert reading.trial_indices(layout) == [0, 2, 10]


# Whatever is in the files


@pytest.mark.parametrize('name', JSON_FILES)
def test_a_file_without_one_of_its_fields_or_with_another_is_damage(layout, name):
    path = layout.folder / name
    whole = read_json(path)
    for data in ({}, {**whole, 'unknown': 1}):
        if name == 'hparams/misc.json' and data:
            continue  # it is open to whatever led to the choice
        change(path, data)
        with pytest.raises(DamagedFile) as caught:
            everything_read(layout)
        assert caught.value.path == path
        change(path, whole)
        everything_read(layout)


@pytest.mark.parametrize('value', VALUES, ids=lambda value: repr(value)[:8])
@pytest.mark.parametrize('name', JSON_FILES)
def test_a_value_of_another_kind_is_damage_or_shown_but_raises_nothing_else(
    store, layout, example, name, value, capsys
):
    path = layout.folder / name
    whole = read_json(path)
    for key in whole:
        change(path, {**whole, key: value})
        with suppress(DamagedFile):
            use(store, layout, example, *everything_read(layout))


def everything_read(layout):
    tuned = reading.read_tuned(layout)
    trials = {index: reading.read_trial(layout.trial(index)) for index in reading.trial_indices(layout)}
    return tuned, trials, reading.read_errors(layout)


def use(store, layout, example, tuned, trials, errors):
    """What is done with what was read: the results, the summaries, the table."""
    read = Store.read(store.layout.folder)
    Console().print(comparison_table(summarise(read), read.parameter_columns()))
    results = read.results()
    assert all(isinstance(failure, PointFailure) for failure in results.failures)
    layout.error.rename(layout.error.with_suffix('.hidden'))
    try:
        read = Store.read(store.layout.folder)
        Console().print(comparison_table(summarise(read), read.parameter_columns()))
        read.results()
        with example.opened(store.layout.folder.parent / 'other') as other:
            other.add_points(example.points)
            if tuned:
                assert isinstance(tuned, Tuned)
                other.write_tuned(example.points[1], dataclasses.replace(tuned, curves={}))
            for index, trial in trials.items():
                assert isinstance(trial, TrialResult)
                other.write_trial(
                    example.points[1], index, dataclasses.replace(example.record(), result=trial)
                )
            other.rebuild()
    finally:
        layout.error.with_suffix('.hidden').rename(layout.error)


def test_points_without_trials_and_those_that_failed_are_not_compared(folder, store, example):
    example.fill(store)
    found = compare(Store.read(folder))
    assert found.names == ['width=16 nonlinearity=relu'] and found.scores.shape == (1, 3)
    np.testing.assert_array_equal(found.scores[0], [0.25 / 3, np.nan, 0.25])  # of which one diverged
