"""Values as they are written on the command line."""

from __future__ import annotations

import ast
import json
import math
import re
from collections.abc import Iterator
from contextlib import suppress
from typing import TYPE_CHECKING, Any

from .errors import InvalidArgument
from .frozen import freeze

if TYPE_CHECKING:
    from .space import Categorical, Domain

_WORDS = {
    'true': True, 'false': False, 'null': None, 'inf': math.inf, '-inf': -math.inf, 'nan': math.nan,
    'infinity': math.inf, '-infinity': -math.inf,
}  # fmt: skip
_NULLS = ('None', 'null')
_NUMBER = r'[-+]?(?:\d+\.?\d*|\.\d+)(?:e[-+]?\d+)?'
_IS_A_RANGE = re.compile(rf'{_NUMBER}\.\.{_NUMBER}(?::\w+)?')
_LIKE_A_RANGE = re.compile(rf'({_NUMBER})\s*(?:-|:|\.{{3,}}|…|to)\s*({_NUMBER})', re.IGNORECASE)
_BRACKETS = {'(': ')', '[': ']', '{': '}'}
_NO_LITERAL = (ValueError, SyntaxError, TypeError, MemoryError, RecursionError)


def choices_of(text: str, kind: type | None = None) -> Categorical:
    """Parses `16,32`, `relu,tanh`, `(8,8),(16,16)`, `{"a": 1},{"a": 2}` or `true,false`.

    Any other bare word is a string, and so is a text in quotes, whatever is in it.

    Args:
        text: One value or several, with commas in between.
        kind: What they must be, if that is known: of texts, `1` is one.

    Raises:
        InvalidArgument: A value is missing, cannot be read, or is there twice; or a range is meant.
    """
    from .space import Categorical

    if _IS_A_RANGE.fullmatch(text):
        raise InvalidArgument('a range goes with --random; --grid takes values, as in 8,16 (text in quotes)')
    return Categorical(tuple(_values_of(text, kind)))


def _values_of(text: str, kind: type | None) -> list[Any]:
    if kind not in (bool, str):
        with suppress(*_NO_LITERAL):
            return [_as_kind(freeze(value), kind) for value in _literal(f'[{text}]')]
    parts = [part.strip() for part in parts_of(text)]
    if '' in parts:
        raise InvalidArgument('a value is missing between two commas')
    return [value_of(part, kind) for part in parts]


def range_of(text: str, kind: type | None = None) -> Domain:
    """Parses `8..128` or `1e-4..0.1:log`, both ends included, or values as `choices_of` does.

    Args:
        text: It.
        kind: What the values must be, if that is known: of floats, `0..1` is an interval.

    Raises:
        InvalidArgument: It is no range.
    """
    if kind is not str and (meant := _LIKE_A_RANGE.fullmatch(text)):
        raise InvalidArgument(f'write a range as {meant[1]}..{meant[2]}')
    bare = [part.strip() for part in parts_of(text) if part.strip()[:1] not in (*_BRACKETS, '"', "'")]
    if not any('..' in part for part in bare):
        return choices_of(text, kind)
    first, _, rest = text.partition('..')
    last, colon, log = rest.partition(':')
    low, high = value_of(first), value_of(last)
    if not all(type(end) in (int, float) for end in (low, high)) or (colon and log != 'log'):
        raise InvalidArgument('must be LOW..HIGH or LOW..HIGH:log, with two numbers, or values as in 8,16')
    from .space.forms import interval_of

    return interval_of(low, high, bool(colon), kind)


def value_of(text: str, kind: type | None = None) -> Any:
    """Parses one value: a literal of Python or JSON, or else a word.

    Args:
        text: It.
        kind: What it must be, if that is known. A text is taken as it is, unless it stands in quotes.

    Raises:
        InvalidArgument: It begins with a bracket and cannot be read, or it is not a number.
    """
    if kind in (bool, str) and text not in _NULLS:
        return _as_kind(_unquoted(text), kind)
    return _as_kind(_plain_value(text), kind)


def _as_kind(value: Any, kind: type | None) -> Any:
    """Returns a value as the kind that is wanted; what cannot be is refused later, with its parameter."""
    if kind in (bool, int, float, str):
        from .declare.types import as_kind

        with suppress(ValueError):
            return as_kind(value, kind)
    return value


def _unquoted(text: str) -> str:
    if text[:1] in ('"', "'"):
        with suppress(*_NO_LITERAL):
            return str(ast.literal_eval(text))
    return text


def _plain_value(text: str) -> Any:
    word = _word(text)
    if word is not text:
        return word
    is_bracketed = text[:1] in _BRACKETS
    try:
        return freeze(_literal(text) if is_bracketed else ast.literal_eval(text))
    except InvalidArgument:
        raise
    except _NO_LITERAL as error:
        if not is_bracketed:
            return text
        why = f' ({error})' if type(error) is TypeError else ''
        raise InvalidArgument(
            f'`{text}` cannot be read as a list, tuple, set or dict{why}; a text that begins with a bracket '
            f'must be in quotes, within those of the shell'
        ) from None


def _word(text: str) -> Any:
    """Returns the value of a word that is no string; else the text itself."""
    lower = text.lower()
    word = _WORDS.get(lower if lower.lstrip('-') in ('nan', 'inf', 'infinity') else text, text)
    if isinstance(word, float) and math.isnan(word):
        raise InvalidArgument(
            f'{text} equals nothing, not even itself, so it cannot name an architecture (as a text, write '
            f'"\'{text}\'")'
        )
    return word


class _Words(ast.NodeTransformer):
    """Takes bare words for what they are elsewhere: `true` for the truth value, `relu` for a string."""

    def visit_Name(self, node: ast.Name) -> ast.expr:
        return ast.Constant(_word(node.id))


def _literal(text: str) -> Any:
    """Returns what JSON or else Python makes of a text; JSON has other escapes in strings."""
    try:
        return json.loads(text, parse_constant=_word)
    except ValueError as error:
        if isinstance(error, InvalidArgument):
            raise
    return ast.literal_eval(_Words().visit(ast.parse(text, mode='eval')))


def parts_of(text: str) -> list[str]:
    """Returns what stands between the commas of a text; one within brackets or quotes parts nothing."""
    ends = [*_commas(text), len(text)]
    starts = [0, *(end + 1 for end in ends)]
    return [text[start:end] for start, end in zip(starts, ends, strict=False)]


def _commas(text: str) -> Iterator[int]:
    closing: list[str] = []
    quote, before = '', ','
    escaped = False
    for index, sign in enumerate(text):
        if quote:
            quote = '' if sign == quote and not escaped else quote
            escaped = sign == '\\' and not escaped
        elif sign in '"\'' and (closing or before in ',='):  # else an apostrophe within a word
            quote = sign
        elif sign in _BRACKETS:
            closing.append(_BRACKETS[sign])
        elif closing and sign == closing[-1]:
            closing.pop()
        elif sign == ',' and not closing:
            yield index
        before = before if sign.isspace() else sign
