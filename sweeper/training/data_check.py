"""Tells a training loss that is not finite because of the data from one that has diverged."""

from __future__ import annotations

import math
from collections.abc import Sequence
from functools import partial

import torch

from .capture.learner import Learner
from .data import InMemorySplit, not_finite
from .finite import check_data, undisturbed
from .parallel.ranks import Ranks
from .transfer import runs_ahead


class DataCheck:
    """Tells a training loss that is not finite because of the data from one that has diverged.

    Args:
        learners: What is trained, side by side.
        ranks: The processes that share the batches, if there are several: each looks at its own part.
    """

    def __init__(self, learners: Sequence[Learner], ranks: Ranks | None = None) -> None:
        self._learners, self._ranks = learners, ranks
        self._lost = [False] * len(learners)
        self._can_wait = all(isinstance(learner.split, InMemorySplit) for learner in learners)
        self._waiting: tuple[Sequence[torch.Tensor], torch.Tensor] | None = None

    def check(self, batches: Sequence[torch.Tensor], losses: torch.Tensor) -> None:
        """Looks at the steps taken last; or at those before, while a device computes these.

        Args:
            batches: The indices of their samples: of shape `(batch size,)`, or `(lanes, batch size)`.
            losses: Shape `(steps,)` or `(steps, lanes)`.

        Raises:
            NotFiniteData: As `check_data`, with a fresh model.
        """
        if self._can_wait and runs_ahead(losses.device):
            waiting, self._waiting = self._waiting, (batches, losses)
            if waiting is not None:
                self._look_at(*waiting)
        else:
            self._look_at(batches, losses)

    def settle(self) -> None:
        """Looks at what `check` has not looked at yet; raises as that does."""
        if self._waiting is not None:
            waiting, self._waiting = self._waiting, None
            self._look_at(*waiting)

    def _look_at(self, batches: Sequence[torch.Tensor], losses: torch.Tensor) -> None:
        if torch.isfinite(losses).all():
            return
        is_finite = torch.isfinite(losses.reshape(len(losses), -1)).T.tolist()
        for lane, steps in enumerate(is_finite):
            if not all(steps) and not self._lost[lane]:
                self._lost[lane] = True
                indices = batches[steps.index(False)]
                self._check(lane, indices[lane] if indices.ndim > 1 else indices)

    def check_all(self, batches: Sequence[torch.Tensor]) -> None:
        """Looks at batches of which the step of one raised an error.

        Raises:
            NotFiniteData: As `check`.
        """
        for indices in batches:
            for lane in range(len(self._learners)):
                self._check(lane, indices[lane] if indices.ndim > 1 else indices)

    def _check(self, lane: int, indices: torch.Tensor) -> None:
        learner = self._learners[lane]
        if self._ranks is not None:
            indices, _ = self._ranks.share(indices)
        batch = learner.split.suspect(indices)
        if batch is None or not not_finite(batch, len(indices)):
            return
        with undisturbed():
            try:
                model, objective = learner.fresh()
                loss_of = torch.no_grad()(partial(objective.loss, model))
                if math.isfinite(loss_of(batch).item()):
                    return  # it copes with such values
            except Exception:
                pass
        check_data(batch, indices.tolist(), 'train', loss_of)
