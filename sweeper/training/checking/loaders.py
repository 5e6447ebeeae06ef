"""What a `DataLoader` of a problem says that is used, and what would be ignored."""

from __future__ import annotations

from collections.abc import Sized
from typing import Any

from torch.utils.data import BatchSampler, DataLoader, DistributedSampler, RandomSampler, SequentialSampler

from ...errors import ProblemError


def reading_options(loader: DataLoader[Any] | None) -> dict[str, Any]:
    """How a loader's processes read items, as arguments of another loader."""
    if loader is None or loader.num_workers == 0:
        return {'num_workers': 0}
    names = ('num_workers', 'worker_init_fn', 'multiprocessing_context', 'timeout', 'prefetch_factor')
    return {name: getattr(loader, name) for name in names}


def check_loader(loader: DataLoader[Any], where: str) -> None:
    """Raises `ProblemError` if a loader says anything that would be ignored: batches are the tuner's.

    Args:
        loader: One that a problem's `dataset()` has returned. `batch_size` and `shuffle` may be anything.
        where: What messages call its dataset.
    """
    ignored = _ignored(loader)
    if ignored is not None:
        what, instead = ignored
        raise ProblemError(f'{where} is a DataLoader with {what}, which would be ignored: {instead}')


def _ignored(loader: DataLoader[Any]) -> tuple[str, str] | None:
    """What would be ignored, and what is done in its place and how to write what may be meant."""
    kind = type(loader)
    for name in ('__iter__', '_get_iterator'):
        if getattr(kind, name) is not getattr(DataLoader, name):
            return (
                f'an __iter__ of its own ({kind.__name__})',
                'the items of its dataset are read one by one. Change items in the dataset, and batches in a '
                'collate_fn or in step(model, batch)',
            )
    if loader.batch_size is None and loader.batch_sampler is None:
        return (
            'batch_size=None, so that its items are batches',
            'batch size is tuned. Return a dataset whose items are single samples',
        )
    samplers = _samplers(loader)
    for sampler in samplers:
        if isinstance(sampler, DistributedSampler):
            return (
                type(sampler).__name__,
                'runs are distributed over the cores, each with all of the data. Leave it out',
            )
    chosen = next((s for s in samplers if not _takes_all(s, loader.dataset)), None)
    if chosen is not None:
        return (
            f'a {type(chosen).__name__}',
            'every sample is used once an epoch, in an order of our own. Leave samples out with '
            'torch.utils.data.Subset; weight classes in the loss',
        )
    if loader.drop_last or getattr(loader.batch_sampler, 'drop_last', False):
        return 'drop_last=True', 'batches differ in size by one at most, and none is dropped. Leave it out'
    if loader.generator is not None or any(getattr(s, 'generator', None) is not None for s in samplers):
        return (
            'a generator',
            "the order of samples, and what items draw, follow from the sweep's seed. Leave it out, or draw "
            'from it in the dataset',
        )
    return None


def _samplers(loader: DataLoader[Any]) -> list[Any]:
    """What chooses a loader's samples: its sampler, that of batches, and the one inside that."""
    batches = loader.batch_sampler
    inner = [batches.sampler] if type(batches) is BatchSampler else [] if batches is None else [batches]
    return [loader.sampler, *inner]


def _takes_all(sampler: object, dataset: object) -> bool:
    if type(sampler) not in (SequentialSampler, RandomSampler) or getattr(sampler, 'replacement', False):
        return False
    assert isinstance(sampler, Sized) and isinstance(dataset, Sized)
    return len(sampler) == len(dataset)
