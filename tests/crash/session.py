"""One start of a sweep from outside: watches it, kills at the planned moments, sees what is left behind."""

from __future__ import annotations

import math
import os
import select
import signal
import time
from collections.abc import Sequence
from contextlib import ExitStack, suppress
from dataclasses import dataclass, field

import psutil

from .child import MARK, Forked
from .plan import EVERYONE, WORKER, Kill

GONE_AFTER = 2.0
_TOO_LONG = 180.0
_AGAIN = 0.2


@dataclass
class Ending:
    """How a session ended.

    Attributes:
        code: The exit code; negative for the signal that ended it.
        delivered: The kills that came to pass, in order.
        files: How many files it wrote.
        left_behind: The processes that were still there two seconds after its end. They are ended by now.
        write_faults: How many faults at a step of a write came to pass; 0 or 1.
        has_hung: It did not end by itself in a long time, and was killed for that.
    """

    code: int = 0
    delivered: list[Kill] = field(default_factory=list)
    files: int = 0
    left_behind: list[str] = field(default_factory=list)
    write_faults: int = 0
    has_hung: bool = False


@dataclass
class _Alarm:
    """A kill to come: once `files` have been written, `kill.seconds` later."""

    kill: Kill
    files: int
    due: float = math.inf

    def hear(self, files: int, now: float) -> None:
        if self.due == math.inf and files >= self.files:
            self.due = now + self.kill.seconds


def watch(child: Forked, kills: Sequence[Kill], pace: float, mark: str) -> Ending:
    """Waits for a child's end and kills on the way.

    Args:
        child: Just started.
        kills: What to kill, and when.
        pace: How many files `Kill.progress` 1.0 means.
        mark: What every process that the child starts is marked with.
    """
    watched = _Watch(child, kills, pace, mark)
    try:
        watched.until_it_ends()
    finally:  # also if the harness itself is interrupted
        watched.end()
        watched.ending.left_behind = end_what_is_left(watched.orphans, mark)
    return watched.ending


class _Watch:
    """The waiting: for files to appear, for the moments of kills, for the end of the child."""

    def __init__(self, child: Forked, kills: Sequence[Kill], pace: float, mark: str) -> None:
        self._child, self._mark = child, mark
        self._alarms = [_Alarm(kill, round((kill.progress or 0) * pace)) for kill in kills]
        self._deadline = time.monotonic() + _TOO_LONG
        self.ending = Ending()
        self.orphans: list[psutil.Process] = []
        self._has_ended = False

    def until_it_ends(self) -> None:
        """Returns when the child has closed its pipe, which it does by ending."""
        while True:
            now = time.monotonic()
            for alarm in self._alarms:
                alarm.hear(self.ending.files, now)
            for alarm in [alarm for alarm in self._alarms if alarm.due <= now]:
                self._strike(alarm)
            if now > self._deadline:
                self.ending.has_hung = True
                return
            next_due = min([self._deadline, *(alarm.due for alarm in self._alarms)])
            if select.select([self._child.pipe], [], [], max(0.0, next_due - now))[0]:
                data = os.read(self._child.pipe, 2**16)
                self.ending.files += len(data)
                if not data:
                    self._has_ended = True
                    return

    def end(self) -> None:
        """Sees that the child is gone, and notes how it ended."""
        if not self._has_ended:
            self._kill_parent(everyone=False)
        os.close(self._child.pipe)
        _, status = os.waitpid(self._child.pid, 0)
        self.ending.code = os.waitstatus_to_exitcode(status)

    def _strike(self, alarm: _Alarm) -> None:
        """Kills; if there is no worker to kill yet, the alarm stays and comes again."""
        if alarm.kill.victim == WORKER:
            workers = self._workers()
            if not workers:
                alarm.due += _AGAIN
                return
            _kill(workers[int(alarm.kill.choice * len(workers))])
            self._alarms.remove(alarm)
        else:
            self._kill_parent(everyone=alarm.kill.victim == EVERYONE)
            self._alarms.clear()
        self.ending.delivered.append(alarm.kill)

    def _kill_parent(self, everyone: bool) -> None:
        os.kill(self._child.pid, signal.SIGSTOP)  # so that it starts none between the look and the kill
        self.orphans = self._workers()
        os.kill(self._child.pid, signal.SIGKILL)
        for worker in self.orphans if everyone else ():
            _kill(worker)

    def _workers(self) -> list[psutil.Process]:
        """All that it has started: also by others, such as Ray, which give on the mark."""
        child = psutil.Process(self._child.pid)
        found = {*child.children(recursive=True), *_marked(self._mark)} - {child}
        return sorted(found, key=lambda process: process.pid)


def _kill(process: psutil.Process) -> None:
    with suppress(psutil.NoSuchProcess):  # it went by itself just now
        process.kill()


def end_what_is_left(known: list[psutil.Process], mark: str) -> list[str]:
    """Waits for all processes of a session to go; ends and returns those that take more than two seconds."""
    deadline = time.monotonic() + GONE_AFTER
    left = {process for process in known if _is_alive(process)} | _marked(mark)
    while left and (seconds := deadline - time.monotonic()) > 0:
        _wait_for_one(left, seconds)
        left = {process for process in left if _is_alive(process)} | _marked(mark)
    described = [_describe(process) for process in sorted(left, key=lambda process: process.pid)]
    for process in left:
        _kill(process)
    return described


def _wait_for_one(processes: set[psutil.Process], seconds: float) -> None:
    """Waits until one of them ends, be it as a zombie that its new parent is slow to reap."""
    if not hasattr(os, 'pidfd_open'):
        psutil.wait_procs(processes, timeout=seconds)
        return
    with ExitStack() as stack:
        descriptors = []
        for process in processes:
            try:
                descriptors.append(os.pidfd_open(process.pid))
            except ProcessLookupError:
                return
            stack.callback(os.close, descriptors[-1])
        select.select(descriptors, [], [], seconds)


def _marked(mark: str) -> set[psutil.Process]:
    found = set()
    for process in psutil.process_iter():
        try:
            if process.environ().get(MARK) == mark and _is_alive(process):
                found.add(process)
        except psutil.Error:
            pass  # gone, or not ours
    return found


def _is_alive(process: psutil.Process) -> bool:
    try:
        return process.status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


def _describe(process: psutil.Process) -> str:
    try:
        return f'{process.pid} {" ".join(process.cmdline())[:60]}'
    except psutil.Error:
        return str(process.pid)
