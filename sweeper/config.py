"""What a sweep is told beside its problem, its points and its folder: every option, checked in one place."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal

from .amounts import GPUS_PER_RUN, at_least, bytes_of, checked_margin
from .annotations import valid_in_words, wrong_field
from .errors import InvalidArgument
from .executor_options import ExecutorOptions
from .keywords import check_names
from .store.acceptance import ACCEPTABLE, accepted_kinds
from .store.storage import CHOICES
from .training.resampling.option import VALID, Resampling
from .tuning.base import TuningMethod
from .tuning.fixed import FixedHyperparameters
from .tuning.methods import as_plain, for_sweep_cores, from_plain, get_method, record
from .tuning.settings import HyperparameterSettings

if TYPE_CHECKING:
    from .space.constraints import Limits

_POSITIVE = 'must be a positive number, or None'


@dataclass(frozen=True, kw_only=True)
class SweepConfig:
    """Every option of a sweep, checked. `sweep(…, **options)` and the command line make one.

    Results depend on `sweep_cores`, `tuning`, `tunings`, `score_on`, `length`, `seed`, `device`, `step`,
    `stop`, `patience` and `resample` alone, and on what `minutes_per_trial` came to.

    Attributes:
        sweep_cores: How many cores tune one architecture, and the least number of initialisations behind
            each tuning curve; at least 1. If there are fewer cores, the same runs are made on those.
        tuning: A preset (`fastest`, `fast`, `slow`, `slowest`), settings of your own, `FixedHyperparameters`,
            or a `TuningMethod` of your own.
        tunings: How often each architecture is tuned, each time from other seeds; at least 1. Trials take
            turns: number `i` uses what tuning `i % tunings` came to. With more than one, intervals and tests
            cover what differs from one tuning to another, too. A multiple of it is a good number of trials.
        cores: How many cores to use; the physical cores that this process may use, by default, or with `ray`
            all that the cluster has free.
        executor: `local` (worker processes), `ray` (worker processes on all nodes of a Ray cluster) or
            `inline` (in this process, to debug). `sweep` and `train` take an `Executor`, too, which has
            `cores`, `retries`, `timeout`, `memory`, `address`, `gpus_per_run`, `per_gpu` and
            `processes_per_run` of its own.
        address: Of the Ray cluster: `auto`, `host:port` or `ray://host:10001`; `ray` only. None: the session
            of Ray that this process has, or else one that is started on this machine for the sweep.
        gpus_per_run: How many GPUs a run has: a fraction of one, or a whole number; not `inline`. 0: as
            `per_gpu` has it; with `ray`, none.
        per_gpu: How many runs share a GPU; `local` only. None: as many as its memory holds, by what the first
            run of each architecture took.
        processes_per_run: How many processes train a model together, each with a share of every batch; not
            `inline`. Results depend on it. None: one for each whole GPU of `gpus_per_run`, or else one.
        seed: Seeds everything; results depend on it and not on cores, executor or timing.
        progress: `auto` (`rich` in a terminal, else `plain`), `rich`, `plain` or `none`; on stderr.
        on_error: What a failed point does: `record` it and go on, or `raise` `PointFailed` at the first one,
            which is tried again at the next start.
        retries: How often a run whose worker process died is tried again; not `inline`.
        timeout: Seconds that one run may take; not `inline`.
        device: A torch device, or `auto`: a GPU if torch has one.
        memory: What a worker process may take, in bytes or as `'2GB'`; not `inline`, on Linux
            only.
        step: How training steps are taken: `eager`, one operator after another; `captured`, recorded once
            and replayed without Python; `lanes`, captured, and 8 runs of a tiny network at a time; `auto`,
            captured where it is worth it. What cannot be captured is eager (`misc.json` says why).
        minutes_per_trial: About how long a trial may take on this machine, scoring included. This is turned
            into `trial_samples` once, by timing the first architecture when the folder is new; `sweep.json`
            has both, all architectures get the same, and the sweep is continued with it on any machine.
        score_on: What tuning compares candidates on: `held-out` training samples, which they are not trained
            on, or the `training` samples themselves. None: as `tuning` has it (`held-out` in presets).
        length: `tuned`: each architecture is trained for as many cycles as tuning found best for it, up to
            the length of the preset. `fixed`: all are trained that long. None: as `tuning` has it (`tuned`
            in presets).
        stop: `held-out` ends a trial when its objective on a tenth of the training data, which no trial is
            trained on then, has not improved for `patience` cycles. The result is the model as it is then.
        patience: The number of cycles, at least 1; with `stop='held-out'` only.
        resample: Gives each trial a split of its own of training and validation data, the same for all
            architectures: `folds:5` (repeated cross-validation) or `holdout:10` (random validation sets of
            the original size), of which the number is that of trials for one round. Tests and intervals are
            corrected for it. None: all trials have the data of `dataset()`.
        margin: The largest difference between architectures that does not matter, in the objective's unit:
            architectures that differ by less are equivalent. None: as the folder has it, or a default. It may
            be changed, and reports may take another one.
        paired: Whether trials of the same index are compared with each other. None: as the folder has it; if
            it is new, only with `resample`, since trials share little but their splits. Once there are trials
            it cannot be changed.
        looks: How often in all you will run the sweep to its end, each time with more trials, and look at the
            results: the probability of false differences that is allowed is spread over these looks. None: as
            the folder has it; if it is new, that is open. Once there are trials it cannot be changed.
        max_parameters: Most parameters that a point's model may have; others are rejected before they are
            tuned (docs/selectors.md, *Constraints*), as are those that a problem's `constraint` rejects.
        max_flops: The same of floating-point operations of a forward pass of one sample.
        max_memory: The same of memory, in bytes or as `'2GB'`: weights, gradients, buffers, and what one
            sample's forward pass keeps for the backward pass.
        max_latency: The same of the seconds that a forward pass of one sample takes, measured here.
        keep_weights: Whose trained weights are kept, and those they started from: of `all` trials; of the
            `best` of each architecture, by the objective on validation data (docs/on-disk.md, *Weights*); or
            of `none`. None: as the folder has it, or `all`. It may be changed: `best` then holds for the
            trials that are there, too, and `none` for new ones.
        summaries: As which files the summaries are written: `csv`, or `parquet`, which is smaller and has
            values of their own types (extra `parquet`; docs/on-disk.md, *Summaries as Parquet*). None: as the
            folder has it, or `csv`. It may be changed.
        points_per_folder: Of how many points the folders are put into one, for sweeps of very many points; at
            least 1. None: as the folder has it; if it is new, all are in one. Once there are points it cannot
            be changed.
        if_changed: What to do if the folder's sweep is not this one any more: `stop` with a `FolderError`
            that says what changed; accept that by its name, `accept:source` or `accept:versions,device`, if
            it makes no difference to results (the problem's `source`, `versions`, `device`, `step`; or the
            `selector`, if one that adapts decides otherwise, to keep the points of both); or `restart`, after
            moving what is there to `earlier/` (not for a changed selector, which has been asked by then).
            Other points are no change: those that are there stay, and are compared with the new ones.
        retry_failed: Try what failed before once more. An adaptive selector that then decides otherwise is a
            changed one.

    Raises:
        InvalidArgument: A value cannot be; the message names it and what is valid.
    """

    sweep_cores: int = field(
        default=4,
        metadata={
            'help': 'Cores that tune one architecture, and the minimum number of initialisations per curve.'
        },
    )
    tuning: str | TuningMethod = field(
        default='fast',
        metadata={
            'help': 'Effort of tuning and training: fastest, fast, slow or slowest.',
            'option': '--preset',
        },
    )
    tunings: int = field(
        default=1,
        metadata={'help': 'Tune every architecture so often, from other seeds; trials take turns in them.'},
    )
    cores: int | None = field(
        default=None, metadata={'help': 'Cores to use.  \\[default: all physical cores]'}
    )
    executor: Literal['local', 'ray', 'inline'] = field(
        default='local',
        metadata={'help': 'Where to train: in workers here, on a Ray cluster, or in this process, to debug.'},
    )
    address: str | None = field(
        default=None,
        metadata={
            'help': 'With --executor ray: the cluster.  \\[default: Ray is started on this machine]',
            'metavar': 'auto|ray://HOST:PORT',
        },
    )
    gpus_per_run: float = field(
        default=0.0,
        metadata={
            'help': 'GPUs that a run has: a fraction of one, such as 0.25, or a whole number.',
            'metavar': 'NUMBER',
            'valid': GPUS_PER_RUN,
        },
    )
    per_gpu: int | None = field(
        default=None, metadata={'help': 'Runs that share a GPU.  \\[default: as many as its memory holds]'}
    )
    processes_per_run: int | None = field(
        default=None,
        metadata={'help': 'Processes that train a model together, data-parallel.  \\[default: one per GPU]'},
    )
    seed: int = field(default=0, metadata={'help': 'Seed of all random numbers.'})
    progress: Literal['auto', 'rich', 'plain', 'none'] = field(
        default='auto', metadata={'help': 'How progress is shown.'}
    )
    on_error: Literal['record', 'raise'] = field(
        default='record', metadata={'help': 'When an architecture fails: record it and go on, or stop.'}
    )
    retries: int = field(default=1, metadata={'help': 'How often to retry a run whose worker process died.'})
    timeout: float | None = field(
        default=None, metadata={'help': 'Time limit of a single run.', 'metavar': 'SECONDS'}
    )
    device: str = field(
        default='auto',
        metadata={
            'help': 'A torch device, or auto.',
            'valid': "must be 'auto' or a torch device, such as 'cpu'",
        },
    )
    memory: int | str | None = field(
        default=None,
        metadata={'help': 'Memory that a worker process may use, such as 2GB.', 'metavar': 'AMOUNT'},
    )
    step: Literal['auto', 'eager', 'captured', 'lanes'] = field(
        default='auto', metadata={'help': 'How training steps are taken.'}
    )
    minutes_per_trial: float | None = field(
        default=None,
        metadata={
            'help': 'Train as long as so many minutes allow, in place of the samples of the preset.',
            'metavar': 'MINUTES',
            'valid': 'must be a positive number of minutes, or None',
        },
    )
    score_on: Literal['held-out', 'training'] | None = field(
        default=None,
        metadata={'help': 'Training samples that tuning compares candidates on.  \\[default: held-out]'},
    )
    length: Literal['tuned', 'fixed'] | None = field(
        default=None,
        metadata={
            'help': 'Length of trials: tuned for each architecture, or fixed, the longest for all.  '
            '\\[default: tuned]'
        },
    )
    stop: Literal['never', 'held-out'] = field(
        default='never',
        metadata={'help': 'Stop trials that do not improve on a held-out tenth of the training data.'},
    )
    patience: int = field(
        default=3, metadata={'help': 'With --stop held-out: after how many cycles without improvement.'}
    )
    resample: str | None = field(
        default=None,
        metadata={
            'help': 'Split training and validation data anew for each trial: folds:5, or holdout:10.',
            'metavar': 'folds:K|holdout:N',
            'valid': f'{VALID}, or None',
        },
    )
    margin: float | None = field(
        default=None,
        metadata={
            'help': 'Largest difference between architectures that does not matter to you.',
            'metavar': 'DIFFERENCE',
            'valid': 'must be a positive number, or None',
        },
    )
    paired: bool | None = field(
        default=None,
        metadata={
            'help': 'Compare trials in pairs of the same index, or not.  \\[default: paired with --resample]',
            'option': '--paired/--unpaired',
            'valid': 'must be True, False or None',
        },
    )
    looks: int | None = field(
        default=None,
        metadata={'help': 'How often in all you will look at the results, each time after adding trials.'},
    )
    max_parameters: float | None = field(
        default=None,
        metadata={
            'help': 'Try no architecture with more parameters, such as 1e6.',
            'metavar': 'NUMBER',
            'valid': _POSITIVE,
        },
    )
    max_flops: float | None = field(
        default=None,
        metadata={
            'help': 'Try none with more floating-point operations per sample, in a forward pass.',
            'metavar': 'NUMBER',
            'valid': _POSITIVE,
        },
    )
    max_memory: int | str | None = field(
        default=None,
        metadata={
            'help': 'Try none whose training takes more memory: weights, gradients, activations of a sample.',
            'metavar': 'AMOUNT',
        },
    )
    max_latency: float | None = field(
        default=None,
        metadata={
            'help': 'Try none whose forward pass of one sample takes longer here.',
            'metavar': 'SECONDS',
            'valid': _POSITIVE,
        },
    )
    keep_weights: Literal['all', 'best', 'none'] | None = field(
        default=None,
        metadata={
            'help': 'Whose weights to keep: those of all trials, of the best one of each architecture, or of '
            'none.  \\[default: all]'
        },
    )
    summaries: Literal['csv', 'parquet'] | None = field(
        default=None,
        metadata={'help': 'As which files to write the summaries.  \\[default: csv]'},
    )
    points_per_folder: int | None = field(
        default=None,
        metadata={
            'help': 'With very many architectures: put the folders of so many into one.  '
            '\\[default: all in one]'
        },
    )
    if_changed: str = field(
        default='stop',
        metadata={
            'help': 'If the sweep in DIR differs from this one: stop, restart, or go on and accept the '
            'differences named: source, versions, device, step, selector.',
            'metavar': 'stop|restart|accept:…',
        },
    )
    retry_failed: bool = field(
        default=False, metadata={'help': 'Retry the architectures that failed in an earlier run.'}
    )

    def __post_init__(self) -> None:
        from .seeding import MAX_SEED  # with numpy, which the command line's help can do without

        get_method(self.tuning, 'tuning')
        executor_options = self.executor_options
        bytes_of(self.max_memory, 'max_memory')
        if self.margin is not None:
            checked_margin(self.margin)
        for name, least in _LEAST.items():
            if (value := getattr(self, name)) is not None or name not in _MAY_BE_NONE:
                at_least(least, name, value)
        if not isinstance(self.seed, int) or isinstance(self.seed, bool) or not 0 <= self.seed <= MAX_SEED:
            error = self._wrong('seed', 'must be an integer in [0, 2**63)')
            raise error.on_command_line(f'--seed {self.seed}: must be an integer from 0 to {MAX_SEED}')
        if accepted_kinds(self.if_changed) is None:
            known = f'valid are {", ".join(ACCEPTABLE)}'
            error = self._wrong(
                'if_changed',
                f"must be 'stop', 'restart', or 'accept:' with what is accepted, as in "
                f"'accept:{ACCEPTABLE[0]}'; {known}",
            )
            raise error.on_command_line(
                f'--if-changed {self.if_changed}: must be stop, restart, or accept: with what is accepted, '
                f'as in accept:{ACCEPTABLE[0]}; {known}'
            )
        if (wrong := wrong_field(self)) is not None:
            valid = valid_in_words(SweepConfig, wrong)
            unquoted = valid.replace("'", '')
            option = f'--{wrong.replace("_", "-")} {getattr(self, wrong)}'
            raise self._wrong(wrong, valid).on_command_line(f'{option}: {unquoted}')
        for name in ('max_parameters', 'max_flops', 'max_latency'):
            limit = getattr(self, name)
            if limit is not None and not 0 < limit < math.inf:
                raise self._wrong(name, _POSITIVE)
        self._check_settings()
        if self.resample is not None and Resampling.parse(self.resample) is None:
            error = self._wrong('resample', VALID)
            raise error.on_command_line(f'--resample {self.resample}: {VALID}'.replace("'", ''))
        executor_options.check_for(self.executor)

    def _check_settings(self) -> None:
        """Checks what goes with settings only."""
        minutes, method = self.minutes_per_trial, get_method(self.tuning)
        if self.tunings > 1 and isinstance(method, FixedHyperparameters):
            raise InvalidArgument(
                f'tunings={self.tunings!r}: must be 1 where hyperparameters are given, not tuned'
            ).naming(('tunings', self.tunings))
        if minutes is not None and not 0 < minutes < math.inf:
            raise self._wrong('minutes_per_trial', 'must be a positive number of minutes, or None')
        for name, remedy in _OF_SETTINGS.items():
            if getattr(self, name) is not None and not isinstance(method, HyperparameterSettings):
                raise self._wrong(
                    name, f'goes with a preset or settings; with {type(method).__name__} {remedy}'
                )

    def _wrong(self, name: str, valid: str) -> InvalidArgument:
        value = getattr(self, name)
        return InvalidArgument(f'{name}={value!r}: {valid}').naming((name, value))

    @property
    def method(self) -> TuningMethod:
        """What `tuning` comes to, with what is changed of it."""
        return for_sweep_cores(self._method, self.sweep_cores)

    @property
    def _method(self) -> TuningMethod:
        method = get_method(self.tuning)
        values = {name: getattr(self, name) for name in ('score_on', 'length')}
        changes = {name: value for name, value in values.items() if value is not None}
        return method.replace(**changes) if isinstance(method, HyperparameterSettings) else method

    @property
    def executor_options(self) -> ExecutorOptions:
        """Those that are the executor's."""
        names = [field.name for field in dataclasses.fields(ExecutorOptions)]
        return ExecutorOptions(**{name: getattr(self, name) for name in names})

    @property
    def stopping(self) -> dict[str, str | float]:
        """How trials stop early, as files have it; empty if they do not."""
        return {} if self.stop == 'never' else {'stop': self.stop, 'patience': self.patience}

    @property
    def storage(self) -> dict[str, Any]:
        """How the folder keeps results, as far as that was chosen."""
        chosen = {name: getattr(self, name) for name in CHOICES}
        return {name: value for name, value in chosen.items() if value is not None}

    @property
    def resampling(self) -> Resampling | None:
        """How trials are resampled; None if all have the same data."""
        return None if self.resample is None else Resampling.parse(self.resample)

    @property
    def limits(self) -> Limits:
        """What a point's model may have at most."""
        from .space.constraints import Limits  # with numpy, which the command line's help can do without

        memory = bytes_of(self.max_memory, 'max_memory')
        return Limits(self.max_parameters, self.max_flops, memory, self.max_latency)

    def identity(self) -> dict[str, Any]:
        """What a folder's manifest has of it: only with the same is a sweep continued."""
        preset, settings = record(self._method, self.sweep_cores)
        return {
            'preset': preset,
            'settings': settings,
            'sweep_cores': self.sweep_cores,
            'seed': self.seed,
            'step': self.step,
            'stopping': self.stopping,
            'minutes_per_trial': self.minutes_per_trial,
            'tunings': self.tunings,
        }

    def to_mapping(self) -> dict[str, Any]:
        """Returns the options that differ from the defaults as plain values, for a JSON or YAML file.

        Raises:
            InvalidArgument: `tuning` is a method of the user's own.
        """
        changed = {
            field.name: getattr(self, field.name)
            for field in dataclasses.fields(self)
            if getattr(self, field.name) != field.default
        }
        if not isinstance(self.tuning, str):
            changed['tuning'] = as_plain(self.tuning)
        return changed

    @classmethod
    def from_mapping(cls, options: Mapping[str, Any]) -> SweepConfig:
        """Returns the options that `to_mapping` gave, or a file has; `tuning` may be a mapping.

        Raises:
            InvalidArgument: There is no such option, or a value cannot be.
        """
        try:
            check_names(cls, 'an option', options)
        except TypeError as error:
            raise InvalidArgument(str(error)) from None
        return cls(**{**options, 'tuning': from_plain(options.get('tuning', 'fast'))})


_LEAST = {'sweep_cores': 1, 'tunings': 1, 'patience': 1, 'looks': 1, 'points_per_folder': 1}
_MAY_BE_NONE = ('looks', 'points_per_folder')

_OF_SETTINGS = {
    'minutes_per_trial': 'give the length there',
    'score_on': 'the method decides that',
    'length': 'the method decides that',
}
