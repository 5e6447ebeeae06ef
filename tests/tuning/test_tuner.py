"""The tuner finds what is best in a made-up world, without any training."""

import json
import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from sweeper.errors import EvaluationDiverged, TuningFailed
from sweeper.io.files import AtomicWriter, read_npz
from sweeper.results import ModelCost
from sweeper.seeding import run_seed
from sweeper.store.tuned_files import final_content, misc_content
from sweeper.tuning.base import RunRequest
from sweeper.tuning.candidates import batch_sizes, reference_size
from sweeper.tuning.settings import PRESETS, get_settings
from sweeper.tuning.start import start_tuning

FAST = get_settings('fast')
SIZED = FAST.replace(batch_size=32, batch_start=8, batch_end=128, batch_candidates=3)
TRAIN_SIZE = 5000
every_preset = pytest.mark.parametrize('preset', PRESETS)


class World:
    """Answers the tuner's runs: learning is the faster the higher the rate, up to a cliff.

    Args:
        best_lr: Where the cliff is at a batch size of 32; with the square root of the batch size elsewhere.
        best_batch_size: Others train worse; None if none does.
        dead: How many models of the range test are dead from the start.
        brief_dead_above: Brief trainings above this learning rate diverge, whatever the batch size.
        late_dead_above: Those of the rounds after the first do.
        flags: What those that diverge have shown, run by run in turn.
        overfits_after: Trainings of more samples are the worse on held-out data the longer they are,
        overfitting: by so much each time they are e times as long.
        luck: How much the parts that are held out differ.
    """

    def __init__(
        self, best_lr=0.1, best_batch_size=None, dead=0, brief_dead_above=np.inf, late_dead_above=np.inf,
        flags=('training_diverged evaluation_diverged',), overfits_after=math.inf, overfitting=0.1, luck=0.0,
    ):  # fmt: skip
        self.best_lr, self.best_batch_size = best_lr, best_batch_size
        self.dead, self.brief_dead_above = dead, brief_dead_above
        self.late_dead_above, self.flags = late_dead_above, flags
        self.overfits_after, self.overfitting, self.luck = overfits_after, overfitting, luck
        self.stages, self.samples = [], 0

    def best(self, batch_size):
        return self.best_lr * np.sqrt(batch_size / 32)

    def answer(self, stage):
        self.stages.append(stage)
        return [getattr(self, run.function)(i, **run.arguments) for i, run in enumerate(stage.runs)]

    def measure_curve(self, index, *, seed, lrs, batch_sizes):
        self.samples += int(np.sum(batch_sizes))
        rng = np.random.default_rng(seed)
        relative = lrs / self.best(batch_sizes)
        skill = np.cumsum(np.where(relative < 2, relative, 0) / np.maximum(1, relative))
        skill = 1 - np.exp(-8 * skill / len(lrs))
        true = 0.1 + 0.8 * skill
        losses = 2.5 - 2.2 * true + rng.normal(0, 0.05, len(lrs))
        perfs = rng.binomial(batch_sizes, true) / batch_sizes
        exploded = np.maximum.accumulate(relative > 5)
        if index < self.dead:
            exploded[:] = True
        curve = {'loss': np.where(exploded, np.inf, losses), 'perf': np.where(exploded, 0, perfs)}
        return curve | {'step': 'captured' if index else 'eager, because'}

    def train_briefly(
        self, index, *, seed, lr_min, lr_max, batch_size, steps, held_out=0, holdout_seed=0, holdout_part=0,
        cycles=1,
    ):  # fmt: skip
        assert 0 < lr_min < lr_max and min(batch_size, steps) > 0
        self.samples += batch_size * steps
        relative = lr_max / self.best(batch_size)
        off = 0 if self.best_batch_size is None else abs(np.log2(batch_size / self.best_batch_size))
        noise = np.random.default_rng(seed).normal(0, 1e-4)
        luck = np.random.default_rng([holdout_seed, holdout_part]).normal(0, self.luck) if held_out else 0.0
        done = steps * np.arange(1, cycles + 1) / cycles
        skill = 1 - (1 + relative * batch_size * done / 100) ** -0.3
        skill *= 1 if relative <= 1 else max(0.0, 1 - (relative - 1))
        fit = 0.1 + 0.8 * skill - 0.1 * off + noise
        excess = np.log(np.maximum(batch_size * done / self.overfits_after, 1)) if held_out else 0.0
        perfs = np.maximum(0.0, fit - self.overfitting * excess + luck)
        dead = lr_max > self.brief_dead_above or relative > 5
        dead |= len(self.stages) > 2 and lr_max > self.late_dead_above
        flags = {'flags': self.flags[index % len(self.flags)]} if dead else {}
        losses, perfs = (np.full(cycles, np.inf), 0 * perfs) if dead else (2.5 - 2.2 * perfs, perfs)
        fitted = np.inf if dead else float(2.5 - 2.2 * max(0.0, fit[-1]))
        return {
            'loss': float(losses[-1]),
            'perf': float(perfs[-1]),
            'step': 'captured',
            **flags,
            **({'fit': fitted} if held_out else {}),
            **({'losses': losses, 'perfs': perfs} if cycles > 1 else {}),
        }


