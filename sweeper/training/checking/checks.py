"""What can be wrong with a problem, found before anything is trained."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import Any

import torch
from torch.utils.data import DataLoader, IterableDataset

from ...errors import ProblemError
from ...problem.problem import Problem
from ...seeding import seed_everything
from ..callbacks import check_callbacks
from ..data import Batch, InMemorySplit, Split, first_text, has_own_collate, inputs_of, is_pair
from ..objective import Criterion
from ..optimizers import takes_model
from ..schedule import learning_rates
from ..scoring.scorer import ignored_label
from ..stream import StreamSplit, check_stream, split_of
from ..workspace import Splits, no_data
from .loaders import check_loader

_NAMES = ('train', 'val', 'test')
_PROBED_ITEMS = 64
_SCHEDULE_PROBES = 50
_LONGEST_REPR = 200


def check_problem(problem: Problem, seed: int) -> Splits:
    """Loads the problem's data and checks that all of it fits together; trains nothing.

    Args:
        problem: The loaded problem.
        seed: Seeds random draws in `dataset()`, as in the workers.

    Returns:
        The data, on the CPU.

    Raises:
        ProblemError: Something is wrong; the message says what and where.
    """
    for fault in problem.unread:
        raise ProblemError(f'{problem.name!r} defines {fault}')
    criterion = None if problem.build_criterion is None else _check_criterion(problem)
    _check_own_step(problem, criterion)
    if problem.build_optimizer is not None:
        _check_binds(problem, 'optimizer', problem.build_optimizer, 'parameters', 'lr')
        if takes_model(problem):
            _check_no_parameters(problem, criterion, 'optimizer(model, lr)')
    if callable(problem.schedule):
        try:
            learning_rates(problem.schedule, 0.0, 1.0, _SCHEDULE_PROBES, 1)
        except Exception as error:
            message = str(error) if isinstance(error, ProblemError) else f'{type(error).__name__}: {error}'
            raise ProblemError(f'schedule of {problem.name!r}, a function of progress: {message}') from error
    if problem.train is not None:
        _check_nothing_ignored(problem)
        _check_binds(problem, 'train', problem.train, 'run')
        unused = {
            'optimizer': problem.build_optimizer, 'clip_norm': problem.clip_norm, 'attach': problem.attach,
            'callbacks': problem.callbacks,
        }  # fmt: skip
        if names := [name for name, value in unused.items() if value is not None]:
            raise ProblemError(
                f'{problem.name!r} has its own training loop, train(run), which would ignore '
                f'{", ".join(names)}: do it in the loop, and give it another name if the loop calls it'
            )
    if problem.callbacks is not None:
        _check_binds(problem, 'callbacks', problem.callbacks)
        check_callbacks(problem.name, _call(problem, 'callbacks', problem.callbacks))
    if problem.attach is not None:
        _check_binds(problem, 'attach', problem.attach, 'engine', 'run')
    if problem.constraint is not None:
        _check_binds(problem, 'constraint', problem.constraint, 'model')
    if problem.load_datasets is None:
        return no_data(problem)
    seed_everything(seed)
    datasets = _call(problem, 'dataset', problem.datasets)
    if not isinstance(datasets, tuple | list) or len(datasets) not in (2, 3):
        kind = f'{len(datasets)} of them' if isinstance(datasets, tuple | list) else _short(datasets)
        hint = ''
        if hasattr(datasets, 'train_dataloader'):
            hint = (
                '. A LightningDataModule goes with its module, as `problem = sweeper.adapters.lightning('
                'module, data)`; or return its datasets'
            )
        raise ProblemError(
            f'dataset() of {problem.name!r} must return (train, val) or (train, val, test); got {kind}{hint}'
        )
    ignored = ignored_label(criterion)
    splits = [
        _checked_split(problem, name, dataset, ignored)
        for name, dataset in zip(_NAMES, datasets, strict=False)
    ]
    return Splits(splits[0], splits[1], splits[2] if len(splits) == 3 else None)


def _short(value: object) -> str:
    text = repr(value)
    return text if len(text) <= _LONGEST_REPR else f'{text[:_LONGEST_REPR]} …'


def _call(problem: Problem, name: str, function: Callable[[], Any]) -> Any:
    try:
        return function()
    except Exception as error:
        raise ProblemError(f'{name}() of {problem.name!r} raised {type(error).__name__}: {error}') from error


def _check_binds(problem: Problem, name: str, function: Callable[..., Any], *arguments: str) -> None:
    try:
        signature = inspect.signature(function)
    except (TypeError, ValueError):
        return
    first = next(iter(signature.parameters), '')
    if first in arguments[1:]:
        raise ProblemError(
            f'{name}{signature} of {problem.name!r} must take ({", ".join(arguments)}), in this order'
        )
    try:
        signature.bind(*arguments)
    except TypeError as error:
        raise ProblemError(
            f'{name}{signature} of {problem.name!r} must take ({", ".join(arguments)}): {error}'
        ) from None


def _check_criterion(problem: Problem) -> Criterion:
    assert problem.build_criterion is not None
    if isinstance(problem.build_criterion, torch.nn.Module):
        raise ProblemError(
            f'loss of {problem.name!r} is the criterion {problem.build_criterion!r} itself; it must be what '
            f'makes one, called as loss(): `loss = torch.nn.CrossEntropyLoss`, with no parentheses'
        )
    _check_binds(problem, 'loss', problem.build_criterion)
    criterion = _call(problem, 'loss', problem.build_criterion)
    if not callable(criterion):
        raise ProblemError(
            f'loss() of {problem.name!r} must return a criterion, called as criterion(output, target); '
            f'got {criterion!r}. (`loss = torch.nn.CrossEntropyLoss` is right, with no parentheses.)'
        )
    return criterion  # type: ignore[no-any-return]


def _check_nothing_ignored(problem: Problem) -> None:
    for name in ('accumulate', 'ema'):
        if name in problem.training_options:
            raise ProblemError(
                f'{name} of {problem.name!r} is {getattr(problem, name)}, which its own loop, train(run), '
                f'would ignore: leave it out, and do there what it says'
            )


def _check_own_step(problem: Problem, criterion: Criterion | None) -> None:
    if problem.predict is not None:
        _check_binds(problem, 'predict', problem.predict, 'model', 'batch')
    if problem.step is None:
        return
    _check_binds(problem, 'step', problem.step, 'model', 'batch')
    _check_no_parameters(problem, criterion, 'step(model, batch)')


def _check_no_parameters(problem: Problem, criterion: Criterion | None, function: str) -> None:
    if isinstance(criterion, torch.nn.Module) and any(p.requires_grad for p in criterion.parameters()):
        raise ProblemError(
            f'loss of {problem.name!r} has parameters to train ({type(criterion).__name__}), and '
            f'{function} gets only the model: make it a part of the model'
        )


def _checked_split(problem: Problem, name: str, given: Any, ignored: int | None) -> Split:
    where = f'the {name} dataset of {problem.name!r}'
    dataset = given.dataset if isinstance(given, DataLoader) else given
    is_stream = isinstance(dataset, IterableDataset)
    if is_stream:
        check_stream(given, where)
    elif not hasattr(dataset, '__getitem__') or not hasattr(dataset, '__len__'):
        raise ProblemError(f'{where} must be map-style (__len__ and __getitem__); got {_short(dataset)}')
    try:
        size = len(dataset)  # type: ignore[arg-type]
    except Exception as error:
        raise ProblemError(f'the length of {where} raised {type(error).__name__}: {error}') from error
    if isinstance(given, DataLoader) and not is_stream:
        check_loader(given, where)
    elif callable(getattr(dataset, 'collate_fn', None)):
        raise ProblemError(
            f'{where} has a collate_fn, which would be ignored: return DataLoader(data, '
            f'collate_fn=data.collate_fn) in its place'
        )
    if size == 0:
        raise ProblemError(f'{where} is empty')
    try:
        item = next(iter(dataset)) if is_stream else dataset[0]
    except Exception as error:
        raise ProblemError(f'item 0 of {where} raised {type(error).__name__}: {error}') from error
    needs_pairs = problem.step is None or (problem.predict is None and problem.needs_outputs)
    if needs_pairs and not has_own_collate(given) and not is_pair(item):
        if problem.step is None:
            needed = "a step(model, batch) of the problem's own, and a predict(model, batch) to be scored by"
        else:
            needed = 'a predict(model, batch) that returns outputs and targets, to be scored by'
        raise ProblemError(
            f'an item of {where} must be (input, target); item 0 is {_short(item)}. Other items need {needed}'
        )
    try:
        split = split_of(given, torch.device('cpu'))
        batch = _probe(split)
        if problem.step is None and (text := first_text(inputs_of(batch))) is not None:
            raise TypeError(
                f'an input must be a tensor, an array or a number, or a tuple, list or dict of these; '
                f'got {text!r} ({type(text).__name__}) in one'
            )
        if problem.predict is None and is_pair(batch) and not isinstance(batch[1], torch.Tensor):
            raise TypeError(f'a target must be a tensor, an array or a number; got {_short(item[1])}')
    except Exception as error:
        is_ragged = 'equal size' in str(error)
        hint = '. Return DataLoader(data, collate_fn=…) with one that pads them' if is_ragged else ''
        raise ProblemError(
            f'the items of {where} cannot be put into batches: {type(error).__name__}: {error}{hint}'
        ) from error
    if problem.predict is None and is_pair(batch):
        _check_targets(problem.accuracy_style, batch[1], where, ignored)
    return split


def _probe(split: Split) -> Batch:
    """All samples, if they are in memory, or a few that are spread over the split."""
    if isinstance(split, InMemorySplit):
        return split.data
    count = min(len(split), _PROBED_ITEMS)
    if isinstance(split, StreamSplit):
        return split.batch(torch.arange(count))
    return split.batch(torch.linspace(0, len(split) - 1, count).long())


def _check_targets(style: str | None, targets: torch.Tensor, where: str, ignored: int | None = None) -> None:
    """Raises `ProblemError` if the targets, sample first, do not fit the accuracy style."""
    if not isinstance(targets, torch.Tensor):
        raise ProblemError(f'the targets of {where} must be tensors or numbers; got {type(targets).__name__}')
    is_float = targets.is_floating_point()
    if is_float and not torch.isfinite(targets).all():
        raise ProblemError(f'the targets of {where} have values that are NaN or infinite')
    shape = tuple(targets.shape)
    if style == 'classification':
        if targets.ndim == 2 and shape[1] == 1:
            raise ProblemError(
                f"accuracy_style='classification' needs one class index or one one-hot row per sample as "
                f'target; those of {where} have shape {shape}: drop their last dimension'
            )
        one_hot = targets.ndim >= 2 and bool(((targets == 0) | (targets == 1)).all())
        one_hot = one_hot and bool((targets.sum(1) == 1).all())
        if not one_hot and is_float:
            raise ProblemError(
                f"accuracy_style='classification' needs class indices (integers) or one-hot rows as targets; "
                f'those of {where} are {targets.dtype} of shape {shape}, item 0 is {targets[0].tolist()!r}'
            )
        labels = targets if ignored is None else targets[targets != ignored]
        if not one_hot and bool((labels < 0).any()):
            raise ProblemError(
                f"accuracy_style='classification' needs class indices of at least 0 as targets; "
                f'those of {where} go down to {int(labels.min())}'
            )
    if style == 'multiclass' and (targets.ndim < 2 or not bool(((targets == 0) | (targets == 1)).all())):
        raise ProblemError(
            f"accuracy_style='multiclass' needs multi-hot rows of 0 and 1 as targets; those of {where} "
            f'have shape {shape}, item 0 is {targets[0].tolist()!r}'
        )
