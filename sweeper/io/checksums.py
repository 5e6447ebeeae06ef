"""Checksums (CRC-32) that JSON files carry: of themselves, and of the files that were written with them.

They tell what was damaged by chance so that it can still be read. Files of earlier versions have none.
"""

from __future__ import annotations

import os
import re
import zlib
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from .opening import open_file

NAME, OF_FILES = 'checksum', 'checksums'
_END = re.compile(rb',\n  "checksum": "([0-9a-f]{8})"\n}\n\Z')
_BLOCK = 2**16  # larger ones are allocated anew, which takes longer than to read most files


def checksum(data: bytes) -> str:
    """Returns the checksum of some bytes."""
    return f'{zlib.crc32(data):08x}'


def sealed(text: bytes) -> bytes:
    """Returns the JSON of an object that is not empty with its checksum as the last member."""
    body = text.removesuffix(b'\n}\n')
    return body + f',\n  "{NAME}": "{checksum(body)}"\n}}\n'.encode()


def unsealed(text: bytes, data: dict[str, Any]) -> dict[str, Any]:
    """Returns what such a text holds, without the checksum.

    Args:
        text: The JSON.
        data: What it says.

    Raises:
        ValueError: Something in it was changed.
    """
    if NAME not in data:
        if OF_FILES in data:
            raise ValueError('its checksum is missing')
        return data
    end = _END.search(text[-40:])
    if end is None or checksum(text[: -len(end[0])]) != end[1].decode():
        raise ValueError('its checksum is another one: something in it was changed')
    return {name: value for name, value in data.items() if name != NAME}


def check_files(checksums: Mapping[str, str], paths: Iterable[Path]) -> None:
    """Raises `ValueError` if one of the files, which need not be there, is not what was written.

    Args:
        checksums: By the files' names.
        paths: The files to look at.
    """
    for path in paths:
        try:
            with open_file(path) as file:
                checksum = 0
                while block := os.read(file.fileno(), _BLOCK):
                    checksum = zlib.crc32(block, checksum)
        except FileNotFoundError:
            continue
        if f'{checksum:08x}' != checksums.get(path.name):
            raise ValueError(f'{path.name} has another checksum: something in it was changed')
