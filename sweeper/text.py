r"""Texts of users, wherever a person reads them: terminals, logs, messages, Markdown and pages.

Names, values, messages and paths may hold anything: escape sequences that clear a terminal, NUL, marks that
turn the direction of all that follows. Both functions write these out as Python would: `\x1b`, `\u202e`.
"""

from __future__ import annotations

_LONGEST = 2000  # laying out a table takes minutes for a million characters


def one_line(text: object) -> str:
    """Returns a text that moves no cursor and starts no line: whatever does not print is written out.

    Of a very long one it returns the beginning.
    """
    text = str(text)
    if len(text) > _LONGEST:
        text = f'{text[:_LONGEST]}… ({len(text)} characters)'
    if text.isprintable():
        return text
    return ''.join(one if one.isprintable() else one.encode('unicode_escape').decode('ascii') for one in text)


def printable(text: object) -> str:
    """Returns the same for a text of several lines, which it keeps."""
    return '\n'.join(one_line(line.expandtabs()) for line in str(text).split('\n'))


def reason(error: object, path: object = None) -> str:
    """Returns what an exception says, in words: of an `OSError` without its number.

    Args:
        error: The exception.
        path: A file that the message names already; any other that an `OSError` is about is added.
    """
    if not isinstance(error, OSError) or not error.strerror:
        return str(error)
    is_named = error.filename is None or isinstance(error.filename, int) or str(error.filename) == str(path)
    return error.strerror if is_named else f'{error.strerror}: {error.filename}'
