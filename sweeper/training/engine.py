"""The engine of a run to which a problem's `attach(engine, run)` has added handlers: ignite's.

Runs without handlers need none (see `loop`), so ignite is imported only for problems that have `attach`.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any, TypeAlias

import torch

from .attached import Run
from .capture.recording import NotCapturable
from .length import Length

with warnings.catch_warnings():  # what libraries do on import is not an error of the problem's
    warnings.simplefilter('ignore')
    from ignite.engine import Engine, EventEnum, Events

Chunk: TypeAlias = list[torch.Tensor]


class RunEvents(EventEnum):
    """Events of a run's engine beside ignite's; `state` counts them as `chunk`, `cycle` and `valid_step`.

    `CHUNK_COMPLETED`: some steps, 32 unless the epoch or cycle ended, have been taken. `SCORING`: a trial is
    about to be scored at the end of a learning-rate cycle. `SCORED`: it has been; `engine.state.metrics` has
    `loss_train`, `perf_train`, `loss_val` and `perf_val`. `VALID_STEP_STARTED` and `VALID_STEP_COMPLETED`: a
    batch of validation data is about to be scored, and has been.
    """

    CHUNK_COMPLETED = 'chunk_completed'
    SCORING = 'scoring'
    SCORED = 'scored'
    VALID_STEP_STARTED = 'valid_step_started'
    VALID_STEP_COMPLETED = 'valid_step_completed'


_COUNTED_IN = {
    RunEvents.CHUNK_COMPLETED: 'chunk', RunEvents.SCORED: 'cycle', RunEvents.VALID_STEP_STARTED: 'valid_step'
}  # fmt: skip
_OF_STEPS = (
    Events.GET_BATCH_STARTED, Events.GET_BATCH_COMPLETED, Events.ITERATION_STARTED, Events.ITERATION_COMPLETED
)  # fmt: skip


class RunEngine(Engine):
    """Drives a training loop; an iteration is a step.

    Between the events of its steps, if nobody listens to these, the steps of a chunk are taken at its last.
    `state.output` is the loss of the steps since the last event, their mean.

    Attributes:
        eager_reason: Why steps must be taken one by one, eagerly; None if that need not be.
    """

    def __init__(self) -> None:
        self.eager_reason: str | None = None
        self._is_attached = False
        self._failure: BaseException | None = None
        self._losses: list[float] = []
        self._steps = 0
        super().__init__(self._iterate)
        self.register_events(*RunEvents, event_to_attr=_COUNTED_IN)

    def add_event_handler(
        self, event_name: Any, handler: Callable[..., Any], *args: Any, **kwargs: Any
    ) -> Any:
        if event_name in _OF_STEPS and self.eager_reason is None:
            if self._is_attached:
                raise RuntimeError(
                    f'a handler of {event_name.name} was added after attach(engine, run) had returned, when '
                    f'it was settled that no such events are needed: add it in attach'
                )
            self.eager_reason = f'a handler is to be called at every step ({event_name.name})'
        return super().add_event_handler(event_name, handler, *args, **kwargs)

    def attach_by(self, attachments: Sequence[Callable[[Any, Run], object]], run: Run) -> None:
        """Calls what attaches a problem's handlers; from then on it is known how steps are taken."""
        for attach in attachments:
            attach(self, run)
        self._is_attached, self._model = True, run.model
        run._optimizer.is_open = False
        if run._optimizer.optimizer is not None and self.eager_reason is None:
            self.eager_reason = 'attach() takes its optimizer'

    def train(
        self,
        take: Callable[[Chunk], tuple[torch.Tensor, bool]],
        chunks: Iterable[tuple[Chunk, bool]],
        length: Length,
        on_stop: Callable[[int], bool] | None,
    ) -> None:
        """Trains, calling all handlers; an epoch that is cut short is not `EPOCH_COMPLETED`.

        Args:
            take: Takes some steps; returns their losses, and whether training is to end.
            chunks: The batches, in chunks, and whether each ends at a stop; iterated once an epoch.
            length: How many steps, and where the stops are.
            on_stop: Called at each stop with the steps up to there; True ends the training.
        """
        self._take = take
        self.add_event_handler(Events.EXCEPTION_RAISED, self._keep_failure)
        within = {stop for stop in length.stops if stop % length.per_epoch}
        if within:
            super().add_event_handler(Events.ITERATION_COMPLETED, self._stop_within, within, length, on_stop)
        if on_stop is not None:
            self.add_event_handler(Events.EPOCH_COMPLETED, self._end_epoch, length.per_epoch, on_stop)
        turns = _Turns(chunks, self.eager_reason is not None)
        self.run(turns, max_epochs=length.begun_epochs, epoch_length=length.per_epoch)
        self._put_into_training_mode()
        if self._failure is not None:
            raise self._failure
        if not self._steps:
            raise RuntimeError('a handler ended the training before its first step')

    def begin_scoring(self) -> None:
        """Tells handlers that a trial is about to be scored."""
        self.state.valid_step = 0  # type: ignore[attr-defined]
        self.fire_event(RunEvents.SCORING)

    def before_valid_step(self) -> None:
        self.state.valid_step += 1  # type: ignore[attr-defined]
        self.fire_event(RunEvents.VALID_STEP_STARTED)

    def after_valid_step(self) -> None:
        self.fire_event(RunEvents.VALID_STEP_COMPLETED)

    def publish(self, scores: Mapping[str, float]) -> None:
        """Tells handlers a trial's scores."""
        self.state.metrics.update(scores)
        self.state.cycle += 1  # type: ignore[attr-defined]
        self.fire_event(RunEvents.SCORED)

    def _put_into_training_mode(self) -> None:
        if not self._model.training:  # an evaluator's doing
            self._model.train()

    def _stop_within(
        self, _: Engine, within: set[int], length: Length, on_stop: Callable[[int], bool] | None
    ) -> None:
        """Ends a cycle, or all, in the middle of an epoch."""
        step = self.state.iteration
        if step in within and ((on_stop is not None and on_stop(step)) or step == length.steps):
            self.terminate()

    def _end_epoch(self, _: Engine, per_epoch: int, on_stop: Callable[[int], bool]) -> None:
        if on_stop(self.state.epoch * per_epoch):
            self.terminate()

    def _keep_failure(self, _: Engine, error: BaseException) -> None:
        """Whatever the problem's own handlers do with an exception, it ends the run."""
        self._failure = error

    def _iterate(self, _: Engine, turn: tuple[Chunk, bool]) -> float | None:
        batches, ends_chunk = turn
        if not batches:
            return None
        self._put_into_training_mode()
        try:
            losses, is_over = self._take(batches)
        except NotCapturable as error:  # no failure: the run is done again, with an engine of its own
            self._failure = error
            self.terminate(skip_completed=True)
            return None
        self._steps += len(batches)
        self._losses += losses.flatten().tolist()
        if is_over:
            self.terminate()
        if ends_chunk:
            self.state.output = sum(self._losses) / len(self._losses)  # type: ignore[assignment]
            self._losses.clear()
            self.state.chunk += 1  # type: ignore[attr-defined]
            self.fire_event(RunEvents.CHUNK_COMPLETED)
        return float(losses.mean())


class _Turns:
    """What is done at each step of an epoch: nothing until the last of a chunk, or each step by itself."""

    def __init__(self, chunks: Iterable[tuple[Chunk, bool]], is_by_step: bool) -> None:
        self._chunks, self._is_by_step = chunks, is_by_step

    def __iter__(self) -> Iterator[tuple[Chunk, bool]]:
        for chunk, _ in self._chunks:
            if self._is_by_step:
                yield from (([batch], k == len(chunk)) for k, batch in enumerate(chunk, 1))
            else:
                yield from (([], False) for _ in chunk[1:])
                yield chunk, True
