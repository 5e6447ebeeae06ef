import io
import re
import sys
import threading
from functools import partial
from types import SimpleNamespace

import numpy as np
import pytest
from rich.console import Console
from rich.text import Text

from sweeper.events import PointFailed, PointFlagged, Status, SweepEnded, TrialsDone
from sweeper.report.live.live import LiveProgress
from sweeper.report.live.screen import NotebookScreen, TerminalScreen
from sweeper.results import PointError, TrialResult


def trials(*values, first=0):
    """Trials, all of whose scores are the same."""
    scores = ((index, (value, value, value, value)) for index, value in enumerate(values, first))
    return {index: TrialResult(0, 1, 0.0, False, *four) for index, four in scores}


STATUS = Status(
    points=3, tuned=1, failed=1, trials=9, trials_done=4, running=(((16, '[x]'), 'training: trial 4'),),
    more_to_come=True, cores=2, busy=1, share=0.25, seconds_left=80.0,
)  # fmt: skip
ERROR = PointError('ValueError', 'no [red]good[/]\nat all', 'tuning')
ONES = np.ones(2)


class Shown:
    """A screen that keeps what was drawn last, as text, and the lines that stay; can wait for a drawing."""

    height = 24

    def __init__(self, fails=False):
        self.view, self.lines, self.calls = '', [], []
        self.drawn = threading.Event()
        self._fails = fails

    def open(self):
        self.calls.append('open')

    def show(self, view, lines):
        console = Console(width=80, file=io.StringIO(), record=True)
        console.print(view)
        self.view = console.export_text()
        self.lines += [line.plain for line in lines]
        self.drawn.set()
        if self._fails:
            raise OSError('the terminal is gone')

    def close(self, lines):
        self.calls.append('close')
        self.lines += [line.plain for line in lines]


class Clock:
    now = 100.0

    def __call__(self):
        return self.now


@pytest.fixture
def progress():
    """A display that is drawn by hand: its thread never starts."""
    progress = LiveProgress(Shown(), Clock())
    progress._thread = threading.Thread(target=lambda: None)
    progress._thread.start()
    return progress


def drawn(progress):
    progress.draw()
    return progress._screen


def test_it_shows_what_runs_what_is_left_and_who_is_ahead(progress):
    for point, perfs in (((16, '[x]'), [0.9, 0.8]), ((8, 'y'), [0.7, 0.75])):
        progress.handle(TrialsDone(point, trials(*perfs)))
    progress.handle(STATUS)
    shown = drawn(progress).view
    for words in ('at least 1:20 left', '1/3+', '4/9+', '1 of 2 cores', 'training: trial 4', '1 failed'):
        assert words in shown
    assert shown.index('1  16, [x]  0.8500 (0.2147 to 1.0000)  2 trials') < shown.index('=  8, y     0.7250')


def test_between_two_statuses_time_goes_on(progress):
    progress.handle(STATUS)
    progress._clock.now += 30
    shown = drawn(progress).view
    assert 'at least 0:50 left' in shown and '0:30 elapsed' in shown
    progress._clock.now += 300
    assert 'at least 0:01 left' in drawn(progress).view


def test_failures_stay_above_the_display_and_leave_the_board(progress):
    progress.handle(TrialsDone((16,), trials(1.0, 1.0)))
    progress.handle(PointFlagged((16,), ('sensitive',)))
    progress.handle(PointFailed((16,), ERROR))
    progress.handle(STATUS)
    progress.draw()
    screen = drawn(progress)
    assert screen.lines == ['failed (16): ValueError in tuning: no [red]good[/]\\nat all']
    assert 'best' not in screen.view and 'flags' not in screen.view


def test_many_failures_at_a_time_do_not_flood_the_terminal(progress):
    for n in range(1000):
        progress.handle(PointFailed((n,), ERROR))
    progress.handle(STATUS)
    lines = drawn(progress).lines
    assert len(lines) == 20 and lines[-1] == 'and 981 more failed just now'


def test_flags_are_counted_as_they_stand(progress):
    progress.handle(STATUS)
    progress.handle(PointFlagged((1,), ('sensitive',)))
    progress.handle(PointFlagged((2,), ('nan_seen', 'sensitive')))
    assert 'flags: sensitive (2), nan_seen (1); the latest: 2: nan_seen, sensitive' in drawn(progress).view
    progress.handle(PointFlagged((2,), ('nan_seen',)))
    assert 'sensitive (1), nan_seen (1); the latest: 2: nan_seen' in drawn(progress).view
    progress.handle(PointFlagged((1,), ()))
    progress.handle(PointFlagged((2,), ()))
    assert 'flags' not in drawn(progress).view


