"""Whatever names and messages hold, nothing that a person reads moves a cursor or turns a text around."""

import json
import os
import subprocess
import sys
import unicodedata
from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st
from typer.testing import CliRunner

from sweeper import cli
from sweeper.errors import FolderError, SourceSyntaxError, SweepError, UnknownParameter
from sweeper.events import PointFailed, PointFlagged, PointTuned, Status, SweepEnded
from sweeper.listeners.base import Listeners
from sweeper.points import NamedPoint, label
from sweeper.report.live.plain import PlainProgress
from sweeper.report.page.writing import report_page
from sweeper.results import PointError, Tuned
from sweeper.text import one_line, printable

pytestmark = pytest.mark.slow

HOSTILE = '\x1b[2J\x1b]0;x\x07\0\u202e\u200f\x9b31m[red]x[/red][/x]\r\u2028'
DANGEROUS = {'\x1b', '\0', '\u202e', '\u200f', '\x9b', '\r', '\u2028', '\x07'}


def assert_harmless(text):
    found = {one for one in text if unicodedata.category(one) in ('Cc', 'Cf', 'Zl', 'Zp')} - {'\n'}
    assert found == set()


@given(st.text())
def test_what_is_shown_prints_and_what_prints_stays_as_it_is(text):
    assert one_line(text).isprintable()
    assert all(line.isprintable() for line in printable(text).split('\n'))
    assert len(printable(text).split('\n')) == len(text.split('\n'))
    if text.isprintable():
        assert one_line(text) == printable(text) == text


@pytest.fixture
def hostile(write_sweep):
    """Names, values, flags, declarations and messages that would do harm on a terminal."""
    first, second = NamedPoint({f'a{HOSTILE}': HOSTILE}), NamedPoint({f'a{HOSTILE}': f'2{HOSTILE}'})
    third = NamedPoint({f'a{HOSTILE}': f'3{HOSTILE}'})
    told = {'role': 'scientific', 'default': HOSTILE, 'places': [HOSTILE]}
    return write_sweep(
        {first: [0.9, 0.91, 0.9], second: [0.1, 0.11, 0.1]}, [third], declared={f'a{HOSTILE}': told},
        nuisance={first: {f'n{HOSTILE}': HOSTILE}}, flags=[HOSTILE], why=HOSTILE, unread=[HOSTILE],
    )  # fmt: skip


@pytest.mark.parametrize('command', [['status'], ['report', '--format', 'md'], ['collate']], ids=str)
def test_no_command_prints_what_does_harm(hostile, command):
    folder = str(hostile.store.layout.folder)
    result = CliRunner().invoke(cli.app, [command[0], folder, *command[1:]])
    assert result.exit_code == 0, result.output
    assert_harmless(result.output)
    if command != ['collate']:
        assert '\\x1b[2J' in result.output.replace('\\\\', '\\').replace('\\[', '[')


def test_the_page_shows_nothing_that_turns_it_around(hostile):
    shown = report_page(hostile)
    assert not DANGEROUS - {'\r'} & set(shown.partition('<script>')[0])
    overview = shown.partition('id="overview">')[2].partition('</script>')[0]
    assert_harmless(json.dumps(json.loads(overview[: overview.rindex('}') + 1]), ensure_ascii=False))
    assert r'\\x1b' in overview


def test_progress_failures_and_errors_print_nothing_that_does_harm(capsys, recwarn):
    progress, point = PlainProgress(), NamedPoint({HOSTILE: HOSTILE})
    error = PointError(HOSTILE, HOSTILE, 'tuning', HOSTILE)
    progress.handle(PointTuned(point, Tuned(0.1, 0.2, 8, 1, 1)))
    progress.handle(PointFlagged(point, (HOSTILE,)))
    progress.handle(PointFailed(point, error))
    progress.handle(Status(1, 1, 0, 1, 1, (), False))

    class Listener:
        def handle(self, event):
            raise ValueError(HOSTILE)

    Listeners([Listener()]).publish(SweepEnded())
    said = [capsys.readouterr().err, str(recwarn.pop().message), label(point)]
    said += [str(kind(HOSTILE)) for kind in (SweepError, FolderError, SourceSyntaxError, UnknownParameter)]
    for one in said:
        assert '\\x1b' in one
        assert_harmless(one)


@pytest.mark.parametrize('name', ['[red]a[/red]', '[/x]', 'a[0]', '[link=x]'])
def test_an_interrupted_sweep_says_so_whatever_its_folder_is_called(tmp_path, name, monkeypatch, capfd):
    from sweeper.report import terminal

    monkeypatch.setattr(sys, 'argv', ['sweeper', 'run', name])
    monkeypatch.setattr('sweeper.report.terminal.done', lambda store: (0, 0))

    class Nothing:
        points = ()

    monkeypatch.setattr('sweeper.store.store.Store.read', lambda folder: Nothing())
    terminal.explain_interruption(tmp_path / name)
    assert capfd.readouterr().err.count(name) == 2


def test_a_csv_goes_on_as_it_is_but_harmless_to_a_terminal(hostile):
    folder, main = str(hostile.store.layout.folder), [sys.executable, '-m', 'sweeper']
    command = [*main, 'report', folder, '--format', 'csv']
    exact = subprocess.run(command, stdout=subprocess.PIPE, check=True).stdout.decode()
    assert HOSTILE.partition('\r')[0] in exact
    ours, theirs = os.openpty()
    with subprocess.Popen(command, stdout=theirs) as process:
        os.close(theirs)
        said = b''
        with suppress(OSError):  # how a terminal says that nobody writes to it any more
            while part := os.read(ours, 2**16):
                said += part
        assert process.wait(60) == 0
    os.close(ours)
    assert '\\x1b[2J' in said.decode()
    assert_harmless(said.decode().replace('\r\n', '\n'))
