"""What two folders of one sweep do not have in common, timings aside."""

from __future__ import annotations

import csv
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any


def differences(folder: Path, reference: Path) -> list[str]:
    """Returns the relative paths of what only one has, or both have with different contents."""
    ours, theirs = contents(folder), contents(reference)
    return sorted(name for name in ours.keys() | theirs.keys() if ours.get(name) != theirs.get(name))


def contents(folder: Path) -> dict[str, Any]:
    """Returns everything in a folder by its relative path, but for logs, timings, commands and `damaged/`."""
    found: dict[str, Any] = {}
    for path in _below(folder):
        found[path.relative_to(folder).as_posix()] = 'a folder' if path.is_dir() else _content(path)
    return found


def _below(folder: Path) -> Iterator[Path]:
    for path in folder.rglob('*'):
        if path.name != 'log.txt' and path.relative_to(folder).parts[0] != 'damaged':
            yield path


def _content(path: Path) -> Any:
    data = path.read_bytes()
    try:
        if path.name == 'result.json' or path.parent.parent.name == 'parts':
            timed = json.loads(data)
            untimed = data.replace(b'"seconds": ' + json.dumps(timed['seconds']).encode(), b'')
            own = json.dumps(timed.get('checksum')).encode()  # covers the seconds
            return untimed.replace(b'"checksum": ' + own, b'')
        if path.name == 'sweep.json':
            return {
                name: value for name, value in json.loads(data).items() if name not in ('origin', 'checksum')
            }
        if path.name == 'results.csv':
            header, *rows = csv.reader(data.decode().splitlines())
            seconds = header.index('seconds')
            return [row[:seconds] + row[seconds + 1 :] for row in (header, *rows)]
        if path.suffix == '.parquet':
            from pyarrow import parquet  # which only sweeps with such a file need

            return parquet.read_table(path).drop_columns('seconds').to_pylist()
    except (ValueError, LookupError):  # of pyarrow, too
        pass  # broken: then every byte of it counts
    return data