def driven(tuner, world):
    """Drives a coroutine to its end by a world's answers; returns what was tuned."""
    stage = next(tuner)
    while True:
        try:
            stage = tuner.send(world.answer(stage))
        except StopIteration as end:
            return end.value


def run(settings=FAST, world=None, train_size=TRAIN_SIZE, seed=0):
    """Returns what was tuned, and the stages that were asked for."""
    world = world or World()
    return driven(start_tuning(settings, train_size, seed), world), world.stages


def seeds_of(stage):
    """The seeds of every candidate of a round, in order."""
    found = {}
    for request in stage.runs:
        candidate = request.arguments['lr_max'], request.arguments['batch_size']
        found.setdefault(candidate, []).append(request.arguments['seed'])
    return found


# What is chosen


@pytest.mark.parametrize('seed', range(2))
@every_preset
@pytest.mark.parametrize('best_lr', [0.003, 0.03, 0.3])
def test_the_learning_rate_is_somewhat_below_the_best(best_lr, preset, seed):
    world = World(best_lr)
    tuned, _ = run(get_settings(preset), world, seed=seed)
    best = world.best(tuned.batch_size)
    assert best / 6 < tuned.lr_max < 1.2 * best
    assert tuned.lr_max / tuned.lr_min == pytest.approx(FAST.lr_ratio)
    assert set(tuned.flags) <= {'sensitive', 'longest'} | (
        {'barely_learned'} if preset == 'fastest' else set()
    )


@pytest.mark.parametrize('objective', ['performance', 'throughput'])
@pytest.mark.parametrize('rounds', [2, 3, 4, 5])
@pytest.mark.parametrize('size', [8, 32, 125])
def test_a_batch_size_that_trains_far_better_is_chosen(size, rounds, objective):
    settings = SIZED.replace(rounds=rounds, batch_objective=objective)
    assert size in batch_sizes(settings, TRAIN_SIZE)
    assert run(settings, World(best_batch_size=size))[0].batch_size == size


@pytest.mark.parametrize('rounds', [2, 3, 4, 5])
@pytest.mark.parametrize('best_batch_size', [None, 8])
def test_for_throughput_the_largest_batch_size_within_the_tolerance_is_chosen(best_batch_size, rounds):
    settings = SIZED.replace(rounds=rounds, batch_objective='throughput', batch_tolerance=1.0)
    assert run(settings, World(best_batch_size=best_batch_size))[0].batch_size == 125


