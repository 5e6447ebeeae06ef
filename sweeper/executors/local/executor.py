"""The executor that keeps long-lived worker processes on this machine."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from ...amounts import at_least, bytes_of, processes_of, seconds_of
from ...cores import usable_cores
from ...errors import InvalidArgument
from ...work import WorkerSpec
from ..base import CHECKPOINT_SECONDS, Answer, Executor, OnOutput, Task, checked_seconds
from ..gpus.shares import GpuShares

if TYPE_CHECKING:
    from ...training.facts import ProblemFacts
    from .supervisor import Supervisor

_AHEAD_OF_WORK = 8


class LocalExecutor(Executor):
    """Runs tasks in worker processes on this machine, one per core, one intra-op thread each (Linux, macOS).

    What a worker prints goes to `on_output` alone, never to the terminal. A run that is overdue is asked
    for the stacks of its threads, which are then the end of its output, before it is killed.

    Args:
        cores: Most workers; the physical cores that this process may use, by default. With several processes
            per run, most of these: as many runs at a time as have room, and one at least.
        retries: How often a task whose worker died is tried again before it counts as failed.
        timeout: Seconds after which a run is ended and counts as failed; None for no limit.
        memory: What a worker process may use as a whole, with its libraries and the problem's data, in bytes
            or as `'2GB'`; None for no limit. A run that needs more fails with `MemoryLimitExceeded`, wherever
            it runs: a worker that has run others before leaves it to a fresh one. Enforced on Linux.
        checkpoint_seconds: How often trials that take longer keep their state in the sweep's folder, at ends
            of cycles, so that they go on there after they were killed: once in so many seconds at most, and
            in 2% of their time; 0 for every cycle, None for never. Results do not depend on it.
        per_gpu: How many runs share a GPU. None: as many as its memory holds, by what the first run of each
            architecture took (docs/gpus.md).
        gpus_per_run: The same as a share, such as 0.25; or the number of GPUs that each run has to itself. 0:
            as `per_gpu` has it.
        gpus: The GPUs to deal out to the workers, as `CUDA_VISIBLE_DEVICES` names them; None: those that this
            process sees, if the sweep's device is one of them.
        processes_per_run: How many processes train a model together, each with a share of every batch. None:
            one for each whole GPU of `gpus_per_run`, or else one.

    Raises:
        InvalidArgument: An argument has a value that it cannot have, or the system is another one.
    """

    def __init__(
        self,
        cores: int | None = None,
        retries: int = 1,
        timeout: float | None = None,
        memory: int | str | None = None,
        checkpoint_seconds: float | None = CHECKPOINT_SECONDS,
        per_gpu: int | None = None,
        gpus_per_run: float = 0.0,
        gpus: Sequence[str | int] | None = None,
        processes_per_run: int | None = None,
    ) -> None:
        if os.name != 'posix':
            raise InvalidArgument("executor='local' needs Linux or macOS; use executor='inline' here")
        self.processes_per_run = processes_of(processes_per_run, gpus_per_run)
        cores = usable_cores() if cores is None else at_least(1, 'cores', cores)
        super().__init__(max(1, cores // self.processes_per_run))
        self.retries, self.timeout = at_least(0, 'retries', retries), seconds_of(timeout)
        self.memory = bytes_of(memory)
        self.checkpoint_seconds = checked_seconds(checkpoint_seconds)
        self.gpus = GpuShares(per_gpu, gpus_per_run, gpus)
        self._most_cores = self.cores
        self._supervisor: Supervisor | None = None

    def start(self, spec: WorkerSpec, expect_work: bool = True, on_output: OnOutput | None = None) -> None:
        assert self._supervisor is None, 'it is closed before it is started again'
        from .gpus import GpuDealer
        from .supervisor import Supervisor  # not on Windows

        if self.processes_per_run > 1:
            spec = replace(spec, processes=self.processes_per_run)
        cards, dealer, self.cores = self.gpus.cards(spec.device), None, self._most_cores
        if cards:
            dealer = GpuDealer(cards, self.gpus.slots)
            self.cores = min(self.cores, len(cards) * (self.gpus.slots or self.cores))
            # A worker sees no other GPUs than its own, and must not fall back to the CPU if it sees none.
            spec = spec if spec.device == 'cpu' else replace(spec, device='cuda:0')
        ahead = min(self.cores, _AHEAD_OF_WORK) if expect_work else 0
        self._supervisor = Supervisor(
            spec, on_output, self.cores, self.retries, self.timeout, self.memory, dealer
        )
        self._supervisor.start_workers(ahead)

    def problem_facts(self) -> ProblemFacts | None:
        assert self._supervisor is not None
        return self._supervisor.problem_facts()

    def submit(self, key: int, task: Task) -> None:
        assert self._supervisor is not None
        self._supervisor.submit(key, task)

    def wait(self) -> list[Answer]:
        assert self._supervisor is not None
        return self._supervisor.wait()

    def wake(self) -> None:
        if (supervisor := self._supervisor) is not None:
            supervisor.wake()

    def close(self) -> None:
        if self._supervisor is not None:
            self._supervisor.close()
        self._supervisor = None
