"""Steps as graphs of a device do what eager steps do, or are not used.

There is no GPU here: graphs are faked on the CPU, by the rules of CUDA graphs (see `conftest.py`).
"""

import contextlib
import dataclasses
import gc

import numpy as np
import pytest
import torch
from torch import nn
from torch.utils.data import TensorDataset

from sweeper.problem.problem import Problem
from sweeper.training import runs
from sweeper.training.batches import ShuffledBatches
from sweeper.training.capture import graphs, verification
from sweeper.training.capture.graphs import CudaGraphs, graphs_for
from sweeper.training.capture.recording import NotCapturable
from sweeper.training.checkpoints.checkpoint import CheckpointPlan
from sweeper.training.data import ItemSplit, as_split
from sweeper.training.residence import HostSplit
from sweeper.training.workspace import Splits, Workspace

CPU = torch.device('cpu')
PLAN = runs.TrainingPlan(lr_min=0.01, lr_max=0.2, batch_size=8, epochs=6, cycle_size_epochs=3)
LRS = np.geomspace(1e-3, 0.5, 60).tolist()
RUNS = {
    'measure_curve': lambda here, seeds: runs.measure_curve(here, (), seeds, LRS, [8] * 60),
    'train_briefly': lambda here, seeds: runs.train_briefly(here, (), seeds, 0.01, 0.2, 8, steps=70),
    'train_fully': lambda here, seeds: runs.train_fully(here, (), seeds, PLAN),
}
every_run = pytest.mark.parametrize('run', RUNS.values(), ids=RUNS)


def mlp():
    return nn.Sequential(nn.Linear(6, 9), nn.ReLU(), nn.Linear(9, 3))


def normalised():
    return nn.Sequential(nn.Linear(6, 9, bias=False), nn.BatchNorm1d(9), nn.Tanh(), nn.Linear(9, 3))


def with_dropout():
    return nn.Sequential(nn.Linear(6, 9), nn.Dropout(0.3), nn.ReLU(), nn.Linear(9, 3))


def data():
    inputs = torch.randn(70, 6, generator=torch.Generator().manual_seed(1))  # batches of 8 and of 7
    return TensorDataset(inputs, (inputs[:, 0] > 0).long() + (inputs[:, 1] > 1).long())


def workspace(fake, build=mlp, optimizer=None, step='captured', split=None, **options):
    split = as_split(data(), CPU) if split is None else split
    problem = Problem(
        'here', build, nn.CrossEntropyLoss, 'classification', lambda: None, optimizer, **options
    )
    return Workspace(problem, Splits(split, split, None), CPU, step, graphs=fake)


def eager(here):
    return dataclasses.replace(here, step='eager', graphs=None)


def assert_close(found, expected, rtol=1e-4, atol=1e-6):
    if isinstance(expected, dict):
        assert found.keys() == expected.keys()
        for key in expected.keys() - {'seconds', 'step', 'cost', 'model', 'model_init'}:
            assert_close(found[key], expected[key], rtol, atol)
    elif isinstance(expected, str):
        assert found == expected
    else:
        np.testing.assert_allclose(found, expected, rtol=rtol, atol=atol)


OPTIMIZERS = {
    'plain': None,
    'SGD': lambda p, lr: torch.optim.SGD(p, lr, weight_decay=0.1),
    'momentum': lambda p, lr: torch.optim.SGD(p, lr, momentum=0.5, weight_decay=0.01),
    'dampening': lambda p, lr: torch.optim.SGD(p, lr, momentum=0.5, dampening=0.3),
    'Nesterov': lambda p, lr: torch.optim.SGD(p, lr, momentum=0.5, nesterov=True),
    'Adam': lambda p, lr: torch.optim.Adam(p, lr / 10, weight_decay=0.1),
    'AdamW': lambda p, lr: torch.optim.AdamW(p, lr / 10, betas=(0.8, 0.99), eps=1e-6),
    'groups': lambda p, lr: torch.optim.SGD(
        [{'params': p[:1]}, {'params': p[1:], 'lr': lr / 2, 'momentum': 0.5}], lr
    ),
    'its own update': lambda p, lr: torch.optim.RMSprop(p, lr / 100),
}


