"""How long trials are: as long as what was learned holds on data that it was not learned from."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sweeper.metric import PERFORMANCE
from sweeper.tuning.candidates import Candidate, Course, Scored
from sweeper.tuning.constants import CONSTANTS
from sweeper.tuning.length import at_cycle, best_length, is_improving_still, is_overfitting
from sweeper.tuning.rounds import Round
from sweeper.tuning.scale import Scale

HELD_OUT = 100_000
OVERFITTING = [0.5, 0.3, 0.35, 0.4]
FALLING = [0.5, 0.4, 0.35, 0.3]
NOISE = np.array([-0.1, -0.05, 0, 0.05, 0.1])
"""How much parts that are held out differ from each other, on which all candidates are scored."""


def untrained(unit):
    """What the range test measures of a model: a performance of 0.1, and one less that as the loss."""
    perfs = 0.1 + 0.01 * np.tile([-1, 1, 0], 4)[: CONSTANTS.warmup_steps + 1]
    return [{'perf': perfs, 'loss': unit(1 - perfs)}]


def scored(losses, lr=0.1, size=8, length=None, fit=0.0, values=None, unit=lambda loss: loss):
    """A candidate by its losses at the end of each cycle, shape `(cycles,)` or `(models, cycles)`."""
    losses = np.atleast_2d(np.asarray(losses, dtype=float))
    values = np.where(np.isfinite(losses), 1 - losses, 0) if values is None else np.atleast_2d(values)
    course = Course(unit(losses), values, losses.shape[1] if length is None else length)
    loss, perf = course.losses[:, -1].mean(), values[:, -1].mean()
    return Scored(Candidate(lr, size), float(loss), float(perf), fit=unit(fit), course=course)


def placed(*rounds, unit=lambda loss: loss):
    """A scale, and rounds of candidates on it."""
    scale = Scale(PERFORMANCE, untrained(unit))
    done = [Round(scale.noted(some), [10] * len(some)) for some in rounds]
    return scale, scale.applied(done)


def length_of(*rounds, held_out=HELD_OUT, batch_size=None, **changes):
    scale, done = placed(*rounds, **changes)
    return best_length(scale, done, held_out, batch_size)


def cycles_of(*rounds, **options):
    length = length_of(*rounds, **options)
    return None if length is None else length.cycles


# Where held-out performance got worse


@pytest.mark.parametrize('models', [1, 2, 3, 5])
@pytest.mark.parametrize('best', [0, 1, 2])
def test_trials_end_where_more_cycles_made_the_best_candidate_worse(models, best):
    losses = 0.3 + 0.05 * np.abs(np.arange(4) - best)
    length = length_of([scored(losses + NOISE[:models, None])])
    assert length.cycles == best + 1 and length.end.cycle == best
    assert f'{best + 1} cycle' in length.why and f'{length.end.scored.loss:.3g}' in length.why


@pytest.mark.parametrize('models', [1, 2, 3, 5])
@pytest.mark.parametrize('fit', [0.0, 0.29])
def test_nothing_is_stopped_where_the_loss_falls(models, fit):
    assert length_of([scored(FALLING + NOISE[:models, None], fit=fit)]) is None


@pytest.mark.parametrize(('rise', 'cycles'), [(0.5, None), (1.5, 2)])
@pytest.mark.parametrize('models', [1, 2])
def test_of_few_models_a_rise_counts_if_it_is_more_than_little(models, rise, cycles):
    little = CONSTANTS.little * (0.9 - 0.3)
    losses = [0.5, 0.3, 0.4, 0.3 + rise * little] + NOISE[:models, None] - NOISE[:models].mean()
    assert cycles_of([scored(losses)]) == cycles


@pytest.mark.parametrize(('sure', 'cycles'), [(0.5, 2), (2.0, None)])
def test_of_several_models_a_loss_that_is_lower_by_chance_alone_does_not_lengthen_trials(sure, cycles):
    """Performance is worse at the end."""
    end = 0.3 - 0.01 * sure + 0.01 * np.sqrt(3) * np.array([-1, 0, 1])  # a standard error of 0.01
    losses = np.stack([[0.5] * 3, [0.3] * 3, end], axis=1)
    values = np.tile([0.5, 0.7, 0.6], (3, 1))
    assert cycles_of([scored(losses, values=values)]) == cycles


def test_noise_that_all_candidates_share_hides_no_rise():
    """Models with the same part held out are compared with each other."""
    losses = np.array([0.5, 0.3, 0.301]) + NOISE[:, None]
    assert cycles_of([scored(losses)]) == 2


def test_a_candidate_that_got_worse_on_what_it_is_trained_on_is_unstable_and_stops_nothing():
    assert cycles_of([scored(OVERFITTING, fit=0.1)]) == 2
    assert cycles_of([scored(OVERFITTING, fit=0.39)]) is None


def test_the_best_of_those_that_were_trained_to_the_end_is_what_stopping_is_compared_with():
    rising, steady = scored(OVERFITTING, lr=0.1), scored([0.6, 0.5, 0.4, 0.29], lr=0.2)
    assert cycles_of([rising]) == 2
    assert cycles_of([rising, steady]) is None
    assert cycles_of([rising, scored([0.6, 0.5, 0.4, 0.35], lr=0.2)]) == 2


@pytest.mark.parametrize('models', [1, 5])
def test_trials_are_no_longer_than_trainings_that_overfit_whose_last_cycle_was_of_no_use(models):
    def cycles(last, fit):
        losses = np.tile([0.5, 0.4, 0.3, last], (models, 1))
        if models > 1:
            losses[:, -1] += 0.05 * NOISE * np.array([1, -1, 1, 1, -1])
        return cycles_of([scored(losses, fit=fit)])

    assert cycles(0.2999, fit=0.1) == 4
    assert cycles(0.2999, fit=0.29) is None
    assert cycles(0.25, fit=0.1) is None


# Which ends count


def test_a_round_before_counts_if_it_did_better_and_has_as_many_models():
    last = [scored(np.tile(OVERFITTING, (2, 1)))]
    before = scored(np.tile([0.4, 0.2], (2, 1)), length=1)
    length = length_of([before], last)
    assert (length.cycles, length.end.length) == (1, 1)
    assert length_of([before], [scored([0.6], length=1)] * 2, last).cycles == 2, (
        'only the one before the last'
    )
    assert cycles_of([scored([0.4, 0.2], length=1)], last) == 2


def test_a_round_that_was_repeated_does_not_count():
    scale, (before, last) = placed([scored([0.2], length=1)], [scored(OVERFITTING)])
    void = Round(before.scored, before.steps, is_void=True)
    assert best_length(scale, [before, last], HELD_OUT, None).cycles == 1
    assert best_length(scale, [void, last], HELD_OUT, None).cycles == 2


def test_a_batch_size_that_is_asked_for_stays():
    other = scored([0.4, 0.2, 0.25, 0.3], size=64)
    kept = scored([0.6, 0.5, 0.4, 0.45], size=8)
    length = length_of([other, kept], batch_size=8)
    assert length.end.scored.candidate.batch_size == 8 and length.cycles == 3
    assert length_of([other, kept]).end.scored.candidate.batch_size == 64
    assert length_of([other], batch_size=8) is None


@pytest.mark.parametrize(('length', 'cycles'), [(0.9, 2), (1.1, 1)])
def test_a_training_far_shorter_than_a_cycle_says_nothing_of_its_end(length, cycles):
    share = length * CONSTANTS.shortest
    assert cycles_of([scored([0.2], length=share)], [scored(OVERFITTING)]) == cycles


@pytest.mark.parametrize(('length', 'cycles'), [(0.9, 1), (2.7, 1), (3.4, 2), (7.2, 4)])
def test_trials_are_whole_cycles_where_trainings_were_not(length, cycles):
    assert cycles_of([scored([0.3, 0.4], length=length)]) == cycles


def test_ends_at_which_a_model_diverged_do_not_count():
    assert length_of([scored([[0.3, np.inf], [0.3, 0.2]])]) is None
    diverged, fine = scored([[0.2, np.inf], [0.2, 0.3]]), scored(np.tile([0.5, 0.4], (2, 1)), lr=0.05)
    assert length_of([diverged, fine]).end.scored.candidate == diverged.candidate
    late = scored([[0.2, 0.1, np.inf], [0.2, 0.1, 0.3]])
    assert length_of([late, scored(np.tile([0.5, 0.4, 0.3], (2, 1)), lr=0.05)]).cycles == 2


def test_candidates_without_a_course_say_nothing():
    plain = scored(OVERFITTING)._replace(course=None)
    assert length_of([plain]) is None


def test_ends_that_are_no_worse_for_sure_are_told_apart_by_loss():
    losses, values = [0.5, 0.3, 0.25, 0.4], [0.5, 0.72, 0.71, 0.6]
    assert cycles_of([scored(losses, values=values)], held_out=HELD_OUT) == 2
    assert cycles_of([scored(losses, values=values)], held_out=100) == 3


def test_more_models_tell_more_for_sure():
    losses, values = [0.5, 0.3, 0.25, 0.4], [0.5, 0.72, 0.69, 0.6]
    of_one, of_five = (
        scored(np.tile(losses, (models, 1)), values=np.tile(values, (models, 1))) for models in (1, 5)
    )
    assert cycles_of([of_one], held_out=100) == 3
    assert cycles_of([of_five], held_out=100) == 2


def test_candidates_of_earlier_rounds_are_placed_anew_where_later_ones_are_better():
    _, (before, last) = placed([scored([0.6])], [scored([0.3])])
    assert (before.scored[0].perf, last.scored[0].perf) == pytest.approx((0.5, 1.0), abs=0.01)


LOSSES = st.lists(st.floats(0.05, 0.85).map(lambda loss: round(loss, 3)), min_size=1, max_size=5)


@given(LOSSES, st.integers(1, 4), st.floats(0, 0.8), st.floats(1e-3, 1e3), st.floats(-100, 100))
def test_the_length_is_the_same_in_any_unit_of_the_loss(losses, models, fit, factor, offset):
    together = losses + NOISE[:models, None] / 10

    def found(unit):
        length = length_of([scored(together, fit=fit, unit=unit)], unit=unit)
        return None if length is None else (length.cycles, length.end.cycle)

    assert found(lambda loss: factor * (loss + offset)) == found(lambda loss: loss)


# What is told of candidates


def test_a_candidate_at_the_end_of_a_cycle_has_what_its_models_came_to_by_then():
    scale, (done,) = placed([scored([[0.5, 0.3], [0.7, 0.5]])])
    (score,) = done.scored
    half = at_cycle(scale, score, 0)
    assert (half.loss, half.objective) == pytest.approx((0.6, 0.4))
    assert half.candidate == score.candidate and half.perf < score.perf
    assert at_cycle(scale, score, 1).loss == score.loss


@pytest.mark.parametrize(
    ('losses', 'is_improving'),
    [
        ([0.5, 0.4], True), (FALLING, True), ([0.5, 0.45, 0.4], True),
        ([0.5, 0.4999], False), (OVERFITTING, False), ([0.2], False),
    ],
)  # fmt: skip
def test_a_candidate_improves_still_if_its_second_half_made_it_better(losses, is_improving):
    scale, (done,) = placed([scored(losses)])
    assert is_improving_still(scale, done.scored[0]) == is_improving


def test_a_better_loss_or_performance_alone_is_no_improvement():
    scale, (done,) = placed([scored([0.4, 0.5], values=[0.5, 0.6])])
    assert not is_improving_still(scale, done.scored[0])
    scale, (done,) = placed([scored([0.5, 0.4], values=[0.6, 0.6])])
    assert not is_improving_still(scale, done.scored[0])
    assert not is_improving_still(scale, done.scored[0]._replace(course=None))


@given(st.floats(1e-3, 1e3), st.floats(-100, 100))
@pytest.mark.parametrize(('share', 'overfits'), [(0.9, False), (1.1, True)])
def test_a_candidate_overfits_if_it_fits_its_own_data_far_better(share, overfits, factor, offset):
    def unit(loss):
        return factor * (loss + offset)

    gap = share * CONSTANTS.gap * (0.9 - 0.4)
    scale, (done,) = placed([scored([0.4], fit=0.4 - gap, unit=unit)], unit=unit)
    assert is_overfitting(scale, done.scored[0]) == overfits
