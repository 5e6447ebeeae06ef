"""Reading a results folder from someone else runs nothing of what is in it and touches nothing beside it.

What is read is either results or an error that says what is wrong, whatever the files hold. The folders are
read in processes of their own, which notice if anything is executed.
"""

import ast
import io
import json
import os
import pickle
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import numpy as np
import pytest

import sweeper
from sweeper.store.layout import SweepLayout

pytestmark = pytest.mark.slow

ROOT = Path(sweeper.__file__).parent

# Reads the folders that it is told of, each in a process of its own. Whatever is executed, written outside
# of the folder, or raised but a `SweepError` is told.
READER = r"""
import contextlib, io, json, os, pickle, signal, sys, traceback, warnings
sys.dont_write_bytecode = True
modules, harmless = sys.argv[1:]
sys.path.insert(0, modules)
import hostile
from sweeper import cli, load
from sweeper.errors import SweepError

EXECUTES = ('pickle.find_class', 'os.system', 'os.exec', 'os.posix_spawn', 'os.fork', 'subprocess.Popen')
# The events that change a path: where in their arguments it is, and the folder that it is relative to.
CHANGES = {
    'os.remove': (0, 1), 'os.rmdir': (0, 1), 'os.mkdir': (0, 2), 'os.rename': (1, 3), 'os.truncate': (0, None)
}
WRITES = os.O_WRONLY | os.O_RDWR | os.O_CREAT | os.O_TRUNC
ACTIONS = ('load', 'status', 'collate')
now = {}

def is_allowed(path, directory=-1):
    base = '.' if directory in (None, -1) else f'/proc/self/fd/{directory}'
    path = os.path.join(os.path.realpath(base), os.fsdecode(path))
    path = os.path.join(os.path.realpath(os.path.dirname(path)), os.path.basename(path))
    return now['action'] == 'collate' and path.startswith(now['folder'] + '/')

def hook(event, args):
    if event.startswith(EXECUTES) or (event == 'import' and args[0] == 'trap'):
        now['told'].append(f'{event} {args}')
    elif event == 'open' and isinstance(args[0], (str, bytes)) and isinstance(args[2], int):
        # Whether a link was followed is seen from what it points to.
        if args[2] & WRITES and not os.path.islink(args[0]) and not is_allowed(args[0]):
            now['told'].append(f'writes {args[0]}')
    elif event in CHANGES and not (event == 'os.mkdir' and os.path.isdir(args[0])):
        name, directory = CHANGES[event]
        if not is_allowed(args[name], -1 if directory is None else args[directory]):
            now['told'].append(f'{event} {args}')

def act(action, folder):
    if folder.endswith('/bomb.pt'):  # to see that it would be noticed
        pickle.load(open(folder, 'rb'))
    if action == 'load':
        results = load(folder)
        repr((results, results.failures, results.flags, results.nuisance))
        return 'fine'
    return 'refused' if cli.app([action, folder], standalone_mode=False) else 'fine'

def answer(action, folder):
    now.update(action=action, folder=folder, told=[])
    said = io.TextIOWrapper(io.BytesIO(), 'utf-8')
    try:
        with contextlib.redirect_stdout(said), contextlib.redirect_stderr(said):
            outcome = act(action, folder)
    except SweepError as error:
        outcome = 'refused'
        said.write(str(error).encode(errors='replace').decode())
    except BaseException:
        outcome = 'raised'
        said.write(traceback.format_exc().encode(errors='replace').decode())
    said.flush()
    text = said.buffer.getvalue()[-3000:].decode(errors='replace')
    return {'outcome': outcome, 'said': text, 'told': now['told']}

for action in ACTIONS:
    assert answer(action, harmless)['outcome'] == 'fine'  # all that is needed is imported by now
for line in sys.stdin:
    reading, writing = os.pipe()
    child = os.fork()
    if not child:
        signal.alarm(20)
        sys.addaudithook(hook)
        with open(writing, 'w') as file:
            for action in ACTIONS:
                print(json.dumps([action, answer(action, line[:-1])]), file=file, flush=True)
        os._exit(0)
    os.close(writing)
    with open(reading) as file:
        answers = dict(map(json.loads, file))
    status = os.waitpid(child, 0)[1]
    for action in ACTIONS:
        answers.setdefault(action, {'outcome': f'ended with {status}', 'said': '', 'told': []})
    print(json.dumps(answers), flush=True)
"""
MARK = "import pathlib; pathlib.Path({!r}).joinpath('executed-' + {!r}).touch()"
HOSTILE = """
import enum, pathlib

def executed(what):
    pathlib.Path({marks!r}).joinpath(f'executed-{{what}}').touch()

def __getattr__(name):
    executed('getattr of the module')
    raise AttributeError(name)

class Meta(type):
    def __getattr__(cls, name):
        executed('getattr of a class')
        raise AttributeError(name)

class Descriptor:
    def __get__(self, *_):
        executed('descriptor')

class Class(metaclass=Meta):
    descriptor = Descriptor()
    @property
    def value(self):
        executed('property')
    @classmethod
    def __class_getitem__(cls, name):
        executed('getitem of a class')
    def __init__(self, *_):
        executed('class')

class Instance:
    def __getattr__(self, name):
        executed('getattr of an instance')
        raise AttributeError(name)
    def __getitem__(self, name):
        executed('getitem')
    def __hash__(self):
        executed('hash')
        return 1
    def __eq__(self, other):
        executed('equals')
        return False
    def __repr__(self):
        executed('repr')
        return ''
    def __call__(self, *_):
        executed('call')

class Unhashable:
    __hash__ = None

class Colour(enum.Enum):
    RED = 1
    @classmethod
    def _missing_(cls, value):
        executed('missing')
    @property
    def shade(self):
        executed('property of an enum')

instance, unhashable = Instance(), Unhashable()
"""


