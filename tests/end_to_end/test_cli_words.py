"""Errors of the command line are in its own words: nothing of Python's, and what was typed as it was."""

import re
import shutil
import sys

import pytest
from hypothesis import given
from hypothesis import strategies as st
from typer.testing import CliRunner

import sweeper
from sweeper import FixedSweep, InvalidArgument, SweepConfig, cli
from sweeper.cli.options import as_options
from sweeper.literals import choices_of, range_of

PYTHON = re.compile(
    r"\bNone\b|\bTrue\b|\bFalse\b|\[Errno|\w(?:Error|Exception)\(|<class|Traceback|[A-Za-z_]\w*=['\"\[]"
    r'|HyperparameterSettings|__main__|param_selector|(?:^|\s)if_changed|sweep_cores|on_error|log_dir|tracking_uri'
)
ACT = """
from sweeper.m import _

def record(text):
    return _('act', 'ReLU', choices=['ReLU', 'Tanh'])
"""
RUN = [
    'run',
    'problem.py',
    '--executor',
    'inline',
    '--preset',
    'fastest',
    '--progress',
    'none',
    '--out',
    'new',
]
WRONG = [
    '',
    'run',
    'run nofile.py',
    'run nomodule',
    'run no.module',
    'run .',
    'run afile',
    'run problem.txt',
    'run incomplete.py',
    'run listed.py',
    'run own.py --trials 3',
    '+',
    'run problem.py --grid width=2 --lr 0.1 --batch-size 8 --preset fast',
    '+--grid width',
    '+--grid =2',
    '+--grid width=',
    '+--grid widht=2',
    '+--grid width=2,,3',
    '+--grid width=2,2',
    '+--grid width=a,a',
    '+--grid width=(1,2),[1,2]',
    '+--grid width=1,true',
    '+--grid width=8..16',
    '+--grid depth=2',
    '+--grid width=2 --grid act=Relu',
    '+--grid width=2 --grid act=2',
    '+--grid width=2 --random depth=1..2',
    '+--grid width=2 3',
    '+--declared yes',
    '+--declared --grid foo=2',
    '+--random width=2..3 --points 9',
    '+--random width=2..x',
    '+--random width=2..',
    '+--random width=3..2',
    '+--random width=0..2:log',
    '+--random width=2..8:lin',
    '+--random width=1..inf',
    '+--random width=2-8',
    '+--random width=true..false',
    '+--random width=2..8 --points 0',
    '+--random width=2..8 --points x',
    '+--point width',
    '+--point 2',
    '+--point width=2,width=3',
    '+--point widht=2',
    '+--point width=2 --set width=2',
    '+--set width',
    '+--set width=2 --grid width=3',
    '+--set momentum=0 --grid width=2',
    '+--grid width=2 --trials -1',
    '+--grid width=2 --trials x',
    '+--grid width=2 --trials 1.5',
    '+--grid width=2 --seed -1',
    '+--grid width=2 --seed 99999999999999999999',
    '+--grid width=2 --seed x',
    '+--grid width=2 --points 2',
    '+--grid width=2 --preset quick',
    '+--grid width=2 --sweep-cores 0',
    '+--grid width=2 --cores 0',
    '+--grid width=2 --cores x',
    '+--grid width=2 --executor slurm',
    '+--grid width=2 --on-error ignore',
    '+--grid width=2 --if-changed ask',
    '+--grid width=2 --if-changed accept',
    '+--grid width=2 --if-changed accept:',
    '+--grid width=2 --if-changed accept:sauce',
    '+--grid width=2 --retries -1',
    '+--grid width=2 --timeout 0',
    '+--grid width=2 --timeout -1',
    '+--grid width=2 --timeout nan',
    '+--grid width=2 --timeout x',
    '+--grid width=2 --timeout 5',
    '+--grid width=2 --memory much',
    '+--grid width=2 --memory 0',
    '+--grid width=2 --memory 2GB',
    '+--grid width=2 --device cpuu',
    '+--grid width=2 --device cuda:9',
    '+--grid width=2 --device meta',
    '+--grid width=2 --step fast',
    '+--grid width=2 --progress loud',
    '+--grid width=2 --progress rich --quiet',
    '+--grid width=2 --tensorboard afile',
    '+--grid width=2 --load nofile.yaml',
    '+--grid width=2 --load afile',
    '+--grid width=2 --load adir',
    '+--grid width=2 --load list.yaml',
    '+--grid width=2 --load values.pkl',
    '+--grid width=2 --lod x',
    '+--grid width=2 --out afile',
    '+--grid width=2 --out afile/x',
    '+--grid width=2 --out full',
    '+--grid width=2 --out done --seed 3',
    '+--grid width=2 --out done --sweep-cores 2',
    '+--grid width=2 --out done --preset fast',
    '+--grid width=2 --out done --step eager',
    'status',
    'status nothere',
    'status afile',
    'status adir',
    'status done extra',
    'status done --interval 0',
    'status done --interval x',
    'report nothere',
    'report afile',
    'report done --format pdf',
    'report done --out adir',
    'report done --format md --representations best',
    'report done --representations 99',
    'report done --out afile/x',
    'report done --representations width=3',
    'report done --representations widht=3',
    'report done --out /nowhere/x',
    'plot done',
    'plot done bored --out x.pdf',
    'plot done board --out x.gif',
    'plot done board --out afile/x.pdf',
    'plot done board --out x.pdf --x width',
    'plot done board --out x.pdf --point 0',
    'plot done board --out x.pdf --width 0',
    'plot done parameter --out x.pdf --x widht',
    'plot done heatmap --out x.pdf',
    'plot done cost --out x.pdf --cost money',
    'plot done training --out x.pdf --point width=99',
    'plot done training --out x.pdf --point wdth=2',
    'plot done board --out x.pdf --width x',
    'collate nothere',
    'collate afile',
    'params nothere',
    'params problem.py --format xml',
    'params problem.py --set act',
    'params problem.py --set act=Gelu',
    'params problem.py --set atc=ReLU',
    'params problem.py --load nofile.yaml',
    'params problem.py --load afile',
    'params problem.py --save adir',
    'params problem.py --save afile/x.yaml',
    'params problem.py --save /nowhere/x.yaml',
    '',
][1:-1]
"""Commands; a `+` stands for `RUN`."""


