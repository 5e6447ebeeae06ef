"""A trial: one model of a full training, its scores as it goes, and what remains of it."""

from __future__ import annotations

import io
from collections.abc import Mapping
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from ..io.checksums import checksum
from ..results import joined_flags
from .capture.learner import Learner
from .data import Split
from .objective import tensors_of
from .scoring.evaluation import Score, evaluate, is_finite_in_evaluation, is_finite_in_training
from .workspace import Workspace

if TYPE_CHECKING:
    from .engine import RunEngine

_HELD_OUT = 'held_out'


class Trial:
    """One model of a full training, and its scores so far.

    Args:
        workspace: The problem and its data.
        learner: The model, and how it is scored.
        held_out: Training data that it is not trained on but scored, if it is to stop by that.
        weights: Whether its weights are part of what remains of it.

    Attributes:
        initial_checksum: Of the model as it was before the first step.
    """

    def __init__(
        self,
        workspace: Workspace,
        learner: Learner,
        held_out: Split | None = None,
        weights: bool = True,
    ) -> None:
        self._learner = learner
        self._splits = {'train': workspace.splits.train, 'val': workspace.splits.val}
        self._test = workspace.splits.test
        self._held_out = held_out
        initial = state_bytes(learner.evaluated)
        self.initial_checksum = checksum(initial)
        self._initial = initial if weights else None
        self._rows: list[dict[str, float]] = []
        self._last: dict[str, Score] = {}
        self._is_unsure = False
        self._scored: list[int] = []

    def state(self) -> dict[str, Any]:
        """Returns its scores so far, as plain values."""
        last = {name: asdict(score) for name, score in self._last.items()}
        return {'rows': self._rows, 'last': last, 'is_unsure': self._is_unsure}

    def restore(self, state: Mapping[str, Any]) -> None:
        """Puts back what `state` returned."""
        self._rows, self._is_unsure = state['rows'], state['is_unsure']
        self._last = {name: Score(**score) for name, score in state['last'].items()}

    def take_scores(self, epochs: float, engine: RunEngine | None = None) -> dict[str, float]:
        """Scores the model after so many epochs; returns the scores by name. An engine calls handlers."""
        if engine is not None:
            engine.begin_scoring()
        watchers = {'val': engine}
        self._last = {
            name: self._score(name, split, watchers.get(name)) for name, split in self._splits.items()
        }
        self._rows = [row for row in self._rows if row['epochs'] != epochs]
        held_out = {}
        if self._held_out is not None:
            held_out = _as_row({_HELD_OUT: self._score('train', self._held_out)})
        self._rows.append({'epochs': epochs, **_as_row(self._last), **held_out})
        self._scored = self._versions()
        return _as_row(self._last)

    def has_stalled(self, patience: int) -> bool:
        """Whether the objective on held-out data has not improved in the last cycles, so many."""
        sign = self._learner.score.objective.sign
        scores = [sign * row[f'perf_{_HELD_OUT}'] for row in self._rows]
        return bool(scores) and len(scores) - 1 - scores.index(max(scores)) >= patience

    @property
    def is_scored(self) -> bool:
        """Whether the model has been scored as it stands."""
        return self._scored == self._versions()

    def _versions(self) -> list[int]:
        tensors = tensors_of(self._learner.evaluated)
        return [number for tensor in tensors for number in (id(tensor), tensor._version)]

    def _score(self, name: str, split: Split, engine: RunEngine | None = None) -> Score:
        learner = self._learner
        score = evaluate(
            learner.evaluated, split, learner.objective, learner.score, name=name, watcher=engine
        )
        self._is_unsure = self._is_unsure or score.is_unsure
        return score

    def _best(self) -> dict[str, float]:
        """The best objective on validation data at the end of a cycle, the first if there are several."""
        if not self._rows:
            return {}
        sign = self._learner.score.objective.sign
        best = max(self._rows, key=lambda row: sign * row['perf_val'])
        return {'best_val': best['perf_val'], 'best_epoch': best['epochs']}

    def result(self, epochs: float, lost: bool) -> dict[str, Any]:
        learner, train = self._learner, self._splits['train']
        model, last = None if self._initial is None else state_bytes(learner.evaluated), self._last
        if lost:  # it has not been scored since
            is_finite = is_finite_in_evaluation(learner.evaluated, train, learner.objective, learner.score)
            in_training, in_evaluation = True, not is_finite
        else:
            if self._test is not None:
                last = {**last, 'test': self._score('test', self._test)}
            in_evaluation = not all(score.is_finite for score in last.values())
            # The last update may have done it.
            in_training = not last['train'].is_finite and not is_finite_in_training(
                learner.evaluated, train, learner.objective
            )
        if in_training:
            names = [*self._splits, *(['test'] if self._test is not None else [])]
            last = dict.fromkeys(names, Score.of_diverged(learner.score))
        kinds = ('loss', 'perf', *(metric.name for metric in learner.score.others))
        scored = [*self._splits, *([_HELD_OUT] if self._held_out is not None else [])]
        keys = ('epochs', *(f'{kind}_{name}' for name in scored for kind in kinds))
        return {
            'scores': _as_row(last),
            **self._best(),
            'diverged': in_training,
            'flags': joined_flags(in_training, in_evaluation, self._is_unsure),
            'epochs': epochs,
            'throughtime': {key: np.array([row[key] for row in self._rows]) for key in keys},
            'model': model,
            'model_init': self._initial,
        }


def _as_row(scores: Mapping[str, Score]) -> dict[str, float]:
    return {
        f'{kind}_{name}': value
        for name, score in scores.items()
        for kind, value in (('loss', score.loss), ('perf', score.perf), *score.metrics.items())
    }


def state_bytes(model: torch.nn.Module) -> bytes:
    """Returns the state dict, on the CPU, so that it can be loaded anywhere."""
    state = model.state_dict()
    for name, value in state.items():
        state[name] = value.cpu() if isinstance(value, torch.Tensor) else value
    buffer = io.BytesIO()
    torch.save(state, buffer)
    return buffer.getvalue()
