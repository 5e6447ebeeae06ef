"""From the last round to the learning rate of the trials."""

import math
import re
from dataclasses import replace

import numpy as np
import pytest

from sweeper.metric import PERFORMANCE
from sweeper.tuning.candidates import Candidate, Scored
from sweeper.tuning.choice import choose
from sweeper.tuning.constants import CONSTANTS
from sweeper.tuning.lr_range import LRRange
from sweeper.tuning.rounds import LadderBase, Round
from sweeper.tuning.scale import Scale
from sweeper.tuning.settings import get_settings

from .test_length import OVERFITTING, placed, scored

FAST = get_settings('fast')
STEPS, TRIAL = 100, 6400
FOUND = LRRange(0.001, 1.0, 1.0, 0.9, 0.01, 0.5, 0.01, {}, [], {})
LRS = 0.1, 0.2, 0.4


def untrained():
    """What the range test measures of a model: a performance of 0.1 ± 0.05, and one less that as the loss."""
    perfs = 0.1 + 0.05 * np.tile([-1, 1, 0], 4)[:11]
    return {'perf': perfs, 'loss': 1 - perfs}


SCALE = Scale(PERFORMANCE, [untrained()])


def ladder(perfs, lrs=LRS, size=8, bases=(), steps=STEPS):
    """A round, of 800 samples each: an eighth of a trial."""
    scored = [Scored(Candidate(lr, size), 1 - perf, perf) for lr, perf in zip(lrs, perfs, strict=True)]
    return Round(scored, [steps] * len(scored), bases)


def chosen(*rounds, found=FOUND):
    return choose(FAST, found, SCALE, rounds, TRIAL)


def test_the_best_of_the_last_round_is_taken_somewhat_lowered():
    choice = chosen(ladder([0.9] * 3), ladder([0.5, 0.6, 0.7]))
    assert choice.scored.candidate.lr == 0.4
    assert choice.lr == pytest.approx(0.4 * 8**-CONSTANTS.usual_fall)
    assert choice.flags == []


def test_nothing_is_lowered_if_trainings_were_as_long_as_trials():
    done = ladder([0.5, 0.6, 0.7])
    choice = choose(FAST, FOUND, SCALE, [done], STEPS * 8)
    assert choice.lr == 0.4


def test_a_best_rate_that_falls_fast_is_followed():
    base = LadderBase(0.5, 4.0)
    slow, usual, fast = (
        chosen(ladder(perfs, bases=[base])) for perfs in ([5, 6, 7], [5, 7, 6.99], [7, 6.99, 5])
    )
    lowered = [one.lr / one.scored.candidate.lr for one in (fast, usual, slow)]
    assert lowered == sorted(lowered)
    assert slow.lr / 0.4 == pytest.approx(8 ** -(CONSTANTS.usual_fall * 0.3 + 0.7 * math.log(0.5 / 0.4, 4)))


def test_below_a_cliff_half_a_rung_is_kept_as_distance():
    safe, risky = chosen(ladder([0.5, 0.7, 0.66])), chosen(ladder([0.5, 0.7, 0.2]))
    assert risky.lr == pytest.approx(safe.lr / math.sqrt(2))
    assert (safe.flags, risky.flags) == ([], ['sensitive'])


