"""What a tuning method is: an object whose `tune` is a coroutine of stages of runs."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Protocol, TypeAlias, runtime_checkable

if TYPE_CHECKING:
    from collections.abc import Generator

    import numpy as np

    from ..results import Tuned
    from ..space import Domain

NO_PARAMETERS: Mapping[str, Domain] = MappingProxyType({})
FUNCTIONS = ('measure_curve', 'train_briefly')


@dataclass(frozen=True)
class RunRequest:
    """A run that a tuning method wants; make one with `measure_curve` or `train_briefly`.

    Attributes:
        function: The kind of run.
        arguments: Its arguments, besides the point.
    """

    function: str
    arguments: Mapping[str, Any]

    @classmethod
    def measure_curve(
        cls, *, seed: int, lrs: Sequence[float] | np.ndarray, batch_sizes: Sequence[int]
    ) -> RunRequest:
        """A fresh model takes one step at each learning rate and batch size, and is measured as it goes.

        Args:
            seed: The run's: see `run_seed`.
            lrs: The learning rate of every step.
            batch_sizes: The batch size of every step, each at most that of the training set.

        Returns:
            A request whose result has `loss` and `perf`, arrays of shape `(steps,)`: of each step on its own
            batch, before the update. From the first loss on that is not finite they are infinity and 0.
        """
        import numpy as np  # which the command line's help can do without

        return cls(
            'measure_curve', {'seed': seed, 'lrs': np.asarray(lrs), 'batch_sizes': np.asarray(batch_sizes)}
        )

    @classmethod
    def train_briefly(
        cls, *, seed: int, lr_min: float, lr_max: float, batch_size: int, steps: int, **others: Any
    ) -> RunRequest:
        """A fresh model is trained for one cycle of the learning rate, or several, and scored.

        Args:
            seed: The run's: see `run_seed`.
            lr_min: The learning rate at both ends of a cycle.
            lr_max: The learning rate in its middle.
            batch_size: The most samples of a batch.
            steps: How many to train; at least 1.
            others: `nuisance`: values of nuisance parameters, by name. `holdout_seed` and `held_out`: draws
                so many training samples that are not trained on, and scores the model on these; less than
                there are, and 0, which is the default, unless samples can be held out (see `TuningMethod`).
                `holdout_part`: an integer from 0, the default: other samples, which have none in common.
                `cycles`: in how many equal cycles the steps are taken; 1 by default, at most `steps`.

        Returns:
            A request whose result has `loss` and `perf` on training data, or on what is held out, two
            numbers; infinity and 0 if it diverged (of a metric in another unit, infinity or its `worst`). If
            something is held out, `fit` is the loss on as many samples that were trained on. With several
            `cycles`, `losses` and `perfs`, arrays of shape `(cycles,)`, are the scores at the end of each;
            there are none with a schedule that stretches with the training, such as `cosine`.
        """
        plan = {'lr_min': lr_min, 'lr_max': lr_max, 'batch_size': batch_size, 'steps': steps}
        return cls('train_briefly', {'seed': seed, **plan, **others})

    def digest(self) -> str:
        """A short text that tells this request from any other."""
        text = json.dumps([self.function, self.arguments], sort_keys=True, default=_plain)
        return hashlib.sha256(text.encode()).hexdigest()[:32]


def _plain(value: Any) -> Any:
    from ..points import to_json

    return value.tolist() if hasattr(value, 'tolist') else to_json(value)


@dataclass(frozen=True)
class Stage:
    """Runs that may go on side by side; their results are sent back together, in this order.

    Attributes:
        name: What they are for, in a word; progress and logs name it.
        runs: At least one.
    """

    name: str
    runs: Sequence[RunRequest]


RunResult: TypeAlias = Mapping[str, Any]
"""What a run measured, as numbers and arrays by name."""

Tuner: TypeAlias = 'Generator[Stage, Sequence[RunResult], Tuned]'
"""The tuning of one architecture under way."""


@runtime_checkable
class TuningMethod(Protocol):
    """Finds the hyperparameters of an architecture's trials; the same object does it for every one.

    A method is asked in the process that called `sweep`, and trains nothing itself: it yields stages of runs,
    which go to the workers, and receives their results. If the sweep is interrupted, the coroutine is started
    again and gets the results of runs that were done: so what it yields and returns must depend on its
    arguments and on these results alone, and draw random numbers from `seed`.

    If `tune` takes an argument `objective`, it gets a `MetricInfo`: the name, direction and limits of the
    metric that models are compared by, which is what runs measure as `perf`. If it takes an argument
    `can_hold_out`, it gets whether training samples can be held out: those of a stream cannot, nor those of a
    single group.

    An attribute `tuning_budget` (a number), if there is one, says how much is trained for one architecture,
    in trials: the first guess at the time that is left. By default it is 1.
    """

    def tune(self, train_size: int, seed: int, nuisance: Mapping[str, Domain] = NO_PARAMETERS) -> Tuner:
        """Tunes one architecture; called once for each.

        Args:
            train_size: Samples in the training set; at least 1.
            seed: The sweep's; `run_seed(seed, name, index)` gives those of runs. The same ones for every
                architecture make a fair comparison.
            nuisance: The domains, by name, of parameters that are to be tuned besides, each with a default,
                which holds for those that the result does not name.

        Yields:
            Stages of runs. Sent back are their results, in order.

        Returns:
            What the trials use, with flags if it is suspicious. What the architecture costs (which a single
            step tells, if no curve was measured), how steps were taken and what was not read is added to it.

        Raises:
            TuningFailed: The architecture cannot be trained. It counts as failed, and so it does after any
                other exception; other architectures go on.
        """
        ...
