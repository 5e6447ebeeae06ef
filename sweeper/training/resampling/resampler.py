"""Which of the training and validation samples each trial is validated on, where trials are resamples.

Splitting is scikit-learn's. Source: Bouthillier et al. 2021, Accounting for variance in machine learning
benchmarks, on why trials should differ in their data, too.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from ...errors import ProblemError
from ...extras import needed
from ...io.checksums import checksum
from ...seeding import random_states_kept, run_seed
from .option import Resampling

_MOST_NAMED = 5


@dataclass(frozen=True, eq=False)
class Pool:
    """The samples that are split anew: the training samples, then those of the validation data.

    Attributes:
        train: The number of training samples, as `dataset()` returned them.
        val: The number of validation samples.
        classes: The class of each sample, shape `(train + val,)`; None if targets are no class indices.
        groups: The number of the group of each sample, shape `(train + val,)`; None without `groups()`.
    """

    train: int
    val: int
    classes: np.ndarray | None = field(default=None, repr=False)
    groups: np.ndarray | None = field(default=None, repr=False)

    def __len__(self) -> int:
        return self.train + self.val


@dataclass(frozen=True, eq=False)
class TrialSplit:
    """Which samples a trial is validated on; it is trained on the others.

    Attributes:
        place: Which split it is: `round` and `fold`, or `holdout`, counted from 0; and the numbers of `train`
            and `val` samples.
        validation: One bit per sample of the pool, as `numpy.packbits` packs them; 1 for validation.
    """

    place: Mapping[str, int]
    validation: np.ndarray = field(repr=False)

    @property
    def is_validation(self) -> np.ndarray:
        """Whether a sample of the pool is for validation, shape `(train + val,)`."""
        size = self.place['train'] + self.place['val']
        return np.unpackbits(self.validation, count=size).astype(bool)

    def identity(self) -> dict[str, Any]:
        """What tells it from any other, in plain values."""
        return {**self.place, 'validation': checksum(self.validation.tobytes())}


class Resampler:
    """Splits a pool for one trial after another; depends on seed and index, not on the architecture.

    Args:
        resampling: How.
        pool: What is split.
        seed: The sweep's.

    Raises:
        ProblemError: It cannot be split like this.
        MissingExtra: scikit-learn is not installed.
    """

    def __init__(self, resampling: Resampling, pool: Pool, seed: int) -> None:
        self.resampling, self.pool, self._seed = resampling, pool, seed
        self._known: dict[int, TrialSplit] = {}
        self._check()
        self.split(0)

    def split(self, index: int) -> TrialSplit:
        """Returns the split of that trial of every architecture."""
        if index not in self._known:
            is_folds, count = self.resampling.kind == 'folds', self.resampling.count
            drawn, part = divmod(index, count) if is_folds else (index, 0)
            for number, held_out in enumerate(self._drawn(drawn)):
                place = {'round': drawn, 'fold': number} if is_folds else {'holdout': index}
                self._known[index - part + number] = self._as_split(place, held_out)
        return self._known[index]

    def __call__(self, index: int) -> dict[str, Any]:
        """Returns the fields of a trial's split, for a task."""
        return {**vars(self.split(index))}

    def record(self) -> dict[str, Any]:
        """What `sweep.json` has of it."""
        ratio = self.resampling.val_to_train(self.pool.train, self.pool.val)
        return {'splits': str(self.resampling), 'samples': len(self.pool), 'val_to_train': ratio}

    def _as_split(self, place: Mapping[str, int], held_out: np.ndarray) -> TrialSplit:
        is_validation = np.zeros(len(self.pool), dtype=bool)
        is_validation[held_out] = True
        val = int(is_validation.sum())
        if not 0 < val < len(self.pool):
            raise self._error(
                'the groups are too unequal: a split without '
                f'{"validation" if val == 0 else "training"} samples came of it'
            )
        sizes = {'train': len(self.pool) - val, 'val': val}
        return TrialSplit({**place, **sizes}, np.packbits(is_validation))

    def _drawn(self, drawn: int) -> list[np.ndarray]:
        """The samples to validate on, of each fold of a round, or of one holdout."""
        pool, samples = self.pool, np.zeros(len(self.pool))
        splitter = self._splitter(run_seed(self._seed, 'resample', drawn) % 2**32)
        classes = samples.astype(int) if pool.classes is None else pool.classes
        return [held_out for _, held_out in splitter.split(samples, classes, pool.groups)]

    def _splitter(self, seed: int) -> Any:
        pool, count = self.pool, self.resampling.count
        reason = f'resample={str(self.resampling)!r} needs scikit-learn'
        with needed('metrics', reason), random_states_kept():  # which importing it draws from
            from sklearn import model_selection as sk
        if self.resampling.kind == 'folds':
            if pool.groups is not None:  # GroupKFold shuffles from scikit-learn 1.6 on only
                return sk.StratifiedGroupKFold(count, shuffle=True, random_state=seed)
            kind = sk.KFold if pool.classes is None else sk.StratifiedKFold
            return kind(count, shuffle=True, random_state=seed)
        if pool.groups is not None:
            groups = int(pool.groups.max()) + 1
            held_out = min(max(round(groups * pool.val / len(pool)), 1), groups - 1)
            return sk.GroupShuffleSplit(1, test_size=held_out, random_state=seed)
        kind = sk.ShuffleSplit if pool.classes is None else sk.StratifiedShuffleSplit
        return kind(1, test_size=pool.val, train_size=pool.train, random_state=seed)

    def _check(self) -> None:
        """Raises `ProblemError` for too few samples, of a class or in all, or too few groups."""
        pool, is_folds = self.pool, self.resampling.kind == 'folds'
        least = self.resampling.count if is_folds else 2
        or_fewer = ', or use fewer folds' if is_folds and least > 2 else ''
        advice = or_fewer.replace(', or use', '. Use')
        if len(pool) < least:
            raise self._error(f'there are {len(pool)} samples, and at least {least} are needed{advice}')
        if pool.groups is not None and (groups := len(np.unique(pool.groups))) < least:
            few = f'groups() has {groups} different value{"s" * (groups != 1)}'
            raise self._error(f'{few}, and at least {least} are needed{advice}')
        if pool.classes is None or (pool.groups is not None and not is_folds):
            return
        names, counts = np.unique(pool.classes, return_counts=True)
        is_short = counts < least
        if is_short.any():
            short = zip(names[is_short][:_MOST_NAMED].tolist(), counts[is_short].tolist(), strict=False)
            some = ', '.join(f'class {name} has {count} sample{"s" * (count != 1)}' for name, count in short)
            raise self._error(
                f'{some}, and every class needs at least {least}. Leave such classes out{or_fewer}'
            )
        smaller = min(pool.train, pool.val)
        if not is_folds and smaller < len(names):
            which = 'validation' if smaller == pool.val else 'training'
            raise self._error(
                f'there are {len(names)} classes, and only {smaller} {which} samples: with one of each class '
                f'at least {len(names)} are needed'
            )

    def _error(self, message: str) -> ProblemError:
        text = str(self.resampling)
        error = ProblemError(f'resample={text!r}: {message}')
        return error.naming(('resample', text))
