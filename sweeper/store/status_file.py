"""What a sweep says of itself while it runs, in `running.json`, for who looks on from another process."""

from __future__ import annotations

import os
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from ..annotations import check_types
from ..io.checksums import json_bytes
from ..io.files import TEMPORARY_SUFFIX, open_temporary
from .layout import SweepLayout
from .lock import holder


@dataclass(frozen=True)
class Note:
    """How a sweep stands, as far as its results on disk do not tell that.

    Attributes:
        at: When it was written, in seconds since 1970.
        cores: Cores that it uses.
        busy: Cores that train.
        points: Points proposed so far.
        trials: Trials asked for so far.
        more_to_come: The selector may propose more.
        share: How much of the work is done, in [0, 1].
        seconds_left: What is left of it, about; None if that is not known.
    """

    at: float
    cores: int
    busy: int
    points: int
    trials: int
    more_to_come: bool
    share: float
    seconds_left: float | None


Running = Sequence[tuple[int, str]]
"""What goes on, as `(id of the point, description)`."""


def write_note(folder: Path, note: Note, running: Running) -> None:
    """Adds a note to what `running.json` says; only the process that holds the folder may do it.

    It is out of date in a moment: it is not flushed to the disk, and that it cannot be written is no error.
    """
    path = SweepLayout(folder).running
    temporary = path.with_name(path.name + TEMPORARY_SUFFIX)
    content = {**asdict(note), 'running': [list(task) for task in running]}
    with suppress(OSError):
        data = json_bytes({**holder(folder), 'note': content})
        with open(temporary, 'wb', opener=open_temporary) as file:
            file.write(data)
        os.replace(temporary, path)


def read_note(who: dict[str, Any]) -> tuple[Note, Running] | None:
    """Finds the note in what `lock.holder` returns; None if there is none that can be understood."""
    try:
        content = dict(who['note'])
        running = [(int(point_id), str(text)) for point_id, text in content.pop('running')]
        check_types(Note, content)
        return Note(**content), running
    except (LookupError, TypeError, ValueError):
        return None


def since(who: dict[str, Any]) -> float | None:
    """When the sweep was started or continued, in seconds since 1970; None if that is not told."""
    try:
        return datetime.fromisoformat(str(who['since'])).timestamp()
    except (LookupError, ValueError, OverflowError, OSError):
        return None
