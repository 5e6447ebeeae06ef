"""What can be wrong with an argument is found, and the message names it and what is valid."""

import dataclasses
import inspect
import json
import re

import pytest

from sweeper import (
    FixedHyperparameters,
    HyperparameterSettings,
    InlineExecutor,
    LocalExecutor,
    SweepListener,
    cli,
    get_settings,
    sweep,
    train,
)
from sweeper.amounts import bytes_of
from sweeper.config import SweepConfig
from sweeper.errors import InvalidArgument
from sweeper.executors import take_executor
from sweeper.listeners.base import checked_listeners
from sweeper.store.layout import checked_folder


@pytest.mark.parametrize(
    ('memory', 'amount'),
    [
        (None, None),
        (1, 1),
        (2**40, 2**40),
        ('1', 1),
        ('123456', 123456),
        ('2B', 2),
        ('2K', 2048),
        ('2k', 2048),
        ('2kB', 2048),
        ('2KiB', 2048),
        ('2 KiB', 2048),
        (' 2MB ', 2 * 2**20),
        ('1GiB', 2**30),
        ('1G', 2**30),
        ('1.5GB', 3 * 2**29),
        ('0.5 gb', 2**29),
        ('2TB', 2**41),
        (1.0, 1),
        (2.0**30, 2**30),
    ],
)
def test_an_amount_of_memory_may_be_written_in_many_ways(memory, amount):
    assert bytes_of(memory) == amount
    assert amount is None or isinstance(bytes_of(memory), int)


@pytest.mark.parametrize(
    'memory',
    [
        0, -1, '0', '0GB', '-2GB', '', ' ', 'GB', '2XB', '2GBs', '2G B', '1,5GB', '1e9', '.5G', '1.GB',
        '2\nGB', 'two', True, False, [2], float('nan'), float('inf'), b'2GB', '0.1', 0.5, '9' * 400,
    ],
    ids=lambda value: repr(value)[:8],
)  # fmt: skip
def test_what_is_no_amount_of_memory_is_refused(memory):
    with pytest.raises(InvalidArgument, match=re.escape(f'memory={memory!r}: must be')) as caught:
        bytes_of(memory)
    assert "'2GB'" in str(caught.value)


def test_valid_arguments_are_fine():
    SweepConfig()
    for changes in (
        {'timeout': 0.5}, {'timeout': 3}, {'memory': 2**30}, {'executor': 'inline'}, {'on_error': 'raise'},
        {'if_changed': 'accept:source'}, {'if_changed': 'restart'},
        {'retries': 9, 'cores': 99, 'sweep_cores': 10_000},
        {'seed': 2**63 - 1}, {'gpus_per_run': 0.25}, {'gpus_per_run': 2},
        {'executor': 'ray', 'gpus_per_run': 4.0},
        {'executor': 'ray', 'address': 'ray://127.0.0.1:10001', 'memory': '2GB', 'timeout': 60},
    ):  # fmt: skip
        SweepConfig(**changes)


@pytest.mark.parametrize(
    'value', ['Stop', 'ask', 'accept', 'accept:', 'accept:all', '', None, True, 0, ['stop']], ids=repr
)
def test_if_changed_says_what_is_accepted(value):
    with pytest.raises(InvalidArgument) as caught:
        SweepConfig(**{'if_changed': value})
    assert str(caught.value) == (
        f"if_changed={value!r}: must be 'stop', 'restart', or 'accept:' with what is accepted, "
        f"as in 'accept:source'; valid are source, versions, device, step, selector"
    )


@pytest.mark.parametrize(('name', 'value'), [('timeout', 5), ('memory', 2**30), ('gpus_per_run', 0.5)])
def test_what_only_worker_processes_can_keep_is_refused_without_them(name, value):
    with pytest.raises(InvalidArgument, match=f"^{name} needs executor='local'"):
        SweepConfig(**{'executor': 'inline', name: value})


@pytest.mark.parametrize('executor', ['local', 'inline'])
def test_only_a_cluster_has_an_address(executor):
    with pytest.raises(InvalidArgument, match=r"^address needs executor='ray'"):
        SweepConfig(executor=executor, address='auto')


