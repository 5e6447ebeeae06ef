"""Whatever one architecture does to its process, the next ones have the results that they have alone."""

import warnings

import pytest

from sweeper import FixedSweep

pytestmark = pytest.mark.slow

IMPORTS = """
import atexit, builtins, collections, decimal, functools, gc, itertools, locale, logging, math, os, random
import signal, sys, threading, time, types, warnings
from pathlib import Path

import numpy as np
import torch
from torch.utils.data import Subset, TensorDataset

factor = 1.0
factors, shared, order, seen = {'all': 1.0}, [1.0], collections.deque([1.0, 2.0]), {1.0}
numbers = itertools.count(1)
generator = (float(n) for n in range(1, 1000))
drawn, python_drawn = np.random.default_rng(3), random.Random(4)
torch_drawn = torch.Generator().manual_seed(5)
array, table = np.ones(2), np.ones(100_000)
tensor, big = torch.ones(2), torch.ones(100_000)
frozen = torch.nn.Linear(1, 1)
torch.nn.init.ones_(frozen.weight)


class Config:
    scale = 1.0

    def __init__(self):
        self.shift = 1.0
        self.inner = {'deep': [1.0]}


class Slotted:
    __slots__ = ('x',)

    def __init__(self):
        self.x = 1.0


config, slotted = Config(), Slotted()


def helper(x, cache=[]):
    return 1.0 + len(cache)


def counted():
    count = 0.0

    def count_on():
        nonlocal count
        count += 1
        return count

    return count_on


count_on = counted()


@functools.lru_cache
def cached(x):
    return [1.0]


class Good(torch.nn.Module):
    def __init__(self):
        super().__init__()
        self.linear = torch.nn.Linear(4, 2)

    def forward(self, x):
        scale = factor * factors['all'] * shared[0] * order[0] * len(seen) * len(factors) * len(shared)
        scale *= config.scale * config.shift * config.inner['deep'][0] * slotted.x * helper(1) * cached(1)[0]
        scale *= float(array[0]) * float(table[0]) * tensor[0] * big[0] * math.sqrt(1.0) * abs(-1.0)
        return self.linear(x) * scale


def draws():
    values = [repr(numbers), generator.gi_frame.f_lasti, drawn.random()]
    values += [torch.rand(1, generator=torch_drawn).item()]
    values += [python_drawn.random(), count_on(), float(decimal.Decimal(1) / 3), time.localtime(0).tm_hour]
    values += [sys.getrecursionlimit(), os.getcwd(), os.environ.get('VANDAL'), os.umask(0o22), np.geterr()]
    values += [sys.path[0], sys.argv, locale.setlocale(locale.LC_ALL), gc.get_threshold(), gc.isenabled()]
    values += [torch.get_default_dtype(), torch.get_num_threads(), torch.is_autocast_enabled('cpu')]
    values += [repr(signal.getsignal(signal.SIGUSR1)), logging.root.level, len(logging.root.handlers)]
    values += [len(frozen._forward_hooks), frozen.training, frozen.weight.grad, frozen.weight.item()]
    values += [signal.getitimer(signal.ITIMER_REAL), 'json' in sys.modules, sys.modules['math'] is math]
    values += [threading.active_count(), torch.is_inference_mode_enabled(), torch.backends.mkldnn.enabled]
    values += [len(torch.nn.modules.module._global_forward_hooks), sys.excepthook is sys.__excepthook__]
    values += [hasattr(Config, 'more'), hasattr(builtins, 'more'), 5e-324 * 1.0, len(gc.callbacks)]
    return repr(values)
"""
MODEL = """
def model(kind):
    if kind == 'good':
        torch.manual_seed(sum(draws().encode()))  # what is otherwise gives another model
        Path(__file__).with_suffix('.draws').write_text(draws_said := draws())
        return Good()
    exec(VANDALS[kind], globals())
    return torch.nn.Linear(4, 2)
"""
VANDALS = {
    'global': 'global factor; factor = 2.0',
    'new global': 'fresh = 3',
    'dict': "factors['all'] = 2.0; factors['x'] = 1",
    'list': 'shared[0] = 2.0; shared.append(3)',
    'deque': 'order.rotate()',
    'set': 'seen.add(5)',
    'attribute': 'config.shift = 2.0; config.more = 1',
    'deep': "config.inner['deep'][0] = 2.0",
    'class attribute': 'Config.scale = 2.0; Config.more = 1',
    'slots': 'slotted.x = 2.0',
    'default argument': 'helper.__defaults__[0].append(1)',
    'function': 'helper.__code__ = (lambda x, cache=[]: 5.0).__code__',
    'closure': 'count_on()',
    'cache': 'cached(1)[0] = 2.0',
    'count': 'next(numbers)',
    'generator': 'next(generator)',
    'random generators': 'drawn.random(); torch.rand(1, generator=torch_drawn); python_drawn.random()',
    'array': 'array *= 2',
    'large array': 'table *= 2',
    'tensor': 'tensor.mul_(2)',
    'tensor by its data': 'tensor.data.mul_(2)',
    'large tensor': 'big.mul_(2)',
    'module': 'frozen.weight.data += 1; frozen.eval()',
    'gradient': 'frozen(torch.ones(1, 1)).sum().backward()',
    'hook': 'frozen.register_forward_hook(lambda *_: None)',
    'patched method': 'torch.nn.Linear.forward = lambda self, x: torch.zeros(len(x), 2)',
    'patched class': 'torch.nn.Linear = torch.nn.Bilinear',
    'patched function': 'torch.nn.functional.linear = torch.nn.functional.cross_entropy = None',
    'patched attribute': 'torch.nn.Module.more = 1; torch.nn.Module.__call__ = lambda *_: 1 / 0',
    'patched tensor': 'torch.Tensor.__mul__ = lambda *_: 1 / 0',
    'patched builtins': 'builtins.abs = lambda x: 2.0; builtins.more = 1; math.sqrt = lambda x: 3.0',
    'global hook': 'torch.nn.modules.module.register_module_forward_hook(lambda *_: torch.zeros(8, 2))',
    'dtype': 'torch.set_default_dtype(torch.float64)',
    'grad mode': 'torch.set_grad_enabled(False)',
    'inference mode': 'kept = torch.inference_mode(); kept.__enter__()',
    'threads of torch': 'torch.set_num_threads(2)',
    'deterministic': 'torch.use_deterministic_algorithms(True)',
    'autocast': "torch.set_autocast_enabled('cpu', True)",
    'autocast entered': "kept = torch.autocast('cpu', torch.bfloat16); kept.__enter__()",
    'anomaly': 'torch.autograd.set_detect_anomaly(True)',
    'denormals': 'torch.set_flush_denormal(True)',
    'kernels': 'torch.backends.mkldnn.enabled = False',
    'folder': "os.chdir('/')",
    'environment': "os.environ['VANDAL'] = '1'; os.environ['TZ'] = 'Asia/Tokyo'; time.tzset()",
    'path': "sys.path.insert(0, '/nowhere'); sys.argv = ['x', '--y']",
    'recursion': 'sys.setrecursionlimit(5000)',
    'numpy errors': "np.seterr(all='raise')",
    'umask': 'os.umask(0o777)',
    'decimal': 'decimal.getcontext().prec = 3; decimal.DefaultContext.prec = 4',
    'locale': "locale.setlocale(locale.LC_ALL, 'C')",
    'warnings': "warnings.simplefilter('error')",
    'logging': 'logging.basicConfig(level=1); logging.disable(50)',
    'signals': 'signal.signal(signal.SIGUSR1, signal.SIG_IGN)',
    'alarm': 'signal.setitimer(signal.ITIMER_REAL, 1000)',
    'excepthook': 'sys.excepthook = print',
    'streams': 'sys.stdout = sys.stderr = None',
    'collection': 'gc.disable(); gc.set_threshold(5); gc.callbacks.append(print)',
    'modules': "sys.modules['math'] = types.ModuleType('math'); del sys.modules['json']",
    'thread': 'threading.Thread(target=threading.Event().wait, daemon=True).start()',
    'raises': "factors['all'] = 2.0; os.chdir('/'); raise ValueError('enough')",
}


