"""Whether a loss is NaN or infinite because of the data."""

from __future__ import annotations

import math
import warnings
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager

import torch

from ..errors import NotFiniteData
from ..seeding import random_states_kept
from .data import Batch, not_finite, with_zeros

LossOf = Callable[[Batch], torch.Tensor]

_NAMED = 5


def check_data(batch: Batch, samples: Sequence[int], name: str, loss_of: LossOf) -> None:
    """Finds out whether a loss is not finite because of the data.

    Args:
        batch: Its loss is not finite, or computing it raised an error.
        samples: Where its samples are in their split.
        name: The name of the split.
        loss_of: Computes a batch's loss with a model that need not be finite itself.

    Raises:
        NotFiniteData: The batch has values that are NaN or infinite, and with 0 in their place its loss is
            finite. A model that copes with such values, and has diverged, has no finite loss either way.
    """
    bad_rows = not_finite(batch, len(samples))
    if not bad_rows:
        return
    with undisturbed():
        try:
            is_finite = math.isfinite(loss_of(with_zeros(batch)).item())
        except Exception:  # the model or the criterion has other reasons
            return
    if is_finite:
        raise NotFiniteData(_message(bad_rows, samples, name))


def _message(bad_rows: dict[str, list[int] | None], samples: Sequence[int], name: str) -> str:
    kinds = ' and '.join(bad_rows)
    rows = [row for some in bad_rows.values() for row in some or ()]
    some = samples[:_NAMED]
    more = f' … ({len(samples)} in all)' if len(samples) > _NAMED else ''
    place = (
        f'first in sample {samples[min(rows)]}'
        if rows
        else f'in the batch of the samples {", ".join(map(str, some))}{more}'
    )
    return (
        f'the {kinds} of the {name} dataset have values that are NaN or infinite, {place}, and so has the '
        f'loss. Replace them or leave these samples out'
    )


def has_finite_parameters(model: torch.nn.Module) -> bool:
    """Whether all parameters of a model are finite."""
    return all(bool(torch.isfinite(parameter).all()) for parameter in model.parameters())


@contextmanager
def undisturbed() -> Iterator[None]:
    """Random numbers go on as if nothing had been tried, and no warning is given."""
    with warnings.catch_warnings(), random_states_kept():
        warnings.simplefilter('ignore')
        yield
