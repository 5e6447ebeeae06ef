"""Explains an error on a batch's way through model and criterion, by trying what would be right."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import torch

from ..data import is_pair, leaves, map_tensors
from ..described import described
from .conversions import other_batches, other_inputs, other_outputs, other_targets
from .diagnosis import Certain, Pass, succeeds, target_size


@contextmanager
def explained(explain: Callable[[Pass, Exception], None], done: Pass) -> Iterator[None]:
    """Lets an exception be explained before it goes on."""
    try:
        yield
    except Certain:
        raise
    except Exception as error:
        explain(done, error)
        raise


def explain_model(done: Pass, error: Exception) -> None:
    """Raises `Certain` if the model takes these inputs as arguments, or in another data type or shape."""
    raised = f'{type(error).__name__}: {error}'
    done.explain_by_data(f'which the model does not take: {raised}')
    _explain_by_arguments(done, raised)
    model, inputs, expected = done.learner.model, done.inputs, _dtype(done)
    kinds = {tensor.dtype for tensor in leaves(inputs)}
    if expected is not None and not kinds <= {expected} and succeeds(lambda: model(_cast(inputs, expected))):
        other = sorted(str(kind) for kind in kinds - {expected})[0]
        raise Certain(
            f'the inputs of {done.where} are {other}, and the model computes in {expected}: {error}. '
            f'Convert them in dataset(), as with `inputs.to({expected})`'
        )
    for wording, converted in other_inputs(inputs) if isinstance(inputs, torch.Tensor) else ():
        if succeeds(lambda converted=converted: done.check_loss_of(model(converted))):  # type: ignore[misc]
            raise Certain(
                f'the model does not take the inputs of {done.where}, which are {described(inputs)}: '
                f'{raised}. It takes them as {described(converted)}: return inputs{wording} from dataset(), '
                f'or begin the model with that'
            )
    error.add_note(f'(the inputs are {described(inputs)})')


def _explain_by_arguments(done: Pass, raised: str) -> None:
    """Raises `Certain` if the model takes another number of arguments."""
    model, inputs = done.learner.model, done.inputs
    if not succeeds(lambda: inspect.signature(model.forward)):
        return
    signature = f'forward{inspect.signature(model.forward)} of {type(model).__name__}'
    if isinstance(inputs, Mapping) and succeeds(lambda: model(**inputs)):
        call = 'model(**batch[0])'
    elif isinstance(inputs, tuple | list) and succeeds(lambda: model(*inputs)):
        call = 'model(*batch[0])'
    elif succeeds(lambda: inspect.signature(model.forward).bind(inputs)):
        return
    else:
        raise Certain(
            f'the model is called as model(inputs), and {signature} takes something else: {raised}. Write a '
            f'step(model, batch) and a predict(model, batch) that call it as it must be'
        )
    raise Certain(
        f'the inputs of {done.where} are {described(inputs)}, and {signature} takes them as several '
        f'arguments: {raised}. Write a step(model, batch) and a predict(model, batch) that call {call}'
    )


def explain_step(done: Pass, error: Exception) -> None:
    """Raises `Certain` if the step takes samples that are finite, or of another data type."""
    raised = f'{type(error).__name__}: {error}'
    done.explain_by_data(f'and step(model, batch) raises {raised}')
    if isinstance(error, UserWarning):
        raise Certain(
            f'step(model, batch) computes the loss of outputs and targets whose shapes differ on '
            f'{done.where}: {target_size(error)}'
        ) from None
    for wording, batch in other_batches(done.batch, _dtype(done) or torch.get_default_dtype()):
        if succeeds(lambda batch=batch: done.check_batch(batch)):  # type: ignore[misc]
            raise Certain(
                f'step(model, batch) raises {raised} on {done.where}, whose batches are '
                f'{described(done.batch)}. It works with {wording}: convert them in dataset()'
            )
    error.add_note(f'(the batch is {described(done.batch)})')


def explain_loss(done: Pass, error: Exception) -> None:
    """Raises `Certain` if the criterion takes these targets or outputs in another shape or data type."""
    raised = f'{type(error).__name__}: {error}'
    done.explain_by_data(f'and the criterion raises {raised}')
    output, targets = done.output, done.targets
    what = (
        f'the criterion does not take the targets of {done.where}, which are {described(targets)} with '
        f'outputs {described(output)}: {raised}'
    )
    for wording, other in other_targets(targets, output):
        if succeeds(lambda other=other: done.check_loss_of(output, other)):  # type: ignore[misc]
            raise Certain(f'{what}. It takes them as {described(other)}: return {wording} from dataset()')
    for wording, other in other_outputs(output) if isinstance(output, torch.Tensor) else ():
        if succeeds(lambda other=other: done.check_loss_of(other)):  # type: ignore[misc]
            raise Certain(f'{what}. It takes outputs that are {described(other)}: {wording}')
    if succeeds(lambda: done.check_loss_of(targets, output)):
        raise Certain(f'{what}. It takes them the other way round: it is called as criterion(output, target)')
    error.add_note(f'(the outputs are {described(output)}, the targets {described(targets)})')


def explain_prediction(done: Pass, error: Exception) -> None:
    """Raises `Certain` if `predict` does not return outputs and targets where a batch is no such pair."""
    predict = done.learner.objective.predict
    if predict is not None and not is_pair(done.batch):
        results: list[Any] = []
        if succeeds(lambda: results.append(predict(done.learner.model, done.batch))):
            raise Certain(
                f'predict(model, batch) returned {described(results[0])} on {done.where}; where a batch '
                f'is not (inputs, targets), it must return a tuple of two: outputs and targets'
            )
    error.add_note(f'(the batch is {described(done.batch)})')


def _dtype(done: Pass) -> torch.dtype | None:
    """The data type in which the model computes."""
    kinds = (p.dtype for p in done.learner.model.parameters() if p.is_floating_point())
    return next(kinds, None)


def _cast(inputs: Any, dtype: torch.dtype) -> Any:
    return map_tensors(inputs, lambda tensor: tensor.to(dtype))
