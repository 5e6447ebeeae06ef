"""Seeds depend on the sweep's seed, the phase and the index, and on nothing else."""

import itertools
import os
import random
import subprocess
import sys
from contextlib import suppress

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from sweeper.points import point_key
from sweeper.seeding import MAX_SEED, model_seed, random_states_kept, run_seed, seed_everything

PHASES = ('lr_vs_perf', 'candidates 0', 'candidates 1', 'trial')


def test_seeds_differ_by_sweep_phase_and_index():
    seeds = [run_seed(*key) for key in itertools.product(range(5), PHASES, range(50))]
    assert len(set(seeds)) == len(seeds)


@given(st.integers(0, MAX_SEED), st.text(), st.integers(0, 10**6))
def test_seeds_are_in_range_and_repeat(seed, phase, index):
    found = run_seed(seed, phase, index)
    assert type(found) is int
    assert 0 <= found <= MAX_SEED
    assert run_seed(seed, phase, index) == found


@given(st.integers(0, MAX_SEED), st.text())
def test_seeds_of_models_are_in_range_and_repeat(seed, architecture):
    found = model_seed(seed, architecture)
    assert type(found) is int
    assert 0 <= found <= MAX_SEED
    assert model_seed(seed, architecture) == found


def test_seeds_of_models_differ_by_run_and_architecture():
    seeds = [model_seed(*key) for key in itertools.product(range(50), map(str, range(50)))]
    assert len({*seeds, *range(50)}) == len(seeds) + 50


def test_seeds_stay_what_they_were():
    assert run_seed(0, 'trial', 0) == 799286106964728210
    assert run_seed(1, 'lr_vs_perf', 2) == 6960091935293377169
    assert model_seed(799286106964728210, '["16", "relu"]') == 470290744354292360


def test_seeds_are_the_same_in_another_process():
    code = (
        'from sweeper.seeding import model_seed, run_seed; from sweeper.points import point_key; '
        "print(model_seed(run_seed(3, 'trial', 7), point_key((frozenset('abcdef'), len))))"
    )
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
    assert found == {str(model_seed(run_seed(3, 'trial', 7), point_key((frozenset('fedcba'), len))))}


def draw():
    import torch

    return torch.rand(1).item(), np.random.rand(), random.random()


def test_seed_everything_seeds_torch_numpy_and_random():
    seed_everything(MAX_SEED)
    first = draw()
    seed_everything(MAX_SEED)
    assert draw() == first
    seed_everything(MAX_SEED - 1)
    assert all(a != b for a, b in zip(draw(), first, strict=True))


def test_random_states_are_put_back_also_after_an_error():
    seed_everything(3)
    draw()
    expected = draw()
    seed_everything(3)
    draw()
    with suppress(KeyboardInterrupt), random_states_kept():
        seed_everything(9)
        draw()
        raise KeyboardInterrupt
    assert draw() == expected