@pytest.mark.parametrize('size', [1, 20, 1000])
def test_a_batch_size_that_is_asked_for_is_used_throughout(size):
    world = World(best_batch_size=64)
    tuned, stages = run(FAST.replace(batch_objective=size), world)
    assert tuned.batch_size == size
    assert set(stages[0].runs[0].arguments['batch_sizes']) == {size}
    assert {run.arguments['batch_size'] for stage in stages[1:] for run in stage.runs} == {size}
    assert world.best(size) / 6 < tuned.lr_max < 1.2 * world.best(size)


def test_no_learning_rate_outside_the_settings_is_tried_or_chosen():
    settings = FAST.replace(lr_start=0.01, lr_end=0.2)
    for best_lr in (0.01, 0.05, 50.0):
        tuned, stages = run(settings, World(best_lr))
        assert settings.lr_start <= tuned.lr_max <= settings.lr_end
        tried = {request.arguments['lr_max'] for stage in stages[1:] for request in stage.runs}
        assert settings.lr_start <= min(tried) < max(tried) <= settings.lr_end


@pytest.mark.parametrize(('budget', 'models'), [(2, 1), (5, 2), (20, 5), (40, 7)])
def test_the_last_round_decides_about_the_learning_rate(budget, models):
    tuned, stages = run(FAST.replace(tuning_budget=budget))
    last = tuned.report['rounds'][-1]
    assert len(stages[-1].runs) == models * len(last)
    best = max(last, key=lambda one: one['perf'])
    assert tuned.batch_size == best['batch_size'] and tuned.lr_max <= best['lr']


# How it goes on


@every_preset
@pytest.mark.parametrize('sweep_cores', [1, 12])
def test_stages_follow_the_settings(preset, sweep_cores):
    settings = get_settings(preset).for_sweep_cores(sweep_cores)
    tuned, stages = run(settings)
    assert len(stages[0].runs) == settings.lr_initialisations >= sweep_cores
    probes = settings.rounds == 2
    assert [stage.name for stage in stages] == ['lr_vs_perf'] + ['candidates'] * (settings.rounds + probes)
    functions = [{request.function for request in stage.runs} for stage in stages]
    assert functions == [{'measure_curve'}] + [{'train_briefly'}] * (settings.rounds + probes)
    tried = [{request.arguments['batch_size'] for request in stage.runs} for stage in stages[1:]]
    assert set().union(*tried) == set(batch_sizes(settings, TRAIN_SIZE)) | {
        reference_size(settings, TRAIN_SIZE)
    }
    assert len(tried[-1]) == 1
    assert set(tuned.curves) == {stage.name for stage in stages}


@every_preset
def test_the_last_candidates_are_few_and_trained_longest(preset):
    _, stages = run(get_settings(preset))
    counts = [len(seeds_of(stage)) for stage in stages[1:]]
    assert counts[-1] < max(counts)
    samples = [
        sum(request.arguments['steps'] * request.arguments['batch_size'] for request in stage.runs) / count
        for stage, count in zip(stages[1:], counts, strict=True)
    ]
    assert samples[-1] == max(samples)


def test_candidates_of_a_round_are_trained_on_equally_many_samples():
    _, stages = run()
    for stage in stages[1:]:
        shares = [request.arguments['steps'] * request.arguments['batch_size'] for request in stage.runs]
        most_of_a_step = max(request.arguments['batch_size'] for request in stage.runs)
        assert max(shares) - min(shares) <= most_of_a_step


def test_brief_trainings_have_the_cycle_of_a_trial():
    settings = FAST.replace(lr_ratio=4.0)
    tuned, stages = run(settings)
    assert tuned.lr_max / tuned.lr_min == pytest.approx(4)
    for stage in stages[1:]:
        for request in stage.runs:
            assert request.arguments['lr_max'] / request.arguments['lr_min'] == pytest.approx(4)


