"""Whatever Python a step runs, captured steps give what eager ones give."""

import functools
import itertools
import random
import subprocess
import sys
import time
from collections import Counter, OrderedDict, defaultdict, deque
from contextvars import ContextVar
from dataclasses import dataclass
from enum import Enum
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from torch import nn
from torch.utils.data import TensorDataset

from sweeper.problem.problem import Problem
from sweeper.training import runs
from sweeper.training.data import as_split
from sweeper.training.isolation.records import OfTensor
from sweeper.training.objects.state import PythonState
from sweeper.training.workspace import Splits, Workspace

pytestmark = pytest.mark.slow

CPU = torch.device('cpu')
PLAN = runs.TrainingPlan(lr_min=0.01, lr_max=0.2, batch_size=8, epochs=20, cycle_size_epochs=4)


def mlp():
    return nn.Sequential(nn.Linear(6, 9), nn.ReLU(), nn.Linear(9, 3))


def workspace(step, model=mlp, loss=nn.CrossEntropyLoss, optimizer=None):
    inputs = torch.randn(40, 6, generator=torch.Generator().manual_seed(1))
    targets = (inputs[:, 0] > 0).long() + (inputs[:, 1] > 1).long()
    split = as_split(TensorDataset(inputs, targets), CPU)
    problem = Problem('here', lambda *_: model(), loss, 'classification', lambda: None, optimizer)
    return Workspace(problem, Splits(split, split, None), CPU, step)


def trained(step, seeds=(3,), **options):
    return runs.train_fully(workspace(step, **options), (), list(seeds), PLAN)


def assert_eager(why='', **options):
    """A run under `auto` is the eager one, bit for bit, and says why."""
    (found,), (expected,) = trained('auto', **options), trained('eager', **options)
    assert found['scores'] == expected['scores'] and found['model'] == expected['model']
    assert str(found['step']).startswith('eager, because ') and why in str(found['step'])


# A number that is one more at every call, kept in every way there is


class Held:
    calls = 0

    def __init__(self):
        self.count = 0


class Slotted:
    __slots__ = ('count',)


@dataclass
class Data:
    count: int = 0


class Phase(Enum):
    EARLY = 1
    LATE = 2


class Subclass(dict):
    def __getattr__(self, name):
        raise RuntimeError('odd')

    def __eq__(self, other):
        raise RuntimeError('odd')

    __hash__ = None


COUNT = 0
CONTEXT = ContextVar('calls', default=0)


def in_a_dict():
    kept = {'n': 0}
    return lambda: kept.update(n=kept['n'] + 1) or kept['n']


def in_an_element():
    kept = [0]

    def counted():
        kept[0] += 1
        return kept[0]

    return counted


def deep_inside():
    kept = {'a': [({'b': SimpleNamespace(n=[0])},)]}

    def counted():
        kept['a'][0][0]['b'].n[0] += 1
        return kept['a'][0][0]['b'].n[0]

    return counted


def in_an_attribute(kind=Held):
    kept = kind()
    kept.count = 0

    def counted():
        kept.count += 1
        return kept.count

    return counted


def in_a_class():
    class Own:
        calls = 0

    def counted():
        Own.calls += 1
        return Own.calls

    return counted


def in_a_class_of_the_module():
    def counted():
        Held.calls += 1
        return Held.calls

    return counted


def in_a_global():
    def counted():
        global COUNT
        COUNT += 1
        return COUNT

    return counted


def in_a_cell():
    n = 0

    def counted():
        nonlocal n
        n += 1
        return n

    return counted


def in_a_function():
    def counted():
        counted.calls += 1
        return counted.calls

    counted.calls = 0
    return counted


def in_a_default(kept=None):
    def counted(kept=[0]):  # noqa: B006
        kept[0] += 1
        return kept[0]

    return counted


def in_a_deque():
    kept = deque([0], maxlen=1)
    return lambda: kept.append(kept[-1] + 1) or kept[-1]


def in_a_set():
    kept = {0}

    def counted():
        kept.add(kept.pop() + 1)
        return next(iter(kept))

    return counted


def in_a_counter():
    kept = Counter()
    return lambda: kept.update('a') or kept['a']


def in_a_default_dict():
    kept = defaultdict(int)

    def counted():
        kept['a'] += 1
        return kept['a']

    return counted


def in_an_odd_object():
    kept = Subclass(n=0)

    def counted():
        kept['n'] += 1
        return kept['n']

    return counted


def in_an_order():
    kept = OrderedDict.fromkeys(range(5))
    return lambda: kept.move_to_end(next(iter(kept))) or next(iter(kept))


