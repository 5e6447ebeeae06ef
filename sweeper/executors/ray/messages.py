"""What goes between the process that sweeps and its agents on other nodes."""

from __future__ import annotations

import os
import pickle
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from ...errors import SweepError
from ...points import label
from ...training.facts import ProblemFacts
from ...work import WorkerSpec
from ..base import Outcome, Resources, Task, run_error

LARGE = 2**20
"""Bytes from which on a value goes by a file, if there is a folder for that."""

_PROTOCOL = pickle.HIGHEST_PROTOCOL

Printed = tuple[int, list[tuple[int | None, str]]]
"""The number of this piece of what was printed; its texts, each with the key of the task that printed it."""


@dataclass(frozen=True)
class AgentOptions:
    """What an agent is told when it is made.

    Attributes:
        spec: The problem, the seed and the device.
        slots: How many runs it has at a time.
        retries: As for `LocalExecutor`, like the others.
        timeout: Seconds that a run may take.
        memory: Bytes that a worker may use.
        gpus_per_run: GPUs of those that Ray gives the agent, for each run.
        folder: The working directory, if there is such a folder; None for that which Ray gives it.
        paths: Where the process that sweeps imports from; what of it there is, is used, too.
        hides_gpus: Whether runs are to see none of the GPUs that the node has.
    """

    spec: WorkerSpec
    slots: int
    retries: int
    timeout: float | None
    memory: int | None
    gpus_per_run: float
    folder: str | None
    paths: tuple[str, ...]
    hides_gpus: bool = False


@dataclass(frozen=True)
class Report:
    """What an agent says of its node once it is there.

    Attributes:
        node: The node's id.
        name: The node, in words.
        versions: Of Python and of libraries that results depend on, by name.
        fingerprint: Of the problem, as it is there; None if it is not.
    """

    node: str
    name: str
    versions: dict[str, str]
    fingerprint: str | None


@dataclass(frozen=True)
class Reply:
    """What came of a task, and what was printed since the reply before.

    Attributes:
        outcome: Its value is pickled, or is the path of a file with that. Or why no task can be run there.
        printed: See `Printed`.
    """

    outcome: Outcome | SweepError
    printed: Printed

    def opened(self) -> Outcome | SweepError:
        """Returns the outcome with its value; a file that it comes in is removed."""
        outcome = self.outcome
        if isinstance(outcome, SweepError) or outcome.error is not None:
            return outcome
        content = outcome.value
        if isinstance(content, str):
            path = Path(content)
            content = path.read_bytes()
            path.unlink()
        return replace(outcome, value=pickle.loads(content))


Facts = ProblemFacts | SweepError
"""What is known of the problem, or what is wrong with it."""


@dataclass(frozen=True)
class PackedTask(Task):
    """A task whose value goes through a process that cannot open it.

    Attributes:
        folder: Where a file is made for a large value; None for none.
    """

    folder: str | None = None

    def packed(self, value: Any) -> bytes | str:
        """Returns the value, pickled; or, if that is large and there is a folder, the path of its file."""
        content = pickle.dumps(value, _PROTOCOL)
        if self.folder is None or len(content) < LARGE:
            return content
        path = Path(self.folder, f'{os.urandom(16).hex()}.pickle')
        path.write_bytes(content)
        return str(path)


@dataclass(frozen=True)
class SealedTask:
    """A task on its way to an agent, which imports nothing of the user's and so cannot open it.

    Attributes:
        name: The task's.
        point: The task's, in words.
        resources: The task's.
        content: The task, pickled.
    """

    name: str
    point: str
    resources: Resources
    content: bytes

    @classmethod
    def of(cls, task: Task, folder: str | None) -> SealedTask:
        """Seals a task; what comes of it is to be pickled, and written in a folder that all share, if any."""
        packed = PackedTask(task.name, task.function, task.point, task.arguments, task.resources, folder)
        return cls(task.name, label(task.point), task.resources, pickle.dumps(packed, _PROTOCOL))


class OpenedByWorker(Task):
    """A sealed task in an agent, which becomes the task itself where it is unpickled.

    Args:
        key: The task's.
        sealed: The task.
    """

    key: int
    content: bytes

    def __init__(self, key: int, sealed: SealedTask) -> None:
        super().__init__(sealed.name, '', (sealed.point,), {}, sealed.resources)
        vars(self).update(key=key, content=sealed.content)

    def __reduce__(self) -> tuple[Any, ...]:
        return pickle.loads, (self.content,)


def as_trouble(error: BaseException, who: str) -> SweepError:
    """Returns what keeps an agent or the executor from running any task: an error of ours as it is."""
    if isinstance(error, SweepError):
        return error
    data = run_error(error)
    return SweepError(f'{who} cannot go on: {data.kind}: {data.message}\n{data.traceback}')
