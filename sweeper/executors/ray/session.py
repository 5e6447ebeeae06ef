"""The session of Ray that an executor uses: its own, or one that is there."""

from __future__ import annotations

import logging
import os
import signal
import socket
import sys
import threading
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from typing import Any

from ...errors import InvalidArgument, SweepError
from ...extras import needed
from ...text import reason
from .placement import Node

_OWN = {'address': 'local', 'include_dashboard': False, '_node_ip_address': '127.0.0.1'}
_QUIET = {'log_to_driver': False, 'logging_level': logging.ERROR}
_SECONDS_TO_LOOK = 5.0
_SECONDS_TO_CONNECT = 30.0
_ENVIRONMENT = {
    'RAY_USAGE_STATS_ENABLED': '0',  # nothing is reported to anyone, unless the user wants it
    # Of a cluster of our own. Runs have the priority of this process, as with `LocalExecutor`; Ray would have
    # them give way to whatever else goes on here.
    'RAY_worker_niceness': '0',
    # A worker that takes too much memory is ended by its own limit or by the system;
    # Ray would end the agent, and with it the runs beside that worker.
    'RAY_memory_monitor_refresh_ms': '0',
}


class RaySession:
    """A connection to a cluster, until it is closed.

    Args:
        address: Of the cluster; None for the session that this process has, the cluster that the variable
            RAY_ADDRESS names, or else one that is started on this machine.
        cpus: Cores of a cluster that is started here.
        runtime_env: What Ray is to set up for actors; see its documentation.
        init: Further options of `ray.init`.

    Attributes:
        is_own: Whether the cluster was started here, for this session alone.
        actor_options: Options that actors need.

    Raises:
        MissingExtra: Ray is not installed.
        InvalidArgument: `init` has an option that there is not.
        SweepError: There is no such cluster, or it cannot be started.
    """

    def __init__(
        self, address: str | None, cpus: int, runtime_env: Mapping[str, Any], init: Mapping[str, Any]
    ) -> None:
        with needed('ray', "executor='ray' needs Ray"):
            import ray

        self._ray: Any = ray
        self._end = ExitStack()
        self.is_own, self.actor_options = False, {}
        if ray.is_initialized():  # the user's, who ends it
            self.actor_options = {'runtime_env': dict(runtime_env)} if runtime_env else {}
            return
        self.is_own = address is None and not os.environ.get('RAY_ADDRESS')
        options: dict[str, Any] = {**_QUIET, 'runtime_env': dict(runtime_env) or None}
        options |= {**_OWN, 'num_cpus': cpus} if self.is_own else {}
        options |= {} if address is None else {'address': address}
        self._end.enter_context(_silence())
        self._end.callback(ray.shutdown)
        try:
            _check_listens(address or os.environ.get('RAY_ADDRESS', ''))
            with _signals_kept(), _environment(_ENVIRONMENT), _loopback() if self.is_own else ExitStack():
                ray.init(**{**options, **init})
        except BaseException as error:
            self._end.close()
            if isinstance(error, RuntimeError) and 'unknown' in str(error).lower() and init:
                raise InvalidArgument(f'init={dict(init)!r}: {reason(error)}') from error
            if not isinstance(error, Exception):
                raise
            where = f'connect to Ray at {address or os.environ.get("RAY_ADDRESS")}'
            where = 'start Ray on this machine' if self.is_own else where
            raise SweepError(f'cannot {where}: {reason(error)}') from error

    def put(self, value: Any) -> Any:
        """Returns a reference to a value in the object store."""
        return self._ray.put(value)

    def nodes(self) -> list[Node]:
        """Returns the nodes that live, with what they have free now."""
        free = self._free()
        return [
            Node(node['NodeID'], _name(node), *_amounts(free.get(node['NodeID'], {})))
            for node in self._ray.nodes()
            if node['Alive']
        ]

    def close(self) -> None:
        """Leaves the cluster, and ends it if it is its own; a session that was there stays."""
        self._end.close()

    def _free(self) -> Mapping[str, Mapping[str, float]]:
        from ray._private import state
        from ray.util import client

        connection: Any = client.ray
        look: Any = state.available_resources_per_node
        if not connection.is_connected():
            return look()  # type: ignore[no-any-return]
        from ray.exceptions import RayError, RayTaskError

        try:
            task = self._ray.remote(num_cpus=0)(look).remote()
            return self._ray.get(task, timeout=_SECONDS_TO_LOOK)  # type: ignore[no-any-return]
        except RayTaskError:
            raise
        except RayError:  # the node that was to look was lost; there will be another look
            return {}


def _check_listens(address: str) -> None:
    """Checks that something listens at an address that has a port; Ray would try again for minutes.

    Raises:
        OSError: Nothing does.
    """
    host, separator, port = address.rpartition('://')[2].partition('?')[0].rpartition(':')
    if separator and port.isdecimal():
        with socket.create_connection((host.strip('[]'), int(port)), _SECONDS_TO_CONNECT):
            pass


def _name(node: Mapping[str, Any]) -> str:
    return f'{node["NodeManagerHostname"]} ({node["NodeManagerAddress"]})'


def _amounts(free: Mapping[str, float]) -> tuple[float, float, float]:
    return free.get('CPU', 0.0), free.get('GPU', 0.0), free.get('memory', 0.0)


@contextmanager
def _environment(values: Mapping[str, str]) -> Iterator[None]:
    """Sets variables meanwhile that the user has not set."""
    given = {name: value for name, value in values.items() if name not in os.environ}
    os.environ.update(given)
    try:
        yield
    finally:
        for name in given:
            os.environ.pop(name, None)


@contextmanager
def _signals_kept() -> Iterator[None]:
    """Ray takes SIGTERM for itself when it connects; whoever had it before gets it back."""
    before = signal.getsignal(signal.SIGTERM)
    try:
        yield
    finally:
        if threading.current_thread() is threading.main_thread():
            signal.signal(signal.SIGTERM, before)


@contextmanager
def _loopback() -> Iterator[None]:
    """Has Ray on this machine alone listen at 127.0.0.1, as on macOS, not where others can reach it."""
    with _changed('ray._private.ray_constants', 'ENABLE_RAY_CLUSTER', False):
        yield


@contextmanager
def _silence() -> Iterator[None]:
    """Keeps Ray from writing to standard output that a node or a worker died: the executor sees to that."""
    with _changed('ray._private.worker', '_worker_logs_enabled', False):
        yield


@contextmanager
def _changed(module: str, name: str, value: Any) -> Iterator[None]:
    """Sets what Ray has no option for; where it has no such name any more, it does as it does.

    Args:
        module: A module that Ray has imported.
        name: A name in it.
        value: What it stands for meanwhile.
    """
    owner = sys.modules.get(module)
    if not hasattr(owner, name):
        yield
        return
    before = getattr(owner, name)
    setattr(owner, name, value)
    try:
        yield
    finally:
        setattr(owner, name, before)
