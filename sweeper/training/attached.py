"""What a problem's `attach(engine, run)` is told of a run; what it asks for decides how steps are taken."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Literal, TypeAlias

import torch

from ..points import Point, point_key
from .data import Batch, Split
from .objective import Criterion
from .optimizers import Optimizer
from .scoring.evaluation import evaluation_order

RunKind: TypeAlias = Literal['trial', 'brief', 'range_test']


@dataclass(frozen=True, kw_only=True)
class RunPlan:
    """How a run trains: what of it is known before its model is built.

    Attributes:
        kind: `trial`: a full training, whose scores are compared. `brief`: a short one in tuning, by one
            learning-rate cycle. `range_test`: one in tuning whose learning rate rises from step to step.
        index: The trial's number; None in tuning.
        lr_min: The lowest learning rate, at both ends of each cycle.
        lr_max: The highest.
        batch_size: The most samples of a batch.
        epochs: How often the engine goes through its batches; a fraction if the last time is cut short. In
            tuning 1, however many passes over the data that is.
        steps: How many steps the run takes if nothing ends it.
    """

    kind: RunKind
    index: int | None = None
    lr_min: float
    lr_max: float
    batch_size: int
    epochs: float
    steps: int


class OptimizerRequest:
    """A run's optimizer, made only if a handler wants it: recorded steps have none.

    Args:
        make: Makes it.
    """

    def __init__(self, make: Callable[[], Optimizer]) -> None:
        self._make = make
        self.optimizer: Optimizer | None = None
        self.is_open = True

    def get(self) -> Optimizer:
        if self.optimizer is None:
            if not self.is_open:
                raise RuntimeError(
                    'run.optimizer was first read when training had begun, and its steps may do without it: '
                    'read it in attach(engine, run)'
                )
            self.optimizer = self._make()
        return self.optimizer


@dataclass(frozen=True, kw_only=True)
class Run(RunPlan):
    """A training that is about to begin, as `attach(engine, run)` of a problem gets it.

    Attributes:
        kind, index, lr_min, lr_max, batch_size, epochs, steps: See `RunPlan`.
        point: The architecture.
        seed: The run's. Equal numbers mean an equal order of the data, whatever the architecture.
        model: Freshly initialised, on its device; trained in place.
        criterion: The loss, called as `criterion(output, target)`; None if the problem has no `loss`.
    """

    point: Point
    seed: int
    model: torch.nn.Module = field(repr=False)
    criterion: Criterion | None = field(repr=False)
    _splits: Mapping[str, Split | None] = field(repr=False)
    _optimizer: OptimizerRequest = field(repr=False)
    _stop: Callable[[], None] = field(repr=False)

    def stop(self) -> None:
        """Ends the training after the present step, or chunk of steps; the model is scored as it stands."""
        self._stop()

    @property
    def optimizer(self) -> torch.optim.Optimizer:
        """The optimizer, its learning rates as factors; each step multiplies them by that of the schedule.

        Whoever reads it, in `attach`, has steps taken eagerly: recorded ones do not call it.
        """
        return self._optimizer.get()  # type: ignore[return-value]

    @property
    def name(self) -> str:
        """A text for names of files and folders, different for every run of a sweep."""
        point = hashlib.sha256(point_key(self.point).encode()).hexdigest()[:8]
        return f'{point}-{self.kind}-{self.seed if self.index is None else self.index}'

    def batches(self, split: str) -> EvaluationBatches:
        """The data of a split in its order, in batches `(inputs, targets)`, for an ignite evaluator.

        Args:
            split: `train`, or in trials `val`.

        Raises:
            ValueError: It is another. Test data is scored once, at the end of a trial, and tuning looks at
                training data only.
        """
        allowed = ('train', 'val') if self.kind == 'trial' else ('train',)
        data = self._splits.get(split)
        if split not in allowed or data is None:
            why = (
                'test data is scored at the end only'
                if split == 'test'
                else f'in a run of kind {self.kind!r}'
            )
            raise ValueError(f'run.batches({split!r}): valid are {", ".join(map(repr, allowed))} ({why})')
        return EvaluationBatches(data)


class EvaluationBatches:
    """The batches of a split, one after another."""

    def __init__(self, split: Split) -> None:
        self._split, self._order = split, evaluation_order(split)

    def __len__(self) -> int:
        return len(self._order)

    def __iter__(self) -> Iterator[Batch]:
        return iter(self._split.batches(self._order))
