"""What docs/porting.md says of scripts, and of lines of code, is so."""

import importlib.util
import re
from pathlib import Path

ROOT = Path(__file__).parents[2]
DOCUMENT = (ROOT / 'docs' / 'porting.md').read_text()


def test_lines_of_code_are_those_that_are_counted():
    path = ROOT / 'benchmarks' / 'porting' / 'lines.py'
    spec = importlib.util.spec_from_file_location('lines', path)
    lines = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(lines)
    assert lines.table() in DOCUMENT


def test_every_script_is_in_the_table():
    scripts = {path.name for path in (Path(__file__).parent / 'scripts').glob('*.py')}
    assert scripts == set(re.findall(r'^\| .*?: `(\w+\.py)` \|', DOCUMENT, re.MULTILINE))
    assert len(scripts) == 15
