"""What a worker does for a task: one function per kind of run.

A task names one of `FUNCTIONS` and carries plain values. The workspace (the problem, its data, the device)
is set up once per process by `open_workspace` and given to every function.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from .points import NamedPoint, Point
from .problem.presets import Presets
from .problem.problem import load_problem
from .problem.reference import ProblemReference
from .results import TrialRecord, TrialResult, split_scores
from .seeding import run_seed

if TYPE_CHECKING:
    import torch

    from .training.data import Split
    from .training.facts import DryRun, ProblemFacts
    from .training.isolation import Isolation
    from .training.speed import Speed
    from .training.workspace import Workspace


LANES = 8
"""How many runs of an architecture are trained side by side with the kind `lanes`."""


@dataclass(frozen=True)
class WorkerSpec:
    """How to set up a worker: the problem, the sweep's seed, the device, the kind of training step, the
    values that declared parameters have in the whole sweep, and how trials are resampled.

    With more than one of the `processes`, a worker has so many that train a model together. They meet at the
    store that has the port `meeting`, which is None in the worker itself.
    """

    problem: ProblemReference
    seed: int
    device: str
    step: str = 'auto'
    presets: Presets = field(default_factory=dict)
    resample: str | None = None
    processes: int = 1
    meeting: int | None = None

    @property
    def has_ranks(self) -> bool:
        """Whether a worker has several processes to train a model by, and trains none itself."""
        return self.processes > 1 and self.meeting is None


def open_workspace(spec: WorkerSpec, *, worker: int | None = None) -> Workspace:
    """Loads the problem and its data, once for all the tasks of a process.

    Args:
        spec: What to set up.
        worker: The number of the worker that this process is; None in the parent.
    """
    from .training.device import resolve_device

    workspace = _opened(spec, resolve_device(spec.device, worker or 0), in_worker=worker is not None)
    return _with_ranks(workspace, spec, worker)


def open_workspace_to_share(spec: WorkerSpec) -> tuple[Workspace, ProblemFacts | None]:
    """Loads the problem and its data on the CPU, whatever the device; no GPU is asked for anything.

    Returns:
        The workspace, and what is to know of the problem, which has been checked then; None if checking might
        ask a GPU.
    """
    import torch

    if torch.version.cuda is not None:
        return _opened(spec, torch.device('cpu'), in_worker=True), None
    from .training.facts import check
    from .training.workspace import Workspace

    problem = load_problem(spec.problem, in_worker=True, presets=spec.presets)
    facts, splits = check(problem, spec.seed, spec.device, spec.resample)
    return Workspace(problem, splits, torch.device('cpu'), spec.step, facts.groups), facts


def isolate(workspace: Workspace) -> Isolation:
    """Takes the process, with the problem loaded, as what each run is to start with."""
    from .training.isolation import Isolation

    problem = workspace.problem
    data = [part for split in workspace.splits if split is not None for part in vars(split).values()]
    folder = None if problem.sources is None else problem.sources.folder
    own = [problem.module] if problem.module else []
    return Isolation(folder, data, own, workspace.python_state().opaque)


def on_device(workspace: Workspace, spec: WorkerSpec, worker: int) -> Workspace:
    """Returns a shared workspace for that worker: the same on the CPU, else with its data on the device."""
    from .training.data import InMemorySplit
    from .training.device import resolve_device
    from .training.residence import resident
    from .training.workspace import Splits

    device = resolve_device(spec.device, worker)
    if device == workspace.device:
        return _with_ranks(workspace, spec, worker)

    def moved(split: Split | None) -> Split | None:
        return resident(split, device) if isinstance(split, InMemorySplit) else None

    train, val, test = map(moved, workspace.splits)
    if train is None or val is None or (test is None) != (workspace.splits.test is None):
        return _with_ranks(_opened(spec, device, in_worker=True), spec, worker)
    moved_workspace = replace(workspace, splits=Splits(train, val, test), device=device)
    return _with_ranks(moved_workspace, spec, worker)


def _with_ranks(workspace: Workspace, spec: WorkerSpec, worker: int | None) -> Workspace:
    """Returns the workspace of a rank, once all the others are there, too; another's as it is."""
    if spec.meeting is None or worker is None:
        return workspace
    from .training.parallel.ranks import Ranks

    ranks = Ranks.joined(worker, spec.processes, spec.meeting, workspace.device)
    return replace(workspace, ranks=ranks)


