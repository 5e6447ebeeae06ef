import io
import math
from dataclasses import replace

import numpy as np
import pytest

from sweeper.metric import LOSS, PERFORMANCE
from sweeper.report.live import board as board_module
from sweeper.report.live.board import Board
from sweeper.report.measure import Measure
from sweeper.report.stats.judged import judged
from sweeper.stats.design import Design
from sweeper.stats.verdict import verdict


def board_of(scores):
    board = Board()
    for point, values in scores.items():
        board.add(point, dict(enumerate(values)))
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
    board.add(('a',), {1: 0.9})
    assert [(one.point, one.interval.mean, one.trials) for one in board.leaders(5)] == [
        (('a',), pytest.approx(0.7), 2), (('b',), 0.6, 1)
    ]  # fmt: skip
    board.remove(('a',))
    board.remove(('never there',))
    assert [one.point for one in board.leaders(5)] == [('b',)] and len(board) == 1
    board.remove(('b',))
    assert board.leaders(5) == []


@pytest.mark.parametrize('info', [PERFORMANCE, LOSS], ids=['higher', 'lower'])
@pytest.mark.parametrize('val_to_train', [0.0, 0.25])
def test_the_board_is_the_reports_whatever_the_direction_and_the_order_of_completion(info, val_to_train):
    rng, apart = np.random.default_rng(0), 0
    measure = Measure(info, val_to_train=val_to_train)
    for _ in range(20):
        scores = rng.normal(rng.normal(0.5, 0.05, (6, 1)), 0.005, (6, 5))
        scores[0, 4] = np.nan
        board, design = Board(measure), Design(val_to_train > 0, val_to_train, is_interim=True)
        for place in rng.permutation(30):
            index, trial = divmod(int(place), 5)
            board.add((index,), {trial: scores[index, trial]})
        in_report = verdict(
            scores, sign=info.sign, design=replace(design, limits=measure.limits), diverged=[1, 0, 0, 0, 0, 0]
        )
        leaders = board.leaders(6)
        assert [leader.point[0] for leader in leaders] == in_report.order
        assert [leader.point[0] for leader in leaders if leader.is_tied] == in_report.candidates
        apart += sum(not leader.is_tied for leader in leaders)
    assert apart > 20


def test_trials_that_are_missing_are_not_compared():
    board = board_of({('a',): [0.9, 0.91, 0.92, 0.93], ('b',): [0.1]})
    assert [one.is_tied for one in board.leaders(5)] == [True, True]
    board.add(('b',), {1: 0.12, 2: 0.13, 3: 0.11})
    assert [one.is_tied for one in board.leaders(5)] == [True, False]


def test_nothing_is_compared_anew_unless_something_changed(monkeypatch):
    calls = []
    monkeypatch.setattr(
        board_module, 'judged', lambda *given, **how: calls.append(1) or judged(*given, **how)
    )
    board = board_of({(n,): [0.5, 0.6 + n / 10] for n in range(3)})
    for _ in range(3):
        board.leaders(2)
    assert len(calls) == 1
    board.add((0,), {})
    board.leaders(2)
    assert len(calls) == 1
    board.add((0,), {2: 0.5})
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
        board.add(point, dict(enumerate(values)))
    found = [(one.point, one.is_tied, one.is_comparable) for one in board.leaders(5)]
    assert found == [(('a',), True, True), (('c',), True, True), (('b',), False, False)]
    assert [one.point for one in board.leaders(2)] == [('a',), ('c',)]
    board.flag(('b',), ['sensitive'])
    assert [one.point for one in board.leaders(5)] == [('b',), ('a',), ('c',)]
    for point in scores:
        board.flag(point, ['trial_diverged'])
    assert all(one.is_comparable for one in board.leaders(5))
    for point in scores:
        board.flag(point, ['trial_diverged', 'too_few_converged'])
    assert not any(one.is_tied or one.is_comparable for one in board.leaders(5))


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
