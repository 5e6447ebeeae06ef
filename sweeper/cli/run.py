"""`sweeper run`: runs a sweep, or continues it."""

from __future__ import annotations

import os
import sys
import warnings
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from ..errors import InvalidArgument
from ..options import DEFAULT_TRIALS, budgeted, selector_of, tuning_of
from ..signals import raising_signals
from ..text import one_line
from ..training.resampling.option import Resampling
from .app import SOME_POINTS_FAILED, Command, app, exit_code
from .options import Number, Whole, hint_of_extra, path_of, takes_options

if TYPE_CHECKING:
    from ..listeners.base import Listener


@app.command(
    cls=Command,
    context_settings={'allow_extra_args': True},
    help='Run a sweep, or continue it: the same command on the same folder trains only what is missing.\n\n'
    'What to try: --grid, --random, --space or --declared (with --grid or --random for some), single '
    'architectures with --point; otherwise the `selector` of the module. A parameter is an argument of '
    'model(), or declared in the code. Values are numbers, true, false, null, text, or tuples, lists and '
    'dicts as in Python or JSON; of the declared type, if there is one. A text with a comma is in quotes, '
    'within those of the shell: --grid "name=\'a,b\',c".',
)
@takes_options
def run(
    context: typer.Context,
    module: Annotated[
        str, typer.Argument(help='The problem: a .py file or an importable module.', metavar='MODULE')
    ],
    grid: Annotated[
        list[str] | None,
        typer.Option(metavar='NAME=A,B,…', help='Try these values; with several --grid, all combinations.'),
    ] = None,
    random: Annotated[
        list[str] | None,
        typer.Option(
            metavar='NAME=LOW..HIGH',
            help='Draw values at random: from a range (LOW..HIGH:log for a logarithmic scale) or from A,B,….',
        ),
    ] = None,
    declared: Annotated[
        bool,
        typer.Option(
            '--declared', metavar='', help='Try what the code declares: _("width", 64, choices=\\[32, 64]).'
        ),
    ] = False,
    space: Annotated[
        Path | None,
        typer.Option(
            help='Try the points of a space in a YAML or JSON file: all up to 100, else --points drawn at '
            'random. Its nuisance parameters are tuned.',
            metavar='FILE',
            parser=path_of,
        ),
    ] = None,
    load: Annotated[
        Path | None,
        typer.Option(
            help='Give declared parameters the values of a YAML or JSON file, as --hp-save writes it; '
            '--grid, --random, --point and --set take precedence.',
            metavar='FILE',
        ),
    ] = None,
    settings: Annotated[
        list[str] | None,
        typer.Option(
            '--set', metavar='NAME=VALUE', help='Fix a parameter to this value in every architecture.'
        ),
    ] = None,
    point: Annotated[
        list[str] | None,
        typer.Option(metavar='NAME=A,NAME=B,…', help='Also try this architecture; can be repeated.'),
    ] = None,
    points: Annotated[
        int | None,
        Whole(
            help='How many points to draw with --random, --space or --declared, or to try with --selector.  '
            '\\[default: 10 or all if fewer, with --declared and --space all up to 100]'
        ),
    ] = None,
    trials: Annotated[
        int | None,
        Whole(
            help=f'Trials of every point.  \\[default: {DEFAULT_TRIALS}; with --resample, its number; '
            'with --tunings, the next multiple of that]'
        ),
    ] = None,
    selector: Annotated[
        str | None,
        typer.Option(
            metavar='grid|random|evolution|optuna|racing|halving',
            help='Search what --random, --grid or --declared vary with this selector.',
        ),
    ] = None,
    selector_option: Annotated[
        list[str] | None,
        typer.Option(
            metavar='NAME=VALUE', help='An option of the selector, as in --selector-option population=30.'
        ),
    ] = None,
    budget: Annotated[
        list[str] | None,
        typer.Option(
            metavar='NAME=LIMIT',
            help='End after so many points, trials, samples or minutes, or (patience) points without '
            'improvement, as in --budget trials=200; can be repeated.',
        ),
    ] = None,
    setting: Annotated[
        list[str] | None,
        typer.Option(
            metavar='NAME=VALUE', help='Change a setting of the preset, as in --setting trial_samples=8000.'
        ),
    ] = None,
    lr: Annotated[
        float | None,
        Number(
            help='Do not tune: use this learning rate for every architecture, with --batch-size.',
            metavar='RATE',
        ),
    ] = None,
    batch_size: Annotated[int | None, Whole(help='The batch size that goes with --lr.')] = None,
    epochs: Annotated[
        float | None,
        Number(
            help='Epochs of a trial, with --lr, such as 0.5.  \\[default: as --preset fast]', metavar='NUMBER'
        ),
    ] = None,
    out: Annotated[
        Path | None,
        typer.Option(help='Folder for the results.  \\[default: out/MODULE]', metavar='DIR', parser=path_of),
    ] = None,
    tensorboard: Annotated[
        Path | None,
        typer.Option(
            help='Also log every trial to TensorBoard, in this folder.', metavar='DIR', parser=path_of
        ),
    ] = None,
    mlflow: Annotated[
        str | None,
        typer.Option(
            help='Also log every trial to MLflow, in this folder or at this URI.', metavar='DIR|URI'
        ),
    ] = None,
    quiet: Annotated[
        bool,
        typer.Option(
            '--quiet', metavar='', help='Show no progress and no table, only the answer and what failed.'
        ),
    ] = False,
    **options: Any,
) -> None:
    """Runs a sweep; its help is above."""
    if context.args:
        raise InvalidArgument(hint_of_extra(sys.argv, context.args))
    if quiet and options['progress'] not in ('auto', 'none'):
        raise InvalidArgument(f'--quiet shows no progress; --progress {options["progress"]} would')
    folder = out or Path('out', module.removesuffix('.py').replace('/', '.').rpartition('.')[2])
    try:
        from ..api import sweep
        from ..errors import PointFailedWarning

        if load is not None:
            from ..problem.presets import load_values
            from ..problem.reference import find_problem

            load_values(find_problem(module), load)
        chosen = selector_of(
            os.path.expanduser(module), grid=grid or [], random=random or [], point=point or [],
            declared=declared, settings=settings or [], points=points, trials=trials, seed=options['seed'],
            space=space, loaded=load is not None,
            default_trials=_default_trials(options['resample'], options['tunings']),
            name=selector, options=selector_option or [], margin=options['margin'],
        )  # fmt: skip
        chosen = budgeted(chosen, budget or [])
        options |= {'progress': 'none'} if quiet else {}
        is_given = _is_given(context, 'tuning')
        tuning = tuning_of(options.pop('tuning'), setting or [], lr, batch_size, epochs, is_given)
        with raising_signals(), warnings.catch_warnings():
            warnings.simplefilter('ignore', PointFailedWarning)  # the table tells
            results = sweep(
                os.path.expanduser(module), chosen, options.pop('sweep_cores'), tuning, folder,
                listeners=_loggers(folder, tensorboard, mlflow), **options,
            )  # fmt: skip
    except KeyboardInterrupt as interruption:
        from ..report import terminal

        with suppress(OSError):  # the terminal may be gone
            terminal.explain_interruption(folder)
        raise typer.Exit(exit_code(interruption)) from None
    from ..report import terminal
    from ..report.wording import listed
    from ..store.store import Store

    terminal.show(results.store or Store.read(folder), only_the_answer=quiet, others=results.others)
    if results.others and not quiet:
        others = listed(results.others, results.columns)
        terminal.say(f'Marked +: already in {one_line(folder)}, not part of this command: {others}.')
    if results.failures:
        where = one_line(f'{folder}/points/*/error.json')
        terminal.say(f'Tracebacks are in {where}. --retry-failed tries these points again.')
        raise typer.Exit(SOME_POINTS_FAILED)


