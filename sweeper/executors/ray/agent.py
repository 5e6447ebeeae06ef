"""What holds a node's share of the work: an actor with a local executor within (see the package).

Fleet ── run(key, task) … ──> coroutines ──> inbox ──> the executor's thread ──> LocalExecutor
  ├<───── Reply … ───────────────┘<─────────────────────────────┤
  └<───── printed() ─────────────────────────── what was printed┘
"""

from __future__ import annotations

import asyncio
import os
import platform
import sys
from collections import deque
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from queue import Empty, SimpleQueue
from threading import Thread
from typing import Any

from ...errors import ProblemError, SweepError
from ...problem.fingerprint import fingerprint_of
from ...version import __version__
from ..base import Outcome, Task, run_error
from ..local.executor import LocalExecutor
from .messages import AgentOptions, OpenedByWorker, Printed, Reply, Report, SealedTask

_SECONDS_TO_GATHER = 0.1  # of what is printed, so that a message has more than a line
_LIBRARIES = ('torch', 'numpy', 'ray')


class Agent:
    """Runs tasks on its node; all its methods are called by Ray, in one thread.

    Args:
        options: What it is told.
    """

    def __init__(self, options: AgentOptions) -> None:
        self._options = options
        self._inbox: SimpleQueue[tuple[int, SealedTask] | None] = SimpleQueue()
        self._futures: dict[int, asyncio.Future[Outcome | SweepError]] = {}
        self._printed: deque[tuple[int | None, str]] = deque()
        self._pieces = 0
        self._executor: LocalExecutor | None = None
        self._is_ending = False

    async def begin(self) -> Report:
        """Sets the process up, and has workers started; says where it is and with what."""
        options = self._options
        self._loop, self._has_printed = asyncio.get_running_loop(), asyncio.Event()
        if Path(options.folder).is_dir():
            os.chdir(options.folder)
        sys.path += [path for path in options.paths if path not in sys.path and Path(path).exists()]
        report = Report(_node_id(), _node_name(), versions(), source_of(options))
        self._executor = LocalExecutor(options.slots, options.retries, options.timeout, options.memory, None)
        self._thread = Thread(target=self._serve, args=(self._executor,), daemon=True)
        self._thread.start()
        return report

    async def run(self, key: int, task: SealedTask) -> Reply:
        """Runs a task, when one of its slots is free."""
        assert self._executor is not None
        future = self._futures[key] = self._loop.create_future()
        self._inbox.put((key, task))
        self._executor.wake()
        outcome = await future
        return Reply(outcome, self._take_printed())

    async def printed(self) -> Printed:
        """Waits until something is printed that no reply has told; the last time, gives what is left."""
        await self._has_printed.wait()
        if not self._is_ending:
            await asyncio.sleep(_SECONDS_TO_GATHER)
        return self._take_printed()

    async def end(self) -> None:
        """Ends all workers, whatever they do; `printed` is answered after that."""
        if self._executor is not None:
            self._is_ending = True
            self._inbox.put(None)
            self._executor.wake()
            await asyncio.to_thread(self._thread.join)
            self._has_printed.set()

    def _take_printed(self) -> Printed:
        texts = list(self._printed)
        self._printed.clear()
        if not self._is_ending:
            self._has_printed.clear()
        self._pieces += 1
        return self._pieces - 1, texts

    def _serve(self, executor: LocalExecutor) -> None:
        """Has the executor run what comes, in a thread of its own, until it is told to end."""
        pending: set[int] = set()
        try:
            executor.start(self._options.spec, True, self._take_output)
            while True:
                for item in self._arrived(wait=not pending):
                    if item is None:
                        return
                    key, sealed = item
                    pending.add(key)
                    executor.submit(key, OpenedByWorker(key, sealed))
                if pending:
                    for key, outcome in executor.wait():
                        pending.discard(key)
                        self._answer(key, outcome)
        except BaseException as error:
            trouble = error if isinstance(error, SweepError) else _as_sweep_error(error)
            self._fail(pending, trouble)
        finally:
            executor.close()

    def _arrived(self, wait: bool) -> list[tuple[int, SealedTask] | None]:
        items = [self._inbox.get()] if wait else []
        try:
            while True:
                items.append(self._inbox.get_nowait())
        except Empty:
            return items

    def _fail(self, pending: set[int], trouble: SweepError) -> None:
        """Answers every task, also those that come yet, with what keeps this node from running any."""
        for key in pending:
            self._answer(key, trouble)
        while (item := self._inbox.get()) is not None:
            self._answer(item[0], trouble)

    def _answer(self, key: int, outcome: Outcome | SweepError) -> None:
        def resolve() -> None:
            self._futures.pop(key).set_result(outcome)

        self._loop.call_soon_threadsafe(resolve)

    def _take_output(self, task: Task | None, text: str) -> None:
        self._printed.append((task.key if isinstance(task, OpenedByWorker) else None, text))
        self._loop.call_soon_threadsafe(self._has_printed.set)


def versions() -> dict[str, str]:
    """Returns the versions of what results depend on, in this process, without importing it."""
    return {'python': platform.python_version(), 'sweeper': __version__, **dict(map(_version, _LIBRARIES))}


def source_of(options: AgentOptions) -> str | None:
    """Returns the fingerprint of the problem as it is here; None if it is not there."""
    try:
        return fingerprint_of(options.spec.problem.sources())
    except ProblemError:
        return None


def _version(library: str) -> tuple[str, str]:
    try:
        return library, version(library).partition('+')[0]
    except PackageNotFoundError:
        return library, 'not installed'


def _node_id() -> str:
    import ray

    return str(ray.get_runtime_context().get_node_id())


def _node_name() -> str:
    from ray import util

    address: Any = util.get_node_ip_address
    return f'{platform.node()} ({address()})'


def _as_sweep_error(error: BaseException) -> SweepError:
    data = run_error(error)
    return SweepError(f'an agent of the executor cannot go on: {data.kind}: {data.message}\n{data.traceback}')