@every_preset
@pytest.mark.parametrize('objective', ['performance', 'throughput', 32])
@pytest.mark.parametrize('train_size', [1000, 60_000])
def test_tuning_takes_its_budget(preset, objective, train_size):
    settings, world = get_settings(preset).replace(batch_objective=objective), World()
    tuned, _ = run(settings, world, train_size)
    trial = round(train_size * settings.trial_epochs(train_size))
    told = tuned.report['budget']
    assert told['samples'] == world.samples and told['trial_samples'] == trial
    assert told['trials'] == pytest.approx(world.samples / trial)
    assert 0.7 * settings.tuning_budget < told['trials'] <= settings.tuning_budget


@given(st.floats(1e-6, 20), st.integers(1, 20_000), st.sampled_from(list(PRESETS)), st.integers(1, 12))
def test_no_more_than_the_budget_is_taken_but_for_the_least_steps(budget, train_size, preset, sweep_cores):
    settings = get_settings(preset).replace(tuning_budget=budget).for_sweep_cores(sweep_cores)
    world, frugal = World(), World()
    tuned, stages = run(settings, world, train_size)
    run(settings.replace(tuning_budget=1e-9), frugal, train_size)
    least_steps = {request.arguments['steps'] for stage in frugal.stages[1:] for request in stage.runs}
    assert len(least_steps) == 1
    at_least = sum(
        request.arguments['batch_size'] * request.arguments['steps']
        for stage in stages[1:]
        for request in stage.runs
        if request.arguments['steps'] in least_steps
    )
    at_least += sum(int(np.sum(request.arguments['batch_sizes'])) for request in frugal.stages[0].runs)
    whole = budget * tuned.report['budget']['trial_samples']
    assert world.samples <= whole + at_least


# Seeds, and doing it again


def test_all_candidates_of_a_round_share_their_seeds_and_rounds_differ():
    _, stages = run(FAST.replace(tuning_budget=20), seed=5)
    expected = [run_seed(5, 'lr_vs_perf', index) for index in range(FAST.lr_initialisations)]
    assert [request.arguments['seed'] for request in stages[0].runs] == expected
    rounds = [seeds_of(stage) for stage in stages[1:]]
    drawn = []
    for number, found in enumerate(rounds):
        assert len({tuple(seeds) for seeds in found.values()}) == 1
        drawn += next(iter(found.values()))
        assert len(next(iter(found.values()))) == (5 if number == len(rounds) - 1 else 1)
    assert len({*drawn, *expected}) == len(drawn) + len(expected)


def test_every_architecture_gets_the_same_seeds_and_budget():
    worlds = World(0.01), World(0.5)
    (_, one), (_, other) = (run(world=world) for world in worlds)
    for a, b in zip(one, other, strict=True):
        assert a.name == b.name
        assert {r.arguments['seed'] for r in a.runs} == {r.arguments['seed'] for r in b.runs}
    np.testing.assert_array_equal(one[0].runs[0].arguments['lrs'], other[0].runs[0].arguments['lrs'])
    assert worlds[0].samples == pytest.approx(worlds[1].samples, rel=0.05)


def test_the_same_answers_give_the_same_tuning():
    (one, first), (other, second) = run(), run()
    assert final_content(one) == final_content(other) and misc_content(one) == misc_content(other)
    for a, b in zip(first, second, strict=True):
        assert [request.digest() for request in a.runs] == [request.digest() for request in b.runs]


@pytest.mark.parametrize(
    'changes', [{}, {'best_batch_size': 64}, {'brief_dead_above': 0.05}, {'best_lr': 1e9}], ids=str
)
def test_answers_that_were_written_and_read_back_give_the_same_tuning(tmp_path, changes):
    class Stored(World):
        """Answers from a file, as a tuning does that goes on where it was interrupted."""

        def answer(self, stage):
            writer, path = AtomicWriter(tmp_path), tmp_path / 'run.npz'
            answers = []
            for result in super().answer(stage):
                writer.write_npz(path, {name: np.asarray(value) for name, value in result.items()})
                answers.append(read_npz(path))
            return answers

    settings = FAST.replace(tuning_budget=12)
    written = []
    for world in (World(**changes), Stored(**changes)):
        tuned, stages = run(settings, world)
        writer, folder = AtomicWriter(tmp_path), tmp_path / f'as-{len(written)}'
        writer.write_json(folder / 'misc.json', misc_content(tuned))
        writer.write_json(folder / 'final.json', final_content(tuned))
        for name, arrays in tuned.curves.items():
            writer.write_npz(folder / f'{name}.npz', arrays)
        requests = [[request.digest() for request in stage.runs] for stage in stages]
        written.append((requests, [path.read_bytes() for path in sorted(folder.iterdir())]))
    assert written[0] == written[1]