def with_diverged(lr, size=8):
    """A round of trainings a quarter as long as those of a ladder, of which one diverged."""
    done = ladder([0.5] * 3, steps=STEPS // 4)
    lost = Scored(Candidate(lr, size), math.inf, 0.0)
    return Round([*done.scored, lost], [*done.steps, STEPS // 4 * 8 // size])


@pytest.mark.parametrize('limit', [0.3, 0.5, 1e3, 1e-5])
def test_trials_stay_below_where_shorter_trainings_diverged(limit):
    """As far below as the best rate usually falls from there, and a rung."""
    last = ladder([0.5, 0.6, 0.7])
    usual = chosen(ladder([0.5] * 3, steps=STEPS // 4), last).lr
    safe = limit * (TRIAL / (STEPS // 4 * 8)) ** -CONSTANTS.usual_fall / CONSTANTS.rung
    found = chosen(with_diverged(limit), last)
    assert found.lr == pytest.approx(max(min(usual, safe), FAST.lr_start))
    assert ('diverged' in found.why) == (safe < usual) == (limit < 1)


def test_where_trainings_of_another_batch_size_diverged_says_nothing():
    last = ladder([0.5, 0.6, 0.7])
    assert chosen(with_diverged(0.1, size=64), last).lr == chosen(with_diverged(1e3), last).lr


def test_half_a_rung_is_given_up_where_that_costs_little():
    steep, flat = chosen(ladder([0.5, 0.6, 0.7])), chosen(ladder([0.5, 0.695, 0.7]))
    assert flat.lr == pytest.approx(steep.lr / math.sqrt(2))


def test_a_rung_that_barely_learned_is_judged_with_the_one_above_it():
    choice = chosen(ladder([0.2, 0.19, 0.15, 0.21], lrs=(0.1, 0.2, 0.4, 0.8)))
    assert choice.scored.candidate.lr == 0.1


@pytest.mark.parametrize(
    ('before', 'shorter', 'is_flagged'),
    [
        (0.68, 5, False), (0.48, 5, False), (0.44, 5, True), (0.12, 5, True),  # most came in the last round
        (0.65, 2, False), (0.48, 2, True), (0.65, 1, False), (0.44, 1, False),  # or is still to come
        (0.75, 5, False),
    ],
)  # fmt: skip
def test_what_learns_much_with_length_has_barely_learned_wherever_it_ends(before, shorter, is_flagged):
    last = ladder([0.5, 0.6, 0.7])
    choice = chosen(ladder([before] * 3, steps=STEPS // shorter), last)
    assert choice.flags == ['barely_learned'] * is_flagged
    none_is_good = chosen(
        *(ladder([0.1 + 0.3 * (perf - 0.1) for perf in perfs], steps=steps)
          for perfs, steps in (([before] * 3, STEPS // shorter), ([0.5, 0.6, 0.7], STEPS)))
    )  # fmt: skip
    assert none_is_good.flags == choice.flags


def test_where_all_end_at_the_same_loss_that_the_range_test_reached_that_is_flagged():
    constant, better = ladder([0.5, 0.501, 0.502]), ladder([0.6, 0.601, 0.602])
    assert chosen(constant).flags == ['barely_learned']
    assert chosen(better).flags == []


def test_where_nothing_was_learned_the_guess_is_below_the_highest_rate():
    choice = chosen(ladder([0.1] * 3), ladder([0.1, 0.11, 0.12]))
    assert choice.scored.candidate.lr == 0.2
    assert choice.flags == ['nothing_learned']


def test_after_a_plateau_the_lowest_of_those_that_do_as_well_is_taken():
    perfs = [0.4, 0.695, 0.7]
    assert chosen(ladder([0.1] * 3), ladder(perfs)).scored.candidate.lr == 0.2
    assert chosen(ladder([0.3] * 3), ladder(perfs)).scored.candidate.lr == 0.4


def test_rounds_that_were_repeated_say_nothing_about_a_plateau():
    void = Round(ladder([0.1] * 3).scored, [STEPS] * 3, is_void=True)
    assert chosen(ladder([0.3] * 3), void, ladder([0.4, 0.695, 0.7])).scored.candidate.lr == 0.4


def test_the_choice_stays_within_the_settings_and_edges_are_flagged():
    low = chosen(ladder([0.5, 0.6, 0.7], lrs=(1e-5, 1.2e-5, 1.5e-5)))
    assert low.lr == FAST.lr_start and 'lr_at_low_edge' in low.flags
    assert 'lr_at_high_edge' in chosen(ladder([0.5, 0.6, 0.7], lrs=(2.0, 4.0, 8.0))).flags


def test_the_reason_names_what_was_chosen():
    choice = chosen(ladder([0.5, 0.6, 0.7]))
    assert 'batch size 8' in choice.why and f'learning rate {choice.lr:.2g}' in choice.why
    assert re.search(r'\d was chosen from [\d., ]+ in the last round, then lowered because ', choice.why)


# How long trials are


def with_courses(*candidates, most_cycles=4, **changes):
    """The choice from a round of candidates that were scored at the end of each cycle."""
    scale, rounds = placed(list(candidates))
    return choose(FAST.replace(**changes), FOUND, scale, rounds, TRIAL, 1000, most_cycles)


RISING = scored(OVERFITTING, lr=0.1, length=3), scored([0.6, 0.4, 0.5, 0.6], lr=0.05, length=3)


def test_of_shorter_trials_the_rate_is_lowered_by_what_they_are_longer_than_the_best():
    choice = with_courses(*RISING)
    assert (choice.cycles, choice.scored.candidate.lr) == (2, 0.1)
    assert choice.lr == pytest.approx(0.1 * (2 / 1.5) ** -CONSTANTS.usual_fall)
    assert 'stopped_early' in choice.flags and 'longest' not in choice.flags
    assert choice.scored.loss == 0.3, 'as it was then'
    assert choice.certainty.probability > 0.99
    exact = with_courses(*(one._replace(course=replace(one.course, length=4)) for one in RISING))
    assert (exact.cycles, exact.lr) == (2, 0.1)


@pytest.mark.parametrize('changes', [{'length': 'fixed'}, {'most_cycles': 1}, {'most_cycles': 2}])
def test_trials_are_as_long_as_they_may_be_if_that_is_asked_or_no_longer_than_the_best(changes):
    choice = with_courses(*RISING, **changes)
    assert choice.cycles is None and 'stopped_early' not in choice.flags


def test_where_nothing_was_learned_the_length_is_that_of_the_settings():
    choice = with_courses(*(scored([2.0, 2.1, 2.2], lr=lr, fit=1.9) for lr in (0.05, 0.1)))
    assert choice.cycles is None and 'nothing_learned' in choice.flags
