r"""Texts of users, wherever a person reads them: terminals, logs, messages, Markdown and pages.

Names, values, messages and paths may hold anything: escape sequences that clear a terminal, NUL, marks that
turn the direction of all that follows. Both functions write these out as Python would: `\x1b`, `\u202e`.
"""

from __future__ import annotations

import re
from pathlib import Path

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
    return ''.join(
        character if character.isprintable() else character.encode('unicode_escape').decode('ascii')
        for character in text
    )


def printable(text: object) -> str:
    """Returns the same for a text of several lines, which it keeps."""
    return '\n'.join(one_line(line.expandtabs()) for line in str(text).split('\n'))


_OURS = Path(__file__).parent
_LIBRARY = re.compile(r'[/\\\\](?:site-packages|dist-packages|lib[/\\\\]python3[^/\\\\]*)[/\\\\]')
_FRAME = re.compile(r'(?P<indent>[ |]*)File "(?P<file>.*)", line \d+, in ')


def users_frames(traceback: str) -> str:
    """Returns a traceback for a person: without frames of ours and those of libraries that led to the user's.

    One of which nothing would be left is returned as it is: it tells of a mistake of ours.

    Args:
        traceback: As Python writes it, of several exceptions perhaps, from whatever machine.
    """
    kept: list[str] = []
    libraries: list[str] = []  # frames that lead to the user's, if one follows
    target, indent, is_users = kept, None, False
    for line in traceback.splitlines():
        if frame := _FRAME.match(line):
            indent = frame['indent']
            if _is_ours(frame['file']):
                target = []
            elif _LIBRARY.search(frame['file']) and not is_users:
                target = libraries
            else:
                libraries.clear()
                target, is_users = kept, True
        elif indent is not None and not line.startswith(indent):  # the exception itself
            kept += libraries
            libraries.clear()
            target, indent, is_users = kept, None, False
        target.append(line)
    text = '\n'.join([*kept, *libraries])
    return text if _FRAME.search(text) else traceback.rstrip('\n')


def _is_ours(file: str) -> bool:
    """Whether a frame's file is one of this package, wherever that was installed."""
    before, _, inside = file.replace('\\', '/').rpartition('/sweeper/')
    return bool(before) and (_OURS / inside).is_file()


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
