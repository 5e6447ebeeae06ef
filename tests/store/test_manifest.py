"""A folder holds one sweep, and is never another's unasked."""

import dataclasses
import json
import re
import shutil
from contextlib import suppress

import pytest

from sweeper.errors import DamagedFileWarning, FolderError
from sweeper.io.files import AtomicWriter
from sweeper.store.acceptance import ACCEPTABLE, accepted_kinds
from sweeper.store.claim import claim
from sweeper.store.declaration import Declaration, declarations
from sweeper.store.layout import SweepLayout
from sweeper.store.lock import locked
from sweeper.store.manifest import (
    FORMAT,
    Manifest,
    read_manifest,
    write_manifest,
)
from sweeper.store.origin import Origin
from sweeper.tuning.settings import get_settings

SETTINGS = vars(get_settings('fast'))
MANIFEST = Manifest(
    'problem', 'fast', SETTINGS, sweep_cores=2, seed=0, train_size=9, named_points=False, source='abc',
    path='/home/problem.py', val_size=5, looks=(),
)  # fmt: skip
OTHER_SWEEPS = [
    ({'module': 'other'}, 'module: problem there, other asked'),
    ({'seed': 1}, 'seed: 0 there, 1 asked'),
    ({'sweep_cores': 3}, 'sweep cores: 2 there, 3 asked'),
    ({'train_size': 8}, 'train size: 9 there, 8 asked'),
    ({'format': FORMAT + 1}, f'format: {FORMAT} there, {FORMAT + 1} asked'),
    ({'preset': None, 'settings': {**SETTINGS, 'lr_end': 5.0}}, 'setting lr_end: 10.0 there, 5.0 asked'),
    ({'preset': None, 'settings': {**SETTINGS, 'new': 5}}, 'setting new: none there, 5 asked'),
    (
        {'preset': None, 'settings': {'method': 'FixedHyperparameters', 'values': {'lr': 0.1}}},
        'tuning method: settings there, FixedHyperparameters asked',
    ),
    ({'val_size': 4}, 'val size: 5 there, 4 asked'),
    (
        {'path': '/home/other/problem.py', 'source': 'def'},
        'another file: /home/problem.py there, /home/other/problem.py asked',
    ),
]
CHANGES = [
    ({'source': 'def'}, 'the source of problem', 'source'),
    ({'source': None}, 'the source of problem', 'source'),
    ({'versions': {**MANIFEST.versions, 'torch': '0.1'}}, 'version of torch', 'versions'),
    ({'versions': {**MANIFEST.versions, 'ray': '2'}}, 'version of ray: none there, 2 asked', 'versions'),
    ({'device': 'cuda'}, 'device: cpu there, cuda asked', 'device'),
    ({'step': 'eager'}, 'step: auto there, eager asked', 'step'),
    ({'source': 'def', 'device': 'cuda'}, 'the source of problem; device: cpu', 'source,device'),
]
EVERYTHING = f'accept:{",".join(ACCEPTABLE)}'


def unsealed(path):
    """What a manifest says, to be written again with something else in it and without a checksum."""
    return {name: value for name, value in json.loads(path.read_bytes()).items() if name != 'checksum'}


def changed_names(value):
    return '+'.join(value) if isinstance(value, dict) else ''


@pytest.fixture
def layout(tmp_path):
    folder = tmp_path / 'sweep'
    folder.mkdir()
    return SweepLayout(folder)


@pytest.fixture
def writer(layout):
    return AtomicWriter(layout.folder)


@pytest.fixture
def written(layout, writer):
    """The layout of a folder that holds the sweep."""
    write_manifest(layout, writer, MANIFEST)
    return layout


def everything(layout):
    return {path: path.read_bytes() for path in layout.folder.rglob('*') if path.is_file()}


def test_an_empty_folder_is_claimed_and_nothing_is_written(layout, writer):
    assert claim(layout, MANIFEST, writer) is MANIFEST
    assert list(layout.folder.iterdir()) == []


