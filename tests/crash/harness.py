"""Carries a plan out: interrupts its sweeps, starts them again until they are done, compares and counts."""

from __future__ import annotations

import random
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from . import child
from .child import Order
from .compare import differences
from .damage import DamagedFiles
from .plan import SIGKILL, WORKER, Counts, Damage, Kill, Session, SweepPlan, WriteFault, make_plan
from .runs import finished_runs, lost_runs, read_notes, repeated_runs, submitted_runs
from .session import Ending, watch
from .tally import Tally

_STEPS_PER_FILE = 5  # open, write, fsync, replace, fsync of the folder
_MOST_ROUNDS = 4
_MOST_EXTRA_STARTS = 3


def carry_out(
    plan: Sequence[SweepPlan],
    rng: random.Random,
    work: Path,
    report: Callable[[str], None],
    address: str = '',
) -> Tally:
    """Carries a plan out. Faults that came too late (the sweep was done) go to further sweeps.

    Args:
        plan: The sweeps.
        rng: Plans the further sweeps.
        work: An empty folder; all that a sweep leaves is kept there.
        report: Told a line per sweep.
        address: Of the Ray cluster that runs what is interrupted; empty for workers of this machine.
    """
    child.preload()
    tally, number = Tally(), 0
    for _ in range(_MOST_ROUNDS):
        missed = Counts()
        for sweep_plan in plan:
            sweep = InterruptedSweep(sweep_plan, work / f'sweep-{number}', tally, address)
            missed += sweep.run()
            report(sweep.summary())
            number += 1
        if not missed.total():
            return tally
        plan = make_plan(rng, missed, selectors=sorted({one.selector for one in plan}))
    tally.count('faults_not_delivered', [missed] * missed.total(), 'in the end')
    return tally


class Reference(NamedTuple):
    """What the uninterrupted sweep did: how many files it wrote, and what its selector was told."""

    files: int
    heard: list[list[Any]]