@pytest.fixture(scope='module')
def workplace(problem_file, sweep_inline, tmp_path_factory):
    """A folder with a problem, a sweep of it, and all kinds of things that are neither."""
    folder = tmp_path_factory.mktemp('workplace')
    problem = problem_file(folder, record=ACT)
    (folder / 'problem.py').write_text(problem.text)
    (folder / 'incomplete.py').write_text('def model(width): ...\n')
    (folder / 'listed.py').write_text(problem.text + 'selector = [(2,)]\n')
    (folder / 'own.py').write_text(problem.text + 'def selector(): ...\n')
    (folder / 'afile').touch()
    (folder / 'list.yaml').write_text('[1, null]\n')
    (folder / 'values.pkl').touch()
    (folder / 'adir').mkdir()
    (folder / 'full').mkdir()
    (folder / 'full' / 'something').touch()
    selector = FixedSweep.with_grid({'width': [2, 4]}, 1)
    sweep_inline(folder / 'problem.py', selector, folder / 'done', hparams='fastest')
    return folder


def without_what_was_typed(said, words):
    for word in sorted(words, key=len, reverse=True):
        said = re.sub(rf"(?<!['\"]){re.escape(word)}(?!['\"])", '…', said)
    return said


def in_words_of_the_command_line(said, words):
    """Whether a message has nothing of Python, and no quotes around what was typed without."""
    rest = without_what_was_typed(said, words)
    parts = {part for word in words for part in re.split('[=,]', word) if part and not part.startswith('-')}
    quoted = [part for part in parts if f"'{part}'" in rest]
    return not PYTHON.search(rest) and not quoted


@pytest.mark.slow
@pytest.mark.parametrize('command', WRONG)
def test_what_is_wrong_is_said_in_the_words_of_the_command_line(command, workplace, monkeypatch):
    monkeypatch.chdir(workplace)
    words = [*RUN, *command[1:].split()] if command.startswith('+') else command.split()
    monkeypatch.setattr(sys, 'argv', ['sweeper', *words])
    done = CliRunner().invoke(cli.app, words, prog_name='sweeper')
    shutil.rmtree('new', ignore_errors=True)
    assert done.exit_code == cli.WRONG_INPUT, done.output
    said = done.output.replace("Did you mean 'run'?", '')
    assert 'rror' in said
    assert in_words_of_the_command_line(said, [*words, str(workplace)]), said


CHOICES = ['executor', 'on_error', 'if_changed', 'progress', 'step']
TEXTS = st.text(st.characters(codec='ascii', categories=('L', 'N', 'P')), min_size=1, max_size=8)


@given(st.sampled_from(CHOICES), TEXTS.map('~{}'.format))
def test_any_wrong_text_is_shown_as_it_was_typed(name, text):
    with pytest.raises(InvalidArgument) as caught:
        SweepConfig(**{name: text})
    said = as_options(caught.value)
    assert said.startswith(f'--{name.replace("_", "-")} {text}: ')
    assert not PYTHON.search(said.replace(text, ''))


RANGES = st.from_regex(r'-?\d{1,2}\.\.-?\d{1,2}(:log)?', fullmatch=True)


@given(st.sampled_from([range_of, choices_of]), TEXTS | RANGES)
def test_values_are_what_they_can_be_or_refused_without_python(parse, text):
    said = ''
    try:
        parse(text)
    except InvalidArgument as error:
        said = str(error)
    assert not PYTHON.search(said.replace(text, ''))


COMMANDS = ('run', 'status', 'report', 'plot', 'collate', 'params')


@pytest.mark.parametrize('command', [[], *([one] for one in COMMANDS)], ids=str)
def test_help_says_what_a_command_is_for_and_switches_take_no_value(command):
    told = CliRunner().invoke(cli.app, [*command, '--help']).output
    assert 'is above' not in told and '<bool>' not in told
    if command in ([], ['run']):
        assert 'Run a sweep, or continue it' in told
    assert re.search(r'--help +Show this message', told)


def test_the_version_is_told():
    assert CliRunner().invoke(cli.app, ['--version']).output == f'sweeper {sweeper.__version__}\n'
