"""How many cores this process may really use."""

from __future__ import annotations

import math
import os
from collections.abc import Callable
from pathlib import Path

import psutil

_CPU_TOPOLOGY = Path('/sys/devices/system/cpu')
_CGROUP_MOUNT = Path('/sys/fs/cgroup')
_CGROUP_MEMBERSHIP = Path('/proc/self/cgroup')


def usable_cores() -> int:
    """Returns the number of physical cores that this process may use, at least 1.

    Hyperthreads of one core count once. CPU affinity (`taskset`, batch schedulers) and container CPU
    quotas (cgroup v1 and v2) count too: a container limited to 1.5 cores on a 64-core machine has 1.
    """
    return max(1, int(min(_physical_cores_in(_allowed_cpus()), _cgroup_cores())))


def _allowed_cpus() -> list[int]:
    if hasattr(os, 'sched_getaffinity'):
        return sorted(os.sched_getaffinity(0))
    return list(range(os.cpu_count() or 1))


def _physical_cores_in(cpus: list[int]) -> int:
    siblings = set()
    for cpu in cpus:
        try:
            siblings.add((_CPU_TOPOLOGY / f'cpu{cpu}/topology/thread_siblings_list').read_text())
        except OSError:  # not Linux, or a sandbox that hides the topology
            physical = psutil.cpu_count(logical=False) or len(cpus)
            return min(physical, len(cpus))
    return len(siblings)


def _cgroup_cores() -> float:
    """Returns the tightest CPU quota on the way from this process's cgroup to the root, in cores."""
    try:
        entries = _CGROUP_MEMBERSHIP.read_text().splitlines()
    except OSError:
        return math.inf
    tightest = math.inf
    for entry in entries:
        _, controllers, path = entry.split(':', 2)
        if controllers == '':
            tightest = min(tightest, _tightest_quota(_CGROUP_MOUNT, path, _read_v2_quota))
        elif 'cpu' in controllers.split(','):
            mount = _CGROUP_MOUNT / 'cpu'
            tightest = min(tightest, _tightest_quota(mount, path, _read_v1_quota))
    return tightest if tightest == math.inf else math.floor(tightest)


def _tightest_quota(mount: Path, path: str, read: Callable[[Path], float]) -> float:
    group = mount / path.lstrip('/')
    return min(read(folder) for folder in (group, *group.parents) if folder.is_relative_to(mount))


def _read_v2_quota(folder: Path) -> float:
    try:
        quota, period = (folder / 'cpu.max').read_text().split()
        return math.inf if quota == 'max' else int(quota) / int(period)
    except (OSError, ValueError):
        return math.inf


def _read_v1_quota(folder: Path) -> float:
    try:
        quota = int((folder / 'cpu.cfs_quota_us').read_text())
        period = int((folder / 'cpu.cfs_period_us').read_text())
        return math.inf if quota <= 0 or period <= 0 else quota / period
    except (OSError, ValueError):
        return math.inf
