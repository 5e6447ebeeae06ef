"""JSON files and the checksums (CRC-32) that they carry: of themselves, and of files written with them.

They tell what was damaged by chance so that it can still be read. Files of earlier versions have none.
"""

from __future__ import annotations

import json
import math
import os
import re
import zlib
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from .opening import open_file, read_file

NAME, OF_FILES = 'checksum', 'checksums'
_END = re.compile(rb',\n  "checksum": "([0-9a-f]{8})"\n}\n\Z')
_BLOCK = 2**16  # larger ones are allocated anew, which takes longer than to read most files


def checksum(data: bytes) -> str:
    """Returns the checksum of some bytes."""
    return f'{zlib.crc32(data):08x}'


def json_bytes(data: Mapping[str, Any]) -> bytes:
    """Strict JSON: a number that is not finite becomes null."""
    try:
        text = json.dumps(data, indent=2, allow_nan=False)
    except (TypeError, ValueError):  # there are others than JSON has
        text = json.dumps(_finite(data), indent=2, allow_nan=False)
    return text.encode() + b'\n'


def sealed_json(data: Mapping[str, Any], files: Mapping[Path, bytes] | None = None) -> bytes:
    """Strict JSON of an object that is not empty, with its checksum as the last member.

    Args:
        data: The object.
        files: What is written with it, by path: their checksums are the last but one.
    """
    if files:
        data = {**data, OF_FILES: {path.name: f'{zlib.crc32(file):08x}' for path, file in files.items()}}
    body = json_bytes(data).removesuffix(b'\n}\n')
    return body + f',\n  "{NAME}": "{zlib.crc32(body):08x}"\n}}\n'.encode()


def read_json(path: Path) -> dict[str, Any]:
    """Reads what `write_json` wrote; anything else is a `ValueError`."""
    return _parsed(path, read_file(path))


def read_sealed(path: Path) -> dict[str, Any]:
    """Reads what `sealed_json` returned, or an earlier version without a checksum.

    Raises:
        ValueError: It is something else, or something in it was changed.
    """
    text = read_file(path)
    return _unsealed(text, _parsed(path, text))


def _parsed(path: Path, text: bytes) -> dict[str, Any]:
    try:
        data = json.loads(text)
    except RecursionError:
        raise ValueError(f'{path} is nested too deeply') from None
    if not isinstance(data, dict):
        raise ValueError(f'{path} holds no JSON object')
    if text.isascii() and not any(part in text for part in (b'\\ud', b'\\uD', b'\0')):
        return data  # with no half a character in it
    try:
        json.dumps(data, ensure_ascii=False).encode()
    except UnicodeEncodeError:  # half a character, which could not be shown
        data = json.loads(json.dumps(data, ensure_ascii=False).encode(errors='replace'))
    return dict(data)


def _unsealed(text: bytes, data: dict[str, Any]) -> dict[str, Any]:
    """Returns what a JSON text holds, without its checksum; raises `ValueError` if something was changed."""
    if NAME not in data:
        if OF_FILES in data:
            raise ValueError('its checksum is missing')
        return data
    end = _END.search(text[-40:])
    if end is None or checksum(text[: -len(end[0])]) != end[1].decode():
        raise ValueError('its checksum does not match: its content was changed')
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
            raise ValueError(f'{path.name} does not match its checksum: its content was changed')


def _finite(data: Any) -> Any:
    if isinstance(data, Mapping):
        return {str(key): _finite(value) for key, value in data.items()}
    if isinstance(data, list | tuple):
        return [_finite(value) for value in data]
    if isinstance(data, np.generic | np.ndarray):
        return _finite(data.tolist())
    if isinstance(data, float) and not math.isfinite(data):
        return None
    return data
