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
    # Ray would have its processes give way to all others, which here are as busy.
    'RAY_worker_niceness': '0',
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
        cpus: How many each node has, in order, by the process by which it lives.
    """

    def __init__(self, *cpus: int) -> None:
        self._first = cpus

    def __enter__(self) -> Nodes:
        self._process = subprocess.Popen(
            [sys.executable, '-m', 'tests.crash.nodes', *map(str, self._first)],
            cwd=ROOT, env=environment(), stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
            start_new_session=True,
        )  # fmt: skip
        told = self._read()
        self.address, self.client_address = told['address'], told['client_address']
        self.cpus: dict[int, int] = dict(zip(told['pids'], self._first, strict=True))
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        assert self._process.stdin is not None and self._process.stdout is not None
        self._process.stdin.close()
        self._process.stdout.close()
        self._process.wait()

    def add(self, cpus: int) -> int:
        """Adds a node; returns its process when it is there."""
        pid = self._order('add', cpus)
        self.cpus[pid] = cpus
        return pid

    def kill(self, pid: int) -> None:
        """Kills a node's process; with it, all that runs there ends."""
        self._order('kill', pid)
        del self.cpus[pid]

    @property
    def working(self) -> list[int]:
        """The processes of the nodes that live and have CPUs."""
        return [pid for pid, cpus in self.cpus.items() if cpus]

    def _order(self, what: str, number: int) -> int:
        assert self._process.stdin is not None
        print(what, number, file=self._process.stdin, flush=True)
        return int(self._read()['pid'])

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
    """Makes the cluster, tells about it, and does as it is told, until its input ends."""
    import ray
    from ray.cluster_utils import Cluster

    out, sys.stdout = sys.stdout, sys.stderr  # Ray writes to it, too
    cluster, raylets = Cluster(), dict[int, Any]()

    def add(cpus: int, **options: Any) -> int:
        node = cluster.add_node(
            num_cpus=cpus, node_ip_address='127.0.0.1', include_dashboard=False,
            object_store_memory=80 * 2**20, **options,
        )  # fmt: skip
        (raylet,) = node.all_processes[ray._private.ray_constants.PROCESS_TYPE_RAYLET]
        raylets[raylet.process.pid] = raylet.process
        return int(raylet.process.pid)

    def kill(pid: int) -> int:
        raylets[pid].kill()
        raylets[pid].wait()  # as a zombie it would live for what it has started, which then would not end
        return pid

    def tell(**values: Any) -> None:
        print(json.dumps(values), file=out, flush=True)

    port = _free_port()
    pids = [add(cpus[0], ray_client_server_port=port), *map(add, cpus[1:])]
    tell(address=cluster.address, client_address=f'ray://127.0.0.1:{port}', pids=pids)
    for line in sys.stdin:
        what, number = line.split()
        tell(pid={'add': add, 'kill': kill}[what](int(number)))
    os.killpg(0, signal.SIGKILL)  # in order, it would wait for nodes that were killed


def _free_port() -> int:
    with socket.socket() as server:
        server.bind(('127.0.0.1', 0))
        return int(server.getsockname()[1])


if __name__ == '__main__':
    _serve([int(cpus) for cpus in sys.argv[1:]])
