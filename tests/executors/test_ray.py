"""The executor on a Ray cluster: the contract, on a cluster of one machine."""

import pytest
import ray

from sweeper import RayExecutor
from sweeper.testing import ExecutorContract

pytestmark = pytest.mark.slow


@pytest.fixture(scope='module', autouse=True)
def cluster():
    """A session of Ray that all executors of this module use."""
    ray.init(
        address='local', num_cpus=3, include_dashboard=False, log_to_driver=False, logging_level='error',
        _node_ip_address='127.0.0.1',
    )  # fmt: skip
    yield
    ray.shutdown()


class TestRayExecutor(ExecutorContract):
    def make(self, cores):
        return RayExecutor(cpus=cores)