class Reader:
    """The process that reads folders."""

    def __init__(self, place, harmless):
        self.marks = place / 'marks'
        self.marks.mkdir()
        modules = place / 'modules'
        modules.mkdir()
        (modules / 'hostile.py').write_text(HOSTILE.format(marks=str(self.marks)))
        (modules / 'trap.py').write_text(MARK.format(str(self.marks), 'import'))
        self._process = subprocess.Popen(
            [sys.executable, '-c', READER, str(modules), str(harmless)],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
            cwd=place, env=os.environ | {'PYTHONPATH': str(ROOT.parent)},
        )  # fmt: skip

    def read(self, folder):
        """Returns what loading, `sweeper status` and `sweeper collate` came to."""
        self._process.stdin.write(f'{folder}\n')
        self._process.stdin.flush()
        return json.loads(self._process.stdout.readline())

    def close(self):
        self._process.communicate(timeout=60)


@pytest.fixture(scope='module')
def reader(whole, tmp_path_factory):
    place = tmp_path_factory.mktemp('reader').resolve()
    reader = Reader(place, shutil.copytree(whole, place / 'harmless'))
    yield reader
    reader.close()


@pytest.fixture(scope='module')
def whole(example, tmp_path_factory):
    folder = tmp_path_factory.mktemp('whole') / 'sweep'
    with example.opened(folder) as store:
        example.fill(store)
        store.add_points([(9, None)])
        store.write_run((9, None), 0, 0, 'one', {'loss': np.arange(3.0)})
    return example.without_checksums(folder)  # which would be refused before they are looked at


@pytest.fixture
def folder(whole, in_memory):
    return shutil.copytree(whole, in_memory.resolve() / 'sweep')


@pytest.fixture
def assert_harmless(reader, folder):
    """Asserts that nothing is executed or written beside the folder, and that no traceback is shown."""

    def check(*expected):
        answers = reader.read(folder)
        assert [path.name for path in reader.marks.iterdir()] == []
        for action, answer in answers.items():
            assert answer['told'] == []
            assert answer['outcome'] in (expected or ('fine', 'refused')), f'{action}: {answer["said"]}'
            assert answer['outcome'] != 'refused' or answer['said'].strip()
        return answers

    yield check
    for path in reader.marks.iterdir():
        path.unlink()


class Bomb:
    """Makes a mark when it is unpickled."""

    def __init__(self, marks):
        self._mark = str(marks / 'executed-pickle')

    def __reduce__(self):
        return os.mkdir, (self._mark,)


def replace_cell(folder, text, everywhere=False):
    """Puts a text in place of the first parameter of the first point, in both lists."""
    layout = SweepLayout(folder)
    if everywhere:
        for path in (layout.params_csv, layout.params_csv_copy):
            path.unlink()
        change_json(layout.point(0).misc, params={'width': text, 'nonlinearity': 'relu'})
        change_json(
            layout.point(3).error, params={'width': text}, kind='E', message='', phase='tuning', others=[]
        )
        return
    quoted = '"' + text.replace('"', '""') + '"'
    for path in (layout.params_csv, layout.params_csv_copy):
        content = path.read_text()
        assert '\n0,16,' in content
        path.write_bytes(content.replace('\n0,16,', f'\n0,{quoted},').encode('utf-8', 'surrogatepass'))


