"""The command line: `sweeper run`, `status`, `report`, `plot`, `collate` and `params`.

Exit codes: 0 all is well; 1 the sweep is complete, but some points failed; 2 the input was wrong; 3 the
sweep could not go on, and what is done is kept; 130 interrupted (143 terminated, 129 hung up), and the same
command continues.
"""

from __future__ import annotations

import os
import signal
import sys
import warnings
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, NoReturn

import typer
from typer.core import TyperCommand, TyperGroup

from .errors import DeclarationError, FolderError, InvalidArgument, MissingExtra, ProblemError, SweepError
from .options import (
    DEFAULT_TRIALS,
    as_options,
    hint_of_extra,
    number,
    selector_of,
    takes_options,
    tuning_of,
    whole_number,
)
from .pipes import outlive_readers
from .signals import Terminated, raising_signals
from .text import one_line, printable, reason
from .version import __version__

if TYPE_CHECKING:
    from .listeners.base import Listener
    from .store.records import Records


class _Help:
    """Has `--help` listed as the switch that it is, without a value."""

    def get_help_option(self, context: Any) -> Any:
        option = super().get_help_option(context)  # type: ignore[misc]
        if option is not None:
            option.metavar = ''
        return option


class _Command(_Help, TyperCommand):
    pass


class _Group(_Help, TyperGroup):
    pass


app = typer.Typer(
    cls=_Group,
    add_completion=False,
    no_args_is_help=True,
    help='Compare neural-network architectures fairly: every one tuned, repeated over seeds, '
    'with error bars.',
)

_SHORTEST = 0.1
SOME_POINTS_FAILED, WRONG_INPUT, ENDED_EARLY = 1, 2, 3


def main() -> None:
    """Runs the command line."""
    if '' not in sys.path:
        sys.path.insert(0, '')  # `sweeper run package.module` finds what `python -m` would
    outlive_readers()
    app()


def _path(text: str) -> Path:
    """A path on the command line; shells leave the `~` in `--out=~/results` as it is."""
    return Path(os.path.expanduser(text))


Whole = partial(typer.Option, parser=whole_number, metavar='NUMBER')
Number = partial(typer.Option, parser=number)
Folder = Annotated[Path, typer.Argument(help="A sweep's folder.", metavar='DIR', parser=_path)]


@app.callback(invoke_without_command=True)
def _all(
    version: Annotated[
        bool, typer.Option('--version', metavar='', help='Show the version, and exit.', is_eager=True)
    ] = False,
) -> None:
    if version:
        print(f'sweeper {__version__}')
        raise typer.Exit


