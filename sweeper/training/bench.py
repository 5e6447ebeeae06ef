"""The bench: a problem with its data, on which models are set up to be trained."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import torch

from ..points import Point, point_key
from ..seeding import model_seed, seed_everything
from .capture import Subject, captured_step, why_not_worth_it
from .data import Split, as_split
from .lanes import LanesStep, step_in_lanes
from .layout import prefers_channels_last
from .metrics import Criterion, scorer
from .optimizers import build_optimizer
from .problem import Problem
from .recording import NotCapturable
from .steps import Step


class Splits(NamedTuple):
    """A problem's data, ready to be batched."""

    train: Split
    val: Split
    test: Split | None


def load_splits(problem: Problem, seed: int, device: torch.device) -> Splits:
    """Calls the problem's `dataset()` and takes its splits into memory where that is cheap.

    Random draws in `dataset()` (a random split, say) are seeded, so that every worker has the same data.
    """
    seed_everything(seed)
    train, val, *rest = (as_split(dataset, device) for dataset in problem.load_datasets())
    return Splits(train, val, rest[0] if rest else None)


class Training(NamedTuple):
    """Models set up to be trained side by side; mostly one.

    Attributes:
        subjects: The models, their losses and so on.
        step: Trains them.
        kind: The kind of step, and why it is not another.
    """

    subjects: Sequence[Subject]
    step: Step
    kind: str

    def update_models(self) -> None:
        """Brings the models up to date with what the step has trained."""
        if isinstance(self.step, LanesStep):
            self.step.update_models()


@dataclass(frozen=True)
class Bench:
    """A problem with its data, on a device: all that a run needs besides its own arguments.

    Attributes:
        problem: Loaded.
        splits: Its data.
        device: Where it is, and where models are trained.
        step: The kind of step: `eager`, `captured`, `lanes` (captured, for single runs), or `auto`:
            captured where that is worth it. One that cannot be captured is eager.
    """

    problem: Problem
    splits: Splits
    device: torch.device
    step: str = 'auto'

    def set_up(
        self,
        point: Point,
        seed: int,
        batches: Sequence[torch.Tensor],
        epochs: int = 1,
        measures_perf: bool = False,
    ) -> Training:
        """Initialises a model and decides how its steps are taken; what they draw at random is seeded too.

        Args:
            point: The architecture.
            seed: The run's.
            batches: Those of the first epoch, as indices.
            epochs: How many there will be.
            measures_perf: Whether every step is to measure its performance.
        """
        subject = self.subject(point, seed, measures_perf)
        if self.step == 'eager':
            return Training([subject], subject.eager_step(), 'eager')
        reason = why_not_worth_it(batches, epochs, self.device) if self.step != 'captured' else None
        if reason is None:
            try:
                return Training([subject], captured_step(subject, batches), 'captured')
            except NotCapturable as error:
                reason = str(error)
                subject = self.subject(point, seed, measures_perf)
        return Training([subject], subject.eager_step(), f'eager, because {reason}')

    def set_up_lanes(
        self,
        point: Point,
        seeds: Sequence[int],
        batches: Sequence[Sequence[torch.Tensor]],
        measures_perf: bool = False,
    ) -> Training:
        """Initialises one model per seed, to be trained side by side by one step.

        Args:
            point: The architecture.
            seeds: The runs'.
            batches: For every run, the batches of its first epoch.
            measures_perf: Whether every step is to measure its performance.

        Raises:
            NotCapturable: That cannot be done.
        """
        subjects = [self.subject(point, seed, measures_perf) for seed in seeds]
        return Training(subjects, step_in_lanes(subjects, batches), f'in {len(seeds)} lanes')

    def fresh_model(self, point: Point, seed: int) -> tuple[torch.nn.Module, Criterion]:
        """Returns a newly initialised model and its criterion; what they draw later is seeded too."""
        seed_everything(model_seed(seed, point_key(point)))
        model = self.problem.model(point).to(self.device)
        if prefers_channels_last(model, self.splits.train, self.device):
            model = model.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
        model.train()
        criterion = self.problem.build_criterion()
        if isinstance(criterion, torch.nn.Module):
            criterion = criterion.to(self.device)
        return model, criterion

    def subject(self, point: Point, seed: int, measures_perf: bool) -> Subject:
        """Returns a newly initialised model and all that its training takes."""
        model, criterion = self.fresh_model(point, seed)
        return Subject(
            model,
            criterion,
            lambda: build_optimizer(self.problem, model),
            self.splits.train,
            scorer(self.problem.accuracy_style, criterion),
            measures_perf,
        )
