"""`sweeper report` writes the page."""

import sys

import pytest
from typer.testing import CliRunner

from sweeper import FixedSweep
from sweeper.cli import WRONG_INPUT, app

pytestmark = pytest.mark.slow


@pytest.fixture
def folder(write_problem, sweep_inline, tmp_path):
    selector = FixedSweep.with_grid({'width': [2, 4], 'depth': [1, 2]}, 2)
    sweep_inline(write_problem().path, selector, tmp_path / 'out')
    return tmp_path / 'out'


def report(*arguments):
    return CliRunner().invoke(app, ['report', *map(str, arguments)])


def test_the_page_is_put_into_the_sweeps_folder_and_tells_how_it_was_made(folder):
    done = report(folder)
    assert done.output.split() == ['wrote', str(folder / 'report.html')] and done.exit_code == 0
    text = (folder / 'report.html').read_text()
    assert text.startswith('<!doctype html>') and '"commands":' in text and 'version of torch' in text


def test_layers_of_a_trained_network_are_shown_in_three_dimensions(folder, tmp_path, open_page):
    out = tmp_path / 'page.html'
    chosen = ['--representations', 'best', '--representations', 'width=2,depth=1']
    assert report(folder, '--out', out, *chosen).exit_code == 0
    tab = open_page(out.read_text())
    found = tab.locator('#representations')
    figure = found.locator('.figure')
    figure.scroll_into_view_if_needed()
    figure.locator('canvas').first.wait_for(state='attached')
    architectures, layers = (found.locator('select').nth(index) for index in (0, 1))
    assert 'width=2 depth=1' in architectures.inner_text() and '0 Linear' in layers.inner_text()
    layers.select_option('1')
    assert tab.errors == []


@pytest.mark.parametrize(
    ('arguments', 'told'),
    [
        (['--representations', 'width=3'], 'no architecture has width=3; there are 2, 4'),
        (['--representations', 'best', '--format', 'md'], 'goes with --format html, not md'),
    ],
)
def test_what_cannot_be_shown_is_wrong_input(folder, arguments, told):
    wrong = report(folder, *arguments)
    assert wrong.exit_code == WRONG_INPUT and told in wrong.output
    assert not (folder / 'report.html').exists()


def test_without_plotly_it_says_what_to_install(folder, monkeypatch):
    monkeypatch.setitem(sys.modules, 'plotly.offline', None)
    wrong = report(folder)
    assert wrong.exit_code == WRONG_INPUT and "pip install 'fair-sweeper[report]'" in wrong.output
