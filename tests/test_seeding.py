"""Seeds depend on the sweep's seed, the phase and the index, and on nothing else."""

import itertools
import os
import random
import subprocess
import sys

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from sweeper.seeding import MAX_SEED, run_seed, seed_everything

PHASES = ('lr_vs_perf', 'bs_vs_perf', 'bs_sampled', 'trial')


def test_seeds_differ_by_sweep_phase_and_index():
    seeds = [run_seed(*key) for key in itertools.product(range(5), PHASES, range(50))]
    assert len(set(seeds)) == len(seeds)


@given(st.integers(0, MAX_SEED), st.text(), st.integers(0, 10**6))
def test_seeds_are_in_range_and_repeat(seed, phase, index):
    found = run_seed(seed, phase, index)
    assert type(found) is int
    assert 0 <= found <= MAX_SEED
    assert run_seed(seed, phase, index) == found


def test_seeds_stay_what_they_were():
    assert run_seed(0, 'trial', 0) == 799286106964728210
    assert run_seed(1, 'lr_vs_perf', 2) == 6960091935293377169


def test_seeds_are_the_same_in_another_process():
    code = "from sweeper.seeding import run_seed; print(run_seed(3, 'trial', 7))"
    found = {
        subprocess.run(
            [sys.executable, '-c', code],
            env={**os.environ, 'PYTHONHASHSEED': hash_seed},
            check=True,
            capture_output=True,
            text=True,
        ).stdout.strip()
        for hash_seed in ('1', '2')
    }
    assert found == {str(run_seed(3, 'trial', 7))}


def test_seed_everything_seeds_torch_numpy_and_random():
    import torch

    def draw():
        return torch.rand(1).item(), np.random.rand(), random.random()

    seed_everything(MAX_SEED)
    first = draw()
    seed_everything(MAX_SEED)
    assert draw() == first
    seed_everything(MAX_SEED - 1)
    assert all(a != b for a, b in zip(draw(), first, strict=True))