def in_an_iterator():
    kept = iter(range(1, 10**6))
    return lambda: next(kept)


def in_an_iterator_over_a_list():
    kept = iter([*range(1, 10**4)])
    return lambda: next(kept)


def in_a_count():
    kept = itertools.count(1)
    return lambda: next(kept)


def in_a_bound_method():
    return itertools.count(1).__next__


def in_a_cycle():
    kept = itertools.cycle([1, 2, 5])
    return lambda: next(kept)


def in_a_chain():
    kept = map(float, itertools.chain([1, 2], range(3, 10**6)))
    return lambda: next(kept)


def in_a_generator():
    def counting():
        n = 0
        while True:
            n += 1
            yield n

    kept = counting()
    return lambda: next(kept)


def in_a_generator_of_a_generator():
    def counting():
        yield from (n for n in range(1, 10**6))

    return functools.partial(next, counting())


def in_a_cache():
    @functools.cache
    def kept():
        return itertools.count(1)

    return lambda: next(kept())


def in_a_bounded_cache():
    @functools.lru_cache(4)
    def kept(of):
        return [0]

    def counted():
        kept('a')[0] += 1
        return kept('a')[0]

    return counted


def in_an_array():
    kept = np.zeros(3)

    def counted():
        kept[1] += 1
        return float(kept[1])

    return counted


def in_a_tensor_behind_its_version():
    kept = torch.zeros(1)

    def counted():
        kept.numpy()[0] += 1
        return float(kept.numpy()[0])

    return counted


def in_a_context():
    def counted():
        CONTEXT.set(CONTEXT.get() + 1)
        return CONTEXT.get()

    CONTEXT.set(0)
    return counted


def in_an_enum():
    kept = SimpleNamespace(phase=Phase.EARLY)

    def counted():
        before, kept.phase = kept.phase, Phase.LATE
        return before.value

    return counted


def in_a_generator_of_random_numbers():
    kept = random.Random(0)
    return kept.random


def in_a_generator_of_numpy():
    kept = np.random.default_rng(0)
    return lambda: kept.random()


def from_numpy():
    return np.random.rand


def from_random():
    return lambda: random.random()


COUNTERS = {
    function.__name__.replace('_', ' '): function
    for function in (
        in_a_dict, in_an_element, deep_inside, in_an_attribute, in_a_class, in_a_class_of_the_module,
        in_a_global, in_a_cell, in_a_function, in_a_default, in_a_deque, in_a_set, in_a_counter,
        in_a_default_dict, in_an_odd_object, in_an_order, in_an_iterator, in_an_iterator_over_a_list,
        in_a_count, in_a_bound_method, in_a_cycle, in_a_chain, in_a_generator,
        in_a_generator_of_a_generator, in_a_cache, in_a_bounded_cache, in_an_array,
        in_a_tensor_behind_its_version, in_a_context, in_an_enum, in_a_generator_of_random_numbers,
        in_a_generator_of_numpy, from_numpy, from_random,
    )
}  # fmt: skip
COUNTERS |= {
    'in a slot': lambda: in_an_attribute(Slotted),
    'in a data class': lambda: in_an_attribute(Data),
}
EFFECTS = {
    'annealed': lambda n: min(1.0, n / 10000),
    'jumping': lambda n: 1.0 if n > 60 else 0.0,
    'alternating': lambda n: 0.1 * (int(n * 7) % 3),
}


class Penalised(nn.Module):
    """A criterion with a weight that depends on a counter."""

    def __init__(self, counter, effect):
        super().__init__()
        self.counter, self.effect = counter, effect

    def forward(self, output, target):
        penalty = self.effect(self.counter()) * output.pow(2).mean()
        return nn.functional.cross_entropy(output, target) + penalty


class Scaled(nn.Module):
    """A model that does, in training only."""

    def __init__(self, counter, effect):
        super().__init__()
        self.net, self.counter, self.effect = mlp(), counter, effect

    def forward(self, inputs):
        return self.net(inputs) * (1 + self.effect(self.counter()) if self.training else 1)


def with_state(place, counter, effect):
    if place == 'model':
        return {'model': lambda: Scaled(COUNTERS[counter](), EFFECTS[effect])}
    if place == 'criterion':
        return {'loss': lambda: Penalised(COUNTERS[counter](), EFFECTS[effect])}

    def loss():
        counted = COUNTERS[counter]()
        return lambda output, target: (
            nn.functional.cross_entropy(output, target) + EFFECTS[effect](counted()) * output.pow(2).mean()
        )

    return {'loss': loss}


