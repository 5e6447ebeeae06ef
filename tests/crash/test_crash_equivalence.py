"""However often a sweep is killed and started again, it ends as if nothing had happened."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = pytest.mark.slow

ROOT = Path(__file__).parents[2]


def test_an_interrupted_sweep_ends_as_an_uninterrupted_one(tmp_path):
    """A short plan; `python -m tests.crash` runs a long one."""
    command = [sys.executable, '-m', 'tests.crash', '--work', str(tmp_path / 'work'), '--seed', '42']
    plan = ['--kills', '5', '--failed-writes', '1', '--damaged', '2', '--sweeps', '1']
    path = os.pathsep.join(filter(None, [str(ROOT), os.environ.get('PYTHONPATH')]))
    done = subprocess.run(
        [*command, *plan], cwd=ROOT, env=os.environ | {'PYTHONPATH': path}, capture_output=True, text=True
    )
    assert done.returncode == 0, f'{done.stdout}\n{done.stderr}'
