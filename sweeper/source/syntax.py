"""From a text to its syntax tree, and from there to values: nothing is ever run."""

from __future__ import annotations

import ast
import warnings
from typing import Any

from ..errors import NotLiteralEvaluable, SourceError, SourceSyntaxError
from .text import SourceHelper

_LONGEST = 80


def parsed(source: SourceHelper) -> ast.Module:
    """Returns the syntax tree of a text.

    Raises:
        SourceSyntaxError: It is not Python.
        SourceError: It is nested too deeply.
    """
    try:
        with warnings.catch_warnings():
            warnings.simplefilter('ignore')  # of invalid escapes, say: they are the author's business
            return ast.parse(source.source, source.filename)
    except SyntaxError as error:
        where = source.filename if error.lineno is None else f'{source.filename}:{error.lineno}'
        line = '' if error.text is None else f'\n    {error.text.strip()}'
        raise SourceSyntaxError(f'{where}: {error.msg}{line}') from error
    except (RecursionError, MemoryError) as error:
        raise SourceError(f'{source.filename}: expressions are nested too deeply to be parsed') from error
    except ValueError as error:  # null bytes, lone surrogates
        raise SourceSyntaxError(f'{source.filename}: {error}') from error


def literal(node: ast.expr) -> Any:
    """Returns the value of a literal expression; a `NotLiteralEvaluable` with the source of any other."""
    try:
        return ast.literal_eval(node)
    except (ValueError, TypeError, SyntaxError, MemoryError, RecursionError):
        return NotLiteralEvaluable(source_of(node))


def source_of(node: ast.expr) -> str:
    """Returns an expression as text, on one line."""
    try:
        return ' '.join(ast.unparse(node).split('\n'))
    except (RecursionError, ValueError):
        return '…'


def shortened(node: ast.expr) -> str:
    """Returns an expression as a text for a message."""
    text = source_of(node)
    return text if len(text) <= _LONGEST else f'{text[: _LONGEST - 1]}…'