@pytest.mark.parametrize(
    ('name', 'value', 'message'),
    [
        ('sweep_cores', 0, 'sweep_cores=0: must be an integer of at least 1'),
        ('cores', True, 'cores=True: must be an integer of at least 1'),
        ('retries', -1, 'retries=-1: must be an integer of at least 0'),
        ('seed', 2**63, f'seed={2**63}: must be an integer in [0, 2**63)'),
        ('seed', 1.0, 'seed=1.0: must be an integer in [0, 2**63)'),
        ('executor', 'threads', "executor='threads': valid are 'local', 'ray', 'inline'"),
        ('on_error', None, "on_error=None: valid are 'record', 'raise'"),
        ('score_on', 'validation', "score_on='validation': valid are 'held-out', 'training'"),
        ('length', 10, "length=10: valid are 'tuned', 'fixed'"),
        (
            'gpus_per_run',
            1.5,
            'gpus_per_run=1.5: must be 0, a fraction of a GPU such as 0.25, or a whole number',
        ),
        ('gpus_per_run', -1, 'gpus_per_run=-1: must be 0, a fraction of a GPU'),
        ('gpus_per_run', True, 'gpus_per_run=True: must be 0, a fraction of a GPU'),
        ('gpus_per_run', float('nan'), 'gpus_per_run=nan: must be 0, a fraction of a GPU'),
        ('gpus_per_run', float('inf'), 'gpus_per_run=inf: must be 0, a fraction of a GPU'),
        ('timeout', 0, 'timeout=0: must be a positive number of seconds, or None'),
        ('timeout', float('inf'), 'timeout=inf: must be a positive number'),
        ('margin', 0, 'margin=0: must be a positive number, or None'),
        ('margin', -0.5, 'margin=-0.5: must be a positive number, or None'),
        ('margin', float('nan'), 'margin=nan: must be a positive number, or None'),
        ('margin', float('inf'), 'margin=inf: must be a positive number, or None'),
        ('margin', '1%', "margin='1%': must be a positive number, or None"),
        ('paired', 1, 'paired=1: must be True, False or None'),
        ('looks', 0, 'looks=0: must be an integer of at least 1'),
        ('looks', 2.0, 'looks=2.0: must be an integer of at least 1'),
    ],
)
def test_the_message_names_the_argument_its_value_and_what_is_valid(name, value, message):
    with pytest.raises(InvalidArgument) as caught:
        SweepConfig(**{name: value})
    assert str(caught.value).startswith(message)


@pytest.mark.parametrize(
    ('name', 'value', 'message'),
    [
        ('cores', True, 'cores=True: must be an integer of at least 1'),
        ('retries', -1, 'retries=-1: must be an integer of at least 0'),
        ('timeout', 0, 'timeout=0: must be a positive number of seconds, or None'),
        ('memory', 'much', "memory='much': must be a number of bytes"),
    ],
)
def test_an_executors_own_options_are_checked_alike(name, value, message):
    for make in (LocalExecutor, SweepConfig):
        with pytest.raises(InvalidArgument) as caught:
            make(**{name: value})
        assert str(caught.value).startswith(message)


@pytest.mark.parametrize('executor', [LocalExecutor(2), InlineExecutor(2)], ids=['local', 'inline'])
def test_an_executor_that_is_an_object_is_taken_as_it_is(executor):
    options = {'executor': executor, 'seed': 5}
    assert take_executor(options) is executor and options == {'seed': 5}
    for name in ('local', 'inline', 'other', None):
        options = {'executor': name, 'cores': 5}
        assert take_executor(options) is None and options == {'executor': name, 'cores': 5}


@pytest.mark.parametrize(
    ('name', 'value'),
    [
        ('cores', 2), ('retries', 1), ('timeout', None), ('memory', '2GB'), ('address', 'auto'),
        ('gpus_per_run', 0.5), ('per_gpu', 4),
    ],
    ids=str,
)  # fmt: skip
@pytest.mark.parametrize('executor', [LocalExecutor(2), InlineExecutor(2)], ids=['local', 'inline'])
def test_an_option_is_said_once(executor, name, value, tmp_path):
    with pytest.raises(InvalidArgument) as caught:
        sweep('json', lambda: None, 1, 'fast', tmp_path / 'out', executor=executor, **{name: value})
    kind = type(executor).__name__
    owner = 'RayExecutor' if name == 'address' else 'LocalExecutor'
    for part in (f'{name}={value!r}: ', f'{owner}({name}={value!r})', f'executor={kind}(...)'):
        assert part in str(caught.value)
    assert caught.value.arguments == ((name, value),)
    assert not list(tmp_path.iterdir())


