"""The command line: `sweeper run`, `status`, `report` and `collate`.

Exit codes: 0 all is well; 1 the sweep is complete, but some points failed; 2 the input was wrong; 3 the
sweep could not go on, and what is done is kept; 130 interrupted (143 terminated, 129 hung up), and the same
command continues.
"""

from __future__ import annotations

import ast
import inspect
import shlex
import signal
import sys
import warnings
from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, NoReturn

import typer

from .errors import FolderError, InvalidArgument, ProblemError, SweepError
from .signals import Terminated, raising_signals

if TYPE_CHECKING:
    from rich.console import Console

    from .selectors.base import ParamSelector
    from .store.manifest import Manifest
    from .store.store import Store

app = typer.Typer(
    add_completion=False,
    no_args_is_help=True,
    help='Compare neural-network architectures fairly: every one tuned, repeated over seeds, '
    'with error bars.',
)

SOME_POINTS_FAILED, WRONG_INPUT, ENDED_EARLY = 1, 2, 3
_DEFAULT_TRIALS, _DEFAULT_POINTS = 3, 10
_WORDS = {'true': True, 'false': False, 'null': None}


def main() -> None:
    """Runs the command line."""
    if '' not in sys.path:
        sys.path.insert(0, '')  # `sweeper run package.module` finds what `python -m` would
    app()


@app.command()
def run(
    module: Annotated[str, typer.Argument(help='The problem: a .py file or an importable module.')],
    grid: Annotated[
        list[str] | None,
        typer.Option(metavar='NAME=A,B,…', help='Try these values; several --grid: all combinations.'),
    ] = None,
    random: Annotated[
        list[str] | None,
        typer.Option(metavar='NAME=LOW..HIGH', help='Draw at random, from a range or from A,B,….'),
    ] = None,
    points: Annotated[
        int | None, typer.Option(help=f'How many points to draw with --random.  [default: {_DEFAULT_POINTS}]')
    ] = None,
    trials: Annotated[
        int | None, typer.Option(help=f'Trials of every point.  [default: {_DEFAULT_TRIALS}]')
    ] = None,
    preset: Annotated[
        str, typer.Option(help='Effort of tuning and training: fastest, fast, slow or slowest.')
    ] = 'fast',
    sweep_cores: Annotated[
        int, typer.Option(help='Cores to tune one architecture; least initialisations per curve.')
    ] = 4,
    cores: Annotated[int | None, typer.Option(help='Cores to use.  [default: all physical cores]')] = None,
    seed: Annotated[int, typer.Option(help='Seeds everything.')] = 0,
    out: Annotated[
        Path | None, typer.Option(help='Folder for the results.  [default: out/MODULE]', metavar='DIR')
    ] = None,
    executor: Annotated[str, typer.Option(help='local (processes) or inline (to debug).')] = 'local',
    on_error: Annotated[str, typer.Option(help='When a point fails: record it, or raise.')] = 'record',
    if_changed: Annotated[
        str, typer.Option(help='If the sweep in DIR is not this one any more: stop, accept or restart.')
    ] = 'stop',
    retries: Annotated[int, typer.Option(help='Retries of a run whose worker process died.')] = 1,
    timeout: Annotated[float | None, typer.Option(help='Seconds that one run may take.')] = None,
    memory: Annotated[str | None, typer.Option(help='What a worker process may take, such as 2GB.')] = None,
    device: Annotated[str, typer.Option(help='A torch device, or auto.')] = 'auto',
    step: Annotated[str, typer.Option(help='Training steps: auto, eager, captured or lanes.')] = 'auto',
    retry_failed: Annotated[
        bool, typer.Option('--retry-failed', help='Forget failures of an earlier run, and try again.')
    ] = False,
    progress: Annotated[str, typer.Option(help='auto, rich, plain or none.')] = 'auto',
    quiet: Annotated[
        bool, typer.Option('--quiet', help='No progress and no table: only the answer, and what failed.')
    ] = False,
) -> None:
    """Run a sweep, or continue it: the same command on the same folder trains only what is missing.

    Without --grid or --random, the module's own `selector` says what to try.
    """
    if quiet and progress not in ('auto', 'none'):
        _fail(InvalidArgument(f'--quiet shows no progress; --progress {progress} would'))
    folder = out or Path('out', module.removesuffix('.py').replace('/', '.').rpartition('.')[2])
    try:
        from .api import PointFailedWarning, sweep

        selector = _selector(module, grid or [], random or [], points, trials, seed)
        with raising_signals(), warnings.catch_warnings():
            warnings.simplefilter('ignore', PointFailedWarning)  # the table tells
            results = sweep(
                module, selector, sweep_cores, preset, folder,
                cores=cores, executor=executor, seed=seed, progress='none' if quiet else progress,
                on_error=on_error, retries=retries, timeout=timeout, device=device, memory=memory,
                step=step, if_changed=if_changed, retry_failed=retry_failed,
            )  # fmt: skip
    except SweepError as error:
        _fail(error)
    except KeyboardInterrupt as interruption:
        with suppress(OSError):  # the terminal may be gone
            _explain_interruption(folder)
        signum = interruption.signum if isinstance(interruption, Terminated) else signal.SIGINT
        raise typer.Exit(128 + signum) from None
    _show(_read(folder), only_the_answer=quiet)
    if results.failures:
        print(f'Tracebacks are in {folder}/points/*/error.json. --retry-failed tries these points again.')
        raise typer.Exit(SOME_POINTS_FAILED)


