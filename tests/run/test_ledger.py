"""What the ledger knows of points, and when it has summaries written."""

import math
from dataclasses import replace
from pathlib import Path

from sweeper.events import PointFlagged
from sweeper.results import PointError, TrialResult, Tuned
from sweeper.run.driver import Request
from sweeper.run.estimate import Estimate
from sweeper.run.ledger import Ledger
from sweeper.store.layout import SweepLayout
from sweeper.store.lookup import Lookup
from sweeper.store.manifest import Manifest
from sweeper.store.records import Records

TUNED = Tuned(0.01, 0.1, 8, 2, 4)
RESULT = TrialResult(1, 4, 1.0, False, 0.5, 0.6, 0.7, 0.8)


def records(points=()):
    layout = SweepLayout(Path('nowhere'))
    lookup = Lookup(layout)
    lookup.add(points)
    return Records(layout, Manifest('problem', 'fast', {}, 1, 0, 9), lookup)


def requested(points, trials):
    """A ledger of points that are asked for, of which there is nothing yet."""
    ledger = Ledger(records(points), Estimate(1.0))
    for point in points:
        ledger.request(Request(point, 0, trials))
    return ledger


def tune(ledger, point):
    ledger.tuning_done(point, TUNED)
    ledger.tuning_took(point, 1.0)
    ledger.tuning_saved(point, TUNED)


def train(ledger, point, index):
    ledger.trial_done(point, index, 1.0)
    ledger.trial_saved(point, index, RESULT)


def test_a_thousand_trials_are_summarised_a_logarithmic_number_of_times():
    point, summaries = (1,), []
    ledger = requested([point], 1000)
    tune(ledger, point)
    for index in range(1000):
        train(ledger, point, index)
        if (due := ledger.take_summary()) is not None:
            summaries.append(due)
            ledger.summary_saved()
        assert ledger.take_summary() is None  # nothing new, nothing to do
        assert len(summaries[-1].trials(point)) >= 0.9 * index  # what is on disk is never far behind
    assert math.log(1000, 2) < len(summaries) < 10 * math.log(1000, 2)


def test_points_that_are_only_tuned_are_summarised_as_seldom():
    points, summaries = [(number,) for number in range(300)], []
    ledger = requested(points, 0)
    for point in points:
        tune(ledger, point)
        if (due := ledger.take_summary()) is not None:
            summaries.append(due)
            ledger.summary_saved()
    assert math.log(300, 2) < len(summaries) < 10 * math.log(300, 2)
    assert len(summaries[-1].point_results()) >= 270


def test_what_is_summarised_stays_as_it_is_and_a_second_summary_waits_for_it():
    point = (1,)
    ledger = requested([point], 2)
    tune(ledger, point)
    first = ledger.take_summary()
    train(ledger, point, 1)
    assert ledger.take_summary() is None and first.trials(point) == {}
    ledger.summary_saved()
    assert ledger.unsummarised == 1
    assert ledger.take_summary().trials(point) == {1: RESULT}
    assert not ledger.unsummarised


def test_trials_are_kept_in_the_order_of_their_index_whichever_is_done_first():
    point = (1,)
    ledger = requested([point], 4)
    tune(ledger, point)
    for index in (2, 0, 3, 1):
        train(ledger, point, index)
    assert [*ledger.points[point].record.trials] == [0, 1, 2, 3]
    assert [*ledger.take_complete()] == [point] and not ledger.take_complete()


def test_the_trials_of_a_task_are_told_together_when_all_are_on_disk():
    point = (1,)
    ledger = requested([point], 5)
    tune(ledger, point)
    for index in range(5):
        ledger.trial_done(point, index, 1.0)
    assert not ledger.trial_saved(point, 1, RESULT)  # its task has another one that is not done
    assert not ledger.task_done(point, (0, 1))
    assert not ledger.task_done(point, (2, 3, 4))
    assert [not ledger.trial_saved(point, index, RESULT) for index in (4, 2)] == [True, True]
    assert [event.trials for event in ledger.trial_saved(point, 0, RESULT)] == [{0: RESULT, 1: RESULT}]
    assert [[*event.trials] for event in ledger.trial_saved(point, 3, RESULT)] == [[2, 3, 4]]


def test_flags_of_thousands_of_trials_are_not_found_out_for_each_but_end_as_they_are(monkeypatch):
    point, asked, flags = (1,), [], ()
    ledger = requested([point], 3000)
    tune(ledger, point)
    found = Tuned.flags_with
    monkeypatch.setattr(Tuned, 'flags_with', lambda *given: asked.append(len(given[1])) or found(*given))
    diverged = replace(RESULT, diverged=True)
    for index in reversed(range(3000)):
        ledger.trial_done(point, index, 1.0)
        assert not ledger.task_done(point, (index,))
        result = RESULT if index >= 1500 else diverged  # half of them, with the very last one
        for event in ledger.trial_saved(point, index, result):
            flags = event.flags if isinstance(event, PointFlagged) else flags
        assert asked[-1] > 0.98 * (3000 - index)  # flags are never far behind
    assert len(asked) < 500 and asked[-1] == 3000
    assert [*flags] == TUNED.flags_with(ledger.points[point].record.trials) == ['trial_diverged']


def test_a_point_is_complete_when_all_its_trials_are_there_or_failed():
    point = (1,)
    ledger = requested([point], 3)
    tune(ledger, point)
    ledger.take_complete()
    train(ledger, point, 2)
    error = PointError('ValueError', 'no', 'trial 1')
    ledger.failure_saved(point, error, ledger.run_failed(point, error))
    assert not ledger.take_complete()
    train(ledger, point, 0)
    ledger.task_done(point, (0, 1, 2))
    assert [*ledger.take_complete()[point]] == [0, 2]
