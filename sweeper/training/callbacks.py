"""Callbacks of a problem: hooks around training, epochs, steps and validation."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from difflib import get_close_matches
from typing import TYPE_CHECKING, Any

from ..errors import ProblemError

if TYPE_CHECKING:
    from .attached import Run
    from .engine import RunEngine


class Callback:
    """Hooks that are called in each run of a problem whose `callbacks()` returns it; override some.

    `run` says which run it is, and `run.stop()` ends its training. Without the two hooks of training steps,
    steps stay captured.
    """

    def before_train(self, run: Run) -> None:
        """Called before the first step."""

    def after_train(self, run: Run) -> None:
        """Called after the last step, before a trial is scored on test data."""

    def before_epoch(self, run: Run, epoch: int) -> None:
        """Called at the beginning of an epoch; the first is 1."""

    def after_epoch(self, run: Run, epoch: int, loss: float) -> None:
        """Called at the end of an epoch with the mean loss of its last steps."""

    def before_train_step(self, run: Run, step: int) -> None:
        """Called before a step; the first is 1."""

    def after_train_step(self, run: Run, step: int, loss: float) -> None:
        """Called after a step with the loss of its batch before the update."""

    def before_valid(self, run: Run, epoch: int) -> None:
        """Called before a trial is scored at the end of a learning-rate cycle."""

    def after_valid(self, run: Run, epoch: int, scores: Mapping[str, float]) -> None:
        """Called after that with `loss_train`, `perf_train`, `loss_val` and `perf_val`."""

    def before_valid_step(self, run: Run, step: int) -> None:
        """Called before a batch of the validation data is scored; the first is 1."""

    def after_valid_step(self, run: Run, step: int) -> None:
        """Called after that."""


HOOKS = [name for name in vars(Callback) if name.startswith(('before_', 'after_'))]


def check_callbacks(problem: str, callbacks: object) -> None:
    """Raises ProblemError unless these are callbacks whose hooks exist.

    Args:
        problem: Its name, for messages.
        callbacks: What its `callbacks()` returned.
    """
    if not isinstance(callbacks, list | tuple) or not all(
        isinstance(callback, Callback) for callback in callbacks
    ):
        raise ProblemError(
            f'callbacks() of {problem!r} must return a list of objects of subclasses of sweeper.Callback; '
            f'got {callbacks!r}'
        )
    for callback in callbacks:
        kind = type(callback)
        for name in dir(kind):
            close = [] if name in HOOKS or name.startswith('_') else get_close_matches(name, HOOKS, 1, 0.8)
            if close or (name.startswith(('before_', 'after_')) and name not in HOOKS):
                raise ProblemError(
                    f'{kind.__name__}.{name} is no hook of a Callback'
                    + (f'; did you mean {close[0]}?' if close else f'; there are {", ".join(HOOKS)}')
                )


def attach_callbacks(engine: RunEngine, run: Run, callbacks: Sequence[Callback]) -> None:
    """Adds the hooks that callbacks override as handlers of a run's engine."""
    from ignite.engine import Events

    from .engine import RunEvents

    state = engine.state

    def epoch() -> int:
        return state.epoch

    def last_loss() -> Any:
        return state.output

    kinds: dict[str, tuple[Any, tuple[Callable[[], Any], ...]]] = {
        'before_train': (Events.STARTED, ()),
        'after_train': (Events.COMPLETED, ()),
        'before_epoch': (Events.EPOCH_STARTED, (epoch,)),
        'after_epoch': (Events.EPOCH_COMPLETED, (epoch, last_loss)),
        'before_train_step': (Events.ITERATION_STARTED, (lambda: state.iteration,)),
        'after_train_step': (Events.ITERATION_COMPLETED, (lambda: state.iteration, last_loss)),
        'before_valid': (RunEvents.SCORING, (epoch,)),
        'after_valid': (RunEvents.SCORED, (epoch, lambda: dict(state.metrics))),
        'before_valid_step': (RunEvents.VALID_STEP_STARTED, (lambda: state.valid_step,)),  # type: ignore[attr-defined]
        'after_valid_step': (RunEvents.VALID_STEP_COMPLETED, (lambda: state.valid_step,)),  # type: ignore[attr-defined]
    }
    for callback in callbacks:
        for name, (event, facts) in kinds.items():
            if getattr(type(callback), name) is not getattr(Callback, name):
                engine.add_event_handler(event, _handler(getattr(callback, name), run, facts))


def _handler(
    hook: Callable[..., object], run: Run, facts: Sequence[Callable[[], Any]]
) -> Callable[[], object]:
    return lambda: hook(run, *(fact() for fact in facts))
