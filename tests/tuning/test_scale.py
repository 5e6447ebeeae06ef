"""Choices of the tuner do not hang on the unit of the objective, nor on its direction."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sweeper.metric import MetricInfo
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
        return result | {'perf': self.unit(result['perf']) if math.isfinite(result['loss']) else self.worst}


def tuned(objective, unit, preset='fast', **options):
    world = OtherUnit(unit, objective.diverged, **options)
    return driven(start_tuning(get_settings(preset), TRAIN_SIZE, 0, objective=objective), world)


def plan(found):
    return found.lr_max, found.batch_size, found.epochs, found.flags


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


def test_where_nothing_is_learned_that_is_flagged_in_any_unit():
    found = tuned(MetricInfo('error', higher=False, best=0.0), lambda perf: 80.0 - perf * 1e-6)
    assert 'nothing_learned' in found.flags


def test_noise_between_untrained_models_is_no_learning_where_the_best_is_not_known():
    objective = MetricInfo('score')
    assert 'nothing_learned' in tuned(objective, lambda perf: 5 + 1e-3 * perf, noise=100.0).flags
    assert 'nothing_learned' not in tuned(objective, lambda perf: 5 + 1e-3 * perf).flags


def test_a_model_that_guesses_is_a_baseline_if_it_is_better_than_an_untrained_one():
    objective = MetricInfo('r2', best=1.0, chance=0.0)
    found = tuned(objective, lambda perf: perf - 1000 if perf < 0.2 else perf)
    assert found.span == 1.0 and 'nothing_learned' not in found.flags


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
