"""Captures a model's training step, rehearses it, and decides which kind of step a run takes.

The decision depends on the model, its data and what is asked for, never on timing: so a run is the same
wherever and whenever it is made.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import NamedTuple

import torch

from .data import Split
from .metrics import Criterion, Scorer
from .optimizers import Optimizer
from .recording import NotCapturable, Recording, record
from .script import Script, compiled
from .steps import CapturedGradientStep, CapturedStep, EagerStep, Replay, Step
from .updates import update_rule

REHEARSED = 2
"""Batches of each size by which a captured step is compared with the eager one."""

RELATIVE_TOLERANCE, ABSOLUTE_TOLERANCE = 1e-4, 1e-6
"""How far losses, parameters and buffers may differ in the rehearsal. Mostly they do not differ at all."""

_REHEARSAL_LR = 0.01
_MOST_SIZES = 2
_FEWEST_STEPS = 48


class Subject(NamedTuple):
    """What a step trains, and how.

    Attributes:
        model: Freshly initialised, in training mode.
        criterion: Its loss.
        make_optimizer: Makes the model's optimizer, at a learning rate of 1.
        split: The training data.
        score: Measures the performance.
        measures_perf: Whether the steps are to do so.
    """

    model: torch.nn.Module
    criterion: Criterion
    make_optimizer: Callable[[], Optimizer]
    split: Split
    score: Scorer
    measures_perf: bool

    def eager_step(self) -> EagerStep:
        score = self.score if self.measures_perf else None
        return EagerStep(self.model, self.criterion, self.make_optimizer(), self.split, score)


def why_not_worth_it(batches: Sequence[torch.Tensor], epochs: int, device: torch.device) -> str | None:
    """Says why a run had better not be captured, or returns None if it had.

    Args:
        batches: Those of the first epoch, as indices.
        epochs: How many there will be.
        device: Where the model is.
    """
    if device.type != 'cpu':
        return f'the device is {device.type}; only on the CPU has it been shown to be faster'
    if len({len(batch) for batch in batches}) > _MOST_SIZES:
        return f'the batches have more than {_MOST_SIZES} sizes'
    if len(batches) * epochs < _FEWEST_STEPS:
        return f'it takes fewer than {_FEWEST_STEPS} steps'
    return None


def captured_step(subject: Subject, batches: Sequence[torch.Tensor]) -> Step:
    """Captures the subject's step and rehearses it.

    Args:
        subject: Left as it was, random state included, unless this raises.
        batches: Of an epoch, as indices; all sizes that the step will be given must occur.

    Raises:
        NotCapturable: It cannot be captured, or does not do the same as the eager one. The model may have
            been trained by then.
    """
    by_size: dict[int, list[torch.Tensor]] = {}
    for batch in batches:
        by_size.setdefault(len(batch), []).append(batch)
    state = _State(subject.model, subject.criterion)
    recordings = {}
    for size, (first, *_) in by_size.items():
        recordings[size] = _record(subject, first)
        state.restore()
    make_step = _replaying(subject, recordings)
    for examples in by_size.values():
        _rehearse(subject.eager_step(), make_step(), state, examples[:REHEARSED])
    return make_step()


def _record(subject: Subject, batch: torch.Tensor) -> Recording:
    try:
        inputs, targets = subject.split.batch(batch)
        return record(subject.model, subject.criterion, subject.score, inputs, targets)
    except NotCapturable:
        raise
    except Exception as error:
        raise NotCapturable(f'recording it raised {type(error).__name__}: {error}') from error


def _replaying(subject: Subject, recordings: dict[int, Recording]) -> Callable[[], Step]:
    """Compiles recordings; returns what makes a step that replays them from the beginning."""
    first, *others = recordings.values()
    parameters = first.parameters
    if any([*map(id, other.parameters)] != [*map(id, parameters)] for other in others):
        raise NotCapturable('which parameters its loss depends on changes with the batch size')
    optimizer = subject.make_optimizer()
    known = [update_rule(optimizer, parameter) for parameter in parameters]
    rules = [rule for rule in known if rule is not None]
    is_known = len(rules) == len(known)
    replays = {}
    for size, recording in recordings.items():
        script = Script(recording, rules if is_known else None, subject.measures_perf)
        replays[size] = Replay(compiled(script.source), script.tensors)

    def with_update() -> Step:
        states = [
            torch.zeros_like(parameter, requires_grad=False)
            for parameter, rule in zip(parameters, rules, strict=True)
            for _ in range(rule.states)
        ]
        return CapturedStep(replays, states, subject.split, subject.measures_perf)

    def with_optimizer() -> Step:
        optimizer = subject.make_optimizer()
        return CapturedGradientStep(replays, parameters, optimizer, subject.split, subject.measures_perf)

    return with_update if is_known else with_optimizer


def _rehearse(eager: Step, captured: Step, state: _State, batches: Sequence[torch.Tensor]) -> None:
    """Takes the same steps both ways, and raises `NotCapturable` if they differ."""
    lrs = [_REHEARSAL_LR] * len(batches)
    expected = [*eager.run(batches, lrs), *state.copies()]
    state.restore()
    try:
        found = [*captured.run(batches, lrs), *state.copies()]
    except RuntimeError as error:  # the last line says what, those before where
        raise NotCapturable(f'replaying it raised {str(error).strip().splitlines()[-1]}') from error
    state.restore()
    if not all(map(_is_same, found, expected)):
        raise NotCapturable('replaying it gives other numbers')


def _is_same(found: torch.Tensor, expected: torch.Tensor) -> bool:
    return found.shape == expected.shape and torch.allclose(
        found, expected, RELATIVE_TOLERANCE, ABSOLUTE_TOLERANCE, equal_nan=True
    )


class _State:
    """The state of a model before training: its parameters and buffers, and torch's random numbers."""

    def __init__(self, model: torch.nn.Module, criterion: Criterion) -> None:
        modules = [model, *([criterion] if isinstance(criterion, torch.nn.Module) else [])]
        self._live = [t for module in modules for t in (*module.parameters(), *module.buffers())]
        self._kept = self.copies()
        self._random_state = torch.get_rng_state()
        self._on_gpus = torch.cuda.get_rng_state_all() if torch.cuda.is_initialized() else []  # type: ignore[no-untyped-call]

    def copies(self) -> list[torch.Tensor]:
        return [tensor.detach().clone() for tensor in self._live]

    def restore(self) -> None:
        with torch.no_grad():
            for tensor, kept in zip(self._live, self._kept, strict=True):
                tensor.copy_(kept)
                tensor.grad = None
        torch.set_rng_state(self._random_state)
        if self._on_gpus:
            torch.cuda.set_rng_state_all(self._on_gpus)
