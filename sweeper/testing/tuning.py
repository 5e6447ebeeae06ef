"""What every tuning method does, as tests.

    from sweeper.testing import TuningMethodContract

    class TestRandomSearch(TuningMethodContract):
        def make_method(self):
            return RandomSearch(candidates=5)

Nothing is trained: `SimulatedTraining` answers as networks of different kinds would. pytest finds the tests.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from ..errors import TuningFailed
from ..io.checksums import json_bytes
from ..results import Tuned
from ..store.tuned_files import final_content, misc_content
from ..tuning.base import RunRequest, RunResult, Stage, TuningMethod
from ..tuning.methods import record
from ..tuning.start import start_tuning

TRAIN_SIZES = (1, 7, 100, 1_500, 60_000)


class SimulatedTraining:
    """Answers runs of an architecture that trains best below a learning rate, and diverges above it.

    Args:
        best_lr: The best learning rate at a batch size of 32; it goes with the square root of the batch size.
        diverges: Whether every training diverges, at any rate.
        is_stuck: Whether nothing is ever learned.

    Attributes:
        stages: Those that were asked for.
    """

    def __init__(self, best_lr: float = 0.1, diverges: bool = False, is_stuck: bool = False) -> None:
        self._best_lr, self._diverges, self._is_stuck = best_lr, diverges, is_stuck
        self.stages: list[Stage] = []

    def answer(self, stage: Stage) -> list[RunResult]:
        """The results of a stage's runs."""
        self.stages.append(stage)
        return [self._answer(run) for run in stage.runs]

    def _answer(self, run: RunRequest) -> RunResult:
        arguments, rng = run.arguments, np.random.default_rng(run.arguments['seed'])
        if run.function == 'measure_curve':
            lrs, sizes = (np.asarray(arguments[name], dtype=float) for name in ('lrs', 'batch_sizes'))
            loss, perf = self._reached(np.maximum.accumulate(lrs), sizes, np.cumsum(sizes), rng)
            return {'loss': loss, 'perf': perf, 'step': 'captured', 'cost': _COST}
        size, cycles = float(arguments['batch_size']), arguments.get('cycles', 1)
        samples = size * arguments['steps'] * np.arange(1, cycles + 1) / cycles
        losses, perfs = self._reached(np.full(cycles, arguments['lr_max']), size, samples, rng)
        result: dict[str, Any] = {'loss': float(losses[-1]), 'perf': float(perfs[-1]), 'step': 'captured'}
        if arguments.get('held_out', 0):
            result['fit'] = result['loss']
        return {**result, 'losses': losses, 'perfs': perfs} if cycles > 1 else result

    def _reached(
        self, lrs: np.ndarray, sizes: Any, samples: Any, rng: np.random.Generator
    ) -> tuple[np.ndarray, np.ndarray]:
        relative = lrs / self._best_lr / np.sqrt(sizes / 32)
        skill = 1 - (1 + np.minimum(relative, 1) * samples / 100) ** -0.3
        perf = 0.1 + 0.8 * skill * (not self._is_stuck) * np.clip(2 - relative, 0, 1)
        perf = np.clip(perf + rng.normal(0, 1e-3, len(lrs)), 0, 1)
        dead = (relative > 5) | self._diverges
        return np.where(dead, np.inf, 2.5 - 2.2 * perf), np.where(dead, 0.0, perf)


_COST = json.dumps({'parameters': 10, 'trainable_parameters': 10, 'flops': 20, 'reason': None})


def tune(
    method: TuningMethod,
    train_size: int,
    seed: int = 0,
    training: SimulatedTraining | None = None,
    change: Callable[[RunResult], RunResult] = dict,
) -> tuple[Tuned, Sequence[Stage]]:
    """Drives a method to its end, as a sweep does; returns what it chose, and the stages that it asked for.

    Args:
        method: The method.
        train_size: Samples in the training set.
        seed: The sweep's seed.
        training: Answers; by default an architecture that trains well at a learning rate of 0.1.
        change: Called with each result before it is sent.

    Raises:
        TuningFailed: So says the method.
        InvalidArgument: It broke its contract.
    """
    training = training or SimulatedTraining()
    tuner = start_tuning(method, train_size, seed)
    stage = next(tuner)
    while True:
        try:
            stage = tuner.send([change(result) for result in training.answer(stage)])
        except StopIteration as end:
            return end.value, training.stages