@every_preset
@pytest.mark.parametrize('best_lr', [1e-5, 0.1, 30.0, 1e9])
def test_every_run_of_a_stage_is_requested_differently(best_lr, preset):
    _, stages = run(get_settings(preset), World(best_lr))
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


# What is told


def test_what_is_tuned_is_complete():
    tuned, _ = run()
    assert tuned.cycle_size_epochs == FAST.cycle_epochs
    assert tuned.epochs == FAST.trial_epochs(TRAIN_SIZE)
    assert 0 < tuned.lr_min < tuned.lr_max
    assert all(type(value) in (int, float) for value in tuned.plan().values())
    assert tuned.report['train_size'] == TRAIN_SIZE
    assert [*misc_content(tuned)] == [
        'flags', 'why', 'perf', 'span', 'budget', 'lr_range', 'rounds', 'train_size', 'probability_best',
        'steps', 'scored_on', 'cost',
    ]  # fmt: skip
    assert f'batch size {tuned.batch_size}' in tuned.report['why']
    assert f'learning rate {tuned.lr_max:.2g}' in tuned.report['why']


def test_all_brief_trainings_are_told():
    tuned, stages = run()
    table, rows = tuned.curves['candidates'], []
    for number, (told, stage) in enumerate(zip(tuned.report['rounds'], stages[1:], strict=True)):
        asked = [
            (request.arguments['lr_max'], request.arguments['batch_size'], request.arguments['steps'])
            for request in stage.runs
        ]
        assert [(one['lr'], one['batch_size'], one['steps']) for one in told] == asked
        rows += [(number, *row) for row in asked]
    assert (
        list(zip(*(table[name].tolist() for name in ('round', 'lr', 'batch_size', 'steps')), strict=True))
        == rows
    )
    told = [one for each in tuned.report['rounds'] for one in each]
    for name in ('loss', 'perf'):
        assert table[name].tolist() == [one[name] for one in told]


WORLDS = {
    'fine': World,
    'dead': lambda: World(dead=1),
    'flat': lambda: World(best_lr=1e9),
    'some diverge': lambda: World(brief_dead_above=0.05),
    'all of a round diverge': lambda: World(brief_dead_above=1e-4),
}


@pytest.mark.parametrize('make_world', WORLDS.values(), ids=WORLDS)
def test_what_is_tuned_can_be_written(tmp_path, make_world):
    tuned, _ = run(world=make_world())
    writer = AtomicWriter(tmp_path)
    writer.write_json(tmp_path / 'misc.json', misc_content(tuned))
    found = json.loads((tmp_path / 'misc.json').read_text(), parse_constant=pytest.fail)
    assert found['flags'] == [*tuned.flags] and [*found] == [*misc_content(tuned)]
    losses = [one['loss'] for each in tuned.report['rounds'] for one in each]
    written = [one['loss'] for each in found['rounds'] for one in each]
    assert written == [loss if math.isfinite(loss) else None for loss in losses]
    for arrays in tuned.curves.values():
        writer.write_npz(tmp_path / 'curve.npz', arrays)
        assert read_npz(tmp_path / 'curve.npz').keys() == arrays.keys()


def test_how_steps_were_taken_is_told():
    tuned, _ = run()
    assert tuned.report['steps'] == {'lr_vs_perf': ['captured', 'eager, because'], 'candidates': ['captured']}


