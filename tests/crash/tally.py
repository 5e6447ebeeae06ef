"""Counts what was done to sweeps and what came of it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from rich.table import Table

from .plan import Counts

_AMONG_PROBLEMS = 6


@dataclass
class Outcome:
    """What came of it all: every number should be 0."""

    runs_lost: int = 0
    runs_done_twice: int = 0
    files_differing: int = 0
    set_aside_without_need: int = 0
    events_told_differently: int = 0
    processes_left_behind: int = 0
    failed_points: int = 0
    unclear_ends: int = 0
    faults_not_delivered: int = 0


@dataclass
class Tally:
    """The counts of a whole plan.

    Attributes:
        delivered: The faults that came to pass.
        restarts: How often a sweep was started again.
        outcome: What went wrong.
        problems: What went wrong, in words, and where.
    """

    delivered: Counts = field(default_factory=Counts)
    restarts: int = 0
    outcome: Outcome = field(default_factory=Outcome)
    problems: dict[str, list[str]] = field(default_factory=dict)

    def count(self, what: str, items: Sequence[object], where: str) -> None:
        """Counts things that should not be, one by one."""
        if not items:
            return
        setattr(self.outcome, what, getattr(self.outcome, what) + len(items))
        some = ', '.join(map(str, items[:_AMONG_PROBLEMS])) + ', …' * (len(items) > _AMONG_PROBLEMS)
        self.problems.setdefault(f'{what.replace("_", " ")}: {some}', []).append(where)

    def wrong(self) -> int:
        """Returns how many things went wrong: 0, if all is well."""
        return sum(vars(self.outcome).values())

    def table(self) -> Table:
        """Returns the counts as a table."""
        table = Table('', 'count', 'should be', box=None)
        table.columns[1].justify = table.columns[2].justify = 'right'
        done = self.delivered
        table.add_row('kills of workers', str(done.worker_kills))
        table.add_row('kills of parents', str(done.parent_kills))
        table.add_row('failed writes', str(done.failed_writes))
        table.add_row('damaged files', str(done.damaged_files))
        table.add_row('restarts', str(self.restarts))
        for what, count in vars(self.outcome).items():
            table.add_row(what.replace('_', ' '), str(count), '0', style='bold red' if count else None)
        return table