def test_a_folder_is_a_path(tmp_path):
    assert checked_folder('out') == checked_folder(checked_folder('out'))
    assert checked_folder(tmp_path) == tmp_path
    for folder in (None, 5, b'out', ['out']):
        with pytest.raises(InvalidArgument, match='must be a path'):
            checked_folder(folder)


def test_listeners_are_instances():
    listener = SweepListener()
    assert checked_listeners(()) == []
    assert checked_listeners(one for one in [listener]) == [listener]
    for listeners in (None, 5, [None], [SweepListener], 'plain', listener):
        with pytest.raises(InvalidArgument, match='must be a list of SweepListener instances'):
            checked_listeners(listeners)


def test_options_are_those_of_the_configuration_everywhere():
    fields = {field.name: field.default for field in dataclasses.fields(SweepConfig)}
    comparing = {'margin', 'paired', 'looks'}  # which training a single architecture has no use for
    for function, others in (
        (sweep, {'tuning'}),
        (train, {'tuning', 'on_error', 'retry_failed', *comparing}),
    ):
        parameters = inspect.signature(function).parameters
        assert not fields.keys() - parameters.keys() - others
        for name in fields.keys() - {*others, 'sweep_cores'}:
            assert parameters[name].default == fields[name]
    command = inspect.signature(cli.run.run).parameters
    assert {name: command[name].default for name in fields} == fields


@pytest.mark.parametrize(
    'changes',
    [
        {}, {'seed': 3, 'cores': 2, 'memory': '2GB', 'timeout': 5.0}, {'tuning': 'slow', 'step': 'lanes'},
        {'tuning': get_settings('fast').replace(trial_samples=8000), 'if_changed': 'accept:source,device'},
        {'tuning': get_settings('slowest')}, {'score_on': 'training', 'length': 'fixed'},
        {'margin': 0.005, 'paired': False, 'looks': 5},
    ],
)  # fmt: skip
def test_a_configuration_reads_back_from_plain_values(changes):
    config = SweepConfig(**changes)
    mapping = json.loads(json.dumps(config.to_mapping()))
    assert mapping.keys() == changes.keys()
    again = SweepConfig.from_mapping(mapping)
    assert again == dataclasses.replace(config, tuning=again.tuning) and again.method == config.method


@pytest.mark.parametrize(
    'read', [SweepConfig.from_mapping, lambda options: sweep('m', None, 1, 'fast', '', **options)]
)
def test_an_option_that_there_is_not_is_refused_and_the_nearest_one_named(read):
    with pytest.raises((InvalidArgument, TypeError), match=r"'core'.* did you mean 'cores'"):
        read({'core': 3})
    with pytest.raises((InvalidArgument, TypeError), match=r"'xyzzy'.* valid are .*cores, .*device"):
        read({'xyzzy': 3})


def test_what_tuning_scores_on_and_the_length_are_of_the_settings():
    assert SweepConfig().identity() == SweepConfig(score_on='held-out', length='tuned').identity()
    config = SweepConfig(tuning='slow', length='fixed', sweep_cores=8)
    assert config.method == get_settings('slow').replace(length='fixed', lr_initialisations=8)
    assert (config.identity()['preset'], config.identity()['settings']['length']) == (None, 'fixed')
    own = get_settings('fast').replace(score_on='training')
    assert SweepConfig(tuning=own).method.score_on == 'training'
    assert SweepConfig(tuning=own, score_on='held-out').identity() == SweepConfig().identity()
    for name, value in {'score_on': 'training', 'length': 'fixed', 'minutes_per_trial': 2.0}.items():
        with pytest.raises(InvalidArgument, match=rf'{name}=.* goes with a preset or settings; with Fixed'):
            SweepConfig(tuning=FixedHyperparameters(lr=0.1, batch_size=8), **{name: value})


def test_settings_in_a_mapping_are_checked_like_others():
    assert SweepConfig.from_mapping({'tuning': {'rounds': 3}}).method.rounds == 3
    with pytest.raises(InvalidArgument, match='rounds=1 in the settings: must be at least 2'):
        SweepConfig.from_mapping({'tuning': {'rounds': 1}})
    with pytest.raises(InvalidArgument, match=r'rounds=.many. in the settings: must be a int'):
        HyperparameterSettings(rounds='many')
