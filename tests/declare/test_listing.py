"""`sweeper params`: what source code declares, without importing it."""

import json
import subprocess
import sys
from pathlib import Path

import pytest
from typer.testing import CliRunner

from sweeper.cli import WRONG_INPUT, app
from sweeper.declare import HyperParameterManager
from sweeper.declare.listing import detail_table
from sweeper.text import one_line

ROOT = Path(__file__).parents[2]


@pytest.fixture
def project(tmp_path, monkeypatch):
    """A project that must not be imported."""
    (tmp_path / 'model.py').write_text(
        "from sweeper.m import _, hp\nraise SystemExit('imported')\n\n"
        'def model():\n'
        "    return f(_('net.width', 64, choices=[32, 64]), _('net.act', nn.ReLU), hp('a', 1))\n"
    )
    (tmp_path / 'data.py').write_text(
        "from sweeper.m import _\nraise SystemExit\n_('net.width') + _('batch')\n"
    )
    monkeypatch.chdir(tmp_path)
    return tmp_path


def params(*arguments):
    done = CliRunner().invoke(app, ['params', *map(str, arguments)])
    assert done.exception is None or isinstance(done.exception, SystemExit), done.exception
    return done


def test_the_table_has_value_type_and_every_place_in_its_context(project):
    done = params('.')
    assert done.exit_code == 0
    lines = [line.strip('| ') for line in done.stdout.splitlines()]
    assert "['net.width', 'batch', 'net.act']" in lines
    assert any(line.startswith('net.width | int') and '| 64 ' in line for line in lines)
    assert any('no default' in line for line in lines)
    assert any('nn.ReLU (computed by the code)' in line for line in lines)
    text = done.stdout
    assert text.index('data.py:3') < text.index('model.py:5')
    assert "==> 3: _('net.width') + _('batch')" in text
    assert '`hp` is a manager, too (parameters: 1): --manager hp' in done.stderr


def test_as_yaml_and_json(project):
    assert params(project, '--format', 'yaml').stdout.splitlines() == [
        'net:',
        '  width: 64',
        '# batch: no default (data.py:3)',
        '# net.act: nn.ReLU (computed by the code) (model.py:5)',
    ]
    assert json.loads(params('model.py', '--format', 'json').stdout) == {'net': {'width': 64}}
    assert json.loads(params('model.py', '--manager', 'hp', '--format', 'json').stdout) == {'a': 1}


def test_values_can_be_set_loaded_and_saved(project):
    done = params('.', '--set', 'net.width=32', '--set', 'batch=8', '--save', 'a.json', '--format', 'json')
    assert (
        json.loads(done.stdout)
        == json.loads(Path('a.json').read_text())
        == {'net': {'width': 32}, 'batch': 8}
    )
    assert json.loads(params('.', '--load', 'a.json', '--format', 'json').stdout)['batch'] == 8


@pytest.mark.parametrize(
    ('arguments', 'error'),
    [
        (['nowhere'], 'nowhere: there is no such file'),
        (['.', '--format', 'xml'], 'there is no format xml'),
        (['.', '--set', 'net.width'], 'must be NAME=VALUE'),
        (['.', '--set', 'net.width=x'], 'x is not a whole number'),
        (['.', '--set', 'net.width=5'], '5 is not among its choices 32, 64'),
        (['.', '--set', 'net.witdh=5'], 'did you mean `net.width`?'),
        (['.', '--load', 'nowhere.json'], 'cannot read nowhere.json'),
    ],
)
def test_wrong_input_is_named(project, arguments, error):
    done = params(*arguments)
    assert done.exit_code == WRONG_INPUT
    assert error in done.stderr


def test_doubts_are_told_beside_the_listing(project):
    (project / 'doubt.py').write_text("from sweeper.m import _\ndef f(_): _('x', 1)\n")
    done = params('doubt.py', '--format', 'json')
    assert done.exit_code == 0
    assert done.stderr.startswith("warning: doubt.py:2: `_('x', 1)` is not taken for a parameter")
    assert done.stdout == '{}\n'


def test_the_command_works_from_a_shell_without_importing_anything_heavy(project):
    code = "import sys, sweeper.cli; sys.argv[1:] = ['params', '.', '--format', 'json']\n"
    code += 'try: sweeper.cli.main()\nexcept SystemExit: print(*sys.modules)'
    command = [sys.executable, '-c', code]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert done.stdout.startswith('{\n  "net"')
    assert not {'torch', 'numpy', 'yaml', 'scipy', 'model', 'data'}.intersection(done.stdout.split())


def test_sources_cannot_steer_the_terminal():
    assert one_line('a\x1b[31mä\r') == 'a\\x1b[31mä\\r'
    manager = HyperParameterManager('_').parse_source(
        "_('x\x1b[2J', '\x1b]0;title\x07')  # \x1b[31m [bold]", 'a\x1b.py'
    )
    from rich.console import Console

    console = Console(width=200, force_terminal=True, no_color=True)
    with console.capture() as capture:
        console.print(detail_table(manager.get_nodes()))
    shown = capture.get()
    assert '[2J' in shown and '[bold]' in shown
    for wrong in ('\x1b[2J', '\x1b]0', '\x07', '\x1b[31m [bold]', 'a\x1b.py'):
        assert wrong not in shown