def _default_trials(resample: str | None, tunings: int) -> int:
    """How many trials points have if nothing says so: as many as there are splits, or the same per tuning."""
    resampling = None if resample is None else Resampling.parse(resample)
    number = DEFAULT_TRIALS if resampling is None else resampling.count
    return -(-number // max(tunings, 1)) * max(tunings, 1)


def _is_given(context: typer.Context, option: str) -> bool:
    """Whether an option is on the command line, be it with its default."""
    source = context.get_parameter_source(option)
    return source is not None and source.name == 'COMMANDLINE'


def _loggers(folder: Path, tensorboard: Path | None, mlflow: str | None) -> list[Listener]:
    loggers: list[Listener] = []
    if tensorboard is not None:
        from ..listeners.tensorboard import TensorBoardListener

        with _said_of('--tensorboard', tensorboard):
            loggers.append(TensorBoardListener(tensorboard))
    if mlflow is not None:
        from ..listeners.mlflow import MLflowListener

        with _said_of('--mlflow', mlflow):
            loggers.append(MLflowListener(folder.resolve().name, mlflow))
    return loggers


@contextmanager
def _said_of(option: str, value: object) -> Iterator[None]:
    """Has an error of an argument said of the option that it was given by."""
    try:
        yield
    except InvalidArgument as error:
        raise error.on_command_line(f'{option} {value}: {str(error).partition(": ")[2]}') from error
