"""What belongs to a process as a whole and costs next to nothing to put back."""

from __future__ import annotations

import decimal
import gc
import locale
import logging
import os
import signal
import sys
import threading
import time
import warnings
from collections.abc import Callable
from contextlib import suppress
from typing import Any, NamedTuple

import numpy as np

from .switches import set_torch_switches, torch_switches

try:
    import resource
except ImportError:  # Windows
    resource = None  # type: ignore[assignment]


class Setting(NamedTuple):
    """Something that can be read and set.

    Attributes:
        name: What it is called in messages.
        get: Reads it; values are compared by `==`.
        set: Sets it to what was read.
        grows: What a run adds may stay: it is the same whichever run adds it.
    """

    name: str
    get: Callable[[], Any]
    set: Callable[[Any], None]
    grows: bool = False


def _folder() -> str | None:
    with suppress(OSError):  # it was deleted
        return os.getcwd()
    return None


def _set_folder(folder: str | None) -> None:
    if folder is not None:
        os.chdir(folder)


def _umask() -> int:
    # Until the next line, what another thread makes can be read by its owner only.
    mask = os.umask(0o077)
    os.umask(mask)
    return mask


def _set_environment(wanted: dict[str, str]) -> None:
    zone = os.environ.get('TZ')
    for name in os.environ.keys() - wanted.keys():
        del os.environ[name]
    for name, value in wanted.items():
        if os.environ.get(name) != value:
            os.environ[name] = value
    if wanted.get('TZ') != zone and hasattr(time, 'tzset'):
        time.tzset()


def _list_of(module: Any, name: str) -> Setting:
    """A list that is an attribute of a module: the object and what is in it."""

    def get() -> tuple[int, list[Any], list[Any]]:
        held = getattr(module, name)
        return id(held), held, list(held)

    def put_back(state: tuple[int, list[Any], list[Any]]) -> None:
        _, held, content = state
        held[:] = content
        setattr(module, name, held)

    return Setting(f'{module.__name__}.{name}', get, put_back)


def _attributes_of(module: Any, *names: str) -> list[Setting]:
    return [
        Setting(
            f'{module.__name__}.{name}',
            lambda name=name: getattr(module, name),  # type: ignore[misc]
            lambda value, name=name: setattr(module, name, value),  # type: ignore[misc]
        )
        for name in names
    ]


_OF_DECIMAL = ('prec', 'rounding', 'Emin', 'Emax', 'capitals', 'clamp')


def _decimal_of(context: decimal.Context) -> dict[str, Any]:
    fields = {name: getattr(context, name) for name in _OF_DECIMAL}
    return {**fields, 'traps': dict(context.traps)}


def _set_decimal(context: decimal.Context, fields: dict[str, Any]) -> None:
    for name in _OF_DECIMAL:
        setattr(context, name, fields[name])
    context.traps.update(fields['traps'])


_SIGNALS = [number for number in signal.valid_signals() if number < 32] if os.name == 'posix' else []


def _handlers() -> dict[int, Any]:
    return {number: signal.getsignal(number) for number in _SIGNALS}


def _set_handlers(handlers: dict[int, Any]) -> None:
    if threading.current_thread() is threading.main_thread():
        for number, handler in handlers.items():
            if handler is not None and signal.getsignal(number) != handler:
                signal.signal(number, handler)


def _is_alarm_off() -> bool:
    return signal.getitimer(signal.ITIMER_REAL) == (0.0, 0.0)


def _set_alarm_off(is_off: bool) -> None:
    if is_off:  # else it is the caller's, and runs on
        signal.setitimer(signal.ITIMER_REAL, 0.0)


def _limits() -> dict[int, tuple[int, int]]:
    kinds = [value for name, value in vars(resource).items() if name.startswith('RLIMIT_')]
    return {kind: resource.getrlimit(kind) for kind in sorted(set(kinds))}


def _set_limits(limits: dict[int, tuple[int, int]]) -> None:
    for kind, limit in limits.items():
        if resource.getrlimit(kind) != limit:
            resource.setrlimit(kind, limit)


def _filters() -> tuple[int, list[Any], list[Any]]:
    return id(warnings.filters), warnings.filters, list(warnings.filters)  # type: ignore[return-value]


