"""What do declared parameters cost? Parsing a tree of sources, and reading a value while the code runs.

    python benchmarks/declare.py [--files 1000]

Parsing: files of 200 lines, of which one in ten declares parameters (as in a project), or all of them do (the
worst case); beside it the time that Python's own parser takes for the files that are parsed. Reading: the
median over rounds of `_('width', 64)` and `_('width')`, set by the user or not, less that of the empty loop.
"""

import argparse
import ast
import os
import statistics
import tempfile
import time
import timeit
from pathlib import Path

from sweeper.declare import HyperParameterManager

CODE = '''
class Block{n}(nn.Module):
    """A block of layers, as they are written everywhere."""

    def __init__(self, channels, *, stride=1, activation='relu'):
        super().__init__()
        self.layers = nn.Sequential(
            nn.Conv2d(channels, 2 * channels, kernel_size=3, stride=stride, padding=1, bias=False),
            nn.BatchNorm2d(2 * channels),
        )
        self.scale = [scale * stride for scale in (1.0, 0.5, 0.25) if scale >= 0.25]

    def forward(self, images):
        if self.training and images.shape[0] < 2:
            raise ValueError(f'{{images.shape}} is too small a batch')
        return activate(self.layers(images) * self.scale[0], self.activation)

'''
BLOCKS, ROUNDS = 11, 7
DECLARES = "    width = _('part{file}.width{n}', {n}, range=(1, 64))\n    depth = _('part{file}.depth')\n"


def write_tree(folder, files, every):
    """Writes `files` modules, of which one in `every` declares parameters."""
    for file in range(files):
        declares = file % every == 0
        head = 'from sweeper.m import _\nfrom torch import nn\n' if declares else 'from torch import nn\n'
        declared = ''.join(
            f'def build{n}():\n{DECLARES.format(file=file, n=n)}    return width * depth\n' for n in range(4)
        )
        path = folder / f'package{file // 50}' / f'module{file}.py'
        path.parent.mkdir(exist_ok=True)
        path.write_text(head + ''.join(CODE.format(n=n) for n in range(BLOCKS)) + declared * declares)


def bench_parsing(files):
    for every in (10, 1):
        with tempfile.TemporaryDirectory() as name:
            folder = Path(name)
            write_tree(folder, files, every)
            lines = sum(path.read_bytes().count(b'\n') for path in folder.rglob('*.py'))
            manager = HyperParameterManager('_')
            start = time.perf_counter()
            manager.parse_file(folder)
            ours = time.perf_counter() - start
            start = time.perf_counter()
            for path in folder.rglob('*.py'):
                text = path.read_text()
                if '_(' in text.replace('__(', ''):
                    ast.parse(text)
            python = time.perf_counter() - start
            print(
                f'{files} files, {lines} lines, one in {every} declares: {ours:.2f} s for '
                f'{len(manager.get_nodes())} parameters; ast.parse alone: {python:.2f} s'
            )


def bench_reading():
    manager = HyperParameterManager('_')
    manager.parse_source("_('width', 64)")
    statements = {
        'the loop': 'pass',
        "_('width', 64)": "_('width', 64)",
        "_('width', 64, range=(1, 128))": "_('width', 64, range=(1, 128))",
        "_('width')": "_('width')",
        "_('width'), set": "_('width')",
        'a dict': "d['width']",
    }
    number = 200_000
    for name, statement in statements.items():
        if name.endswith('set'):
            manager.set_value('width', 128)
        timer = timeit.Timer(statement, globals={'_': manager, 'd': {'width': 64}})
        seconds = statistics.median(timer.repeat(ROUNDS, number)) / number
        print(f'{name}: {seconds * 1e9:.0f} ns')


if __name__ == '__main__':
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument('--files', type=int, default=1000)
    arguments = parser.parse_args()
    print(f'{os.cpu_count()} cores')
    bench_parsing(arguments.files)
    bench_reading()
