"""The processes that train one model together, as one of them sees the others.

Each is a *rank*, as torch calls them, and does all that a run does: it builds the model, takes the steps,
decides when to stop. What each finds out by itself may differ (a clock, a score in its last digit), so what
all must do alike is decided by the first of them, or by all together.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, TypeVar

import torch
import torch.distributed as dist

from ...errors import InvalidArgument
from ...seeding import run_seed, seed_everything

HOST = '127.0.0.1'
"""Where ranks meet: they are processes of one machine."""

Value = TypeVar('Value')
Result = TypeVar('Result')

_LOOPBACK = 'lo' if sys.platform == 'linux' else 'lo0'
_LONGEST_WAIT = timedelta(days=30)
"""For another rank, which may be scoring a large split; who has started it notices when it is gone."""

_BACKENDS = {'cpu': 'gloo', 'cuda': 'cpu:gloo,cuda:nccl'}


class OtherRankFailed(RuntimeError):
    """What this process was to do with others cannot be done, since one of them has failed; it says why."""


@dataclass(frozen=True)
class Ranks:
    """The ranks of a run, seen from one.

    Attributes:
        rank: Which of them this process is, from 0 on.
        size: How many there are.
    """

    rank: int
    size: int

    @classmethod
    def joined(cls, rank: int, size: int, port: int, device: torch.device) -> Ranks:
        """Waits for the others; from then on, torch's default process group is all of them.

        Args:
            rank: Which one this process is.
            size: How many there are.
            port: Of the store where they meet, on this machine.
            device: Where this one trains: the CPU, or a GPU that no other rank has.

        Raises:
            InvalidArgument: There are fewer GPUs than ranks.
        """
        os.environ.setdefault('GLOO_SOCKET_IFNAME', _LOOPBACK)
        if device.type == 'cuda':
            if (gpus := torch.cuda.device_count()) < size:
                raise InvalidArgument(
                    f'{size} processes train a model together, and each needs a GPU of its own: there are '
                    f'{gpus} for them. Give each run so many, by gpus_per_run={size}'
                ).naming(('gpus_per_run', size))
            torch.cuda.set_device(device)
        store = dist.TCPStore(HOST, port, None, is_master=False, wait_for_workers=False)  # type: ignore[attr-defined]
        dist.init_process_group(
            _BACKENDS[device.type], store=store, rank=rank, world_size=size, timeout=_LONGEST_WAIT
        )
        return cls(rank, size)

    @property
    def is_first(self) -> bool:
        """Whether this rank's results are those of the run."""
        return self.rank == 0

    @property
    def reason(self) -> str:
        """Why steps are eager, as `StepKind.reason`."""
        return f'{self.size} processes train it together'

    def seed(self, seed: int) -> None:
        """Has this rank draw other numbers than the others, for dropout, say; the first goes on as it is.

        Args:
            seed: Of what the run draws for its architecture.
        """
        if self.rank:
            seed_everything(run_seed(seed, 'rank', self.rank))

    def share(self, indices: torch.Tensor) -> tuple[torch.Tensor, float]:
        """Returns this rank's part of a batch, as indices, and its share of the samples.

        The sizes of parts differ by one at most. A rank for which there is no sample takes the first one, and
        has a share of 0: it must take part in every step.
        """
        part = indices.tensor_split(self.size)[self.rank]
        return (part, len(part) / len(indices)) if len(part) else (indices[:1], 0.0)

    def total(self, values: torch.Tensor) -> torch.Tensor:
        """Returns the sum of what all ranks have, in all of them."""
        total = values.clone()
        dist.all_reduce(total)
        return total

    def agreed(self, value: bool) -> bool:
        """Returns what the first rank has found, in all of them."""
        decision = torch.tensor([value], dtype=torch.uint8)
        dist.broadcast(decision, src=0)
        return bool(decision)

    def all(self, value: bool) -> bool:
        """Returns whether it is so in all ranks."""
        votes = torch.tensor([value], dtype=torch.uint8)
        dist.all_reduce(votes, op=dist.ReduceOp.MIN)
        return bool(votes)

    def shared_out(
        self, values: Sequence[Value], work: Callable[[Sequence[Value]], list[Result]]
    ) -> list[Result]:
        """Returns what comes of each of some values, in all ranks; each works on a part of them.

        Args:
            values: The same in all ranks.
            work: Returns what comes of each of those that it is given.

        Raises:
            OtherRankFailed: Another rank could not do its part. What goes wrong in this one is raised as is.
        """
        try:
            part = work(values[self.rank :: self.size])
        except Exception:
            self.gathered(None)
            raise
        parts = self.gathered(part)
        if any(each is None for each in parts):
            raise OtherRankFailed('another of the processes that train this model together has failed')
        return [parts[index % self.size][index // self.size] for index in range(len(values))]

    def gathered(self, value: Any) -> list[Any]:
        """Returns what each rank has, by rank, in all of them."""
        values: list[Any] = [None] * self.size
        dist.all_gather_object(values, value)
        return values
