"""What holds a node's share of the work: an actor with a local executor within (see the package).

Fleet ── run(key, task) … ──> coroutines ──> inbox ──> the executor's thread ──> LocalExecutor
├<───── Reply … ───────────────┘<─────────────────────────────┤
└<───── printed() ─────────────────────────── what was printed ┘
"""

from __future__ import annotations

import asyncio
import os
import platform
import shutil
import sys
from collections import deque
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from queue import Empty, SimpleQueue
from threading import Thread

from ...errors import ProblemError, SweepError
from ...work import WorkerSpec
from ..base import WRONG_INPUT, Outcome, Task
from ..local.executor import LocalExecutor
from .messages import AgentOptions, Facts, OpenedByWorker, Printed, Reply, Report, SealedTask, as_trouble
from .shipping import Package, fingerprint_here, unpack
from .versions import versions

_SECONDS_TO_GATHER = 0.1  # of what is printed, so that a message has more than a line
_FACTS = -1  # the key of the task that tells them


class Scout:
    """Holds what a run needs where there is room for one, and says where that is.

    Waiting for a place, it is demand that Ray and its autoscaler see.
    """

    async def node(self) -> str:
        """Returns the id of the node where it is."""
        return _node_id()


class Agent:
    """Runs tasks on its node. Its coroutines are called by Ray, in one thread.

    Args:
        options: What it is told.
        package: The problem.
    """

    def __init__(self, options: AgentOptions, package: Package) -> None:
        self._options, self._package = options, package
        self._spec = options.spec
        self._inbox: SimpleQueue[Callable[[], None] | None] = SimpleQueue()
        self._futures: dict[int, asyncio.Future[Outcome | SweepError]] = {}
        self._pending: set[int] = set()
        self._printed: deque[tuple[int | None, str]] = deque()
        self._pieces = 0
        self._is_ending = False
        self._trouble: SweepError | None = None
        self._made: Path | None = None
        processes = options.spec.processes
        self._executor = LocalExecutor(
            options.slots * processes, options.retries, options.timeout, options.memory,
            gpus_per_run=options.gpus_per_run, processes_per_run=processes,
        )  # fmt: skip
        self._thread = Thread(target=self._serve, daemon=True)

    async def begin(self) -> Report:
        """Sets the process up, and has workers started; says where it is and with what."""
        options = self._options
        self._loop, self._has_printed = asyncio.get_running_loop(), asyncio.Event()
        if options.hides_gpus:
            os.environ['CUDA_VISIBLE_DEVICES'] = ''  # Ray's versions differ in whether they do that
        if options.folder is not None and Path(options.folder).is_dir():
            os.chdir(options.folder)
        sys.path += [path for path in options.paths if path not in sys.path and Path(path).exists()]
        problem, self._made = unpack(self._package)
        self._spec = replace(options.spec, problem=problem)
        self._thread.start()
        return Report(_node_id(), _node_name(), versions(), fingerprint_here(problem))

    async def facts(self) -> Facts:
        """Waits for what there is to know of the problem. To be asked once."""
        future: asyncio.Future[Facts] = self._loop.create_future()

        def resolve(facts: Facts) -> None:
            self._loop.call_soon_threadsafe(future.set_result, facts)

        self._do(lambda: self._find_facts(resolve))
        return await future

    async def run(self, key: int, task: SealedTask) -> Reply:
        """Runs a task, when one of its slots is free."""
        future = self._futures[key] = self._loop.create_future()
        self._do(lambda: self._submit(key, OpenedByWorker(key, task)))
        outcome = await future
        return Reply(outcome, self._take_printed())

    async def printed(self) -> Printed:
        """Waits until something is printed that no reply has told, or the end, and tells it."""
        await self._has_printed.wait()
        if not self._is_ending:
            await asyncio.sleep(_SECONDS_TO_GATHER)
        return self._take_printed()

    async def end(self) -> Printed:
        """Ends all workers, whatever they do; returns what no one was told yet of what they printed."""
        self._is_ending = True
        if self._thread.ident is not None:
            self._inbox.put(None)
            self._executor.wake()
            await asyncio.to_thread(self._thread.join)
            self._has_printed.set()
        if self._made is not None:
            shutil.rmtree(self._made, ignore_errors=True)
        return self._take_printed()

    def _take_printed(self) -> Printed:
        texts = list(self._printed)
        self._printed.clear()
        if not self._is_ending:
            self._has_printed.clear()
        self._pieces += 1
        return self._pieces - 1, texts

    def _do(self, action: Callable[[], None]) -> None:
        """Has the executor's thread do something."""
        self._inbox.put(action)
        self._executor.wake()

    def _serve(self) -> None:
        """The executor's thread: does what comes, until it is told to end."""
        try:
            self._executor.start(self._spec, True, self._take_output)
            while self._do_what_came():
                if self._pending:
                    self._wait()
        except BaseException as error:
            self._fail(as_trouble(error, 'an agent of the executor'))
        finally:
            self._executor.close()

    def _do_what_came(self) -> bool:
        """Does what has come; waits for that if there is nothing else to wait for. False: it is to end."""
        wait = not self._pending
        try:
            while (action := self._inbox.get(block=wait)) is not None:
                action()
                wait = False
        except Empty:
            return True
        return False

    def _submit(self, key: int, task: Task) -> None:
        if self._trouble is not None:
            self._answer(key, self._trouble)
            return
        self._pending.add(key)
        self._executor.submit(key, task)

    def _wait(self) -> Outcome | None:
        """Answers what is done; returns what came of the task that tells the facts, if it is done."""
        facts = None
        for key, outcome in self._executor.wait():
            self._pending.discard(key)
            if key == _FACTS:
                facts = outcome
            else:
                self._answer(key, outcome)
        return facts

    def _fail(self, trouble: SweepError) -> None:
        """Answers every task, also those that come yet, with what keeps this node from running any."""
        named = type(trouble)(f'{trouble} (on the node {_node_name()})')
        for key in self._pending - {_FACTS}:
            self._answer(key, named)
        self._pending.clear()
        self._trouble = named
        while (action := self._inbox.get()) is not None:
            action()

    def _answer(self, key: int, outcome: Outcome | SweepError) -> None:
        self._loop.call_soon_threadsafe(lambda: self._futures.pop(key).set_result(outcome))

    def _find_facts(self, resolve: Callable[[Facts], None]) -> None:
        if self._trouble is not None:
            resolve(self._trouble)
            return
        try:
            resolve(self._executor.problem_facts() or self._facts_of_worker())
        except SweepError as error:
            resolve(error)
            if type(error).__name__ not in WRONG_INPUT:
                raise

    def _facts_of_worker(self) -> Facts:
        """Has a worker find them out, where the fork server may not ask a GPU."""
        spec: WorkerSpec = self._spec
        arguments = {'seed': spec.seed, 'device': spec.device, 'resample': spec.resample}
        self._submit(_FACTS, Task('facts', 'problem_facts', (), arguments))
        outcome = None
        while outcome is None:
            outcome = self._wait()
        if outcome.error is None:
            return outcome.value  # type: ignore[no-any-return]
        error = WRONG_INPUT.get(outcome.error.kind)
        if error is None:
            return ProblemError(f'{outcome.error.kind}: {outcome.error.message}\n{outcome.error.traceback}')
        return error(outcome.error.message)

    def _take_output(self, task: Task | None, text: str) -> None:
        self._printed.append((task.key if isinstance(task, OpenedByWorker) else None, text))
        self._loop.call_soon_threadsafe(self._has_printed.set)


def _node_id() -> str:
    import ray

    return str(ray.get_runtime_context().get_node_id())


def _node_name() -> str:
    from ray import util

    address: Callable[[], str] = util.get_node_ip_address
    return f'{platform.node()} ({address()})'