@every_run
@pytest.mark.parametrize('optimizer', OPTIMIZERS.values(), ids=OPTIMIZERS)
def test_a_run_by_graphs_is_the_eager_one(run, optimizer, fake_graphs):
    here = workspace(fake_graphs, optimizer=optimizer)
    (found,) = run(here, [3])
    assert str(found['step']) == 'captured' and fake_graphs.captures and fake_graphs.replays > 30
    assert_close(found, run(eager(here), [3])[0])


@pytest.mark.parametrize('build', [mlp, normalised, with_dropout])
@pytest.mark.parametrize('clip_norm', [None, 0.1])
@pytest.mark.parametrize('ema', [None, 0.9])
@pytest.mark.parametrize('accumulate', [1, 2])
def test_whatever_a_step_consists_of_is_in_the_graph(build, clip_norm, ema, accumulate, fake_graphs):
    options = {'clip_norm': clip_norm, 'ema': ema, 'accumulate': accumulate}
    here = workspace(fake_graphs, build, OPTIMIZERS['momentum'], **options)
    (found,) = runs.train_fully(here, (), [3], PLAN)
    assert str(found['step']) == 'captured'
    (expected,) = runs.train_fully(eager(here), (), [3], PLAN)
    assert_close(found, expected)
    assert found['model_init'] == expected['model_init']


@every_run
@pytest.mark.parametrize('build', [mlp, normalised])
@pytest.mark.parametrize('name', ['plain', 'momentum', 'Adam'])
def test_lanes_are_in_one_graph(run, build, name, fake_graphs):
    here = workspace(fake_graphs, build, OPTIMIZERS[name], 'lanes', clip_norm=1.0)
    together = run(here, [3, 1, 4])
    assert {str(one['step']) for one in together} == {'in 3 lanes'} and fake_graphs.replays > 30
    for seed, found in zip([3, 1, 4], together, strict=True):
        assert_close(found, run(eager(here), [seed])[0], rtol=1e-3, atol=1e-4)


class Images(nn.Module):
    def __init__(self):
        super().__init__()
        self.layer, self.norm, self.head = nn.Conv2d(1, 4, 2), nn.BatchNorm2d(4), nn.Linear(8, 3)

    def forward(self, inputs):
        return self.head(self.norm(self.layer(inputs.reshape(-1, 1, 2, 3))).relu().flatten(1))


def test_convolutions_may_be_in_lanes_where_there_are_graphs(fake_graphs):
    found = runs.train_fully(workspace(fake_graphs, Images, step='lanes'), (), [3, 1], PLAN)
    assert {str(one['step']) for one in found} == {'in 2 lanes'}
    for seed, one in zip([3, 1], found, strict=True):
        (expected,) = runs.train_fully(eager(workspace(None, Images)), (), [seed], PLAN)
        assert_close(one, expected, rtol=1e-3, atol=1e-4)
    found = runs.train_fully(workspace(None, Images, step='lanes'), (), [3, 1], PLAN)
    assert 'convolutions are slower in lanes' in str(found[0]['step'])


def test_what_follows_from_the_number_of_the_step_is_not_that_of_the_first(fake_graphs):
    """Numbers of a graph stay what they were: rates and corrections must come from memory."""
    here = workspace(fake_graphs, optimizer=OPTIMIZERS['Adam'])
    training = here.set_up((), 3, [*ShuffledBatches(70, 8, 1)], 9)
    before = fake_graphs.captures
    for _ in range(3):
        batches = [*ShuffledBatches(70, 8, 1)]
        training.step.run(batches, [0.001] * len(batches))
        training.step.run(batches, [0.1] * len(batches))
    assert fake_graphs.captures == before, 'all were captured when they were rehearsed'
    training.step.verify_last()  # raises if the eager step does anything else


@pytest.mark.parametrize('held', ['items', "the CPU's memory"])
def test_batches_that_are_not_on_the_device_are_put_where_the_graph_reads(held, fake_graphs):
    split = ItemSplit(data(), CPU) if held == 'items' else HostSplit(as_split(data(), CPU).data, CPU)
    here = workspace(fake_graphs, optimizer=OPTIMIZERS['momentum'], split=split)
    (found,) = runs.train_fully(here, (), [3], PLAN)
    assert str(found['step']) == 'captured' and fake_graphs.replays > 30
    assert_close(found, runs.train_fully(eager(here), (), [3], PLAN)[0])


