"""The training loop: one ignite engine around an interchangeable step."""

from __future__ import annotations

import logging
import math
import warnings
from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import islice
from typing import Protocol

import torch

from .capture.recording import NotCapturable
from .data_check import DataCheck
from .steps import EagerStep, Step

with warnings.catch_warnings():  # what libraries do on import is not an error of the problem's
    warnings.simplefilter('ignore')
    from ignite.engine import Engine, Events

_SILENT = logging.getLogger('sweeper.training.engine')
_SILENT.addHandler(logging.NullHandler())
_SILENT.propagate = False

CHUNK = 32
"""Steps that are taken in one go: per iteration of the engine."""


class Batches(Protocol):
    """The batches of an epoch, as indices into the training data; may differ from epoch to epoch."""

    def __len__(self) -> int: ...

    def __iter__(self) -> Iterator[torch.Tensor]: ...


class Loop:
    """Trains one model, a known learning rate at every step.

    Args:
        step: Trains the model.
        lrs: The learning rate of every step that `run` will take, in order.
        after_chunk: Called after every few steps with their losses (before the update) and performances, as
            the step returns them. Answering True ends the training.
        data: Looks at losses that are not finite, before that.
    """

    def __init__(
        self,
        step: Step,
        lrs: Sequence[float],
        after_chunk: Callable[[torch.Tensor, torch.Tensor], bool] | None = None,
        data: DataCheck | None = None,
    ) -> None:
        self._step, self._data = step, data
        self._lrs = lrs
        self._done = 0
        self._after_chunk = after_chunk
        self.engine = Engine(self._advance)
        self.engine.logger = _SILENT

    def _advance(self, engine: Engine, batches: list[torch.Tensor]) -> None:
        lrs = self._lrs[self._done : self._done + len(batches)]
        self._done += len(batches)
        try:
            losses, perfs = self._step.run(batches, lrs)
        except Exception as error:
            if isinstance(self._step, EagerStep):
                if self._data is not None:
                    self._data.check_all(batches)
                raise
            if not isinstance(error, RuntimeError):
                raise
            *_, last = str(error).strip().splitlines() or ['']
            raise NotCapturable(f'replaying it raised {last}') from error
        if self._data is not None:
            self._data.check(batches, losses)
        if self._after_chunk is not None and self._after_chunk(losses, perfs):
            engine.terminate()

    def run(self, batches: Batches, epochs: int = 1, on_epoch: Callable[[int], bool] | None = None) -> None:
        """Trains for `epochs` passes over `batches`.

        Args:
            batches: Iterated once an epoch.
            epochs: At least 1.
            on_epoch: Called after every epoch with the number of epochs done; True ends the training.
        """
        if on_epoch is not None:
            hook = on_epoch

            @self.engine.on(Events.EPOCH_COMPLETED)
            def _(engine: Engine) -> None:
                if hook(engine.state.epoch):
                    engine.terminate()

        chunks = math.ceil(len(batches) / CHUNK)
        self.engine.run(_Chunks(batches), max_epochs=epochs, epoch_length=chunks)


class _Chunks:
    """Batches in lists of `CHUNK`."""

    def __init__(self, batches: Iterable[torch.Tensor]) -> None:
        self._batches = batches

    def __iter__(self) -> Iterator[list[torch.Tensor]]:
        batches = iter(self._batches)
        while chunk := list(islice(batches, CHUNK)):
            yield chunk