@pytest.mark.parametrize(
    'left',
    ['sweep.json.partial', 'copies/', 'copies/sweep.json.partial', 'log.txt', 'running.json', 'earlier/0/x'],
)
def test_what_an_interrupted_or_an_earlier_sweep_left_is_no_stranger(layout, writer, left):
    path = layout.folder / left
    if left.endswith('/'):
        path.mkdir()
    else:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()
    assert claim(layout, MANIFEST, writer) is MANIFEST


@pytest.mark.parametrize('stranger', ['thesis.tex', 'points/0/mine.txt', '.git/config'])
def test_a_folder_with_strangers_is_refused_by_their_names_and_left_alone(layout, writer, stranger):
    path = layout.folder / stranger
    path.parent.mkdir(parents=True, exist_ok=True)
    path.touch()
    before = everything(layout)
    for if_changed in ('stop', EVERYTHING, 'restart'):
        with pytest.raises(FolderError, match='not empty and holds no sweep') as caught:
            claim(layout, MANIFEST, writer, if_changed)
        assert stranger.partition('/')[0] in str(caught.value)
    assert everything(layout) == before


def test_a_manifest_reads_back_equal_and_has_a_copy(written, writer):
    assert read_manifest(written) == MANIFEST
    assert claim(written, MANIFEST, writer) == MANIFEST
    assert written.manifest.read_bytes() == written.manifest_copy.read_bytes()


def test_the_manifest_is_plain_json_with_versions(written):
    data = unsealed(written.manifest)
    assert {'module', 'preset', 'seed', 'versions', 'settings', 'sweep_cores', 'device'} <= data.keys()
    assert {'python', 'sweeper', 'torch', 'numpy'} <= data['versions'].keys()
    assert data['format'] == 2


def test_the_same_sweep_is_let_in_again_with_what_is_known_of_its_points(written, writer):
    before = everything(written)
    asked = dataclasses.replace(MANIFEST, named_points=None)
    assert claim(written, asked, writer).named_points is False
    assert everything(written) == before


DECLARED = {'width': {'role': 'fixed', 'default': None, 'places': ['net.py:3', 'net.py:9']}}


def test_what_is_declared_reads_back_and_is_no_difference(written, writer):
    """Lines move with every comment; that the code changed is told by its fingerprint."""
    asked = dataclasses.replace(MANIFEST, declared=DECLARED)
    assert claim(written, asked, writer) == asked == read_manifest(written)
    (found,) = declarations(read_manifest(written).declared).values()
    assert found == Declaration('fixed', None, ['net.py:3', 'net.py:9'])
    assert claim(written, MANIFEST, writer).declared == {}


def test_a_manifest_from_before_anything_was_declared_is_read(written):
    data = unsealed(written.manifest)
    del data['declared']
    written.manifest.write_text(json.dumps(data))
    assert read_manifest(written) == MANIFEST


ORIGINS = [Origin('sweeper run a.py', 'a CPU', 'Linux', 'FixedSweep'), Origin('b', first_point=3)]


def test_the_commands_that_made_it_read_back_and_are_kept(written, writer):
    write_manifest(written, writer, dataclasses.replace(MANIFEST, origin=ORIGINS))
    assert read_manifest(written).origin == tuple(ORIGINS)
    asked = dataclasses.replace(MANIFEST, origin=[Origin('c')])
    assert claim(written, asked, writer).origin == tuple(ORIGINS), 'it has added nothing yet'


@pytest.mark.parametrize(
    ('told', 'origin'),
    [
        ({}, ()),
        ({'command': 'c', 'processor': 'p', 'system': 's'}, (Origin('c', 'p', 's'),)),
        ([{'command': 'c', 'selector': None}], (Origin('c'),)),
    ],
)
def test_the_origin_in_a_folder_of_an_earlier_version_is_read(written, told, origin):
    data = unsealed(written.manifest)
    del data['changes']
    written.manifest.write_text(json.dumps(data | {'origin': told}))
    assert read_manifest(written) == dataclasses.replace(MANIFEST, origin=origin)