def test_capturing_leaves_no_trace_of_what_was_done_to_warm_up(fake_graphs):
    here = workspace(fake_graphs, with_dropout, OPTIMIZERS['momentum'])
    training = here.set_up((), 3, [*ShuffledBatches(70, 8, 1)], 9)
    state = torch.get_rng_state()
    fresh = here.learner((), 3, False)
    assert torch.equal(state, torch.get_rng_state())
    model = training.learners[0].model
    assert all(map(torch.equal, model.state_dict().values(), fresh.model.state_dict().values()))
    assert all(not state.any() for state in training.step.states)


def test_nothing_of_the_recorded_step_is_kept(fake_graphs):
    """All that its backward pass needed, that is, which is most of the memory that a step takes."""

    def with_history():
        gc.collect()
        return sum(type(one) is torch.Tensor and one.grad_fn is not None for one in gc.get_objects())

    before = with_history()
    training = workspace(fake_graphs).set_up((), 3, [*ShuffledBatches(70, 8, 1)], 9)
    assert training.kind.kind == 'captured' and with_history() == before


def test_tensors_count_what_graphs_do_to_them(fake_graphs):
    """By which it is known, say, whether a model has been scored as it stands."""
    training = workspace(fake_graphs).set_up((), 3, [*ShuffledBatches(70, 8, 1)], 9)
    parameters = [*training.learners[0].model.parameters()]
    before = [parameter._version for parameter in parameters]
    training.step.run([torch.arange(8)], [0.1])
    after = [parameter._version for parameter in parameters]
    assert all(new > old for new, old in zip(after, before, strict=True))


class FailingGraphs:
    def __init__(self, error):
        self._error = error

    def capture(self, work, neighbour=None):
        work()  # half done
        raise self._error


def test_what_cannot_be_captured_is_eager_and_says_why():
    error = RuntimeError('CUDA error: operation not permitted when stream is capturing\nmore of it')
    here = workspace(FailingGraphs(error), with_dropout)
    (found,) = runs.train_fully(here, (), [3], PLAN)
    assert str(found['step']) == (
        'eager, because capturing it as a graph raised RuntimeError: CUDA error: operation not permitted '
        'when stream is capturing'
    )
    (expected,) = runs.train_fully(eager(here), (), [3], PLAN)
    assert found['scores'] == expected['scores'] and found['model'] == expected['model']


@pytest.mark.parametrize('lanes', [1, 3])
def test_out_of_memory_is_no_reason_to_be_eager(lanes):
    """Whether there is enough depends on what else is on the card, which steps must not depend on."""
    here = workspace(FailingGraphs(torch.OutOfMemoryError('CUDA out of memory.')), step='lanes')
    with pytest.raises(torch.OutOfMemoryError):
        runs.train_fully(here, (), [*range(lanes)], PLAN)


class Wrong:
    """Makes graphs that do something else from some replay on."""

    def __init__(self, fake, model, good):
        self._fake, self._model, self._good = fake, model, good

    def capture(self, work, neighbour=None):
        return _WrongGraph(self, self._fake.capture(work))

    def replay(self, graph):
        graph.replay()
        self._good -= 1
        if self._good < 0:
            with torch.no_grad():
                self._model().weight.add_(0.01)


class _WrongGraph:
    def __init__(self, owner, graph):
        self._owner, self._graph = owner, graph

    def replay(self):
        self._owner.replay(self._graph)


@pytest.mark.parametrize(('good', 'reason'), [(0, 'replaying it gives other numbers'), (60, 'noticed after')])
def test_a_graph_that_does_something_else_is_found_out(good, reason, fake_graphs):
    models = []

    def build():
        models.append(mlp())
        return models[-1]

    here = workspace(Wrong(fake_graphs, lambda: models[-1][0], good), build)
    (found,) = runs.train_fully(here, (), [3], PLAN)
    assert found['step'].kind == 'eager' and reason in found['step'].reason
    (expected,) = runs.train_fully(eager(here), (), [3], PLAN)
    assert found['scores'] == expected['scores']


