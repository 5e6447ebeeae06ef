"""A folder from anyone: damage of any byte is noticed, and nothing is read or written outside of it."""

import io
import json
import os
import shutil
import tracemalloc
import zipfile
from contextlib import suppress

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from typer.testing import CliRunner

from sweeper import cli
from sweeper.errors import FolderError
from sweeper.io import files
from sweeper.report.document import FORMATS
from sweeper.store.layout import SweepLayout
from sweeper.store.store import Store

from .test_damage import opened_again

pytestmark = pytest.mark.slow


@pytest.fixture(scope='module')
def whole(example, memory):
    folder = memory() / 'sweep'
    with example.opened(folder) as store:
        example.fill(store)
    return folder


@pytest.fixture
def folder(whole, in_memory):
    return shutil.copytree(whole, in_memory / 'sweep')


def make_pipe(path):
    os.mkfifo(path)


def make_folder(path):
    (path / 'inner').mkdir(parents=True)


def make_link(path):
    (path.parent / 'elsewhere').write_text('mine')
    path.symlink_to(path.parent / 'elsewhere')


OTHERS = [make_pipe, make_folder, make_link]
UNITS = (
    'points/0/hparams/final.json', 'points/0/hparams/lr_vs_perf.npz', 'points/0/trials/1/result.json',
    'points/0/trials/1/model.pt', 'points/1/error.json', 'points/results.csv', 'points/params.csv',
    'sweep.json', 'copies/sweep.json', 'copies/params.csv', 'points/0/results.npz', 'points/funcres.pt',
)  # fmt: skip


@pytest.mark.parametrize('make', OTHERS)
@pytest.mark.parametrize('name', UNITS)
def test_what_is_no_file_is_set_aside_and_made_anew(example, whole, folder, name, make):
    (folder / name).unlink()
    make(folder / name)
    with suppress(FolderError):
        Store.read(folder)
    assert opened_again(example, folder)
    found = example.tree(folder)
    assert {one: data for one, data in found.items() if 'elsewhere' not in one} == example.tree(whole)
    assert all(data == b'mine' for one, data in found.items() if 'elsewhere' in one)


@pytest.mark.parametrize('name', ['log.txt', 'points/1/log.txt', 'running.json', 'report.html'])
@pytest.mark.parametrize('make', OTHERS)
def test_what_is_in_the_place_of_a_log_is_no_obstacle(example, folder, name, make):
    make(folder / name)
    with example.opened(folder) as store:
        store.append_log(None, 'one')
        store.append_log(example.points[1], 'two')
    assert (folder / 'log.txt').read_text() == 'one'


@pytest.mark.parametrize(
    'name', ['points/0', 'points/0/hparams', 'points/0/trials', 'points/0/trials/1', 'copies']
)
def test_nothing_is_written_behind_a_link_in_place_of_a_folder(example, whole, folder, name):
    outside = folder.parent / 'mine'
    shutil.move(folder / name, outside)
    before = example.tree(outside)
    (folder / name).symlink_to(outside)
    assert opened_again(example, folder)
    assert example.tree(outside) == before
    assert example.tree(folder) == example.tree(whole)


@pytest.mark.parametrize('name', ['points', 'damaged', 'earlier'])
def test_a_link_in_place_of_all_points_is_refused(example, folder, name):
    outside = folder.parent / 'mine'
    if (folder / name).exists():
        shutil.move(folder / name, outside)
    outside.mkdir(exist_ok=True)
    (folder / name).symlink_to(outside)
    before = example.tree(outside)
    with pytest.raises(FolderError, match=f'{name} is a link, not a folder'):
        opened_again(example, folder)
    assert example.tree(outside) == before


@pytest.mark.parametrize('out', [[], ['--out']])
def test_a_report_replaces_a_link_and_not_what_it_points_to(folder, out, tmp_path):
    pytest.importorskip('plotly')
    mine = tmp_path / 'mine.txt'
    mine.write_text('mine')
    page = folder / 'report.html'
    page.symlink_to(mine)
    result = CliRunner().invoke(cli.app, ['report', str(folder), *(out and [*out, str(page)])])
    assert result.exit_code == 0, result.output
    assert mine.read_text() == 'mine'
    assert page.is_file() and not page.is_symlink()
    assert not list(folder.glob('*.partial'))


RESULTS = [
    'points/0/hparams/final.json', 'points/0/hparams/misc.json', 'points/0/hparams/lr_vs_perf.npz',
    'points/0/trials/1/result.json', 'points/0/trials/1/model.pt', 'points/0/trials/1/model_init.pt',
    'points/0/trials/1/throughtime.npz', 'points/1/error.json', 'sweep.json', 'copies/sweep.json',
    'points/params.csv', 'copies/params.csv',
]  # fmt: skip


@settings(max_examples=60, deadline=None)
@given(data=st.data())
def test_any_byte_that_changes_is_noticed_and_computed_anew(example, whole, memory, data):
    folder = shutil.copytree(whole, memory() / 'sweep')
    name = data.draw(st.sampled_from(RESULTS))
    content = bytearray((folder / name).read_bytes())
    place = data.draw(st.integers(0, len(content) - 1))
    content[place] ^= data.draw(st.integers(1, 255))
    (folder / name).write_bytes(content)
    with suppress(FolderError):
        Store.read(folder).results()
    opened_again(example, folder)
    assert example.tree(folder) == example.tree(whole)


