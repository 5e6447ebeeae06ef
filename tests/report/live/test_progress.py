import sys

from sweeper.events import PointFailed, PointFlagged, PointTuned, Status, SweepEnded, SweepStarted, TrialsDone
from sweeper.points import NamedPoint
from sweeper.report.live.live import LiveProgress
from sweeper.report.live.plain import PlainProgress
from sweeper.report.live.progress import open_display, open_progress
from sweeper.report.live.snapshot import SnapshotBuilder
from sweeper.results import PointError, TrialResult, Tuned


def trials(*values, first=0):
    """Trials, all of whose scores are the same."""
    scores = ((index, (value, value, value, value)) for index, value in enumerate(values, first))
    return {index: TrialResult(0, 1, 0.0, False, *four) for index, four in scores}


STATUS = Status(
    points=3, tuned=1, failed=1, trials=9, trials_done=4, running=(((16, '[x]'), 'training: trial 4'),),
    more_to_come=True, seconds_left=80.0,
)  # fmt: skip


class Clock:
    """Stands still until it is set."""

    now = 100.0

    def __call__(self):
        return self.now


def test_plain_lines_tell_what_was_found_and_what_is_left(capsys):
    clock = Clock()
    progress = PlainProgress(clock)
    progress.handle(PointTuned((16, 'relu'), Tuned(0.01, 0.5, 32, 1, 1)))
    progress.handle(TrialsDone((16, 'relu'), trials(0.9, 0.8)))
    progress.handle(PointFlagged((16, 'relu'), ('sensitive', 'nan_seen')))
    progress.handle(PointFlagged((16, 'relu'), ()))
    progress.handle(PointFailed((3, 'tanh'), PointError('ValueError', 'no', 'tuning')))
    clock.now += 65
    progress.handle(STATUS)
    tuned, trained, flagged, cleared, failed = capsys.readouterr().err.splitlines()
    assert tuned == (
        '[   1:05, at least 1:20 left; 1/3+ tuned, 4/9+ trials, 1 failed] '
        'tuned (16, relu): lr 0.01 to 0.5, batch size 32, 1 epoch'
    )
    assert trained.endswith('trained (16, relu): validation performance 0.9000, 0.8000')
    assert flagged.endswith('flags of (16, relu): sensitive, nan_seen')
    assert cleared.endswith('flags of (16, relu): none any more')
    assert failed.endswith('failed (3, tanh): ValueError in tuning: no')


def test_what_was_found_on_disk_is_told_in_one_line_and_not_as_news(tmp_path, capsys):
    progress = PlainProgress(Clock())
    progress.handle(SweepStarted(tmp_path, ()))
    for width in (16, 32):
        progress.handle(PointTuned((width,), Tuned(0.01, 0.5, 32, 1, 1)))
        progress.handle(TrialsDone((width,), trials(1.0, 1.0)))
    progress.handle(PointFlagged((16,), ('sensitive',)))
    progress.handle(PointFailed((3,), PointError('ValueError', 'no', 'tuning')))
    progress.handle(STATUS)
    (line,) = capsys.readouterr().err.splitlines()
    assert line.endswith('] found on disk: 2 tuned, 4 trials, 1 failed; at least 5 trials to do')
    progress.handle(TrialsDone((16,), trials(1.0, 1.0)))
    progress.handle(STATUS)
    assert 'trained (16): ' in capsys.readouterr().err


def test_where_nothing_was_found_nothing_is_told_of_it(tmp_path, capsys):
    progress = PlainProgress()
    progress.handle(SweepStarted(tmp_path, ()))
    progress.handle(STATUS)
    assert capsys.readouterr().err == ''


def test_a_live_display_counts_what_was_found_and_shows_no_failure_again(tmp_path):
    builder = SnapshotBuilder()
    builder.handle(SweepStarted(tmp_path, ()))
    builder.handle(TrialsDone((16,), trials(1.0, 1.0, 1.0)))
    builder.handle(PointFailed((3,), PointError('ValueError', 'no', 'tuning')))
    builder.handle(STATUS)
    builder.handle(TrialsDone((16,), trials(1.0, 1.0, 1.0)))
    assert builder.snapshot(0.0).on_disk == 3 and builder.new_lines() == []
    builder.handle(PointFailed((4,), PointError('ValueError', 'no', 'tuning')))
    assert len(builder.new_lines()) == 1


def test_what_is_told_after_the_last_status_is_not_lost(capsys):
    progress = PlainProgress()
    progress.handle(SweepEnded())
    progress.handle(STATUS)
    progress.handle(PointFailed((3,), PointError('ValueError', 'no', 'tuning')))
    progress.handle(SweepEnded())
    assert capsys.readouterr().err.endswith('failed (3): ValueError in tuning: no\n')


def test_a_plain_line_is_one_whatever_it_tells(capsys):
    progress = PlainProgress()
    point = NamedPoint({'a\nb': '\x1b[2J'})
    progress.handle(PointTuned(point, Tuned(0.01, 0.5, 32, 1, 1)))
    progress.handle(PointFailed(point, PointError('ValueError', 'two\nlines\r', 'tuning')))
    progress.handle(STATUS)
    shown = capsys.readouterr().err
    assert len(shown.splitlines()) == 2 and '\x1b' not in shown and '\r' not in shown


def test_kinds():
    assert open_progress('none') is None
    assert isinstance(open_progress('plain'), PlainProgress)
    assert isinstance(open_progress('rich'), LiveProgress)


def test_where_it_is_no_terminal_lines_are_plain(monkeypatch):
    assert isinstance(open_progress('auto'), PlainProgress)
    monkeypatch.setattr(sys.stderr, 'isatty', lambda: True, raising=False)
    monkeypatch.setenv('TERM', 'xterm')
    assert isinstance(open_display(), LiveProgress)
