"""The tuner finds what is best in a made-up world, without any training."""

import json

import numpy as np
import pytest
from hypothesis import given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from sweeper.errors import TuningFailed
from sweeper.seeding import run_seed
from sweeper.store.files import AtomicWriter, read_npz
from sweeper.tuning import batch_size
from sweeper.tuning.settings import get_settings
from sweeper.tuning.tuner import RunRequest, tune

FAST = get_settings('fast')
TRAIN_SIZE = 5000


class World:
    """Answers the tuner's runs: learning is fastest at `best_lr` per 32 samples, and dies far above it."""

    def __init__(self, best_lr=0.1, best_batch_size=None, dead=0, brief_dead_above=np.inf):
        self.best_lr, self.best_batch_size = best_lr, best_batch_size
        self.dead, self.brief_dead_above = dead, brief_dead_above
        self.stages = []

    def answer(self, stage):
        self.stages.append(stage)
        return [getattr(self, run.function)(i, **run.arguments) for i, run in enumerate(stage.runs)]

    def measure_curve(self, index, *, seed, lrs, batch_sizes):
        rng = np.random.default_rng(seed)
        relative = lrs * 32 / batch_sizes / self.best_lr
        skill = np.cumsum(np.where(relative < 3, relative, 0) / np.maximum(1, relative))
        skill = 1 - np.exp(-8 * skill / len(lrs))
        true = 0.1 + 0.8 * skill
        losses = 2.5 - 2.2 * true + rng.normal(0, 0.05, len(lrs))
        perfs = rng.binomial(batch_sizes, true) / batch_sizes
        exploded = np.maximum.accumulate(relative > 10)
        if index < self.dead:
            exploded[:] = True
        curve = {'loss': np.where(exploded, np.inf, losses), 'perf': np.where(exploded, 0, perfs)}
        return curve | {'step': 'captured' if index else 'eager, because'}

    def train_briefly(self, index, *, seed, lr_start, lr_end, batch_size, epochs, cycle_size_epochs):
        assert 0 < lr_start < lr_end and cycle_size_epochs == epochs
        off = 0 if self.best_batch_size is None else abs(np.log2(batch_size / self.best_batch_size))
        perf = 0.9 - 0.1 * off + np.random.default_rng(seed).normal(0, 1e-4)
        dead = lr_end * 32 / batch_size > self.brief_dead_above
        return {'loss': np.inf if dead else 1 - perf, 'perf': 0 if dead else perf, 'step': 'captured'}


def run(settings=FAST, world=None, train_size=TRAIN_SIZE, seed=0):
    """Drives the coroutine to its end; returns what was tuned, and the stages that it asked for."""
    world = world or World()
    tuner = tune(settings, train_size, seed)
    stage = next(tuner)
    while True:
        try:
            stage = tuner.send(world.answer(stage))
        except StopIteration as end:
            return end.value, world.stages


@pytest.mark.parametrize('seed', range(3))
@pytest.mark.parametrize('preset', ['fastest', 'fast', 'slow'])
@pytest.mark.parametrize('best_lr', [0.003, 0.03, 0.3])
def test_the_range_brackets_the_best_learning_rate(best_lr, preset, seed):
    tuned, _ = run(get_settings(preset), World(best_lr), seed=seed)
    scale = tuned.batch_size / 32
    assert tuned.lr_start < best_lr * scale < tuned.lr_end * 1.5
    assert tuned.lr_end < 10 * best_lr * scale
    assert tuned.flags == []


@pytest.mark.parametrize('position', [0, 1, 2])
def test_the_batch_size_that_trains_best_is_chosen(position):
    _, stages = run()
    sampled = sorted({request.arguments['batch_size'] for request in stages[2].runs})
    tuned, _ = run(world=World(best_batch_size=sampled[position]))
    assert tuned.batch_size == sampled[position]


@pytest.mark.parametrize('preset', ['fastest', 'fast', 'slow', 'slowest'])
@pytest.mark.parametrize('sweep_cores', [1, 12])
def test_stages_follow_the_settings(preset, sweep_cores):
    settings = get_settings(preset).for_sweep_cores(sweep_cores)
    tuned, stages = run(settings)
    sampled = len(tuned.curves['bs_sampled']['batch_sizes'])
    expected = [
        ('lr_vs_perf', settings.lr_initialisations, 'measure_curve'),
        ('bs_vs_perf', settings.batch_initialisations, 'measure_curve'),
        ('bs_sampled', sampled * settings.batch_point_initialisations, 'train_briefly'),
    ]
    if settings.rescan_lr:
        expected.append(('lr_vs_perf2', settings.lr_initialisations, 'measure_curve'))
    found = [(s.name, len(s.runs), *{request.function for request in s.runs}) for s in stages]
    assert found == expected
    assert sampled <= settings.batch_points
    assert set(tuned.curves) == {stage.name for stage in stages}


