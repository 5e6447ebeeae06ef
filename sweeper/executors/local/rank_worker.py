"""The program of a worker that has its runs done by several processes (see `ranks`)."""

from __future__ import annotations

from functools import partial

from . import worker
from .ranks import work_together

main = partial(worker.main, together=work_together)
