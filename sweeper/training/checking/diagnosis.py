"""Finds out what is wrong with a batch's way through model and criterion, by trying what would be right."""

from __future__ import annotations

import math
import warnings
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import torch

from ...seeding import random_states_kept
from ..capture.learner import Learner
from ..data import Batch, InMemorySplit, Split, inputs_of, leaves, pair_of
from ..described import described, shape_of
from ..objective import Criterion
from ..scoring.scorer import ignored_label
from .suspicions import pairs_each_with_each, suspicions


class Certain(Exception):
    """What is wrong is understood, and is no fault of the architecture."""


@dataclass
class Pass:
    """A batch on its way through a model and its criterion.

    Attributes:
        learner: The model, its criterion and so on.
        split: What the batch is of.
        where: What that is called.
        indices: Where in it the batch is, shape `(batch size,)`.
        batch: The batch, as the step takes it.
        bad: Samples of the split whose inputs have values that are NaN or infinite.
        output: The model's, once it is there.
        loss: The criterion's, once it is there.
    """

    learner: Learner
    split: Split
    where: str
    indices: torch.Tensor
    batch: Batch
    bad: list[int]
    output: Any = None
    loss: Any = None

    @property
    def inputs(self) -> Any:
        return pair_of(self.batch)[0]

    @property
    def targets(self) -> torch.Tensor:
        return pair_of(self.batch)[1]

    @property
    def _criterion(self) -> Criterion:
        assert self.learner.objective.criterion is not None
        return self.learner.objective.criterion

    @property
    def _loss_is(self) -> str:
        """What gives the loss, as messages call it."""
        return 'step(model, batch)' if self.learner.objective.is_own else 'the criterion'

    def compute_loss(self) -> None:
        """Calls the criterion; raises `Certain` if torch says that shapes do not fit."""
        with warnings.catch_warnings():
            warnings.filterwarnings('error', 'Using a target size')
            try:
                self.loss = self._criterion(self.output, self.targets)
            except UserWarning as warning:
                self.check_pairs()
                raise Certain(
                    f'the targets of {self.where} are {described(self.targets)}, the outputs '
                    f'{described(self.output)}: {target_size(warning)}'
                ) from None
        self.check_pairs()

    def check_pairs(self) -> None:
        """Raises `Certain` if outputs and targets are paired each with each because of their shapes."""
        output, targets = self.output, self.targets
        if not isinstance(output, torch.Tensor) or output.shape == targets.shape or len(targets) < 2:
            return
        if output.numel() != targets.numel() or not targets.is_floating_point():
            return
        alike = targets.reshape(output.shape)
        # The outputs of a fresh model may all be the same, as far as the loss can tell.
        noise = torch.rand(output.shape, generator=torch.Generator().manual_seed(0)).to(output)
        for candidate in (output.detach(), noise):
            try:
                with warnings.catch_warnings(), random_states_kept():
                    warnings.simplefilter('ignore')
                    loss, right = (float(self._criterion(candidate, t)) for t in (targets, alike))
            except Exception:  # it says itself what it does not take
                continue
            if not math.isclose(loss, right, rel_tol=1e-3, abs_tol=1e-9):
                raise Certain(
                    f'the targets of {self.where} have shape {shape_of(targets)} and the outputs '
                    f'{shape_of(output)}, so that the criterion pairs every output with every target. Give '
                    f'both the same shape: {_same_shape(output, targets)}'
                )

    def check_loss(self) -> None:
        """Raises `Certain` unless the loss is a finite scalar that depends on the model."""
        loss, where = self.loss, self.where
        if not isinstance(loss, torch.Tensor):
            raise Certain(
                f'{self._loss_is} returned {described(loss)} on {where}; it must return a tensor, the mean '
                f'loss'
            )
        if loss.numel() != 1:
            raise Certain(
                f'{self._loss_is} returned a tensor of shape {shape_of(loss)} on {where}; it must return the '
                f"mean over the batch: leave out reduction='none', or take .mean()"
            )
        if torch.is_grad_enabled() and not any(p.requires_grad for p in self.learner.model.parameters()):
            raise ValueError('the model has no parameters to train: none of them requires a gradient')
        if torch.is_grad_enabled() and not loss.requires_grad:
            raise ValueError(
                'the loss does not depend on any parameter that is trained: something between them has no '
                'gradient (.detach(), .argmax(), .item(), torch.no_grad())'
            )
        model = self.learner.model
        if (
            torch.is_grad_enabled()
            and self.learner.objective.is_own
            and any(p.grad is not None for p in model.parameters())
        ):
            raise Certain(
                'step(model, batch) calls backward() itself: return the loss, and that is done for it'
            )
        if math.isfinite(float(loss.detach())):
            return
        self.explain_by_data('and so is the loss')
        if not model.training and succeeds(lambda: self._finite_loss_in_training()):
            raise Certain(
                f'the loss on {where} is {float(loss):g} in evaluation mode, after model.eval(), and finite '
                f'in training mode: what does the model do only in evaluation?'
            )
        if not self.learner.objective.is_own:
            self._explain_by_weights(float(loss.detach()))
        raise FloatingPointError(f'the loss of a fresh model is {float(loss.detach()):g}')

    def check_no_other_loss(self) -> None:
        """Raises `Certain` if the output has a loss that is not the one that counts."""
        output = self.output
        other = output.get('loss') if isinstance(output, Mapping) else getattr(output, 'loss', None)
        if not isinstance(other, torch.Tensor) or other.numel() != 1:
            return
        if not math.isclose(float(other.detach()), float(self.loss.detach()), rel_tol=1e-3, abs_tol=1e-6):
            raise Certain(
                f'the model returns a {type(output).__name__} with a loss of its own on {self.where}, '
                f'{float(other.detach()):.4g}, which would be ignored: the criterion gives '
                f'{float(self.loss.detach()):.4g}. Write a step(model, batch) that returns the right one, '
                f'or leave labels out of the inputs'
            )

    def _explain_by_weights(self, loss: float) -> None:
        """Raises `Certain` if the criterion divides by the weight of the labels, and that is 0 or not finite.

        If only this batch has no labels that count, others may have some: that is no more than the reason.
        """
        criterion, labels = self._criterion, self.targets
        weights, ignored = getattr(criterion, 'weight', None), ignored_label(criterion)
        if labels.is_floating_point() or getattr(criterion, 'reduction', None) != 'mean':
            return
        if isinstance(weights, torch.Tensor) and not (torch.isfinite(weights).all() and weights.any()):
            kind = 'not all finite' if weights.any() else 'all 0'
            raise Certain(
                f'the loss on {self.where} is {loss:g}, since the class weights of the criterion '
                f'({type(criterion).__name__}) are {kind}: {_short_list(weights)}'
            )
        if ignored is not None and bool((labels == ignored).all()):
            reason = f'is {ignored}, which the criterion ignores (ignore_index), so that it divides 0 by 0'
            if isinstance(self.split, InMemorySplit) and bool((self.split.data[1] == ignored).all()):
                raise Certain(f'every label of {self.where} {reason}')
            raise FloatingPointError(f'every label in a batch of {self.where} {reason}')
        counted = labels if ignored is None else labels[labels != ignored]
        if isinstance(weights, torch.Tensor) and not weights[counted].any():
            raise FloatingPointError(
                f'every label in a batch of {self.where} has weight 0 in the criterion '
                f'({type(criterion).__name__}), so that it divides 0 by 0: {_short_list(weights)}'
            )

    def explain_by_data(self, consequence: str) -> None:
        """Raises `Certain` if all is well without the samples that are not finite."""
        if self.bad and succeeds(self._finite_loss_of_good_samples):
            raise Certain(
                f'the inputs of {self.where} have values that are NaN or infinite, in {len(self.bad)} of '
                f'{len(self.split)} samples as far as they were read, first in sample {self.bad[0]}, '
                f'{consequence}. Replace them or leave these samples out'
            )

    def suspicions(self) -> list[str]:
        """Looks for what trains and is likely to be a mistake; returns a sentence for each.

        Raises:
            Certain: The problem's own step pairs every output with every target.
        """
        about = self.learner, self.split, self.indices
        if self.learner.objective.is_own and pairs_each_with_each(*about):
            raise Certain(
                f'step(model, batch) computes with outputs of shape (n, 1) and targets of shape (n,), or '
                f'vice versa, on {self.where}, so that every output is paired with every target. Give both '
                f'the same shape; if pairs are meant, write output[:, None] and target[None, :]'
            )
        return [*suspicions(*about, self.output)]

    def backward(self) -> None:
        """Computes the gradients."""
        self.loss.backward()

    def check_loss_of(self, output: Any, targets: torch.Tensor | None = None) -> None:
        """Raises ValueError unless the criterion gives a finite scalar; `targets` as they are if None."""
        loss = self._criterion(output, self.targets if targets is None else targets)
        if loss.numel() != 1 or not math.isfinite(float(loss.detach())):
            raise ValueError

    def _finite_loss_of_good_samples(self) -> None:
        bad = set(self.bad)
        good = [index for index in self.indices.tolist() if index not in bad]
        self.check_batch(self.split.batch(torch.tensor(good, dtype=torch.long)))

    def check_batch(self, batch: Batch) -> None:
        """Raises ValueError unless a batch has a finite loss."""
        if not math.isfinite(float(self.learner.objective.loss(self.learner.model, batch).detach())):
            raise ValueError

    def _finite_loss_in_training(self) -> None:
        model = self.learner.model.train()
        try:
            self.check_batch(self.batch)
        finally:
            model.eval()