def test_seeds_follow_from_the_sweep_the_stage_and_the_index():
    _, stages = run(seed=5)
    for stage in stages[:2]:
        expected = [run_seed(5, stage.name, i) for i in range(len(stage.runs))]
        assert [request.arguments['seed'] for request in stage.runs] == expected
    by_size = {}
    for request in stages[2].runs:
        by_size.setdefault(request.arguments['batch_size'], []).append(request.arguments['seed'])
    expected = [run_seed(5, 'bs_sampled', i) for i in range(FAST.batch_point_initialisations)]
    assert all(seeds == expected for seeds in by_size.values())


def test_every_architecture_gets_the_same_seeds_and_budget():
    _, one = run(world=World(0.01))
    _, other = run(world=World(0.5))
    for a, b in zip(one, other, strict=True):
        assert (a.name, len(a.runs)) == (b.name, len(b.runs))
        assert [r.arguments['seed'] for r in a.runs] == [r.arguments['seed'] for r in b.runs]
    np.testing.assert_array_equal(one[0].runs[0].arguments['lrs'], other[0].runs[0].arguments['lrs'])


def test_the_same_answers_give_the_same_tuning():
    (one, _), (other, _) = run(), run()
    assert one.final() == other.final() and one.misc.keys() == other.misc.keys()


@pytest.mark.parametrize('best_batch_size', [None, 64])
def test_answers_that_were_written_and_read_back_give_the_same_tuning(tmp_path, best_batch_size):
    class Stored(World):
        """Answers from a file, as a tuning does that goes on where it was interrupted."""

        def answer(self, stage):
            writer, path = AtomicWriter(tmp_path), tmp_path / 'run.npz'
            answers = []
            for result in super().answer(stage):
                writer.write_npz(path, {name: np.asarray(value) for name, value in result.items()})
                answers.append(read_npz(path))
            return answers

    settings = FAST.replace(rescan_lr=True)
    written = []
    for world in (World(best_batch_size=best_batch_size), Stored(best_batch_size=best_batch_size)):
        tuned, stages = run(settings, world)
        writer, folder = AtomicWriter(tmp_path), tmp_path / f'as-{len(written)}'
        writer.write_json(folder / 'misc.json', tuned.misc)
        writer.write_json(folder / 'final.json', tuned.final())
        for name, arrays in tuned.curves.items():
            writer.write_npz(folder / f'{name}.npz', arrays)
        requests = [[request.digest() for request in stage.runs] for stage in stages]
        written.append((requests, [path.read_bytes() for path in sorted(folder.iterdir())]))
    assert written[0] == written[1]


def test_every_run_of_a_stage_is_requested_differently():
    _, stages = run(FAST.replace(rescan_lr=True))
    for stage in stages:
        assert len({request.digest() for request in stage.runs}) == len(stage.runs)


def test_a_request_is_told_from_others_by_its_function_and_every_argument():
    arguments = {'seed': 3, 'lrs': np.geomspace(0.1, 1.0, 5), 'batch_sizes': np.full(5, 8)}
    request = RunRequest('measure_curve', arguments)
    same = RunRequest('measure_curve', {'batch_sizes': np.full(5, 8), 'lrs': arguments['lrs'], 'seed': 3})
    assert request.digest() == same.digest()
    others = [
        RunRequest('train_briefly', arguments),
        RunRequest('measure_curve', {**arguments, 'seed': 4}),
        RunRequest('measure_curve', {**arguments, 'lrs': np.nextafter(arguments['lrs'], 2)}),
        RunRequest('measure_curve', {**arguments, 'batch_sizes': np.array([8, 8, 8, 8, 9])}),
        RunRequest('measure_curve', {name: arguments[name] for name in ('seed', 'lrs')}),
    ]
    assert len({request.digest(), *(other.digest() for other in others)}) == 6


