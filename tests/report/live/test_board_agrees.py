"""The live board and the report say the same of the same trials, in whatever order these end."""

import math
import random

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sweeper.metric import MetricInfo
from sweeper.report.live.board import Board
from sweeper.report.measure import Measure, is_diverged, scores_of
from sweeper.report.stats.comparison import Comparison
from sweeper.report.stats.judged import table
from sweeper.results import TrialResult
from sweeper.stats.design import Design

LOSSES = Measure(MetricInfo('loss', higher=False), 'loss', 'loss')
MEASURES = [Measure(), Measure(MetricInfo('cost', higher=False)), Measure(val_to_train=0.25)]


def trial(perf, loss, diverged):
    return TrialResult(0, 1, 1.0, diverged, perf, loss, perf, math.inf if diverged else loss)


@st.composite
def sweeps(draw):
    """Trials of a few architectures by index, some of them missing, and how they are compared."""
    rng = np.random.default_rng(draw(st.integers(0, 2**32)))
    measure = MEASURES[draw(st.integers(0, len(MEASURES) - 1))]
    count, most = draw(st.integers(1, 8)), draw(st.integers(1, 6))
    coarse = draw(st.sampled_from([None, 36]))
    centres = rng.normal(0.7, draw(st.sampled_from([0.0, 0.02, 0.1])), count)
    perfs = np.clip(rng.normal(centres[:, None], 0.01, (count, most)), 0, 1)
    perfs = perfs if coarse is None else np.round(perfs * coarse) / coarse
    is_there, diverges = rng.random((count, most)) < 0.9, rng.random((count, most)) < 0.1
    rows = [
        {
            index: trial(perfs[row, index], 1 - perfs[row, index] / 2, bool(diverges[row, index]))
            for index in range(most)
            if is_there[row, index]
        }
        for row in range(count)
    ]
    excluded = [bool(value) for value in rng.random(count) < 0.15]
    design = Design(
        paired=draw(st.booleans()), val_to_train=measure.val_to_train, look=draw(st.integers(1, 3)),
        is_interim=draw(st.booleans()), resolution=1 / coarse if coarse else 0.0,
    )  # fmt: skip
    return [row for row in rows if row], excluded, measure, design


@settings(max_examples=150)
@given(sweep=sweeps(), order=st.randoms(use_true_random=False))
def test_the_board_and_the_report_agree(sweep, order):
    rows, excluded, measure, design = sweep
    flags = [['nothing_learned'] * out for out, _ in zip(excluded, rows, strict=False)]
    report = Comparison(
        [(row,) for row in range(len(rows))], ['n'], [[str(row)] for row in range(len(rows))],
        table([scores_of(row, measure) for row in rows]), flags=flags, measure=measure,
        diverged=[sum(is_diverged(trial, measure) for trial in row.values()) for row in rows],
        losses=table([scores_of(row, LOSSES) for row in rows]), design=design,
    )  # fmt: skip
    board = Board(measure, design)
    ended = [(row, index, trial) for row, trials in enumerate(rows) for index, trial in trials.items()]
    order.shuffle(ended)
    for row, index, one_trial in ended:
        scores, losses = (scores_of({index: one_trial}, of) for of in (measure, LOSSES))
        board.add((row,), scores, losses)
        if order.random() < 0.2:
            board.leaders(3)
    for row, names in enumerate(flags):
        board.flag((row,), names)
    leaders = board.leaders(len(rows))
    verdict = report.verdict
    ranked = verdict.order
    if _has_equals(report):
        assert {leader.point[0] for leader in leaders[: len(ranked)]} == set(ranked)
    else:
        assert [leader.point[0] for leader in leaders[: len(ranked)]] == ranked
        assert {leader.point[0] for leader in leaders if leader.is_tied} == set(verdict.candidates)
    for leader in leaders[: len(ranked)]:
        interval = measure.shown(verdict.intervals[leader.point[0]])
        assert leader.interval[:3] == pytest.approx(interval[:3], nan_ok=True)
        assert (leader.interval.text, leader.interval.method) == (interval.text, interval.method)
    assert all(leader.is_comparable for leader in leaders[: len(ranked)])


def _has_equals(report):
    """Whether only the order of the rows decides between two."""
    means = report.means[report.verdict.order]
    return len({round(float(mean), 9) for mean in means}) < len(means)


@pytest.mark.parametrize('measure', [Measure(), Measure(MetricInfo('cost', higher=False))])
def test_whom_the_report_calls_candidates_the_board_marks(measure):
    """In both directions: the second best may be the best, too, and the third may not."""
    rng = random.Random(0)
    rows = [[0.9 + 0.001 * rng.random() for _ in range(8)] for _ in range(2)]
    rows += [[0.9 - measure.sign * 0.1 + 0.001 * rng.random() for _ in range(8)]]
    board = Board(measure)
    for place, row in enumerate(rows):
        board.add((place,), dict(enumerate(row)))
    assert {leader.point[0] for leader in board.leaders(3) if leader.is_tied} == {0, 1}
    assert board.leaders(3)[2].point == (2,)
