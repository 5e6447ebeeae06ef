"""What is read only when someone looks closer at a point: how it was tuned, how its trials went."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import numpy as np

from ..errors import FolderError
from ..io.checksums import read_sealed
from ..io.files import read_npz
from ..text import reason
from .layout import PointLayout

Content = TypeVar('Content')


def read_misc(layout: PointLayout) -> dict[str, Any]:
    """Reads every number that went into a point's tuning; empty if it is not done.

    Raises:
        FolderError: It cannot be read.
    """
    return _read(layout.misc, read_sealed) or {}


def read_curve(layout: PointLayout, name: str) -> dict[str, np.ndarray] | None:
    """Reads one of a point's tuning curves (`layout.CURVE_NAMES`), or None if it has none.

    Raises:
        FolderError: It cannot be read.
    """
    return _read(layout.curve(name), read_npz)


def read_throughtime(layout: PointLayout, index: int) -> dict[str, np.ndarray] | None:
    """Reads a trial's scores at the end of every learning-rate cycle, or None if it is not done.

    Raises:
        FolderError: It cannot be read.
    """
    return _read(layout.trial(index).throughtime, read_npz)


def _read(path: Path, read: Callable[[Path], Content]) -> Content | None:
    try:
        return read(path)
    except FileNotFoundError:
        return None
    except (ValueError, OSError) as error:
        raise FolderError(f'cannot read {path}: {reason(error, path)}') from error