@pytest.mark.parametrize('lost', [(), ('copies/params.csv',)])
def test_a_digit_of_a_parameter_that_changed_is_noticed(example, whole, folder, lost):
    for name in lost:
        (folder / name).unlink()
    path = folder / 'points/params.csv'
    path.write_text(path.read_text().replace('16,relu', '17,relu'))
    with suppress(FolderError):
        assert Store.read(folder).points == list(example.points)
    assert any('params.csv is set aside' in warning for warning in opened_again(example, folder))
    assert example.tree(folder) == example.tree(whole)


def change(path, **values):
    path.write_text(json.dumps(json.loads(path.read_bytes()) | values))


IMPOSSIBLE = [
    ('trials/0/result.json', {'perf_val': -1}), ('trials/0/result.json', {'perf_val': 1e300}),
    ('trials/0/result.json', {'perf_train': float('nan')}),
    ('trials/0/result.json', {'loss_val': float('nan')}),
    ('trials/0/result.json', {'seconds': -1}), ('trials/0/result.json', {'seconds': float('inf')}),
    ('hparams/final.json', {'lr_end': -1}), ('hparams/final.json', {'lr_end': float('nan')}),
    ('hparams/final.json', {'batch_size': 0}), ('hparams/final.json', {'epochs': -3}),
    ('hparams/misc.json', {'perf': 1e300}),
]  # fmt: skip


@pytest.mark.parametrize(('name', 'values'), IMPOSSIBLE, ids=str)
def test_a_value_that_cannot_be_is_damage_even_without_checksums(example, folder, name, values):
    example.without_checksums(folder)
    Store.read(folder)  # as earlier versions wrote it
    change(folder / 'points/0' / name, **values)
    with pytest.raises(FolderError, match=f'{name} is damaged: .*{next(iter(values))}'):
        Store.read(folder)
    assert any(name in warning for warning in opened_again(example, folder))


def claiming(count, **options):
    header = io.BytesIO()
    np.lib.format.write_array_header_1_0(header, {'descr': '<f8', 'fortran_order': False, 'shape': (count,)})
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, 'w', **options) as archive:
        archive.writestr('loss.npy', header.getvalue() + bytes(80))
    return buffer.getvalue()


def test_arrays_that_claim_more_than_they_have_are_damage(tmp_path):
    path = tmp_path / 'x.npz'
    path.write_bytes(claiming(10))
    np.testing.assert_array_equal(files.read_npz(path)['loss'], np.zeros(10))
    for content in (claiming(10**12), claiming(9), claiming(10, compression=zipfile.ZIP_DEFLATED)):
        path.write_bytes(content)
        with pytest.raises(ValueError, match=r'loss\.npy'):
            files.read_npz(path)


@pytest.mark.parametrize('name', ['points/0/hparams/lr_vs_perf.npz', 'points/0/trials/0/throughtime.npz'])
def test_the_page_leaves_out_what_is_damaged_and_says_so(folder, name):
    pytest.importorskip('plotly')
    from sweeper.report.page.writing import report_page

    content = bytearray((folder / name).read_bytes())
    content[len(content) // 2] ^= 255
    (folder / name).write_bytes(content)
    os.truncate(folder / name, len(content) - 30)
    assert f'Left out, since a file is damaged: cannot read {folder / name}' in report_page(folder)


@pytest.mark.parametrize('length', [131_073, 1_000_000])
def test_a_value_of_any_length_is_read_back(example, tmp_path, length):
    with example.opened(tmp_path / 'long') as store:
        store.add_points([('x' * length, 'relu')])
    with example.opened(tmp_path / 'long') as store:
        assert store.points == [('x' * length, 'relu')]


def test_a_folder_of_a_newer_version_says_so_when_it_is_run(example, folder):
    layout = SweepLayout(folder)
    for path in (layout.manifest, layout.manifest_copy):
        change(path, format=99, unknown={'x': 1})
    before = example.tree(folder)
    for use in (Store.read, lambda folder: opened_again(example, folder)):
        with pytest.raises(FolderError, match=r'has format 99; .* newer version: update sweeper'):
            use(folder)
    assert example.tree(folder) == before


def test_reading_and_reporting_take_memory_that_is_linear_in_points(example, memory, monkeypatch):
    monkeypatch.setattr('sweeper.stats.differences.MOST_IN_PAIRS', 50)  # up to which pairs are held at once

    def made(count):
        folder = memory() / 'sweep'
        with example.opened(folder) as store:
            store.add_points([(width, 'relu') for width in range(count)])
            for point in store.points:
                store.write_tuned(point, example.tuned())
                store.write_trial(point, 0, example.record(0.5 + point[0] / 10_000))
        return folder

    def peak(folder):
        tracemalloc.start()
        FORMATS['csv'](Store.read(folder))
        most = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        return most

    few, many = made(100), made(400)
    peak(few)  # imports what it needs
    assert peak(many) < 6 * peak(few)
