"""Figures on the command line."""

import subprocess
import sys
from pathlib import Path

import pytest

from sweeper import FixedSweep, NamedPoint, cli

pytestmark = pytest.mark.slow

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope='module')
def folder(problem_file, sweep_inline, tmp_path_factory):
    path = tmp_path_factory.mktemp('plot')
    points = [NamedPoint(width=width, depth=1) for width in (2, 4)]
    sweep_inline(problem_file(path).path, FixedSweep.with_fixed_trials(points, 2), path / 'out')
    return path / 'out'


def plot(*arguments):
    code = (
        'import sys; from sweeper.cli import main\n'
        'try: main()\n'
        'finally: assert not {"matplotlib.pyplot", "torch"} & sys.modules.keys()'
    )
    command = [sys.executable, '-c', code, 'plot', *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, cwd=ROOT)


@pytest.mark.parametrize(
    ('kind', 'options', 'shown'),
    [
        ('board', ['--width', '3.3'], 'width=4 depth=1'),
        ('cost', ['--cost', 'parameters'], 'parameters'),
        ('training', ['--point', 'width=2', '--point', '1'], 'width=2 depth=1'),
    ],
)
def test_plot_writes_a_figure(folder, tmp_path, kind, options, shown):
    done = plot(folder, kind, '--out', tmp_path / 'x.svg', *options)
    assert (done.returncode, done.stderr) == (0, '')
    assert done.stdout == f'wrote {tmp_path / "x.svg"}\n'
    assert shown in (tmp_path / 'x.svg').read_text()


@pytest.mark.parametrize(
    ('arguments', 'message'),
    [
        (['bord', '--out', 'x.pdf'], 'there is no figure of the kind bord; valid are board,'),
        (['board', '--out', 'x.gif'], 'the format of x.gif'),
        (
            ['parameter', '--x', 'height', '--out', 'x.pdf'],
            'no parameter height; valid are width, depth',
        ),
        (['training', '--point', '7', '--out', 'x.pdf'], 'no point 7; ids go from 0 to 1'),
    ],
)
def test_plot_refuses_wrong_input(folder, arguments, message):
    done = plot(folder, *arguments)
    assert done.returncode == cli.WRONG_INPUT
    assert message in done.stderr and 'Traceback' not in done.stderr
    assert not (ROOT / 'x.pdf').exists()


def test_the_kinds_are_told_by_help():
    from sweeper.report.figures.plotting import KINDS

    told = ' '.join(plot('--help').stdout.replace('│', ' ').split())
    assert ', '.join([*KINDS][:-1]) + f' or {[*KINDS][-1]}.' in told