def change_json(path, **values):
    data = json.loads(path.read_bytes()) if path.exists() else {}
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(data | values))


def test_a_harmless_folder_is_read(reader, folder, assert_harmless):
    answers = assert_harmless('fine')
    assert '4 points, 3 tuned, 4 trials done, 1 failed' in answers['status']['said']


def test_what_is_executed_is_noticed(reader, folder):
    (folder / 'bomb.pt').write_bytes(pickle.dumps(Bomb(reader.marks)))
    answer = reader.read(folder / 'bomb.pt')['load']
    assert any('pickle.find_class' in told for told in answer['told'])
    assert any('os.mkdir' in told for told in answer['told'])
    (mark,) = reader.marks.iterdir()
    mark.rmdir()


# Pickles

OPAQUE = [
    'points/params_lookup.pt',
    'points/funcres.pt',
    'points/0/trials/0/model.pt',
    'points/0/trials/0/model_init.pt',
    'points/0/trials/0/throughtime.npz',
    'points/0/hparams/lr_vs_perf.npz',
    'points/0/results.npz',
    'points/3/hparams/runs/0-0.npz',
]


def _as_pickle(bomb):
    return pickle.dumps(bomb)


def _as_torch_archive(bomb):
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, 'w') as archive:
        archive.writestr('archive/data.pkl', pickle.dumps({'weight': bomb}))
        archive.writestr('archive/version', '3\n')
    return buffer.getvalue()


def _as_object_array(bomb):
    buffer = io.BytesIO()
    np.savez(buffer, request=np.array([bomb], dtype=object), losses=np.array([bomb], dtype=object))
    return buffer.getvalue()


@pytest.mark.parametrize('written', [_as_pickle, _as_torch_archive, _as_object_array])
def test_pickles_are_not_loaded(reader, folder, assert_harmless, written):
    for name in OPAQUE:
        (folder / name).write_bytes(written(Bomb(reader.marks)))
    assert_harmless('fine')


@pytest.mark.parametrize(
    'name', ['sweep.json', 'points/params.csv', 'points/0/hparams/final.json', 'running.json']
)
def test_a_pickle_in_place_of_text_is_not_loaded(reader, folder, assert_harmless, name):
    (folder / name).write_bytes(pickle.dumps(Bomb(reader.marks)))
    assert_harmless()


# References

REFERENCES = [
    {'import': 'os:system'},
    {'import': 'builtins:eval'},
    {'import': 'trap:boom'},
    {'import': 'trap'},
    {'import': 'hostile:missing'},
    {'import': 'hostile:missing.attribute'},
    {'import': 'hostile:Class'},
    {'import': 'hostile:Class.missing'},
    {'import': 'hostile:Class.value'},
    {'import': 'hostile:Class.descriptor'},
    {'import': 'hostile:instance'},
    {'import': 'hostile:instance.missing'},
    {'import': 'hostile:unhashable'},
    {'import': 'hostile:Colour.RED'},
    {'import': 'hostile:Colour.shade'},
    {'import': 'hostile'},
    {'import': ':'},
    {'import': 'sys:modules'},
    {'import': 'sys:path'},
    {'import': 'sys:stdout'},
    {'import': 'os:environ'},
    {'import': 'os:path.join'},
    {'import': '../../trap:boom'},
    {'import': None},
    {'import': ['os', 'system']},
    {'import': {'import': 'os:system'}},
    {'enum': 'trap:Colour', 'name': 'RED'},
    {'enum': 'hostile:Class', 'name': 'missing'},
    {'enum': 'hostile:instance', 'name': 'missing'},
    {'enum': 'hostile:Colour', 'name': 'shade'},
    {'enum': 'hostile:Colour', 'name': 'missing'},
    {'enum': 'hostile:Colour', 'name': ['RED']},
    {'enum': 'hostile:Colour'},
    {'enum': 'os:environ', 'name': 'PATH'},
    {'enum': 'sys:modules', 'name': 'os'},
    {'frozenset': 5},
    {'frozenset': {'a': 1}},
    {'frozenset': [{'import': 'sys:path'}]},
    {'frozenset': [{'frozenset': [{'import': 'hostile:instance'}]}]},
    {},
    {'unknown': 1},
    [{'import': 'os:system'}, [{'import': 'sys:modules'}]],
]


