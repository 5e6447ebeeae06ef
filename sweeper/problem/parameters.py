"""The parameters of a problem: the arguments of its `model`, and what its code declares."""

from __future__ import annotations

import ast
import inspect
import os
import re
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

from ..errors import DeclarationError, InvalidArgument, InvalidPoint
from ..frozen import freeze
from ..points import NamedPoint, Point, by_name, label
from ..space import Space
from ..space.base import UNSET
from ..space.roles import TunedSpace, tuned_texts
from .sources import ProblemSources

if TYPE_CHECKING:
    from ..declare.project import DeclaredParameters
    from ..space import Domain

_MOST_LISTED = 5
_IMPORTS_MANAGER = re.compile(rb'\bsweeper\s*\.\s*m\b|\bfrom\s+sweeper\s+import\b[^#;]*?\bm\b')


@dataclass(frozen=True)
class ModelSignature:
    """How a problem's `model` is called.

    Attributes:
        problem: The problem's name.
        text: The signature as it is written.
        signature: Without annotations, and of the defaults only numbers are told; None of a builtin that has
            none: calling it will tell.
    """

    problem: str
    text: str
    signature: inspect.Signature | None

    @classmethod
    def of(cls, problem: str, model: Callable[..., Any]) -> ModelSignature:
        """Returns the signature of `model`."""
        try:
            signature = inspect.signature(model)
        except (TypeError, ValueError):
            return cls(problem, '(...)', None)
        plain = [
            inspect.Parameter(
                p.name, p.kind, default=p.default if p.default is p.empty or _is_number(p) else ...
            )
            for p in signature.parameters.values()
        ]
        return cls(problem, str(signature), inspect.Signature(plain))

    def check_params(self, point: Point) -> None:
        """Raises `InvalidPoint` if `model` cannot be called with this point's parameters."""
        try:
            if self.signature is not None and isinstance(point, NamedPoint):
                self.signature.bind(**point)
            elif self.signature is not None:
                self.signature.bind(*point)
        except TypeError as error:
            said = re.sub(r"'(\w+)'", r'`\1`', str(error))
            raise InvalidPoint(
                f'model{self.text} of {self.problem} cannot take the parameters ({label(point)}): {said}'
            ) from None

    def as_kept(self, point: Point, named: bool) -> Point:
        """Returns the same architecture as a named point, or as a tuple; the point itself if it has none."""
        if isinstance(point, NamedPoint) == named:
            return point
        if not isinstance(point, NamedPoint):
            names = [p.name for p in self._parameters() if p.kind is p.POSITIONAL_OR_KEYWORD]
            return NamedPoint(dict(zip(names, point, strict=False))) if len(point) <= len(names) else point
        names = self.parameter_names()[: len(point)]
        return tuple(point[name] for name in names) if {*names} == {*point} else point

    def parameter_names(self) -> list[str]:
        """The names of `model`'s positional parameters, in order; empty if they cannot be told."""
        return [p.name for p in self._parameters() if p.kind in (p.POSITIONAL_ONLY, p.POSITIONAL_OR_KEYWORD)]

    @property
    def takes_any(self) -> bool:
        """Whether `model` takes arguments by any name, or it cannot be told."""
        return self.signature is None or any(p.kind is p.VAR_KEYWORD for p in self._parameters())

    def number_defaults(self) -> dict[str, int | float]:
        """The defaults that are numbers, by name."""
        return {p.name: p.default for p in self._parameters() if _is_number(p)}

    def takes(self, name: str) -> bool:
        """Whether `model` takes an argument by this name, as far as can be told."""
        return self.takes_any or name in self.keywords()

    def keywords(self) -> set[str]:
        """The names by which `model` takes arguments."""
        return {p.name for p in self._parameters() if p.kind in (p.POSITIONAL_OR_KEYWORD, p.KEYWORD_ONLY)}

    def _parameters(self) -> Collection[inspect.Parameter]:
        return self.signature.parameters.values() if self.signature is not None else ()


@dataclass(frozen=True)
class FixedParameter:
    """A declared parameter that is read once for all points, before any of them is trained.

    Attributes:
        value: What it was then, as a point would have it.
        where: What read it, such as `dataset()`.
        on_import: It was read when the problem's module was imported.
    """

    value: Any
    where: str
    on_import: bool = False


