"""The GPUs that a local executor deals out: what its workers do there, as the placer needs to know it."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from dataclasses import replace

from ...points import label
from ..base import RunError, Task
from ..gpus.memory import GpuMemory, is_out_of_memory
from ..gpus.peaks import Peaks
from ..gpus.placer import Card, Need, Occupant, Placement, card_to_keep, place
from .limits import in_units
from .pool import Worker

_FIRST_NAMES = 3


class GpuDealer:
    """Decides which worker gets a run, and on which GPUs workers are started.

    Args:
        gpus: What workers may be given, as `CUDA_VISIBLE_DEVICES` has it: a card each, or several.
        slots: How many runs share a card; None if that goes by memory.
    """

    def __init__(self, gpus: Sequence[str], slots: int | None) -> None:
        self._gpus, self._slots = gpus, slots
        self._capacities: list[int | None] = [None] * len(gpus)
        self._peaks = Peaks()

    def ahead(self, count: int) -> list[str]:
        """The GPUs of the workers that are started ahead of work, so many at most, in turns.

        Where memory decides, it is one for each: the first run of a card is alone there.
        """
        count = min(count, len(self._gpus) * (self._slots or 1))
        return [self._gpus[index % len(self._gpus)] for index in range(count)]

    def place(
        self,
        task: Task,
        is_alone: bool,
        workers: Iterable[tuple[Worker, Need | None]],
        spare: int,
        kept: Collection[int],
    ) -> tuple[Need, Placement | None]:
        """Returns what a run needs, and where it goes now, if anywhere.

        Args:
            task: The run.
            is_alone: Whether no other worker may be on its card.
            workers: All that there are, with the needs of what they run.
            spare: How many may be started in addition.
            kept: Cards that are kept for other runs.
        """
        memory = self._peaks.need(task) if self._slots is None else 0
        need = Need(memory, is_alone)
        return need, place(need, self._cards(workers), spare, kept)

    def card_to_keep(
        self, workers: Iterable[tuple[Worker, Need | None]], kept: Collection[int]
    ) -> int | None:
        """Returns the card that is kept for a run which cannot go anywhere now; None if none is left."""
        return card_to_keep(self._cards(workers), kept)

    def gpus_of(self, placement: Placement) -> str:
        """The GPUs that a placement means."""
        return self._gpus[placement.card]

    def take_ready(self, worker: Worker, workers: Iterable[Worker]) -> None:
        """A worker is ready: if it has its card to itself, that shows what there is for all."""
        memory, card = worker.gpu_memory, self._card(worker)
        if memory is not None and not any(
            self._card(other) == card for other in workers if other is not worker
        ):
            self._capacities[card] = memory.free + memory.reserved

    def take_memory(self, task: Task, worker: Worker, memory: GpuMemory) -> None:
        """A run is over, and has taken so much, be it enough or not."""
        worker.gpu_memory = memory
        if self._slots is None:
            self._peaks.record(task, memory.peak)

    def _cards(self, workers: Iterable[tuple[Worker, Need | None]]) -> list[Card]:
        occupants: list[list[Occupant]] = [[] for _ in self._gpus]
        for worker, need in sorted(workers, key=lambda pair: not pair[0].is_ready):
            base = worker.gpu_memory.reserved if worker.gpu_memory is not None else 0
            occupants[self._card(worker)].append(Occupant(worker.number, base, need))
        return [
            Card(capacity, tuple(there), self._slots)
            for capacity, there in zip(self._capacities, occupants, strict=True)
        ]

    def _card(self, worker: Worker) -> int:
        assert worker.gpus is not None
        return self._gpus.index(worker.gpus)


def needs_its_card_alone(error: RunError) -> bool:
    """Whether a run failed for want of its GPU's memory."""
    return is_out_of_memory(error.traceback)


def with_gpu_named(error: RunError, gpus: str, memory: GpuMemory | None, company: Sequence[Task]) -> RunError:
    """Returns the error of a run for which its GPU's memory was not enough, with figures.

    Args:
        error: How it failed when it had the card alone.
        gpus: The card, as `CUDA_VISIBLE_DEVICES` has it.
        memory: As it was at the end.
        company: Who else was on the card when it failed before.
    """
    figures = ''
    if memory is not None:
        figures = (
            f' With the GPU to itself, it had {in_units(memory.peak)} of {in_units(memory.total)} when it '
            f'asked for more; {in_units(memory.free)} were free once it had ended.'
        )
    message = (
        f'the run needs more memory than GPU {gpus} has.{figures} Before that it had failed '
        f'{in_company(company)}. {error.kind}: {error.message}'
    )
    return replace(error, message=message)


def in_company(tasks: Sequence[Task]) -> str:
    """Says which runs a run shares its card with."""
    if not tasks:
        return 'with no other run of this sweep there'
    names = [f'{task.name} of ({label(task.point)})' for task in tasks[:_FIRST_NAMES]]
    more = len(tasks) - len(names)
    return f'beside {", ".join(names)}' + (f' and {more} more' if more else '')
