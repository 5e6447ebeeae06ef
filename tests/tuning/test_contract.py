"""Every tuning method of the package keeps the contract, and the contract notices one that does not."""

import dataclasses

import numpy as np
import pytest

from sweeper import FixedHyperparameters, RunRequest, Stage, Tuned, get_settings, run_seed
from sweeper.errors import InvalidArgument
from sweeper.testing import TuningMethodContract
from sweeper.testing.tuning import SimulatedTraining, tune


class TestFastest(TuningMethodContract):
    def make_method(self):
        return get_settings('fastest')


class TestFast(TuningMethodContract):
    def make_method(self):
        return get_settings('fast')


class TestSlow(TuningMethodContract):
    def make_method(self):
        return get_settings('slow').replace(batch_objective='throughput')


class TestFixed(TuningMethodContract):
    def make_method(self):
        return FixedHyperparameters(lr=0.1, batch_size=32, epochs=20)


def method(choose, stage=None):
    """A method that asks for one stage and answers with what `choose` makes of the results."""

    class Method:
        def tune(self, train_size, seed, nuisance=()):
            results = (yield stage) if stage is not None else ()
            yield from ()
            return choose(results)

    return Method()


GOOD = Tuned(0.01, 0.1, 32, 2, 4)
RUN = RunRequest.train_briefly(seed=1, lr_min=0.01, lr_max=0.1, batch_size=8, steps=10)


def test_numbers_of_numpy_are_taken_as_pythons_own():
    chosen = dataclasses.replace(
        GOOD, lr_max=np.float32(0.5), batch_size=np.int64(16), performance=np.float64(0.5), flags=['odd']
    )
    tuned, _ = tune(method(lambda _: chosen), 100)
    assert [type(value) for value in (tuned.lr_max, tuned.batch_size, tuned.performance)] == [
        float,
        int,
        float,
    ]
    assert tuned.flags == ('odd',)


@pytest.mark.parametrize(
    ('changes', 'said'),
    [
        ({'batch_size': 0}, 'batch_size=0: it must be at least 1'),
        ({'batch_size': 1.5}, 'batch_size=1.5: it must be an integer'),
        ({'epochs': True}, 'epochs=True'), ({'epochs': 5}, 'epochs=5: it must be a whole number of cycles'),
        ({'lr_max': np.inf}, 'lr_max=inf'), ({'lr_max': 'large'}, "lr_max='large': it must be a number"),
        ({'lr_min': 0.2}, 'lr_min=0.2: it must be at most lr_max=0.1'),
        ({'performance': 2}, 'performance=2'), ({'performance': np.nan}, 'performance=nan'),
        ({'flags': 'odd'}, "flags='odd'"), ({'flags': ('two words',)}, 'flags'),
        ({'nuisance': {'momentum': 0.5}}, 'nuisance'),
        ({'curves': {'own': {'lr': [1]}}}, 'curves'), ({'curves': {'lr_vs_perf': {'lrs': [1]}}}, 'curves'),
        ({'curves': {'lr_vs_perf': {'lrs': [1], 'loss': [1, 2], 'perf': [1]}}}, 'of one length'),
        ({'report': {'why': object}}, 'report'),
    ],
    ids=str,
)  # fmt: skip
def test_a_choice_that_cannot_be_trained_or_written_is_refused(changes, said):
    with pytest.raises(InvalidArgument, match=r'Method.tune\(\) returned') as raised:
        tune(method(lambda _: dataclasses.replace(GOOD, **changes)), 100)
    assert said in str(raised.value)


@pytest.mark.parametrize(
    'stage', [5, Stage('', [RUN]), Stage('a\nb', [RUN]), Stage('empty', []), Stage('runs', [5])]
)
def test_a_stage_that_is_none_is_refused(stage):
    with pytest.raises(InvalidArgument, match=r'Method.tune\(\) yielded'):
        tune(method(lambda _: GOOD, stage), 100)