def _set_filters(state: tuple[int, list[Any], list[Any]]) -> None:
    _, held, content = state
    held[:] = content
    warnings.filters = held
    with warnings.catch_warnings():  # its end makes Python look at the filters anew
        pass


def _loggers() -> dict[str, tuple[Any, ...]]:
    """The state of every logger there is, by name, and what is switched off altogether."""
    known = [('', logging.root), *logging.root.manager.loggerDict.items()]
    states: dict[str, tuple[Any, ...]] = {
        name: (logger.level, logger.propagate, logger.disabled, tuple(logger.handlers), tuple(logger.filters))
        for name, logger in known
        if isinstance(logger, logging.Logger)
    }
    states['disable'] = (logging.root.manager.disable,)
    return states


def _set_loggers(states: dict[str, tuple[Any, ...]]) -> None:
    """Sets loggers back; one that is new stays as it is: the module that made it is not imported again."""
    now = _loggers()
    for name, state in states.items():
        if state == now.get(name):
            continue
        if name == 'disable':
            logging.disable(state[0])
            continue
        logger = logging.getLogger(name or None)
        level, logger.propagate, logger.disabled, handlers, filters = state
        logger.setLevel(level)
        logger.handlers[:], logger.filters[:] = handlers, filters


def _modules() -> dict[str, Any]:
    return dict(sys.modules)


def _set_modules(modules: dict[str, Any]) -> None:
    """What was imported since stays, unless it stands in for what was there."""
    sys.modules.update(modules)


PROCESS = [
    Setting('the working directory', _folder, _set_folder),
    Setting('the environment', lambda: dict(os.environ), _set_environment),
    _list_of(sys, 'argv'),
    _list_of(sys, 'path'),
    _list_of(sys, 'meta_path'),
    _list_of(sys, 'path_hooks'),
    *_attributes_of(sys, 'stdin', 'stdout', 'stderr', 'excepthook', 'displayhook', 'unraisablehook'),
    *_attributes_of(threading, 'excepthook'),
    *_attributes_of(warnings, 'showwarning', 'formatwarning'),
    Setting('the recursion limit', sys.getrecursionlimit, sys.setrecursionlimit),
    Setting('the switch interval', sys.getswitchinterval, sys.setswitchinterval),
    Setting('the umask', _umask, lambda mask: void(os.umask(mask))),
    Setting('numpy.seterr', np.geterr, lambda errors: void(np.seterr(**errors))),
    Setting('numpy.seterrcall', np.geterrcall, lambda call: void(np.seterrcall(call))),
    Setting('numpy.setbufsize', np.getbufsize, lambda size: void(np.setbufsize(size))),
    Setting(
        'the decimal context',
        lambda: _decimal_of(decimal.getcontext()),
        lambda fields: _set_decimal(decimal.getcontext(), fields),
    ),
    Setting(
        'decimal.DefaultContext',
        lambda: _decimal_of(decimal.DefaultContext),
        lambda fields: _set_decimal(decimal.DefaultContext, fields),
    ),
    Setting(
        'the locale',
        lambda: locale.setlocale(locale.LC_ALL),
        lambda v: void(locale.setlocale(locale.LC_ALL, v)),
    ),
    Setting('garbage collection', gc.isenabled, lambda on: gc.enable() if on else gc.disable()),
    Setting('gc.set_threshold', gc.get_threshold, lambda counts: gc.set_threshold(*counts)),
    Setting('gc.callbacks', lambda: list(gc.callbacks), lambda calls: _fill(gc.callbacks, calls)),
    Setting('warnings.filters', _filters, _set_filters),
    Setting('logging', _loggers, _set_loggers, grows=True),
    Setting('sys.modules', _modules, _set_modules, grows=True),
    Setting("torch's global switches", torch_switches, set_torch_switches),
]
"""All that is put back after each run."""

if os.name == 'posix':
    PROCESS += [
        Setting('signal handlers', _handlers, _set_handlers),
        Setting(
            'the signal mask',
            lambda: signal.pthread_sigmask(signal.SIG_BLOCK, ()),
            lambda mask: void(signal.pthread_sigmask(signal.SIG_SETMASK, mask)),
        ),
        Setting('the alarm', _is_alarm_off, _set_alarm_off),
        Setting('resource limits', _limits, _set_limits),
    ]


def void(_: object) -> None:
    """Drops what a setter returns."""


def _fill(held: list[Any], content: list[Any]) -> None:
    held[:] = content
