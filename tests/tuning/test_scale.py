"""Choices of the tuner do not hang on the unit of the objective, nor on its direction."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sweeper.metric import PERFORMANCE, MetricInfo
from sweeper.tuning.candidates import Candidate, Scored
from sweeper.tuning.constants import CONSTANTS
from sweeper.tuning.lr_range import LRRange
from sweeper.tuning.rounds import Round
from sweeper.tuning.scale import Scale
from sweeper.tuning.settings import get_settings
from sweeper.tuning.start import start_tuning

from .test_tuner import TRAIN_SIZE, World, driven


class OtherUnit(World):
    """A world in which a performance is a value of another unit, which steps do not measure.

    Args:
        unit: Turns a performance into that.
        worst: The value of a run that diverged.
        noise: How much the values of untrained models differ.
    """

    def __init__(self, unit, worst, noise=0.0, **options):
        super().__init__(**options)
        self.unit, self.worst, self.noise = unit, worst, noise

    def measure_curve(self, index, **arguments):
        curve = super().measure_curve(index, **arguments)
        return curve | {
            'perf': np.zeros(len(curve['perf'])),
            'untrained': self.unit(0.1 + index * self.noise),
        }

    def train_briefly(self, index, **arguments):
        result = super().train_briefly(index, **arguments)
        finite = math.isfinite(result['loss'])
        return result | {
            name: np.where(finite, self.unit(result[name]), self.worst)[()]
            for name in ('perf', 'perfs')
            if name in result
        }


def tuned(objective, unit, preset='fast', train_size=TRAIN_SIZE, **options):
    world = OtherUnit(unit, objective.diverged, **options)
    return driven(start_tuning(get_settings(preset), train_size, 0, objective=objective), world)


def plan(found):
    """What is chosen; `probability_best` is left out, which rounding may change a little."""
    return found.lr_max, found.batch_size, found.epochs, found.flags


OVERFITTING = {'overfits_after': 8000, 'luck': 0.05, 'best_lr': 0.1}
"""Best after two cycles of the trials on `SMALL` data."""
SMALL = 500


@given(
    st.floats(1e-3, 1e3), st.floats(-1e3, 1e3), st.booleans(), st.sampled_from([0.003, 0.3]), st.booleans()
)
def test_any_unit_and_direction_gives_the_same_choice(factor, offset, is_mirrored, best_lr, is_best_known):
    def unit(perf):
        return (-factor if is_mirrored else factor) * perf + offset

    plain = MetricInfo('plain', best=1.0 if is_best_known else None)
    other = MetricInfo('other', not is_mirrored, best=unit(1.0) if is_best_known else None)
    expected = tuned(plain, float, 'fastest', best_lr=best_lr)
    found = tuned(other, unit, 'fastest', best_lr=best_lr)
    assert plan(found) == plan(expected)
    assert found.performance == pytest.approx(unit(expected.performance))
    assert found.span * other.sign > 0


@given(st.floats(1e-3, 1e3), st.floats(-1e3, 1e3), st.booleans(), st.sampled_from([math.inf, 4000, 8000]))
def test_any_unit_and_direction_gives_the_same_length(factor, offset, is_mirrored, overfits_after):
    def unit(perf):
        return (-factor if is_mirrored else factor) * perf + offset

    options = {'preset': 'fast', 'train_size': SMALL, **OVERFITTING, 'overfits_after': overfits_after}
    expected = tuned(MetricInfo('plain'), lambda perf: perf, **options)
    assert ('stopped_early' in expected.flags) == (overfits_after < math.inf)
    assert plan(tuned(MetricInfo('other', not is_mirrored), unit, **options)) == plan(expected)


class OtherLoss(World):
    """A world whose loss has another unit and origin, and whose performance may be what the loss says.

    Args:
        unit: Turns a loss into that.
        perf: Turns that into the performance; None for the world's own.
    """

    def __init__(self, unit, perf=None, **options):
        super().__init__(**options)
        self.unit, self.perf = unit, perf

    def measure_curve(self, index, **arguments):
        return self.in_unit(super().measure_curve(index, **arguments))

    def train_briefly(self, index, **arguments):
        return self.in_unit(super().train_briefly(index, **arguments))

    def in_unit(self, result):
        names = [name for name in ('loss', 'losses', 'fit') if name in result]
        losses = {
            name: np.where(np.isfinite(result[name]), self.unit(result[name]), np.inf)[()] for name in names
        }
        perfs = {'loss': 'perf', 'losses': 'perfs'}
        perf = {} if self.perf is None else {perfs[n]: self.perf(losses[n]) for n in perfs if n in losses}
        return result | losses | perf


def inverse(loss):
    return 1 / (1 + loss)


WORLDS = st.just({'best_lr': 1e9}) | st.fixed_dictionaries(
    {'best_lr': st.sampled_from([0.003, 0.3])},
    optional={'best_batch_size': st.sampled_from([8, 128]), 'brief_dead_above': st.just(0.05)},
)
FACTORS = st.floats(1e-4, 1e4)
SIZED = WORLDS.map(lambda world: (TRAIN_SIZE, world)) | st.sampled_from(
    [(SMALL, OVERFITTING), (SMALL, {**OVERFITTING, 'overfitting': 0.3}), (SMALL, {'best_lr': 0.1})]
)
"""Worlds, each with a size of the training data."""


@given(FACTORS, st.floats(-100, 100), st.sampled_from(['fastest', 'fast']), SIZED)
def test_any_unit_and_origin_of_the_loss_gives_the_same_choice(factor, offset, preset, sized):
    train_size, options = sized

    def tuned_with(unit):
        world = OtherLoss(unit, **options)
        return driven(start_tuning(get_settings(preset), train_size, 0), world)

    found = tuned_with(lambda loss: factor * (loss + offset))
    expected = tuned_with(lambda loss: loss)
    assert plan(found) == plan(expected)
    assert found.span == pytest.approx(expected.span)


@given(FACTORS, st.floats(0, 100), st.sampled_from(['fastest', 'fast']), SIZED)
def test_of_an_inverse_loss_any_unit_and_origin_of_the_loss_gives_the_same_choice(
    factor, offset, preset, sized
):
    objective = MetricInfo('inv-loss', best=1.0, worst=0.0)
    train_size, options = sized

    def tuned_with(unit):
        world = OtherLoss(unit, inverse, **options)
        return driven(start_tuning(get_settings(preset), train_size, 0, objective=objective), world)

    found, expected = tuned_with(lambda loss: factor * (loss + offset)), tuned_with(lambda loss: loss)
    assert plan(found) == plan(expected)
    for excess in (-0.2, -0.02, 0.05, 0.2):  # what was best on the way may be better than what is chosen
        found_worse = is_worse(found, factor, excess, offset)
        assert found_worse == is_worse(expected, 1.0, excess)
        assert found_worse == (excess > 0) or 'nothing_learned' in found.flags


def is_worse(tuned, factor, excess, offset=0.0):
    """Whether a trial is worse than tuned if its loss is higher by so much of the way more than it may be."""
    loss = 1 / tuned.performance - 1
    way = factor * 2.28 - (loss - factor * offset)
    return tuned._is_worse(inverse(loss + (0.03 + excess) * way))


@given(FACTORS, st.floats(-100, 100), SIZED)
def test_a_loss_that_is_compared_by_itself_may_be_negative_and_in_any_unit(factor, offset, sized):
    train_size, options = sized

    def tuned_with(unit):
        world = OtherLoss(unit, lambda loss: loss, **options)
        objective = MetricInfo('loss', higher=False)

        class Untrained(type(world)):
            def measure_curve(self, index, **arguments):
                curve = super().measure_curve(index, **arguments)
                return curve | {'perf': np.zeros_like(curve['loss']), 'untrained': curve['loss'][0]}

        world.__class__ = Untrained
        return driven(start_tuning(get_settings('fastest'), train_size, 0, objective=objective), world)

    found, expected = tuned_with(lambda loss: factor * (loss + offset)), tuned_with(lambda loss: loss)
    assert plan(found) == plan(expected)
    assert found.span == pytest.approx(factor * expected.span)
    assert found.span < 0


def test_where_nothing_is_learned_that_is_flagged_in_any_unit():
    found = tuned(MetricInfo('error', higher=False, best=0.0), lambda perf: 80.0 - perf * 1e-6, best_lr=1e9)
    assert 'nothing_learned' in found.flags


def test_what_is_no_better_than_an_untrained_model_by_luck_has_barely_learned():
    objective = MetricInfo('score')
    assert tuned(objective, lambda perf: 5 + 1e-3 * perf, noise=100.0).flags == ('barely_learned',)
    assert set(tuned(objective, lambda perf: 5 + 1e-3 * perf).flags) <= {'longest'}


def test_a_model_that_guesses_is_a_baseline_if_it_is_better_than_an_untrained_one():
    objective = MetricInfo('r2', best=1.0, chance=0.0)
    found = tuned(objective, lambda perf: np.where(np.less(perf, 0.2), perf - 1000, perf)[()])
    assert found.span == pytest.approx(found.performance) and 'nothing_learned' not in found.flags


def test_a_method_that_does_not_know_the_objective_says_nothing_about_what_trials_should_reach():
    from sweeper import FixedHyperparameters

    tuner = start_tuning(
        FixedHyperparameters(lr=0.1, batch_size=8), TRAIN_SIZE, 0, objective=MetricInfo('loss', higher=False)
    )
    next(tuner)
    with pytest.raises(StopIteration) as end:
        tuner.send([{'loss': np.ones(1), 'perf': np.zeros(1), 'step': 'eager'}])
    assert end.value.value.span == 0
    assert not end.value.value._is_worse(5.0)


def steps(perfs, noise=0.0):
    """The start of a range test: what untrained models measure, a list of performances per model."""
    rng = np.random.default_rng(0)
    models = [perf + rng.normal(0, noise, CONSTANTS.warmup_steps + 1) for perf in perfs]
    return [{'perf': model, 'loss': 2.0 + rng.normal(0, 0.02, len(model))} for model in models]


@pytest.mark.parametrize(
    ('untrained', 'perf', 'loss', 'learned', 'objective'),
    [
        ([0.5, 0.45, 0.55], 0.5, 1.99, False, False),
        ([0.5, 0.45, 0.55], 0.6, 1.9, True, True),  # nobody can do better
        ([0.5, 0.45, 0.55], 0.5, 1.9, True, False),  # a better constant answer
        ([0.1, 0.9, 0.1], 0.95, 1.9, True, True),  # one class is rare, and some answer the other
        ([0.9, 0.9, 0.9], 0.9, 1.9, True, False),
        ([0.9, 0.9, 0.9], 0.9, 1.99, False, False),
    ],
)
def test_learning_is_what_no_untrained_model_does_by_chance(untrained, perf, loss, learned, objective):
    scale = Scale(PERFORMANCE, steps(untrained, noise=0.03))
    (score,) = scale.noted([Scored(Candidate(0.1, 8), loss, perf)])
    assert scale.is_learned(score) == learned
    assert scale.has_objective_learned(score) == objective
    (fitted,) = scale.noted([Scored(Candidate(0.1, 8), 3.0, 0.0, fit=loss)])
    assert not scale.is_learned(fitted), 'what is only known by heart does not count'
    assert scale.is_fitted(fitted) == (loss == 1.9)


@given(FACTORS, st.floats(-100, 100))
@pytest.mark.parametrize(
    ('losses', 'lowest', 'collapsed'),
    [
        ([0.660, 0.661, 0.665], 0.67, True),  # the same constant answer as in the range test
        ([0.660, 0.661, 0.665], 0.50, True),
        ([0.001, 0.002, 0.010], 0.20, False),  # all learned, and more than in the range test
        ([0.660, 0.661, 1.2], 0.67, False),
        ([0.23, 0.66, 0.67], 0.67, False),
        ([2.29, 2.29, 2.29], 2.29, False),  # nothing but a plateau
        ([0.660, 0.661, math.inf], 0.67, False),
    ],
)
def test_a_constant_answer_is_told_from_what_is_learned_whatever_the_unit(
    losses, lowest, collapsed, factor, offset
):
    baseline, lowest, *losses = (factor * (loss + offset) for loss in (2.3, lowest, *losses))
    found = LRRange(0.001, 1.0, 1.0, baseline, factor * 0.5, lowest, factor * 0.04, {}, [], {})
    scored = [Scored(Candidate(0.1, 8), loss, 0.5) for loss in losses]
    assert Round(scored, [10] * 3).has_collapsed(found) == collapsed
