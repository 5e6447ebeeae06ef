"""What goes between the process that sweeps and its agents on other nodes."""

from __future__ import annotations

import pickle
from dataclasses import dataclass
from typing import Any

from ...errors import SweepError
from ...points import label
from ...work import WorkerSpec
from ..base import Outcome, Resources, Task

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
        folder: The working directory of the process that sweeps; used where there is such a folder.
        paths: Where that process imports from; what of it there is, is used, too.
    """

    spec: WorkerSpec
    slots: int
    retries: int
    timeout: float | None
    memory: int | None
    folder: str
    paths: tuple[str, ...]


@dataclass(frozen=True)
class Report:
    """What an agent says of its node once it is there.

    Attributes:
        node: The node's id.
        name: The node, in words.
        versions: Of Python and of libraries that results depend on, by name.
        source: The fingerprint of the problem, as it is there; None if it has none.
    """

    node: str
    name: str
    versions: dict[str, str]
    source: str | None


@dataclass(frozen=True)
class Reply:
    """What came of a task, and what was printed since the last reply.

    Attributes:
        outcome: Or why the agent cannot run tasks at all.
        printed: See `Printed`.
    """

    outcome: Outcome | SweepError
    printed: Printed


@dataclass(frozen=True)
class SealedTask:
    """A task on its way to an agent, which imports nothing of the user's and so cannot open it.

    Attributes:
        name: The task's.
        function: The task's.
        point: The task's, in words.
        resources: The task's.
        content: The task, pickled.
    """

    name: str
    function: str
    point: str
    resources: Resources
    content: bytes

    @classmethod
    def of(cls, task: Task) -> SealedTask:
        """Seals a task."""
        content = pickle.dumps(task, protocol=pickle.HIGHEST_PROTOCOL)
        return cls(task.name, task.function, label(task.point), task.resources, content)


class OpenedByWorker(Task):
    """A sealed task in an agent, which becomes the task itself where it is unpickled.

    Args:
        key: The task's.
        sealed: The task.
    """

    key: int
    content: bytes

    def __init__(self, key: int, sealed: SealedTask) -> None:
        super().__init__(sealed.name, sealed.function, (sealed.point,), {}, sealed.resources)
        vars(self).update(key=key, content=sealed.content)

    def __reduce__(self) -> tuple[Any, ...]:
        return pickle.loads, (self.content,)
