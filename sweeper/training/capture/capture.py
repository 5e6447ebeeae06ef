"""Captures a model's training step, rehearses it, and decides which kind of step a run takes.

The decision depends on the model, its data and what is asked for, never on timing: so a run is the same
wherever and whenever it is made.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple

import torch

from ...seeding import RandomStates
from ..average import REASON as AVERAGED
from ..average import WeightAverage
from ..data import Batch, Split, is_tensors, leaves
from ..objective import Objective, tensors_of
from ..objects.state import PythonState, described
from ..optimizers import Optimizer, needs_closure
from ..scoring.scorer import Scorer
from ..steps import CapturedGradientStep, CapturedStep, EagerStep, Replay, Step, StepResults
from .recording import (
    CannotRehearse,
    NotCapturable,
    Recording,
    check_unchanged,
    python_state_of,
    record,
    up_to_date,
)
from .script import Script, compiled
from .updates import UpdateRule, update_rule
from .verification import (
    ABSOLUTE_TOLERANCE,
    RELATIVE_TOLERANCE,
    Lane,
    Verification,
    check_repeatable,
    is_equal,
    restore,
)

REHEARSED = 2
"""Batches of each size by which a captured step is compared with the eager one."""

REHEARSAL_LR = 0.01
"""The learning rate of these steps."""

MOST_SIZES = 2
"""Sizes of batches that a step is captured for; an epoch has no more."""

_FEWEST_STEPS = 48


class Learner(NamedTuple):
    """What a step trains, and how.

    Attributes:
        model: Freshly initialised, in training mode.
        objective: What is minimised, and what is scored.
        make_optimizer: Makes the model's optimizer, at a learning rate of 1.
        split: The training data.
        score: Measures the performance.
        measures_perf: Whether the steps are to do so.
        fresh: Makes the model and its objective anew, as they were before they were trained.
        stuck: Of some Python state, names what outlives the model and cannot be put back.
        clip_norm: The largest norm of the gradient; None for any.
        parts: In how many parts a batch is processed before its update.
        average: That of the model's weights, if it is evaluated in its place.
    """

    model: torch.nn.Module
    objective: Objective
    make_optimizer: Callable[[], Optimizer]
    split: Split
    score: Scorer
    measures_perf: bool
    fresh: Callable[[], tuple[torch.nn.Module, Objective]]
    stuck: Callable[[PythonState], list[str]]
    clip_norm: float | None = None
    parts: int = 1
    average: WeightAverage | None = None

    @property
    def evaluated(self) -> torch.nn.Module:
        """The model that is scored and saved: the one that is trained, or the average of its weights."""
        return self.model if self.average is None else self.average.model

    @property
    def averages(self) -> list[torch.Tensor]:
        """What a step changes of the average."""
        return [] if self.average is None else self.average.tensors

    def eager_step(self) -> EagerStep:
        score = self.score if self.measures_perf else None
        objective = self.objective.guarded()
        optimizer = self.make_optimizer()
        return EagerStep(
            self.model, objective, optimizer, self.split, score, self.clip_norm, self.parts, self.average
        )

    def lane(self) -> Lane:
        return Lane(self.model, self.objective, self.eager_step(), self.averages)


def why_not_worth_it(batches: Sequence[torch.Tensor], epochs: float, device: torch.device) -> str | None:
    """Says why a run had better not be captured, or returns None if it had.

    Args:
        batches: Those of the first epoch, as indices.
        epochs: How many there will be.
        device: Where the model is.
    """
    if device.type != 'cpu':
        return f'the device is {device.type}; only on the CPU has it been shown to be faster'
    if len({len(batch) for batch in batches}) > MOST_SIZES:
        return f'the batches have more than {MOST_SIZES} sizes'
    if len(batches) * epochs < _FEWEST_STEPS:
        return f'it takes fewer than {_FEWEST_STEPS} steps'
    return None


def captured_step(learner: Learner, batches: Sequence[torch.Tensor]) -> CapturedStep | CapturedGradientStep:
    """Captures the learner's step and rehearses it.

    Args:
        learner: Left as it was, random state included, unless this raises.
        batches: Of an epoch, as indices; all sizes that the step will be given must occur.

    Raises:
        CannotRehearse: It may not be tried. Nothing has been done.
        NotCapturable: It cannot be captured, or does not do the same as the eager one. The model may have
            been trained by then.
    """
    by_size: dict[int, list[torch.Tensor]] = {}
    for batch in batches:
        by_size.setdefault(len(batch), []).append(batch)
    if learner.average is not None and learner.average.averaging() is None:
        raise CannotRehearse(AVERAGED)
    state = ModelState(learner.model, learner.objective, learner.averages)
    trained = (learner.model, learner.objective)
    python = python_state_of(trained)
    if stuck := learner.stuck(python):
        raise CannotRehearse(f'what it refers to could not be put back after a try ({described(stuck)})')
    recordings = {}
    for size, (first, *_) in by_size.items():
        batch = learner.split.batch(first)
        check_batch(batch, size)
        score = learner.score if learner.measures_perf else None
        recordings[size] = record(learner.model, learner.objective, score, batch, python, learner.parts)
        state.restore()
        python = up_to_date(python, trained)  # what `functools` remembers
    optimizer = learner.make_optimizer()
    if needs_closure(optimizer):
        raise NotCapturable(
            f'its optimizer, {type(optimizer).__name__}, computes the loss as often as it likes'
        )
    parameters = _parameters_of(list(recordings.values()))
    known = [update_rule(optimizer, parameter) for parameter in parameters]
    rules = [rule for rule in known if rule is not None]
    replays = compiled_replays(recordings, rules if len(rules) == len(known) else None, learner)

    def make_step() -> CapturedStep | CapturedGradientStep:
        if len(rules) == len(known):
            return replaying_step(replays, parameters, rules, learner)
        optimizer = learner.make_optimizer()
        return CapturedGradientStep(
            replays,
            parameters,
            optimizer,
            learner.split,
            learner.measures_perf,
            learner.clip_norm,
            learner.average,
        )

    python = up_to_date(python, trained)
    for size, examples in by_size.items():
        lrs = [REHEARSAL_LR] * len(examples[:REHEARSED])
        expected = [*learner.eager_step().run(examples[:REHEARSED], lrs), *state.copies()]
        state.restore()
        if not torch.equal(expected[0][0], recordings[size].loss):
            repeat = learner.eager_step().run(examples[:1], lrs[:1])
            state.restore()
            check_repeatable([repeat.losses], [expected[0][:1]])
        check_unchanged(python)
        actual = [*rehearsed(make_step(), examples[:REHEARSED]), *state.copies()]
        state.restore()
        check_same(actual, expected)
    step = make_step()
    all_rules, lane = rules if len(rules) == len(known) else None, learner.lane()
    python = up_to_date(python, trained)
    step.verify_by(Verification(step, [lane], python, [parameters], all_rules))
    return step


def check_batch(batch: Batch, size: int) -> None:
    """Raises `NotCapturable` unless a batch is tensors whose first dimension is the sample."""
    if not is_tensors(batch):
        raise NotCapturable('its batches are not tensors only')
    if any(not tensor.ndim or len(tensor) != size for tensor in leaves(batch)):
        raise NotCapturable('its batches have tensors whose first dimension is not the sample')


def _parameters_of(recordings: Sequence[Recording]) -> list[torch.Tensor]:
    """The parameters that the loss depends on, whatever the batch size."""
    first, *others = recordings
    if any([*map(id, other.parameters)] != [*map(id, first.parameters)] for other in others):
        raise NotCapturable('which parameters its loss depends on changes with the batch size')
    return first.parameters


def compiled_replays(
    recordings: Mapping[int, Recording],
    rules: Sequence[UpdateRule] | None,
    learner: Learner,
    in_lanes: bool = False,
) -> dict[int, Replay]:
    """Compiles recordings, by batch size; the arguments are as for `Script`."""
    replays = {}
    averaging = None if learner.average is None else learner.average.averaging()
    for size, recording in recordings.items():
        script = Script(recording, rules, learner.measures_perf, in_lanes, learner.clip_norm, averaging)
        replays[size] = Replay(compiled(script.source), script.tensors)
    return replays


def replaying_step(
    replays: Mapping[int, Replay],
    parameters: Sequence[torch.Tensor],
    rules: Sequence[UpdateRule],
    learner: Learner,
) -> CapturedStep:
    """Returns a step that replays from the beginning, its optimizer's state at 0."""
    states = [
        torch.zeros_like(parameter, requires_grad=False)
        for parameter, rule in zip(parameters, rules, strict=True)
        for _ in range(rule.states)
    ]
    return CapturedStep(replays, states, learner.split, learner.measures_perf)