@app.command(
    cls=_Command,
    context_settings={'allow_extra_args': True},
    help='Run a sweep, or continue it: the same command on the same folder trains only what is missing.\n\n'
    'What to try: --grid, --random or --declared (with --grid or --random for some parameters), single '
    'architectures with --point; otherwise the `selector` of the module. A parameter is an argument of '
    'model(), or declared in the code. Values are numbers, true, false, null, text, or tuples, lists and '
    'dicts as in Python or JSON.',
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
            help='How many points to draw with --random or --declared.  '
            '\\[default: 10 or all if fewer, with --declared all up to 100]'
        ),
    ] = None,
    trials: Annotated[
        int | None, Whole(help=f'Trials of every point.  \\[default: {DEFAULT_TRIALS}]')
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
        int | None, Whole(help='Epochs of a trial, with --lr.  \\[default: as --preset fast]')
    ] = None,
    out: Annotated[
        Path | None,
        typer.Option(help='Folder for the results.  \\[default: out/MODULE]', metavar='DIR', parser=_path),
    ] = None,
    tensorboard: Annotated[
        Path | None,
        typer.Option(
            help='Also log every trial to TensorBoard, in this folder.', metavar='DIR', parser=_path
        ),
    ] = None,
    mlflow: Annotated[
        str | None, typer.Option(help='Also log every trial to MLflow, there.', metavar='DIR|URI')
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
        _fail(InvalidArgument(hint_of_extra(sys.argv, context.args)))
    if quiet and options['progress'] not in ('auto', 'none'):
        _fail(InvalidArgument(f'--quiet shows no progress; --progress {options["progress"]} would'))
    folder = out or Path('out', module.removesuffix('.py').replace('/', '.').rpartition('.')[2])
    try:
        from .api import sweep
        from .errors import PointFailedWarning

        if load is not None:
            from .problem.presets import load_values
            from .problem.reference import find_problem

            load_values(find_problem(module), load)
        selector = selector_of(
            os.path.expanduser(module), grid=grid or [], random=random or [], point=point or [],
            declared=declared, settings=settings or [], points=points, trials=trials, seed=options['seed'],
        )  # fmt: skip
        options |= {'progress': 'none'} if quiet else {}
        tuning = tuning_of(options.pop('tuning'), setting or [], lr, batch_size, epochs)
        with raising_signals(), warnings.catch_warnings():
            warnings.simplefilter('ignore', PointFailedWarning)  # the table tells
            results = sweep(
                os.path.expanduser(module), selector, options.pop('sweep_cores'), tuning, folder,
                listeners=_loggers(folder, tensorboard, mlflow), **options,
            )  # fmt: skip
    except SweepError as error:
        _fail(error)
    except KeyboardInterrupt as interruption:
        from .report import terminal

        with suppress(OSError):  # the terminal may be gone
            terminal.explain_interruption(folder)
        raise typer.Exit(_exit_code(interruption)) from None
    from .report import terminal
    from .report.wording import listed

    terminal.show(results.store or _read(folder), only_the_answer=quiet, others=results.others)
    if results.others and not quiet:
        others = listed(results.others, results.columns)
        terminal.say(f'Marked +: already in {one_line(folder)}, not part of this command: {others}.')
    if results.failures:
        where = one_line(f'{folder}/points/*/error.json')
        terminal.say(f'Tracebacks are in {where}. --retry-failed tries these points again.')
        raise typer.Exit(SOME_POINTS_FAILED)


def _loggers(folder: Path, tensorboard: Path | None, mlflow: str | None) -> list[Listener]:
    loggers: list[Listener] = []
    if tensorboard is not None:
        from .listeners.tensorboard import TensorBoardListener

        with _said_of('--tensorboard', tensorboard):
            loggers.append(TensorBoardListener(tensorboard))
    if mlflow is not None:
        from .listeners.mlflow import MLflowListener

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


@app.command(cls=_Command)
def status(
    folder: Folder,
    watch: Annotated[
        bool, typer.Option('--watch', metavar='', help='Keep watching until the sweep ends.')
    ] = False,
    interval: Annotated[
        float, Number(help='Seconds between two looks; at least 0.1.', metavar='SECONDS')
    ] = 1.0,
) -> None:
    """Show the results of a sweep so far, running or not.

    With --watch, if there is no sweep in DIR yet, wait for one.
    """
    from .report import terminal
    from .report.wording import counted
    from .store.lock import is_locked

    try:
        if not interval >= _SHORTEST:
            raise InvalidArgument(f'--interval {interval:g}: must be at least {_SHORTEST:g} seconds')
        if watch:
            _watch(folder, interval)
        store = _read(folder)
    except SweepError as error:
        _fail(error)
    tuned, trials = terminal.done(store)
    failed = sum(store.error(point) is not None for point in store.points)
    terminal.say(terminal.heading(store.manifest, folder))
    points, done = counted(len(store.points), 'point'), counted(trials, 'trial')
    terminal.say(f'{points}, {tuned} tuned, {done} done, {failed} failed')
    if is_locked(folder):
        terminal.show_progress(folder)
    terminal.show(store)


@app.command(cls=_Command)
def report(
    folder: Folder,
    format: Annotated[  # noqa: A002
        str, typer.Option(metavar='html|md|csv|json', help='A page, Markdown, or data for other programs.')
    ] = 'html',
    out: Annotated[
        Path | None,
        typer.Option(
            help='The file.  \\[default: DIR/report.html; else standard output]', metavar='FILE', parser=_path
        ),
    ] = None,
    representations: Annotated[
        list[str] | None,
        typer.Option(
            help='Show the activations of an architecture on validation data: best, ID or NAME=VALUE,….',
            metavar='POINT',
        ),
    ] = None,
) -> None:
    """Write the comparison: a page with figures that works offline, or a document."""
    from .report.document import FORMATS

    try:
        if format != 'html' and format not in FORMATS:
            raise InvalidArgument(f'--format {format}: valid are html, {", ".join(FORMATS)}')
        if representations and format != 'html':
            raise InvalidArgument(f'--representations goes with --format html, not {format}')
        store = _read(folder)
        if format == 'html':
            out = out or store.layout.page
            _write(out, _page(store, representations or []))
            print(f'wrote {one_line(out)}')
        elif out is None:
            text = FORMATS[format](store)
            print(printable(text) if sys.stdout.isatty() else text, end='')
        else:
            _write(out, FORMATS[format](store))
    except SweepError as error:
        _fail(error)


def _page(store: Records, looked_into: list[str]) -> str:
    from .report.figures.chosen import chosen
    from .report.findings import Findings
    from .report.page.writing import report_page

    findings = Findings(store)
    if not looked_into:
        return report_page(findings)
    from .points import label
    from .report.representations import representations

    if 'best' in looked_into and not findings.compared:
        raise InvalidArgument('--representations best: no architecture has trials yet')
    summaries = [findings.compared[0] if text == 'best' else chosen(findings, text) for text in looked_into]
    seen = representations(store, list(dict.fromkeys(summary.params for summary in summaries)))
    for point, why in seen.failed:
        print(f'cannot look into ({label(point)}): {one_line(why)}', file=sys.stderr)
    return report_page(findings, seen)


def _write(path: Path, text: str) -> None:
    from .io.opening import write_report

    try:
        write_report(path, text.encode(errors='replace'))
    except OSError as error:
        raise InvalidArgument(f'cannot write {path}: {reason(error, path)}') from error


@app.command(cls=_Command)
def plot(
    folder: Folder,
    kind: Annotated[
        str,
        typer.Argument(
            help='board, parameter, heatmap, parallel, cost, effects, tuning or training.', metavar='KIND'
        ),
    ],
    out: Annotated[Path, typer.Option(help='The file, .pdf, .svg or .png.', metavar='FILE', parser=_path)],
    x: Annotated[
        str | None,
        typer.Option(
            help='The parameter on the x axis.  \\[default: the one that matters most]', metavar='NAME'
        ),
    ] = None,
    y: Annotated[
        str | None, typer.Option(help='The parameter on the y axis of a heatmap.', metavar='NAME')
    ] = None,
    cost: Annotated[
        str | None,
        typer.Option(
            metavar='parameters|flops|seconds',
            help='What to plot against.  \\[default: the first that is known]',
        ),
    ] = None,
    point: Annotated[
        list[str] | None,
        typer.Option(
            help='Which architectures to show, with tuning and training: ID or NAME=VALUE,….  '
            '\\[default: the best]',
            metavar='POINT',
        ),
    ] = None,
    width: Annotated[
        float | None,
        Number(metavar='INCHES', help='Width of the figure.  \\[default: 3.3, a column, or 6.9, a page]'),
    ] = None,
) -> None:
    """Draw a figure for a paper."""
    from .report.figures.kinds import plot as draw
    from .report.figures.paper import image_format, save_figure

    try:
        image_format(out)  # or fails before there is anything to lose
        save_figure(draw(folder, kind, x=x, y=y, cost=cost, points=point or (), width=width), out)
        print(f'wrote {one_line(out)}')
    except SweepError as error:
        _fail(error)


@app.command(cls=_Command)
def collate(folder: Folder) -> None:
    """Rebuild the summaries (CSV files, results.npz, funcres.pt …) from the single results."""
    from .store.store import Store

    try:
        with Store.opened(folder) as store:
            store.rebuild()
            print(f'collated {len(store.records.by_point)} points in {one_line(store.layout.points)}')
    except SweepError as error:
        _fail(error)


@app.command(cls=_Command)
def params(
    files: Annotated[
        list[Path], typer.Argument(help='Source files and folders. They are not imported.', metavar='FILE')
    ],
    format: Annotated[str, typer.Option(metavar='detail|yaml|json', help='How to list them.')] = 'detail',  # noqa: A002
    manager: Annotated[
        str, typer.Option(help='The name that the code calls to declare parameters.', metavar='NAME')
    ] = '_',
    values: Annotated[
        list[str] | None,
        typer.Option('--set', metavar='NAME=VALUE', help='Show this value instead of the default.'),
    ] = None,
    load: Annotated[
        Path | None, typer.Option(metavar='FILE', help='Show the values of a YAML or JSON file.')
    ] = None,
    save: Annotated[
        Path | None, typer.Option(metavar='FILE', help='Write all values to a YAML or JSON file.')
    ] = None,
) -> None:
    """List the parameters that source code declares, and where. The code is not run."""
    from .declare.listing import list_sources

    try:
        list_sources(files, manager, format, values or [], load, save)
    except SweepError as error:
        _fail(error)


def _read(folder: Path) -> Records:
    from .store.store import Store

    return Store.read(folder)


def _watch(folder: Path, interval: float) -> None:
    """Shows a sweep until it ends; an interruption ends the command."""
    import time

    from .report import terminal
    from .report.live.progress import open_display
    from .report.live.watch import watch
    from .store.layout import SweepLayout
    from .store.manifest import read_manifest

    def on_start() -> None:
        print(terminal.heading(read_manifest(SweepLayout(folder)), folder), file=sys.stderr)

    def on_wait() -> None:
        print(f'waiting for a sweep in {one_line(folder)}', file=sys.stderr)

    try:
        with raising_signals():
            watch(folder, open_display, lambda: time.sleep(interval), on_start, on_wait)
    except KeyboardInterrupt as interruption:
        raise typer.Exit(_exit_code(interruption)) from None


def _exit_code(interruption: KeyboardInterrupt) -> int:
    return 128 + (interruption.signum if isinstance(interruption, Terminated) else signal.SIGINT)


def _fail(error: SweepError) -> NoReturn:
    from rich.console import Console
    from rich.text import Text

    Console(stderr=True).print(
        Text.assemble(('error: ', 'bold red'), printable(as_options(error))), soft_wrap=True
    )
    of_input = InvalidArgument | ProblemError | FolderError | MissingExtra | DeclarationError
    is_input = isinstance(error, of_input)
    raise typer.Exit(WRONG_INPUT if is_input else ENDED_EARLY)


if __name__ == '__main__':
    main()
