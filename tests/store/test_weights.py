"""Of which trials a folder has weights, whatever the order in which they are done and interrupted."""

import dataclasses
import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sweeper.errors import FolderError
from sweeper.metric import PERFORMANCE, MetricInfo
from sweeper.store.layout import PointLayout
from sweeper.store.manifest import read_manifest
from sweeper.store.weights import best_trial, is_best, missing_weights, surplus_weights

POINT = (16, 'relu')
LOSS = MetricInfo('loss', higher=False)


@pytest.fixture(scope='session')
def keeping(example):
    """Returns the example's manifest with a choice of what is kept."""
    return lambda which: dataclasses.replace(example.manifest, storage={'keep_weights': which})


def results(example, *perfs):
    return {
        index: dataclasses.replace(example.record().result, perf_val=perf) for index, perf in enumerate(perfs)
    }


def write(store, example, perfs, order=None, side_by_side=1):
    """Does trials as a sweep does: some are being written while others end; then the point is complete."""
    store.add_points([POINT])
    if store.tuned(POINT) is None:
        store.write_tuned(POINT, example.tuned())
    missing = [i for i in (order or range(len(perfs))) if i not in store.trials(POINT)]
    for start in range(0, len(missing), side_by_side):
        group = missing[start : start + side_by_side]
        records = {index: example.record(perfs[index]) for index in group}
        wanted = {index: store.wants_weights(POINT, index, records[index].result) for index in group}
        for index in group:
            store.write_trial(POINT, index, records[index], wanted[index])
    store.complete(POINT, store.trials(POINT))
    store.collate()


def with_weights(folder):
    return sorted(int(path.parent.name) for path in folder.glob('points/0/trials/*/model.pt'))


# Which trial is the best


def test_the_best_trial_has_the_best_objective_and_of_several_the_lowest_number(example):
    assert best_trial(results(example, 0.1, 0.7, 0.7, 0.2), PERFORMANCE) == 1
    assert best_trial(results(example, 0.1, 0.7, 0.7, 0.1), LOSS) == 0
    assert best_trial(dict(reversed(results(example, 0.5, 0.5).items())), PERFORMANCE) == 0


def test_a_trial_that_diverged_is_the_best_only_of_such(example):
    assert best_trial(results(example, float('inf'), 3.0), LOSS) == 1
    assert best_trial(results(example, float('inf'), float('inf')), LOSS) == 0


def test_nothing_is_surplus_as_long_as_the_best_trial_has_no_weights(example, tmp_path):
    layout, trials = PointLayout(tmp_path), results(example, 0.1, 0.9)
    layout.trial(0).folder.mkdir(parents=True)
    layout.trial(0).model.touch()
    assert surplus_weights(layout, trials, PERFORMANCE) == []
    assert surplus_weights(layout, {}, PERFORMANCE) == []
    layout.trial(1).folder.mkdir()
    layout.trial(1).model.touch()
    assert surplus_weights(layout, trials, PERFORMANCE) == [layout.trial(0).model_init, layout.trial(0).model]


# What is kept


@pytest.mark.parametrize(('which', 'kept'), [('all', [0, 1, 2]), ('best', [1])])
def test_those_that_are_asked_for_are_kept_and_results_are_the_same(example, keeping, folder, which, kept):
    with example.opened(folder, keeping(which)) as store:
        write(store, example, [0.3, 0.9, 0.6])
    assert with_weights(folder) == kept
    with example.opened(folder.parent / 'other') as store:
        write(store, example, [0.3, 0.9, 0.6])
    tree, other = example.tree(folder), example.tree(folder.parent / 'other')
    assert {name for name in other if name in tree and tree[name] != other[name]} == {
        'sweep.json', 'copies/sweep.json'
    }  # fmt: skip
    assert all(name.endswith(('model.pt', 'model_init.pt')) for name in other.keys() - tree.keys())


def test_a_trial_whose_weights_never_came_has_all_else(example, keeping, folder):
    record = dataclasses.replace(example.record(0.5), model=None, model_init=None)
    with example.opened(folder, keeping('none')) as store:
        store.add_points([POINT])
        store.write_tuned(POINT, example.tuned())
        store.write_trial(POINT, 0, record)
    trial = folder / 'points/0/trials/0'
    assert {path.name for path in trial.iterdir()} == {'result.json', 'throughtime.npz'}
    assert json.loads((trial / 'result.json').read_text())['checksums'].keys() == {'throughtime.npz'}
    with example.opened(folder) as store:
        assert store.trials(POINT)[0] == record.result


