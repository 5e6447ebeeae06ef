"""A sweep is shown from its folder, as its own process shows it."""

import time
from functools import partial

import pytest

from sweeper import FixedSweep, SweepListener
from sweeper.errors import FolderError
from sweeper.report.live import watch as watch_module
from sweeper.report.live.plain import PlainProgress
from sweeper.report.live.watch import publish, snapshot_of, status_of, watch
from sweeper.results import PointError, TrialRecord, TrialResult, Tuned
from sweeper.store.following import Follower
from sweeper.store.lock import holder
from sweeper.store.manifest import Manifest
from sweeper.store.status_file import Note, write_note
from sweeper.store.store import Store

POINTS = [(8,), (16,)]
ERROR = PointError('ValueError', 'no', 'tuning')


class Heard(SweepListener):
    def __init__(self):
        self.heard, self.status = [], None

    def on_hparams_found(self, values, *numbers):
        self.heard.append(('tuned', values, *numbers))

    def on_trials_completed(self, values, *scores):
        self.heard.append(('trials', values, *(scores.tolist() for scores in scores)))

    def on_flagged(self, values, flags):
        self.heard.append(('flags', values, flags))

    def on_point_failed(self, values, error):
        self.heard.append(('failed', values, error))

    def on_status(self, status):
        self.status = status

    def on_end(self):
        self.heard.append('end')


class Sweep:
    """A sweep in progress, one step at each look of a watch."""

    def __init__(self, folder):
        self.folder, self.steps = folder, iter(())
        self.displays, self.elapsed = [], []

    def begin(self):
        self._opened = Store.opened(self.folder, Manifest('problem', 'fast', {}, 1, 0, 100))
        self.store = self._opened.__enter__()

    def end(self):
        self._opened.__exit__(None, None, None)

    def add_points(self):
        self.store.add_points(POINTS)

    def tune(self):
        tuned = Tuned(0.01, 0.1, 8, 2, 4, flags=('sensitive',))
        self.store.write_tuned(POINTS[0], tuned)

    def train(self):
        result = TrialResult(1, 4, 1.0, False, 0.5, 0.6, 0.7, 0.8)
        self.store.write_trial(POINTS[0], 0, TrialRecord(result, b'', b'', {}))

    def fail(self):
        self.store.write_errors(POINTS[1], [ERROR])
        self.store.records.by_point[POINTS[1]].errors = [ERROR]

    def forget(self):
        self.store.forget_failures()

    def watch(self, *steps):
        self.steps = iter(steps)
        said = (lambda word=word: self.displays.append(word) for word in ('start', 'wait'))
        watch(self.folder, self._open, lambda: next(self.steps)(), *said)
        return [one if isinstance(one, str) else one.heard for one in self.displays]

    def _open(self, elapsed):
        self.elapsed.append(elapsed)
        self.displays.append(Heard())
        return self.displays[-1]


@pytest.fixture
def sweep(tmp_path):
    return Sweep(tmp_path / 'out')


def test_a_sweep_is_waited_for_and_shown_to_its_end(sweep):
    steps = (sweep.begin, sweep.add_points, sweep.tune, sweep.train, sweep.fail, sweep.end)
    assert sweep.watch(*steps) == [
        'wait',
        'start',
        [
            ('tuned', (8,), 0.01, 0.1, 8), ('flags', (8,), ['sensitive']),
            ('trials', (8,), [0.5], [0.6], [0.7], [0.8]), ('failed', (16,), ERROR), 'end',
        ],
    ]  # fmt: skip
    assert (sweep.displays[2].status.tuned, sweep.displays[2].status.failed) == (1, 1)
    assert next(sweep.steps, None) is None


def test_where_no_sweep_is_running_what_is_there_is_told_and_that_is_all(sweep):
    for step in (sweep.begin, sweep.add_points, sweep.tune, sweep.end):
        step()
    assert sweep.watch() == ['start', [('tuned', (8,), 0.01, 0.1, 8), ('flags', (8,), ['sensitive']), 'end']]


def test_what_the_sweep_leaves_at_its_very_end_is_told(sweep, monkeypatch):
    """It ends just before the question whether it is running."""
    is_running = Follower.is_running.fget

    def end_then_ask(self):
        monkeypatch.setattr(Follower, 'is_running', property(is_running))
        sweep.fail()
        sweep.end()
        return is_running(self)

    for step in (sweep.begin, sweep.add_points):
        step()
    step = partial(monkeypatch.setattr, Follower, 'is_running', property(end_then_ask))
    assert sweep.watch(step) == ['start', [('failed', (16,), ERROR), 'end']]


