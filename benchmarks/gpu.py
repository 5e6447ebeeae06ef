"""How fast is training on a GPU? One command of under ten minutes, made to be run once on a card.

    pip install -e '.[benchmarks]'
    python benchmarks/gpu.py [--device cuda] [--minutes 9] [--json FILE] [--names MLP,ResNet]

For each network samples trained per second, in proportion to the ordinary loop in the same round, the ways
taking turns:

    ordinary   a DataLoader (pinned) and ignite's `create_supervised_trainer`, with `torch.optim.SGD`
    plain      data on the card, batches by index, `autograd.grad`, `_foreach_add_`: written by hand
    eager      sweeper's eager step
    captured   sweeper's captured step: a CUDA graph
    lanes      sweeper with 8 models side by side in one graph; samples of all of them
    processes  4 processes on the card, each with captured steps; samples of all of them

with the peak of memory that each reserves and how busy the card is, in percent (`nvidia-smi`). Before that, a
sweep of 24 trials of tiny networks, 4 at a time on the card, from a fresh process to its end: by sweeper, by
one process per trial, by Ray Tune with a quarter of a GPU each. What is not installed, cannot be done or has
no time left is named.

Without a GPU, `--device cpu --small` tries the benchmark out in seconds; its figures mean nothing.
"""

import argparse
import gc
import importlib.util
import json
import statistics
import subprocess
import sys
import threading
import time
from pathlib import Path

import torch
from gpu_networks import cases
from gpu_sweep import WAYS as SWEEPS
from gpu_ways import LANES, WAYS, NotThisWay, rate, wait_for
from rich.console import Console
from rich.table import Table

from sweeper.training.capture.recording import NotCapturable

HERE, PROCESSES = Path(__file__).parent, 4
COLUMNS = ['plain', 'eager', 'captured', 'lanes', 'processes']
SWEEP_TARGET = 5
"""How many times as long Ray Tune is to take for tiny networks, at least."""


class Clock:
    """Says whether there is time for more."""

    def __init__(self, minutes):
        self._end = time.perf_counter() + 60 * minutes

    def left(self):
        return self._end - time.perf_counter()


def busy(device):
    """How busy the card was in the last fraction of a second, in percent; None if nobody says."""
    command = ['nvidia-smi', '--query-gpu=utilization.gpu', '--format=csv,noheader,nounits']
    try:
        command.append(f'--id=GPU-{torch.cuda.get_device_properties(device).uuid}')
        return float(subprocess.run(command, capture_output=True, text=True, check=True).stdout)
    except (AttributeError, OSError, subprocess.CalledProcessError, ValueError):
        return None


class Busy:
    """How busy the card is while something goes on: the mean of `percent`, or None."""

    def __init__(self, device):
        self._device, self._is_over, self._found = device, threading.Event(), []
        self._thread = threading.Thread(target=self._watch, daemon=True)

    def _watch(self):
        while not self._is_over.wait(0.25):
            if (percent := busy(self._device)) is not None:
                self._found.append(percent)

    def __enter__(self):
        if self._device.type == 'cuda':
            self._thread.start()
        return self

    def __exit__(self, *_):
        self._is_over.set()
        if self._thread.ident is not None:
            self._thread.join()

    @property
    def percent(self):
        return statistics.mean(self._found) if self._found else None


def reason(error):
    if isinstance(error, NotCapturable | NotThisWay):
        return str(error)
    return f'{type(error).__name__}: {(str(error).strip().splitlines() or [""])[0]}'


def built(case, device, notes):
    """Each way of training a network, with what it reserves on the card; what cannot be is noted."""
    ways = {}
    for name, make in WAYS.items():
        gc.collect()
        before = 0
        if device.type == 'cuda':
            torch.cuda.empty_cache()
            before = torch.cuda.memory_reserved(device)
            torch.cuda.reset_peak_memory_stats(device)
        try:
            start = time.perf_counter()
            epoch = make(case, device)
            epoch()
            wait_for(device)
        except Exception as error:  # the other ways are worth measuring all the same
            notes.append(f'{case.name}, batches of {case.batch_size}, {name}: {reason(error)}')
            continue
        ways[name] = {'epoch': epoch, 'models': LANES if name == 'lanes' else 1}
        ways[name]['set_up'] = time.perf_counter() - start
        if device.type == 'cuda':
            ways[name]['peak'] = torch.cuda.max_memory_reserved(device) - before
    return ways


def measured(number, case, options, notes):
    """Rates of all ways, as ratios to the ordinary one."""
    ways = built(case, options.device, notes)
    rounds = []
    for _ in range(options.rounds):
        rounds.append({
            name: rate(way['epoch'], case, options.device, options.seconds, way['models'])
            for name, way in ways.items()
        })  # fmt: skip
    found = {}
    for name, way in ways.items():
        with Busy(options.device) as busy_while:
            if options.device.type == 'cuda':
                rate(way['epoch'], case, options.device, options.seconds)
        found[name] = {
            'rate': statistics.median(one[name] for one in rounds),
            'ratio': statistics.median(one[name] / one['ordinary'] for one in rounds),
            'busy': busy_while.percent,
            **{key: way[key] for key in ('set_up', 'peak') if key in way},
        }
    if 'captured' in ways and not options.no_processes:
        try:
            total = sum(side_by_side(number, options))
            found['processes'] = {'rate': total, 'ratio': total / found['ordinary']['rate']}
        except (OSError, ValueError) as error:  # one of them has died
            notes.append(f'{case.name}, batches of {case.batch_size}, processes: {reason(error)}')
    return found


