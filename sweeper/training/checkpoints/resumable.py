"""What decides how trials go on: kept at the end of a cycle, put back into ones that are set up alike.

They go on to the bit as if they had never stopped, or nothing is kept. So whatever decides is either part of
the state, or must be as it was at the start: all Python state that steps can change, for example.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch.nn.parameter import is_lazy

from ...seeding import RandomStates, global_generators
from ..capture.learner import Learner
from ..data import InMemorySplit, ItemSplit
from ..objective import tensors_of
from ..objects.reading import package_of
from ..objects.state import PythonState, TooManyObjects
from ..stream import StreamSplit
from ..trial import Trial
from ..workspace import Training, Workspace
from .checkpoint import Checkpoint
from .plain import NotKeepable, as_plain, copy_all


class Resumable:
    """Trials in progress whose state can be kept and put back, as far as that is possible.

    Args:
        workspace: The problem and its data.
        training: What is trained; no step has been taken.
        trials: Their scores so far.
        checkpoint: Where the state is kept.
    """

    def __init__(
        self, workspace: Workspace, training: Training, trials: Sequence[Trial], checkpoint: Checkpoint
    ) -> None:
        self._training, self._trials, self._checkpoint = training, trials, checkpoint
        self._ranks = training.ranks
        self._can_be_kept = training.engine is None and training.own is None
        if self._can_be_kept:
            try:
                self._python = _python_state(workspace, training)
                self._can_be_kept = not self._python.opaque
            except (TooManyObjects, NotKeepable):
                self._can_be_kept = False

    def restore(self, most: int) -> tuple[int, list[tuple[float, bool]]] | None:
        """Puts back the state that was kept, if there is one.

        Args:
            most: How many steps may have led to it.

        Returns:
            How many steps led to it, and for every model the epochs done and whether it diverged.

        Raises:
            NotKeepable: It does not fit; what is trained has to be set up once more.
        """
        state = self._checkpoint.take()
        fits = state is not None and self._can_be_kept and state['done'] <= most
        if not self._in_all(fits) or state is None:
            return None
        why = None
        try:
            self._put_back(state)
        except Exception as error:  # of a file that anybody may have written
            why = error
        if not self._in_all(why is None):
            raise NotKeepable(str(why)) from why
        return state['done'], [(epochs, bool(diverged)) for epochs, diverged in state['ends']]

    def _put_back(self, state: dict[str, Any]) -> None:
        if state['initial'] != [trial.initial_checksum for trial in self._trials]:
            raise NotKeepable('the models begin otherwise')
        for learner, model in zip(self._training.learners, state['models'], strict=True):
            _restore_model(learner, model)
        self._training.step.restore_state(state['step'])
        for trial, scores in zip(self._trials, state['trials'], strict=True):
            trial.restore(scores)
        random = state['random'] if self._ranks is None else state['random'][self._ranks.rank]
        RandomStates.from_plain(random).restore()

    def _in_all(self, value: bool) -> bool:
        """Whether it is so in all processes that train the model together."""
        return value if self._ranks is None else self._ranks.all(value)

    @property
    def _writes(self) -> bool:
        """Whether this process writes the state."""
        return self._ranks is None or self._ranks.is_first

    def keep(self, done: int, ends: Sequence[tuple[float, bool]], is_end: bool = False) -> None:
        """Keeps the present state, if it is time to and that can be done.

        Args:
            done: How many steps led to it.
            ends: For every model, the epochs done and whether it diverged.
            is_end: A part of the training ends here: it is time to, once the last step has been verified.
        """
        is_due = is_end or not self._writes or self._checkpoint.is_due
        if not self._in_all(self._can_be_kept and is_due):
            return
        plain = None
        try:
            if self._python.changes(caches_too=False):
                raise NotKeepable('Python state has changed')
            state = {
                'done': done,
                'ends': [list(end) for end in ends],
                'initial': [trial.initial_checksum for trial in self._trials],
                'models': [_model_state(learner) for learner in self._training.learners],
                'step': self._training.step.state(),
                'trials': [trial.state() for trial in self._trials],
                'random': RandomStates().to_plain(),
            }
            plain = as_plain(state)
        except NotKeepable:
            pass
        if not self._in_all(plain is not None) or plain is None:
            self._can_be_kept = False
            return
        if is_end:
            self._training.step.verify_last()
        if self._ranks is not None:
            plain['random'] = self._ranks.gathered(plain['random'])
        if self._writes:
            self._checkpoint.write(plain)


def _python_state(workspace: Workspace, training: Training) -> PythonState:
    """All Python state that steps and evaluations can change, as it is.

    Raises:
        NotKeepable: It is not known what they can change.
        TooManyObjects: It is too much to look at.
    """
    roots: list[tuple[str, Any]] = []
    for name, split in workspace.splits._asdict().items():
        if isinstance(split, StreamSplit):
            raise NotKeepable('a stream cannot be read from where it was')
        if isinstance(split, ItemSplit):
            roots.append((f'{name} data', split.sources))
        elif not isinstance(split, InMemorySplit | None):
            raise NotKeepable('it is not known where its data is')
    tensors: list[torch.Tensor] = []
    for learner in training.learners:
        modules = [learner.model, *learner.objective.modules]
        if any(is_lazy(parameter) for module in modules for parameter in module.parameters()):
            raise NotKeepable('a module is lazy')
        tensors += tensors_of(*modules)
        roots += [('model', learner.model), *learner.objective.parts]
    roots += workspace.python_roots().items()
    for name, metric in workspace.problem.metrics.items():
        if package_of(type(metric.function)) != 'ignite':  # whose metrics begin anew at each evaluation
            roots.append((f'metrics[{name!r}]', metric.function))
    return PythonState(roots, tensors, excluded=global_generators())


def _model_state(learner: Learner) -> dict[str, Any]:
    average = None if learner.average is None else learner.average.state()
    return {'tensors': _tensors(learner), 'average': average}


def _tensors(learner: Learner) -> list[torch.Tensor]:
    return [tensor.detach() for tensor in tensors_of(learner.model, *learner.objective.modules)]


def _restore_model(learner: Learner, state: dict[str, Any]) -> None:
    copy_all(state['tensors'], _tensors(learner))
    if learner.average is not None:
        learner.average.restore(state['average'])
