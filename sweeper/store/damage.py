"""Files that are damaged: named, and set aside so that they are computed anew."""

from __future__ import annotations

import warnings
from pathlib import Path

from ..errors import DamagedFileWarning
from ..io.files import AtomicWriter
from ..text import one_line
from .layout import SweepLayout


class DamagedFile(Exception):
    """A file is not what was written.

    Attributes:
        path: The file.
        reason: What is wrong with it.
    """

    def __init__(self, path: Path, reason: object) -> None:
        super().__init__(f'{path} is damaged: {reason}')
        self.path, self.reason = path, reason


def set_aside(layout: SweepLayout, writer: AtomicWriter, path: Path, reason: object) -> None:
    """Moves a file or folder to the same place below `damaged/`, and warns.

    Args:
        layout: The sweep's folder.
        writer: Writes in it.
        path: What to move; what goes together is moved at once, so that an interruption leaves no half of it.
        reason: What is wrong, for the warning.
    """
    target = layout.damaged / path.relative_to(layout.folder)
    number = 1
    while target.exists() or target.is_symlink():
        number += 1
        target = target.with_name(f'{path.name}.{number}')
    writer.move(path, target)
    warnings.warn(
        one_line(
            f'damaged: {reason}; {path.relative_to(layout.folder)} is set aside as '
            f'{target.relative_to(layout.folder)} and computed anew'
        ),
        DamagedFileWarning,
        stacklevel=2,
    )
