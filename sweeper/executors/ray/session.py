"""The session of Ray that an executor uses: its own, or one that is there."""

from __future__ import annotations

import logging
import os
import signal
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from ...errors import InvalidArgument, SweepError
from ...extras import needed
from ...text import reason
from .placement import Node

# Ray tells its makers nothing of what runs here, and does not speak of it, unless the user wants that.
_ENVIRONMENT = {'RAY_USAGE_STATS_ENABLED': '0', 'RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO': '1'}
_OWN = {'include_dashboard': False, '_node_ip_address': '127.0.0.1'}
_QUIET = {'log_to_driver': False, 'logging_level': logging.ERROR}
_NO_SECONDS = 0.0


class RaySession:
    """A connection to a cluster, until it is closed.

    Args:
        address: Of the cluster; None for the session that this process has, the cluster that RAY_ADDRESS
            names, or else one that is started on this machine.
        cpus: Cores of a cluster that is started here.
        init: Further options of `ray.init`.

    Attributes:
        is_own: Whether the cluster was started here for this session alone.

    Raises:
        MissingExtra: Ray is not installed.
        SweepError: There is no such cluster, or it cannot be started.
    """

    def __init__(self, address: str | None, cpus: int, init: Mapping[str, Any]) -> None:
        with needed('ray', "executor='ray' needs Ray"):
            import ray

        self._ray: Any = ray
        self._is_found = bool(ray.is_initialized())
        self.is_own = not self._is_found and address is None and not os.environ.get('RAY_ADDRESS')
        if self._is_found:
            return
        options = {**_QUIET, **init}
        if self.is_own:
            options = {'address': 'local', 'num_cpus': cpus, **_OWN, **options}
        elif address is not None:
            options['address'] = address
        try:
            with _signals_kept(), _environment(_ENVIRONMENT):
                ray.init(**options)
        except TypeError as error:
            raise InvalidArgument(f'init={dict(init)!r}: {error}') from error
        except (ConnectionError, RuntimeError, ValueError, OSError) as error:
            where = 'start Ray on this machine' if self.is_own else f'connect to Ray at {address!r}'
            raise SweepError(f'cannot {where}: {reason(error)}') from error

    def nodes(self) -> list[Node]:
        """Returns the nodes that live, with what they have free now."""
        free = self._free()
        return [
            Node(node['NodeID'], _name(node), *_amounts(free.get(node['NodeID'], {})))
            for node in self._ray.nodes()
            if node['Alive']
        ]

    def close(self) -> None:
        """Leaves the cluster, unless this process was connected before."""
        if not self._is_found and self._ray.is_initialized():
            self._ray.shutdown()

    def _free(self) -> Mapping[str, Mapping[str, float]]:
        from ray._private import state
        from ray.util import client

        connection: Any = client.ray
        look: Any = state.available_resources_per_node
        if not connection.is_connected():
            return look()  # type: ignore[no-any-return]
        return self._ray.get(self._ray.remote(num_cpus=0)(look).remote())  # type: ignore[no-any-return]


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