def side_by_side(number, options):
    """The rates of some processes that train captured at the same time, each a model of its own."""
    command = [sys.executable, __file__, '--device', str(options.device), '--seconds', str(options.seconds)]
    command += ['--process', str(number), *(['--small'] if options.small else [])]
    pipes = {'stdin': subprocess.PIPE, 'stdout': subprocess.PIPE, 'text': True}
    started = [subprocess.Popen(command, **pipes) for _ in range(options.processes)]
    for process in started:
        process.stdout.readline()  # it is ready
    for process in started:
        process.stdin.write('go\n')
        process.stdin.flush()
    return [float(process.communicate()[0]) for process in started]


def one_of_them(options):
    case, _ = [*cases(options.small)][options.process]
    epoch = WAYS['captured'](case, options.device)
    epoch()
    wait_for(options.device)
    print('ready', flush=True)
    sys.stdin.readline()
    print(rate(epoch, case, options.device, options.seconds))


def swept(options, clock, notes):
    """Seconds that each way takes for the whole sweep, from the start of its process."""
    found = {}
    for way in options.sweeps:
        if way == 'ray' and importlib.util.find_spec('ray') is None:
            notes.append('ray is not installed')
            continue
        if clock.left() <= 0:
            notes.append(f'no time was left for the sweep by {way}')
            continue
        command = [sys.executable, str(HERE / 'gpu_sweep.py'), way, str(options.device)]
        start = time.perf_counter()
        done = subprocess.run(
            [*command, *(['--small'] if options.small else [])], capture_output=True, text=True, check=False
        )
        if done.returncode:
            notes.append(f'the sweep by {way} failed: {(done.stderr.strip().splitlines() or [""])[-1]}')
        else:
            found[way] = time.perf_counter() - start
    return found


def cell(way):
    if way is None:
        return ''
    more = [f'{way["peak"] / 2**20:.0f} MiB'] if way.get('peak') else []
    more += [f'{way["busy"]:.0f}%'] if way.get('busy') is not None else []
    return '\n'.join([f'{way["ratio"]:.2f}', *more])


def printed(results, notes):
    console = Console(width=130)
    table = Table('network', 'batch', 'ordinary', *COLUMNS, 'promised', title=results['device'])
    for row in results['training']:
        ways = row['ways']
        promised = [f'{name} >= {least}' for name, least in row['promised'].items() if least]
        rate_of_all = f'{ways["ordinary"]["rate"] / 1000:.1f} k/s'
        cells = [cell(ways.get(name)) for name in COLUMNS]
        table.add_row(row['network'], str(row['batch']), rate_of_all, *cells, '\n'.join(promised))
    console.print(table)
    if sweeps := results['sweep']:
        table = Table('24 trials by', 'seconds', 'x', title='a sweep of tiny networks')
        ours = min((time for way, time in sweeps.items() if way.startswith('sweeper')), default=None)
        for way, seconds in sweeps.items():
            table.add_row(way, f'{seconds:.1f}', f'{seconds / ours:.2f}' if ours else '')
        console.print(table)
        console.print(f'promised: ray takes at least {SWEEP_TARGET} times as long')
    for note in notes:
        console.print(f'not measured: {note}', markup=False)


def parsed(arguments):
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument('--device', type=torch.device, default=torch.device('cuda'))
    parser.add_argument('--minutes', type=float, default=9)
    parser.add_argument('--rounds', type=int)
    parser.add_argument('--seconds', type=float, help='that a way trains in each round, at least')
    parser.add_argument('--processes', type=int, default=PROCESSES)
    parser.add_argument('--no-processes', action='store_true')
    parser.add_argument('--names', default='', help='only networks with one of these in their names')
    parser.add_argument('--sweeps', default=','.join(SWEEPS), help=f'of {", ".join(SWEEPS)}; empty for none')
    parser.add_argument('--small', action='store_true')
    parser.add_argument('--json', type=Path)
    parser.add_argument('--process', type=int, help=argparse.SUPPRESS)
    options = parser.parse_args(arguments)
    options.rounds = options.rounds or (1 if options.small else 3)
    options.seconds = options.seconds or (0.01 if options.small else 0.7)
    options.sweeps = [way for way in options.sweeps.split(',') if way]
    if unknown := [way for way in options.sweeps if way not in SWEEPS]:
        parser.error(f'--sweeps {", ".join(unknown)}: choose from {", ".join(SWEEPS)}')
    return options


def main(arguments=None):
    options = parsed(arguments)
    torch.set_num_threads(1)
    if options.process is not None:
        one_of_them(options)
        return
    name = torch.cuda.get_device_name(options.device) if options.device.type == 'cuda' else 'CPU'
    clock, notes = Clock(options.minutes), []
    results = {'device': name, 'torch': torch.__version__, 'small': options.small, 'training': []}
    results['sweep'] = swept(options, clock, notes)  # first: networks may fill the time that is left
    for number, (case, promised) in enumerate(cases(options.small)):
        if not any(part in case.name for part in options.names.split(',')):
            continue
        if clock.left() <= 0:
            notes.append(f'no time was left for {case.name}, batches of {case.batch_size}')
            continue
        ways = measured(number, case, options, notes)
        results['training'].append({
            'network': case.name, 'batch': case.batch_size, 'ways': ways,
            'promised': dict(zip(('captured', 'lanes'), promised, strict=True)),
        })  # fmt: skip
    results['notes'] = notes
    printed(results, notes)
    if options.json is not None:
        options.json.write_text(json.dumps(results, indent=1))


if __name__ == '__main__':
    main()