@pytest.mark.parametrize(
    'told',
    [5, 'c', ['c'], [[]], {'command': 5}, [{'command': 'c', 'more': 1}], [{'first_point': 'x'}]],
    ids=repr,
)
def test_an_origin_that_is_none_is_damage(written, told):
    damaged = json.dumps(unsealed(written.manifest) | {'origin': told})
    written.manifest.write_text(damaged)
    assert read_manifest(written) == MANIFEST, 'its copy is whole'
    written.manifest_copy.write_text(damaged)
    with pytest.raises(FolderError, match=r'cannot read .*sweep\.json'):
        read_manifest(written)


@pytest.mark.parametrize(
    'change',
    [{'role': 5}, {'default': 5}, {'places': 'net.py:3'}, {'places': [5]}, {'places': None}, {'more': 1}],
    ids=repr,
)
def test_a_declaration_that_is_none_is_damage(written, change):
    declared = {'width': DECLARED['width'] | change}
    damaged = json.dumps(unsealed(written.manifest) | {'declared': declared})
    written.manifest.write_text(damaged)
    assert read_manifest(written) == MANIFEST, 'its copy is whole'
    written.manifest_copy.write_text(damaged)
    with pytest.raises(FolderError, match=r'cannot read .*sweep\.json'):
        read_manifest(written)


def test_the_same_file_may_have_moved(written, writer):
    moved = dataclasses.replace(MANIFEST, path='/elsewhere/problem.py')
    assert claim(written, moved, writer) == moved == read_manifest(written)


# Another sweep


@pytest.mark.parametrize('if_changed', ['stop', EVERYTHING])
@pytest.mark.parametrize(('change', 'named'), OTHER_SWEEPS, ids=changed_names)
def test_another_sweep_is_refused_by_what_differs(written, writer, change, named, if_changed):
    before = everything(written)
    with pytest.raises(FolderError, match='holds another sweep') as caught:
        claim(written, dataclasses.replace(MANIFEST, **change), writer, if_changed)
    assert named in str(caught.value) and str(written.folder) in str(caught.value)
    assert "if_changed='restart'" in str(caught.value)
    assert everything(written) == before


def test_another_preset_is_refused_by_name(written, writer):
    slow = dataclasses.replace(MANIFEST, preset='slow', settings=vars(get_settings('slow')))
    with pytest.raises(FolderError, match='fast there, slow asked') as caught:
        claim(written, slow, writer)
    assert 'setting' not in str(caught.value)


@pytest.mark.parametrize(('change', 'named', 'kinds'), CHANGES, ids=changed_names)
def test_what_changed_is_put_to_the_user_with_every_choice(written, writer, change, named, kinds):
    before = everything(written)
    with pytest.raises(FolderError, match='changed since this sweep was started') as caught:
        claim(written, dataclasses.replace(MANIFEST, **change), writer)
    for words in (named, str(written.folder), f"if_changed='accept:{kinds}'", "if_changed='restart'"):
        assert words in str(caught.value)
    assert everything(written) == before


@pytest.mark.parametrize(('change', 'named', 'kinds'), CHANGES, ids=changed_names)
def test_what_changed_is_accepted_by_its_name_once_and_for_all(written, writer, change, named, kinds):
    asked = dataclasses.replace(MANIFEST, **change, named_points=None)
    accepted = claim(written, asked, writer, f'accept:{kinds}')
    assert accepted == dataclasses.replace(asked, named_points=False, changes=accepted.changes)
    assert named in '; '.join(accepted.changes), 'that results may differ is on record'
    assert read_manifest(written) == accepted
    assert claim(written, asked, writer) == accepted  # it is not asked again
    with pytest.raises(FolderError, match='changed since'):
        claim(written, MANIFEST, writer)  # but now it is what it was that differs


