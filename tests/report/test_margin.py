"""Which difference does not matter is the sweep's to say, and the reader's."""

import dataclasses
import json

import pytest
from typer.testing import CliRunner

from sweeper import compare
from sweeper.cli import app
from sweeper.errors import InvalidArgument
from sweeper.report.document import everything
from sweeper.report.findings import Findings
from sweeper.store.claim import write_manifest
from sweeper.store.store import Store


@pytest.fixture
def equal(write_sweep, tmp_path):
    """Two architectures that do not differ, and a third, at a margin on record."""
    points = {
        (16, 'relu'): [0.900, 0.901, 0.899, 0.900], (32, 'relu'): [0.9, 0.899, 0.901, 0.9004],
        (64, 'relu'): [0.8, 0.801, 0.8, 0.802],
    }  # fmt: skip
    write_sweep(points)
    with Store.opened(tmp_path / 'sweep') as store:
        manifest = dataclasses.replace(store.manifest, margin=0.0001)
        write_manifest(store.layout, store.writer, manifest)
    return tmp_path / 'sweep'


def equivalent(comparison):
    return len(comparison.verdict.equivalent)


def test_a_reader_may_take_another_margin(equal):
    assert (compare(equal).verdict.margin, equivalent(compare(equal))) == (0.0001, 0)
    wider = compare(equal, margin=0.02)
    assert (wider.verdict.margin, equivalent(wider)) == (0.02, 2)
    assert 'equivalent within 0.0200' in wider.answer()
    assert Findings(Store.read(equal), margin=0.02).comparison.answer() == wider.answer()
    assert json.loads(everything(Store.read(equal), margin=0.02))['answer'] == wider.answer()


def test_the_margin_of_the_sweep_is_one_of_its_objective(equal):
    assert compare(equal, metric='loss').design.margin is None
    assert compare(equal, metric='loss', margin=0.5).verdict.margin == 0.5


@pytest.mark.parametrize('margin', [0, -1, float('nan'), float('inf'), '1%', True])
def test_a_margin_is_a_positive_number(equal, margin):
    with pytest.raises(InvalidArgument, match='must be a positive number'):
        compare(equal, margin=margin)


@pytest.mark.parametrize('command', [['status'], ['report', '--format', 'md']])
def test_commands_take_it(equal, command):
    def run(*options):
        return ' '.join(
            CliRunner().invoke(app, [command[0], str(equal), *command[1:], *options]).output.split()
        )

    assert 'equivalent within 0.0200' in run('--margin', '0.02') and 'equivalent' not in run()
