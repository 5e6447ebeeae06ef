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
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np

MAX_SEED = 2**63 - 1


def run_seed(seed: int, phase: str, index: int) -> int:
    """Returns the seed, in [0, 2**63), of run `index` of `phase` in a sweep seeded with `seed`."""
    sequence = np.random.SeedSequence([seed, zlib.crc32(phase.encode()), index])
    return int(sequence.generate_state(1, np.uint64)[0]) >> 1


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
    numpy_state: Any = np.random.get_state(legacy=False)
    inner = numpy_state['state']
    gauss = numpy_state['has_gauss'], numpy_state['gauss']
    return random.getstate(), inner['key'].tobytes(), inner['pos'], gauss


@contextmanager
def random_states_kept() -> Iterator[None]:
    """Gives torch, numpy's legacy generator and `random` their present states back at the end."""
    import torch

    torch_state, numpy_state, python_state = torch.get_rng_state(), np.random.get_state(), random.getstate()
    gpu_states = torch.cuda.get_rng_state_all() if torch.cuda.is_initialized() else []  # type: ignore[no-untyped-call]
    try:
        yield
    finally:
        torch.set_rng_state(torch_state)
        if gpu_states:
            torch.cuda.set_rng_state_all(gpu_states)
        np.random.set_state(numpy_state)
        random.setstate(python_state)
