"""The command `python -m tests.crash`, to be run from the root of the repository."""

from __future__ import annotations

import argparse
import os
import random
import shutil
import sys
import tempfile
import time
from contextlib import ExitStack
from pathlib import Path

from .nodes import Nodes
from .plan import SELECTORS, Counts, make_plan


def main() -> int:
    """Returns the exit code: 0 if everything is 0 that should be."""
    given = _arguments()
    # before numpy and torch are imported, so that they start no threads that a fork would not have
    os.environ |= dict.fromkeys(('OMP_NUM_THREADS', 'MKL_NUM_THREADS', 'OPENBLAS_NUM_THREADS'), '1')
    from rich.console import Console

    from .harness import carry_out

    work = given.work or Path(tempfile.mkdtemp(prefix='sweeper-crash-'))
    work.mkdir(parents=True, exist_ok=True)
    counts = Counts(given.kills - given.kills // 2, given.kills // 2, given.failed_writes, given.damaged)
    rng = random.Random(given.seed)
    plan = make_plan(rng, counts, given.sweeps, given.selectors or SELECTORS)
    began = time.monotonic()
    with ExitStack() as stack:
        address = stack.enter_context(Nodes(0, *given.nodes)).address if given.nodes else ''
        tally = carry_out(plan, rng, work, lambda line: print(line, flush=True), address)
    Console().print(tally.table())
    print(f'seed {given.seed}, {time.monotonic() - began:.0f} seconds')
    for problem, places in tally.problems.items():
        print(f'{places[0]}{f" and {len(places) - 1} more" if len(places) > 1 else ""}: {problem}')
    if not tally.wrong() and not given.work:
        shutil.rmtree(work)
    else:
        print(f'all that was left is in {work}')
    return 1 if tally.wrong() else 0


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog='python -m tests.crash',
        description='Kills and damages sweeps, and checks that they finish as if nothing had happened.',
    )
    parser.add_argument('--kills', type=int, default=200, help='half of workers, half of parents')
    parser.add_argument('--failed-writes', type=int, default=50)
    parser.add_argument('--damaged', type=int, default=50, help='files damaged between two starts')
    parser.add_argument('--seed', type=int, default=0, help='of the plan')
    parser.add_argument('--sweeps', type=int, help='over how many to spread the faults')
    parser.add_argument('--selectors', nargs='+', choices=SELECTORS, help='that the sweeps take in turns')
    parser.add_argument(
        '--nodes', type=int, nargs='+', metavar='CPUS', help='sweep on a Ray cluster of nodes with so many'
    )
    parser.add_argument('--work', type=Path, help='an empty folder to work in, and to keep all in')
    return parser.parse_args()


if __name__ == '__main__':
    sys.exit(main())
