"""The executor that keeps worker processes on all nodes of a Ray cluster."""

from __future__ import annotations

import os
import shutil
import sys
from collections.abc import Mapping
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from ...amounts import at_least, bytes_of, gpus_of, is_real, processes_of, seconds_of
from ...cores import usable_cores
from ...errors import InvalidArgument, ProblemError, SweepError
from ...text import reason
from ...work import WorkerSpec
from ..base import CHECKPOINT_SECONDS, Answer, Executor, OnOutput, Task, checked_seconds
from .placement import Slot

if TYPE_CHECKING:
    from ...training.facts import ProblemFacts
    from ..local.output import OutputSink
    from .fleet import Fleet
    from .messages import AgentOptions
    from .session import RaySession

_PATIENCE = 600.0
_SHARED_PREFIX = 'sweeper-outcomes-'


class RayExecutor(Executor):
    """Runs tasks in worker processes on all nodes of a Ray cluster, as `LocalExecutor` does on one machine.

    It takes what the cluster has free, and more when that becomes free or nodes come; what it has no use for
    is given back. A node that is lost costs the runs there, which others then do. Results are written by this
    process alone. On every node, Python, sweeper, torch, NumPy and Ray must be of the versions that they have
    here.

    Args:
        address: Of the cluster: `auto`, `host:port` or `ray://host:10001`. None: the session of Ray that this
            process has; or the cluster that the variable RAY_ADDRESS names; or one that is started on this
            machine, and ended with the sweep.
        cpus: How many runs there are at a time, at most; all that fit, by default.
        cpus_per_run: Cores that are set aside for each run; by default one for each of its processes, which
            computes on that.
        gpus_per_run: GPUs that are set aside for each run: 0 (it does not see any), a fraction of one, or a
            whole number.
        memory: As for `LocalExecutor`; also set aside for each run.
        retries: As for `LocalExecutor`. That a node was lost does not count, up to three times in a row.
        timeout: As for `LocalExecutor`.
        problem: How nodes get the problem: `sent`, its sources as far as they are local modules, not data
            files; or `installed`, where every node has the same.
        shared_folder: A folder that all nodes have at the same path. Large outcomes, such as weights, go
            through files in it; and trials of a sweep whose folder is in it keep their state.
        checkpoint_seconds: As for `LocalExecutor`. In force where nodes see the sweep's folder: in
            `shared_folder`, or on a cluster that is started on this machine.
        patience: For how many seconds there may be no node with room for a run before that is an error: as
            long as an autoscaler may need to start one.
        runtime_env: What Ray is to set up on nodes: `working_dir`, `py_modules`, `pip` and so on.
        init: Options of `ray.init`, if this calls it.
        processes_per_run: As for `LocalExecutor`.

    Raises:
        InvalidArgument: An argument has a value that it cannot have.
    """

    tells_facts = True

    def __init__(
        self,
        address: str | None = None,
        cpus: int | None = None,
        cpus_per_run: int | None = None,
        gpus_per_run: float = 0.0,
        memory: int | str | None = None,
        retries: int = 1,
        timeout: float | None = None,
        problem: Literal['sent', 'installed'] = 'sent',
        shared_folder: str | os.PathLike[str] | None = None,
        checkpoint_seconds: float | None = CHECKPOINT_SECONDS,
        patience: float = _PATIENCE,
        runtime_env: Mapping[str, Any] | None = None,
        init: Mapping[str, Any] | None = None,
        processes_per_run: int | None = None,
    ) -> None:
        super().__init__(1 if cpus is None else at_least(1, 'cpus', cpus))
        if address is not None and (not isinstance(address, str) or not address):
            valid = "must be 'auto', 'host:port' or 'ray://host:10001', or None"
            raise InvalidArgument(f'address={address!r}: {valid}').naming(('address', address))
        if problem not in ('sent', 'installed'):
            raise InvalidArgument(f"problem={problem!r}: valid are 'sent', 'installed'")
        self.address, self.cpus, self.problem = address, cpus, problem
        gpus = gpus_of(gpus_per_run)
        self.processes_per_run = processes_of(processes_per_run, gpus)
        cores = self.processes_per_run if cpus_per_run is None else cpus_per_run
        self.memory = bytes_of(memory)
        in_all = None if self.memory is None else self.memory * self.processes_per_run
        self.slot = Slot(at_least(1, 'cpus_per_run', cores), gpus, in_all)
        self.retries, self.timeout = at_least(0, 'retries', retries), seconds_of(timeout)
        self.shared_folder = None if shared_folder is None else Path(shared_folder).resolve()
        self._seconds_given = self.checkpoint_seconds = checked_seconds(checkpoint_seconds)
        if not is_real(patience) or not patience >= 0:
            raise InvalidArgument(f'patience={patience!r}: must be a number of seconds')
        self.patience = float(patience)
        self.runtime_env, self.init = dict(runtime_env or {}), dict(init or {})
        self._fleet: Fleet | None = None
        self._session: RaySession | None = None
        self._sink: OutputSink | None = None
        self._trouble: Exception | None = None
        self._expected: int | None = None
        self._end = ExitStack()

    def start(self, spec: WorkerSpec, expect_work: bool = True, on_output: OnOutput | None = None) -> None:
        assert self._fleet is None, 'it is closed before it is started again'
        from ..local.output import OutputSink
        from .fleet import Fleet, FleetOptions
        from .remote import ActorFactory
        from .session import RaySession
        from .shipping import pack

        spec = replace(self._on_its_device(spec), processes=self.processes_per_run)
        cpus = (self.cpus or usable_cores()) * self.slot.cpus
        session = self._session = RaySession(self.address, cpus, self.runtime_env, self.init)
        self._end.callback(session.close)
        self._sink = OutputSink(on_output)
        self._end.callback(self._sink.close)
        has_files = session.is_own or self.shared_folder is not None
        self.checkpoint_seconds = self._seconds_given if has_files else None
        package = pack(spec.problem, self.problem == 'installed')
        factory = ActorFactory(
            self.slot, self._agent_options(spec), session.put(package), session.actor_options
        )
        most = usable_cores() if self.cpus is None and session.is_own else self.cpus
        options = FleetOptions(
            self.slot, most, self.patience, self._folder_for_outcomes(), package.fingerprint,
            not session.is_own,
        )  # fmt: skip
        self._expected = None
        self._fleet = Fleet(session, options, factory, self.answer, self._set_cores, self._sink)
        self.cores = self._fleet.cores
        self._end.callback(self._fleet.close)

    def problem_facts(self) -> ProblemFacts:
        assert self._fleet is not None
        facts = self._fleet.facts()
        if isinstance(facts, SweepError):
            raise facts
        return replace(facts, path=self._path) if facts.path is not None else facts

    def submit(self, key: int, task: Task) -> None:
        assert self._fleet is not None
        self._fleet.submit(key, self._without_far_folder(task))

    def expect(self, runs: int) -> None:
        if runs != self._expected and self._fleet is not None:
            self._expected = runs
            self._fleet.expect(runs)

    def wait(self) -> list[Answer]:
        assert self._sink is not None
        if self._trouble is not None:
            raise self._trouble
        answers = super().wait()
        try:
            self._sink.raise_error()
        except Exception as error:
            if not answers:
                raise
            self._trouble = error  # for the next time
        return answers

    def close(self) -> None:
        self._end.close()
        self._fleet = self._session = self._sink = self._trouble = None
        super().close()

    def _set_cores(self, cores: int) -> None:
        self.cores = cores
        self.wake()

    def _on_its_device(self, spec: WorkerSpec) -> WorkerSpec:
        """A run has the GPUs that were set aside for it, and no others, whatever its node has."""
        if spec.device.startswith('cuda') and not self.slot.gpus:
            raise InvalidArgument(
                f'device={spec.device!r}: runs on Ray have no GPU unless gpus_per_run says so, as 0.25 does'
            ).naming(('device', spec.device), 'gpus_per_run')
        if spec.device == 'auto':
            return replace(spec, device='cuda' if self.slot.gpus else 'cpu')
        return spec

    def _agent_options(self, spec: WorkerSpec) -> AgentOptions:
        from .messages import AgentOptions

        folder = None if 'working_dir' in self.runtime_env else os.getcwd()
        paths = tuple(os.path.abspath(path) for path in sys.path if isinstance(path, str))
        self._path = _file_of(spec)
        gpus = self.slot.gpus if spec.device.startswith('cuda') else 0.0
        return AgentOptions(
            spec, 1, self.retries, self.timeout, self.memory, gpus, folder, paths, not self.slot.gpus
        )

    def _folder_for_outcomes(self) -> str | None:
        """Makes the folder that large outcomes go through, which is removed in the end."""
        if self.shared_folder is None:
            return None
        folder = self.shared_folder / f'{_SHARED_PREFIX}{os.urandom(8).hex()}'
        try:
            folder.mkdir()
        except OSError as error:
            raise InvalidArgument(
                f'shared_folder={str(self.shared_folder)!r}: cannot be written to: {reason(error, folder)}'
            ) from error
        self._end.callback(shutil.rmtree, folder, ignore_errors=True)
        return str(folder)

    def _without_far_folder(self, task: Task) -> Task:
        """Takes from a trial where to keep its state, if nodes do not see that."""
        kept = task.arguments.get('checkpoints')
        if kept is None or self._session is None or self._session.is_own:
            return task
        shared = self.shared_folder
        if shared is not None and Path(kept['folder']).resolve().is_relative_to(shared):
            return task
        return replace(task, arguments={**task.arguments, 'checkpoints': None})


def _file_of(spec: WorkerSpec) -> str | None:
    """The problem's file, as this process has it."""
    try:
        return str(spec.problem.sources().main.path)
    except ProblemError:
        return None
