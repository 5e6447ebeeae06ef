"""Whole sweeps of digits before and after a change: processor time and wall time, as ratios.

    python benchmarks/before_after.py CHECKOUT-BEFORE CHECKOUT-AFTER [--pairs 5] [--problem digits_mlp]

Each sweep runs in a fresh process of this environment, of which only `sweeper` itself is replaced by the
checkout's. The two take turns, with one thread each. Processor time is that of all processes of a sweep,
those that outlive their parents included (Linux).
"""

import argparse
import ctypes
import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

GRIDS = {
    'digits_mlp': ('hidden=16,32,64', 'nonlinearity=relu,tanh'),
    'digits_cnn': ('depth=1,2', 'width=4,8'),
}
WAYS = {'inline': ('--executor', 'inline'), 'one worker': ('--cores', '1'), 'two workers': ('--cores', '2')}
PR_SET_CHILD_SUBREAPER = 36


def adopt_orphans():
    """From now on, processes whose parents have ended are this one's to wait for, which tells their time."""
    if ctypes.CDLL(None, use_errno=True).prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0):
        raise OSError(ctypes.get_errno(), 'prctl')


def run(checkout, problem, options):
    """Runs a sweep with a checkout's package; returns processor and wall time in seconds."""
    with tempfile.TemporaryDirectory() as folder:
        command = [sys.executable, '-m', 'sweeper', 'run', str(checkout / 'examples' / f'{problem}.py')]
        command += [part for axis in GRIDS[problem] for part in ('--grid', axis)]
        command += ['--preset', 'fastest', '--out', f'{folder}/out', *options]
        environment = {
            **os.environ, 'PYTHONPATH': str(checkout), 'OMP_NUM_THREADS': '1', 'MKL_NUM_THREADS': '1',
        }  # fmt: skip
        start, cpu, wall = time.perf_counter(), 0.0, 0.0
        silent = {'stdout': subprocess.DEVNULL, 'stderr': subprocess.DEVNULL}
        first = subprocess.Popen(command, cwd=folder, env=environment, **silent)
        while True:
            try:
                pid, status, used = os.wait4(-1, 0)
            except ChildProcessError:
                return cpu, wall
            cpu += used.ru_utime + used.ru_stime
            if pid == first.pid:
                wall = time.perf_counter() - start
                first.returncode = os.waitstatus_to_exitcode(status)
                if first.returncode:
                    raise SystemExit(f'{checkout}: exit code {first.returncode}')


def main():
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument('before', type=Path)
    parser.add_argument('after', type=Path)
    parser.add_argument('--pairs', type=int, default=5)
    parser.add_argument('--problem', choices=GRIDS, default='digits_mlp')
    parser.add_argument('--ways', default='inline,one worker')
    options = parser.parse_args()
    checkouts = [options.before.resolve(), options.after.resolve()]
    adopt_orphans()
    for way in options.ways.split(','):
        pairs = []
        for number in range(options.pairs):
            order = checkouts if number % 2 == 0 else checkouts[::-1]
            found = {checkout: run(checkout, options.problem, WAYS[way]) for checkout in order}
            pairs.append([found[checkout] for checkout in checkouts])
        for at, kind in enumerate(('processor time', 'wall time')):
            ratios = sorted(after[at] / before[at] for before, after in pairs)
            times = [statistics.median(pair[side][at] for pair in pairs) for side in (0, 1)]
            print(
                f'{way:12s} {kind:14s} {times[0]:6.2f} s -> {times[1]:6.2f} s, ratio '
                f'{statistics.median(ratios):.3f} ({ratios[0]:.3f} to {ratios[-1]:.3f})',
                flush=True,
            )


if __name__ == '__main__':
    main()