@dataclass(frozen=True)
class ProblemParameters:
    """What of a problem can be swept, in plain values.

    Attributes:
        signature: How `model` is called.
        declared: What the problem's code declares; None if it does not import `sweeper.m`.
        files: The files that this was looked for in, relative to their folder.
        fixed: What is read once for all points, by name.
        preset: The names of parameters whose value was set before the sweep.
        tuned: A space of which the sweep tunes what has the role `nuisance`; None if it has none.
    """

    signature: ModelSignature
    declared: DeclaredParameters | None = None
    files: Sequence[str] = ()
    fixed: Mapping[str, FixedParameter] = field(default_factory=dict)
    preset: Collection[str] = ()
    tuned: Space | None = None

    def check(self, point: Point) -> None:
        """Raises `InvalidPoint` if the problem has no such parameters, or they cannot have these values."""
        if not isinstance(point, NamedPoint):
            self.signature.check_params(point)
            return
        arguments, declared = self.split(point)
        if self.declared is not None:
            try:
                for name in point:
                    self._check_name(name, self.declared)
                self.declared.as_read(declared)
            except DeclarationError as error:
                raise InvalidPoint(str(error)) from error
        elif unknown := [name for name in point if not self.signature.takes(name)]:
            from ..declare.manager import suggestion

            hint = suggestion(unknown[0], [*self.signature.keywords()])
            raise InvalidPoint(
                f'model{self.signature.text} of {self.signature.problem} cannot take the parameters '
                f'({label(point)}): it has no argument `{unknown[0]}`{hint}'
            )
        self.check_fixed(point)
        self.signature.check_params(NamedPoint(arguments))

    def check_fixed(self, point: NamedPoint) -> None:
        """Raises `InvalidPoint` if a point has another value of what has been read already."""
        for name in point if self.declared is not None and self.fixed else ():
            assert self.declared is not None
            name = self.declared.owner(name) or name
            fixed = self.fixed.get(name)
            value = self.declared.whole(name, point, fixed.value) if fixed is not None else None
            if fixed is not None and value != fixed.value:
                places = ', '.join(self.declared.places(name))
                raise InvalidPoint(
                    f'`{name}` cannot be {value!r} in ({label(point)}): {fixed.where} reads it ({places}), '
                    f'once for all architectures, as {fixed.value!r}. Give it one value for the whole sweep, '
                    f'or read it in a function that model() calls'
                )

    def _check_name(self, name: str, known: DeclaredParameters) -> None:
        keywords = self.signature.keywords()
        if name in keywords and name in known.nodes:
            raise DeclarationError(
                f'`{name}` is an argument of model{self.signature.text} and also declared at '
                f'{known.places(name)[0]}: rename one of them'
            )
        known.check(name)
        if not (name in keywords or known.owner(name) is not None or self.signature.takes_any):
            from ..declare.manager import suggestion

            raise DeclarationError(
                f'no code reads `{name}`: model{self.signature.text} has no such argument, and it is not '
                f'declared in {_some(self.files)}{suggestion(name, [*keywords, *known.nodes])}'
            )

    def warnings(self, points: Sequence[Point]) -> list[str]:
        """Says which values are texts where the default is a number, which was probably meant otherwise."""
        numbers: dict[str, Any] = {**self.signature.number_defaults()}
        for name in {name for point in points for name in by_name(point, self.signature.parameter_names())}:
            default = self.declared.default(name) if self.declared is not None else None
            if type(default) in (int, float):
                numbers[name] = default
        texts = {
            (name, value): None
            for point in points
            for name, value in by_name(point, self.signature.parameter_names()).items()
            if name in numbers and isinstance(value, str)
        }
        return [
            f'{name}={value} is a text, and the default of {name} is a number, {numbers[name]!r}'
            for name, value in texts
        ]

    def split(self, point: NamedPoint) -> tuple[dict[str, Any], dict[str, Any]]:
        """Returns the values that are arguments of `model`, and those that the code reads."""
        keywords = self.signature.keywords()
        read = {name for name in point if self.owner(name) is not None and name not in keywords}
        return (
            {name: value for name, value in point.items() if name not in read},
            {name: value for name, value in point.items() if name in read},
        )

    def owner(self, name: str) -> str | None:
        """Returns the declared parameter that a name sets, itself or an entry of its dict; None if none."""
        return self.declared.owner(name) if self.declared is not None else None

    def nuisance(self, point: Point) -> Mapping[str, Domain]:
        """Returns what is tuned beside learning rate and batch size: what of that the point does not fix."""
        known = self.declared.nuisance if self.declared is not None else {}
        own = self.split(point)[1] if isinstance(point, NamedPoint) else {}
        space = self.tuned
        if space is None and self.declared is not None:
            space = self.declared.tuned(self.preset)
        if space is not None:
            return TunedSpace(space, point if isinstance(point, NamedPoint) else {})
        return {name: known[name] for name in known if name not in own and name not in self.preset}

    def tuned_texts(self) -> dict[str, str]:
        """Returns what a space has tuned, in words by name; empty without one."""
        return {} if self.tuned is None else tuned_texts(self.tuned)

    def tuning(self, space: Space) -> ProblemParameters:
        """Returns the parameters of a sweep that also tunes what has the role `nuisance` in a space.

        Raises:
            InvalidArgument: No code reads such a parameter, or it cannot have the space's values.
        """
        domains = dict(space)
        for name, domain in space.items():
            if domain.role != 'nuisance':
                continue
            if self.declared is None or self.owner(name) is None:
                from ..declare.manager import suggestion

                known = self.declared.nodes if self.declared is not None else {}
                raise InvalidArgument(
                    f'{name} has the role nuisance in the space, and no code reads it: read it by '
                    f'_({name!r}, …) in a function that model() or optimizer() calls{suggestion(name, known)}'
                )
            if (self.owner(name) or name) in self.preset:
                raise InvalidArgument(f'{name} is set to a value, and is to be tuned: leave out one of them')
            self.declared.check(name)
            for value in domain.values(3):
                self.declared.as_read({name: value})
            usual = self.declared.default(name)
            if domain.default is UNSET and domain.contains(freeze(usual)):
                domains[name] = replace(domain, default=freeze(usual))
        others = self.declared.nuisance if self.declared is not None else {}
        others = {name: others[name] for name in others if name not in space and name not in self.preset}
        conditions = dict(space.conditions)
        declared = self.declared.tuned({*space, *self.preset}) if self.declared is not None else None
        if declared is not None:
            others = {name: domain for name, domain in declared.items() if name not in space}
            conditions |= {name: known for name, known in declared.conditions.items() if name in others}
        return replace(self, tuned=Space({**domains, **others}, conditions, space.forbidden))