def test_what_is_tuned_is_complete():
    tuned, _ = run()
    assert tuned.cycle_size_epochs == FAST.cycle_epochs
    assert tuned.epochs == FAST.trial_epochs(TRAIN_SIZE)
    assert 0 < tuned.lr_start < tuned.lr_end
    assert all(type(value) in (int, float) for value in tuned.final().values())
    assert tuned.misc['train_size'] == TRAIN_SIZE
    assert {'lr_range', 'batch_sizes', 'batch_sampled', 'flags'} <= tuned.misc.keys()


@pytest.mark.parametrize('world', [World(), World(dead=1), World(best_lr=1e9)], ids=['fine', 'dead', 'flat'])
def test_what_is_tuned_can_be_written(tmp_path, world):
    tuned, _ = run(FAST.replace(rescan_lr=True), world)
    writer = AtomicWriter(tmp_path)
    writer.write_json(tmp_path / 'misc.json', tuned.misc)
    found = json.loads((tmp_path / 'misc.json').read_text(), parse_constant=pytest.fail)
    assert found['flags'] == tuned.flags and found.keys() == tuned.misc.keys()
    assert found['lr_range2']['batch_size'] == tuned.batch_size
    for arrays in tuned.curves.values():
        writer.write_npz(tmp_path / 'curve.npz', arrays)
        assert read_npz(tmp_path / 'curve.npz').keys() == arrays.keys()


def test_the_second_range_test_is_made_at_the_chosen_size_and_decides():
    tuned, stages = run(FAST.replace(rescan_lr=True), World(best_batch_size=64))
    for request in stages[-1].runs:
        assert set(request.arguments['batch_sizes']) == {tuned.batch_size}
    second = tuned.misc['lr_range2']
    assert (tuned.lr_start, tuned.lr_end) == (second['lr_start'], second['lr_end'])
    assert tuned.misc['lr_range'] != second


def test_without_points_to_compare_the_largest_good_size_is_taken():
    tuned, stages = run(FAST.replace(batch_points=0))
    assert [stage.name for stage in stages] == ['lr_vs_perf', 'bs_vs_perf']
    assert tuned.batch_size == tuned.misc['batch_sizes']['largest']
    assert 'bs_sampled' not in tuned.curves and 'batch_sampled' not in tuned.misc


def test_a_dead_initialisation_is_flagged():
    tuned, _ = run(world=World(dead=1))
    assert tuned.flags == ['nan_seen']
    rescanned, _ = run(FAST.replace(rescan_lr=True), World(dead=1))
    assert rescanned.flags == ['nan_seen']


def test_a_network_that_learns_nothing_is_flagged():
    tuned, _ = run(world=World(best_lr=1e9))
    assert 'nothing_learned' in tuned.flags


def test_a_best_rate_at_the_upper_edge_is_flagged():
    assert 'lr_at_high_edge' in run(world=World(best_lr=30.0))[0].flags


def test_a_dead_network_fails():
    with pytest.raises(TuningFailed, match='from the start'):
        run(world=World(dead=99))
    with pytest.raises(TuningFailed, match='every brief training diverged'):
        run(world=World(brief_dead_above=0))


def test_rates_at_which_every_brief_training_diverges_are_lowered():
    usual, _ = run()
    limit = usual.lr_end * 32 / usual.batch_size / 10
    tuned, stages = run(world=World(brief_dead_above=limit))
    assert [stage.name for stage in stages[2:]] == ['bs_sampled'] * 3
    assert limit / 4 < tuned.lr_end * 32 / tuned.batch_size <= limit
    assert tuned.misc['lr_range']['lowered_by'] == 16
    assert tuned.flags == ['nan_seen']


@hypothesis_settings(max_examples=25, deadline=None)
@given(st.integers(1, 300), st.sampled_from(['fastest', 'slow']), st.integers(0, 2**63 - 1))
def test_tiny_data_can_be_tuned_for(train_size, preset, seed):
    settings = get_settings(preset)
    tuned, stages = run(settings, train_size=train_size, seed=seed)
    least, largest = batch_size.limits(settings, train_size)
    assert batch_size.even(least, train_size) <= tuned.batch_size <= largest
    for stage in stages[:2]:
        assert all(max(request.arguments['batch_sizes']) <= train_size for request in stage.runs)


def test_how_steps_were_taken_is_told():
    tuned, _ = run()
    steps = tuned.misc['steps']
    assert steps['lr_vs_perf'] == steps['bs_vs_perf'] == ['captured', 'eager, because']
    assert steps['bs_sampled'] == ['captured']
