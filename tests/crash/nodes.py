"""A Ray cluster of several nodes, simulated on this machine, in a process of its own.

python -m tests.crash.nodes 0 1 2      # by hand: a head without CPUs, and nodes of one and of two
"""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
from pathlib import Path
from types import TracebackType
from typing import Any

ROOT = Path(__file__).parents[2]
ENVIRONMENT = {
    # Without it Ray takes 127.0.0.1 in an address for the machine's other one, where nothing listens.
    'RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER': '0',
    'RAY_USAGE_STATS_ENABLED': '0',
    # Ray's server for clients forks while gRPC's threads run, and gRPC's own handlers of that abort at times.
    'GRPC_ENABLE_FORK_SUPPORT': 'false',
    # What is dead is known soon: by default it may take half a minute.
    'RAY_health_check_initial_delay_ms': '0',
    'RAY_health_check_period_ms': '1000',
    'RAY_health_check_failure_threshold': '3',
}
"""Of all processes that have to do with the cluster."""


class Nodes:
    """A cluster whose nodes come and are killed. To be used in `with`.

    Args:
        cpus: How many each node has; the first is the head, which is never killed.

    Attributes:
        address: As for `RayExecutor`.
        client_address: The same for a client, `ray://…`.
        pids: The process of each node, by which it lives, in order; those that were killed, too.
    """

    def __init__(self, *cpus: int) -> None:
        self._cpus = cpus

    def __enter__(self) -> Nodes:
        self._process = subprocess.Popen(
            [sys.executable, '-m', 'tests.crash.nodes', *map(str, self._cpus)],
            cwd=ROOT, env=environment(), stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
        )  # fmt: skip
        told = self._read()
        self.address, self.client_address, self.pids = (
            told[name] for name in ('address', 'client_address', 'pids')
        )
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        assert self._process.stdin is not None and self._process.stdout is not None
        self._process.stdin.close()
        self._process.stdout.close()
        self._process.wait()

    def add(self, cpus: int) -> None:
        """Adds a node; returns when it is there."""
        assert self._process.stdin is not None
        print(cpus, file=self._process.stdin, flush=True)
        self.pids += self._read()['pids']

    def kill(self, node: int) -> None:
        """Kills a node's process; with it, all that runs there ends."""
        os.kill(self.pids[node], signal.SIGKILL)

    def _read(self) -> dict[str, Any]:
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        assert line, f'the cluster ended with {self._process.wait()}'
        told: dict[str, Any] = json.loads(line)
        return told


def environment(**variables: str) -> dict[str, str]:
    """Returns the environment of a process that is to connect to the cluster, and imports from the root."""
    path = os.pathsep.join(filter(None, [str(ROOT), os.environ.get('PYTHONPATH')]))
    return os.environ | ENVIRONMENT | {'PYTHONPATH': path} | variables


def _serve(cpus: list[int]) -> None:
    """Makes the cluster, tells about it, and adds nodes as it is told to, until its input ends."""
    import ray
    from ray.cluster_utils import Cluster

    out, sys.stdout = sys.stdout, sys.stderr  # Ray writes to it, too
    cluster = Cluster()

    def add(cpus: int, **options: Any) -> int:
        node = cluster.add_node(
            num_cpus=cpus, node_ip_address='127.0.0.1', include_dashboard=False,
            object_store_memory=80 * 2**20, **options,
        )  # fmt: skip
        (raylet,) = node.all_processes[ray._private.ray_constants.PROCESS_TYPE_RAYLET]
        return int(raylet.process.pid)

    def tell(**values: Any) -> None:
        print(json.dumps(values), file=out, flush=True)

    port = _free_port()
    pids = [add(cpus[0], ray_client_server_port=port), *map(add, cpus[1:])]
    tell(address=cluster.address, client_address=f'ray://127.0.0.1:{port}', pids=pids)
    for line in sys.stdin:
        tell(pids=[add(int(line))])
    cluster.shutdown()


def _free_port() -> int:
    with socket.socket() as server:
        server.bind(('127.0.0.1', 0))
        return int(server.getsockname()[1])


if __name__ == '__main__':
    _serve([int(cpus) for cpus in sys.argv[1:]])
