"""Only what CUDA shows to the process is dealt out, by the names that it has there."""

import sys
from types import SimpleNamespace

import pytest
import torch

from sweeper.executors.gpus import visible
from sweeper.executors.gpus.visible import in_groups, named_gpus, visible_gpus


@pytest.mark.parametrize(
    ('value', 'names'),
    [
        (None, None),
        ('', ()),
        ('-1', ()),
        ('NoDevFiles', ()),
        ('0', ('0',)),
        ('2,0', ('2', '0')),
        (' 1 , 3', ('1', '3')),
        ('0,1,-1,2', ('0', '1')),
        ('0,0', ()),
        ('GPU-8932f937,GPU-aa', ('GPU-8932f937', 'GPU-aa')),
        ('GPU-8932f937, GPU-aa', ('GPU-8932f937', 'GPU-aa')),
        ('GPU-8932f937,1', ('GPU-8932f937',)),
        ('MIG-1,MIG-2,MIG-3', ('MIG-1', 'MIG-2', 'MIG-3')),
        ('MIG-GPU-8932f937/1/0,MIG-GPU-8932f937/2/0', ('MIG-GPU-8932f937/1/0', 'MIG-GPU-8932f937/2/0')),
    ],
)
def test_names_are_read_as_cuda_reads_them(value, names):
    assert named_gpus(value) == names


@pytest.mark.parametrize(
    'value', ['', '-1', '0', '2,0', '0,1,-1,2', '0,0', 'GPU-a,GPU-b', 'GPU-a,1', 'MIG-a,MIG-b']
)
def test_torch_counts_as_many(value, monkeypatch):
    monkeypatch.setenv('CUDA_VISIBLE_DEVICES', value)
    assert len(named_gpus(value)) == len(torch.cuda._parse_visible_devices())


@pytest.fixture
def machine(monkeypatch):
    """A machine of four GPUs, as torch would count those of `CUDA_VISIBLE_DEVICES`."""

    def count():
        shown = torch.cuda._parse_visible_devices()
        assert not (shown and str(shown[0]).startswith('MIG')), 'it would take hold of a GPU'
        return len([name for name in shown if isinstance(name, str) or name < 4])

    monkeypatch.delenv('CUDA_VISIBLE_DEVICES', raising=False)
    monkeypatch.setattr(torch.version, 'cuda', '12.8')
    monkeypatch.setattr(torch.cuda, 'device_count', count)
    return monkeypatch


@pytest.mark.parametrize(
    ('value', 'gpus'),
    [
        (None, ('0', '1', '2', '3')),
        ('', ()),
        ('3,1', ('3', '1')),
        ('1,7', ('1',)),
        ('GPU-b,GPU-a', ('GPU-b', 'GPU-a')),
        ('MIG-1,MIG-2', ('MIG-1', 'MIG-2')),
    ],
)
@pytest.mark.parametrize('device', ['auto', 'cuda'])
def test_what_is_visible_is_dealt_out(device, value, gpus, machine):
    if value is not None:
        machine.setenv('CUDA_VISIBLE_DEVICES', value)
    assert visible_gpus(device) == gpus


@pytest.mark.parametrize(
    ('device', 'gpus'),
    [('cuda:0', ('3',)), ('cuda:1', ('1',)), ('cuda:2', ()), ('cpu', ()), ('mps', ()), ('xla:0', ())],
)
def test_a_device_that_is_named_is_the_only_one(device, gpus, machine):
    machine.setenv('CUDA_VISIBLE_DEVICES', '3,1')
    assert visible_gpus(device) == gpus


def test_a_torch_that_was_not_built_for_cuda_has_no_gpus(machine):
    machine.setattr(torch.version, 'cuda', None)
    assert visible_gpus('auto') == ()


def test_torch_is_not_imported_where_there_is_no_driver(monkeypatch):
    monkeypatch.setattr(visible, '_has_driver', lambda: False)
    monkeypatch.setattr(visible, 'sys', SimpleNamespace(modules={}))
    monkeypatch.setattr(visible, '_count_gpus', lambda: pytest.fail('asks torch'))
    assert visible_gpus('auto') == ()


def test_the_driver_is_found_by_its_library(monkeypatch):
    monkeypatch.setattr(visible, '_NVML', ('no-such-library.so',))
    assert not visible._has_driver()
    monkeypatch.setattr(visible, '_NVML', ('no-such-library.so', None))  # None is the program itself
    assert visible._has_driver() or sys.platform == 'win32'


def test_runs_that_need_several_cards_get_neighbours():
    assert in_groups(['3', '1', '0', '2', '7'], 2) == [('3', '1'), ('0', '2')]
    assert in_groups(['3', '1'], 1) == [('3',), ('1',)]
    assert in_groups(['3'], 2) == []
