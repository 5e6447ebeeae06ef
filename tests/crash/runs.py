"""Which runs a sweep's folder holds finished, and which of them a session submitted once more."""

from __future__ import annotations

import csv
import json
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple

TUNING = 'tuning'
_STAGES = ('lr_vs_perf', 'candidates')  # the last is repeated, round by round


class Run(NamedTuple):
    """A run: its point's id, and its name (`trial 3`, `candidates 0 of stage 2`).

    `tuning` is all of a tuning.
    """

    point: int
    name: str


def name_in_stage(name: str, stage: int) -> str:
    """Tells a run of a tuning from that of another stage: there is a `candidates 0` in each round."""
    return f'{name} of stage {stage}'


def name_of_part(name: str, fraction: float) -> str:
    """Tells a trial from what was trained of it before."""
    return f'{name}, {fraction!r} of it' if fraction < 1 else name


def finished_runs(folder: Path, is_damaged: Callable[[Path], bool]) -> set[Run]:
    """Returns what is finished in a sweep's folder, without the runs of which a file is damaged."""
    found: set[Run] = set()
    for point in _point_folders(folder):
        for result in point.glob('trials/[0-9]*/result.json'):
            if not any(map(is_damaged, result.parent.iterdir())):
                found.add(Run(int(point.name), f'trial {result.parent.name}'))
        for part in point.glob('parts/*/[0-9]*.json'):
            if not is_damaged(part):
                name = name_of_part(f'trial {part.stem}', float(part.parent.name))
                found.add(Run(int(point.name), name))
        hparams = point / 'hparams'
        if any(map(is_damaged, hparams.rglob('*'))):
            continue
        if (hparams / 'final.json').exists():
            found.add(Run(int(point.name), TUNING))
        else:
            found |= {Run(int(point.name), name) for name in _tuning_runs(hparams / 'runs')}
    return found


def _point_folders(folder: Path) -> Iterator[Path]:
    """Yields the folders of points, in `points/` or in folders there, such as `points/0-99/`."""
    for path in folder.glob('points/[0-9]*'):
        yield from (path.glob('[0-9]*') if '-' in path.name else [path])


def _tuning_runs(folder: Path) -> Iterator[str]:
    """Yields the names of a tuning's finished runs, of files named `<stage>-<index>.npz`."""
    for path in folder.glob('*-*.npz'):
        stage, index = path.stem.split('-')
        yield name_in_stage(f'{_STAGES[min(int(stage), len(_STAGES) - 1)]} {index}', int(stage))


def lost_runs(before: Iterable[Run], after: Iterable[Run]) -> list[Run]:
    """Returns the runs that are no longer there; a tuning that is done stands for each of its runs."""
    now = set(after)
    return sorted(
        run
        for run in set(before) - now
        if run.name == TUNING or _is_trial(run.name) or Run(run.point, TUNING) not in now
    )


def repeated_runs(before: Iterable[Run], submitted: Iterable[Run]) -> list[Run]:
    """Returns the runs that were submitted although they were finished, or more than once."""
    done = set(before)
    counts = Counter(submitted)
    return sorted(
        run
        for run, times in counts.items()
        if times > 1 or run in done or (not _is_trial(run.name) and Run(run.point, TUNING) in done)
    )


def _is_trial(name: str) -> bool:
    return name.startswith('trial ')


def submitted_runs(notes: Iterable[Mapping[str, Any]], folder: Path) -> list[Run]:
    """Returns what a session's notes say was submitted.

    Raises:
        ValueError: `params.csv` does not tell the id of a point, although the point was submitted.
    """
    submitted = [note for note in notes if note['what'] == 'submitted']
    ids = _ids(folder / 'points' / 'params.csv') if submitted else {}
    unknown = {tuple(note['point']) for note in submitted} - ids.keys()
    if unknown:
        raise ValueError(f'points were submitted that params.csv does not have: {unknown}')
    return [Run(ids[tuple(note['point'])], note['name']) for note in submitted]


def _ids(path: Path) -> dict[tuple[Any, ...], int]:
    try:
        with open(path, newline='') as file:
            return {(int(row['width']), row['kind']): int(row['id']) for row in csv.DictReader(file)}
    except (OSError, ValueError, LookupError, TypeError) as error:
        raise ValueError(f'{path} cannot be read: {error!r}') from error


def read_notes(path: Path) -> list[dict[str, Any]]:
    """Returns what a child noted, oldest first."""
    return [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []
