"""The command line: `sweeper run`, `status`, `report`, `plot`, `collate` and `params`.

Exit codes: 0 all is well; 1 the sweep is complete, but some points failed; 2 the input was wrong; 3 the
sweep could not go on, and what is done is kept; 130 interrupted (143 terminated, 129 hung up), and the same
command continues.
"""

from . import collate, params, plot, report, run, status
from .app import ENDED_EARLY, SOME_POINTS_FAILED, WRONG_INPUT, app, main

__all__ = [
    'ENDED_EARLY', 'SOME_POINTS_FAILED', 'WRONG_INPUT', 'app', 'collate', 'main', 'params', 'plot', 'report',
    'run', 'status',
]  # fmt: skip