@pytest.mark.parametrize(('change', 'named', 'kinds'), CHANGES, ids=changed_names)
def test_what_is_not_named_is_not_accepted_by_the_way(written, writer, change, named, kinds):
    """Neither that something else is accepted, nor that all but one of what changed is, lets a change in."""
    before = everything(written)
    for kind in kinds.split(','):
        others = ','.join(one for one in ACCEPTABLE if one != kind)
        with pytest.raises(FolderError, match='changed since') as caught:
            claim(written, dataclasses.replace(MANIFEST, **change), writer, f'accept:{others}')
        assert f"if_changed='accept:{kind}'" in str(caught.value), 'only what is not accepted yet is stated'
        assert everything(written) == before


@pytest.mark.parametrize(
    ('if_changed', 'kinds'),
    [
        ('stop', set()), ('restart', set()), ('accept:source', {'source'}),
        ('accept:versions, device', {'versions', 'device'}), (EVERYTHING, set(ACCEPTABLE)),
        ('accept', None), ('accept:', None), ('accept:all', None), ('accept:source,', None), ('Stop', None),
        (None, None), (True, None), (['stop'], None), ('', None),
    ],
)  # fmt: skip
def test_what_is_accepted_is_said_by_name(if_changed, kinds):
    assert accepted_kinds(if_changed) == kinds


@pytest.mark.parametrize('change', [change for change, *_ in OTHER_SWEEPS + CHANGES], ids=changed_names)
def test_a_restart_moves_what_is_there_out_of_the_way(written, writer, change):
    (written.points / '0').mkdir(parents=True)
    (written.points / '0' / 'log.txt').write_text('printed')
    written.log.write_text('more')
    before = everything(written)
    asked = dataclasses.replace(MANIFEST, **change, named_points=None)
    with locked(written.folder):
        assert claim(written, asked, writer, 'restart') is asked
        names = sorted(path.name for path in written.folder.iterdir())
    assert names == ['earlier', 'running.json']
    moved = {
        written.folder / path.relative_to(written.earlier / '0'): data
        for path, data in everything(written).items()
    }
    assert moved == before
    write_manifest(written, writer, asked)
    claim(written, MANIFEST, writer, 'restart')
    assert sorted(path.name for path in written.earlier.iterdir()) == ['0', '1']
    assert json.loads((written.earlier / '1/sweep.json').read_text())['seed'] == asked.seed


@pytest.fixture
def tried(written):
    """The layout of a folder that has a trial."""
    result = written.point(0).trial(0).result
    result.parent.mkdir(parents=True)
    result.touch()
    return written


PLANS = [
    ({}, {}, None),
    ({'paired': True}, {}, None),
    ({'paired': True}, {'paired': True}, None),
    ({'planned_looks': 5}, {'planned_looks': 5}, None),
    ({'margin': 0.01}, {'margin': 0.02}, None),
    ({}, {'paired': False}, None),
    ({'resample': {'splits': 'folds:2', 'samples': 9}}, {'paired': True}, None),
    ({}, {'paired': True}, ('with paired=False, not paired=True', 'without --paired, not with --paired')),
    (
        {'paired': True}, {'paired': False},
        ('with paired=True, not paired=False', 'with --paired, not with --unpaired'),
    ),
    (
        {'resample': {'splits': 'folds:2', 'samples': 9}}, {'paired': False},
        ('with paired=True, not paired=False', 'without --unpaired, not with --unpaired'),
    ),
    (
        {'planned_looks': 5}, {'planned_looks': 6},
        ('with looks=5, not looks=6', 'with --looks 5, not with --looks 6'),
    ),
    ({}, {'planned_looks': 6}, ('with looks=None, not looks=6', 'without --looks, not with --looks 6')),
]  # fmt: skip


@pytest.mark.parametrize(('recorded', 'requested', 'refused'), PLANS, ids=repr)
def test_how_results_are_compared_is_fixed_once_there_are_some(tried, writer, recorded, requested, refused):
    before = dataclasses.replace(MANIFEST, **recorded)
    write_manifest(tried, writer, before)
    again = dataclasses.replace(before, paired=None, planned_looks=None, margin=None)
    again = dataclasses.replace(again, **requested)
    if refused is None:
        expected = dataclasses.replace(before, **requested)
        assert claim(tried, again, writer) == expected == read_manifest(tried)
        return
    with pytest.raises(FolderError, match=refused[0]) as caught:
        claim(tried, again, writer)
    assert caught.value.command is not None and refused[1] in caught.value.command
    assert read_manifest(tried) == before


