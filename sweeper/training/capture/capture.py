"""Captures a model's training step, rehearses it, and decides which kind of step a run takes.

The decision depends on the model, its data and what is asked for, never on timing: so a run is the same
wherever and whenever it is made.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch

from ...seeding import RandomStates
from ..average import REASON as AVERAGED
from ..data import Batch, is_tensors, leaves
from ..objective import Objective, tensors_of
from ..objects.state import described
from ..optimizers import needs_closure
from ..steps import CapturedGradientStep, CapturedStep, Step, StepResults
from .graphs import GraphBackend
from .learner import Learner
from .making import gradient_step_maker, step_maker
from .recording import (
    OUT_OF_MEMORY,
    CannotRehearse,
    NotCapturable,
    Recording,
    check_unchanged,
    python_state_of,
    record,
    up_to_date,
)
from .updates import update_rule
from .verification import (
    ABSOLUTE_TOLERANCE,
    RELATIVE_TOLERANCE,
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


def captured_step(
    learner: Learner, batches: Sequence[torch.Tensor], graphs: GraphBackend | None = None
) -> CapturedStep | CapturedGradientStep:
    """Captures the learner's step and rehearses it.

    Args:
        learner: Left as it was, random state included, unless this raises.
        batches: Of an epoch, as indices; all sizes that the step will be given must occur.
        graphs: Makes graphs of what is captured, on a device that has them.

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
    all_rules = rules if len(rules) == len(known) else None
    make_step: Callable[[], CapturedStep | CapturedGradientStep]
    if all_rules is None:
        make_step = gradient_step_maker(recordings, parameters, learner, graphs)
    else:
        make_step = step_maker(recordings, parameters, all_rules, learner, graphs)
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
    python = up_to_date(python, trained)
    step.verify_by(Verification(step, [learner.lane()], python, [parameters], all_rules))
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


def rehearsed(step: Step, batches: Sequence[torch.Tensor]) -> StepResults:
    """Takes some steps by replaying; what goes wrong in that raises `NotCapturable`."""
    try:
        return step.run(batches, [REHEARSAL_LR] * len(batches))
    except OUT_OF_MEMORY:
        raise
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
