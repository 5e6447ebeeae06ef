"""Imports point downward only, and never in a circle (docs/architecture.md, *Layers*)."""

import ast
import graphlib
import re
from pathlib import Path

import pytest

import sweeper

ROOT = Path(sweeper.__file__).parent

# Top to bottom; what is on one line may import the lines below and, if it is a folder, itself.
LAYERS = [
    ['__main__'],
    ['cli'],
    ['api', 'loading'],
    ['adapters'],
    ['testing'],
    ['session'],
    ['options'],
    ['literals'],
    ['architectures', 'config'],
    ['report'],
    ['run'],
    ['executors'],
    ['selectors'],
    ['listeners'],
    ['work'],
    ['tuning'],
    ['training'],
    ['problem'],
    ['m'],
    ['declare'],
    ['events'],
    ['store'],
    ['results'],
    ['pareto'],
    ['objectives', 'space', 'tables'],
    ['metric'],
    ['points', 'step_kind'],
    ['frozen'],
    ['seeding'],
    ['io'],
    ['executor_options'],
    ['amounts', 'cores', 'garbage', 'pipes', 'stats'],
    ['signals'],
    ['extras'],
    ['source'],
    ['annotations', 'errors', 'keywords'],
    ['text', 'version'],
]
LEVEL = {name: level for level, names in enumerate(LAYERS) for name in names}
MODULES = {
    '.'.join(path.relative_to(ROOT).with_suffix('').parts).removesuffix('.__init__'): path
    for path in sorted(ROOT.rglob('*.py'))
    if path != ROOT / '__init__.py'
}


def imported_modules(module: str, path: Path, modules=MODULES) -> set[str]:
    """The modules of the package that a module's source imports anywhere in it, relative to the package."""
    package = module.split('.') if path.name == '__init__.py' else module.split('.')[:-1]
    found: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            names = [name.name.split('.') for name in node.names]
            found |= {'.'.join(parts[1:]) for parts in names if parts[0] == 'sweeper'}
        elif isinstance(node, ast.ImportFrom):
            parts = (node.module or '').split('.') if node.module else []
            if node.level:
                parts = [*package[: len(package) - node.level + 1], *parts]
            elif parts[:1] == ['sweeper']:
                parts = parts[1:]
            else:
                continue
            base = '.'.join(parts)
            for name in node.names:  # a module of a package, or a name in a module
                inner = '.'.join([*parts, name.name])
                found.add(inner if inner in modules else base)
    return found


def breaches(module: str, imported: set[str]) -> list[str]:
    """What a module imports that it may not."""
    own = module.split('.')[0]
    found = []
    for other in sorted(imported):
        top = other.split('.')[0]
        if other == '' or (top != own and LEVEL[top] <= LEVEL[own]):
            found.append(f'{module} imports {other or "the package itself"}')
    return found


def test_every_module_has_a_layer():
    unknown = {module.split('.')[0] for module in MODULES} - LEVEL.keys()
    assert not unknown, f'give {sorted(unknown)} a place in LAYERS, as docs/architecture.md has it'


def test_the_document_has_the_same_layers():
    text = (ROOT.parent / 'docs' / 'architecture.md').read_text()
    _, _, section = text.partition('\n## Layers\n')
    rows = [line.split(' | ')[0] for line in section.partition('\n## ')[0].splitlines() if line[:3] == '| `']
    assert [re.findall('`(\\w+)`', row) for row in rows] == LAYERS, 'docs/architecture.md, *Layers*'


@pytest.mark.parametrize('module', MODULES)
def test_imports_point_downward(module):
    assert breaches(module, imported_modules(module, MODULES[module])) == []


def test_no_imports_go_in_a_circle():
    graph = {module: imported_modules(module, path) - {module} for module, path in MODULES.items()}
    assert all(other in MODULES for imported in graph.values() for other in imported)
    graphlib.TopologicalSorter(graph).prepare()  # raises CycleError, which names the circle


@pytest.mark.parametrize(
    ('module', 'source', 'expected'),
    [
        ('store.lock', 'from ..tuning.curves import combine', ['store.lock imports tuning.curves']),
        ('store.lock', 'def f():\n    from .. import api', ['store.lock imports api']),
        ('store.lock', 'import sweeper.api', ['store.lock imports api']),
        ('store.lock', 'from sweeper import load', ['store.lock imports the package itself']),
        ('store.lock', 'if TYPE_CHECKING:\n    from ..api import load', ['store.lock imports api']),
        ('errors', 'from .cores import usable_cores', ['errors imports cores']),
        ('points', 'from .errors import InvalidPoint', []),
        ('store.lock', 'from .layout import SweepLayout\nimport json\nfrom json import loads', []),
        ('api', 'from .report.live.progress import open_progress', []),
    ],
)
def test_the_reader_of_imports_sees_them_all(tmp_path, module, source, expected):
    path = tmp_path / 'module.py'
    path.write_text(source)
    assert breaches(module, imported_modules(module, path)) == expected
