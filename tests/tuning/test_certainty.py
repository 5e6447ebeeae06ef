"""How sure a choice is, given how much the scores of candidates scatter."""

import math
from statistics import NormalDist

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sweeper.metric import PERFORMANCE, MetricInfo
from sweeper.results import WORSE
from sweeper.tuning.candidates import Candidate, Course, Scored
from sweeper.tuning.certainty import Certainty, certainty
from sweeper.tuning.constants import CONSTANTS
from sweeper.tuning.scale import Scale

STEPS = CONSTANTS.warmup_steps + 1
PARTS = np.array([-0.2, -0.1, 0, 0.1, 0.2])
"""How much easier each part that is held out is, for all candidates."""


def scale_of(objective=PERFORMANCE, unit=lambda perf: perf):
    """Untrained models have a performance of 0.1."""
    perfs = 0.1 + 0.01 * np.tile([-1, 1, 0], 4)[:STEPS]
    curve = {'perf': unit(perfs), 'loss': 1 - perfs}
    if unit is not None and objective is not PERFORMANCE:
        curve['untrained'] = unit(0.1)
    return Scale(objective, [curve])


def candidates(*perfs, unit=lambda perf: perf):
    """Candidates by the performance of each model, shape `(models,)` or `(models, cycles)`."""
    scored = []
    for place, perf in enumerate(perfs):
        values = np.asarray(perf, dtype=float)
        values = values[:, None] if values.ndim == 1 else values
        course = Course(1 - values, unit(values), 1.0)
        loss, value = (float(table[:, -1].mean()) for table in (course.losses, course.values))
        scored.append(Scored(Candidate(0.1 * (place + 1), 8), loss, value, course=course))
    return scored


def sure(*perfs, chosen=0, held_out=1000, cycle=-1, scale=None, unit=lambda perf: perf):
    scale = scale or scale_of(unit=unit)
    scored = scale.noted(candidates(*perfs, unit=unit))
    return certainty(scale, chosen, scored, held_out, cycle)


def test_a_clear_winner_is_the_best_and_the_others_are_not():
    perfs = [0.9], [0.6], [0.5]
    best, worse = sure(*perfs), sure(*perfs, chosen=1)
    assert best.probability > 0.99 and best.loss < 1e-3 and not best.is_toss_up
    assert worse.probability < 0.01 and worse.loss == pytest.approx(0.3 / 0.8, rel=0.1)


@pytest.mark.parametrize('models', [1, 2, 5])
@pytest.mark.parametrize('count', [2, 4])
def test_each_of_some_that_are_alike_is_as_likely_the_best(models, count):
    alike = [np.full(models, 0.7)] * count
    for chosen in range(count):
        assert sure(*alike, chosen=chosen).probability == pytest.approx(1 / count, abs=0.04)


def test_more_samples_tell_more():
    few, more, many = (sure([0.7], [0.65], held_out=count) for count in (20, 200, 2000))
    assert 0.5 < few.probability < more.probability < many.probability
    assert few.loss > more.loss > many.loss
    of_five = sure([0.7] * 5, [0.65] * 5, held_out=40)
    assert of_five.probability == pytest.approx(more.probability, abs=0.02)


def test_parts_that_are_easier_for_all_say_nothing_of_the_difference():
    rng = np.random.default_rng(0)
    apart = 0.6 + PARTS, 0.5 + PARTS
    shared = sure(*apart, held_out=2000).probability
    own = sure(0.6 + PARTS, 0.5 + rng.permutation(PARTS), held_out=2000).probability
    assert shared > 0.99 > own
    assert sure(0.6 + PARTS, 0.5 - PARTS, held_out=2000).probability < 0.95


def test_of_two_the_probability_is_that_of_their_difference():
    """As parts that are held out tell it: the mean of the differences by its standard error."""
    rng = np.random.default_rng(1)
    one, other = 0.6 + PARTS + rng.normal(0, 0.1, 5), 0.55 + PARTS + rng.normal(0, 0.1, 5)
    gain = one - other
    error = gain.std(ddof=1) / math.sqrt(5)
    expected = NormalDist().cdf(gain.mean() / error)
    assert 0.6 < expected < 0.95
    assert sure(one, other, held_out=100_000).probability == pytest.approx(expected, abs=0.02)


def test_it_is_told_at_the_end_of_the_cycle_that_was_chosen():
    early, late = [[0.9, 0.5]], [[0.6, 0.7]]
    assert sure(early, late, cycle=0).probability > 0.99
    assert sure(early, late).probability < 0.01
    assert sure([0.9], late, cycle=1).probability > 0.99, 'one that has fewer cycles counts at its end'


def test_one_alone_and_those_without_a_course_cannot_be_told_apart():
    assert sure([0.9]) is None
    scale = scale_of()
    plain = [score._replace(course=None) for score in candidates([0.9], [0.6])]
    assert certainty(scale, 0, scale.noted(plain), 100) is None


def test_what_diverged_is_no_rival():
    scale, scored = scale_of(), candidates([0.7, 0.7], [0.6, 0.6])
    lost = Course(np.array([[0.3], [np.inf]]), np.array([[0.7], [0.0]]), 1.0)
    scored[1] = scored[1]._replace(loss=np.inf, perf=0.35, course=lost)
    found = certainty(scale, 0, scale.noted(scored), 1000)
    assert 0.5 < found.probability < 1 and np.isfinite(found.loss)


@given(
    st.lists(st.lists(st.floats(0.15, 0.95), min_size=3, max_size=3), min_size=2, max_size=4),
    st.integers(5, 2000), st.floats(1e-3, 1e3), st.floats(-1e3, 1e3), st.booleans(),
)  # fmt: skip
def test_it_is_the_same_in_any_unit_and_direction_and_again(perfs, held_out, factor, offset, is_mirrored):
    def unit(perf):
        return (-factor if is_mirrored else factor) * perf + offset

    plain, other = MetricInfo('plain'), MetricInfo('other', not is_mirrored)
    expected = sure(*perfs, held_out=held_out, scale=scale_of(plain, lambda perf: perf))
    found = sure(*perfs, held_out=held_out, scale=scale_of(other, unit), unit=unit)
    assert found == pytest.approx(expected, abs=2e-3)
    assert expected == sure(*perfs, held_out=held_out, scale=scale_of(plain, lambda perf: perf))
    assert 0 <= found.probability <= 1 and found.loss >= 0


@pytest.mark.parametrize(
    ('probability', 'loss', 'is_toss_up'),
    [(0.1, 2.0, True), (0.1, 0.5, False), (0.9, 2.0, False), (0.9, 0.5, False)],
)
def test_a_choice_is_a_toss_up_if_another_is_as_likely_and_may_be_better_by_much(
    probability, loss, is_toss_up
):
    assert Certainty(probability, loss * WORSE).is_toss_up == is_toss_up


def test_a_toss_up_takes_scores_that_scatter_much():
    assert sure([0.6], [0.6], [0.6], held_out=20).is_toss_up
    assert not sure([0.6], [0.6], [0.6], held_out=20_000).is_toss_up, 'any will do'
    assert not sure([0.9], [0.5], [0.5], held_out=20).is_toss_up
    assert sure(*np.random.default_rng(0).uniform(0.2, 0.9, (3, 3)), held_out=20_000).is_toss_up
