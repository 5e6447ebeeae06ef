"""Settings are checked field by field, frozen, and documented."""

import dataclasses
import inspect
import math
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sweeper.errors import InvalidArgument
from sweeper.tuning.settings import PRESETS, HyperparameterSettings, get_settings, preset_name

FIELDS = {field.name: field for field in dataclasses.fields(HyperparameterSettings)}
INTS = [name for name, field in FIELDS.items() if field.type == 'int']
FLOATS = [name for name, field in FIELDS.items() if field.type == 'float']
OUT_OF_RANGE = {
    'tuning_budget': [0, -1.0, math.inf, math.nan],
    'lr_start': [0, -1e-5, math.inf, math.nan],
    'lr_end': [1e-5, 0, math.inf, math.nan],
    'lr_initialisations': [0, -1],
    'lr_candidates': [1, 0],
    'batch_size': [0],
    'batch_start': [0],
    'batch_end': [8, 0],
    'batch_candidates': [0],
    'batch_objective': ['', 'fast', 'Performance', 0, -1],
    'batch_tolerance': [-0.1, 1.1, math.nan],
    'rounds': [1, 0],
    'smoothing': [0.0, 0.6, math.nan],
    'lr_ratio': [1, 0.5, math.inf, math.nan],
    'cycle_epochs': [0],
    'trial_samples': [0],
    'max_cycles': [0],
    'score_on': ['', 'validation', 'Training'],
    'length': ['', 'longest'],
}


def test_every_field_has_invalid_values_listed_here():
    assert OUT_OF_RANGE.keys() == FIELDS.keys()


@pytest.mark.parametrize(
    ('name', 'value'), [(name, value) for name, values in OUT_OF_RANGE.items() for value in values]
)
def test_a_value_out_of_range_is_refused_by_name(name, value):
    with pytest.raises(
        InvalidArgument, match=rf'\b{name}=.* in the settings: (must be|valid are) '
    ) as caught:
        HyperparameterSettings(**{name: value})
    assert repr(value) in str(caught.value)


@pytest.mark.parametrize(
    ('name', 'value'),
    [
        *((name, value) for name in INTS for value in (2.0, '2', None, True)),
        *((name, value) for name in FLOATS for value in ('0.5', None, True, [0.5])),
        *(('batch_objective', value) for value in (32.0, None, True, [32])),
    ],
)
def test_a_value_of_another_type_is_refused_by_name(name, value):
    kind = FIELDS[name].type.replace('|', 'or')
    with pytest.raises(InvalidArgument, match=rf'{name}=.* in the settings: must be a {kind}'):
        get_settings('fast').replace(**{name: value})


@pytest.mark.parametrize('objective', ['performance', 'throughput', 1, 32, 10**6])
def test_a_batch_size_may_be_asked_for_instead_of_an_objective(objective):
    assert get_settings('fast').replace(batch_objective=objective).batch_objective == objective


def test_every_field_is_documented_in_order():
    documented = re.findall(r'^ {4}(\w+):', inspect.getdoc(HyperparameterSettings), re.MULTILINE)
    assert documented == list(FIELDS)


@pytest.mark.parametrize('name', FIELDS)
def test_no_field_can_be_changed(name):
    with pytest.raises(dataclasses.FrozenInstanceError):
        setattr(get_settings('fast'), name, 1)


@pytest.mark.parametrize('name', ['fastest', 'fast', 'slow', 'slowest'])
def test_presets_go_by_name(name):
    settings = get_settings(name)
    assert get_settings(settings) is settings
    assert preset_name(settings) == name
    assert preset_name(settings.replace(lr_end=5.0)) is None


def test_presets_rise_in_effort():
    assert list(PRESETS) == ['fastest', 'fast', 'slow', 'slowest']
    for name in ('tuning_budget', 'trial_samples'):
        values = [getattr(settings, name) for settings in PRESETS.values()]
        assert values == sorted(set(values)), name
    for name in ('lr_initialisations', 'lr_candidates', 'batch_candidates', 'rounds'):
        values = [getattr(settings, name) for settings in PRESETS.values()]
        assert values == sorted(values), name


@pytest.mark.parametrize('unknown', ['quick', '', None, 3, [], {'lr_end': 1}], ids=repr)
def test_an_unknown_preset_is_refused_with_those_that_there_are(unknown):
    with pytest.raises(InvalidArgument, match='fastest, fast, slow, slowest') as caught:
        get_settings(unknown)
    assert repr(unknown) in str(caught.value)


def test_replacing_an_unknown_field_is_refused_with_those_that_there_are():
    with pytest.raises(InvalidArgument, match=r'there is no setting learning_rate; valid are .*lr_end'):
        get_settings('fast').replace(learning_rate=1)


def test_replacing_changes_a_copy():
    fast = get_settings('fast')
    assert fast.replace(lr_end=5.0).lr_end == 5.0
    assert fast == HyperparameterSettings()


@given(st.integers(1, 100), st.sampled_from(list(PRESETS)))
def test_sweep_cores_is_the_least_number_of_models_behind_the_curve(sweep_cores, preset):
    before = get_settings(preset)
    after = before.for_sweep_cores(sweep_cores)
    assert after.lr_initialisations == max(before.lr_initialisations, sweep_cores)
    assert after.replace(lr_initialisations=before.lr_initialisations) == before


@given(st.integers(1, 10**12), st.sampled_from(list(PRESETS)))
def test_a_trial_lasts_whole_cycles_or_is_a_shorter_one(train_size, preset):
    settings = get_settings(preset)
    epochs, cycle = settings.trial_epochs(train_size), settings.trial_cycle_epochs(train_size)
    if settings.trial_samples < settings.cycle_epochs * train_size:
        assert epochs == cycle and epochs * train_size == pytest.approx(settings.trial_samples, rel=1e-5)
    else:
        assert cycle == settings.cycle_epochs and isinstance(epochs, int)
        assert epochs % cycle == 0 and 1 <= epochs // cycle <= settings.max_cycles


def test_a_trial_sees_the_samples_asked_for_within_its_bounds():
    settings = get_settings('fast')
    assert settings.trial_epochs(1) == settings.cycle_epochs * settings.max_cycles
    assert settings.trial_epochs(10**9) == settings.trial_samples / 10**9
    assert settings.trial_epochs(settings.trial_samples) == 1
    assert isinstance(settings.trial_epochs(settings.trial_samples), int)
    assert settings.replace(trial_samples=30_000).trial_epochs(31_033) == 0.966713
    assert settings.trial_epochs(1000) * 1000 == settings.trial_samples
