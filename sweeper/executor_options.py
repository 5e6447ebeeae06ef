"""Which executor a sweep is told to have, and that executor's options, checked."""

from __future__ import annotations

from dataclasses import dataclass

from .amounts import at_least, bytes_of, gpus_of, processes_of, seconds_of
from .errors import InvalidArgument

_LEAST = {'cores': 1, 'per_gpu': 1, 'retries': 0}
_MAY_BE_NONE = ('cores', 'per_gpu')

_NEEDS_WORKERS = {
    'timeout': 'a run in this process cannot be ended',
    'memory': 'this process itself is not limited',
    'gpus_per_run': 'this process has the GPUs that it has',
    'per_gpu': 'runs in this process go one after another',
    'processes_per_run': 'this process trains alone',
}


@dataclass(frozen=True, kw_only=True)
class ExecutorOptions:
    """The options of a sweep that are its executor's; `SweepConfig` says what they are.

    Raises:
        InvalidArgument: A value cannot be.
    """

    cores: int | None = None
    retries: int = 1
    timeout: float | None = None
    memory: int | str | None = None
    address: str | None = None
    gpus_per_run: float = 0.0
    per_gpu: int | None = None
    processes_per_run: int | None = None

    def __post_init__(self) -> None:
        bytes_of(self.memory)
        seconds_of(self.timeout)
        processes_of(self.processes_per_run, gpus_of(self.gpus_per_run))
        for name, least in _LEAST.items():
            if (value := getattr(self, name)) is not None or name not in _MAY_BE_NONE:
                at_least(least, name, value)

    def check_for(self, executor: str) -> None:
        """Raises `InvalidArgument` unless these go with that executor: `local`, `ray` or `inline`."""
        if executor == 'inline':
            for name, reason in _NEEDS_WORKERS.items():
                if getattr(self, name):
                    error = InvalidArgument(f"{name} needs executor='local': {reason}")
                    raise error.naming(name, ('executor', 'local'))
        if self.per_gpu is not None and executor == 'ray':
            error = InvalidArgument("per_gpu needs executor='local'; with 'ray', gpus_per_run says it")
            raise error.naming('per_gpu', 'gpus_per_run', ('executor', 'local'))
        if self.per_gpu is not None and self.gpus_per_run:
            error = InvalidArgument('per_gpu and gpus_per_run both say how GPUs are shared; give one')
            raise error.naming('per_gpu', 'gpus_per_run')
        if self.address is not None and executor != 'ray':
            error = InvalidArgument("address needs executor='ray': it is that of a Ray cluster")
            raise error.naming('address', ('executor', 'ray'))
