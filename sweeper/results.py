"""What a sweep found: the values that `sweep` returns, `load` reads back and listeners receive."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from .extras import needed
from .metric import PERFORMANCE, MetricInfo
from .objectives import Objectives
from .pareto import front_columns
from .points import Point, by_name
from .tables import (
    SCORES,
    SPLITS,
    TRIAL_COLUMNS,
    TUNED_COLUMNS,
    metric_columns,
    nuisance_columns,
    results_header,
)

if TYPE_CHECKING:
    import pandas


class PointResult(NamedTuple):
    """One point's tuned hyperparameters and the results of its trials.

    Performances are the problem's objective, in its own unit (see `SweepResults.objective`): with an
    `accuracy_style`, in [0, 1], higher is better. Lower losses are better. A trial that diverged has loss
    infinity and the worst performance, by default 0. The arrays have shape `(trials,)`.
    """

    params: Point
    lr_min: float
    lr_max: float
    bs: int
    perf_train: np.ndarray
    loss_train: np.ndarray
    perf_val: np.ndarray
    loss_val: np.ndarray


@dataclass(frozen=True)
class PointError:
    """Why a point failed.

    Attributes:
        kind: The exception's class name, or `WorkerDied` or `TimedOut`.
        message: What it said, in one line or a few.
        phase: What was being done: `tuning` or `trial <i>`.
        traceback: The traceback in the process where it happened; may be empty.
        signal: The signal that ended the worker process, such as `SIGSEGV`; None if none did.
        output: The last that the run printed.
    """

    kind: str
    message: str
    phase: str
    traceback: str = field(default='', repr=False)
    signal: str | None = None
    output: str = field(default='', repr=False)

    @property
    def trial(self) -> int | None:
        """Index of the trial that failed, or None if it was the tuning."""
        return None if self.phase == 'tuning' else int(self.phase.removeprefix('trial '))

    def __str__(self) -> str:
        return f'{self.kind} in {self.phase}: {self.message}'


class PointFailure(NamedTuple):
    """A point that has no result, and why."""

    params: Point
    error: PointError


WORSE = 0.03
"""By how much trials may stay behind a brief training in tuning without a flag, of the way from an untrained
model to the best that tuning saw."""


IN_TRAINING, IN_EVALUATION, UNSURE = 'training_diverged', 'evaluation_diverged', 'threshold_unsure'
UNMEASURED, TOO_FEW_CONVERGED = 'objective_unmeasured', 'too_few_converged'
"""Flags of single runs: the loss was NaN or infinite at the end, in training mode or in evaluation mode;
outputs left [0, 1], which alone said that they are probabilities; the objective cannot be computed of the
samples that are held out."""


def convergence_flags(converged: int, diverged: int) -> list[str]:
    """The flags of a point some of whose trials diverged; none if none did.

    Those that converged are compared, unless they are fewer than two, or fewer than those that diverged.
    """
    too_few = converged < max(diverged, 2)
    return (['trial_diverged'] + [TOO_FEW_CONVERGED] * too_few) * (diverged > 0)


def joined_flags(in_training: bool, in_evaluation: bool, is_unsure: bool, is_unmeasured: bool = False) -> str:
    """The flags of a run, separated by spaces."""
    conditions = {
        IN_TRAINING: in_training, IN_EVALUATION: in_evaluation, UNSURE: is_unsure, UNMEASURED: is_unmeasured
    }  # fmt: skip
    return ' '.join(name for name, is_so in conditions.items() if is_so)


def is_only_in_evaluation(flags: str) -> bool:
    """Whether a run's flags say that its loss was finite in training mode, and not in evaluation mode."""
    return IN_EVALUATION in flags.split() and IN_TRAINING not in flags.split()


@dataclass(frozen=True)
class ModelCost:
    """What an architecture costs, apart from time.

    Attributes:
        parameters: How many numbers the model's parameters hold; None if that cannot be told.
        trainable_parameters: Those that are trained.
        flops: Floating-point operations of a forward pass, per sample; None if they cannot be told.
        reason: Why something cannot be told; None if all is.
    """

    parameters: int | None
    trainable_parameters: int | None
    flops: int | None
    reason: str | None = None


