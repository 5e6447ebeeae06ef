"""The examples of docs/parameters.md, with what they show."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = pytest.mark.slow

GUIDE = (Path(__file__).parents[2] / 'docs/parameters.md').read_text()
BLOCKS = re.findall(r'^```(\w+)\n(.*?)^```$', GUIDE, re.MULTILINE | re.DOTALL)


def test_the_guides_programs_print_what_it_shows(tmp_path):
    program = {'sweeper': [sys.executable, '-m', 'sweeper'], 'python': [sys.executable]}
    root = str(Path(__file__).parents[2])
    ran = 0
    for language, text in BLOCKS:
        if language == 'python':
            (tmp_path / re.match(r'# (\S+)\n', text)[1]).write_text(text)
            continue
        for command in re.split(r'^\$ ', text, flags=re.MULTILINE)[1:]:
            line, _, shown = command.partition('\n')
            name, *arguments = line.split()
            environment = {**os.environ, 'PYTHONPATH': root}
            done = subprocess.run(
                [*program[name], *arguments], capture_output=True, text=True, cwd=tmp_path, env=environment
            )
            assert (done.returncode, done.stderr, done.stdout) == (0, '', shown), line
            ran += 1
    assert ran == 5
