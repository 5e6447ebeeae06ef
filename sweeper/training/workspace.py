"""The workspace: a problem with its data, on which models are set up to be trained."""

from __future__ import annotations

import contextvars
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from functools import partial
from typing import TYPE_CHECKING, Any, NamedTuple, TypeVar

import numpy as np
import torch

from ..garbage import uncollected
from ..points import Point, point_key
from ..problem.problem import Problem
from ..seeding import model_seed, random_states_kept, run_seed, seed_everything
from ..step_kind import StepKind
from .attached import OptimizerRequest, Run, RunPlan
from .average import REASON as AVERAGED
from .average import WeightAverage
from .callbacks import attach_callbacks
from .capture.capture import ModelState, captured_step, why_not_worth_it
from .capture.graphs import GraphBackend, graphs_for
from .capture.lanes import step_in_lanes
from .capture.learner import Learner
from .capture.recording import OUT_OF_MEMORY, CannotRehearse, NotCapturable, python_state_of
from .data import InMemorySplit, NoData, Split, has_label
from .memory_format import prefers_channels_last
from .numerics import autocast_of, numerics_of
from .objective import Criterion, Objective, OwnScore
from .objects.state import PythonState, described
from .optimizers import build_optimizer, trained_by
from .own_loop import REASON, Progress, TrainingRun
from .parallel.ranks import Ranks
from .parallel.step import DataParallelStep
from .scoring.scorer import Scorer, ignored_label, scorer
from .steps import Step
from .stream import StreamSplit, split_of

if TYPE_CHECKING:
    from .checkpoints.checkpoint import Checkpoint
    from .engine import RunEngine

Result = TypeVar('Result')

_CRITERION_TRAINED = 'its criterion has parameters that are trained'
_CRITERION_KEPT = 'its criterion, which has parameters that are trained, is the same in every run'


class Splits(NamedTuple):
    """A problem's data, ready to be batched."""

    train: Split
    val: Split
    test: Split | None


def load_splits(problem: Problem, seed: int, device: torch.device) -> Splits:
    """Calls the problem's `dataset()` and takes its splits into memory where that is cheap.

    Random draws in `dataset()` (a random split, say) are seeded, so that every worker has the same data.
    """
    if problem.load_datasets is None:
        return no_data(problem)
    seed_everything(seed)
    with problem.preparing():
        train, val, *rest = (split_of(dataset, device) for dataset in problem.datasets())
    return Splits(train, val, rest[0] if rest else None)


def no_data(problem: Problem) -> Splits:
    """What stands for the data of a problem that has none."""
    return Splits(NoData(problem.samples), NoData(problem.samples), None)


class _Kept:
    """A model that is built and not yet trained, and all that its training may change.

    Args:
        learner: The model, its loss and so on.
        python: The Python state of both.
        problem: The Python state of the problem.
    """

    def __init__(self, learner: Learner, python: PythonState, problem: PythonState) -> None:
        self.learner, self._states = learner, (problem, python)
        self._tensors = ModelState(learner.model, learner.objective, learner.averages)

    def restore(self) -> list[str]:
        """Puts all back; returns the names of what is still another."""
        left = [name for state in self._states for name in state.restore()]
        self._tensors.restore()
        return left


class Training(NamedTuple):
    """Models set up to be trained side by side; mostly one.

    Attributes:
        learners: The models, their losses and so on.
        step: The step that trains them.
        kind: How it takes steps, and why not otherwise.
        start: What to put back to begin anew: the problem's Python state before the models were built, or how
            things were afterwards if building them again would not give the same. None if steps are eager.
        engine: Calls the handlers that the problem has attached; None if it has no `attach`.
        own: The problem's own training loop, and what it gets; then the step is not used.
        checkpoint: Where its state is kept, if it is.
        ranks: The processes that train the model together, if there are several.
    """

    learners: Sequence[Learner]
    step: Step
    kind: StepKind
    start: PythonState | _Kept | None = None
    engine: RunEngine | None = None
    own: tuple[Callable[[Any], object], TrainingRun] | None = None
    checkpoint: Checkpoint | None = None
    ranks: Ranks | None = None

    def agreed(self, value: bool) -> bool:
        """Returns what all processes that train the model are to do: what the first of them has found."""
        return value if self.ranks is None else self.ranks.agreed(value)

    def undo(self) -> None:
        """Puts back the problem's Python state, to begin the training anew."""
        if self.start is not None:
            self.start.restore()


