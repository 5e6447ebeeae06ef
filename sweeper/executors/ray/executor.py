"""The executor that keeps worker processes on all nodes of a Ray cluster."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from ...amounts import at_least, bytes_of, gpus_of, seconds_of
from ...cores import usable_cores
from ...errors import InvalidArgument
from ...work import WorkerSpec
from ..base import CHECKPOINT_SECONDS, Answer, Executor, OnOutput, Task
from .placement import Slot

if TYPE_CHECKING:
    from ..local.output import OutputSink
    from .fleet import Fleet
    from .session import RaySession

_PATIENCE = 600.0


class RayExecutor(Executor):
    """Runs tasks in worker processes on all nodes of a Ray cluster, as `LocalExecutor` does on one machine.

    Args:
        address: Of the cluster: `auto`, `host:port` or `ray://host:10001`. None: the session of Ray that this
            process has; or the cluster that the variable RAY_ADDRESS names; or one that is started on this
            machine, and ended with the sweep.
        cpus: How many runs there are at a time, at most; all that fit, by default.
        cpus_per_run: Cores that are set aside for each run, which computes on one of them.
        gpus_per_run: GPUs that are set aside for each run: 0, a fraction of one, or a whole number.
        memory: As for `LocalExecutor`; also set aside for each run.
        retries: As for `LocalExecutor`. That a node was lost does not count.
        timeout: As for `LocalExecutor`.
        init: Options of `ray.init`, if it is called.

    Raises:
        InvalidArgument: An argument has a value that it cannot have.
    """

    def __init__(
        self,
        address: str | None = None,
        cpus: int | None = None,
        cpus_per_run: int = 1,
        gpus_per_run: float = 0.0,
        memory: int | str | None = None,
        retries: int = 1,
        timeout: float | None = None,
        init: Mapping[str, Any] | None = None,
    ) -> None:
        super().__init__(1 if cpus is None else at_least(1, 'cpus', cpus))
        if address is not None and (not isinstance(address, str) or not address):
            raise InvalidArgument(
                f"address={address!r}: must be 'auto', 'host:port' or 'ray://host:10001', or None"
            ).naming(('address', address))
        self.address, self.cpus = address, cpus
        self.slot = Slot(at_least(1, 'cpus_per_run', cpus_per_run), gpus_of(gpus_per_run), bytes_of(memory))
        self.retries, self.timeout = at_least(0, 'retries', retries), seconds_of(timeout)
        self.init = dict(init or {})
        self._session: RaySession | None = None
        self._fleet: Fleet | None = None
        self._sink: OutputSink | None = None
        self._trouble: Exception | None = None

    def start(self, spec: WorkerSpec, expect_work: bool = True, on_output: OnOutput | None = None) -> None:
        assert self._fleet is None, 'it is closed before it is started again'
        from ..local.output import OutputSink
        from .fleet import Fleet, FleetOptions, agent_options
        from .session import RaySession

        cpus = (self.cpus or usable_cores()) * self.slot.cpus
        self._session = RaySession(self.address, cpus, self.init)
        self.checkpoint_seconds = CHECKPOINT_SECONDS if self._session.is_own else None
        self._sink = OutputSink(on_output)
        options = FleetOptions(
            agent_options(spec, self.retries, self.timeout, self.slot.memory), self.slot, self.cpus, _PATIENCE
        )
        self._fleet = Fleet(self._session, options, self.answer, self._set_cores, self._sink)

    def submit(self, key: int, task: Task) -> None:
        assert self._fleet is not None
        self._fleet.submit(key, task)

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
        if self._fleet is not None:
            self._fleet.close()
        if self._sink is not None:
            self._sink.close()
        if self._session is not None:
            self._session.close()
        self._fleet = self._sink = self._session = self._trouble = None
        super().close()

    def _set_cores(self, cores: int) -> None:
        self.cores = cores
        self.wake()