@app.command()
def status(
    folder: Annotated[Path, typer.Argument(help="A sweep's folder.", metavar='DIR')],
    watch: Annotated[
        bool, typer.Option('--watch', help='Stay and keep it up to date, until the sweep ends.')
    ] = False,
    interval: Annotated[float, typer.Option(help='Seconds between two looks.', min=0.1)] = 1.0,
) -> None:
    """Show what a sweep has found so far, whether it is still running or not.

    With --watch, if there is no sweep in DIR yet, wait for one.
    """
    from .store.lock import is_locked

    try:
        if watch:
            _watch(folder, interval)
        store = _read(folder)
    except SweepError as error:
        _fail(error)
    tuned, trials = _done(store)
    failed = sum(store.error(point) is not None for point in store.points)
    print(_heading(store.manifest, folder))
    print(f'{len(store.points)} points, {tuned} tuned, {trials} trials done, {failed} failed')
    if is_locked(folder):
        _show_progress(folder)
    _show(store)


@app.command()
def report(
    folder: Annotated[Path, typer.Argument(help="A sweep's folder.", metavar='DIR')],
    format: Annotated[str, typer.Option(help='md to read; csv or json to go on with.')] = 'md',  # noqa: A002
    out: Annotated[
        Path | None, typer.Option(help='The file to write.  [default: standard output]', metavar='FILE')
    ] = None,
) -> None:
    """Write the comparison as a document."""
    from .report.document import FORMATS

    try:
        if format not in FORMATS:
            raise InvalidArgument(f'unknown format {format!r}; valid are {", ".join(FORMATS)}')
        text = FORMATS[format](_read(folder))
        if out is None:
            print(text, end='')
        else:
            _write(out, text)
    except SweepError as error:
        _fail(error)


def _write(path: Path, text: str) -> None:
    try:
        path.write_text(text, encoding='utf-8')
    except OSError as error:
        raise InvalidArgument(f'cannot write {path}: {error.strerror}') from error


@app.command()
def collate(folder: Annotated[Path, typer.Argument(help="A sweep's folder.", metavar='DIR')]) -> None:
    """Rebuild the summaries (lookup, CSV files, results.npz, funcres.pt) from the single results."""
    from .store.store import Store

    try:
        with Store.opened(folder) as store:
            store.rebuild()
            print(f'collated {len(store.points)} points in {store.layout.points}')
    except SweepError as error:
        _fail(error)


def _read(folder: Path) -> Store:
    from .store.store import Store

    return Store.read(folder)


def _done(store: Store) -> tuple[int, int]:
    """How many points are tuned, and how many trials are done."""
    tuned = sum(store.tuned(point) is not None for point in store.points)
    return tuned, sum(len(store.trials(point)) for point in store.points)


def _watch(folder: Path, interval: float) -> None:
    """Shows a sweep until it ends; an interruption ends the command."""
    import time

    from .report.progress import open_display
    from .report.watch import watch
    from .store.layout import SweepLayout
    from .store.manifest import read_manifest

    def on_start() -> None:
        print(_heading(read_manifest(SweepLayout(folder)), folder), file=sys.stderr)

    def on_wait() -> None:
        print(f'waiting for a sweep in {folder}', file=sys.stderr)

    try:
        with raising_signals():
            watch(folder, open_display, lambda: time.sleep(interval), on_start, on_wait)
    except KeyboardInterrupt as interruption:
        signum = interruption.signum if isinstance(interruption, Terminated) else signal.SIGINT
        raise typer.Exit(128 + signum) from None


def _show_progress(folder: Path) -> None:
    from .report.view import SweepView
    from .report.watch import snapshot_of

    _console().print(SweepView(replace(snapshot_of(folder), leaders=())))  # the table follows


def _heading(manifest: Manifest, folder: Path) -> str:
    """Says which sweep it is, and whether it is running."""
    from .store.lock import holder, is_locked

    state = 'not running'
    if is_locked(folder):
        who = holder(folder)
        state = ' '.join(['running', *(f'{key} {who.get(key)}' for key in ('pid', 'host', 'since'))])
    return f'{manifest.module}, preset {manifest.preset or "changed"}, seed {manifest.seed}: {state}'


def _console() -> Console:
    from rich.console import Console

    console = Console()
    return console if console.is_terminal else Console(width=200)