def bad_samples(split: Split) -> list[int]:
    """The samples whose inputs have values that are NaN or infinite, if they are in memory."""
    if not isinstance(split, InMemorySplit):
        return []
    samples: set[int] = set()
    for tensor in leaves(inputs_of(split.data)):
        if (tensor.is_floating_point() or tensor.is_complex()) and not torch.isfinite(tensor.sum()):
            finite = torch.isfinite(tensor).reshape(len(tensor), -1).all(1)
            samples.update(torch.nonzero(~finite).flatten().tolist())
    return sorted(samples)


def check_output(done: Pass, targets: Any) -> None:
    """Raises `Certain` if the output cannot be scored, or has no place for a label of the data."""
    score, output, where = done.learner.score, done.output, done.where
    if not score.is_by_output:
        return
    if not isinstance(output, torch.Tensor) or not isinstance(targets, torch.Tensor):
        returned = described((output, targets) if isinstance(output, torch.Tensor) else output)
        raise Certain(
            f'{_source(done)} returned {returned} on {where}; accuracy_style={score.style!r} needs '
            f"a tensor, to tell predictions from it ('inv-loss' needs the loss only). Write a "
            f'predict(model, batch) that returns outputs and targets, both tensors'
        )
    if score.is_assumed and score.style == 'multiclass' and output.numel():
        low, high = output.min().item(), output.max().item()
        if low < 0 or high > 1:
            raise Certain(
                f'the outputs on {where} go from {low:.3g} to {high:.3g}, so they are no probabilities, and '
                f'nothing says from which output on a label is predicted. Write `threshold = 0.0` into the '
                f'problem if they are logits, or `threshold = 0.5` if that is meant'
            )
    if score.style == 'classification' and targets.ndim < max(output.ndim, 2) and output.ndim > 1:
        _check_labels(done, targets, output.shape[1])


