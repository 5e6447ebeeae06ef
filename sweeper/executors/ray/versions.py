"""What results depend on beside the problem: Python and libraries, on this node and on others."""

from __future__ import annotations

import platform
from importlib.metadata import PackageNotFoundError, version

from ...errors import SweepError
from ...version import __version__
from .messages import Report

_LIBRARIES = ('torch', 'numpy', 'ray')
_MISSING = 'not installed'


def versions() -> dict[str, str]:
    """Returns versions in this process, without importing anything; a build of torch is not part of its."""
    return {'python': platform.python_version(), 'sweeper': __version__, **dict(map(_version, _LIBRARIES))}


def check_same(report: Report, here: dict[str, str], fingerprint: str | None) -> None:
    """Checks that a node has what the process that sweeps has.

    Args:
        report: The node's.
        here: The versions in this process.
        fingerprint: The problem's, as this process has it; None if its source is not known.

    Raises:
        SweepError: Something differs; the message names the node, and both values.
    """
    for name, own in here.items():
        if (other := report.versions.get(name, _MISSING)) != own:
            raise SweepError(
                f'the node {report.name} has {name} {other}, this process {own}: results could not be '
                f'compared. Install the same on all nodes'
            )
    if report.fingerprint != fingerprint and fingerprint is not None:
        other = 'does not have it' if report.fingerprint is None else f'has {report.fingerprint[:12]}'
        raise SweepError(
            f'the problem on the node {report.name} is not that of this process, where its source has the '
            f'fingerprint {fingerprint[:12]}: the node {other}. Install the same there, or have it sent '
            f"(problem='sent')"
        )


def _version(library: str) -> tuple[str, str]:
    try:
        return library, version(library).partition('+')[0]
    except PackageNotFoundError:
        return library, _MISSING
