"""The process that sweeps: one start of a sweep, watched and, if so planned, ended from within.

python -m tests.crash.child FOLDER --seed 3      # by hand, on a folder that the harness kept
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import traceback
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple, get_args, get_type_hints

from .nodes import ENVIRONMENT
from .plan import SELECTORS

if TYPE_CHECKING:
    from sweeper import Executor

PROBLEM = Path(__file__).with_name('problem.py')
SWEEP_CORES = 2
MARK = 'SWEEPER_CRASH_TEST'
"""The environment variable by which every process that a session started is known."""

FINISHED, BROKE, REFUSED = 0, 1, 3


@dataclass(frozen=True)
class Order:
    """What a child shall do.

    Attributes:
        folder: The sweep's.
        seed: The sweep's.
        selector: A name in `SELECTORS`.
        cores: For worker processes; 0 runs the sweep inline.
        notes: Where the child notes what happens: tasks submitted, faults, the end.
        mark: Marks every process that it starts.
        address: That of the Ray cluster whose workers run it, unless `cores` is 0; empty for workers of
            its own.
        fault_step: The number of the write step that meets the fault, or None.
        fault_action: `SIGKILL` or an error's name.
    """

    folder: Path
    seed: int
    selector: str
    cores: int
    notes: Path
    mark: str
    address: str = ''
    fault_step: int | None = None
    fault_action: str = ''


class Forked(NamedTuple):
    """A child that runs: its process, and a pipe with one byte per file that it has written."""

    pid: int
    pipe: int


def preload() -> None:
    """Imports what a sweep needs, so that each child that is forked later has it. Starts no threads."""
    import sweeper.run.sweeper
    import sweeper.training.checking.checks
    import sweeper.training.runs  # noqa: F401


def fork(order: Order, log: Path) -> Forked:
    """Starts a child; what it prints goes to the end of `log`."""
    reading, writing = os.pipe()
    sys.stdout.flush()
    pid = os.fork()
    if pid:
        os.close(writing)
        return Forked(pid, reading)
    code = BROKE
    try:
        os.close(reading)
        _print_to(log)
        os.environ[MARK] = order.mark
        code = run(order, lambda: os.write(writing, b'.'))
        sys.stdout.flush()
        sys.stderr.flush()
    finally:
        os._exit(code)  # not one step further in what was the harness


def _print_to(log: Path) -> None:
    descriptor = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND)
    for number in (1, 2):
        os.dup2(descriptor, number)
    os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
    os.close(descriptor)


def run(order: Order, on_file: Callable[[], Any]) -> int:
    """Runs the sweep; returns the exit code."""
    from sweeper import SweepConfig, SweepError, sweep

    from .adaptive import SELECTORS
    from .write_steps import WriteSteps

    steps, kept = get_args(get_type_hints(SweepConfig)['step']), ('best', 'none', 'all')
    notes = Notes(order.notes)
    WriteSteps(
        order.fault_step, order.fault_action, lambda text: notes.add('fault', text=text), on_file
    ).install()
    _note_submissions(notes)
    selector = SELECTORS[order.selector](order.seed)
    try:
        sweep(
            PROBLEM, selector, SWEEP_CORES, _settings(), order.folder,
            executor=_executor(order), seed=order.seed, progress='none', step=steps[order.seed % len(steps)],
            tunings=1 + order.seed // len(steps) % 2, keep_weights=kept[order.seed % len(kept)],
            points_per_folder=2 if order.seed // 8 % 2 else None,
            summaries='parquet' if order.seed // 16 % 2 else None,
        )  # fmt: skip
    except SweepError as error:
        traceback.print_exc()
        notes.add('refused', kind=type(error).__name__, message=str(error))
        return REFUSED
    except BaseException as error:
        traceback.print_exc()
        notes.add('broke', kind=type(error).__name__, message=str(error))
        return BROKE
    notes.add('finished', heard=selector.heard)
    return FINISHED


def _executor(order: Order) -> Executor:
    from sweeper import InlineExecutor, LocalExecutor, RayExecutor

    if not order.cores:
        return InlineExecutor(checkpoint_seconds=0)
    if not order.address:
        return LocalExecutor(order.cores, retries=1000, checkpoint_seconds=0)
    os.environ |= ENVIRONMENT
    marked = {'env_vars': {MARK: order.mark}}
    return RayExecutor(
        order.address, order.cores, retries=1000, checkpoint_seconds=0, shared_folder=order.folder.parent,
        runtime_env=marked,
    )  # fmt: skip


class Notes:
    """An append-only file of JSON lines; a line is there whole when `add` returns, whatever comes next."""

    def __init__(self, path: Path) -> None:
        self._descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND)

    def add(self, what: str, **details: Any) -> None:
        """Adds a line."""
        os.write(self._descriptor, json.dumps({'what': what, **details}).encode() + b'\n')


def _note_submissions(notes: Notes) -> None:
    """Has every task noted that is handed to an executor of worker processes."""
    from sweeper.executors.base import Task
    from sweeper.executors.local.executor import LocalExecutor
    from sweeper.executors.ray.executor import RayExecutor
    from sweeper.run.jobs import TuningJob
    from sweeper.tuning.base import Stage

    from .adaptive import architecture
    from .runs import name_in_stage, name_of_part

    begin_stage = TuningJob._begin_stage
    submits = {kind: kind.submit for kind in (LocalExecutor, RayExecutor)}
    begun: dict[int, tuple[Task, int]] = {}  # by id, which stays theirs as they are kept

    def begin_known(self: TuningJob, stage: Stage) -> None:
        number = self._stages
        begin_stage(self, stage)
        begun.update((id(task), (task, number)) for task in self._alone)

    def noted(self: Executor, key: int, task: Task) -> None:
        # Not a group in lanes, which is done as a whole for those not done; nor a dry run, which is no run.
        if 'seed' in task.arguments and task.function != 'dry_run':
            stage = begun.get(id(task), (task, None))[1]
            name = name_of_part(task.name, task.arguments.get('fraction', 1.0))
            name = name if stage is None else name_in_stage(name, stage)
            notes.add('submitted', point=architecture(task.point), name=name)
        submits[type(self)](self, key, task)

    TuningJob._begin_stage = begin_known  # type: ignore[method-assign]
    for kind in submits:
        kind.submit = noted  # type: ignore[method-assign]


def _settings() -> Any:
    from sweeper import HyperparameterSettings

    return HyperparameterSettings(
        tuning_budget=2.0, lr_start=1e-3, lr_end=1.0, lr_initialisations=2, lr_candidates=2, batch_size=16,
        batch_start=8, batch_end=64, batch_candidates=2, rounds=2,
        cycle_epochs=4, trial_samples=480 * 10, max_cycles=5,
    )  # fmt: skip


def main() -> int:
    """Runs one start of a sweep in the foreground."""
    parser = argparse.ArgumentParser(description=__doc__, prog='python -m tests.crash.child')
    parser.add_argument('folder', type=Path)
    parser.add_argument('--seed', type=int, default=0)
    parser.add_argument('--selector', choices=SELECTORS, default=SELECTORS[0])
    parser.add_argument('--cores', type=int, default=2, help='0 runs it inline')
    given = parser.parse_args()
    notes = given.folder.with_suffix('.notes')
    return run(
        Order(given.folder, given.seed, given.selector, given.cores, notes, mark=''), on_file=lambda: None
    )


if __name__ == '__main__':
    sys.exit(main())