def test_what_a_gpu_repeats_need_be_the_same_only_up_to_rounding(monkeypatch):
    tensor = torch.tensor([1.0, torch.nan])
    nearly, other = tensor * (1 + 1e-6), tensor * 1.01
    verification.check_repeatable([tensor], [tensor.clone()])
    with pytest.raises(NotCapturable, match='other numbers when repeated'):
        verification.check_repeatable([nearly], [tensor])
    monkeypatch.setattr(verification, 'runs_ahead', lambda _: True)
    verification.check_repeatable([nearly], [tensor])
    with pytest.raises(NotCapturable):
        verification.check_repeatable([other], [tensor])
    monkeypatch.setattr(torch, 'are_deterministic_algorithms_enabled', lambda: True)
    with pytest.raises(NotCapturable):
        verification.check_repeatable([nearly], [tensor])


def test_reading_a_number_in_a_step_is_no_capture(fake_graphs):
    class Looks(nn.Module):
        def __init__(self):
            super().__init__()
            self.layer = nn.Linear(6, 3)

        def forward(self, inputs):
            return self.layer(inputs) * (2 if inputs.sum() > 0 else 1)

    (found,) = runs.train_fully(workspace(fake_graphs, Looks), (), [3], PLAN)
    assert found['step'].kind == 'eager' and fake_graphs.captures == 0


def test_a_trial_by_graphs_goes_on_from_its_checkpoint(fake_graphs, tmp_path):
    here = workspace(fake_graphs, with_dropout, OPTIMIZERS['Adam'])
    arguments = here, (), [3], dataclasses.replace(PLAN, fraction=0.5), 0
    plan = CheckpointPlan(str(tmp_path), 0.0, 'this')
    (half,) = runs.train_fully(*arguments, plan)
    assert half['epochs'] == 3 and any(tmp_path.rglob('*'))
    before = fake_graphs.replays
    (found,) = runs.train_fully(here, (), [3], PLAN, 0, plan)
    assert fake_graphs.replays - before < 40, 'the second half'
    (expected,) = runs.train_fully(here, (), [3], PLAN)
    assert found['scores'] == expected['scores'] and found['model'] == expected['model']


def test_graphs_are_made_on_gpus_only():
    assert graphs_for(CPU) is None and graphs_for(torch.device('meta')) is None
    assert isinstance(graphs_for(torch.device('cuda')), CudaGraphs)


class Calls:
    """Stands for `torch.cuda`: writes down what it is asked for."""

    def __init__(self, fails=False):
        self.log, self._fails, self._current = [], fails, 'outer'
        calls = self

        class Stream:
            def __init__(self, name='side'):
                self.name = name

            def wait_stream(self, other):
                calls.log.append(f'{self.name} waits for {other.name}')

        class CUDAGraph:
            def pool(self):
                return 'its pool'

        self.Stream, self.CUDAGraph = Stream, CUDAGraph

    def current_stream(self):
        return self.Stream(self._current)

    @contextlib.contextmanager
    def device(self, device):
        self.log.append(f'on {device}')
        yield

    @contextlib.contextmanager
    def stream(self, stream):
        before, self._current = self._current, stream.name
        try:
            yield
        finally:
            self._current = before

    @contextlib.contextmanager
    def graph(self, graph, pool, stream, capture_error_mode):
        self.log.append(f'capture in {pool} on {stream.name}, {capture_error_mode}')
        yield
        if self._fails:
            raise RuntimeError('capture failed')


def test_work_is_warmed_up_and_captured_on_a_side_stream(monkeypatch):
    calls = Calls()
    monkeypatch.setattr(graphs.torch, 'cuda', calls)
    backend = CudaGraphs(torch.device('cuda:1'))
    graph = backend.capture(lambda: calls.log.append(f'work on {calls._current}'))
    assert calls.log == [
        'on cuda:1',
        'side waits for outer',
        *['work on side'] * 3,
        'capture in None on side, thread_local',
        'work on side',
        'outer waits for side',
    ]
    calls.log.clear()
    backend.capture(lambda: None, graph)
    assert 'capture in its pool on side, thread_local' in calls.log


def test_a_capture_that_fails_leaves_the_stream_as_it_was(monkeypatch):
    calls = Calls(fails=True)
    monkeypatch.setattr(graphs.torch, 'cuda', calls)
    with pytest.raises(RuntimeError, match='capture failed'):
        CudaGraphs(torch.device('cuda')).capture(lambda: None)
    assert calls._current == 'outer'
