import io
import math

import numpy as np
import pytest

from sweeper.report.live import board as board_module
from sweeper.report.live.board import Board
from sweeper.report.measure import Measure
from sweeper.report.stats.statistics import compare_all, tied_for_first


def board_of(scores):
    board = Board()
    for point, values in scores.items():
        board.add(point, values)
    return board


def test_the_best_come_first_with_the_interval_of_the_report():
    scores = {('a',): [0.7, 0.8, 0.75], ('b',): [0.9, 0.92, 0.91], ('c',): [0.1, 0.2, 0.3]}
    leaders = board_of(scores).leaders(2)
    assert [leader.point for leader in leaders] == [('b',), ('a',)]
    for leader in leaders:
        assert leader.interval == Measure().interval(scores[leader.point])
        assert leader.trials == 3


@pytest.mark.parametrize('values', [[0.5], [0.5, 0.5, 0.5]])
def test_there_is_no_interval_where_trials_say_nothing_of_their_spread(values):
    [leader] = board_of({('a',): values}).leaders(5)
    assert leader.interval.mean == 0.5 and math.isnan(leader.interval.low)


def test_trials_come_bit_by_bit_and_failed_points_leave():
    board = board_of({('a',): [0.5], ('b',): [0.6]})
    board.leaders(5)
    board.add(('a',), [0.9])
    assert [(one.point, one.interval.mean, one.trials) for one in board.leaders(5)] == [
        (('a',), pytest.approx(0.7), 2), (('b',), 0.6, 1)
    ]  # fmt: skip
    board.remove(('a',))
    board.remove(('never there',))
    assert [one.point for one in board.leaders(5)] == [('b',)] and len(board) == 1
    board.remove(('b',))
    assert board.leaders(5) == []


def test_who_is_told_apart_from_the_first_here_is_so_in_the_report():
    rng, apart, others = np.random.default_rng(0), 0, 0
    for _ in range(100):
        scores = rng.normal(rng.normal(0.8, 0.02, (6, 1)), 0.005, (6, 5))
        leaders = board_of({(n,): list(row) for n, row in enumerate(scores)}).leaders(6)
        tied = {leader.point[0] for leader in leaders if leader.is_tied}
        in_report = set(tied_for_first(scores, compare_all(scores)))
        assert tied >= in_report
        apart += len(leaders) - len(tied)
        others += len(leaders) - len(in_report)
    assert apart > 0.9 * others > 100


def test_trials_that_are_missing_are_not_compared():
    board = board_of({('a',): [0.9, 0.91, 0.92, 0.93], ('b',): [0.1]})
    assert [one.is_tied for one in board.leaders(5)] == [True, True]
    board.add(('b',), [0.12, 0.13, 0.11])
    assert [one.is_tied for one in board.leaders(5)] == [True, False]


def test_nothing_is_compared_anew_unless_something_changed(monkeypatch):
    calls = []
    monkeypatch.setattr(board_module, 'compare_all', lambda *given: calls.append(1) or compare_all(*given))
    board = board_of({(n,): [0.5, 0.6 + n / 10] for n in range(3)})
    for _ in range(3):
        board.leaders(2)
    assert len(calls) == 1
    board.add((0,), [])
    board.leaders(2)
    assert len(calls) == 1
    board.add((0,), [0.5])
    board.leaders(2)
    assert len(calls) == 2


def test_the_interval_is_cut_off_at_the_best_there_can_be():
    [leader] = board_of({('a',): [0.9, 1.0, 1.0]}).leaders(5)
    assert leader.interval.high == 1.0 and leader.interval == Measure().interval([0.9, 1.0, 1.0])


def test_those_in_doubt_come_last_and_are_compared_with_none():
    scores = {('a',): [0.7, 0.71, 0.72], ('b',): [0.9, 0.91, 0.93], ('c',): [0.6, 0.7, 0.8]}
    board = Board()
    board.flag(('b',), ['sensitive', 'nothing_learned'])  # flags of a tuning come before trials
    for point, values in scores.items():
        board.add(point, values)
    found = [(one.point, one.is_tied, one.is_comparable) for one in board.leaders(5)]
    assert found == [(('a',), True, True), (('c',), True, True), (('b',), False, False)]
    assert [one.point for one in board.leaders(2)] == [('a',), ('c',)]
    board.flag(('b',), ['sensitive'])
    assert [one.point for one in board.leaders(5)] == [('b',), ('a',), ('c',)]
    for point in scores:
        board.flag(point, ['trial_diverged'])
    assert not any(one.is_tied or one.is_comparable for one in board.leaders(5))


def test_where_trials_are_resamples_the_board_is_as_careful_as_the_report():
    scores = {(1,): [0.9, 0.91, 0.93, 0.9, 0.92], (2,): [0.88, 0.87, 0.91, 0.9, 0.9]}
    for val_to_train, is_tied in ((0.0, False), (0.25, True)):
        board = Board(Measure(val_to_train=val_to_train))
        for point, values in scores.items():
            board.add(point, values)
        table = np.array([*scores.values()])
        in_report = tied_for_first(table, compare_all(table, val_to_train))
        assert [leader.is_tied for leader in board.leaders(2)] == [True, is_tied]
        assert len(in_report) == 1 + is_tied
        assert board.leaders(2)[0].interval == Measure(val_to_train=val_to_train).interval(scores[1,])


def test_the_length_of_trials_is_shown_where_it_differs():
    from rich.console import Console

    from sweeper.events import PointTuned, Status, TrialsDone
    from sweeper.report.live.snapshot import SnapshotBuilder
    from sweeper.report.live.view import SweepView
    from sweeper.results import TrialResult, Tuned

    def shown(lengths, width):
        builder = SnapshotBuilder()
        for number, epochs in enumerate(lengths):
            builder.handle(PointTuned((number,), Tuned(0.01, 0.1, 8, 1, epochs)))
            builder.handle(TrialsDone((number,), {0: TrialResult(0, epochs, 1.0, False, 0.5, 0.5, 0.5, 0.5)}))
        builder.handle(Status(2, 2, 0, 2, 2, (), False))
        console = Console(width=width, record=True, file=io.StringIO())
        console.print(SweepView(builder.snapshot(1.0)))
        return console.export_text()

    assert '20 epochs' in shown([1, 20], 100) and '1 epoch\n' in shown([1, 20], 100)
    assert 'epoch' not in shown([20, 20], 100)
    narrow = shown([1, 20], 24)
    assert 'epoch' not in narrow and max(map(len, narrow.splitlines())) <= 24