@dataclass(frozen=True)
class Tuned:
    """What tuning a point came to.

    Attributes:
        lr_min: The lowest learning rate of the trials' cycles.
        lr_max: The highest learning rate of the trials' cycles.
        batch_size: The batch size of the trials.
        cycle_size_epochs: Epochs in one triangular learning-rate cycle.
        epochs: Epochs of a trial, a whole number of cycles; a fraction if it ends within an epoch.
        nuisance: What the nuisance parameters are in the trials, by name; empty if there are none.
        flags: What is suspicious about this tuning.
        cost: What the architecture costs; None where tuning did not look.
        performance: The objective of the chosen candidate on training data; 0 if none was trained.
        unread: Parameters of the point that no code read while it was tuned.
        training: How the problem's trainings differ from plain ones, such as by their schedule.
        span: From the objective of an untrained model to the best in tuning, negative if lower is better;
            0 if unknown. Trials that are worse than `performance` by more than `WORSE` of it are flagged, so
            it is at least so much that this is no noise.
        report: What else led to the choice, for `misc.json`; empty when it is read back from disk, or once it
            is there.
        curves: The measured curves, by name (`lr_vs_perf` …), each a set of named arrays; the same holds.
        alternatives: What further tunings of the point came to, from other seeds; empty if it is tuned once.
            Trials take turns in all of them, this one first.
    """

    lr_min: float
    lr_max: float
    batch_size: int
    cycle_size_epochs: float
    epochs: float
    nuisance: Mapping[str, Any] = field(default_factory=dict)
    flags: tuple[str, ...] = ()
    cost: ModelCost | None = None
    performance: float = 0.0
    unread: tuple[str, ...] = ()
    training: Mapping[str, str | float] = field(default_factory=dict)
    span: float = 1.0
    report: Mapping[str, Any] = field(default_factory=dict, repr=False)
    curves: Mapping[str, Mapping[str, np.ndarray]] = field(default_factory=dict, repr=False)
    alternatives: tuple[Tuned, ...] = ()

    @property
    def tunings(self) -> tuple[Tuned, ...]:
        """What all tunings of the point came to, this one first."""
        return self, *self.alternatives

    @property
    def mean_epochs(self) -> float:
        """Epochs of a trial, at the mean of all tunings of the point."""
        return sum(tuned.epochs for tuned in self.tunings) / len(self.tunings)

    def of_trial(self, index: int) -> Tuned:
        """What the tuning came to that a trial uses, by the trial's number."""
        return self.tunings[index % len(self.tunings)]

    def without_report(self) -> Tuned:
        """What is looked up time and again: all but the report and the curves."""
        others = tuple(other.without_report() for other in self.alternatives)
        return replace(self, report={}, curves={}, alternatives=others)

    def flags_with(self, trials: Mapping[int, TrialResult]) -> list[str]:
        """What is suspicious about a tuning of the point, or shown to be by its trials, by their numbers."""
        of_tunings, results = self.all_flags, trials.values()
        diverged = sum(trial.diverged for trial in results)
        is_unsure = UNSURE in of_tunings or any(UNSURE in trial.flags.split() for trial in results)
        return (
            [flag for flag in of_tunings if flag != UNSURE]
            + convergence_flags(len(results) - diverged, diverged)
            + [IN_EVALUATION] * any(is_only_in_evaluation(trial.flags) for trial in results)
            + [UNSURE] * is_unsure
            + ['worse_than_tuned'] * self._are_worse(trials)
        )

    @property
    def all_flags(self) -> tuple[str, ...]:
        """The flags of all tunings of the point, each once."""
        if not self.alternatives:
            return self.flags
        return tuple(sorted({flag for tuned in self.tunings for flag in tuned.flags}))

    def _are_worse(self, trials: Mapping[int, TrialResult]) -> bool:
        """Whether, of some tuning, the mean of its trials stays behind what it came to."""
        reached: dict[int, list[float]] = {}
        for index, trial in trials.items():
            if not trial.diverged:
                reached.setdefault(index % len(self.tunings), []).append(trial.perf_train)
        tunings = self.tunings
        return any(tunings[number]._is_worse(sum(some) / len(some)) for number, some in reached.items())

    def _is_worse(self, performance: float) -> bool:
        """Whether a performance stays behind that of the tuning."""
        limit = self.performance - WORSE * self.span
        return (performance - limit) * self.span < 0

    def plan(self) -> dict[str, Any]:
        """How to train: `nuisance` only if there is some."""
        names = ('lr_min', 'lr_max', 'batch_size', 'cycle_size_epochs', 'epochs')
        plan = {name: getattr(self, name) for name in names}
        return {**plan, 'nuisance': dict(self.nuisance)} if self.nuisance else plan


