"""What may be passed as a tuning method, and how it is recorded."""

import dataclasses
import json

import numpy as np
import pytest

from sweeper import FixedHyperparameters, HyperparameterSettings, SweepConfig, Tuned, get_settings, options
from sweeper.cli.options import as_options
from sweeper.errors import InvalidArgument
from sweeper.testing.tuning import tune
from sweeper.tuning.methods import chosen_method, for_sweep_cores, get_method, record

FIXED = FixedHyperparameters(lr=0.1, batch_size=32)


@dataclasses.dataclass(frozen=True)
class Own:
    """A method of a user's."""

    rates: tuple[float, ...] = (0.1, 1.0)
    path: object = None

    def tune(self, train_size, seed, nuisance=()):
        yield from ()
        return Tuned(0.01, 0.1, 32, 1, 1)


class Plain:
    def tune(self, train_size, seed, nuisance=()):
        yield from ()
        return Tuned(0.01, 0.1, 32, 1, 1)


class WithRepr(Plain):
    def __repr__(self):
        return 'WithRepr(5)'


@pytest.mark.parametrize('method', [FIXED, Own(), Plain(), get_settings('slow')])
def test_a_method_is_itself(method):
    assert get_method(method) is method
    assert chosen_method('fast', method) is method and chosen_method(method, None) is method


def test_a_preset_is_named():
    assert get_method('slow') == get_settings('slow') == chosen_method('fast', 'slow')
    assert chosen_method('fast', None) == get_settings('fast')


@pytest.mark.parametrize('unknown', [None, 5, {}, [], Own, HyperparameterSettings, object], ids=repr)
def test_what_is_no_method_is_refused_by_the_name_of_its_argument(unknown):
    with pytest.raises(InvalidArgument, match=r'hparams=.*must be a preset .*fastest.*TuningMethod'):
        chosen_method(unknown, None)
    if unknown is not None:
        with pytest.raises(InvalidArgument, match=r'tuning=.*must be a preset'):
            chosen_method('fast', unknown)


def test_two_methods_are_refused():
    with pytest.raises(InvalidArgument, match='mean the same: give one of them'):
        chosen_method('slow', FIXED)


def test_only_settings_are_raised_to_the_cores():
    assert for_sweep_cores(get_settings('fast'), 8).lr_initialisations == 8
    assert for_sweep_cores(FIXED, 8) is FIXED


def test_settings_are_recorded_as_they_always_were():
    fast = get_settings('fast')
    assert record(fast, 2) == ('fast', vars(fast))
    assert record(fast.replace(lr_end=5.0), 8) == (
        None,
        {**vars(fast), 'lr_end': 5.0, 'lr_initialisations': 8},
    )


def test_what_is_recorded_tells_a_method_from_another():
    _, fixed = record(FIXED, 1)
    assert fixed == {
        'method': 'FixedHyperparameters',
        'values': {'lr': 0.1, 'batch_size': 32, 'epochs': None, 'lr_ratio': 10.0, 'cycle_epochs': None},
    }
    _, own = record(Own(), 1)
    assert own['method'] == f'{__name__}.Own' and own['values'] == {'rates': '(0.1, 1.0)', 'path': None}
    assert len(own['source']) == 64
    assert record(Own(), 1) == record(Own(), 5) != record(Own((0.1,)), 1)
    assert record(Plain(), 1)[1]['values'] == {}
    assert record(WithRepr(), 1)[1]['values'] == {'repr': 'WithRepr(5)'}
    assert json.dumps([own, fixed])


def test_comments_make_no_difference_to_what_is_recorded_and_code_does(tmp_path, monkeypatch):
    import importlib
    import sys

    monkeypatch.syspath_prepend(tmp_path)
    code = 'class Own:\n    {}\n    def tune(self, train_size, seed, nuisance=()):\n        yield {}\n'
    found = []
    for index, parts in enumerate([('"""A text."""', 1), ('# a comment', 1), ('', 2)]):
        (tmp_path / f'own_{index}.py').write_text(code.format(*parts))
        module = importlib.import_module(f'own_{index}')
        found.append(record(module.Own(), 1)[1]['source'])
        del sys.modules[f'own_{index}']
    assert found[0] == found[1] != found[2]


def test_a_class_without_source_can_be_recorded():
    names = {}
    exec('class Own:\n    def tune(self, train_size, seed, nuisance=()):\n        yield', names)
    assert record(names['Own'](), 1)[1]['source'] is None


# Fixed hyperparameters