def test_what_is_told_is_worked_out_by_the_display_not_by_the_sweep(progress, monkeypatch):
    def fail(*_):
        raise AssertionError('in the thread of the sweep')

    monkeypatch.setattr(progress._builder, 'handle', fail)
    progress.handle(TrialsDone((16,), trials(1.0, 1.0)))
    progress.handle(PointFlagged((16,), ('sensitive',)))
    progress.handle(PointFailed((16,), ERROR))
    progress.handle(STATUS)
    with pytest.raises(AssertionError):
        progress.draw()


def test_a_thread_draws_from_the_first_status_to_the_end():
    screen = Shown()
    progress = LiveProgress(screen)
    assert screen.calls == []
    progress.handle(STATUS)
    assert screen.drawn.wait(30)
    progress.handle(PointFailed((16,), ERROR))
    progress.handle(SweepEnded())
    assert screen.calls == ['open', 'close']
    assert screen.lines[0].startswith('failed (16)')
    assert screen.lines[-1] == '1/3+ tuned, 4/9+ trials, 1 failed, 0:00 elapsed'
    assert not progress._thread.is_alive()


def test_a_display_that_cannot_be_drawn_is_reported_once_and_ends():
    progress = LiveProgress(Shown(fails=True))
    progress.handle(STATUS)
    progress._thread.join()
    with pytest.raises(OSError, match='the terminal is gone'):
        progress.handle(STATUS)
    progress.handle(SweepEnded())


def test_end_without_a_start_is_fine():
    screen = Shown()
    LiveProgress(screen).handle(SweepEnded())
    assert screen.calls == []


def test_in_a_terminal_the_view_is_taken_away_at_the_end_and_lines_stay():
    file = io.StringIO()
    console = Console(width=80, height=24, file=file, force_terminal=True, record=True)
    screen = TerminalScreen(console)
    assert screen.height == 23
    screen.open()
    progress = LiveProgress(screen, Clock())
    progress._thread = threading.Thread(target=partial(int))
    progress._thread.start()
    progress.handle(STATUS)
    progress.draw()
    progress.handle(PointFailed((16,), ERROR))
    progress.draw()
    progress.handle(SweepEnded())
    shown = file.getvalue()
    assert 'no [red]good[/]\\nat all' in shown and 'training: trial 4' in shown
    assert shown.count('failed (16)') == 1
    *_, taken_away, left = shown.split('\x1b[2K')
    assert taken_away == '\x1b[1A' and '1/3+ tuned' in left


@pytest.mark.parametrize('width', [40, 60, 100])
def test_ctrl_c_fits_behind_the_view_so_that_all_of_it_can_be_taken_away(width):
    file = io.StringIO()
    screen = TerminalScreen(Console(width=width, file=file, force_terminal=True))
    screen.open()
    screen.show(Text('x' * 500, no_wrap=True, overflow='crop'), [])
    last = re.findall('x+', file.getvalue())[-1]
    assert 0 < len(last) + len('^C^C') <= width
    screen.close([])


@pytest.fixture
def cell(monkeypatch):
    """What the output of a notebook's cell was, one after another."""
    shown = []
    instead = SimpleNamespace(
        HTML=lambda html: html,
        display=lambda html, display_id: shown.append(html) or SimpleNamespace(update=shown.append),
    )
    monkeypatch.setitem(sys.modules, 'IPython', SimpleNamespace(display=instead))
    monkeypatch.setitem(sys.modules, 'IPython.display', instead)
    return shown


def test_in_a_notebook_one_output_is_replaced_and_what_users_wrote_is_no_markup(progress, cell):
    progress._screen = NotebookScreen()
    progress._screen.open()
    progress.handle(PointFailed(('<script>alert(1)</script>',), ERROR))
    progress.handle(STATUS)
    progress.draw()
    progress.draw()
    progress.handle(SweepEnded())
    empty, first, second, last = cell
    assert empty == '' and first == second
    for html in (first, last):
        assert html.startswith('<pre') and 'color: #800000' in html
        assert '&lt;script&gt;alert(1)&lt;/script&gt;' in html and '<script' not in html
    assert 'training: trial 4' in first and 'training: trial 4' not in last
    assert '1/3+ tuned' in last
