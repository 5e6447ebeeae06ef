"""Texts of users on a terminal."""

from __future__ import annotations


def one_line(text: str) -> str:
    """Returns a text that moves no cursor and starts no line: whatever does not print is written out."""
    if text.isprintable():
        return text
    return ''.join(one if one.isprintable() else one.encode('unicode_escape').decode('ascii') for one in text)
