"""Files that appear whole or not at all.

Every writer makes the bytes first, writes them to a temporary file in the same folder, flushes it to
the disk and renames it over the target. The temporary name is fixed (there is one writer per folder),
so what an interrupted write leaves behind is taken over by its repetition.
"""

from __future__ import annotations

import csv
import io
import json
import math
import os
import pickle
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

TEMPORARY_SUFFIX = '.partial'


def write_bytes(path: Path, data: bytes) -> None:
    """Writes `data` to `path`, whole or not at all; makes the folders on the way."""
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(path.name + TEMPORARY_SUFFIX)
    with open(temporary, 'wb') as file:
        file.write(data)
        file.flush()
        os.fsync(file.fileno())
    os.replace(temporary, path)


def write_json(path: Path, data: Mapping[str, Any]) -> None:
    """Writes strict JSON: a number that is not finite becomes null."""
    text = json.dumps(_finite(data), indent=2, allow_nan=False)
    write_bytes(path, text.encode() + b'\n')


def read_json(path: Path) -> dict[str, Any]:
    """Reads what `write_json` wrote; anything else is a `ValueError`."""
    data = json.loads(path.read_bytes())
    if not isinstance(data, dict):
        raise ValueError(f'{path} holds no JSON object')
    return data


def write_npz(path: Path, arrays: Mapping[str, np.ndarray]) -> None:
    """Writes named arrays; equal arrays give equal bytes."""
    assert not any(np.asarray(array).dtype.hasobject for array in arrays.values()), 'would need pickle'
    buffer, named = io.BytesIO(), dict[str, Any](arrays)
    np.savez(buffer, **named)
    write_bytes(path, buffer.getvalue())


def read_npz(path: Path) -> dict[str, np.ndarray]:
    """Reads named arrays, without pickle."""
    with np.load(path, allow_pickle=False) as file:
        return {name: file[name] for name in file.files}


def write_csv(path: Path, header: Sequence[str], rows: Iterable[Sequence[object]]) -> None:
    """Writes a CSV file with a header row."""
    buffer = io.StringIO(newline='')
    plain = csv.writer(buffer, lineterminator='\n')
    quoted = csv.writer(buffer, lineterminator='\n', quoting=csv.QUOTE_ALL)
    for row in (header, *rows):  # csv leaves a bare carriage return unquoted, which ends the row for a reader
        (quoted if any('\r' in cell for cell in row if isinstance(cell, str)) else plain).writerow(row)
    write_bytes(path, buffer.getvalue().encode())


def write_pickle(path: Path, value: object) -> None:
    """Writes `value` pickled, for users who want it; `sweeper` itself never reads it back."""
    write_bytes(path, pickle.dumps(value))


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