@dataclass(frozen=True, slots=True)
class TrialResult:
    """One trial: the content of `result.json`.

    Test scores are None without a test split. `step`, `step_reason` and `lanes` say how its steps were taken,
    as in `StepKind`; in the file they are one text.
    `epochs` is a fraction if the training ended within one.
    `perf_…` is the objective, in its own unit. `best_val` is the best objective on validation data at the end
    of a cycle, and `best_epoch` where that was: the best of many, so it flatters. `metrics` has the other
    metrics, by name and split, such as `f1_val`.
    `flags`, separated by spaces: `training_diverged` and `evaluation_diverged` if at the end the loss was NaN
    or infinite in that mode (the latter: on any split), `threshold_unsure` if outputs left [0, 1].
    `split`, if trials are resamples, says which one it was: `round` and `fold`, or `holdout`, counted from 0,
    and the numbers of `train` and `val` samples.
    """

    seed: int
    epochs: float
    seconds: float
    diverged: bool
    perf_train: float
    loss_train: float
    perf_val: float
    loss_val: float
    perf_test: float | None = None
    loss_test: float | None = None
    step: str = ''
    flags: str = ''
    step_reason: str | None = None
    lanes: int = 1
    best_val: float | None = None
    best_epoch: float | None = None
    metrics: Mapping[str, float] = field(default_factory=dict)
    split: Mapping[str, int] = field(default_factory=dict)

    def score(self, kind: str, split: str) -> float | None:
        """Returns the final `perf`, `loss` or metric of another name on a split; None if there is none."""
        name = f'{kind}_{split}'
        return getattr(self, name) if name in SCORES else self.metrics.get(name)


def split_scores(scores: Mapping[str, float]) -> tuple[dict[str, Any], dict[str, float]]:
    """Parts a trial's final scores into losses and performances, and the metrics beside them."""
    others = {name: value for name, value in scores.items() if name not in SCORES}
    return {name: value for name, value in scores.items() if name in SCORES}, others


def trial_row(trial: TrialResult, metrics: Sequence[MetricInfo]) -> dict[str, Any]:
    """A trial's columns of `results.csv` and `to_frame`, by name."""
    row = {name: getattr(trial, name) for name in TRIAL_COLUMNS}
    return {**row, **{name: trial.metrics.get(name) for name in metric_columns(metrics)}}


def scores_of(trials: Sequence[TrialResult]) -> list[np.ndarray]:
    """Train performance and loss, validation performance and loss of trials, each of shape `(trials,)`."""
    names = ('perf_train', 'loss_train', 'perf_val', 'loss_val')
    return [np.array([getattr(trial, name) for trial in trials], dtype=float) for name in names]


@dataclass(frozen=True)
class TrialRecord:
    """A trial's result and the files that go with it; without its weights if nobody wants them."""

    result: TrialResult
    model: bytes | None = field(repr=False)
    model_init: bytes | None = field(repr=False)
    throughtime: Mapping[str, np.ndarray] = field(repr=False)


