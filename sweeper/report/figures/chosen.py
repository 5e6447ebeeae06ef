"""Which architectures a person means."""

from __future__ import annotations

import ast
import re

from ...errors import InvalidArgument
from ...points import value_to_text
from ..collect import PointSummary
from ..findings import Findings
from ..order import value_order

_MOST_TOLD = 6


def chosen(findings: Findings, text: str) -> PointSummary:
    """Returns the architecture that a text means.

    Args:
        findings: What is known of the sweep.
        text: Its id, which is its folder's name, or as much of `hidden=16,nonlinearity=relu` as tells it from
            all others; separated by commas or spaces.

    Raises:
        InvalidArgument: It means none, or several.
    """
    if re.fullmatch(r'\s*\d+\s*', text):
        return _with_id(findings, int(text))
    criteria = _parsed(findings, text)
    matches = findings.summaries
    for name, value in criteria.items():
        column = findings.columns.index(name)
        values = list(dict.fromkeys(summary.cells[column] for summary in findings.summaries))
        if not any(_is_same(cell, value) for cell in values):
            raise InvalidArgument(
                f'no architecture has {name}={value}; there are {_listed(sorted(values, key=value_order))}'
            )
        matches = [summary for summary in matches if _is_same(summary.cells[column], value)]
    if not matches:
        raise InvalidArgument(f'no architecture has all of {text}; see `sweeper status` for the list')
    if len(matches) > 1:
        names = _listed([findings.name(summary) for summary in matches])
        raise InvalidArgument(f'{text} matches {len(matches)} architectures: {names}; be more specific')
    return matches[0]


def _with_id(findings: Findings, point_id: int) -> PointSummary:
    points = findings.store.points
    if point_id >= len(points):
        raise InvalidArgument(f'there is no point {point_id}; ids go from 0 to {len(points) - 1}')
    return next(summary for summary in findings.summaries if summary.params == points[point_id])


def _parsed(findings: Findings, text: str) -> dict[str, str]:
    """Splits at the names, since values may have commas."""
    names = '|'.join(map(re.escape, sorted(findings.columns, key=len, reverse=True)))
    parts = re.split(rf'(?:^|[,\s])\s*({names})=', text) if names else [text]
    if len(parts) < 3 or parts[0].strip():
        example = findings.name(findings.summaries[0]).replace(' ', ',') if findings.summaries else '0'
        raise InvalidArgument(
            f'cannot tell which architecture "{text}" is: give its id or parameters, such as {example}'
        )
    return dict(zip(parts[1::2], (value.strip() for value in parts[2::2]), strict=True))


def _is_same(cell: str, text: str) -> bool:
    """Whether a text is a value as it is written down, or as Python writes it."""
    if cell == text:
        return True
    try:
        return cell != '' and value_to_text(ast.literal_eval(text)) == cell
    except (ValueError, SyntaxError, TypeError, MemoryError, RecursionError):
        return False


def _listed(texts: list[str]) -> str:
    more = f' and {len(texts) - _MOST_TOLD} more' if len(texts) > _MOST_TOLD else ''
    return ', '.join(text or 'none' for text in texts[:_MOST_TOLD]) + more
