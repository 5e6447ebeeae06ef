"""What the package exports, and what importing it costs."""

import subprocess
import sys

import pytest

import sweeper

PUBLIC = {
    'sweep', 'Sweeper', 'train', 'load',
    'ParamSelector', 'SweepListener', 'FixedSweep',
    'ParamsTask', 'ParamsTaskQueue',
    'HyperparameterSettings', 'get_settings',
    'PointResult', 'SweepResults', 'SweepError',
    'NamedPoint',
}  # fmt: skip


def test_all_is_complete_and_sorted():
    assert set(sweeper.__all__) == PUBLIC
    assert sweeper.__all__ == sorted(sweeper.__all__)


@pytest.mark.parametrize('name', sorted(PUBLIC))
def test_every_public_name_is_there_and_documented(name):
    exported = getattr(sweeper, name)
    assert exported.__doc__
    assert exported.__module__.startswith('sweeper.')


@pytest.mark.parametrize('heavy', ['torch', 'ignite', 'sklearn'])
def test_importing_the_package_does_not_import(heavy):
    code = f'import sys, sweeper; print({heavy!r} in sys.modules)'
    done = subprocess.run([sys.executable, '-c', code], check=True, capture_output=True, text=True)
    assert done.stdout.strip() == 'False'