def test_weights_of_a_worse_trial_are_not_even_written(example, keeping, folder):
    with example.opened(folder, keeping('best')) as store:
        store.add_points([POINT])
        store.write_tuned(POINT, example.tuned())
        store.write_trial(POINT, 1, example.record(0.5))
        assert not store.wants_weights(POINT, 2, example.record(0.5).result)
        assert store.wants_weights(POINT, 0, example.record(0.5).result)
        assert store.wants_weights(POINT, 2, example.record(0.6).result)


@settings(max_examples=60)
@given(data=st.data())
def test_in_whatever_order_and_however_often_it_is_killed_the_folder_is_the_same(
    example, keeping, memory, steps, data
):
    perfs = data.draw(st.lists(st.sampled_from([0.25, 0.5, 0.75]), min_size=1, max_size=5))
    expected, folder = memory() / 'sweep', memory() / 'sweep'
    with example.opened(expected, keeping('best')) as store:
        write(store, example, perfs)
    for _ in range(data.draw(st.integers(0, 3))):
        order, at = data.draw(st.permutations(range(len(perfs)))), data.draw(st.integers(0, 120))
        with steps.faulty(at), example.opened(folder, keeping('best')) as store:
            write(store, example, perfs, order, data.draw(st.integers(1, 3)))
    with example.opened(folder, keeping('best')) as store:
        write(store, example, perfs, data.draw(st.permutations(range(len(perfs)))), 2)
    assert example.tree(folder) == example.tree(expected)
    assert with_weights(folder) == [perfs.index(max(perfs))]


# It may be changed


@pytest.mark.parametrize(
    ('first', 'then', 'kept'),
    [
        ('all', 'best', [1]), ('all', 'none', [0, 1, 2]), ('best', 'all', [1]), ('best', None, [1]),
        ('all', None, [0, 1, 2]),
    ],
)  # fmt: skip
def test_another_choice_is_no_other_sweep_and_holds_from_then_on(example, keeping, folder, first, then, kept):
    with example.opened(folder, keeping(first)) as store:
        write(store, example, [0.3, 0.9, 0.6])
    with example.opened(folder, keeping(then) if then else example.manifest) as store:
        assert len(store.trials(POINT)) == 3
        assert with_weights(folder) == kept  # also of points that nobody proposes any more
        write(store, example, [0.3, 0.9, 0.6])
    assert with_weights(folder) == kept
    assert read_manifest(store.layout).kept.keep_weights == (then or first)


def test_a_choice_that_cannot_be_is_damage(example, keeping, folder):
    with example.opened(folder, keeping('best')) as store:
        store.add_points([POINT])
    for path in (folder / 'sweep.json', folder / 'copies/sweep.json'):
        text = path.read_text()
        path.write_text(text[: text.rindex(',\n  "checksum"')].replace('"best"', '"worst"') + '\n}\n')
    with pytest.raises(FolderError, match=r"keep_weights is 'worst'"):
        read_manifest(store.layout)


# What is said of those that are not there


def test_what_is_said_of_missing_weights_names_the_trial_that_has_some(example, keeping, folder):
    with example.opened(folder, keeping('best')) as store:
        write(store, example, [0.3, 0.9, 0.6])
        trials, files = store.trials(POINT), store.files(POINT)
    assert missing_weights(keeping('best'), files, trials, 1) is None
    said = missing_weights(keeping('best'), files, trials, 2)
    assert 'the weights of trial 2 are not there' in said and 'here of trial 1' in said
    assert 'keeps those of no trial' in missing_weights(keeping('none'), files, trials, 2)
    assert 'they were deleted, or not kept' in missing_weights(example.manifest, files, trials, 2)


@given(
    st.dictionaries(st.integers(0, 20), st.sampled_from([0.1, 0.2, 0.5]), min_size=1),
    st.sampled_from([PERFORMANCE, LOSS]),
    st.data(),
)
def test_a_trial_is_the_best_where_all_together_say_so(example, perfs, objective, data):
    index = data.draw(st.sampled_from(sorted(perfs)))
    trials = {number: example.record(perf).result for number, perf in perfs.items()}
    shuffled = dict(data.draw(st.permutations([*trials.items()])))
    assert is_best(index, trials[index], shuffled, objective) == (best_trial(trials, objective) == index)
    del shuffled[index]
    assert is_best(index, trials[index], shuffled, objective) == (best_trial(trials, objective) == index)
