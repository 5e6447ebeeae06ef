"""How many workers can one driver keep busy, and at what cost? Simulated workers, everything else as it is.

    python benchmarks/scale.py [busy] [cost] [shapes] [tuning] [adaptive] [folder] [--in FOLDER] …

Workers are slots that sleep; what they answer has weights of a kilobyte. Queue, dispatcher, ledger, store,
summaries and listeners are those of any sweep. Each part runs in a process of its own.

- `busy`: 200 to 10,000 slots with tasks of 2 s: the share of the slots' time that tasks take until the last
  one begins. `--seconds` and `--slots` for others. The clock counts the processor time of this process, as if
  nothing else went on here; `--clock real` sleeps.
- `cost`: tasks of 0.1 s: the driver's processor time per trial, in its own thread and in those that write,
  with the folder on the disk, in memory, and with nothing written; whether it grows with the sweep.
- `shapes`: the same for few points with many trials and many points with few.
- `tuning`: the same for sweeps whose points are tuned, by 33 runs each.
- `adaptive`: the same if the selector waits for results, as evolution does.
- `folder`: files and bytes per trial and per point.
"""

import argparse
import subprocess
import sys

from simulated import SimulatedExecutor, SleepingExecutor, Waiting, run

SLOTS = 200, 500, 1000, 2000, 5000, 10_000


def bench_busy(given):
    """How busy slots are kept with tasks of some seconds."""
    for slots in given.slots:
        rounds = max(int(given.minutes * 60 / given.seconds), 4)
        points = max(slots * rounds // given.trials, 1)
        executor = (SleepingExecutor if given.clock == 'real' else SimulatedExecutor)(slots, given.seconds)
        cost = run(executor, points, given.trials, given.place or 'disk', keep=given.keep_weights)
        lasted = executor.spans[-1][0] - executor.spans[0][0]
        print(
            f'{slots:6d} slots, {cost.trials} tasks of {given.seconds:g} s: busy {executor.busy:.1%}; '
            f'{cost.trials / lasted:.0f} trials per second, {cost.cpu / cost.trials * 1e3:.2f} ms of '
            f'processor time for each',
            flush=True,
        )


def _simulated():
    """Workers that are as many as need be not to keep the driver waiting."""
    return SimulatedExecutor(1000, 0.1)


def bench_cost(given):
    """Processor time per trial, wherever the folder is."""
    for place in [given.place] if given.place else ['disk', 'memory', 'nowhere']:
        cost = run(_simulated(), given.count // given.trials, given.trials, place, keep=given.keep_weights)
        print(f'{given.count} trials, {given.trials} per point, folder: {place}: {cost}', flush=True)


def bench_shapes(given):
    """Few points with many trials, many with few."""
    for trials in (1, 10, 100, 1000, 10_000):
        points = max(given.count // trials, 1)
        cost = run(_simulated(), points, trials, given.place or 'memory')
        print(f'{points} points of {trials} trials: {cost}', flush=True)


def bench_tuning(given):
    """Points that are tuned; per run, of tunings and trials."""
    points, trials = given.count // 40, 7
    cost = run(_simulated(), points, trials, given.place or 'memory', 33)
    runs = points * (33 + trials)
    own, every = cost.thread / runs * 1e3, cost.cpu / runs * 1e3
    print(f'{points} points of 33 runs of tuning and {trials} trials: {cost}')
    print(f"per run: {every:.2f} ms of processor time, {own:.2f} of it in the driver's thread")


def bench_adaptive(given):
    """Selectors that wait for results."""
    points = given.count // given.trials
    cost = run(_simulated(), points, given.trials, given.place or 'memory', make_selector=Waiting)
    print(f'{given.count} trials, {given.trials} per point, proposed as results come: {cost}')


def bench_folder(given):
    """Files and bytes, and those that the file system allocates."""

    def look(folder):
        found = {'trial': [0, 0, 0], 'point': [0, 0, 0], 'sweep': [0, 0, 0]}
        for path in (path for path in folder.rglob('*') if path.is_file()):
            inside, size = path.relative_to(folder).parts, path.stat()
            kind = 'trial' if 'trials' in inside else 'point' if len(inside) > 2 else 'sweep'
            for place, number in enumerate((1, size.st_size, size.st_blocks * 512)):
                found[kind][place] += number
        for kind, of in (('trial', points * given.trials), ('point', points), ('sweep', 1)):
            files, held, allocated = (number / of for number in found[kind])
            print(f'{keep}: per {kind} {files:.1f} files, {held:,.0f} bytes, {allocated:,.0f} allocated')

    points = given.count // given.trials
    for keep in ('all', 'best', 'none'):
        executor = SimulatedExecutor(1000, 0.1)
        run(executor, points, given.trials, given.place or 'disk', keep=keep, look=look, tuning_runs=33)


BENCHMARKS = {
    'busy': bench_busy, 'cost': bench_cost, 'shapes': bench_shapes, 'tuning': bench_tuning,
    'adaptive': bench_adaptive, 'folder': bench_folder,
}  # fmt: skip


def main():
    raw = argparse.RawDescriptionHelpFormatter
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=raw)
    parser.add_argument('parts', nargs='*', choices=[*BENCHMARKS, []], help='all, if none is named')
    parser.add_argument('--in', dest='place', help='disk, memory, nowhere (nothing is written), or a folder')
    parser.add_argument('--count', type=int, default=20_000, help='trials in all, where answers come at once')
    parser.add_argument('--trials', type=int, default=10, help='per point')
    parser.add_argument('--slots', type=int, nargs='+', default=SLOTS)
    parser.add_argument('--seconds', type=float, default=2.0, help='that a task takes')
    parser.add_argument('--keep-weights', choices=['all', 'best', 'none'], default='all')
    parser.add_argument('--clock', choices=['processor', 'real'], default='processor')
    parser.add_argument('--minutes', type=float, default=0.5, help='that slots are kept busy')
    given = parser.parse_args()
    for name in given.parts or BENCHMARKS:
        if given.parts == [name]:
            BENCHMARKS[name](given)
        else:
            print(f'\n{name}: {BENCHMARKS[name].__doc__}', flush=True)
            others = [text for text in sys.argv[1:] if text not in BENCHMARKS]
            subprocess.run([sys.executable, __file__, name, *others], check=True)


if __name__ == '__main__':
    main()