class InterruptedSweep:
    """One sweep, its uninterrupted twin, and all that happens to it.

    Args:
        plan: What happens.
        work: A new folder for both.
        tally: Where to count.
        address: As for `carry_out`.
    """

    def __init__(self, plan: SweepPlan, work: Path, tally: Tally, address: str = '') -> None:
        work.mkdir()
        self._address = address
        self._plan, self._work, self._tally = plan, work, tally
        self._folder, self._reference_folder = work / 'interrupted', work / 'uninterrupted'
        self._damaged = DamagedFiles(self._folder)
        self._starts = self._faults = 0
        self._began = time.monotonic()
        self._wrong_before = tally.wrong()

    def run(self) -> Counts:
        """Does all of it; returns the faults that came too late."""
        self._reference = self._run_reference()
        self._pace = self._reference.files / len(self._plan.sessions)
        missed, late = Counts(), list[Kill]()
        for session in self._plan.sessions:
            missed += self._inflict(session.damages)
            kills = [*late, *session.worker_kills]
            ending = self._start(session, kills)
            late = [kill for kill in kills if kill not in ending.delivered]
            missed += _undelivered_end(session, ending)
        for _ in range(_MOST_EXTRA_STARTS):
            if ending.code == child.FINISHED:
                break
            ending = self._start(Session(cores=2), [])
        self._check_end(ending)
        return missed + Counts(worker_kills=len(late))

    def summary(self) -> str:
        """Says in a line what happened."""
        wrong = self._tally.wrong() - self._wrong_before
        verdict = f'{wrong} things went wrong' if wrong else 'as if nothing had happened'
        seconds = time.monotonic() - self._began
        return (
            f'{self._work.name}, {self._plan.selector}, seed {self._plan.seed}: {self._starts} starts, '
            f'{self._faults} faults, {seconds:.0f} s: {verdict}'
        )

    def _run_reference(self) -> Reference:
        ending, notes = self._run_child('uninterrupted', self._reference_folder, self._plan.reference_cores)
        if ending.code != child.FINISHED:
            log = (self._work / 'uninterrupted.log').read_text()
            raise RuntimeError(f'even the uninterrupted sweep ends with {ending.code}:\n{log[-3000:]}')
        self._log(f'uninterrupted: {ending}')
        return Reference(ending.files, notes[-1]['heard'])

    def _run_child(
        self, name: str, folder: Path, cores: int, kills: Sequence[Kill] = (), fault: WriteFault | None = None
    ) -> tuple[Ending, list[dict[str, Any]]]:
        """Starts the sweep and waits for its end; returns that, and what it noted."""
        order = Order(
            folder, self._plan.seed, self._plan.selector, cores,
            notes=self._work / f'{name}.notes',
            mark=f'{self._work}/{name}',
            address='' if folder == self._reference_folder else self._address,
            fault_step=round(fault.progress * self._pace * _STEPS_PER_FILE) if fault else None,
            fault_action=fault.action if fault else '',
        )  # fmt: skip
        started = child.fork(order, self._work / f'{name}.log')
        ending = watch(started, kills, self._pace if kills else 0.0, order.mark)
        notes = read_notes(order.notes)
        ending.write_faults = sum(note['what'] == 'fault' for note in notes)
        return ending, notes

    def _start(self, session: Session, worker_kills: Sequence[Kill]) -> Ending:
        """Starts the sweep once, does to it what is planned, and checks what was finished before."""
        self._tally.restarts += self._starts > 0
        self._starts += 1
        name, end = f'start-{self._starts}', session.end
        before = finished_runs(self._folder, self._damaged.is_damaged)
        ending, notes = self._run_child(
            name, self._folder, session.cores,
            kills=[*worker_kills, *([end] if isinstance(end, Kill) else [])],
            fault=end if isinstance(end, WriteFault) else None,
        )  # fmt: skip
        after = finished_runs(self._folder, self._damaged.is_damaged)
        self._took_place(_delivered(session, ending))
        where = f'{self._work.name} {name}'
        self._tally.count('processes_left_behind', ending.left_behind, where)
        self._tally.count('unclear_ends', _unclear(session, ending, notes), where)
        self._tally.count('set_aside_without_need', self._damaged.set_aside_without_need(), where)
        self._tally.count('runs_lost', lost_runs(before, after), where)
        try:
            submitted = submitted_runs(notes, self._folder)
            self._tally.count('runs_done_twice', repeated_runs(before, submitted), where)
        except ValueError as error:
            self._tally.count('unclear_ends', [error], where)
        self._log(f'{name}: {session}\n  {ending}\n  {len(before)} -> {len(after)} finished runs')
        return ending

    def _inflict(self, damages: Sequence[Damage]) -> Counts:
        """Damages files; returns how many times there was none to damage."""
        done = [self._damaged.inflict(damage) for damage in damages]
        if done:
            self._log(f'damaged: {done}')
        self._took_place(Counts(damaged_files=sum(one is not None for one in done)))
        return Counts(damaged_files=done.count(None))

    def _took_place(self, faults: Counts) -> None:
        self._tally.delivered += faults
        self._faults += faults.total()

    def _check_end(self, ending: Ending) -> None:
        """Compares the folder, and what the selector was told, with those of the uninterrupted sweep."""
        where = f'{self._work.name} at the end'
        if ending.code != child.FINISHED:
            self._tally.count('unclear_ends', ['it is not finished'], where)
        expected = finished_runs(self._reference_folder, self._damaged.is_damaged)
        held = finished_runs(self._folder, self._damaged.is_damaged)
        self._tally.count('runs_lost', lost_runs(expected, held), where)
        found = differences(self._folder, self._reference_folder)
        self._tally.count('files_differing', found, where)
        failed = [name for name in found if name.endswith('error.json') and (self._folder / name).exists()]
        self._tally.count('failed_points', failed, where)
        last = read_notes(self._work / f'start-{self._starts}.notes')
        told = last[-1].get('heard', []) if last else []
        others = [one for one, other in zip(told, self._reference.heard, strict=False) if one != other]
        missing = abs(len(told) - len(self._reference.heard))
        self._tally.count('events_told_differently', others + ['missing'] * missing, where)

    def _log(self, text: str) -> None:
        with open(self._work / 'history.txt', 'a') as file:
            file.write(f'{time.monotonic() - self._began:.1f} s, {text}\n')


def _delivered(session: Session, ending: Ending) -> Counts:
    """Returns which faults came to pass in a session, damages aside."""
    worker_kills = sum(kill.victim == WORKER for kill in ending.delivered)
    parent_kills = len(ending.delivered) - worker_kills
    if isinstance(session.end, WriteFault) and session.end.action != SIGKILL:
        return Counts(worker_kills, parent_kills, failed_writes=ending.write_faults)
    return Counts(worker_kills, parent_kills + ending.write_faults)


def _undelivered_end(session: Session, ending: Ending) -> Counts:
    done = _delivered(session, ending)
    if session.end is None or done.parent_kills or done.failed_writes:
        return Counts()
    if isinstance(session.end, WriteFault) and session.end.action != SIGKILL:
        return Counts(failed_writes=1)
    return Counts(parent_kills=1)


def _unclear(session: Session, ending: Ending, notes: Sequence[dict[str, Any]]) -> list[str]:
    """Says what is wrong with how a session ended: at most one thing."""
    done = _delivered(session, ending)
    expected = child.FINISHED
    if done.parent_kills:
        expected = -9
    elif done.failed_writes:
        expected = child.REFUSED
    if ending.has_hung:
        return ['hung']
    if ending.code == expected:
        return []
    said = [f'{note["kind"]}: {note["message"]}' for note in notes if note['what'] in ('refused', 'broke')]
    return [f'exit code {ending.code} and not {expected} {said}']