@pytest.fixture(scope='module')
def problem(tmp_path_factory, problem_file):
    vandals = f'import json\nVANDALS = {VANDALS!r}\n'
    return problem_file(tmp_path_factory.mktemp('vandals'), imports=IMPORTS + vandals, model=MODEL)


@pytest.fixture(scope='module')
def good(problem, sweep_inline, tmp_path_factory):
    """Returns what the good architecture gives after others, in one process or one worker after another."""

    def results_after(kinds, executor):
        selector = FixedSweep.with_fixed_trials([*((kind,) for kind in kinds), ('good',)], 2)
        with warnings.catch_warnings():
            warnings.simplefilter('ignore')
            results = sweep_inline(
                problem.path, selector, tmp_path_factory.mktemp('out') / 'out', executor=executor, retries=0
            )
        drawn = problem.path.with_suffix('.draws').read_text()
        return drawn, repr([result for result in results if result.params == ('good',)])

    return results_after


@pytest.fixture(scope='module')
def by_itself(good):
    return {executor: good([], executor) for executor in ('inline', 'local')}


CANNOT_BE_UNDONE = {'count', 'generator', 'large array', 'large tensor', 'thread'}


def test_nothing_is_left_in_this_process(good, by_itself):
    kinds = [kind for kind in VANDALS if kind not in CANNOT_BE_UNDONE]
    assert good(kinds, 'inline') == by_itself['inline']


LAZY = """
def model(kind):
    import sibling_counting

    sibling_counting.count += 1
    if sibling_counting.count > 1:
        raise RuntimeError('what another run has left')
    return torch.nn.Linear(4, 2)
"""


@pytest.mark.parametrize('executor', ['inline', 'local'])
def test_a_module_of_the_problem_that_a_run_imports_is_new_in_each(
    write_problem, tmp_path, sweep_inline, executor
):
    (tmp_path / 'sibling_counting.py').write_text('count = 0')
    problem, selector = write_problem(model=LAZY), FixedSweep.with_fixed_trials([('x',)], 2)
    assert not sweep_inline(problem.path, selector, tmp_path / 'out', executor=executor).failures


def test_what_cannot_be_undone_in_this_process_is_warned_of(write_problem, tmp_path, sweep_inline):
    model = """
import itertools
numbers = itertools.count()

def model(kind):
    next(numbers)
    return torch.nn.Linear(4, 2)
"""
    problem, selector = write_problem(model=model), FixedSweep.with_fixed_trials([('x',)], 1)
    with pytest.warns(UserWarning, match=r'cannot be undone here: problem_\d+\.numbers\.'):
        sweep_inline(problem.path, selector, tmp_path / 'out')


def test_ordinary_runs_share_a_worker(write_problem, tmp_path, sweep_inline):
    model = """
import os
memo = {}

def model(kind):
    memo[kind] = os.getpid()
    record(os.getpid())
    return torch.nn.Linear(4, 2)
"""
    problem, selector = write_problem(model=model), FixedSweep.with_fixed_trials([('x',), ('y',)], 2)
    sweep_inline(problem.path, selector, tmp_path / 'out', executor='local')
    assert len(problem.calls) > 4
    assert len(set(problem.calls)) == 1


def test_nothing_is_left_in_a_worker(good, by_itself):
    assert good(list(VANDALS), 'local') == by_itself['local']