def _show(store: Store, only_the_answer: bool = False) -> None:
    from rich.text import Text

    from .report.collect import summarise
    from .report.comparison import compare
    from .report.table import comparison_table

    console, summaries = _console(), summarise(store)
    if only_the_answer:
        summaries = [summary for summary in summaries if summary.error is not None]
    if summaries:
        console.print(comparison_table(summaries, store.parameter_columns()))
    comparison = compare(store)
    console.print(Text(comparison.answer(), style='bold'))
    if (influence := comparison.influence()) and not only_the_answer:
        console.print(Text(influence))


def _fail(error: SweepError) -> NoReturn:
    from rich.console import Console
    from rich.text import Text

    Console(stderr=True).print(Text.assemble(('error: ', 'bold red'), str(error)), soft_wrap=True)
    is_input = isinstance(error, InvalidArgument | ProblemError | FolderError)
    raise typer.Exit(WRONG_INPUT if is_input else ENDED_EARLY)


def _explain_interruption(folder: Path) -> None:
    from rich.console import Console

    console = Console(stderr=True)
    try:
        store = _read(folder)
        tuned, trials = _done(store)
        console.print(
            f'\nInterrupted. Kept in {folder}: '
            f'{tuned} of {len(store.points)} points tuned, trials: {trials}.',
            soft_wrap=True,
        )
    except SweepError:
        console.print('\nInterrupted before anything was trained.')
    command = shlex.join(['sweeper', *sys.argv[1:]])
    console.print(f'To continue, run the same command again:\n  {command}', soft_wrap=True, highlight=False)


def _selector(
    module: str, grid: list[str], random: list[str], points: int | None, trials: int | None, seed: int
) -> ParamSelector | Callable[[], ParamSelector]:
    """Returns what the options ask for; if that is the module's own, what gets it once it is loaded."""
    from .selectors.fixed import FixedSweep

    if grid and random:
        raise InvalidArgument('--grid and --random cannot be mixed; --random takes lists of values, too')
    if points is not None and not random:
        raise InvalidArgument(f'--points={points} goes with --random')
    count = _DEFAULT_TRIALS if trials is None else trials
    if grid:
        return FixedSweep.with_grid(_named('--grid', grid, _values), count)
    if random:
        ranges = _named('--random', random, _range)
        return FixedSweep.with_random_trials(ranges, points or _DEFAULT_POINTS, count, seed=seed)
    return partial(_own_selector, module, trials)


def _own_selector(module: str, trials: int | None) -> ParamSelector:
    """Returns the selector that the module itself defines."""
    from .training.problem import find_problem, load_module

    loaded = load_module(find_problem(module))
    selector: Any = getattr(loaded, 'selector', None)
    if selector is None:
        raise InvalidArgument(
            f'what should be varied? {module} has no `selector`; '
            f'give --grid NAME=A,B,… or --random NAME=LOW..HIGH'
        )
    if not callable(selector):
        if trials is not None:
            raise InvalidArgument(f'--trials={trials}: the selector of {module} has its own number of trials')
        return selector  # type: ignore[no-any-return]
    if 'trials' in inspect.signature(selector).parameters:
        return selector(**({} if trials is None else {'trials': trials}))  # type: ignore[no-any-return]
    if trials is not None:
        raise InvalidArgument(f'--trials={trials}: selector() of {module} takes no argument `trials`')
    return selector()  # type: ignore[no-any-return]


def _named(option: str, texts: list[str], parse: Callable[[str], Any]) -> dict[str, Any]:
    parsed: dict[str, Any] = {}
    for text in texts:
        name, equals, values = (part.strip() for part in text.partition('='))
        if not equals or not name or not values:
            raise InvalidArgument(f'{option} {text!r}: must be NAME=VALUES, as in {option} hidden=16,32')
        if name in parsed:
            raise InvalidArgument(f'{option} {text!r}: {name} is given twice; list all its values in one')
        parsed[name] = parse(values)
    return parsed


def _values(text: str) -> list[Any]:
    """Parses `16,32`, `relu,tanh`, `(8,8),(16,16)` or `true,false`; any other bare word is a string."""
    try:
        values = list(ast.literal_eval(f'[{text}]'))
    except (ValueError, SyntaxError):
        values = [_value(one.strip()) for one in text.split(',')]
    if '' in values or any(values.count(value) > 1 for value in values):
        raise InvalidArgument(f'values {text!r}: every value must be there, and once')
    return values


def _value(text: str) -> Any:
    if text in _WORDS:
        return _WORDS[text]
    try:
        return ast.literal_eval(text)
    except (ValueError, SyntaxError):
        return text


def _range(text: str) -> Any:
    """Parses `8..128` or `0.1..0.5`, both ends included, or a list of values."""
    low, dots, high = text.partition('..')
    return (_value(low), _value(high)) if dots else _values(text)


if __name__ == '__main__':
    main()
