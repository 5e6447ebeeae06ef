"""What a worker does for a task: one function per kind of run.

A task names one of `FUNCTIONS` and carries plain values. The bench (the problem, its data, the device)
is set up once per process by `open_bench` and given to every function.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from .points import Point
from .seeding import run_seed
from .store.results import TrialRecord, TrialResult
from .training.problem import Problem, ProblemReference, load_problem

if TYPE_CHECKING:
    from .training.runs import Bench


@dataclass(frozen=True)
class BenchSpec:
    """How to set up a worker: the problem, the sweep's seed, and the device to train on."""

    problem: ProblemReference
    seed: int
    device: str


def open_bench(spec: BenchSpec, *, worker: int | None = None) -> Bench:
    """Loads the problem and its data, once for all the tasks of a process.

    Args:
        spec: What to set up.
        worker: The number of the worker that this process is; None in the parent.
    """
    problem: Problem = load_problem(spec.problem, in_worker=worker is not None)
    from .training.device import resolve_device
    from .training.runs import Bench, load_splits

    device = resolve_device(spec.device, worker or 0)
    return Bench(problem, load_splits(problem, run_seed(spec.seed, 'dataset', 0), device), device)


def measure_curve(
    bench: Bench, point: Point, seed: int, lrs: Sequence[float], batch_sizes: Sequence[int]
) -> dict[str, np.ndarray]:
    """One initialisation's curve along given learning rates and batch sizes."""
    from .training import runs

    return runs.measure_curve(bench, point, seed, np.asarray(lrs).tolist(), np.asarray(batch_sizes).tolist())


def train_briefly(bench: Bench, point: Point, seed: int, **plan: Any) -> dict[str, float]:
    """One brief training, scored on the training data."""
    from .training import runs

    return runs.train_briefly(bench, point, seed, runs.TrainingPlan(**plan))


def train_trial(bench: Bench, point: Point, seed: int, **plan: Any) -> TrialRecord:
    """One trial: a full training, scored on every split."""
    from .training import runs

    done = runs.train_fully(bench, point, seed, runs.TrainingPlan(**plan))
    result = TrialResult(
        seed=seed, epochs=done['epochs'], seconds=done['seconds'], diverged=done['diverged'], **done['scores']
    )
    return TrialRecord(result, done['model'], done['model_init'], done['throughtime'])


FUNCTIONS: Mapping[str, Callable[..., Any]] = {
    function.__name__: function for function in (measure_curve, train_briefly, train_trial)
}