def set_back():
    global COUNT
    COUNT = Held.calls = 0


@pytest.mark.parametrize('effect', ['annealed', 'jumping'])
@pytest.mark.parametrize('counter', COUNTERS)
def test_a_counter_is_noticed_wherever_it_is_kept(counter, effect):
    """By its numbers, or, long before it makes a difference, by itself."""
    kinds = []
    for step in ('eager', 'auto'):
        set_back()
        kinds += trained(step, **with_state('criterion', counter, effect))
    expected, found = kinds
    assert found['model'] == expected['model'] and found['scores'] == expected['scores']
    assert str(found['step']).startswith('eager, because ')


@given(
    place=st.sampled_from(['model', 'criterion', 'function']),
    counter=st.sampled_from(sorted(COUNTERS)),
    effect=st.sampled_from(sorted(EFFECTS)),
    optimizer=st.sampled_from([None, torch.optim.RMSprop, torch.optim.Adam]),
)
@settings(max_examples=25, deadline=None, suppress_health_check=list(HealthCheck))
def test_captured_is_eager_over_modules_with_python_state(place, counter, effect, optimizer):
    made = optimizer and (lambda p, lr: optimizer(p, lr / 50))
    found = []
    for step in ('eager', 'auto'):
        set_back()
        found += trained(step, optimizer=made, **with_state(place, counter, effect))
    assert found[0]['model'] == found[1]['model'] and found[0]['scores'] == found[1]['scores']


# State that other code than the step changes: only verifying while it trains shows it


class ByEvaluations(nn.Module):
    """Is another one after the second evaluation."""

    def __init__(self):
        super().__init__()
        self.net, self.factor, self.evaluations = mlp(), 1.0, 0

    def eval(self):
        self.evaluations += 1
        if self.evaluations == 3:
            self.factor = 3.0
        return super().eval()

    def forward(self, inputs):
        return self.net(inputs) * self.factor


class Swapping(nn.Module):
    """Gives its parameters other memory when it is trained again."""

    def __init__(self):
        super().__init__()
        self.net = mlp()

    def train(self, mode=True):
        if mode and hasattr(self, 'net'):
            for parameter in self.parameters():
                parameter.data = parameter.data.clone()
        return super().train(mode)

    def forward(self, inputs):
        return self.net(inputs)


class Annealing(torch.optim.SGD):
    """Changes something that the criterion uses, late."""

    schedule = None

    def step(self, closure=None):
        self.taken = getattr(self, 'taken', 0) + 1
        if self.taken == 30:
            self.schedule.weight = 1.0
        super().step(closure)


def annealed_by_the_optimizer():
    schedule = SimpleNamespace(weight=0.0)

    def loss():
        schedule.weight = 0.0
        return lambda output, target: (
            nn.functional.cross_entropy(output, target) + schedule.weight * output.pow(2).mean()
        )

    def optimizer(parameters, lr):
        made = Annealing(parameters, lr)
        made.schedule = schedule
        return made

    return {'loss': loss, 'optimizer': optimizer}


@pytest.mark.parametrize(
    'options',
    [{'model': ByEvaluations}, {'model': Swapping}, annealed_by_the_optimizer()],
    ids=['evaluation', 'parameters with other memory', 'optimizer'],
)
def test_what_changes_later_is_noticed_and_the_run_is_done_again(options):
    assert_eager('noticed after', **options)


def test_time_is_noticed():
    def loss():
        return lambda output, target: (
            nn.functional.cross_entropy(output, target) + (time.perf_counter_ns() % 997) * output.mean() ** 2
        )

    (found,) = trained('auto', loss=loss)
    assert str(found['step']).startswith('eager, because ')


def test_a_step_that_is_as_it_was_is_captured_through_and_through():
    for optimizer in (None, torch.optim.RMSprop, lambda p, lr: torch.optim.SGD(p, lr, momentum=0.5)):
        made = optimizer and (lambda p, lr, optimizer=optimizer: optimizer(p, lr / 20))
        (found,), (expected,) = trained('auto', optimizer=made), trained('eager', optimizer=made)
        assert str(found['step']) == 'captured'
        assert found['model'] == expected['model'] and found['scores'] == expected['scores']


def test_verifying_takes_nothing_from_the_random_numbers():
    def model():
        return nn.Sequential(nn.Linear(6, 9), nn.Dropout(0.3), nn.BatchNorm1d(9), nn.Linear(9, 3))

    after = []
    for step in ('auto', 'eager'):
        (found,) = trained(step, model=model)
        after.append(
            (found['model'], found['scores'], torch.rand(1).item(), random.random(), np.random.rand())
        )
    assert after[0] == after[1]


