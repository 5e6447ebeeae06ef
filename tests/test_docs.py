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
