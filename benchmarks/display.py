"""What does it cost to look at a sweep? The same sweep with the live display on and off, taking turns.

    python benchmarks/display.py [--rounds 5]

Digits perceptrons (`examples/digits_mlp.py`), two workers, stderr a terminal of 24 lines and 100 columns (a
pseudo-terminal that is read). Prints the wall time of the sweep and the CPU time of its process, with the
display (`rich`) and without (`none`): medians, and of the ratios; and, since a hundredth is less than the
noise of a shared machine, the CPU time that went into the display itself as a share of the wall time: of its
thread, and of the calls in which the sweep's thread tells it something.
"""

import argparse
import fcntl
import json
import os
import pty
import statistics
import struct
import subprocess
import sys
import tempfile
import termios
import threading
import time
from pathlib import Path

PROBLEM = Path(__file__).parents[1] / 'examples' / 'digits_mlp.py'
TRIALS, CORES, LINES, COLUMNS = 6, 2, 24, 100
WAYS = ('none', 'rich')
TOLD = ('on_hparams_found', 'on_trials_completed', 'on_flagged', 'on_point_failed', 'on_status')


def sweep_once(progress, folder):
    """Sweeps; returns seconds: of the sweep, of the process's CPU, and of the display's thread and calls."""
    from sweeper import FixedSweep, sweep
    from sweeper.report.live.live import LiveProgress

    spent = {'thread': 0.0, 'calls': 0.0}

    def timed(method, name, clock):
        def call(*arguments):
            start = clock()
            try:
                return method(*arguments)
            finally:
                spent[name] += clock() - start

        return call

    LiveProgress.draw = timed(LiveProgress.draw, 'thread', time.thread_time)
    for name in TOLD:
        setattr(LiveProgress, name, timed(getattr(LiveProgress, name), 'calls', time.thread_time))
    selector = FixedSweep.with_grid({'hidden': [16, 32, 64], 'nonlinearity': ['relu', 'tanh']}, TRIALS)
    start, cpu = time.perf_counter(), time.process_time()
    sweep(PROBLEM, selector, CORES, 'fastest', folder, cores=CORES, progress=progress)
    return {'wall': time.perf_counter() - start, 'cpu': time.process_time() - cpu, **spent}


def measured(progress):
    """The same in a fresh process, whose stderr is a terminal."""
    ours, theirs = pty.openpty()
    fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack('HHHH', LINES, COLUMNS, 0, 0))
    shown = bytearray()
    reader = threading.Thread(target=read_all, args=(ours, shown))
    reader.start()
    with tempfile.TemporaryDirectory() as folder:
        command = [sys.executable, __file__, '--once', progress, f'{folder}/out']
        environment = os.environ | {'TERM': 'xterm-256color'}
        done = subprocess.run(command, stdout=subprocess.PIPE, stderr=theirs, env=environment)
    os.close(theirs)
    reader.join()
    os.close(ours)
    assert done.returncode == 0, shown.decode()
    assert (b'cores busy' in shown) == (progress == 'rich'), 'was it shown?'
    return json.loads(done.stdout) | {'bytes': len(shown)}


def read_all(descriptor, shown):
    try:
        while piece := os.read(descriptor, 2**16):
            shown += piece
    except OSError:  # the other end is closed
        pass


def compare(rounds):
    found = {way: [] for way in WAYS}
    for number in range(rounds):
        for way in WAYS if number % 2 else reversed(WAYS):
            found[way].append(measured(way))
    for name, unit in (('wall', 'wall time'), ('cpu', 'CPU time of the process')):
        values = {way: [one[name] for one in found[way]] for way in WAYS}
        ratios = [rich / none for none, rich in zip(values['none'], values['rich'], strict=True)]
        none, rich = (statistics.median(values[way]) for way in WAYS)
        print(
            f'{unit:24s} none {none:6.2f} s   rich {rich:6.2f} s   ratio {statistics.median(ratios):.3f} '
            f'({min(ratios):.3f} to {max(ratios):.3f})'
        )
    for name, what in (('thread', 'its thread'), ('calls', 'telling it')):
        shares = [one[name] / one['wall'] for one in found['rich']]
        print(
            f'display, {what:15s} {statistics.median(shares):.2%} of the wall time on one core '
            f'({min(shares):.2%} to {max(shares):.2%})'
        )
    written = statistics.median(one['bytes'] for one in found['rich'])
    print(f'written to the terminal  {written / 1024:.0f} KiB')


if __name__ == '__main__':
    parser = argparse.ArgumentParser(description=__doc__.partition('\n')[0])
    parser.add_argument('--rounds', type=int, default=5)
    parser.add_argument('--once', nargs=2, metavar=('PROGRESS', 'FOLDER'), help='used by itself')
    options = parser.parse_args()
    if options.once:
        print(json.dumps(sweep_once(*options.once)))
    else:
        compare(options.rounds)
