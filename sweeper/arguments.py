"""What can be wrong with the arguments of `sweep` and `train`, found before anything is done."""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Sequence
from typing import Any

from .errors import InvalidArgument
from .executors import EXECUTORS
from .listeners.base import Listener, SweepListener, check_hooks
from .report.live.progress import PROGRESS
from .seeding import MAX_SEED
from .selectors.base import Selector
from .store.manifest import ACCEPTABLE, accepted_kinds
from .work import STEPS

_UNITS = {'': 1, 'k': 2**10, 'm': 2**20, 'g': 2**30, 't': 2**40}


def check_arguments(
    selector: object, sweep_cores: int, cores: int, executor: str, seed: int, on_error: str, retries: int,
    timeout: float | None, memory: object, if_changed: str, progress: str = 'auto', step: str = 'auto',
) -> None:  # fmt: skip
    """Raises `InvalidArgument` for the first argument that cannot be what it is."""
    if isinstance(selector, type) or not callable(selector):
        checked_selector(selector)
    for name, value, least in (('sweep_cores', sweep_cores, 1), ('cores', cores, 1), ('retries', retries, 0)):
        if not isinstance(value, int) or isinstance(value, bool) or value < least:
            error = InvalidArgument(f'{name}={value!r}: must be an integer of at least {least}')
            raise error.naming((name, value))
    if not isinstance(seed, int) or isinstance(seed, bool) or not 0 <= seed <= MAX_SEED:
        error = InvalidArgument(f'seed={seed!r}: must be an integer in [0, 2**63)')
        raise error.on_command_line(f'--seed {seed}: must be an integer from 0 to {MAX_SEED}')
    _check_one_of('executor', executor, EXECUTORS)
    _check_one_of('on_error', on_error, ('record', 'raise'))
    if accepted_kinds(if_changed) is None:
        what = f'valid are {", ".join(ACCEPTABLE)}'
        error = InvalidArgument(
            f"if_changed={if_changed!r}: must be 'stop', 'restart', or 'accept:' with what is accepted, "
            f"as in 'accept:{ACCEPTABLE[0]}'; {what}"
        )
        raise error.on_command_line(
            f'--if-changed {if_changed}: must be stop, restart, or accept: with what is accepted, as in '
            f'accept:{ACCEPTABLE[0]}; {what}'
        )
    _check_one_of('progress', progress, PROGRESS)
    _check_one_of('step', step, STEPS)
    is_number = isinstance(timeout, int | float) and not isinstance(timeout, bool)
    if timeout is not None and not (is_number and 0 < timeout < math.inf):
        error = InvalidArgument(f'timeout={timeout!r}: must be a positive number of seconds, or None')
        shown = f'{timeout:g}' if is_number else timeout
        raise error.on_command_line(f'--timeout {shown}: must be a positive number of seconds')
    if timeout is not None and executor == 'inline':
        error = InvalidArgument("timeout needs executor='local': a run in this process cannot be ended")
        raise error.naming('timeout', ('executor', 'local'))
    if memory is not None and executor == 'inline':
        error = InvalidArgument("memory needs executor='local': this process itself is not limited")
        raise error.naming('memory', ('executor', 'local'))


def checked_selector(selector: object) -> Selector:
    """Returns the selector."""
    if not isinstance(selector, Selector):
        raise InvalidArgument(
            f'param_selector={selector!r}: must be a ParamSelector or Selector; for a list of points take '
            f'FixedSweep.with_fixed_trials(points, trials)'
        )
    if isinstance(selector, SweepListener):
        check_hooks(selector)
    return selector


def checked_listeners(listeners: object) -> list[Listener]:
    """Returns the listeners as a list."""
    found: list[Any] = list(listeners) if isinstance(listeners, Iterable) else [None]
    if any(isinstance(one, type) or not isinstance(one, Listener) for one in found):
        raise InvalidArgument(f'listeners={listeners!r}: must be a list of SweepListener instances')
    for listener in found:
        if isinstance(listener, SweepListener):
            check_hooks(listener)
    return found


def bytes_of(memory: int | str | None) -> int | None:
    """Returns an amount of memory in bytes: `2**30`, `'1GiB'` and `'1G'` are the same; None is None.

    Raises:
        InvalidArgument: It is none.
    """
    if memory is None:
        return None
    found = re.fullmatch(r'(\d+(?:\.\d+)?) ?([kmgt]?)(?:i?b)?', str(memory).strip().lower())
    amount = float(found[1]) * _UNITS[found[2]] if found and not isinstance(memory, bool) else 0.0
    if not 1 <= amount < math.inf:
        error = InvalidArgument(
            f"memory={memory!r}: must be a number of bytes, a text such as '2GB', or None"
        )
        raise error.on_command_line(f'--memory {memory}: must be a number of bytes, or an amount such as 2GB')
    return int(amount)


def _check_one_of(name: str, value: object, valid: Sequence[str]) -> None:
    if value not in valid:
        error = InvalidArgument(f'{name}={value!r}: valid are {", ".join(map(repr, valid))}')
        raise error.on_command_line(f'--{name.replace("_", "-")} {value}: valid are {", ".join(valid)}')
