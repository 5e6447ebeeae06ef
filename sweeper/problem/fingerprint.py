"""A digest of what a problem is made of: tells whether it changed between a sweep's start and resume."""

from __future__ import annotations

import hashlib
from pathlib import Path

from .sources import ProblemSources, read_sources


def source_fingerprint(file: Path, package: str = '') -> str | None:
    """Returns the fingerprint of the problem in `file`; None if the file cannot be read.

    Args:
        file: The problem's module.
        package: The dotted name of the package it is in, '' for a plain file.
    """
    sources = read_sources(file, package)
    return None if sources is None else fingerprint_of(sources)


def fingerprint_of(sources: ProblemSources) -> str:
    """Returns a digest of what a problem is made of.

    Only what counts in it matters (see `sources`), and not where its folder is. A file that cannot be parsed
    counts by its bytes.

    Returns:
        A SHA-256 in hexadecimal digits. It is comparable only within one minor version of Python, whose
        syntax trees it is made from.
    """
    code = sources.main.code
    if isinstance(code, bytes):
        return hashlib.sha256(code).hexdigest()
    modules = sorted((name, source.code) for name, source in sources.modules.items())
    return hashlib.sha256(repr((code, modules)).encode()).hexdigest()