@pytest.mark.parametrize(
    ('values', 'said'),
    [
        ({'lr': 0}, 'lr=0: must be a number above 0'), ({'lr': np.inf}, 'lr=inf'), ({'lr': 'x'}, "lr='x'"),
        ({'lr': True}, 'lr=True'), ({'batch_size': 0}, 'batch_size=0: must be an integer of at least 1'),
        ({'batch_size': 1.5}, 'batch_size=1.5'), ({'epochs': 0}, 'epochs=0'),
        ({'batch_size': None}, 'batch_size=None'), ({'lr_ratio': 0.5}, 'lr_ratio=0.5'),
        ({'epochs': 10, 'cycle_epochs': 3}, 'cycle_epochs=3: must be a divisor of epochs=10'),
        ({'cycle_epochs': 3}, 'cycle_epochs=3: must be a divisor of epochs=None'),
    ],
    ids=str,
)  # fmt: skip
def test_impossible_values_are_refused(values, said):
    with pytest.raises(InvalidArgument) as raised:
        FixedHyperparameters(**{'lr': 0.1, 'batch_size': 32, **values})
    assert said in str(raised.value)


def test_what_is_given_is_what_trials_use():
    tuned, stages = tune(FixedHyperparameters(lr=0.5, batch_size=300, epochs=7, lr_ratio=1), 100)
    assert (tuned.lr_min, tuned.lr_max, tuned.batch_size) == (0.5, 0.5, 300)
    assert (tuned.epochs, tuned.cycle_size_epochs, tuned.performance) == (7, 7, 0.0)
    assert [stage.name for stage in stages] == ['first step'] and tuned.cost is not None


@pytest.mark.parametrize('train_size', [1, 100, 50_000])
def test_trials_are_as_long_as_those_of_the_preset_by_default(train_size):
    tuned, _ = tune(FIXED, train_size)
    fast = get_settings('fast')
    assert tuned.epochs == fast.trial_epochs(train_size)
    assert tuned.cycle_size_epochs == fast.trial_cycle_epochs(train_size)
    assert tuned.lr_min == tuned.lr_max / fast.lr_ratio


# In files and on the command line


@pytest.mark.parametrize('method', ['fast', 'slow', FIXED, get_settings('fast').replace(rounds=3)], ids=str)
def test_a_configuration_with_a_method_is_written_and_read(method):
    config = SweepConfig(tuning=method)
    assert SweepConfig.from_mapping(json.loads(json.dumps(config.to_mapping()))) == config


def test_a_method_of_ones_own_is_in_no_file_and_impossible_values_are_refused():
    with pytest.raises(InvalidArgument, match='a method of your own cannot be written'):
        SweepConfig(tuning=Own()).to_mapping()
    plains = {'batch_size is missing': {'lr': 0.1}, 'fixed hyperparameter bs': {'lr': 0.1, 'bs': 3}}
    for said, plain in plains.items():
        with pytest.raises(InvalidArgument, match=said):
            SweepConfig.from_mapping({'tuning': plain})


def test_fixed_values_may_be_given_on_the_command_line():
    assert options.tuning_of('slow') == 'slow'
    assert options.tuning_of('fast', (), 0.1, 32) == FIXED
    assert options.tuning_of('fast', (), 0.1, 32, 5) == dataclasses.replace(FIXED, epochs=5)


@pytest.mark.parametrize(
    ('given', 'said'),
    [
        (('fast', (), 0.1), '--lr 0.1 fixes hyperparameters: --batch-size is missing'),
        (('fast', (), None, 32), '--batch-size 32 fixes hyperparameters: --lr is missing'),
        (('fast', (), None, None, 5), '--epochs 5 fixes hyperparameters: --lr and --batch-size are missing'),
        (
            ('slow', (), 0.1, 32),
            '--preset slow tunes what --lr and --batch-size would fix: give one of them',
        ),
        (
            ('fast', (), 0.1, 32, None, True),
            '--preset fast tunes what --lr and --batch-size would fix: give one of them',
        ),
        (('fast', ['rounds=3'], 0.1), '--setting rounds=3 tunes what --lr would fix: give one of them'),
    ],
)
def test_options_that_do_not_go_together_are_refused(given, said):
    with pytest.raises(InvalidArgument) as raised:
        options.tuning_of(*given)
    assert str(raised.value) == said


def test_an_impossible_value_is_told_as_an_option():
    with pytest.raises(InvalidArgument) as raised:
        options.tuning_of('fast', (), 0.1, 0)
    assert as_options(raised.value) == '--batch-size 0: must be an integer of at least 1'