# What cannot be prepared is eager


def lazy():
    return nn.Sequential(nn.LazyLinear(9), nn.ReLU(), nn.Linear(9, 3))


def scripted():
    return torch.jit.script(mlp())


@pytest.mark.filterwarnings('ignore::DeprecationWarning')
@pytest.mark.parametrize('build', [lazy, scripted])
@pytest.mark.parametrize('step', ['auto', 'captured', 'lanes'])
def test_a_model_for_which_a_capture_cannot_be_prepared_is_eager(build, step):
    (found,), (expected,) = trained(step, model=build), trained('eager', model=build)
    assert found['scores'] == expected['scores'] and 'eager, because ' in str(found['step'])
    for one in trained('lanes', (3, 4), model=build):
        assert 'eager, because ' in str(one['step']) and 'not in lanes, because ' in str(one['step'])


def test_whatever_preparing_raises_the_run_is_eager(monkeypatch):
    from sweeper.training import workspace as workspace_module

    def raising(*_):
        raise StopIteration

    monkeypatch.setattr(workspace_module, 'captured_step', raising)
    assert_eager('raised StopIteration')


@pytest.mark.parametrize('kind', [torch.optim.SGD, torch.optim.Adam, torch.optim.RMSprop])
def test_an_optimizer_over_part_of_the_parameters(kind):
    def optimizer(parameters, lr):
        return kind(parameters[2:], lr / 20)

    (found,), (expected,) = trained('auto', optimizer=optimizer), trained('eager', optimizer=optimizer)
    assert str(found['step']) == 'captured'
    assert found['scores']['loss_val'] == pytest.approx(expected['scores']['loss_val'], rel=1e-4)


# The state itself


def test_state_is_put_back():
    made = {name: COUNTERS[name]() for name in COUNTERS if not name.startswith('from')}
    set_back()
    state = PythonState(made.items())
    first = {name: counter() for name, counter in made.items()}
    assert state.changes()
    state.restore()
    again = {name for name, counter in made.items() if counter() == first[name]}
    assert made.keys() - again <= {
        'in a count', 'in a bound method', 'in a cycle', 'in a chain', 'in a generator',
        'in a generator of a generator', 'in a cache', 'in a generator of numpy',
    }  # fmt: skip


def test_a_state_that_nobody_changes_does_not_change():
    made = {name: counter() for name, counter in COUNTERS.items()}
    state = PythonState({**made, 'module': nn.LSTM(2, 3), 'cyclic': (cyclic := [])}.items())
    cyclic.append(cyclic)
    assert state.changes() == ['cyclic']
    cyclic.clear()
    assert state.changes() == []


def test_what_libraries_do_inside_is_not_followed():
    """It has more than a hundred thousand parts, which would take longer than a training."""
    from sklearn.datasets import load_breast_cancer
    from sklearn.preprocessing import StandardScaler

    def table():
        return StandardScaler().fit_transform(load_breast_cancer().data)

    assert PythonState([('table', table)]).opaque == []


def test_too_much_python_is_not_captured():
    many = [[k] for k in range(200_000)]
    assert_eager('objects', loss=lambda: lambda output, target: nn.functional.cross_entropy(
        output, target, label_smoothing=0.0 * len(many)
    ))  # fmt: skip


@pytest.mark.parametrize('step', ['auto', 'lanes'])
def test_warnings_as_errors_fail_no_point(step):
    """In a process of its own: what torch and ignite warn of on import, and when a script is compiled."""
    code = f"""
import sys
sys.path.insert(0, {str(Path(__file__).parent)!r})
import test_python_state as here
print(here.trained({step!r}, (3, 4))[0]['step'])
"""
    done = subprocess.run([sys.executable, '-W', 'error', '-c', code], capture_output=True, text=True)
    assert done.stdout.strip() == 'in 2 lanes', done.stderr


@pytest.mark.parametrize(
    'view', [lambda x: x[:, :1], lambda x: x[:, 1], lambda x: x[:1, 1], lambda x: x[1, 1], lambda x: x.T]
)
def test_a_change_of_a_tensor_is_noticed_and_undone_whatever_its_strides(view):
    matrix = torch.arange(12.0).reshape(3, 4)
    held, kept = view(matrix), view(matrix).clone()
    state, record = PythonState([('held', held)]), OfTensor('held', held)
    assert not record.differs()
    held.add_(1)
    assert state.changes()
    assert record.differs()
    record.put_back()
    assert torch.equal(held, kept)
