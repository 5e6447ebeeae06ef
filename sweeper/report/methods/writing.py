"""Puts the paragraphs together."""

from __future__ import annotations

import os

from ...text import one_line
from ..findings import Findings
from .sources import SOURCES
from .statistics import statistics
from .trials import trials
from .tuning import tuning


def report_methods(source: Findings | str | os.PathLike[str], metric: str | None = None) -> str:
    """Returns paragraphs for the methods section of a paper, and the literature that they cite.

    They say what was compared and how it was tuned, how it was trained, and how it was tested.

    Args:
        source: A sweep's folder, finished or not, or what was found out about it.
        metric: The name of the metric that architectures are compared by; the objective by default.

    Raises:
        FolderError: The folder holds no sweep, or cannot be read.
        InvalidArgument: There is no such metric.
    """
    findings = Findings.of(source, metric)
    parts = (part(findings) for part in (tuning, trials, statistics))
    paragraphs = [one_line(' '.join(filter(None, sentences))) for sentences in parts]
    cited = [source for key, source in SOURCES.items() if any(key in text for text in paragraphs)]
    references = ['\n'.join(['References', *cited])] if cited else []
    return '\n\n'.join([*filter(None, paragraphs), *references]) + '\n'
