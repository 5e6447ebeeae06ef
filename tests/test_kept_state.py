"""State that outlives a run, wherever it is kept: no attempt to capture and no run before changes results."""

import itertools
import re
import sys
from types import ModuleType

import pytest
import torch
from torch.utils.data import TensorDataset

from sweeper.problem.problem import Problem
from sweeper.training import runs
from sweeper.training.data import as_split
from sweeper.training.isolation import Isolation
from sweeper.training.workspace import Splits, Workspace

pytestmark = pytest.mark.slow

PLAN = runs.TrainingPlan(lr_min=0.01, lr_max=0.1, batch_size=8, epochs=10, cycle_size_epochs=5)
NUMBERS = itertools.count()
PROBLEM = """
import array, collections, contextvars, ctypes, enum, functools, io, itertools, mmap, multiprocessing, os
import queue, random, sqlite3, sys, threading, types, weakref
from dataclasses import dataclass
from multiprocessing.shared_memory import SharedMemory
from pathlib import Path

import numpy as np
import torch


class Held:
    calls = 0


class Structure(ctypes.Structure):
    _fields_ = [('n', ctypes.c_int)]


class Phase(enum.Enum):
    ONLY = 1


@dataclass(slots=True)
class Slotted:
    n: int = 0


def added(held, get, put):
    put(held, get(held) + 1)
    return get(held)


def in_an_attribute(held, name='n'):
    setattr(held, name, getattr(held, name, 0) + 1)
    return getattr(held, name)


def in_an_item(held, key=0):
    held[key] = held[key] + 1
    return float(held[key])


def appended(held):
    held.append(1)
    return len(held)


def default(held=[0]):
    held[0] += 1
    return held[0]


def closure():
    n = 0

    def count():
        nonlocal n
        n += 1
        return n

    return count


def numbers():
    yield from range(1, 10**6)


@functools.lru_cache
def cached():
    return [0]


@functools.cache
def number_of(draw):
    return next(FOR_CACHE)


class Key:
    pass


def in_context():
    CONTEXT.set(CONTEXT.get(0) + 1)
    return CONTEXT.get()


def in_text():
    TEXT.write('x')
    return TEXT.tell()


def from_queue(held):
    n = held.get()
    held.put(n + 1)
    return n


def from_database():
    DATABASE.execute('update counts set n = n + 1')
    return DATABASE.execute('select n from counts').fetchone()[0]


KEY = Key()
CONTEXT, SET_CONTEXT = contextvars.ContextVar('unset'), contextvars.ContextVar('set', default=[0])
FOR_CACHE = itertools.count(1)
LOCAL, TEXT, READ = threading.local(), io.StringIO('abc'), io.BytesIO(bytes(range(256)) * 100)
FILE = Path(__file__).open('rb')
BYTES, ARRAY, NUMBER = bytearray(1), array.array('i', [0]), ctypes.c_int()
NUMBERS, STRUCTURE = (ctypes.c_double * 2)(), Structure()
VALUE, SHARED = multiprocessing.Value('i'), multiprocessing.Array('d', 2)
RAW, MAPPED = multiprocessing.RawValue('i'), mmap.mmap(-1, 16)
VIEW, VIEW_OF_C = memoryview(bytearray(1)), memoryview((ctypes.c_ubyte * 1)()).cast('B')
DEQUE, COUNTER, CHAIN = collections.deque(), collections.Counter(), collections.ChainMap({'n': 0})
PYTHON_RANDOM, NUMPY_RANDOM = random.Random(0), np.random.default_rng(0)
OLD_NUMPY, TORCH_RANDOM = np.random.RandomState(0), torch.Generator().manual_seed(0)
COUNT, GENERATOR, CYCLE = itertools.count(), numbers(), itertools.cycle([1, 5, 9])
ITERATOR = iter(range(1, 10**6))
OVER_LIST = iter([*range(1, 10**4)])
WEAK_KEYS = weakref.WeakKeyDictionary({KEY: 0})
WEAK_VALUES = weakref.WeakValueDictionary({0: KEY})
WEAK_SET, KEYS = weakref.WeakSet(), []
NUMPY, OBJECTS, LARGE = np.zeros(1), np.array([0], object), np.zeros(20_000)
TENSOR, LARGE_TENSOR = torch.zeros(1), torch.zeros(20_000)
QUEUE, SIMPLE = queue.Queue(), queue.SimpleQueue()
DATABASE = sqlite3.connect(':memory:', check_same_thread=False)
DATABASE.execute('create table counts (n int)')
DATABASE.execute('insert into counts values (0)')
NAMESPACE, SLOTTED, CLOSURE = types.SimpleNamespace(n=0), Slotted(), closure()
SEMAPHORE = threading.Semaphore(10**6)
LAZY = types.ModuleType('lazy')
LAZY.held = [0]
LAZY.__getattr__ = lambda name: in_an_item(LAZY.held)
QUEUE.put(0)
SIMPLE.put(0)


def with_value():
    with VALUE.get_lock():
        VALUE.value += 1
    return VALUE.value


def kept_alive():
    KEYS.append(Key())
    WEAK_SET.add(KEYS[-1])
    return len(WEAK_SET)


def semaphore():
    SEMAPHORE.acquire()
    return 10**6 - SEMAPHORE._value


COUNTS = {
    'thread-local': lambda: in_an_attribute(LOCAL),
    'c_int': lambda: in_an_attribute(NUMBER, 'value'),
    'array of C': lambda: in_an_item(NUMBERS, 1),
    'structure of C': lambda: in_an_attribute(STRUCTURE),
    'shared value': with_value,
    'shared array': lambda: in_an_item(SHARED, 1),
    'raw shared value': lambda: in_an_attribute(RAW, 'value'),
    'mapped memory': lambda: in_an_item(MAPPED, 3),
    'position in bytes': lambda: READ.read(1)[0],
    'contents of text': in_text,
    'position in a file': lambda: len(FILE.read(1)) * FILE.tell(),
    'array': lambda: in_an_item(ARRAY),
    'bytearray': lambda: (BYTES.append(1), len(BYTES))[1],
    'memoryview': lambda: in_an_item(VIEW) % 100,
    'memoryview of C': lambda: in_an_item(VIEW_OF_C) % 100,
    'deque': lambda: appended(DEQUE),
    'counter': lambda: in_an_item(COUNTER, 'n'),
    'chain of maps': lambda: in_an_item(CHAIN, 'n'),
    'context': in_context,
    'contents of a context': lambda: in_an_item(SET_CONTEXT.get()),
    'random': lambda: PYTHON_RANDOM.random(),
    'random of numpy': lambda: abs(NUMPY_RANDOM.normal()),
    'old random of numpy': lambda: abs(OLD_NUMPY.normal()),
    'random of torch': lambda: torch.rand(1, generator=TORCH_RANDOM).item(),
    'count': lambda: next(COUNT),
    'generator': lambda: next(GENERATOR),
    'iterator': lambda: next(ITERATOR),
    'iterator over a list': lambda: next(OVER_LIST),
    'cycle': lambda: next(CYCLE),
    'cache': lambda: in_an_item(cached()),
    'cache of numbers': lambda: number_of(random.getrandbits(2)),
    'weak keys': lambda: in_an_item(WEAK_KEYS, KEY),
    'weak values': lambda: in_an_attribute(WEAK_VALUES[0]),
    'weak set': kept_alive,
    'numpy': lambda: in_an_item(NUMPY),
    'objects of numpy': lambda: in_an_item(OBJECTS),
    'large array': lambda: in_an_item(LARGE),
    'tensor': lambda: in_an_item(TENSOR),
    'large tensor': lambda: in_an_item(LARGE_TENSOR, -1),
    'queue': lambda: from_queue(QUEUE),
    'simple queue': lambda: from_queue(SIMPLE),
    'database': from_database,
    'namespace': lambda: in_an_attribute(NAMESPACE),
    'slots': lambda: in_an_attribute(SLOTTED),
    'closure': CLOSURE,
    'default argument': default,
    'class': lambda: in_an_attribute(Held, 'calls'),
    'member of an enum': lambda: in_an_attribute(Phase.ONLY, 'calls'),
    'module that makes attributes': lambda: LAZY.any,
    'semaphore': semaphore,
    'nothing': lambda: 1,
}


class Penalised(torch.nn.Module):
    def __init__(self, count):
        super().__init__()
        self.count = count

    def forward(self, output, target):
        penalty = (1 + self.count() % 97) / 50 * output.pow(2).mean()
        return torch.nn.functional.cross_entropy(output, target) + penalty


present = [lambda: 1]


def loss():
    return Penalised(present[0])
"""
KINDS = re.findall("^    '([a-z_A-Z -]+)': ", PROBLEM, re.M)
CANNOT_BE_PUT_BACK = {
    'count', 'generator', 'cycle', 'large array', 'large tensor', 'simple queue', 'database',
    'cache of numbers',
}  # fmt: skip


