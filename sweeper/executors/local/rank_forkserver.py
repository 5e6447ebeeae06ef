"""The program of a fork server whose workers have their runs done by several processes each (see `ranks`)."""

from __future__ import annotations

from functools import partial

from . import forkserver
from .ranks import work_together

main = partial(forkserver.main, together=work_together)
