"""How code, and what holds its place, is looked into: functions, classes, generators, iterators."""

from __future__ import annotations

import builtins
import functools
import gc
import itertools
import sys
import types
import warnings
import weakref
from collections.abc import Iterator
from contextvars import ContextVar
from typing import Any

from ...declare.manager import HyperParameterManager
from .reading import (
    LIBRARIES,
    MISSING,
    PLAIN,
    Kind,
    Reading,
    package_of,
)


def look_into_function(value: types.FunctionType) -> Kind:
    """The variables that a function's code names: its closure, and global ones, those of modules too."""
    if package_of(value) in LIBRARIES:
        return Kind()
    places = [*{(id(space), name): (space, name) for space, name in _variables(value)}.values()]
    cells = [*zip(value.__code__.co_freevars, value.__closure__ or (), strict=True)]

    def read() -> tuple[Any, ...]:
        return tuple(space.get(name, MISSING) for space, name in places)

    def write(saved: tuple[Any, ...]) -> None:
        for (space, name), content in zip(places, saved, strict=True):
            if content is MISSING:
                space.pop(name, None)
            else:
                space[name] = content

    def children() -> Iterator[tuple[str, Any]]:
        for name, cell in cells:
            yield f': {name}', cell
        for space, name in places:
            yield f': {name}', space.get(name)
        yield '.__defaults__', value.__defaults__
        yield '.__kwdefaults__', value.__kwdefaults__
        yield '', value.__dict__

    return Kind((Reading(read, write),), children)


def _variables(function: types.FunctionType) -> Iterator[tuple[dict[str, Any], str]]:
    """The global variables that a function may use: a namespace and a name in it."""
    names = [*dict.fromkeys(_names(function.__code__))]
    space = function.__globals__
    used = [name for name in names if name in space]
    yield from ((space, name) for name in used)
    imported = [sys.modules[name] for name in names if name not in space and name in sys.modules]
    ahead = [content for name in used if isinstance(content := space[name], types.ModuleType)] + imported
    seen = {id(builtins)}
    while ahead:
        module = ahead.pop()
        if id(module) in seen:
            continue
        seen.add(id(module))
        inside = vars(module)
        for name in [*names, '__getattr__']:
            if name in inside:
                yield inside, name
                if isinstance(inside[name], types.ModuleType):
                    ahead.append(inside[name])


def _names(code: types.CodeType) -> Iterator[str]:
    yield from code.co_names
    for constant in code.co_consts:
        if isinstance(constant, types.CodeType):
            yield from _names(constant)
        elif type(constant) is str and constant.isidentifier():  # globals()['…']
            yield constant


def look_into_class(value: type) -> Kind:
    """The attributes of a class and of its bases, and what its methods name."""
    if package_of(value) in LIBRARIES:
        return Kind()
    skipped = ('__dict__', '__weakref__', '__doc__', '_abc_impl', '__annotations__', '__abstractmethods__')

    def attributes() -> dict[str, Any]:
        return {name: content for name, content in [*vars(value).items()] if name not in skipped}

    def write(saved: tuple[Any, ...]) -> None:
        half = len(saved) // 2
        before = dict(zip(saved[:half], saved[half:], strict=True))
        for name in attributes().keys() - before.keys():
            type.__delattr__(value, name)
        for name, content in before.items():
            if vars(value).get(name, MISSING) is not content:
                type.__setattr__(value, name, content)

    def children() -> list[tuple[str, Any]]:
        named = [(f': {value.__qualname__}.{name}', content) for name, content in attributes().items()]
        return named + [('', base) for base in value.__bases__]

    return Kind((Reading(lambda: (*(a := attributes()), *a.values()), write),), children)


def look_into_cell(value: types.CellType) -> Kind:
    """A variable of an enclosing function."""

    def read() -> tuple[Any, ...]:
        return (value.cell_contents,)

    def write(saved: tuple[Any, ...]) -> None:
        value.cell_contents = saved[0]

    return Kind((Reading(read, write),), lambda: [('', value.cell_contents)])


def look_into_generator(value: types.GeneratorType[Any, Any, Any]) -> Kind:
    """Where a generator is, and its variables."""

    def read() -> tuple[Any, ...]:
        frame = value.gi_frame
        return () if frame is None else (frame.f_lasti, *frame.f_locals.values())

    def children() -> list[tuple[str, Any]]:
        frame = value.gi_frame
        inside = [] if frame is None else [(f': {name}', content) for name, content in frame.f_locals.items()]
        return [*inside, (': yield from', value.gi_yieldfrom)]

    return Kind((Reading(read),), children)