def why_not_captured(error: Exception) -> str:
    """What to say of an error that was raised while a capture was prepared or verified."""
    if isinstance(error, NotCapturable):
        return str(error)
    first, *_ = str(error).strip().splitlines() or ['']
    return f'preparing to capture it raised {type(error).__name__}' + (f': {first}' if first else '')


def _eager(learner: Learner, engine: RunEngine | None, reason: str | None) -> Training:
    return Training([learner], learner.eager_step(), StepKind('eager', reason), engine=engine)


def _is_of_optimizer(name: str) -> bool:
    return name.startswith('optimizer')


def _in_own_context(function: Callable[[], Result]) -> Result:
    """Calls a function; what it sets in context variables is kept only if it returns."""
    context = contextvars.copy_context()
    result = context.run(function)
    for variable, value in context.items():
        if variable.get(None) is not value:
            variable.set(value)
    return result


@dataclass(frozen=True)
class Workspace:
    """A problem with its data, on a device: all that a run needs besides its own arguments.

    Attributes:
        problem: The loaded problem.
        splits: The problem's data.
        device: Where it is, and where models are trained.
        step: The kind of step: `eager`, `captured`, `lanes` (captured, for single runs), or `auto`:
            captured where that is worth it. One that cannot be captured is eager.
        groups: The number of the group of each training and then each validation sample; None without
            `groups()`.
        graphs: Makes graphs of captured steps; None: as the device does, if it does.
        ranks: The processes that train a model together, of which this is one; None if each trains its own.
    """

    problem: Problem
    splits: Splits
    device: torch.device
    step: str = 'auto'
    groups: np.ndarray | None = field(default=None, compare=False, repr=False)
    graphs: GraphBackend | None = field(default=None, compare=False, repr=False)
    ranks: Ranks | None = field(default=None, compare=False)
    _labels: dict[int, bool] = field(default_factory=dict, compare=False, repr=False)

    def __post_init__(self) -> None:
        if self.problem.has_handlers:  # imported before any run, so that forked processes share it
            with uncollected():
                from . import engine  # noqa: F401

    @contextmanager
    def using(self, point: Point, nuisance: Mapping[str, Any]) -> Iterator[Callable[[], set[str]]]:
        """Within it, runs of a point may go on: see `Problem.using`; torch computes as the problem asks."""
        with numerics_of(self.problem), self.problem.using(point, nuisance) as read:
            yield read

    def set_up(
        self,
        point: Point,
        seed: int,
        batches: Sequence[torch.Tensor],
        epochs: float = 1,
        measures_perf: bool = False,
        plan: RunPlan | None = None,
    ) -> Training:
        """Initialises a model and decides how its steps are taken; what they draw at random is seeded too.

        Args:
            point: The architecture.
            seed: The seed of the run.
            batches: Those of the first epoch, as indices.
            epochs: How many there will be.
            measures_perf: Whether every step is to measure its performance.
            plan: What the problem's `attach` is told; None: it is not called.
        """
        if self.problem.train is not None:
            return self._set_up_own_loop(self.problem.train, point, seed, measures_perf, plan)
        if self.step == 'eager' or self.ranks is not None:
            return self.set_up_eagerly(point, seed, measures_perf, plan=plan)
        reason = why_not_worth_it(batches, epochs, self.device) if self.step != 'captured' else None
        if reason is not None:
            return self.set_up_eagerly(point, seed, measures_perf, reason, plan)
        before = self.python_state()
        start: PythonState | _Kept = before

        def attempt() -> Training:
            nonlocal start
            learner = self.learner(point, seed, measures_perf)
            if before.has_changed(stuck_only=True):  # building it again would go on there
                trained = python_state_of((learner.model, learner.objective))
                start = _Kept(learner, trained, self.python_state())
            learner, engine = self._attached(learner, point, seed, plan)
            try:
                if self._is_kept(learner.objective):
                    raise CannotRehearse(_CRITERION_KEPT)
                if engine is not None and engine.eager_reason is not None:
                    raise CannotRehearse(engine.eager_reason)
                step = captured_step(learner, batches, self._graph_backend)
            except CannotRehearse as error:
                return _eager(learner, engine, str(error))
            return Training([learner], step, StepKind('captured'), start, engine)

        try:
            return _in_own_context(attempt)
        except OUT_OF_MEMORY:
            raise
        except Exception as error:  # whatever it is: eagerly it may be none
            reason = why_not_captured(error)
        return self.begin_eagerly(start, point, seed, measures_perf, reason, plan)

    def _is_kept(self, objective: Objective) -> bool:
        """Whether `loss()` returns parameters that are trained and that it has returned before."""
        trained = trained_by(objective)
        if not trained or self.problem.build_criterion is None:
            return False
        with random_states_kept():
            other = self.problem.build_criterion()
        parameters = other.parameters() if isinstance(other, torch.nn.Module) else ()
        return not {*map(id, trained)}.isdisjoint(map(id, parameters))

    def begin_eagerly(
        self,
        start: PythonState | _Kept | None,
        point: Point,
        seed: int,
        measures_perf: bool,
        reason: str,
        plan: RunPlan | None = None,
    ) -> Training:
        """Begins a training anew, with eager steps, as if it had never been tried in another way.

        Args:
            start: That of the `Training` that was tried.
            point: The architecture.
            seed: The seed of the run.
            measures_perf: Whether every step is to measure its performance.
            reason: Why it failed.
            plan: As for `set_up`; handlers are attached anew, to a new engine.
        """
        if start is not None and (left := start.restore()):
            reason += f'; what it has changed could not all be put back ({described(left)})'
        if isinstance(start, _Kept):
            return _eager(*self._attached(start.learner, point, seed, plan), reason)
        return self.set_up_eagerly(point, seed, measures_perf, reason, plan)

    def set_up_eagerly(
        self,
        point: Point,
        seed: int,
        measures_perf: bool = False,
        reason: str | None = None,
        plan: RunPlan | None = None,
    ) -> Training:
        """Initialises a model whose steps are eager; the arguments are as for `set_up`.

        Args:
            point: The architecture.
            seed: The seed of the run.
            measures_perf: Whether every step is to measure its performance.
            reason: Why they are not captured, if that was wanted.
            plan: As for `set_up`.
        """
        learner = self.learner(point, seed, measures_perf)
        if self.ranks is not None:
            step = DataParallelStep(learner, self.ranks)
            self.ranks.seed(model_seed(seed, point_key(point)))
            return Training([learner], step, StepKind('eager', self.ranks.reason), ranks=self.ranks)
        return _eager(*self._attached(learner, point, seed, plan), reason)

    def _set_up_own_loop(
        self,
        train: Callable[[Any], object],
        point: Point,
        seed: int,
        measures_perf: bool,
        plan: RunPlan | None,
    ) -> Training:
        learner = self.learner(point, seed, measures_perf)
        assert plan is not None
        run = TrainingRun(
            **self._about(learner, point, seed, plan),
            generator=torch.Generator().manual_seed(run_seed(seed, 'own loop', 0)),
            _optimizer=OptimizerRequest(learner.make_optimizer),
            _stop=lambda: setattr(run._progress, 'is_stopped', True),
            _progress=Progress(),
            _score=learner.objective.own_score,
        )
        return Training([learner], learner.eager_step(), StepKind('eager', REASON), own=(train, run))

    def _about(self, learner: Learner, point: Point, seed: int, plan: RunPlan) -> dict[str, Any]:
        """What a run is told of itself."""
        return {
            **vars(plan),
            'point': point,
            'seed': seed,
            'model': learner.model,
            'criterion': learner.objective.criterion,
            '_splits': self.splits._asdict(),
        }

    def _attached(
        self, learner: Learner, point: Point, seed: int, plan: RunPlan | None
    ) -> tuple[Learner, RunEngine | None]:
        """Has the problem attach its handlers; returns the engine, and the learner with its optimizer.

        That is one that handlers have got, if they have.
        """
        if not self.problem.has_handlers or plan is None:
            return learner, None
        from .engine import RunEngine

        engine = RunEngine()
        request = OptimizerRequest(learner.make_optimizer)
        about = self._about(learner, point, seed, plan)
        run = Run(**about, _optimizer=request, _stop=engine.terminate)
        attachments = [] if self.problem.attach is None else [self.problem.attach]
        if self.problem.callbacks is not None:
            attachments.append(partial(attach_callbacks, callbacks=self.problem.callbacks()))
        engine.attach_by(attachments, run)
        if (optimizer := request.optimizer) is not None:
            learner = learner._replace(make_optimizer=lambda: optimizer)
        return learner, engine

    def python_state(self) -> PythonState:
        """What the problem's functions refer to, so that it can be put back after an attempt to capture."""
        return PythonState(self.python_roots().items(), is_partial=True)

    def python_roots(self) -> dict[str, Any]:
        """The problem's functions, by name."""
        problem = self.problem
        return {
            'optimizer': problem.build_optimizer,
            'model': problem.build_model,
            'loss': problem.build_criterion,
            'step': problem.step,
            'predict': problem.predict,
            'train': problem.train,
            'attach': problem.attach,
            'callbacks': problem.callbacks,
        }

    def _stuck(self, python: PythonState) -> list[str]:
        """What trying a step may change for good: see `Learner.stuck`; an optimizer's counts, too."""
        outlives = self.python_state().stuck if python.stuck or self.problem.build_optimizer else {}
        return [name for key, name in outlives.items() if key in python.stuck or _is_of_optimizer(name)]

    def set_up_lanes(
        self,
        point: Point,
        seeds: Sequence[int],
        batches: Sequence[Sequence[torch.Tensor]],
        measures_perf: bool = False,
    ) -> Training:
        """Initialises one model per seed, to be trained side by side by one step.

        Args:
            point: The architecture.
            seeds: The seed of each run.
            batches: For every run, the batches of its first epoch.
            measures_perf: Whether every step is to measure its performance.

        Raises:
            NotCapturable: That cannot be done.
        """
        if self.ranks is not None:
            raise NotCapturable(self.ranks.reason)
        if self.problem.train is not None:
            raise NotCapturable(REASON)
        if self.problem.ema is not None:
            raise NotCapturable(AVERAGED)
        if self.problem.has_handlers:
            names = [name for name in ('attach', 'callbacks') if getattr(self.problem, name) is not None]
            raise NotCapturable(f'its handlers ({", ".join(names)}) are those of a single run')
        before = self.python_state()
        if before.stuck:
            raise NotCapturable('what it refers to could not be put back after a try')
        learners = [self.learner(point, seed, measures_perf) for seed in seeds]
        try:
            if trained_by(learners[0].objective):
                raise NotCapturable(_CRITERION_TRAINED)
            step = _in_own_context(lambda: step_in_lanes(learners, batches, self._graph_backend))
        except OUT_OF_MEMORY:
            raise
        except Exception as error:
            before.restore()
            raise NotCapturable(why_not_captured(error)) from error
        return Training(learners, step, StepKind('lanes', lanes=len(seeds)), before)

    @property
    def _graph_backend(self) -> GraphBackend | None:
        return graphs_for(self.device) if self.graphs is None else self.graphs

    def _has_channels_last(self, model: torch.nn.Module) -> bool:
        if self.problem.channels_last is not None:
            return self.problem.channels_last
        return prefers_channels_last(model, self.splits.train, self.device)

    def fresh_model(self, point: Point, seed: int) -> tuple[torch.nn.Module, Objective]:
        """Returns a newly initialised model and its objective; what they draw later is seeded too."""
        seed_everything(model_seed(seed, point_key(point)))
        model = self.problem.model(point).to(self.device)
        if self._has_channels_last(model):
            model = model.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
        model.train()
        build = self.problem.build_criterion
        criterion = None if build is None else build()
        if isinstance(criterion, torch.nn.Module):
            criterion = criterion.to(self.device)
        autocast = autocast_of(self.problem, self.device)
        own_score = OwnScore(self.problem.objective) if self.problem.load_datasets is None else None
        problem = self.problem
        return model, Objective(
            criterion, problem.step, problem.predict, autocast=autocast, own_score=own_score
        )

    def learner(self, point: Point, seed: int, measures_perf: bool) -> Learner:
        """Returns a newly initialised model and all that its training takes."""
        model, objective = self.fresh_model(point, seed)
        criterion, train = objective.criterion, self.splits.train
        return Learner(
            model,
            objective,
            lambda: build_optimizer(self.problem, model, objective),
            train.for_training() if isinstance(train, StreamSplit) else train,
            self._scorer(criterion),
            measures_perf,
            lambda: self.fresh_model(point, seed),
            self._stuck,
            self.problem.clip_norm,
            self.problem.accumulate,
            None if self.problem.ema is None else WeightAverage(model, self.problem.ema),
        )

    def _scorer(self, criterion: Criterion | None) -> Scorer:
        problem = self.problem
        ignored = self._ignored(criterion)
        made = scorer(problem.accuracy_style, criterion, problem.threshold, ignored, problem.metrics)
        return made if self.ranks is None else replace(made, ranks=self.ranks)

    def _ignored(self, criterion: Criterion | None) -> int | None:
        """The label that the criterion leaves out, if the data may have it."""
        label = ignored_label(criterion)
        if label is None or self.problem.accuracy_style not in ('classification', None):
            return None
        if label not in self._labels:
            self._labels[label] = any(
                not isinstance(split, InMemorySplit) or has_label(split.data, label)
                for split in self.splits
                if split is not None
            )
        return label if self._labels[label] else None
