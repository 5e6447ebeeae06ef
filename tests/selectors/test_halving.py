"""Successive halving: who is trained longer, and how much training that takes."""

import math
from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sweeper import DONE, WAIT, HalvingSweep, InvalidArgument, Proposal, events
from sweeper.metric import LOSS, PERFORMANCE
from sweeper.results import PointError, TrialResult


def halved(selector, score, metric=PERFORMANCE, fails=()):
    """Answers a selector until it is done; returns its proposals."""
    selector.tell(events.SweepStarted(None, (), (metric,)))
    proposals, waiting, given = [], [], Counter()
    for _ in range(3000):
        answer = selector.ask()
        if answer is DONE:
            return proposals
        if isinstance(answer, Proposal):
            proposals.append(answer)
            waiting.append(answer)
            continue
        assert answer is WAIT and waiting, 'it waits for nothing'
        done = waiting.pop(0)
        if done.point in fails:
            selector.tell(events.PointFailed(done.point, PointError('ValueError', 'no', 'tuning')))
            waiting = [other for other in waiting if other.point != done.point]
            continue
        key = done.point, done.fraction
        value = score(done.point)
        trials = {
            given[key] + n: TrialResult(0, 1.0, 1.0, math.isnan(value), value, 1.0, value, 1.0)
            for n in range(done.trials)
        }
        given[key] += done.trials
        selector.tell(events.TrialsDone(done.point, trials, done.fraction))
    raise AssertionError('it does not end')


POINTS = [(n,) for n in range(27)]


@pytest.mark.parametrize(('metric', 'best'), [(PERFORMANCE, 26), (LOSS, 0)])
def test_a_third_goes_on_three_times_as_long_and_the_best_to_the_end(metric, best):
    order = sorted(POINTS, key=lambda point: (7 * point[0]) % 27)  # neither rising nor falling
    selector = HalvingSweep(order, trials=1, in_flight=27)
    proposals = halved(selector, lambda point: float(point[0]), metric)
    lengths = Counter(round(proposal.fraction, 6) for proposal in proposals)
    assert lengths[round(1 / 9, 6)] == 27 and 9 <= lengths[round(1 / 3, 6)] <= 13
    assert 3 <= lengths[1.0] <= 8
    assert (best,) in [proposal.point for proposal in proposals if proposal.fraction == 1]
    cost = 27 / 9 + lengths[round(1 / 3, 6)] * (1 / 3 - 1 / 9) + lengths[1.0] * (1 - 1 / 3)
    assert cost < 0.45 * 27, 'trainings go on from where they stopped'


def test_finalists_get_more_trials():
    proposals = halved(HalvingSweep(POINTS, trials=5, finalists=2), lambda point: float(point[0]))
    full = Counter()
    for proposal in proposals:
        full[proposal.point] += proposal.trials * (proposal.fraction == 1)
    assert sorted(count for count in full.values() if count)[-2:] == [5, 5] and full[26,] == 5


def test_what_diverges_or_fails_does_not_go_on():
    def score(point):
        return math.nan if point[0] > 20 else float(point[0])

    proposals = halved(HalvingSweep(POINTS, trials=1), score, fails=[(20,)])
    longer = {proposal.point for proposal in proposals if proposal.fraction > 0.2}
    assert longer and all(point[0] < 20 for point in longer)
    assert halved(HalvingSweep(POINTS[:4], trials=2), lambda point: math.nan)[-1].fraction < 1


@given(st.integers(1, 30), st.integers(2, 5), st.sampled_from([0.9, 0.5, 0.1, 0.01]), st.integers(1, 9))
def test_it_ends_and_one_is_trained_to_the_end(count, eta, min_fraction, in_flight):
    points = [(n,) for n in range(count)]
    selector = HalvingSweep(points, trials=2, eta=eta, min_fraction=min_fraction, in_flight=in_flight)
    proposals = halved(selector, lambda point: float(point[0]))
    assert selector.fractions[-1] == 1 and selector.fractions[0] <= min_fraction * (1 + 1e-9)
    trained = [(proposal.point, proposal.fraction) for proposal in proposals if proposal.fraction < 1]
    assert len(trained) == len(set(trained)) and {point for point, _ in trained} == set(points)
    assert any(proposal.fraction == 1 and proposal.trials == 1 for proposal in proposals)


@pytest.mark.parametrize(
    ('arguments', 'message'),
    [
        ({'eta': 1}, 'eta=1'), ({'min_fraction': 1.0}, '=1.0'), ({'min_fraction': 0}, 'must be above'),
        ({'trials': 0}, 'trials=0'), ({'finalists': 0}, 'finalists=0'), ({'points': 3}, 'goes with a space'),
    ],
)  # fmt: skip
def test_bad_input_is_refused(arguments, message):
    with pytest.raises(InvalidArgument, match=message):
        HalvingSweep(POINTS, **arguments)
