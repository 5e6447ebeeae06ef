"""The training loop around an interchangeable step; an ignite engine drives it where there are handlers."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

import torch

from .batches import Batches
from .capture.recording import OUT_OF_MEMORY, NotCapturable
from .data_check import DataCheck
from .length import Chunks, Length
from .steps import EagerStep, Step

if TYPE_CHECKING:
    from .engine import RunEngine


class Loop:
    """Trains one model, or several side by side, a known learning rate at every step.

    Args:
        step: Trains the model.
        lrs: The learning rate of every step that `run` will take, in order.
        after_chunk: Called after every few steps with their losses (before the update) and performances, as
            the step returns them. Answering True ends the training.
        data: Looks at losses that are not finite, before that.
        engine: Calls handlers, which may end the training, too. Without, nobody listens, and none is needed.
        done: How many steps have been taken before; `run` takes what comes after them.

    Attributes:
        done: How many steps have been taken.
    """

    def __init__(
        self,
        step: Step,
        lrs: Sequence[float],
        after_chunk: Callable[[torch.Tensor, torch.Tensor], bool] | None = None,
        data: DataCheck | None = None,
        engine: RunEngine | None = None,
        done: int = 0,
    ) -> None:
        self._step, self._data, self._engine = step, data, engine
        self._lrs = lrs
        self.done, self._behind = 0, done
        self._after_chunk = after_chunk

    def _advance(self, batches: list[torch.Tensor]) -> tuple[torch.Tensor, bool]:
        """Takes some steps; returns their losses, and whether training is to end."""
        lrs = self._lrs[self.done : self.done + len(batches)]
        self.done += len(batches)
        try:
            losses, perfs = self._step.run(batches, lrs)
        except Exception as error:
            if isinstance(self._step, EagerStep):
                if self._data is not None:
                    self._data.check_all(batches)
                raise
            if not isinstance(error, RuntimeError) or isinstance(error, OUT_OF_MEMORY):
                raise
            *_, last = str(error).strip().splitlines() or ['']
            raise NotCapturable(f'replaying it raised {last}') from error
        if self._data is not None:
            self._data.check(batches, losses)
        return losses, self._after_chunk is not None and self._after_chunk(losses, perfs)

    def run(
        self, batches: Batches, length: Length | None = None, on_stop: Callable[[int], bool] | None = None
    ) -> None:
        """Trains for so many steps.

        Args:
            batches: Iterated once an epoch.
            length: How many steps; by default those of an epoch.
            on_stop: Called at the end of every cycle and epoch with the number of steps that there are up to
                there; True ends the training.
        """
        length = length or Length(1, 1, len(batches))
        chunks = Chunks(batches, length.stops)
        if self._engine is not None:
            self._engine.train(self._advance_after_handlers, chunks, length, on_stop)
            self._settle()
            return
        for _ in range(length.begun_epochs):
            for chunk, is_stop in chunks:
                if self.done < self._behind:
                    self.done += len(chunk)
                    continue
                is_over = self._advance(chunk)[1]
                if is_over or is_stop:
                    self._settle()
                if is_over:
                    return
                if is_stop and on_stop is not None and on_stop(self.done):
                    return

    def _settle(self) -> None:
        if self._data is not None:
            self._data.settle()

    def _advance_after_handlers(self, batches: list[torch.Tensor]) -> tuple[torch.Tensor, bool]:
        self._step.expect_changes()
        return self._advance(batches)