@pytest.mark.parametrize('reference', REFERENCES, ids=lambda value: json.dumps(value).replace('"', ''))
def test_a_reference_runs_nothing_and_imports_nothing(folder, assert_harmless, reference):
    replace_cell(folder, json.dumps(reference))
    assert_harmless()


@pytest.mark.parametrize('reference', REFERENCES[10::8], ids=lambda value: json.dumps(value).replace('"', ''))
def test_a_reference_in_a_points_own_record_runs_nothing_either(folder, assert_harmless, reference):
    replace_cell(folder, json.dumps(reference), everywhere=True)
    assert_harmless()


@pytest.mark.parametrize('reference', REFERENCES, ids=lambda value: json.dumps(value).replace('"', ''))
def test_a_reference_among_what_was_tuned_runs_nothing_either(folder, assert_harmless, reference):
    change_json(folder / 'points/0/hparams/final.json', nuisance={'x': reference})
    assert_harmless()


def test_references_to_functions_and_enums_that_are_there_are_read(folder, assert_harmless):
    replace_cell(folder, json.dumps([{'import': 'math:sqrt'}, {'enum': 'hostile:Colour', 'name': 'RED'}]))
    answers = assert_harmless('fine')
    assert '{"import": "math:sqrt"}' in answers['status']['said']


# Text that is no such thing

DEEP = '[' * 100_000
TEXTS = {
    'deep': DEEP,
    'deep and closed': DEEP + ']' * 100_000,
    'deep objects': '{"frozenset":' * 100_000,
    'deep sets': '{"frozenset": [' * 400 + ']}' * 400,
    'a long number': '9' * 100_000,
    'no number': 'NaN',
    'half a character': '"\\ud800"',
    'half a character as it is': '\ud800',
    'nothing': '\0',
    'escapes': '\x1b]0;title\x07',
    'markup': '[red]words[/blue] [link=file:///etc/passwd]here',
    'long': 'x' * 1_000_000,
}


@pytest.mark.parametrize('everywhere', [False, True], ids=['list', 'record'])
@pytest.mark.parametrize('text', TEXTS.values(), ids=TEXTS)
def test_a_parameter_may_be_any_text(folder, assert_harmless, text, everywhere):
    replace_cell(folder, text, everywhere)
    assert_harmless()


ANYTHING = {**TEXTS, 'none': None, 'number': 5, 'lists': [[]], 'object': {}, 'large': 10**400}


@pytest.mark.parametrize('text', ANYTHING.values(), ids=ANYTHING)
def test_what_is_declared_and_tuned_may_be_anything(folder, assert_harmless, text):
    key = text if isinstance(text, str) else 'x'
    change_json(folder / 'points/0/hparams/final.json', nuisance={key: text, 'width': text})
    change_json(folder / 'points/0/hparams/misc.json', unread=[text])
    declared = {key: {'role': 'fixed', 'default': text, 'places': [text]}, 'width': text}
    for name in ('sweep.json', 'copies/sweep.json'):
        for told in ({key: {'role': key, 'default': key, 'places': [key]}}, declared):
            change_json(folder / name, declared=told)
            assert_harmless()


def test_texts_of_declarations_are_shown_in_one_line(folder, assert_harmless):
    change_json(folder / 'points/0/hparams/final.json', nuisance={'x\x1b[2J': '\x1b[2J'})
    told = {'role': 'nuisance', 'default': '1', 'places': ['\x1b]0;title\x07.py:1', 'b']}
    for name in ('sweep.json', 'copies/sweep.json'):
        change_json(folder / name, declared={'x\x1b[2J': told})
    said = assert_harmless('fine')['status']['said']
    assert '\\x1b]0;title' in said and '\x1b' not in said


JSON_FILES = [
    'sweep.json',
    'copies/sweep.json',
    'running.json',
    'points/0/hparams/final.json',
    'points/0/hparams/misc.json',
    'points/0/trials/0/result.json',
    'points/1/error.json',
]


@pytest.mark.parametrize('text', [DEEP, '{"a":' * 100_000, '9' * 100_000], ids=['list', 'object', 'number'])
@pytest.mark.parametrize('name', JSON_FILES)
def test_a_json_file_may_be_any_text(folder, assert_harmless, name, text):
    (folder / name).write_text(text)
    assert_harmless()