def _opened(spec: WorkerSpec, device: torch.device, in_worker: bool) -> Workspace:
    problem = load_problem(spec.problem, in_worker=in_worker, presets=spec.presets)
    from .training.labels import groups_of
    from .training.workspace import Workspace, load_splits

    splits = load_splits(problem, run_seed(spec.seed, 'dataset', 0), device)
    groups = groups_of(problem, len(splits.train), len(splits.val))
    return Workspace(problem, splits, device, spec.step, groups)


def dry_run(workspace: Workspace, point: Point, seed: int) -> DryRun:
    """One training step and one evaluation on every split, to see whether they can be done."""
    from .training.checking.dry_run import dry_run

    with workspace.using(point, {}):
        return dry_run(workspace, point, seed)


def violation(workspace: Workspace, point: Point, seed: int, limits: Mapping[str, Any]) -> str | None:
    """Why an architecture is not to be trained, by limits or the problem's own constraint; or None."""
    from .space.constraints import Limits
    from .training.constraints import violation

    with workspace.using(point, {}):
        return violation(workspace, point, seed, Limits.from_dict(limits))


def measure_speed(workspace: Workspace, point: Point, seed: int, batch_size: int) -> Speed:
    """How fast an architecture trains, by a short training that is thrown away."""
    from .training.speed import measure_speed

    with workspace.using(point, {}):
        return measure_speed(workspace, point, seed, batch_size)


def measure_curve(
    workspace: Workspace, point: Point, seed: int, lrs: Sequence[float], batch_sizes: Sequence[int]
) -> dict[str, Any]:
    """One initialisation's curve along given learning rates and batch sizes."""
    result: dict[str, Any] = in_lanes(
        workspace, point, [seed], 'measure_curve', lrs=lrs, batch_sizes=batch_sizes
    )[0]
    return result


def train_briefly(workspace: Workspace, point: Point, seed: int, **plan: Any) -> dict[str, Any]:
    """One brief training, scored on the training data."""
    result: dict[str, Any] = in_lanes(workspace, point, [seed], 'train_briefly', **plan)[0]
    return result


def train_trial(
    workspace: Workspace, point: Point, seed: int, index: int | None = None, **plan: Any
) -> TrialRecord:
    """One trial: a full training, scored on every split.

    Args:
        workspace: The problem and its data.
        point: The architecture.
        seed: Of the trial.
        index: Its number.
        plan: Of a `TrainingPlan`; `checkpoints`, of a `CheckpointPlan`, if it is to keep its state; `split`,
            of a `TrialSplit`, if it is a resample; and `weights=False` if its weights are not kept.
    """
    result: TrialRecord = in_lanes(workspace, point, [seed], 'train_trial', index=index, **plan)[0]
    return result


def in_lanes(
    workspace: Workspace,
    point: Point,
    seeds: Sequence[int],
    function: str,
    nuisance: Mapping[str, Any] | None = None,
    **arguments: Any,
) -> list[Any]:
    """What another function gives for each of several seeds, trained side by side.

    While they run, declared parameters have the values that the point gives them, and `nuisance`.
    """
    with workspace.using(point, nuisance or {}) as read:
        results = _call(workspace, point, seeds, function, arguments)
        own = workspace.problem.parameters.split(point)[1] if isinstance(point, NamedPoint) else {}
        known = read() if function == 'train_briefly' else set()
        names = [
            name for name in sorted({*own, *(nuisance or {})})
            if workspace.problem.parameters.owner(name) not in known
        ]  # fmt: skip
        if function == 'train_briefly' and names:
            results = [{**result, 'unread': json.dumps(names)} for result in results]
    return results


