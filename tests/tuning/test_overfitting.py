"""The tuner where candidates overfit, or are alike: how long trials are, and what is flagged."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from sweeper.store.tuned_files import final_content, misc_content
from sweeper.tuning.constants import CONSTANTS
from sweeper.tuning.settings import PRESETS, get_settings
from sweeper.tuning.start import start_tuning

from .test_tuner import World, driven, every_preset

SMALL = 500
TINY, LARGE = 100, 60_000


def run(preset='fast', train_size=SMALL, can_hold_out=True, world=None, **changes):
    """Returns what was tuned, and the stages that were asked for."""
    world = world or World()
    settings = get_settings(preset).replace(**changes)
    return driven(start_tuning(settings, train_size, 0, can_hold_out=can_hold_out), world), world.stages


def cycle(preset='fast', train_size=SMALL):
    """How many samples a cycle of a trial has of those that are not held out."""
    held_out = min(train_size // CONSTANTS.held_out, CONSTANTS.most_held_out)
    return get_settings(preset).trial_cycle_epochs(train_size) * (train_size - held_out)


def overfitting(cycles, preset='fast', train_size=SMALL, **options):
    """A world where held-out performance is best after so many cycles."""
    return World(overfits_after=cycles * cycle(preset, train_size), **options)


def briefly(stages):
    return [request.arguments for stage in stages[1:] for request in stage.runs]


def samples(stage):
    """How many samples a run of a stage is trained on, at most."""
    return max(request.arguments['steps'] * request.arguments['batch_size'] for request in stage.runs)


def longest(stages, preset='fast', train_size=SMALL):
    """How many cycles the longest brief trainings have."""
    return max(map(samples, stages[1:])) / cycle(preset, train_size)


# The length of trials


@pytest.mark.parametrize('luck', [0.0, 0.05])
@pytest.mark.parametrize('cycles', [0.5, 2, 4])
@every_preset
def test_trials_are_about_as_long_as_held_out_performance_gets_better(preset, cycles, luck):
    tuned, stages = run(preset, world=overfitting(cycles, preset, luck=luck))
    found, seen = tuned.epochs / tuned.cycle_size_epochs, longest(stages, preset) / cycles
    assert found == int(found) >= 1 and tuned.plan()['epochs'] == tuned.epochs
    if seen < 1:  # no training was long enough
        assert tuned.epochs == get_settings(preset).trial_epochs(SMALL)
        assert 'stopped_early' not in tuned.flags
    elif seen > 2 or 'stopped_early' in tuned.flags:
        assert max(1, cycles - 1) <= found <= cycles + 1
        assert {'stopped_early', 'longest'} & set(tuned.flags) == {'stopped_early'}


@every_preset
def test_where_longer_is_always_better_trials_are_as_long_as_they_may_be(preset):
    for world in (World(), World(luck=0.05)):
        tuned, stages = run(preset, world=world)
        most = get_settings(preset).trial_epochs(SMALL)
        assert tuned.epochs == most and 'stopped_early' not in tuned.flags
        is_near = most / tuned.cycle_size_epochs <= CONSTANTS.unseen * longest(stages, preset)
        assert ('longest' in tuned.flags) == is_near == (preset in ('slow', 'slowest'))


def test_what_is_chosen_for_short_trials_is_what_was_best_there():
    """The learning rate is that of trainings of this length, but for the distance to trials."""
    tuned, _ = run('slow', world=overfitting(2, 'slow'))
    last = tuned.report['rounds'][-1]
    assert tuned.performance > max(row['perf'] for row in last), 'at their ends, all of them overfit'
    assert min(row['lr'] for row in last) / 2 < tuned.lr_max <= max(row['lr'] for row in last)
    assert 'trials are 2 cycles long' in tuned.report['why']


@every_preset
@pytest.mark.parametrize('changes', [{'length': 'fixed'}, {'score_on': 'training'}])
def test_a_fixed_length_is_that_of_the_settings(preset, changes):
    tuned, stages = run(preset, world=overfitting(1, preset), **changes)
    assert tuned.epochs == get_settings(preset).trial_epochs(SMALL)
    assert not {'stopped_early', 'longest', 'may_overfit'} & set(tuned.flags)
    assert len(stages) == 1 + get_settings(preset).rounds, 'no round is spent on it'
    assert all(('held_out' in one) == ('length' in changes) for one in briefly(stages))


@every_preset
def test_where_nothing_can_be_held_out_all_is_as_on_training_data(preset):
    tuned, stages = run(preset, can_hold_out=False, world=overfitting(1, preset))
    other, others = run(preset, world=overfitting(1, preset), score_on='training')
    assert final_content(tuned) == final_content(other) and misc_content(tuned) == misc_content(other)
    assert [[r.digest() for r in stage.runs] for stage in stages] == [
        [r.digest() for r in stage.runs] for stage in others
    ]
    assert not any({'held_out', 'cycles', 'holdout_seed'} & {*one} for one in briefly(stages))


# What is held out


@every_preset
@pytest.mark.parametrize(
    ('train_size', 'held_out', 'parts'), [(TINY, 20, 5), (SMALL, 100, 2), (5000, 1000, 1), (LARGE, 2000, 1)]
)
def test_a_fifth_is_held_out_and_of_small_data_several_in_the_last_round(preset, train_size, held_out, parts):
    _, stages = run(preset, train_size)
    assert {one['held_out'] for one in briefly(stages)} == {held_out}
    assert len({one['holdout_seed'] for one in briefly(stages)}) == 1, 'the same for all candidates'
    assert not any('holdout_part' in one for one in briefly(stages[:-1]))
    by_candidate = {}
    for request in stages[-1].runs:
        one = request.arguments
        by_candidate.setdefault(one['lr_max'], []).append((one['seed'], one.get('holdout_part', 0)))
    *_, some = by_candidate.values()
    assert all(others == some for others in by_candidate.values()), 'candidates are compared on the same'
    affordable = {'slow': 2, 'slowest': 4} if train_size < LARGE else {'slowest': 2}  # of a cycle at least
    assert [part for _, part in some] == [*range(max(parts, affordable.get(preset, 1)))]
    assert len({seed for seed, _ in some}) == len(some)


def test_more_models_than_parts_hold_others_out():
    _, stages = run('slowest', TINY, tuning_budget=400)
    runs = [request.arguments for request in stages[-1].runs]
    drawn = [
        (one['holdout_seed'], one.get('holdout_part', 0))
        for one in runs
        if one['lr_max'] == runs[0]['lr_max']
    ]
    assert len(drawn) == len({*drawn}) > CONSTANTS.folds
    assert [part for _, part in drawn] == [index % CONSTANTS.folds for index in range(len(drawn))]


@pytest.mark.parametrize('train_size', [1, 2, 4, 5])
def test_of_next_to_no_samples_none_or_one_is_held_out(train_size):
    tuned, stages = run('fast', train_size)
    assert {one.get('held_out', 0) for one in briefly(stages)} == {train_size // 5}
    assert tuned.epochs <= get_settings('fast').trial_epochs(train_size)


@hypothesis_settings(max_examples=40, deadline=None)
@given(
    st.sampled_from([*PRESETS]),
    st.sampled_from([30, TINY, SMALL, 5000, LARGE]),
    st.floats(0.1, 10),
    st.floats(0.01, 0.3),
    st.sampled_from([0.0, 0.05]),
    st.sampled_from(['performance', 'throughput', 32]),
)
def test_where_candidates_overfit_the_budget_is_kept(preset, train_size, cycles, by, luck, objective):
    world = overfitting(cycles, preset, train_size, overfitting=by, luck=luck)
    tuned, _ = run(preset, train_size, world=world, batch_objective=objective)
    settings, told = get_settings(preset), tuned.report['budget']
    assert told['samples'] == world.samples
    assert 'over_budget' in tuned.flags or told['trials'] <= settings.tuning_budget
    assert 0 < tuned.epochs <= settings.trial_epochs(train_size)
    assert (tuned.epochs < settings.trial_epochs(train_size)) == ('stopped_early' in tuned.flags)
    assert 0 <= tuned.report.get('probability_best', 0) <= 1
    if objective == 32:
        assert {one['batch_size'] for one in briefly(world.stages)} == {tuned.batch_size}


# What is flagged


def test_what_may_overfit_later_than_was_seen_is_flagged():
    """Trials are far longer than the trainings, which fit their data better than other data."""
    assert 'may_overfit' in run('fast', TINY, world=overfitting(1, train_size=TINY))[0].flags
    assert 'may_overfit' not in run('fast', TINY)[0].flags
    assert 'may_overfit' not in run('slowest', TINY, world=overfitting(1, 'slowest', TINY))[0].flags


class Indifferent(World):
    """Any learning rate is about as good as others."""

    def train_briefly(self, index, *, lr_max, lr_min, **arguments):
        lr = self.best(arguments['batch_size']) * (lr_max / 10) ** 0.01
        return super().train_briefly(index, lr_max=lr, lr_min=lr / 10, **arguments)


@pytest.mark.parametrize('preset', ['fast', 'slow', 'slowest'])
def test_a_choice_among_equals_is_a_toss_up_where_few_samples_tell_how_good_they_are(preset):
    few, _ = run(preset, TINY, world=Indifferent())
    assert 'toss_up' in few.flags and 0 < few.report['probability_best'] < 0.5
    many, _ = run(preset, LARGE, world=Indifferent())
    assert 'toss_up' not in many.flags and 0 < many.report['probability_best'] < 0.5
    differing, _ = run(preset, LARGE)
    assert 'toss_up' not in differing.flags and differing.report['probability_best'] > 0.8


class Memorising(World):
    """Learns by heart what it is trained on, and nothing of other data, until late.

    Args:
        late: After how many samples it finds what holds of other data, too.
    """

    def __init__(self, late=math.inf, **options):
        super().__init__(**options)
        self.late = late

    def train_briefly(self, index, **arguments):
        result = super().train_briefly(index, **arguments)
        if arguments['steps'] * arguments['batch_size'] >= self.late or math.isinf(result['loss']):
            return result
        worse = {'loss': 2.3 + (2.3 - result['fit']), 'perf': 0.1}
        many = {'losses': 'loss', 'perfs': 'perf'}
        return result | worse | {
            name: np.full(len(result[name]), worse[one]) for name, one in many.items() if name in result
        }  # fmt: skip


def test_what_is_only_known_by_heart_is_not_learned_and_gets_long_trainings():
    usual, found = (run('fast', 5000, world=world) for world in (World(), Memorising()))
    assert len(found[1]) < len(usual[1]), 'the next round is the last'
    assert samples(found[1][2]) > 3 * samples(usual[1][2])
    assert found[0].epochs == get_settings('fast').trial_epochs(5000), 'that it got worse stops nothing'
    assert 'barely_learned' in found[0].flags and 'stopped_early' not in found[0].flags


def test_what_is_learned_late_after_all_is_tuned():
    late = 0.5 * longest(run('fast', 5000, world=Memorising())[1], 'fast', 5000) * cycle('fast', 5000)
    tuned, _ = run('fast', 5000, world=Memorising(late))
    assert tuned.performance > 0.4 and not {'nothing_learned', 'stopped_early'} & {*tuned.flags}
