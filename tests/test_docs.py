"""What the documents claim stands on something."""

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
SECTION = (
    (ROOT / 'docs/reliability.md').read_text().partition('\n## What goes wrong')[2].partition('\n## ')[0]
)
ROWS = [
    line.split(' | ')
    for line in SECTION.splitlines()
    if line.startswith('| ') and not line.startswith('| what goes wrong')
]


@pytest.mark.parametrize('row', ROWS, ids=[row[0].strip('| ') for row in ROWS])
def test_each_row_of_what_goes_wrong_is_a_test(row):
    file, _, name = re.search(r'`(\S+?)`', row[-1])[1].partition('::')
    assert f'\ndef {name or "test_"}' in (ROOT / 'tests' / file).read_text()


def test_there_are_rows():
    assert len(ROWS) > 20


INSIDE = [ROOT / 'docs/architecture.md', ROOT / 'CONTRIBUTING.md']
NAMED = {path for page in INSIDE for path in re.findall(r'`((?:sweeper|tests)/[^` ]*)`', page.read_text())}


@pytest.mark.parametrize('path', sorted(NAMED))
def test_every_file_that_is_named_is_there(path):
    assert (ROOT / path).exists()


@pytest.mark.parametrize('row', re.findall(r'^\| .*sweeper/.* \|$', INSIDE[0].read_text(), re.MULTILINE))
def test_where_to_change_something_are_files_with_the_names_that_are_given(row):
    """The functions and classes in a row of *Where to change* are in the files of that row."""
    files = re.findall(r'`(sweeper/[^` ]*)`', row)
    names = re.findall(r'`(_?[a-zA-Z_]+)`', row)
    sources = [(ROOT / file).read_text() for file in files]
    assert files and names
    for name in names:
        assert any(re.search(rf'(def|class|function) {name}\b', source) for source in sources), name


def test_four_places_and_many_files_are_named():
    assert len(NAMED) > 40
    assert len(re.findall(r'^\| .*`sweeper/', INSIDE[0].read_text(), re.MULTILINE)) == 4
