"""Tries a sweep's points before anything is trained, and tells a bad point from a bad problem."""

from __future__ import annotations

import warnings
from collections.abc import Iterator, Sequence

from ..errors import ProblemError, ProblemWarning
from ..executors.base import Executor, Task, run_all
from ..points import Point, label
from ..seeding import run_seed
from ..text import users_frames
from ..training.facts import DryRun, Fault

_MORE_IF_CERTAIN = 4


def check_by_dry_runs(executor: Executor, points: Sequence[Point], seed: int, are_all: bool) -> None:
    """Has the first point dry-run by the executor; if that goes wrong, others too.

    A point that fails where another does not has its failure to itself: it is recorded when it is tuned.
    So is one whose run gave no answer at all: its process died, say.

    Args:
        executor: Started, with nothing to do.
        points: Those known so far, in order; at least one.
        seed: The sweep's.
        are_all: There will be no others.

    Raises:
        ProblemError: Every point fails in the same way, and this is understood, or there are several and
            no others.
    """
    dry_runs = _dry_runs(executor, points, seed)
    first = next(dry_runs)
    if first is None or first.fault is None:
        for message in first.warnings if first is not None else ():
            warnings.warn(message, ProblemWarning, stacklevel=2)
        return
    fault = first.fault
    if not fault.is_certain and (not are_all or len(points) == 1):
        return
    attempts = 1
    for other in dry_runs:
        if other is None or other.fault is None or not _is_alike(other.fault, fault):
            return
        attempts += 1
        if fault.is_certain and attempts > _MORE_IF_CERTAIN:
            break
    if fault.is_certain:
        raise ProblemError(fault.message)
    raise ProblemError(
        f'no point can be trained: for all {attempts}, such as ({label(points[0])}), {fault.stage} '
        f'raised {fault.message}\n{users_frames(fault.traceback)}'.rstrip()
    )


def _is_alike(fault: Fault, other: Fault) -> bool:
    return (fault.kind, fault.is_certain) == (other.kind, other.is_certain)


def _dry_runs(executor: Executor, points: Sequence[Point], seed: int) -> Iterator[DryRun | None]:
    """The dry runs of points, in order, the first alone; None for one that gave no answer."""
    start, count = 0, 1
    while start < len(points):
        some = points[start : start + count]
        arguments = {'seed': run_seed(seed, 'dry run', 0)}
        for outcome in run_all(executor, [Task('dry run', 'dry_run', point, arguments) for point in some]):
            yield outcome.value if outcome.error is None else None
        start, count = start + count, executor.cores
