"""What shall happen to which sweep and when: all of it drawn beforehand, from one seed."""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass, fields, replace

WORKER, PARENT, EVERYONE = 'worker', 'parent', 'everyone'
SIGKILL = 'SIGKILL'
WRITE_ERRORS = ('ENOSPC', 'EIO')
SELECTORS = ('generations', 'eager', 'evolution', 'racing', 'halving')

_FAULTS_PER_SWEEP = 22


@dataclass(frozen=True)
class Counts:
    """How many faults of each kind."""

    worker_kills: int = 0
    parent_kills: int = 0
    failed_writes: int = 0
    damaged_files: int = 0

    def __add__(self, other: Counts) -> Counts:
        return Counts(*(getattr(self, f.name) + getattr(other, f.name) for f in fields(self)))

    def total(self) -> int:
        return sum(getattr(self, f.name) for f in fields(self))

    def spread(self, parts: int) -> list[Counts]:
        """Returns `parts` counts that differ by at most one in each kind and add up to this."""
        return [
            Counts(*((getattr(self, f.name) + part) // parts for f in fields(self))) for part in range(parts)
        ]


@dataclass(frozen=True)
class Kill:
    """A SIGKILL from outside.

    Attributes:
        victim: `worker`, `parent`, or `everyone` (the parent and its workers at one instant).
        progress: It comes after so much has been written, in shares of what a session is expected to write;
            None if only time counts.
        seconds: It comes so long after that, or after the start.
        choice: Which of the workers, in [0, 1).
    """

    victim: str
    progress: float | None
    seconds: float
    choice: float


@dataclass(frozen=True)
class WriteFault:
    """What happens to the parent at one low-level step of writing a file.

    Attributes:
        progress: At which step, in shares of those that a session is expected to take.
        action: `SIGKILL`, or the error that the step meets. `ENOSPC` stays: later writes fail too.
    """

    progress: float
    action: str


@dataclass(frozen=True)
class Damage:
    """Damage to one file between two starts.

    Attributes:
        kind: Which kind of file, of those that are there, in [0, 1).
        file: Which file of that kind, in [0, 1).
        how: `truncated`, `emptied` or `overwritten`.
        length: For `truncated`: what remains, as a share, in [0, 1).
        seed: For `overwritten`: of the garbage.
    """

    kind: float
    file: float
    how: str
    length: float
    seed: int


@dataclass(frozen=True)
class Session:
    """One start of a sweep, and all that happens to it; `end` None lets it finish."""

    cores: int
    damages: tuple[Damage, ...] = ()
    worker_kills: tuple[Kill, ...] = ()
    end: Kill | WriteFault | None = None


@dataclass(frozen=True)
class SweepPlan:
    """One sweep: its seed, its selector, its sessions, and what to compare it with.

    Attributes:
        seed: The sweep's.
        selector: One of `SELECTORS`.
        reference_cores: How many cores the uninterrupted sweep gets; 0 runs it inline.
        sessions: In order. The last one is let finish.
    """

    seed: int
    selector: str
    reference_cores: int
    sessions: tuple[Session, ...]


def make_plan(
    rng: random.Random, counts: Counts, sweeps: int | None = None, selectors: Sequence[str] = SELECTORS
) -> list[SweepPlan]:
    """Spreads faults over sweeps (about twenty each, if not told how many) that take turns in selectors."""
    sweeps = sweeps or max(1, round(counts.total() / _FAULTS_PER_SWEEP))
    return [
        _plan_sweep(rng, part, selectors[number % len(selectors)])
        for number, part in enumerate(counts.spread(sweeps))
    ]


def _plan_sweep(rng: random.Random, counts: Counts, selector: str) -> SweepPlan:
    ends: list[Kill | WriteFault | None] = [_parent_kill(rng) for _ in range(counts.parent_kills)]
    ends += [WriteFault(rng.uniform(0, 1.6), rng.choice(WRITE_ERRORS)) for _ in range(counts.failed_writes)]
    rng.shuffle(ends)
    if counts.damaged_files and not ends:
        ends.append(None)  # there must be something to damage
    sessions = [Session(rng.choice((1, 2, 2, 2, 3)), end=end) for end in (*ends, None)]
    for _ in range(counts.worker_kills):
        index = rng.randrange(len(sessions))
        kills = (*sessions[index].worker_kills, _worker_kill(rng))
        sessions[index] = replace(sessions[index], worker_kills=kills)
    for _ in range(counts.damaged_files):
        index = rng.randrange(1, len(sessions))
        damages = (*sessions[index].damages, _damage(rng))
        sessions[index] = replace(sessions[index], damages=damages)
    return SweepPlan(rng.randrange(2**31), selector, rng.choice((0, 3)), tuple(sessions))


def _parent_kill(rng: random.Random) -> Kill | WriteFault:
    """At a step of a write, while the cores are busy, or at any time since the start."""
    way = rng.random()
    if way < 0.3:
        return WriteFault(rng.uniform(0, 1.6), SIGKILL)
    victim = EVERYONE if rng.random() < 0.2 else PARENT
    if way < 0.75:
        return Kill(victim, rng.uniform(0, 1.6), rng.uniform(0, 0.3), rng.random())
    return Kill(victim, None, rng.uniform(0.1, 6), rng.random())


def _worker_kill(rng: random.Random) -> Kill:
    if rng.random() < 0.7:
        return Kill(WORKER, rng.uniform(0, 0.8), rng.uniform(0, 0.3), rng.random())
    return Kill(WORKER, None, rng.uniform(1, 6), rng.random())


def _damage(rng: random.Random) -> Damage:
    how = rng.choice(('truncated', 'truncated', 'emptied', 'overwritten'))
    return Damage(rng.random(), rng.random(), how, rng.random(), rng.randrange(2**31))