@pytest.mark.parametrize('as_saved', [str, np.asarray])
def test_what_the_architecture_costs_is_told(as_saved):
    cost = {'parameters': 7, 'trainable_parameters': 5, 'flops': None, 'reason': 'no telling'}

    class Costly(World):
        def measure_curve(self, index, **arguments):
            return super().measure_curve(index, **arguments) | {'cost': as_saved(json.dumps(cost))}

    (plain, stages), (tuned, others) = run(), run(world=Costly())
    assert misc_content(tuned) == misc_content(plain) | {'cost': cost}
    assert tuned.cost == ModelCost(**cost) and plain.cost is None
    assert [len(stage.runs) for stage in stages] == [len(stage.runs) for stage in others]


def test_steps_of_every_round_are_told():
    class Wavering(World):
        def train_briefly(self, index, **arguments):
            return super().train_briefly(index, **arguments) | {'step': f'in stage {len(self.stages)}'}

    tuned, stages = run(world=Wavering())
    assert tuned.report['steps']['candidates'] == [f'in stage {n}' for n in range(2, len(stages) + 1)]


def test_where_a_round_taught_nothing_the_next_is_the_last():
    class Flat(World):
        """Nobody ever learns anything, and nobody comes to harm."""

        def train_briefly(self, index, **arguments):
            super().train_briefly(index, **arguments)
            return {'loss': 2.3, 'perf': 0.1, 'step': 'captured'}

    world = Flat(best_lr=1e9)
    tuned, stages = run(FAST.replace(batch_start=8), world)
    assert len(stages) == 3
    assert 0.9 * FAST.tuning_budget < tuned.report['budget']['trials'] <= FAST.tuning_budget
    assert tuned.batch_size == 8, 'which takes the most steps'
    assert tuned.lr_max < max(one['lr'] for one in tuned.report['rounds'][-1])


def test_rates_at_which_all_give_the_same_constant_answer_are_lowered():
    class Constant(World):
        """Training above a learning rate ends in a constant answer, far better than a fresh model's."""

        def measure_curve(self, index, **arguments):
            curve = super().measure_curve(index, **arguments)
            return curve | {'loss': np.where(arguments['lrs'] > 1e-3, 0.66, curve['loss'])}

        def train_briefly(self, index, *, lr_max, **arguments):
            found = super().train_briefly(index, lr_max=lr_max, **arguments)
            return found if lr_max < 1e-5 else found | {'loss': 0.66, 'perf': 0.3, 'fit': 0.66}

    tuned, stages = run(world=Constant(best_lr=1e9))
    first, second = (sorted(one.arguments['lr_max'] for one in stage.runs) for stage in stages[1:3])
    np.testing.assert_allclose(first, np.multiply(second, 100))
    assert [run.arguments['seed'] for run in stages[1].runs] == [
        run.arguments['seed'] for run in stages[2].runs
    ]
    assert 'nan_seen' not in tuned.flags


# What is flagged, and what fails


def test_a_dead_initialisation_is_flagged():
    assert set(run(world=World(dead=1))[0].flags) - {'sensitive', 'longest'} == {'nan_seen'}


def test_a_network_that_learns_nothing_is_flagged():
    tuned, _ = run(world=World(best_lr=1e9))
    assert 'nothing_learned' in tuned.flags
    assert FAST.lr_start <= tuned.lr_max <= FAST.lr_end


def test_a_network_that_learns_only_in_long_trainings_is_tuned():
    class Late(World):
        """Stays on its plateau in the range test and the first round."""

        def measure_curve(self, index, **arguments):
            curve = super().measure_curve(index, **arguments)
            flat = np.where(np.isfinite(curve['loss']), 2.3, np.inf)
            return curve | {'loss': flat, 'perf': np.where(np.isfinite(flat), 0.1, 0)}

        def train_briefly(self, index, **arguments):
            found = super().train_briefly(index, **arguments)
            waits = len(self.stages) == 2 and math.isfinite(found['loss'])
            return found | ({'loss': 2.3, 'perf': 0.1} if waits else {})

    world = Late()
    tuned, _ = run(world=world)
    assert 'nothing_learned' not in tuned.flags
    assert world.best(tuned.batch_size) / 10 < tuned.lr_max < 1.2 * world.best(tuned.batch_size)