def check_classes(done: Pass, targets: torch.Tensor) -> None:
    """Raises `Certain` unless there is an output per class, and a target per prediction."""
    output = done.output
    if done.learner.score.style != 'classification':
        return
    if output.ndim > 1 and targets.shape in (output.shape, output[:, 0].shape):
        return
    hint = 'The class with the highest output is predicted: leave argmax out'
    if targets.is_floating_point() and not output.is_floating_point():
        hint = 'Outputs come first, then targets'
    raise Certain(
        f'{_source(done)} gives outputs that are {described(output)} and targets that are '
        f'{described(targets)} on {done.where}. Outputs must be of shape (n, classes, …), targets of shape '
        f'(n, …), or one-hot in the same shape. {hint}'
    )


def _source(done: Pass) -> str:
    return 'the model' if done.learner.objective.predict is None else 'predict(model, batch)'


def _check_labels(done: Pass, targets: torch.Tensor, classes: int) -> None:
    if isinstance(done.split, InMemorySplit) and done.learner.objective.predict is None:
        targets = done.split.data[1]
    ignored = ignored_label(done.learner.objective.criterion)
    labels = targets if ignored is None else targets[targets != ignored]
    if labels.numel() and int(labels.max()) >= classes:
        raise Certain(
            f'{done.where} has the label {int(labels.max())}, and the model has '
            + (
                f'{classes} outputs, for the labels 0 to {classes - 1}'
                if classes > 1
                else '1 output, for the label 0: for a yes or no, give it 2, or write '
                "accuracy_style='multiclass' with targets of shape (n, 1)"
            )
        )


def _short_list(weights: torch.Tensor, most: int = 6) -> str:
    values = [f'{value:g}' for value in weights.flatten()[:most].tolist()]
    return ', '.join(values) + (', …' if weights.numel() > most else '')


def succeeds(attempt: Callable[[], Any]) -> bool:
    """Whether a call raises nothing; random states are as before then."""
    try:
        with warnings.catch_warnings(), random_states_kept():
            warnings.simplefilter('ignore')
            attempt()
    except Exception:
        return False
    return True


def target_size(warning: Exception) -> str:
    """What torch says of a target size that is not the output's."""
    return str(warning).partition(' This will ')[0].strip()


def _same_shape(output: torch.Tensor, targets: torch.Tensor) -> str:
    if output.ndim == targets.ndim + 1 and output.shape[-1] == 1:
        return 'return output.squeeze(-1) from the model, or targets.unsqueeze(-1) from dataset()'
    if targets.ndim == output.ndim + 1 and targets.shape[-1] == 1:
        return 'return targets.squeeze(-1) from dataset(), or output.unsqueeze(-1) from the model'
    return f'return targets.reshape{shape_of(output, batch="-1")} from dataset()'
