"""A whole sweep of digits perceptrons, start-up included: what do processes cost, what do cores bring?

    python benchmarks/sweep.py

Runs 3 architectures x 3 trials with `fastest` in a fresh process each, in alternation, and prints
medians of the wall time and of the ratios.
"""

import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

ROUNDS = 3
PROBLEM = Path(__file__).parents[1] / 'examples' / 'digits_mlp.py'
WAYS = {
    'inline': ['--executor', 'inline'],
    'one worker': ['--cores', '1'],
    'two workers': ['--cores', '2'],
}


def seconds(options):
    with tempfile.TemporaryDirectory() as folder:
        command = [sys.executable, '-m', 'sweeper', 'run', str(PROBLEM), '--preset', 'fastest']
        command += ['--grid', 'hidden=16,32,64', '--grid', 'nonlinearity=relu', '--sweep-cores', '2']
        start = time.perf_counter()
        subprocess.run([*command, *options, '--out', f'{folder}/out'], check=True, capture_output=True)
        return time.perf_counter() - start


def main():
    rounds = [{way: seconds(options) for way, options in WAYS.items()} for _ in range(ROUNDS)]
    for way in WAYS:
        print(f'{way:12s} {statistics.median(one[way] for one in rounds):6.1f} s')
    for way, other in (('one worker', 'inline'), ('two workers', 'one worker')):
        ratio = statistics.median(one[way] / one[other] for one in rounds)
        print(f'{way} / {other}: {ratio:.2f}')


if __name__ == '__main__':
    main()