@pytest.mark.parametrize(
    ('changes', 'said'),
    [
        ({'held_out': 100}, 'held_out=100: it must be an integer from 0 to 99'),
        ({'held_out': 1.5}, 'held_out=1.5'), ({'held_out': -1}, 'held_out=-1'),
        ({'cycles': 0}, 'cycles=0: it must be an integer from 1 to 10'), ({'cycles': 11}, 'cycles=11'),
    ],
    ids=str,
)  # fmt: skip
def test_a_brief_training_that_cannot_be_made_is_refused(changes, said):
    run = dataclasses.replace(RUN, arguments={**RUN.arguments, **changes})
    with pytest.raises(InvalidArgument, match=r'Method.tune\(\) yielded a brief training') as raised:
        tune(method(lambda _: GOOD, Stage('search', [run])), 100)
    assert said in str(raised.value)


def test_a_tuning_is_flagged_if_all_runs_of_a_stage_have_no_objective():
    class Unmeasured(SimulatedTraining):
        def __init__(self, which):
            super().__init__()
            self._which = which

        def answer(self, stage):
            flags = [{'flags': 'objective_unmeasured'} if place in self._which else {} for place in range(2)]
            return [{**a, **b} for a, b in zip(super().answer(stage), flags, strict=False)]

    search = method(lambda _: GOOD, Stage('search', [RUN, RUN]))
    for which in ((), (0,), (0, 1)):
        tuned, _ = tune(search, 100, training=Unmeasured(which))
        assert tuned.flags == (('objective_unmeasured',) if len(which) == 2 else ())


def test_a_choice_that_is_none_and_a_method_without_a_yield_are_refused():
    with pytest.raises(InvalidArgument, match='it must be a Tuned'):
        tune(method(lambda _: (0.1, 32)), 100)

    class Plain:
        def tune(self, train_size, seed, nuisance=()):
            return GOOD

    with pytest.raises(InvalidArgument, match='it must be a generator'):
        tune(Plain(), 100)


def test_what_runs_tell_is_added_to_what_a_method_chose():
    tuned, stages = tune(method(lambda _: GOOD, Stage('search', [RUN])), 20)
    assert [stage.name for stage in stages] == ['search', 'first step']  # the second tells what it costs
    assert stages[1].runs[0].arguments['batch_sizes'].tolist() == [20]
    assert tuned.cost.parameters == 10
    assert tuned.report['steps'] == {'search': ['captured'], 'first step': ['captured']}


def test_no_step_is_taken_for_the_cost_where_a_curve_was_measured():
    curve = RunRequest.measure_curve(seed=run_seed(0, 'own', 0), lrs=[0.1, 0.2], batch_sizes=[4, 4])
    tuned, stages = tune(method(lambda _: GOOD, Stage('test', [curve])), 100)
    assert len(stages) == 1 and tuned.cost is not None


class Forgetful(TuningMethodContract):
    """Breaks the contract: what one object chooses depends on how often it was asked."""

    def make_method(self):
        class Counting:
            asked = 0

            def tune(self, train_size, seed, nuisance=()):
                self.asked += 1
                yield from ()
                return dataclasses.replace(GOOD, batch_size=self.asked)

        return Counting()


def test_the_suite_notices_a_method_that_remembers():
    with pytest.raises(AssertionError):
        Forgetful().test_one_object_tunes_one_architecture_after_another()


def test_the_suite_notices_requests_that_cannot_be_done():
    class Suite(TuningMethodContract):
        def make_method(self):
            return method(
                lambda _: GOOD,
                Stage('test', [dataclasses.replace(RUN, arguments={**RUN.arguments, 'steps': 0})]),
            )

    with pytest.raises(AssertionError):
        Suite().test_it_asks_for_runs_that_can_be_done_and_chooses_what_can_be_trained()


def test_simulated_trainings_are_best_at_the_best_rate():
    training = SimulatedTraining(best_lr=0.1)
    rates = [0.001, 0.01, 0.1, 1.0]
    runs = [
        RunRequest.train_briefly(seed=0, lr_min=lr / 10, lr_max=lr, batch_size=32, steps=50) for lr in rates
    ]
    perfs = [result['perf'] for result in training.answer(Stage('test', runs))]
    assert perfs.index(max(perfs)) == 2 and perfs[3] == 0
    plan = {'seed': 0, 'lr_min': 0.01, 'lr_max': 0.1, 'batch_size': 32, 'steps': 60}
    run = RunRequest.train_briefly(**plan, held_out=5, cycles=3)
    (result,) = training.answer(Stage('test', [run]))
    assert result.keys() == {'loss', 'perf', 'fit', 'losses', 'perfs', 'step'}
    assert result['losses'].shape == (3,) and result['losses'][-1] == result['loss']
