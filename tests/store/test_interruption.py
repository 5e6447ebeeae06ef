"""Kill the process at any step of writing and do again what is missing: it is as if nothing had happened."""

import dataclasses
import errno
import os
import shutil
import warnings
from contextlib import ExitStack

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sweeper.errors import DamagedFileWarning, FolderError
from sweeper.results import PointError
from sweeper.store.lock import is_locked
from sweeper.store.store import Store

pytestmark = pytest.mark.slow

RUNS = 2


@pytest.fixture(scope='module')
def carry_on(example):
    """Does in a folder what is missing of a whole sweep, in the order in which a sweep does it."""

    def carry_on(folder, manifest=None, if_changed='stop', strict=True):
        with warnings.catch_warnings(), ExitStack() as stack:
            if strict:  # what an interrupted write leaves is no damage
                warnings.simplefilter('error', DamagedFileWarning)
            store = stack.enter_context(example.opened(folder, manifest, if_changed=if_changed))
            trained, untrainable, broken = example.points
            store.add_points([trained, untrainable])
            tune(store, trained)
            if not store.errors(untrainable):
                run_tuning(store, untrainable, 0)
                store.write_error(untrainable, PointError('TuningFailed', 'it diverges', 'tuning'))
            store.write_summaries(store.records)
            store.add_points([broken])
            for index in (1, 0):
                train(store, trained, index)
            tune(store, broken)
            train(store, broken, 1)
            for index in (2, 0):
                if index not in {error.trial for error in store.errors(broken)}:
                    store.write_error(broken, PointError('ValueError', f'in {index}', f'trial {index}'))
            for point in (trained, broken):
                store.write_scores(point, store.trials(point))
            store.collate()

    def tune(store, point):
        if store.tuned(point) is None:
            for stage in range(2):
                run_tuning(store, point, stage)
            store.write_tuned(point, example.tuned())
            store.write_scores(point, store.trials(point))

    def run_tuning(store, point, stage):
        for index in range(RUNS):
            request = f'run {stage} {index}'
            if store.saved_run(point, stage, index, request) is None:
                store.write_run(point, stage, index, request, {'loss': np.arange(4.0) + index})

    def train(store, point, index):
        if index not in store.trials(point):
            store.write_trial(point, index, example.record(0.5 + index / 10))
            store.write_summaries(store.records)

    return carry_on


@pytest.fixture(scope='module')
def undisturbed(carry_on, tmp_path_factory):
    folder = tmp_path_factory.mktemp('undisturbed') / 'sweep'
    carry_on(folder)
    return folder


def steps_of(steps, do):
    """The kinds of the steps that `do` takes."""
    with steps.faulty():
        do()
    return list(steps.taken)


def assert_reads_like_a_part_of(folder, whole, example):
    """Whoever looks at the folder now sees some of the results, and nothing else."""
    if not any(path.exists() for path in (folder / 'sweep.json', folder / 'copies/sweep.json')):
        with pytest.raises(FolderError, match='holds no sweep'):
            Store.read(folder)
        return
    store = Store.read(folder)
    assert store.points == whole.points[: len(store.points)]
    for point in store.points:
        assert store.tuned(point) in (None, whole.tuned(point))
        assert store.trials(point).items() <= whole.trials(point).items()
        assert set(store.errors(point)) <= set(whole.errors(point))
    store.results()


def test_killed_at_any_step_it_ends_as_if_nothing_had_happened(
    steps, carry_on, undisturbed, example, in_memory
):
    expected, whole, folder = example.tree(undisturbed), Store.read(undisturbed), in_memory / 'sweep'
    kinds = steps_of(steps, lambda: carry_on(in_memory / 'counted'))
    assert example.tree(in_memory / 'counted') == expected
    assert {'open', 'write', 'fsync', 'replace', 'mkdir', 'rmtree', 'unlink'} <= set(kinds)
    for at, kind in enumerate(kinds):
        if kind in ('open', 'fsync'):  # it leaves what a kill at the step before or after it leaves
            continue
        with steps.faulty(at):
            carry_on(folder)
        where = f'killed at step {at}, {kind}'
        assert steps.had_fault, where
        if folder.exists():
            assert_reads_like_a_part_of(folder, whole, example)
        with steps.faulty():
            try:
                carry_on(folder)
            except Exception as error:
                raise AssertionError(f'{where}: {error}') from error
        assert example.tree(folder) == expected, where
        shutil.rmtree(folder)


def test_with_a_full_disk_at_any_file_it_stops_and_then_ends_as_if_nothing_had_happened(
    steps, carry_on, undisturbed, example, in_memory
):
    expected, folder = example.tree(undisturbed), in_memory / 'sweep'
    for at, kind in enumerate(steps_of(steps, lambda: carry_on(in_memory / 'counted'))):
        if kind != 'write':
            continue
        with steps.faulty(at, errno.ENOSPC), pytest.raises(FolderError, match='No space left on device'):
            carry_on(folder)
        assert not is_locked(folder)
        with steps.faulty():
            carry_on(folder)
        assert example.tree(folder) == expected, f'full at step {at}'
        shutil.rmtree(folder)