@pytest.mark.parametrize(
    ('best_lr', 'flag'), [(30.0, 'lr_at_high_edge'), (FAST.lr_start, 'lr_at_low_edge'), (0.1, None)]
)
def test_a_best_rate_at_an_edge_is_flagged(best_lr, flag):
    flags = run(world=World(best_lr))[0].flags
    assert {'lr_at_high_edge', 'lr_at_low_edge'} & set(flags) == ({flag} if flag else set())


def test_a_dead_network_fails():
    with pytest.raises(TuningFailed, match='from the start'):
        run(world=World(dead=99))
    with pytest.raises(TuningFailed, match='every brief training diverged, down to a learning rate of'):
        run(world=World(brief_dead_above=0))


IN_BOTH, IN_ONE = 'training_diverged evaluation_diverged', 'evaluation_diverged'


@pytest.mark.parametrize(
    ('flags', 'kind', 'fragment'),
    [
        ((IN_BOTH,), TuningFailed, 'every brief training diverged, down to'),
        (('training_diverged',), TuningFailed, 'every brief training diverged, down to'),
        ((IN_BOTH, IN_ONE), TuningFailed, 'only in evaluation mode: look at what'),
        ((IN_ONE,), EvaluationDiverged, 'the loss was finite in training mode, and NaN or infinite in'),
        (('',), TuningFailed, 'every brief training diverged, down to'),  # of a version before there were any
    ],
)
def test_a_network_of_which_no_brief_training_is_finite_says_where_not(flags, kind, fragment):
    with pytest.raises(TuningFailed, match=fragment) as caught:
        run(world=World(brief_dead_above=0, flags=flags))
    assert type(caught.value) is kind


@pytest.mark.parametrize('factor', [0.5, 0.05])
def test_rates_at_which_every_brief_training_diverges_are_lowered(factor):
    _, usual = run()
    limit = factor * min(request.arguments['lr_max'] for request in usual[1].runs)
    assert limit > 2 * FAST.lr_start
    tuned, stages = run(world=World(brief_dead_above=limit))
    assert {stage.name for stage in stages[1:]} == {'candidates'}
    assert len(stages[2].runs) == len(stages[1].runs)
    for one, lowered in zip(stages[1].runs, stages[2].runs, strict=True):
        assert one.arguments['seed'] == lowered.arguments['seed']
        assert one.arguments['batch_size'] == lowered.arguments['batch_size']
        assert one.arguments['lr_max'] > 2 * lowered.arguments['lr_max']
    assert tuned.lr_max <= limit
    assert 'nan_seen' in tuned.flags


def test_a_later_round_in_which_all_diverge_is_lowered_too():
    _, stages = run()
    limit = min(request.arguments['lr_max'] for request in stages[2].runs) / 2
    tuned, lowered = run(world=World(late_dead_above=limit))
    assert len(lowered) > len(stages)
    assert tuned.lr_max <= limit and 'nan_seen' in tuned.flags


@hypothesis_settings(max_examples=25, deadline=None)
@given(
    st.integers(1, 300),
    st.sampled_from(['fastest', 'slow']),
    st.integers(0, 2**63 - 1),
    st.sampled_from(['performance', 'throughput', 3, 1000]),
)
def test_tiny_data_can_be_tuned_for(train_size, preset, seed, objective):
    settings = get_settings(preset).replace(batch_objective=objective)
    tuned, stages = run(settings, train_size=train_size, seed=seed)
    size = reference_size(settings, train_size)
    assert tuned.batch_size in {size, *batch_sizes(settings, train_size)}
    for request in stages[0].runs:
        assert set(request.arguments['batch_sizes']) == {size} and size <= train_size
