"""Optional dependencies: imported where they are used; the error for a missing one says what to install."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from .errors import MissingExtra

DISTRIBUTION = 'fair-sweeper'  # the package's name on the index; it is imported as `sweeper`


@contextmanager
def needed(extra: str, reason: str) -> Iterator[None]:
    """Within it, an import that fails is a `MissingExtra`.

    Args:
        extra: The extra of the distribution that brings what is imported.
        reason: What needs what, such as `figures need matplotlib`.

    Raises:
        MissingExtra: Something imported within it is not installed.
    """
    try:
        yield
    except ImportError as error:
        raise MissingExtra(f"{reason}: pip install '{DISTRIBUTION}[{extra}]' ({error})") from error