def look_into_iterator(value: Any) -> Kind:
    """A built-in iterator, by what it says of its place and what it refers to.

    Those over sequences can be set back.
    """

    def read() -> tuple[Any, ...]:
        return _place(value)

    def write(saved: tuple[Any, ...]) -> None:
        if type(saved[-1]) is int:
            value.__setstate__(saved[-1])

    can_write = type(value).__module__ == 'builtins' and hasattr(type(value), '__setstate__')
    referents = [referent for referent in gc.get_referents(value) if not isinstance(referent, type)]
    return Kind(
        (Reading(read, write if can_write else None),), lambda: [('', referent) for referent in referents]
    )


def _place(iterator: Any) -> tuple[Any, ...]:
    """Where an iterator is, as far as it says; what never equals itself if it does not."""
    if isinstance(iterator, itertools.count):
        return (repr(iterator),)
    hint = iterator.__length_hint__() if hasattr(type(iterator), '__length_hint__') else None
    try:
        with warnings.catch_warnings():
            warnings.simplefilter('ignore')  # newer versions of Python cannot copy all of them
            state: Any = iterator.__reduce__()
    except Exception:
        return (object() if hint is None else hint,)
    numbers: list[Any] = [hint]

    def collect(part: Any) -> None:
        if type(part) in PLAIN:
            numbers.append(part)
        elif isinstance(part, tuple):
            for item in part:
                collect(item)
        elif hasattr(type(part), '__length_hint__'):
            numbers.append(part.__length_hint__())

    collect(state[1:] if isinstance(state, tuple) else ())
    return tuple(numbers)


def look_into_cache(value: Any) -> Kind:
    """A function with a cache of `functools`: what it remembers, and the function."""

    def remembered() -> list[Any]:
        entries = []
        for referent in gc.get_referents(value):
            if not isinstance(referent, dict):
                entries += (
                    [] if isinstance(referent, type) else [referent]
                )  # of a bounded cache, keys and results
            elif referent is not value.__dict__:
                entries += [entry for entry in referent.values() if type(entry).__name__ != '_lru_list_elem']
        return entries

    def clear(_: tuple[Any, ...]) -> None:
        value.cache_clear()

    size = Reading(lambda: (value.cache_info().currsize, value.cache_info().misses), clear, is_cache=True)
    return Kind((size,), lambda: [('', value.__wrapped__), *[('(…)', entry) for entry in remembered()]])


def look_into_manager(value: HyperParameterManager) -> Kind:
    """Values of declared parameters, which the code may change; reading one changes other things there."""
    return Kind((), lambda: [(f'({name!r})', entry) for name, entry in value._values.items()])


def look_into_bound(value: Any) -> Kind:
    """A method of a built-in object, or a built-in function."""
    of_pybind11 = type(value.__self__).__name__.startswith('pybind11_detail_function_record')
    return Kind() if of_pybind11 else Kind((), lambda: [('', value.__self__)])


def look_into_referring(value: Any) -> Kind:
    """Something built in, by what it refers to."""
    return Kind((), lambda: [('', referent) for referent in gc.get_referents(value)])


def look_into_method(value: Any) -> Kind:
    """A bound method."""
    return Kind((), lambda: [('', value.__self__), ('', value.__func__)])


def look_into_wrapper(value: Any) -> Kind:
    """A static or class method."""
    return Kind((), lambda: [('', value.__func__)])


def look_into_property(value: property) -> Kind:
    """The functions of a property."""
    return Kind((), lambda: [('', function) for function in (value.fget, value.fset, value.fdel)])


def look_into_partial(value: functools.partial[Any]) -> Kind:
    """A function with arguments of its own."""
    return Kind((), lambda: [('', content) for content in (value.func, value.args, value.keywords)])


def look_into_context(value: ContextVar[Any]) -> Kind:
    """A context variable."""

    def write(saved: tuple[Any, ...]) -> None:
        if saved[0] is not MISSING:
            value.set(saved[0])

    def children() -> list[tuple[str, Any]]:
        try:
            return [('', value.get())]
        except LookupError:
            return []

    return Kind((Reading(lambda: (value.get(MISSING),), write),), children)


def look_into_reference(value: weakref.ref[Any]) -> Kind:
    """A weak reference; of one that is lost, nothing can be put back, nor need it."""
    return Kind((Reading(lambda: (value(),), lambda _: None),), lambda: [('', value())])