def test_what_is_there_at_the_first_look_is_told_as_found_on_disk(sweep, capsys):
    def display(elapsed):
        return PlainProgress(clock=lambda: 0.0, elapsed=elapsed)

    for step in (sweep.begin, sweep.add_points, sweep.tune, sweep.train):
        step()
    write_note(sweep.folder, note(seconds_left=None), [])
    steps = iter((sweep.fail, sweep.end))
    watch(sweep.folder, display, lambda: next(steps)())
    first, second, *more = capsys.readouterr().err.splitlines()
    assert first.endswith('] found on disk: 1 tuned, 1 trial; 5 trials to do')
    assert second.endswith('] failed (16): ValueError in tuning: no') and not more


def test_a_sweep_that_forgets_failures_is_shown_anew(sweep):
    for step in (sweep.begin, sweep.add_points, sweep.fail):
        step()
    shown = sweep.watch(sweep.forget, sweep.end)
    assert shown == ['start', [('failed', (16,), ERROR), 'end'], ['end']]


def test_whatever_ends_the_watch_ends_the_display(sweep):
    def interrupt():
        raise KeyboardInterrupt

    sweep.begin()
    sweep.add_points()
    with pytest.raises(KeyboardInterrupt):
        sweep.watch(interrupt)
    assert sweep.displays[1].heard == ['end']
    sweep.end()


def test_a_folder_that_holds_something_else_is_refused(sweep):
    sweep.folder.mkdir()
    (sweep.folder / 'sweep.json').write_text('{}')
    with pytest.raises(FolderError):
        sweep.watch()


def note(**changes):
    values = {
        'at': time.time(), 'cores': 4, 'busy': 2, 'points': 2, 'trials': 6, 'more_to_come': False,
        'share': 0.25, 'seconds_left': 100.0,
    }  # fmt: skip
    return Note(**values | changes)


def status(folder):
    follower = Follower(folder)
    follower.look()
    return status_of(follower, holder(folder))


def test_the_status_is_that_of_the_results_and_else_what_the_sweep_says(sweep, monkeypatch):
    for step in (sweep.begin, sweep.add_points, sweep.tune, sweep.train):
        step()
    alone = status(sweep.folder)
    assert (alone.points, alone.tuned, alone.trials_done, alone.trials) == (2, 1, 1, 1)
    assert alone.more_to_come and alone.seconds_left is None
    monkeypatch.setattr(watch_module.time, 'time', lambda: 1040.0)
    running = [(1, 'training: trial 3'), (7, 'not read yet')]
    write_note(sweep.folder, note(at=1000.0), running)
    told = status(sweep.folder)
    assert (told.points, told.tuned, told.trials_done, told.trials) == (2, 1, 1, 6)
    assert (told.cores, told.busy, told.share, told.seconds_left) == (4, 2, 0.25, 60.0)
    assert told.running == [((16,), 'training: trial 3')] and not told.more_to_come
    write_note(sweep.folder, note(at=1000.0, seconds_left=None), running)
    assert status(sweep.folder).seconds_left is None
    shown = snapshot_of(sweep.folder)
    assert [leader.point for leader in shown.leaders] == [(8,)] and shown.flags == {'sensitive': 1}
    sweep.end()


def test_a_display_is_told_the_same_from_the_folder_as_in_the_sweep(write_problem, sweep_inline, tmp_path):
    problem, told, seen = write_problem(), Heard(), Heard()
    sweep_inline(problem.path, FixedSweep([((2,), 2), ((3,), 1)]), tmp_path / 'out', listeners=[told])
    follower = Follower(tmp_path / 'out')
    publish(seen, follower.look())

    def gathered(heard):
        found = {}
        for what, point, *details in heard:
            if what == 'trials':  # told in any number of pieces
                before = found.get((what, point), [[]] * 4)
                details = [one + other for one, other in zip(before, details, strict=True)]
            found[what, point] = details
        return found

    assert gathered(seen.heard) == gathered(told.heard[:-1])
    assert told.heard[-1] == 'end'
