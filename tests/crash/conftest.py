"""Clusters for tests, and problems whose runs tell where they are."""

import os
import sys

import pytest

from .nodes import ENVIRONMENT, Nodes

MODEL = """
import os, signal

def model(width):
    node, here = os.environ.get('RAY_RAYLET_PID'), Path(__file__).parent
    record(f'{width} on {node}')
    print('a model of width', width)
    if width == 0:
        raise ValueError('a layer needs a width')
    if width == 1:
        os.kill(os.getpid(), signal.SIGKILL)
    if (here / f'hold {width}').exists():
        with open(here / 'held', 'w') as held:
            held.write(f'{width} {node} {os.getpid()} ')
        with open(here / 'go'):
            pass
    return torch.nn.Sequential(torch.nn.Linear(4, width), torch.nn.ReLU(), torch.nn.Linear(width, 2))
"""
"""Says in which node it runs, by the process that Ray has there; fails, dies or holds where it is told to."""


@pytest.fixture(scope='session')
def _addresses_of_this_machine():
    """Ray in this process, and in those that it starts, takes 127.0.0.1 for what it is."""
    with pytest.MonkeyPatch.context() as patch:
        for name, value in ENVIRONMENT.items():
            patch.setenv(name, value)
        path = os.pathsep.join(entry for entry in sys.path if entry)
        patch.setenv('PYTHONPATH', path)
        from ray._private import ray_constants

        patch.setattr(ray_constants, 'ENABLE_RAY_CLUSTER', False)
        yield


@pytest.fixture(scope='module')
def nodes(_addresses_of_this_machine):
    """A head without CPUs, and nodes of one and of two."""
    with Nodes(0, 1, 2) as nodes:
        yield nodes
