"""How many cores may be used: affinity, hyperthreads and container quotas, never below 1."""

import math
import os
import subprocess
import sys

import pytest

from sweeper import cores


@pytest.fixture
def machine(tmp_path, monkeypatch):
    """A made-up Linux machine: eight logical CPUs, all allowed, no quota."""
    monkeypatch.setattr(cores, '_CPU_TOPOLOGY', tmp_path / 'cpu')
    monkeypatch.setattr(cores, '_CGROUP_MOUNT', tmp_path / 'cgroup')
    monkeypatch.setattr(cores, '_CGROUP_MEMBERSHIP', tmp_path / 'membership')
    monkeypatch.setattr(cores, '_allowed_cpus', lambda: list(range(8)))
    _write_siblings(tmp_path, [[cpu] for cpu in range(8)])
    return tmp_path


def _write(path, text):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)


def _write_siblings(machine, groups):
    for group in groups:
        for cpu in group:
            text = ','.join(map(str, group)) + '\n'
            _write(machine / f'cpu/cpu{cpu}/topology/thread_siblings_list', text)


def _v2(machine, group, quota):
    _write(machine / 'membership', f'0::/{group}\n')
    _write(machine / 'cgroup' / group / 'cpu.max', quota)


def test_every_core_counts_where_nothing_limits(machine):
    assert cores.usable_cores() == 8


def test_hyperthreads_of_one_core_count_once(machine):
    _write_siblings(machine, [[cpu, cpu + 4] for cpu in range(4)])
    assert cores.usable_cores() == 4


def test_only_allowed_cpus_count(machine, monkeypatch):
    _write_siblings(machine, [[cpu, cpu + 4] for cpu in range(4)])
    monkeypatch.setattr(cores, '_allowed_cpus', lambda: [0, 1, 5])
    assert cores.usable_cores() == 2


@pytest.mark.parametrize(
    ('quota', 'expected'),
    [
        ('max 100000\n', 8),
        ('300000 100000\n', 3),
        ('250000 100000\n', 2),
        ('50000 100000\n', 1),
        ('1000 100000\n', 1),
        ('9900000 100000\n', 8),
        ('nonsense\n', 8),
        ('', 8),
    ],
)
def test_a_v2_quota_limits(machine, quota, expected):
    _v2(machine, 'user/job', quota)
    assert cores.usable_cores() == expected


def test_the_tightest_v2_quota_on_the_way_to_the_root_counts(machine):
    _v2(machine, 'user/job', '600000 100000')
    _write(machine / 'cgroup/user/cpu.max', '200000 100000')
    _write(machine / 'cgroup/cpu.max', '400000 100000')
    assert cores.usable_cores() == 2


def test_a_v2_quota_counts_inside_a_container_that_sees_itself_as_the_root(machine):
    _v2(machine, '', '200000 100000')
    assert cores.usable_cores() == 2


@pytest.mark.parametrize(
    ('quota', 'period', 'expected'),
    [('-1', '100000', 8), ('300000', '100000', 3), ('150000', '100000', 1), ('100', '0', 8), ('x', 'y', 8)],
)
def test_a_v1_quota_limits(machine, quota, period, expected):
    _write(machine / 'membership', '12:memory:/docker/abc\n4:cpu,cpuacct:/docker/abc\n')
    _write(machine / 'cgroup/cpu/docker/abc/cpu.cfs_quota_us', quota)
    _write(machine / 'cgroup/cpu/docker/abc/cpu.cfs_period_us', period)
    assert cores.usable_cores() == expected


def test_a_v1_quota_counts_where_the_container_sees_only_its_own_group(machine):
    _write(machine / 'membership', '4:cpu,cpuacct:/docker/abc\n0::/\n')
    _write(machine / 'cgroup/cpu/cpu.cfs_quota_us', '200000')
    _write(machine / 'cgroup/cpu/cpu.cfs_period_us', '100000')
    assert cores.usable_cores() == 2


def test_without_topology_the_physical_cores_count_but_no_more_than_allowed(machine, monkeypatch):
    monkeypatch.setattr(cores, '_CPU_TOPOLOGY', machine / 'nowhere')
    monkeypatch.setattr(cores.psutil, 'cpu_count', lambda logical: 4)
    assert cores.usable_cores() == 4
    monkeypatch.setattr(cores, '_allowed_cpus', lambda: [0, 1])
    assert cores.usable_cores() == 2
    monkeypatch.setattr(cores.psutil, 'cpu_count', lambda logical: None)
    assert cores.usable_cores() == 2


def test_without_cgroups_nothing_limits(machine):
    assert cores._cgroup_cores() == math.inf


def test_there_is_always_one_core(machine, monkeypatch):
    monkeypatch.setattr(cores, '_allowed_cpus', list)
    assert cores.usable_cores() == 1


@pytest.mark.skipif(not hasattr(os, 'sched_setaffinity'), reason='this system has no CPU affinity')
def test_the_affinity_of_the_process_counts():
    code = (
        'import os; from sweeper.cores import _allowed_cpus, usable_cores; '
        'os.sched_setaffinity(0, {max(os.sched_getaffinity(0))}); print(len(_allowed_cpus()), usable_cores())'
    )
    done = subprocess.run([sys.executable, '-c', code], check=True, capture_output=True, text=True)
    assert done.stdout.split() == ['1', '1']
