"""Where every random number of a sweep comes from.

A run's seed depends on the sweep's seed, the phase and the run's index, and on nothing else: not on
the process, the number of cores, the completion order. What belongs to the data is drawn from it as it is,
so that run *i* of every architecture sees the training data in the same order (common random numbers): what
differs between two architectures is then the architecture. What belongs to the architecture (its
initialisation, dropout) is drawn from a seed that the point goes into too.
"""

from __future__ import annotations

import hashlib
import random
import zlib
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from functools import lru_cache
from typing import Any

import numpy as np

MAX_SEED = 2**63 - 1


@lru_cache(maxsize=2**14)  # all architectures have the same
def run_seed(seed: int, phase: str, index: int) -> int:
    """Returns the seed, in [0, 2**63), of run `index` of `phase` in a sweep seeded with `seed`."""
    sequence = np.random.SeedSequence([seed, zlib.crc32(phase.encode()), index])
    return int(sequence.generate_state(1, np.uint64)[0]) >> 1


def tuning_seed(seed: int, number: int) -> int:
    """Returns the seed of an architecture's tuning, counted from 0: the first has that of the sweep."""
    return run_seed(seed, 'tuning', number) if number else seed


def model_seed(seed: int, architecture: str) -> int:
    """Returns the seed of what a run draws for its architecture, in [0, 2**63).

    Args:
        seed: The run's, as `run_seed` gives it.
        architecture: What tells it from others, such as `points.point_key`.
    """
    digest = hashlib.sha256(f'{seed} {architecture}'.encode()).digest()
    return int.from_bytes(digest[:8], 'big') >> 1


def seed_everything(seed: int) -> None:
    """Seeds torch, numpy's legacy generator and `random`, which user code may draw from."""
    import torch

    torch.manual_seed(seed)
    np.random.seed(seed % 2**32)
    random.seed(seed)


def states_of_other_generators() -> tuple[Any, ...]:
    """The states of numpy's legacy generator and of `random`, to notice that something was drawn."""
    return random.getstate(), _comparable(np.random.get_state(legacy=False))


def _comparable(numpy_state: Any) -> tuple[Any, ...]:
    inner = numpy_state['state']
    return inner['key'].tobytes(), inner['pos'], numpy_state['has_gauss'], numpy_state['gauss']


def states_of_torch() -> list[Any]:
    """The states of torch's generators, those of GPUs included, as tensors on the CPU."""
    import torch

    on_gpus = torch.cuda.get_rng_state_all() if torch.cuda.is_initialized() else []  # type: ignore[no-untyped-call]
    return [torch.get_rng_state(), *on_gpus]


def global_generators() -> list[Any]:
    """The generators whose states `RandomStates` has, as objects."""
    import torch

    generator = np.random.rand.__self__  # type: ignore[attr-defined]
    return [random.random.__self__, generator, generator._bit_generator, torch.default_generator]  # type: ignore[attr-defined]


class RandomStates:
    """The present states of torch, numpy's legacy generator and `random`, to be put back."""

    def __init__(self) -> None:
        self.torch, *self._gpus = states_of_torch()
        self._python, self._numpy = random.getstate(), np.random.get_state(legacy=False)

    def to_plain(self) -> dict[str, Any]:
        """Returns the states as numbers and tensors."""
        inner = {**self._numpy['state'], 'key': self._numpy['state']['key'].tolist()}
        numpy_state = {**self._numpy, 'state': inner, 'gauss': float(self._numpy['gauss'])}
        return {'torch': self.torch, 'numpy': numpy_state, 'python': self._python, 'gpus': self._gpus}

    @classmethod
    def from_plain(cls, states: Mapping[str, Any]) -> RandomStates:
        """Returns what `to_plain` of another one gave."""
        made = cls()
        made.torch, made._python, made._gpus = states['torch'], states['python'], states['gpus']
        inner = {**states['numpy']['state']}
        inner['key'] = np.array(inner['key'], dtype=np.uint32)
        made._numpy = {**states['numpy'], 'state': inner}
        return made

    def others_have_changed(self) -> bool:
        """Whether something was drawn from numpy or `random` since."""
        return states_of_other_generators() != (self._python, _comparable(self._numpy))

    def restore_torch(self) -> None:
        """Puts back the states of torch's generators."""
        import torch

        torch.set_rng_state(self.torch)
        if self._gpus:
            torch.cuda.set_rng_state_all(self._gpus)

    def restore(self) -> None:
        """Puts back the states of all generators."""
        self.restore_torch()
        np.random.set_state(self._numpy)
        random.setstate(self._python)


@contextmanager
def random_states_kept() -> Iterator[None]:
    """Gives torch, numpy's legacy generator and `random` their present states back at the end."""
    states = RandomStates()
    try:
        yield
    finally:
        states.restore()