@pytest.mark.parametrize(('recorded', 'requested', '_'), PLANS, ids=repr)
def test_how_results_are_compared_may_change_before_there_are_any(written, writer, recorded, requested, _):
    before = dataclasses.replace(MANIFEST, **recorded)
    write_manifest(written, writer, before)
    claimed = claim(written, dataclasses.replace(before, **requested), writer)
    assert claimed == dataclasses.replace(before, **requested)


def test_another_plan_may_start_anew(tried, writer):
    asked = dataclasses.replace(MANIFEST, planned_looks=3)
    with locked(tried.folder):
        assert claim(tried, asked, writer, 'restart') is asked
    assert (tried.earlier / '0/points/0/trials/0/result.json').exists()


def test_nothing_is_known_of_the_plans_of_a_folder_of_an_earlier_version(tried, writer):
    write_manifest(tried, writer, dataclasses.replace(MANIFEST, looks=None))
    assert 'looks' not in json.loads(tried.manifest.read_bytes())
    asked = dataclasses.replace(MANIFEST, paired=True, planned_looks=3)
    assert claim(tried, asked, writer) == asked


def test_looks_are_kept_when_a_sweep_is_continued(written, writer):
    write_manifest(written, writer, dataclasses.replace(MANIFEST, looks=('3*2', '5*2')))
    assert claim(written, MANIFEST, writer).looks == ('3*2', '5*2')


@pytest.mark.parametrize(
    'content',
    [
        {'looks': ['3*']}, {'looks': ['']}, {'looks': ['3*0']}, {'looks': [3]}, {'looks': '3*2'},
        {'looks': ['3*2  5*2']}, {'margin': 0}, {'margin': '1'}, {'planned_looks': 0}, {'paired': 1},
        {'val_size': -1},
    ],
)  # fmt: skip
def test_a_manifest_with_another_plan_than_there_can_be_is_damaged(written, content):
    path = written.manifest
    path.write_text(json.dumps({**unsealed(path), **content}))
    written.manifest_copy.unlink()
    with pytest.raises(FolderError, match=r'cannot read .*sweep\.json'):
        read_manifest(written)


def test_a_restart_of_the_same_sweep_leaves_it_where_it_is(written, writer):
    before = everything(written)
    assert claim(written, MANIFEST, writer, 'restart') == MANIFEST
    assert everything(written) == before


# Damage

BROKEN = ['', '{', '[]', '{"module": "m"}', '{"unknown": 1}', '"text"', '\0\0\0', '[' * 100_000]


@pytest.mark.parametrize('text', BROKEN, ids=range(len(BROKEN)))
def test_a_damaged_manifest_is_read_from_its_copy_and_restored(written, writer, text):
    whole = written.manifest.read_bytes()
    written.manifest.write_text(text)
    assert read_manifest(written) == MANIFEST
    assert written.manifest.read_text() == text  # reading changes nothing
    with pytest.warns(DamagedFileWarning, match=r'sweep\.json is set aside as damaged/sweep\.json'):
        assert claim(written, MANIFEST, writer) == MANIFEST
    assert written.manifest.read_bytes() == whole
    assert (written.damaged / 'sweep.json').read_text() == text


@pytest.mark.parametrize('which', ['manifest', 'manifest_copy'])
def test_a_lost_manifest_is_restored_from_the_other(written, writer, which):
    path = getattr(written, which)
    whole = path.read_bytes()
    path.unlink()
    assert read_manifest(written) == MANIFEST
    assert claim(written, MANIFEST, writer) == MANIFEST
    assert path.read_bytes() == whole


