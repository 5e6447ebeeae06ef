"""Where a sweep was run: what is good to know for who wants to run it again."""

from __future__ import annotations

import os
import platform
import shlex
import sys
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path

from ..annotations import check_types


@dataclass(frozen=True)
class Origin:
    """A command that added points or trials to a folder; those that did make its `origin`, in order.

    Attributes:
        command: As it would be typed.
        processor: Of the machine, which is not named.
        system: The machine's operating system.
        selector: The class of the selector; None in folders of earlier versions, of which only the last
            command is known, whether or not it added anything.
        first_point: How many points the folder held before: the id of the first that it added, if any.
    """

    command: str = ''
    processor: str = ''
    system: str = ''
    selector: str | None = None
    first_point: int = 0

    def is_same(self, other: Origin) -> bool:
        """Whether it is the same command, at whatever time."""
        return replace(self, first_point=0) == replace(other, first_point=0)


def this_origin(selector: object) -> Origin:
    """Returns the command of this process and its machine."""
    processor = f'{_processor()}, {os.cpu_count()} cores'
    return Origin(_command(), processor, _system(), type(selector).__name__)


def read_origin(data: object) -> tuple[Origin, ...]:
    """Returns what `sweep.json` says; earlier versions wrote a single origin.

    Raises:
        ValueError: It is no list of origins.
    """
    entries = data if isinstance(data, list) else [data] if data else []
    origins: list[Origin] = []
    for entry in entries:
        if not isinstance(entry, dict):
            raise ValueError(f'origin is {data!r}'[:200])
        check_types(Origin, entry)
        try:
            origins.append(Origin(**entry))
        except TypeError as error:
            raise ValueError(f'origin: {error}') from error
    return tuple(origins)


def added_by(origin: Sequence[Origin], points: int) -> list[Origin]:
    """Returns which command added each of so many points, in the points' order."""
    by_point = [origin[0] if origin else Origin()] * points
    for part in origin:
        first = min(max(part.first_point, 0), points)
        by_point[first:] = [part] * (points - first)
    return by_point


def command_numbers(origin: Sequence[Origin], points: int) -> list[int | None]:
    """Returns for each point the place, from 1 on, among `commands` of the command that added it.

    It is None where that is not known: in folders of earlier versions.
    """
    places = {command: place for place, command in enumerate(commands(origin), 1)}
    return [None if part.selector is None else places.get(part.command) for part in added_by(origin, points)]


def commands(origin: Sequence[Origin]) -> list[str]:
    """Returns the commands that are known, in order, each once."""
    return list(dict.fromkeys(part.command for part in origin if part.command))


def _command() -> str:
    program = Path(sys.argv[0]).name if sys.argv and sys.argv[0] else 'python'
    words = ['sweeper' if program == '__main__.py' else program, *sys.argv[1:]]
    return shlex.join(['python', *words] if program.endswith('.py') and program != '__main__.py' else words)


def _processor() -> str:
    with suppress(OSError):
        for line in Path('/proc/cpuinfo').read_text(errors='replace').splitlines():
            if line.startswith('model name'):
                return line.partition(':')[2].strip()
    return platform.processor() or platform.machine()


def _system() -> str:
    return f'{platform.system()} {platform.machine()}'
