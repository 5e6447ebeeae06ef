import io

import numpy as np
import pytest
from rich.console import Console

from sweeper.errors import InvalidArgument
from sweeper.report.live import LiveProgress
from sweeper.report.progress import PlainProgress, open_progress
from sweeper.selectors.listener import SweepStatus
from sweeper.store.results import PointError

STATUS = SweepStatus(
    points=3, tuned=1, failed=1, trials=9, trials_done=4, running=(((16, '[x]'), 'training: trial 4'),),
    more_to_come=True,
)  # fmt: skip


def test_plain_lines_tell_what_was_found_and_what_is_left(capsys):
    progress = PlainProgress()
    progress.on_hparams_found((16, 'relu'), 0.01, 0.5, 32)
    progress.on_trials_completed((16, 'relu'), np.ones(2), np.ones(2), np.array([0.9, 0.8]), np.ones(2))
    progress.on_point_failed((3, 'tanh'), PointError('ValueError', 'no', 'tuning'))
    progress.on_status(STATUS)
    tuned, trained, failed = capsys.readouterr().err.splitlines()
    assert '1/3+ tuned, 4/9+ trials, 1 failed] tuned (16, relu): lr 0.01 to 0.5, batch size 32' in tuned
    assert trained.endswith('trained (16, relu): validation performance 0.9000, 0.8000')
    assert failed.endswith('failed (3, tanh): ValueError in tuning: no')


def test_live_display_shows_what_runs_and_what_is_left():
    console = Console(width=100, record=True, force_terminal=True, file=io.StringIO())
    progress = LiveProgress(console)
    progress.on_status(STATUS)
    progress.on_end()
    console.print(progress._render())
    shown = console.export_text()
    for words in ('1/3+', '4/9+', '16, [x]', 'training: trial 4', '1 failed', 'elapsed'):
        assert words in shown


def test_end_without_a_start_is_fine():
    LiveProgress(Console()).on_end()


def test_kinds():
    assert open_progress('none') is None
    assert isinstance(open_progress('plain'), PlainProgress)
    assert isinstance(open_progress('rich'), LiveProgress)
    with pytest.raises(InvalidArgument, match="progress='loud'"):
        open_progress('loud')