class TuningMethodContract:
    """Tests of a tuning method: inherit and say how to make one."""

    def make_method(self) -> TuningMethod:
        """Returns a method, equal to the last one returned."""
        raise NotImplementedError

    def test_it_is_a_tuning_method(self) -> None:
        method = self.make_method()
        assert isinstance(method, TuningMethod) and not isinstance(method, type)

    def test_it_asks_for_runs_that_can_be_done_and_chooses_what_can_be_trained(self) -> None:
        for train_size in TRAIN_SIZES:
            tuned, stages = tune(self.make_method(), train_size)  # start_tuning looks at what it says
            assert 0 < tuned.lr_min <= tuned.lr_max
            for run in (run for stage in stages for run in stage.runs):
                _check_request(run, train_size)

    def test_the_same_results_give_the_same_requests_and_the_same_choice(self) -> None:
        (first, stages), (other, others) = (tune(self.make_method(), 1_500, seed=3) for _ in range(2))
        assert _written(first) == _written(other) and _digests(stages) == _digests(others)

    def test_one_object_tunes_one_architecture_after_another(self) -> None:
        method = self.make_method()
        for best_lr in (0.01, 0.3, 0.01):
            ours, _ = tune(method, 1_500, training=SimulatedTraining(best_lr))
            fresh, _ = tune(self.make_method(), 1_500, training=SimulatedTraining(best_lr))
            assert _written(ours) == _written(fresh)

    def test_it_goes_on_with_results_that_were_read_back_from_disk(self) -> None:
        def as_read(result: RunResult) -> RunResult:
            return {name: np.asarray(value) for name, value in result.items()}

        (first, stages), (other, others) = (
            tune(self.make_method(), 1_500, change=change) for change in (dict, as_read)
        )
        assert _written(first) == _written(other) and _digests(stages) == _digests(others)

    def test_every_architecture_is_trained_from_the_same_seeds_at_first(self) -> None:
        first = [tune(self.make_method(), 1_500, training=SimulatedTraining(lr))[1][0] for lr in (0.01, 0.5)]
        assert _digests(first[:1]) == _digests(first[1:])

    def test_an_architecture_that_cannot_be_trained_fails_or_is_chosen_for_without_another_error(
        self,
    ) -> None:
        for training in (SimulatedTraining(diverges=True), SimulatedTraining(is_stuck=True)):
            try:
                tuned, _ = tune(self.make_method(), 1_500, training=training)
            except TuningFailed:
                continue
            assert 0 < tuned.lr_min <= tuned.lr_max

    def test_it_can_be_recorded_and_told_from_others(self) -> None:
        (_, first), (_, other) = (record(self.make_method(), 1) for _ in range(2))
        assert json_bytes(first) == json_bytes(other)


def _check_request(run: RunRequest, train_size: int) -> None:
    arguments = run.arguments
    assert 0 <= arguments['seed'] < 2**63, arguments
    if run.function == 'measure_curve':
        lrs, sizes = arguments['lrs'], arguments['batch_sizes']
        assert len(lrs) == len(sizes) > 0, arguments
    else:
        lrs, sizes = [arguments['lr_min'], arguments['lr_max']], [arguments['batch_size']]
        assert arguments['lr_min'] <= arguments['lr_max'] and arguments['steps'] >= 1, arguments
        assert 0 <= arguments.get('held_out', 0) < train_size, arguments
        assert 1 <= arguments.get('cycles', 1) <= arguments['steps'], arguments
    assert all(0 < lr < np.inf for lr in lrs), arguments
    assert all(size >= 1 for size in sizes), arguments


def _written(tuned: Tuned) -> bytes:
    return json_bytes({'final': final_content(tuned), 'misc': misc_content(tuned)})


def _digests(stages: Sequence[Stage]) -> list[list[str]]:
    return [[run.digest() for run in stage.runs] for stage in stages]
