"""Puts the page together: content, style and scripts in one file that needs nothing else."""

from __future__ import annotations

import base64
import gzip
import hashlib
import html
import json
import os
from importlib.resources import files
from typing import Any

from ...extras import needed
from ...text import one_line
from ..findings import Findings
from ..representations import Representations
from .content import details, left_out_as_damaged, overview, represented, views

_SCRIPTS = ('elements.js', 'table.js', 'charts.js', 'figures.js', 'architectures.js', 'page.js')
_MOST_ROWS, _MOST_FAILED = 1000, 100  # of more, a browser takes many seconds to open the page


def report_page(
    source: Findings | str | os.PathLike[str], representations: Representations | None = None
) -> str:
    """Returns the report of a sweep as one HTML page.

    It loads nothing, and runs nothing but its own scripts, whatever the names and values of the sweep are:
    they stand in JSON and are shown as text, and the page forbids the browser everything else. Of very many
    architectures it has the best and the first that failed, and says so.

    Args:
        source: A sweep's folder, finished or not, or what was found out about it.
        representations: What the layers of chosen architectures make of the data, if that is wanted.

    Raises:
        FolderError: The folder holds no sweep, or cannot be read.
        MissingExtra: plotly is not installed.
    """
    findings = Findings.of(source)
    looked_into = represented(findings, representations) if representations is not None else []
    findings = findings.leading(_MOST_ROWS, _MOST_FAILED)
    shown, (looked_closer, damaged) = overview(findings), details(findings)
    shown['notes'] += left_out_as_damaged(damaged)
    data = {
        'overview': _json(shown),
        'details': _packed(looked_closer),
        'views': _packed(views(findings)),
        'representations': _packed(looked_into),
    }
    scripts = ['\n'.join(_resource(name) for name in _SCRIPTS), _plotly()]  # first what is seen first
    blocks = [f'<script type="application/json" id="{name}">{value}</script>' for name, value in data.items()]
    blocks += [f'<script>{script}</script>' for script in scripts]
    sources = ' '.join(f"'sha256-{_digest(script)}'" for script in scripts)
    parts = {
        '$POLICY': (
            f"default-src 'none'; script-src {sources} 'unsafe-eval'; style-src 'unsafe-inline'; "
            f"img-src data: blob:; base-uri 'none'; form-action 'none'"
        ),
        '$TITLE': html.escape(one_line(f'{shown["title"]}: comparison')),
        '$STYLE': _resource('page.css'),
        '$SCRIPTS': '\n'.join(blocks),
    }
    template = _resource('page.html')
    pieces = []
    for line in template.splitlines():
        name = next((name for name in parts if name in line), None)
        pieces.append(line if name is None else line.replace(name, parts[name]))
    return '\n'.join(pieces) + '\n'


def _resource(name: str) -> str:
    return (files(__package__) / name).read_text(encoding='utf-8')


def _json(value: Any) -> str:
    """JSON that stands in a page: nothing in it ends the script, whatever it holds."""
    text = json.dumps(value, allow_nan=False, separators=(',', ':'))
    return text.replace('<', '\\u003c').replace('>', '\\u003e').replace('&', '\\u0026')


def _packed(value: Any) -> str:
    """JSON that is read only when someone looks closer, compressed, as text."""
    text = json.dumps(value, allow_nan=False, separators=(',', ':'))
    return base64.b64encode(gzip.compress(text.encode(), mtime=0)).decode()


def _digest(script: str) -> str:
    return base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()


def _plotly() -> str:
    with needed('report', 'the page needs plotly'):
        from plotly.offline import get_plotlyjs
    return str(get_plotlyjs()).replace('</script', '<\\/script')