def test_a_damaged_copy_of_the_manifest_is_written_anew(written, writer):
    written.manifest_copy.write_text('{')
    assert claim(written, MANIFEST, writer) == MANIFEST
    assert written.manifest_copy.read_bytes() == written.manifest.read_bytes()


@pytest.mark.parametrize('text', BROKEN, ids=range(len(BROKEN)))
def test_two_damaged_manifests_are_an_error_that_names_both(written, writer, text):
    written.manifest.write_text(text)
    written.manifest_copy.write_text('{')
    before = everything(written)
    for use in (read_manifest, lambda layout: claim(layout, MANIFEST, writer, 'restart')):
        with pytest.raises(FolderError) as caught:
            use(written)
        assert f'cannot read {written.manifest}: ' in str(caught.value)
        assert f'cannot read {written.manifest_copy}: ' in str(caught.value)
    assert everything(written) == before


@pytest.mark.parametrize('value', [None, 5, 'text', [1], {'a': 1}, [[]]], ids=repr)
def test_a_manifest_with_values_of_another_kind_is_read_or_refused_but_raises_nothing_else(
    written, writer, value
):
    whole = unsealed(written.manifest)
    for name in whole:
        for path in (written.manifest, written.manifest_copy):
            path.write_text(json.dumps(whole | {name: value}))
        with suppress(FolderError):
            claim(written, read_manifest(written), writer)
            claim(written, MANIFEST, writer)


def test_a_folder_of_another_format_is_refused_by_its_format(written):
    """What another version wrote is not damaged, and must not be set aside as if it were."""
    for text in (
        json.dumps({**unsealed(written.manifest), 'format': 1}),
        json.dumps({**unsealed(written.manifest), 'format': 99, 'unknown': True}),
    ):
        written.manifest.write_text(text)
        written.manifest_copy.write_text(text)
        with pytest.raises(FolderError, match='format'):
            read_manifest(written)


def test_a_folder_without_a_sweep_cannot_be_read(layout):
    with pytest.raises(FolderError, match=r'holds no sweep: there is no sweep\.json'):
        read_manifest(layout)
    shutil.rmtree(layout.folder)
    with pytest.raises(FolderError, match=r'holds no sweep: there is no sweep\.json'):
        read_manifest(layout)


def test_a_manifest_that_is_a_folder_is_refused(layout, writer):
    layout.manifest.mkdir()
    for use in (read_manifest, lambda layout: claim(layout, MANIFEST, writer)):
        with pytest.raises(FolderError, match=r'sweep\.json'):
            use(layout)


OWN = {'method': 'search.Random', 'values': {'candidates': 5}, 'source': 'abc'}


@pytest.mark.parametrize(
    ('settings', 'said', 'is_acceptable'),
    [
        ({**OWN, 'values': {'candidates': 6}}, 'setting candidates: 5 there, 6 asked', False),
        ({**OWN, 'method': 'search.Grid'}, 'tuning method: search.Random there, search.Grid asked', False),
        (SETTINGS, 'tuning method: search.Random there, settings asked', False),
        ({**OWN, 'source': 'def'}, 'the source of search.Random', True),
    ],
)
def test_another_tuning_method_is_noticed(layout, writer, settings, said, is_acceptable):
    own = dataclasses.replace(MANIFEST, preset=None, settings=OWN)
    write_manifest(layout, writer, own)
    assert claim(layout, own, writer) == own
    asked = dataclasses.replace(own, settings=settings)
    with pytest.raises(FolderError, match=re.escape(said)):
        claim(layout, asked, writer)
    if is_acceptable:
        assert said in claim(layout, asked, writer, 'accept:source').changes
    else:
        with pytest.raises(FolderError, match=re.escape(said)):
            claim(layout, asked, writer, EVERYTHING)


def test_how_architectures_are_tuned_is_told_in_a_few_words():
    told = [
        dataclasses.replace(MANIFEST, preset=preset, settings=settings).tuning
        for preset, settings in [('fast', SETTINGS), (None, SETTINGS), (None, OWN)]
    ]
    assert told == ['preset fast', 'preset changed', 'tuning search.Random']
