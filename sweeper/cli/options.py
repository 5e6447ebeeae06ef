"""Options of the command line: their types, and those that are made from `SweepConfig`."""

from __future__ import annotations

import dataclasses
import inspect
import os
import re
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from functools import partial
from pathlib import Path
from types import NoneType
from typing import Annotated, Any, get_args, get_type_hints

import typer
from typer import BadParameter

from ..annotations import choices_in
from ..config import SweepConfig
from ..errors import SweepError


def path_of(text: str) -> Path:
    """A path on the command line; shells leave the `~` in `--out=~/results` as it is."""
    return Path(os.path.expanduser(text))


def whole_number(text: str) -> int:
    """A whole number on the command line."""
    with suppress(ValueError):
        return int(text)
    raise BadParameter(f'{text} is not a whole number')


def number(text: str) -> float:
    """A number on the command line."""
    with suppress(ValueError):
        return float(text)
    raise BadParameter(f'{text} is not a number')


Whole = partial(typer.Option, parser=whole_number, metavar='NUMBER')
Number = partial(typer.Option, parser=number)
MetricName = Annotated[
    str | None,
    typer.Option(
        '--metric', metavar='NAME', help='The metric to look at.  \\[default: the one that was tuned by]'
    ),
]
Margin = Annotated[
    float | None,
    Number(
        metavar='DIFFERENCE',
        help='Largest difference that does not matter to you, in the unit of the metric.  '
        '\\[default: that of the sweep]',
    ),
]
Folder = Annotated[Path, typer.Argument(help="A sweep's folder.", metavar='DIR', parser=path_of)]


def takes_options(command: Callable[..., None]) -> Callable[..., None]:
    """Gives a command that takes `**options` those of a sweep, as Typer reads them off its signature."""
    signature = inspect.signature(command, eval_str=True)
    own = [own for own in signature.parameters.values() if own.kind is not own.VAR_KEYWORD]
    for field, kind, metavar in _option_types():
        flag = field.metadata.get('option', _option(field.name))
        parser = {int: whole_number, float: number}.get(kind)
        option = typer.Option(flag, help=field.metadata['help'], metavar=metavar, parser=parser)
        annotation = kind if field.default is not None else kind | None
        own.append(
            inspect.Parameter(
                field.name,
                inspect.Parameter.KEYWORD_ONLY,
                default=field.default,
                annotation=Annotated[annotation, option],
            )
        )
    command.__signature__ = signature.replace(parameters=own)  # type: ignore[attr-defined]
    return command


def _option_types() -> Iterator[tuple[dataclasses.Field[Any], Any, str]]:
    """The fields of a sweep's configuration, each with its type and its value's name on the command line."""
    hints = get_type_hints(SweepConfig)
    for field in dataclasses.fields(SweepConfig):
        hint = hints[field.name]
        if choices := choices_in(hint):
            yield field, str, '|'.join(choices)
            continue
        kinds = {*get_args(hint)} or {hint}
        kind = next((kind for kind in (bool, int, float) if kinds <= {kind, NoneType}), str)
        metavar = {bool: '', int: 'NUMBER'}.get(kind, 'NAME')
        yield field, kind, field.metadata.get('metavar', metavar)


def as_options(error: SweepError) -> str:
    """Returns an error's message with options of the command line where it names arguments of `sweep`."""
    if error.command is not None:
        return error.command
    text = str(error)
    for argument in error.arguments:
        if isinstance(argument, str):
            text = re.sub(rf'\b{argument}\b(?!=)', _option(argument), text, count=1)
        else:
            name, value = argument
            text = text.replace(f'{name}={value!r}', f'{_option(name)} {value}')
    return text


def _option(name: str) -> str:
    return f'--{name.replace("_", "-")}'


def hint_of_extra(words: Sequence[str], extra: Sequence[str]) -> str:
    """Says what was probably meant by words of a command that belong to no option.

    Args:
        words: Of the whole command.
        extra: Those that were not expected.
    """
    before = list(words)[: list(words).index(extra[0])] if extra[0] in words else []
    option = next((word for word in reversed(before) if word.startswith('-')), '').partition('=')[0]
    fault = f'unexpected: {" ".join(extra)}'
    if option in ('--grid', '--random', '--set', '--point') and before:
        return f'{fault} (after {before[-1]}). Put commas between values and no spaces, or quotes around them'
    if option in ('--declared', '--retry-failed', '--quiet'):
        return f'{fault}. {option} takes no value'
    return f'{fault}. The command `run` takes one problem; everything else is an option'