class SweepResults(list[PointResult]):
    """The results of a sweep, in the order in which the points were proposed.

    Attributes:
        failures: The points that have no result, and why.
        flags: What is suspicious about a point, for points where something is: the flags of its tuning,
            `trial_diverged`, `too_few_converged` and `worse_than_tuned`.
        columns: Names of the parameters.
        nuisance: What the nuisance parameters of a point were tuned to, by name, for points that have some.
        ids: A point's id, which names its folder in `points/`.
        trials: Everything recorded of a point's trials, by index.
        tunings: What each tuning of a point came to, for points that were tuned more than once. Trials take
            turns: number `i` uses `i % len(…)`. `lr_min`, `lr_max`, `bs`, `nuisance` are those of the first.
        metric_infos: What is known of the problem's metrics, the objective first.
        costs: What a point costs, as far as tuning looked.
        rejected: The points that were not trained because of limits or the problem's own constraint, and why.
        others: Points that the folder held already and that this sweep's selector did not propose; what is
            there of them is among the results. Empty where results were only read.
        store: The folder's `Records`, so that the command line need not read it again; None if there are
            none.
    """

    def __init__(
        self,
        results: Iterable[PointResult] = (),
        failures: Iterable[PointFailure] = (),
        flags: Mapping[Point, list[str]] | None = None,
        columns: Sequence[str] = (),
        nuisance: Mapping[Point, Mapping[str, Any]] | None = None,
        ids: Mapping[Point, int] | None = None,
        trials: Mapping[Point, Mapping[int, TrialResult]] | None = None,
        metric_infos: Sequence[MetricInfo] = (PERFORMANCE,),
        tunings: Mapping[Point, Sequence[Tuned]] | None = None,
    ) -> None:
        super().__init__(results)
        self.failures = list(failures)
        self.flags = {point: names for point, names in (flags or {}).items() if names}
        self.columns = list(columns)
        self.nuisance = {point: dict(values) for point, values in (nuisance or {}).items() if values}
        self.ids = dict(ids or {})
        self.trials = {point: dict(by_index) for point, by_index in (trials or {}).items()}
        self.metric_infos = tuple(metric_infos)
        self.rejected: dict[Point, str] = {}
        self.costs: dict[Point, ModelCost] = {}
        self.tunings = {
            point: tuple(several) for point, several in (tunings or {}).items() if len(several) > 1
        }
        self.others: list[Point] = []
        self.store: Any = None

    @property
    def objective(self) -> MetricInfo:
        """What performances are: its name, its direction, and its limits as far as they are known."""
        return self.metric_infos[0]

    @property
    def metrics(self) -> dict[str, dict[Point, dict[str, np.ndarray]]]:
        """The final values of all metrics: `results.metrics['f1'][point]['val']` has shape `(trials,)`.

        The splits are `train`, `val` and, if there is one, `test`; the objective is among the metrics.
        """
        return {
            info.name: {point: self._values(info, number, trials) for point, trials in self.trials.items()}
            for number, info in enumerate(self.metric_infos)
        }

    def _values(
        self, info: MetricInfo, number: int, trials: Mapping[int, TrialResult]
    ) -> dict[str, np.ndarray]:
        kind = 'loss' if info.name == 'loss' else info.name if number else 'perf'
        by_split = {}
        for split in SPLITS:
            values = [trial.score(kind, split) for _, trial in sorted(trials.items())]
            if values and None not in values:
                by_split[split] = np.array(values, dtype=float)
        return by_split

    def __getstate__(self) -> dict[str, Any]:
        return {**vars(self), 'store': None}  # which can be neither pickled nor copied

    def to_frame(self, objectives: Objectives | None = None) -> pandas.DataFrame:
        """Returns a tidy table with the columns of `results.csv`: a row per trial.

        `id` names the point's folder, `flags` are one text. Parameters keep their types; one that a point
        lacks is NaN, as are test scores without a test split. A parameter with the name of another column
        gets the prefix `param_`; what nuisance parameters were tuned to is in `nuisance_<name>`. If points
        were tuned more than once, `tuning` is the number of the trial's tuning, from 0, and learning rates,
        batch size and nuisance parameters are what that came to.

        Args:
            objectives: As for `pareto_front`: adds columns with each point's values, such as
                `objective_parameters`, and `pareto_front`, whether it is on the front of these.

        Raises:
            MissingExtra: pandas is not installed.
            InvalidArgument: There is no such objective.
        """
        with needed('pandas', 'to_frame() needs pandas'):
            import pandas
        others = (tuned.nuisance for several in self.tunings.values() for tuned in several)
        tuned = list(dict.fromkeys(name for values in (*self.nuisance.values(), *others) for name in values))
        columns = results_header(self.columns, tuned, self.metric_infos, bool(self.tunings))
        names = dict(zip(self.columns, columns[1:], strict=False))
        rows = [row for place, result in enumerate(self) for row in self._rows(place, result, names)]
        frame = pandas.DataFrame(rows, columns=columns)
        scores = [*SCORES, 'best_val', 'best_epoch', *metric_columns(self.metric_infos)]
        frame = frame.astype(dict.fromkeys(scores, float))
        if objectives is not None:
            points = [result.params for result in self for _ in self._rows(0, result, names)]
            for name, values in front_columns(self, objectives, points).items():
                frame[name] = [values[point] for point in points]
        return frame

    def _rows(self, place: int, result: PointResult, names: Mapping[str, str]) -> Iterator[dict[str, Any]]:
        """A point's rows of the table, of which `names` has its parameters' columns."""
        point = result.params
        nuisance = self.nuisance.get(point, {})
        shared = {
            'id': self.ids.get(point, place),
            **{names[name]: value for name, value in by_name(point, self.columns).items()},
            **dict(zip(TUNED_COLUMNS, result[1:4], strict=True)),
            **dict(zip(nuisance_columns([*nuisance]), nuisance.values(), strict=True)),
            'flags': ' '.join(self.flags.get(point, ())),
        }
        trials = self.trials.get(point)
        if trials is None:  # results that come from elsewhere have scores alone
            scores = zip(*result[4:], strict=True)
            yield from (
                {**shared, 'trial': i, **dict(zip(SCORES, row, strict=False))} for i, row in enumerate(scores)
            )
            return
        tunings = self.tunings.get(point, ())
        own = [_of_tuning(number, tuned) for number, tuned in enumerate(tunings)] or [{}]
        for index, trial in sorted(trials.items()):
            own_of_trial = own[index % len(own)]
            yield {**shared, **own_of_trial, 'trial': index, **trial_row(trial, self.metric_infos)}


def _of_tuning(number: int, tuned: Tuned) -> dict[str, Any]:
    """What of a row of the table is told by the trial's tuning."""
    values = tuned.lr_min, tuned.lr_max, tuned.batch_size
    nuisance = zip(nuisance_columns([*tuned.nuisance]), tuned.nuisance.values(), strict=True)
    return {**dict(zip(TUNED_COLUMNS, values, strict=True)), **dict(nuisance), 'tuning': number}