def rehearsed(step: Step, batches: Sequence[torch.Tensor]) -> StepResults:
    """Takes some steps by replaying; what goes wrong in that raises `NotCapturable`."""
    try:
        return step.run(batches, [REHEARSAL_LR] * len(batches))
    except RuntimeError as error:  # the last line says what, those before where
        raise NotCapturable(f'replaying it raised {str(error).strip().splitlines()[-1]}') from error


def check_same(actual: Sequence[torch.Tensor], expected: Sequence[torch.Tensor]) -> None:
    """Raises `NotCapturable` if tensors differ by more than the tolerance."""
    for tensor, other in zip(actual, expected, strict=True):
        if tensor.shape != other.shape:
            raise NotCapturable('replaying it gives other numbers')
        if is_equal(tensor, other):  # as a rule, and a tenth of the time
            continue
        if not torch.allclose(tensor, other, RELATIVE_TOLERANCE, ABSOLUTE_TOLERANCE, equal_nan=True):
            raise NotCapturable('replaying it gives other numbers')


class ModelState:
    """The state of a model before training: its parameters and buffers, and random numbers.

    Args:
        model: The model.
        objective: What is minimised.
        others: Other tensors that training changes.
    """

    def __init__(
        self, model: torch.nn.Module, objective: Objective, others: Sequence[torch.Tensor] = ()
    ) -> None:
        self._live = [*tensors_of(model, *objective.modules), *others]
        self._kept = self.copies()
        self._random_states = RandomStates()

    def copies(self) -> list[torch.Tensor]:
        return [tensor.detach().clone() for tensor in self._live]

    def restore(self) -> None:
        with torch.no_grad():
            restore(self._live, self._kept)
            for tensor in self._live:
                tensor.grad = None
        self._random_states.restore()  # of all generators: reading data may draw from any