@pytest.mark.parametrize('value', [None, '../../x', [[]], 10**400], ids=lambda value: repr(value)[:8])
@pytest.mark.parametrize('name', JSON_FILES)
def test_a_json_file_may_hold_values_of_any_kind(folder, assert_harmless, name, value):
    path = folder / name
    whole = path.read_bytes() if path.exists() else b'{"pid": 1, "host": "h", "since": "s"}'
    path.write_text(json.dumps(dict.fromkeys(json.loads(whole), value)))
    if name == 'sweep.json':
        (folder / 'copies/sweep.json').write_bytes(path.read_bytes())
    assert_harmless()


@pytest.mark.parametrize('phase', ['../../x', 'trial ../../x', 'trial -1', 'trial \u0663', 'trial \xb2', ''])
def test_a_failure_may_be_of_any_phase(folder, assert_harmless, phase):
    change_json(folder / 'points/1/error.json', phase=phase)
    assert_harmless()


# Paths


IDS = ['../../x', '/etc', '-1', '00', '0x0', '\u0660', ' 0', '0\0', '1e9', '9' * 5000, '']


@pytest.mark.parametrize('point_id', IDS, ids=lambda text: repr(text)[:8])
def test_an_id_is_no_path(folder, assert_harmless, point_id):
    for name in ('points/params.csv', 'copies/params.csv'):
        path = folder / name
        path.write_text(path.read_text().replace('\n0,', f'\n{point_id},'))
    assert_harmless()
    assert [path.name for path in folder.parent.iterdir()] == ['sweep']


@pytest.mark.parametrize('place', ['points', 'points/0/trials', 'earlier', 'damaged'])
def test_folders_may_have_any_name(folder, assert_harmless, place):
    for name in ('\u0663', '\xb2', '007', '9' * 20, '-1', '1e3', '9' * 200, 'x\ny', '\x1b[31m'):
        (folder / place / name).mkdir(parents=True)
    assert_harmless()


@pytest.fixture
def outside(folder):
    """A folder beside the sweep's, with someone's files."""
    outside = folder.parent / 'mine'
    for name in (
        'thesis.tex',
        'final.txt',
        '7/photo.jpg',
        '0/misc.json',
        'points/0/photo.jpg',
        'hparams/x/photo.jpg',
    ):
        (outside / name).parent.mkdir(parents=True, exist_ok=True)
        (outside / name).write_text('mine')
    return outside


FILES = [
    'running.json.partial', 'probe.partial', 'sweep.json.partial', 'copies/params.csv.partial',
    'points/results.csv.partial', 'points/0/results.npz.partial', 'sweep.json', 'log.txt', 'running.json',
    'points/params.csv', 'points/results.csv', 'points/funcres.pt', 'points/params_lookup.pt',
    'points/0/results.npz', 'points/0/hparams/final.json', 'points/0/hparams/misc.json',
    'points/0/hparams/lr_vs_perf.npz', 'points/0/trials/0/result.json', 'points/0/trials/0/model.pt',
    'points/1/error.json',
]  # fmt: skip


@pytest.mark.parametrize(
    ('name', 'target'),
    [(name, 'thesis.tex') for name in FILES] + [(name, 'nowhere') for name in FILES if 'partial' in name],
)
def test_what_a_link_in_place_of_a_file_points_to_is_left_alone(
    example, folder, outside, assert_harmless, name, target
):
    before = example.tree(outside)
    (folder / name).unlink(missing_ok=True)
    (folder / name).symlink_to(outside / target)
    assert_harmless()
    assert example.tree(outside) == before


@pytest.mark.parametrize('name', FILES[6:])
def test_a_link_to_itself_is_no_trap(folder, assert_harmless, name):
    (folder / name).unlink(missing_ok=True)
    (folder / name).symlink_to(folder / name)
    assert_harmless()


FOLDERS = [
    'points',
    'points/0',
    'points/0/trials',
    'points/0/trials/0',
    'points/0/hparams',
    'points/3/hparams/runs',
    'copies',
    'damaged',
    'earlier',
]


@pytest.mark.parametrize('name', FOLDERS)
def test_files_behind_a_link_in_place_of_a_folder_are_left_alone(reader, example, folder, outside, name):
    before = example.tree(outside)
    if (folder / name).exists():
        shutil.rmtree(folder / name)
    (folder / name).symlink_to(outside)
    answers = reader.read(folder)
    assert {answer['outcome'] for answer in answers.values()} <= {'fine', 'refused'}, answers
    assert before.items() <= example.tree(outside).items()