@settings(max_examples=25)
@given(kills=st.lists(st.integers(0, 150), min_size=2, max_size=6))
def test_killed_again_and_again_it_ends_as_if_nothing_had_happened(
    kills, steps, carry_on, undisturbed, example, memory
):
    folder = memory() / 'sweep'
    for at in kills:
        with steps.faulty(at):
            carry_on(folder)
    with steps.faulty():
        carry_on(folder)
    assert example.tree(folder) == example.tree(undisturbed)


def test_killed_while_damage_is_set_aside_it_ends_as_if_nothing_had_happened(
    steps, carry_on, undisturbed, example, in_memory
):
    expected = example.tree(undisturbed)
    damaged = [
        'sweep.json', 'copies/params.csv', 'points/params.csv', 'points/0/hparams/lr_vs_perf.npz',
        'points/0/trials/1/result.json', 'points/2/trials/1/model.pt', 'points/2/error.json',
    ]  # fmt: skip

    def damage(folder):
        shutil.copytree(undisturbed, folder)
        for name in damaged:
            os.truncate(folder / name, 7)

    def recover(folder):
        with warnings.catch_warnings():
            warnings.simplefilter('ignore', DamagedFileWarning)
            carry_on(folder, strict=False)

    damage(in_memory / 'counted')
    kinds = steps_of(steps, lambda: recover(in_memory / 'counted'))
    assert example.tree(in_memory / 'counted') == expected
    for at, kind in enumerate(kinds):
        if kind in ('open', 'fsync', 'write'):
            continue
        folder = in_memory / str(at)
        damage(folder)
        with steps.faulty(at):
            recover(folder)
        with steps.faulty():
            recover(folder)
        assert example.tree(folder) == expected, f'killed at step {at}, {kind}'
        shutil.rmtree(folder)


@pytest.mark.parametrize('manifest', ['whole', 'damaged'])
def test_killed_while_a_sweep_is_restarted_both_are_whole(
    steps, carry_on, undisturbed, example, in_memory, manifest
):
    changed = dataclasses.replace(example.manifest, source='def')
    earlier, folder = set(example.tree(undisturbed)) - {'sweep.json'}, in_memory / 'sweep'

    def prepare():
        shutil.copytree(undisturbed, folder)
        if manifest == 'damaged':
            os.truncate(folder / 'sweep.json', 7)

    def restart():
        with warnings.catch_warnings():
            warnings.simplefilter('ignore', DamagedFileWarning)
            carry_on(folder, changed, if_changed='restart', strict=False)

    def new_ones():
        return {name: data for name, data in example.tree(folder).items() if not name.startswith('earlier')}

    prepare()
    kinds = steps_of(steps, restart)
    expected = new_ones()
    assert {f'earlier/0/{name}' for name in earlier} <= example.tree(folder).keys()
    shutil.rmtree(folder)
    for at, kind in enumerate(
        kinds[: kinds.index('write', kinds.index('replace', kinds.index('replace') + 1))]
    ):
        if kind in ('open', 'fsync', 'write'):
            continue
        where = f'killed at step {at}, {kind}'
        prepare()
        with steps.faulty(at):
            restart()
        with steps.faulty():
            try:
                restart()
            except Exception as error:
                raise AssertionError(f'{where}: {error}') from error
        # what was there is in several parts, if that was interrupted
        there = {
            name.split('/', 2)[2]
            for name in example.tree(folder)
            if name.startswith('earlier/') and name.count('/') > 1
        }
        assert earlier <= there, where
        assert new_ones() == expected, where
        shutil.rmtree(folder)


def test_points_and_failures_that_could_not_be_written_are_not_in_memory(example, in_memory, steps):
    def begun(name):
        store = stack.enter_context(example.opened(in_memory / name))
        store.add_points(example.points[:1])
        store.write_error(example.points[0], example.error)
        return store

    def change(store):
        store.add_points(example.points)
        store.forget_failures()

    with ExitStack() as stack:
        whole = begun('whole')
        with steps.faulty():
            change(whole)
        for at in range(len(steps.taken)):
            store = begun(f'at-{at}')
            with steps.faulty(at, errno.ENOSPC), pytest.raises(FolderError):
                change(store)
            found = Store.read(in_memory / f'at-{at}')  # which may have more, if that was the last it wrote
            assert found.points[: len(store.points)] == store.points
            assert {*store.errors(example.points[0])} <= {*found.errors(example.points[0])}
            assert store.manifest.named_points == found.manifest.named_points
            change(store)
            assert store.points == [*example.points] and not store.errors(example.points[0])
            assert example.tree(in_memory / f'at-{at}') == example.tree(in_memory / 'whole')


def test_the_first_points_are_not_in_memory_either(example, in_memory, steps):
    with ExitStack() as stack:
        whole = stack.enter_context(example.opened(in_memory / 'whole'))
        with steps.faulty():
            whole.add_points(example.points)
        for at in range(len(steps.taken)):
            store = stack.enter_context(example.opened(in_memory / f'at-{at}'))
            with steps.faulty(at, errno.ENOSPC), pytest.raises(FolderError):
                store.add_points(example.points)
            assert store.points == []
            store.add_points(example.points)
            assert example.tree(in_memory / f'at-{at}') == example.tree(in_memory / 'whole')
