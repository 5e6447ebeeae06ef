"""The benchmark for GPUs runs on the CPU, in small: there all its figures are there, and mean nothing."""

import json
import subprocess
import sys
from pathlib import Path

import pytest
import torch

BENCHMARKS = Path(__file__).parents[2] / 'benchmarks'
pytestmark = pytest.mark.skipif(not BENCHMARKS.is_dir(), reason='needs the repository')
OURS = ('gpu', 'gpu_ways', 'gpu_networks', 'gpu_sweep', 'networks')


@pytest.fixture
def benchmark(monkeypatch):
    monkeypatch.syspath_prepend(str(BENCHMARKS))
    import gpu

    threads = torch.get_num_threads()
    yield gpu
    torch.set_num_threads(threads)
    for name in OURS:
        sys.modules.pop(name, None)


@pytest.fixture
def measured(benchmark, tmp_path):
    """Runs it in small; returns what it writes."""

    def run(*arguments):
        file = tmp_path / 'results.json'
        benchmark.main(['--device', 'cpu', '--small', '--json', str(file), *arguments])
        return json.loads(file.read_text())

    return run


def test_every_way_of_training_is_measured(measured, capsys):
    results = measured('--names', 'MLP 64-64-10', '--no-processes', '--sweeps', '')
    assert results['device'] == 'CPU' and results['notes'] == []
    assert [row['batch'] for row in results['training']] == [4, 4]
    for row in results['training']:
        assert row['promised'] == {'captured': 5, 'lanes': 20}
        assert [*row['ways']] == ['ordinary', 'plain', 'eager', 'captured', 'lanes']
        assert all(way['rate'] > 0 and way['ratio'] > 0 and way['set_up'] > 0 for way in row['ways'].values())
        assert row['ways']['ordinary']['ratio'] == 1
    shown = capsys.readouterr().out
    assert 'captured >= 5' in shown and 'lanes >= 20' in shown


def test_what_cannot_be_is_named(measured, capsys):
    results = measured('--names', '28x28', '--no-processes', '--sweeps', '')
    (row,) = results['training']
    assert 'lanes' not in row['ways']
    assert results['notes'] == ['CNN 16-32, 28x28, batches of 4, lanes: convolutions are slower in lanes']
    assert 'not measured: CNN 16-32' in capsys.readouterr().out


def test_a_way_that_fails_is_named_and_the_others_are_measured(measured, benchmark, monkeypatch):
    def fails(*_):
        raise RuntimeError('CUDA error: an illegal memory access was encountered\nmore of it')

    monkeypatch.setitem(benchmark.WAYS, 'captured', fails)
    results = measured('--names', 'MLP 784-128', '--sweeps', '')
    (row,) = results['training']
    assert [*row['ways']] == ['ordinary', 'plain', 'eager'], 'it has too many parameters for lanes'
    assert (
        'MLP 784-128-10, batches of 4, captured: RuntimeError: CUDA error: an illegal memory access was '
        'encountered'
    ) in results['notes']


def test_what_there_is_no_time_for_is_named(measured):
    results = measured('--minutes', '0', '--names', 'LSTM,ResNet', '--sweeps', 'processes')
    assert results['training'] == [] and results['sweep'] == {}
    assert results['notes'] == [
        'no time was left for the sweep by processes',
        'no time was left for LSTM 32-128, T=20, batches of 4',
        'no time was left for ResNet-18, 32x32, batches of 4',
    ]


def test_all_networks_train(benchmark):
    from gpu_networks import cases

    names = [case.name for case, _ in cases(True)]
    assert {'ResNet-18, 32x32', 'transformer, 4 layers of 256', 'CNN 16-32, BatchNorm'} <= {*names}
    for case, _ in cases(True):
        inputs, targets = case.data()
        outputs = case.build()(inputs[:2])
        torch.nn.functional.cross_entropy(outputs, targets[:2]).backward()
        assert outputs.shape == (2, 10)
    resnet = next(case for case, _ in cases(False) if 'ResNet' in case.name)
    assert sum(parameter.numel() for parameter in resnet.build().parameters()) == 11_173_962


@pytest.mark.slow
@pytest.mark.long
def test_processes_on_one_card_and_sweeps_are_measured_too(tmp_path):
    file = tmp_path / 'results.json'
    command = [sys.executable, str(BENCHMARKS / 'gpu.py'), '--device', 'cpu', '--small', '--json', str(file)]
    command += ['--names', 'MLP 784-128', '--processes', '2']
    command += ['--sweeps', 'sweeper captured,sweeper lanes,processes']
    subprocess.run(command, check=True, capture_output=True, cwd=tmp_path)
    results = json.loads(file.read_text())
    assert [*results['sweep']] == ['sweeper captured', 'sweeper lanes', 'processes']
    assert results['training'][0]['ways']['processes']['rate'] > 0
