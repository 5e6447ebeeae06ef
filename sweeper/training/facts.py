"""What a sweep must know of a problem, in plain values that another process can be told.

So the process that sweeps need not load the problem, nor torch, if a process that does so anyway tells it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

import numpy as np

from ..metric import PERFORMANCE, MetricInfo
from ..problem.parameters import ProblemParameters
from ..problem.problem import Problem
from ..seeding import run_seed
from .resampling.resampler import Pool

if TYPE_CHECKING:
    from .workspace import Splits


@dataclass(frozen=True)
class ProblemFacts:
    """What a sweep must know of a problem that has been checked.

    Attributes:
        name: The module's name.
        path: Its file; None if it has none.
        source: A fingerprint of what the problem is made of.
        parameters: What of it can be swept.
        train_size: Samples in the training set.
        device: The kind of device that will train, such as `cpu`.
        training: How its trainings differ from plain ones, as `final.json` has it.
        metrics: What is known of its metrics, the objective first.
        has_data: Whether it has a `dataset()`.
        pool: The samples that trials are split of, if they are resamples.
        groups: The number of the group of each training and then each validation sample; None without
            `groups()`.
        can_hold_out: Whether some of the training samples can be held out, to score models on them.
        val_size: Samples in the validation set; 0 without data.
        has_constraint: Whether it has a `constraint` of its own.
        why_not_together: Why several processes cannot train a model of it together; None if they can.
    """

    name: str
    path: str | None
    source: str | None
    parameters: ProblemParameters
    train_size: int
    device: str
    training: Mapping[str, str | float] = field(default_factory=dict)
    metrics: tuple[MetricInfo, ...] = (PERFORMANCE,)
    has_data: bool = True
    pool: Pool | None = None
    groups: np.ndarray | None = field(default=None, compare=False, repr=False)
    can_hold_out: bool = True
    val_size: int = 0
    has_constraint: bool = False
    why_not_together: str | None = None


@dataclass(frozen=True)
class Fault:
    """What went wrong in a dry run.

    Attributes:
        stage: What was being done, such as `model` or `loss on the val dataset`.
        kind: The exception's class name.
        message: What is wrong, and what would be right where that is known.
        is_certain: It is understood, and no fault of the architecture; else another one may do well.
        traceback: Of the exception, if the problem's code raised it.
    """

    stage: str
    kind: str
    message: str
    is_certain: bool = False
    traceback: str = field(default='', compare=False, repr=False)


@dataclass(frozen=True)
class DryRun:
    """What a dry run of a point showed.

    Attributes:
        fault: Why nothing can be trained like this; None if it can.
        warnings: What may be meant, and may be a mistake; a sentence each.
    """

    fault: Fault | None = None
    warnings: tuple[str, ...] = ()


def check(
    problem: Problem, seed: int, device: str, resample: str | None = None
) -> tuple[ProblemFacts, Splits]:
    """Checks a problem and a device before anything is trained.

    Args:
        problem: The loaded problem.
        seed: The sweep's seed.
        device: As `sweep` takes it.
        resample: As `SweepConfig` has it.

    Returns:
        What to know, and the problem's data on the CPU.

    Raises:
        ProblemError: Something is wrong with the problem.
        DeclarationError: Something is wrong with a parameter that it declares.
        InvalidArgument: There is no such device.
    """
    from .checking.checks import check_problem
    from .device import check_device, resolve_device
    from .holdout import can_hold_out
    from .labels import groups_of
    from .parallel.requirements import why_not_together

    check_device(device)
    parameters = problem.parameters
    with problem.preparing():
        splits = check_problem(problem, run_seed(seed, 'dataset', 0))
    pool = None
    if resample is not None:
        from .resampling.pool import pool_of

        pool = pool_of(problem, splits, resample)
    train, val = len(splits.train), len(splits.val)
    has_data = problem.load_datasets is not None
    groups = groups_of(problem, train, val) if pool is None else pool.groups
    names = {name for some in problem.presets.values() for name in some}
    parameters = replace(parameters, fixed=problem.fixed_parameters(), preset=[*names])
    kind = resolve_device(device, 0).type
    source = problem.fingerprint()
    facts = ProblemFacts(
        problem.name, problem.path, source, parameters, train, kind, problem.training_options,
        tuple(metric.info for metric in problem.metrics.values()), has_data, pool, groups,
        can_hold_out(splits.train, None if groups is None else groups[:train]), val * has_data,
        problem.constraint is not None, why_not_together(problem, splits.train),
    )  # fmt: skip
    return facts, splits
