"""What trains and is likely to be a mistake: what a dry run looks for once all is well."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import torch
from torch.utils._python_dispatch import TorchDispatchMode

from ...seeding import random_states_kept
from ..capture.learner import Learner
from ..data import Split

_SUM_IS_NEAR = 0.1
_ARITHMETIC = ('sub', 'add', 'mul', 'div')
_FEWEST = 8


def suspicions(learner: Learner, split: Split, order: torch.Tensor, output: Any) -> Iterator[str]:
    """Looks for what is likely to be a mistake.

    Args:
        learner: The model, its loss and so on.
        split: The training data.
        order: Where a batch of it is.
        output: What the model made of that, if that is known.

    Yields:
        A sentence each.
    """
    if _sums(learner, split, order):
        yield (
            'the loss sums over the batch: it doubles with the number of samples, so that neither losses nor '
            "learning rates of different batch sizes compare. Return the mean (reduction='mean', or divide "
            'by the number of samples)'
        )
    criterion = learner.objective.criterion
    if isinstance(criterion, torch.nn.CrossEntropyLoss) and _are_probabilities(output):
        yield (
            'the outputs of the model are probabilities, and CrossEntropyLoss takes logits, to which it '
            'applies softmax itself: leave softmax out of the model'
        )


def pairs_each_with_each(learner: Learner, split: Split, order: torch.Tensor) -> bool:
    """Whether an own step computes with `(n, 1)` and `(n,)`, one of them outputs and the other targets.

    So it pairs every output with every target. Two sizes of batches are tried, so that no other dimension is
    taken for the batch.
    """
    if len(order) < _FEWEST:
        return False
    return all(_pairs(learner, split, some) for some in (order, order[:-1]))


def _pairs(learner: Learner, split: Split, order: torch.Tensor) -> bool:
    mode = _PairsMode(len(order))
    try:
        with random_states_kept(), mode:
            learner.objective.loss(learner.model, split.batch(order))
    except Exception:  # of what does not take the mode, nothing is known
        return False
    return mode.has_seen


class _PairsMode(TorchDispatchMode):  # type: ignore[no-untyped-call]
    """Notices arithmetic between `(n, 1)` and `(n,)` of which one has a gradient and the other none.

    Args:
        size: n.
    """

    def __init__(self, size: int) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self._shapes = {(size, 1), (size,)}
        self.has_seen = False

    def __torch_dispatch__(self, function: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        result = function(*args, **(kwargs or {}))
        name = function.overloadpacket.__name__
        tensors = [argument for argument in args if isinstance(argument, torch.Tensor)]
        is_mixed = sum(tensor.requires_grad for tensor in tensors) == 1
        if is_mixed and name in _ARITHMETIC and {tuple(t.shape) for t in tensors} == self._shapes:
            self.has_seen = True
        return result


def _sums(learner: Learner, split: Split, order: torch.Tensor) -> bool:
    """Whether the loss of a batch doubles if every sample is in it twice."""
    if len(order) < _FEWEST:
        return False
    learner.model.eval()
    try:
        with torch.no_grad():
            once, twice = (_loss(learner, split, some) for some in (order, order.repeat(2)))
    except Exception:  # of batches of another size, say
        return False
    finally:
        learner.model.train()
    return once > 0 and abs(twice / once - 2) < _SUM_IS_NEAR


def _loss(learner: Learner, split: Split, order: torch.Tensor) -> float:
    with random_states_kept():
        return float(learner.objective.loss(learner.model, split.batch(order)))


def _are_probabilities(output: Any) -> bool:
    if not isinstance(output, torch.Tensor) or output.ndim < 2 or output.shape[1] < 2:
        return False
    sums = output.sum(1)
    return bool((output >= 0).all()) and torch.allclose(sums, torch.ones_like(sums), atol=1e-4)