@pytest.mark.parametrize(
    'name', [*FILES, 'points/0/hparams/runs', 'points/3/hparams/runs/0-0.npz', 'copies/sweep.json']
)
def test_a_folder_in_place_of_a_file_is_no_trap(folder, assert_harmless, name):
    (folder / name).unlink(missing_ok=True)
    (folder / name / 'inner').mkdir(parents=True)
    assert_harmless()


@pytest.mark.parametrize('name', FOLDERS)
def test_a_file_in_place_of_a_folder_is_no_trap(folder, assert_harmless, name):
    if (folder / name).exists():
        shutil.rmtree(folder / name)
    (folder / name).write_text('mine')
    assert_harmless()


# In the source

NEVER = {'eval', 'exec', '__import__', 'compile', 'import_module', 'exec_module'}
PICKLE = {'load', 'loads', 'Unpickler', '_Unpickler'}
# A worker and its parent speak by pickle, through pipes that are theirs; a problem is a module to be run.
MAY_PICKLE = {
    'executors/local/worker.py',
    'executors/local/ranks.py',
    'executors/local/supervisor.py',
    'executors/ray/messages.py',  # between actors of the user's own cluster
    'problem/presets.py',  # what the parent has packed
    'declare/serial.py',  # a file that the user names, and calls a pickle by name
}
MAY_RUN = {'__init__.py', 'problem/reference.py'}


def dangers(source):
    """What in a module's source could run what a file holds."""
    found = []
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.keyword) and node.arg == 'allow_pickle':
            if not (isinstance(node.value, ast.Constant) and node.value.value is False):
                found.append('allow_pickle')
        elif isinstance(node, ast.ImportFrom) and node.module in (
            'pickle',
            'marshal',
            'shelve',
            'dill',
            'joblib',
        ):
            found += [f'{node.module}.{name.name}' for name in node.names]
        elif isinstance(node, ast.Import):
            found += [
                name.name for name in node.names if name.name in ('marshal', 'shelve', 'dill', 'joblib')
            ]
        elif isinstance(node, ast.Call):
            name = ast.unparse(node.func)
            keywords = {keyword.arg: ast.unparse(keyword.value) for keyword in node.keywords}
            first, _, last = name.rpartition('.')
            is_danger = (
                (last in NEVER and first in ('', 'builtins', 'importlib', 'spec.loader'))
                or (last in PICKLE and first in ('pickle', '_pickle', 'cPickle'))
                or (first == 'yaml' and 'load' in last and not last.startswith('safe_load'))
                or (name == 'torch.load' and keywords.get('weights_only') != 'True')
                or (name in ('np.load', 'numpy.load') and keywords.get('allow_pickle') != 'False')
            )
            found += [name] * is_danger
    return found


MODULES = sorted(path.relative_to(ROOT).as_posix() for path in ROOT.rglob('*.py'))


@pytest.mark.parametrize('name', MODULES)
def test_no_module_runs_what_a_file_holds(name):
    found = dangers((ROOT / name).read_text())
    if name in MAY_PICKLE:
        found = [one for one in found if one != 'pickle.loads']
    if name in MAY_RUN:
        found = [one for one in found if not one.endswith(('import_module', 'exec_module'))]
    assert found == []


@pytest.mark.parametrize(
    ('source', 'found'),
    [
        ('import pickle\nx = pickle.load(file)', ['pickle.load']),
        ('pickle.Unpickler(file).load()', ['pickle.Unpickler']),
        ('from pickle import loads', ['pickle.loads']),
        ('torch.load(path)', ['torch.load']),
        ('torch.load(path, weights_only=False)', ['torch.load']),
        ('torch.load(path, weights_only=True)', []),
        ('np.load(path)', ['np.load']),
        ('np.load(path, allow_pickle=True)', ['np.load', 'allow_pickle']),
        ('np.load(path, allow_pickle=False)', []),
        ('eval(text)', ['eval']),
        ('model.eval()', []),
        ('importlib.import_module(name)', ['importlib.import_module']),
        ('yaml.load(text)', ['yaml.load']),
        ('yaml.unsafe_load_all(text)', ['yaml.unsafe_load_all']),
        ('yaml.safe_load(text)', []),
        ('pickle.dumps(1)', []),
    ],
)
def test_the_search_for_dangers_finds_them(source, found):
    assert sorted(dangers(source)) == sorted(found)