def _is_number(parameter: inspect.Parameter) -> bool:
    """Whether the default is one, and no truth value."""
    return type(parameter.default) in (int, float)


def _some(files: Sequence[str]) -> str:
    """Lists files, a few of many."""
    left = len(files) - _MOST_LISTED
    return ', '.join(files[:_MOST_LISTED]) + (f' and {left} more files' if left > 0 else '')


def parameters_of(
    problem: str, model: Callable[..., Any], sources: ProblemSources | None
) -> ProblemParameters:
    """Reads what of a problem can be swept.

    Args:
        problem: Its name.
        model: The function that builds a model.
        sources: What it is made of; None if it is no file.

    Raises:
        DeclarationError: A parameter is not declared as it must be.
    """
    signature = ModelSignature.of(problem, model)
    if sources is None:
        return ProblemParameters(signature)
    files = [os.path.relpath(source.path, sources.folder) for source in sources.files()]
    return ProblemParameters(signature, declared_in(sources), files)


def declared_in(sources: ProblemSources) -> DeclaredParameters | None:
    """Reads what a problem's files declare, as far as they can be parsed; None if none imports `sweeper.m`.

    Raises:
        DeclarationError: A parameter is not declared as it must be.
    """
    files = [source for source in sources.files() if isinstance(source.code, str)]
    if not any(_IMPORTS_MANAGER.search(source.content) for source in files):
        return None
    from ..declare.project import read_project

    return read_project([source.path for source in files], sources.folder)


def kinds_in(sources: ProblemSources) -> Callable[[str], type | None]:
    """Returns what tells the type of a parameter's values: the one declared, or that of `model`'s annotation.

    It is None if any will do, or it is not known.

    Raises:
        DeclarationError: A parameter is not declared as it must be.
    """
    declared, annotated = declared_in(sources), _annotated(sources)

    def kind_of(name: str) -> type | None:
        if name in annotated or declared is None:
            return annotated.get(name)
        return declared.kind(name)

    return kind_of


def _annotated(sources: ProblemSources) -> dict[str, type]:
    """The types that arguments of a function `model` are annotated with, if they are plain ones."""
    from ..declare.types import KINDS
    from ..source.syntax import parsed
    from ..source.text import SourceHelper

    is_python = isinstance(sources.main.code, str)
    body = parsed(SourceHelper.from_bytes(sources.main.content)).body if is_python else []
    types: dict[str, type] = {}
    for function in body:
        if isinstance(function, ast.FunctionDef) and function.name == 'model':
            given = function.args
            notes = {
                argument.arg: argument.annotation.id
                for argument in (*given.posonlyargs, *given.args, *given.kwonlyargs)
                if isinstance(argument.annotation, ast.Name)
            }
            types = {name: KINDS[kind] for name, kind in notes.items() if kind in KINDS}
    return types
