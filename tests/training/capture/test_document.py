"""docs/capture.md names all that capture uses of torch's private interface, and what happens without it."""

import ast
import re
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from torch.utils._python_dispatch import TorchDispatchMode

import sweeper.training

ROOT = Path(sweeper.training.__file__).parent
TEXT = (Path(__file__).parents[3] / 'docs' / 'capture.md').read_text()
FILES = [ROOT / 'steps.py', ROOT / 'dispatch.py', *ROOT.glob('capture/*.py'), *ROOT.glob('objects/*.py')]
OURS = {'_values'}  # of a manager of declared parameters
OF_TORCH = (torch.Tensor, torch.nn.Module(), TorchDispatchMode, torch.optim.SGD([torch.zeros(1)]))


def is_private(name):
    return any(part.startswith('_') and not part.startswith('__') for part in name.split('.'))


def is_of_torch(name):
    return (
        is_private(name)
        and name not in OURS
        and any(hasattr(one, name) for one in (*OF_TORCH, torch.ops.aten.add.Tensor))
    )


def private_names(source):
    """What a source uses that is private in torch."""
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.ImportFrom) and (node.module or '').partition('.')[0] == 'torch':
            yield from (f'{node.module}.{alias.name}' for alias in node.names)
        elif isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names if alias.name.startswith('torch.'))
        elif isinstance(node, ast.Attribute) and (text := ast.unparse(node)).startswith('torch.'):
            yield text
        elif isinstance(node, ast.Attribute) and ast.unparse(node.value) not in ('self', 'cls'):
            yield from [node.attr] if is_of_torch(node.attr) else []
        elif (
            isinstance(node, ast.FunctionDef)
            and is_private(node.name)
            and hasattr(TorchDispatchMode, node.name)
        ):
            yield node.name
        elif isinstance(node, ast.Constant) and isinstance(node.value, str) and is_of_torch(node.value):
            yield node.value


def used():
    found = set()
    for path in FILES:
        names = {name for name in private_names(path.read_text()) if is_private(name)}
        whole = {name for name in names if not any(other.startswith(f'{name}.') for other in names)}
        found |= {(name, path.name) for name in whole}
    return found


def test_the_document_lists_what_is_used_and_nothing_else():
    table = TEXT.partition('What is private in torch:')[2].partition('\n## ')[0]
    rows = [line.split(' | ')[:2] for line in table.splitlines() if line.startswith('| `')]
    listed = {
        (name, Path(file).name)
        for names, files in rows
        for name in re.findall('`(.*?)`', names)
        for file in re.findall('`(.*?)`', files)
    }
    assert listed == used()


def test_the_reader_sees_them_all():
    source = """
import torch._dynamo
from torch.utils._pytree import tree_map
def f(self, module):
    torch._foreach_add_([], 1)
    getattr(module, '_forward_hooks'), module._backward_hooks, self._version, module._mine, module.weight
def _should_skip_dynamo(): pass
"""
    assert {*filter(is_private, private_names(source))} == {
        'torch._dynamo', 'torch.utils._pytree.tree_map', 'torch._foreach_add_', '_forward_hooks',
        '_backward_hooks', '_should_skip_dynamo',
    }  # fmt: skip


def test_what_of_torch_script_is_used_is_named_too():
    found = {
        ast.unparse(node)
        for path in FILES
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.Attribute) and ast.unparse(node).startswith('torch.jit.')
    }
    assert {name for name in found if name.count('.') == 2} == {*re.findall(r'`(torch\.jit\.\w+)`', TEXT)}


TRAINS = """
import torch
from torch import nn
from torch.utils.data import TensorDataset
import torch.utils.flop_counter
{change}
from sweeper.problem.problem import Problem
from sweeper.training import runs
from sweeper.training.data import as_split
from sweeper.training.workspace import Splits, Workspace
cpu = torch.device('cpu')
data = as_split(TensorDataset(torch.randn(64, 4), torch.zeros(64).long()), cpu)
loss, style = nn.CrossEntropyLoss, 'classification'
problem = Problem('here', lambda width: nn.Linear(4, width), loss, style, lambda: None, None)
plan = runs.TrainingPlan(0.1, 0.2, 4, 4, 4)
print(runs.train_fully(Workspace(problem, Splits(data, data, None), cpu), (2,), [1], plan)[0]['step'])
"""


@pytest.mark.slow
@pytest.mark.parametrize(
    ('change', 'expected'),
    [
        ('', 'captured'),
        ('del torch.jit.CompilationUnit', "eager, because torch's interpreter does not take it: module"),
        ('del torch.jit.optimized_execution', 'eager, because preparing to capture it raised AttributeError'),
        ('del torch.jit.ScriptModule', 'eager, because preparing to capture it raised AttributeError'),
        (
            'del torch.utils._python_dispatch.TorchDispatchMode',
            'eager, because recording it raised NotImplementedError: this version of torch does not show its',
        ),
    ],
)
def test_without_it_steps_are_eager_and_say_so(change, expected):
    code = TRAINS.format(change=change)
    done = subprocess.run([sys.executable, '-c', code], capture_output=True, text=True, check=False)
    assert done.stdout.startswith(expected), done.stdout + done.stderr