@pytest.fixture
def new_process(monkeypatch, tmp_path):
    """Returns what a process has that has just imported a problem whose penalty counts in that way.

    All that is kept is in the problem's module, so that another module is as good as another process.
    """

    def imported(kind):
        module = ModuleType(f'kept_{next(NUMBERS)}')
        module.__file__ = str(tmp_path / 'file')
        (tmp_path / 'file').write_bytes(bytes(1000))
        monkeypatch.setitem(sys.modules, module.__name__, module)
        exec(compile(PROBLEM, 'problem.py', 'exec'), vars(module))
        module.present[0] = module.COUNTS.pop(kind)
        for opaque, name in {'simple queue': 'SIMPLE', 'database': 'DATABASE'}.items():
            if kind != opaque:  # beside them, nothing can be put back for certain
                delattr(module, name)
        monkeypatch.setitem(sys.modules, 'lazy', module.LAZY)
        return Process(module)

    return imported


class Process:
    """A problem, and what keeps its runs apart."""

    def __init__(self, module):
        inputs = torch.randn(40, 4, generator=torch.Generator().manual_seed(1))
        split = as_split(TensorDataset(inputs, (inputs[:, 0] > 0).long()), torch.device('cpu'))
        self.module, self.splits = module, Splits(split, split, None)
        self.isolation = Isolation(
            None, [], [module.__name__, 'lazy'], self.workspace('eager').python_state().opaque
        )

    def workspace(self, step):
        problem = Problem(
            'here', lambda *_: torch.nn.Linear(4, 2), self.module.loss, 'classification', lambda: None, None
        )
        return Workspace(problem, self.splits, torch.device('cpu'), step)

    def trained(self, step, seeds=(3,)):
        """Returns what a run gives, how its steps were taken, and what it has left."""
        self.isolation.take_settings()
        results = self.isolation.run(lambda: runs.train_fully(self.workspace(step), (), list(seeds), PLAN))
        found = [(result['model'], result['scores']) for result in results]
        return found, str(results[0]['step']), self.isolation.restore()


@pytest.mark.parametrize('kind', KINDS)
def test_no_attempt_to_capture_and_no_run_before_changes_results(kind, new_process):
    expected, _, _ = new_process(kind).trained('eager')
    process = new_process(kind)
    for step in ('captured', 'eager', 'auto'):
        found, how, left = process.trained(step)
        if kind == 'nothing':
            assert how == {'auto': 'captured'}.get(step, step)
        else:
            assert how.startswith('eager')
            assert 'could not all be put back' not in how
            assert found == expected, step
        if kind in CANNOT_BE_PUT_BACK:
            assert left  # so that the next run is another process's
            process = new_process(kind)
        else:
            assert not left


@pytest.mark.parametrize(
    'kind', ['thread-local', 'position in bytes', 'generator', 'database', 'shared value']
)
def test_nor_does_an_attempt_to_train_in_lanes(kind, new_process):
    # what one run of several leaves, the next of the same task finds
    expected, _, _ = new_process(kind).trained('eager', (3, 4))
    assert new_process(kind).trained('lanes', (3, 4))[0] == expected