def _call(
    workspace: Workspace, point: Point, seeds: Sequence[int], function: str, arguments: Mapping[str, Any]
) -> list[Any]:
    from .training import runs
    from .training.checkpoints.checkpoint import CheckpointPlan
    from .training.plan import TrainingPlan
    from .training.resampling.resampler import TrialSplit

    if function == 'measure_curve':
        lrs, sizes = (np.asarray(arguments[name]).tolist() for name in ('lrs', 'batch_sizes'))
        return _with_step_as_text(runs.measure_curve(workspace, point, seeds, lrs, sizes))
    if function == 'train_briefly':
        return _with_step_as_text(runs.train_briefly(workspace, point, seeds, **arguments))
    plan = {**arguments}
    index, kept, given = (plan.pop(name, None) for name in ('index', 'checkpoints', 'split'))
    weights = plan.pop('weights', True)
    checkpoints = None if kept is None else CheckpointPlan(**kept)
    split = None if given is None else TrialSplit(**given)
    trials = runs.train_fully(
        workspace, point, seeds, TrainingPlan(**plan), index, checkpoints, split, weights
    )
    return [_record(seed, done) for seed, done in zip(seeds, trials, strict=True)]


def _with_step_as_text(results: Sequence[Mapping[str, Any]]) -> list[Any]:
    """Results of a tuning's runs are kept as arrays until it is done."""
    return [{**result, 'step': str(result['step'])} for result in results]


def read_parameters(workspace: Workspace, point: Point, seed: int) -> list[str]:
    """Returns the names of the declared parameters that an architecture reads in its first step."""
    from .training.reading import read_by

    return sorted(read_by(workspace, point, seed))


def problem_facts(
    workspace: Workspace, point: Point, seed: int, device: str, resample: str | None
) -> ProblemFacts:
    """Checks the problem and the device, where they are used; no point counts. See `training.facts.check`."""
    del point
    from .training.facts import check

    return check(workspace.problem, seed, device, resample)[0]


def _record(seed: int, done: dict[str, Any]) -> TrialRecord:
    step, step_reason, lanes = done['step']
    fields = {name: done[name] for name in ('epochs', 'seconds', 'diverged', 'flags')}
    scores, others = split_scores(done['scores'])
    result = TrialResult(
        seed=seed, **fields, **scores, step=step, step_reason=step_reason, lanes=lanes,
        best_val=done.get('best_val'), best_epoch=done.get('best_epoch'), metrics=others,
        split=done.get('split', {}),
    )  # fmt: skip
    return TrialRecord(result, done['model'], done['model_init'], done['throughtime'])


FUNCTIONS: Mapping[str, Callable[..., Any]] = {
    function.__name__: function
    for function in (
        dry_run,
        violation,
        measure_speed,
        measure_curve,
        train_briefly,
        train_trial,
        in_lanes,
        read_parameters,
        problem_facts,
    )
}

_TRAINING = frozenset({'measure_speed', 'measure_curve', 'train_briefly', 'train_trial', 'in_lanes'})


def call(workspace: Workspace, function: str, point: Point, arguments: Mapping[str, Any]) -> Any:
    """Does what a task says; returns what came of it: None in all ranks but the first.

    Args:
        workspace: The problem and its data.
        function: A name in `FUNCTIONS`. Of several ranks, only the first does what is no training.
        point: The architecture.
        arguments: The function's other arguments, by name.
    """
    ranks = workspace.ranks
    if ranks is None:
        return FUNCTIONS[function](workspace, point, **arguments)
    if function in _TRAINING:
        value = FUNCTIONS[function](workspace, point, **arguments)
        return value if ranks.is_first else None
    return FUNCTIONS[function](replace(workspace, ranks=None), point, **arguments) if ranks.is_first else None
