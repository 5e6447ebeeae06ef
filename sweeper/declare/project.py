"""What the files of a project declare, as a whole and in plain values: what can be swept, and what cannot."""

from __future__ import annotations

import os
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any

from ..errors import DeclarationError, InvalidArgument
from ..frozen import freeze, thaw
from ..space import Domain, Role, Space
from ..space.base import UNSET
from ..space.roles import scientific
from .conditional import space_of
from .domains import KNOWN_HINTS, checked, domain_of, role_of
from .manager import checked_names, fresh, suggestion
from .occurrence import EMPTY, HyperParameterNode, HyperParameterOccurrence, Priority
from .parsing import find_in_files
from .tree import SEPARATOR, beginnings
from .types import kind_of


@dataclass(frozen=True)
class DeclaredParameters:
    """What code declares by calling the managers of `sweeper.m`.

    Attributes:
        nodes: The parameters by name.
        managers: The name of each one's manager.
        faults: Why a parameter cannot be swept, by name, with the places; of those that cannot.
        warnings: Calls of which it cannot be told whether they declare a parameter.
        nuisance: What is tuned for every architecture.
    """

    nodes: Mapping[str, HyperParameterNode]
    managers: Mapping[str, str]
    faults: Mapping[str, str]
    warnings: Sequence[str]
    nuisance: Mapping[str, Domain]

    @cached_property
    def by_manager(self) -> dict[str, list[HyperParameterNode]]:
        """The parameters of each manager."""
        nodes: dict[str, list[HyperParameterNode]] = {}
        for name, node in self.nodes.items():
            nodes.setdefault(self.managers[name], []).append(node)
        return nodes

    def owner(self, name: str) -> str | None:
        """Returns the parameter that a name sets: itself, or the one with a dict of which it sets an entry.

        `c.d` sets the entry `d` of `c`, if the default of that is a dict. None: there is no such parameter.
        """
        if name in self.nodes:
            return name
        for whole in beginnings(name, SEPARATOR):
            node = self.nodes.get(whole)
            if node is not None and node.has_plain_default and isinstance(node.default, dict):
                return whole
        return None

    def default(self, name: str) -> Any:
        """Returns the default of a parameter or an entry of its dict; `EmptyValue()` if it is not known."""
        owner = self.owner(name)
        if owner is None or not self.nodes[owner].has_plain_default:
            return EMPTY
        value = self.nodes[owner].default
        for key in name[len(owner) + 1 :].split(SEPARATOR) if owner != name else ():
            value = value.get(key, EMPTY) if isinstance(value, dict) else EMPTY
        return value

    def whole(self, name: str, point: Mapping[str, Any], value: Any) -> Any:
        """Returns a parameter's value with the entries that a point sets.

        Without the parameter itself in the point, it has `value`.
        """
        whole = thaw(freeze(point.get(name, value)))
        for given in point:
            if given == name or self.owner(given) != name:
                continue
            *path, last = given[len(name) + 1 :].split(SEPARATOR)
            inner = whole
            for key in path:
                inner = inner.setdefault(key, {}) if isinstance(inner, dict) else inner
            if isinstance(inner, dict):  # else setting it is an error
                inner[last] = point[given]
        return freeze(whole)

    def places(self, name: str) -> list[str]:
        """Where a parameter is declared and read, as `layers.py:12`; first the place with the default."""
        node = self.nodes[self.owner(name) or name]
        rows = sorted(node.occurrences, key=lambda row: row is not node.declaration)
        return [row.place for row in rows]

    def scientific(self) -> dict[str, Domain]:
        """Returns what is to be compared, by the hints.

        Raises:
            DeclarationError: A hint is wrong, or a parameter to be compared says nothing of its values.
        """
        return _domains(self.nodes, self.faults, 'scientific')

    def compared(self, others: Mapping[str, Domain]) -> Space | None:
        """Returns the space of what is to be compared by the hints; None if that is nothing.

        Args:
            others: What has other values than those declared, or is not declared.

        Raises:
            DeclarationError: As `scientific`; or what is compared depends on what is tuned, or not known.
        """
        domains = {name: domain for name, domain in self.scientific().items() if name not in others}
        if not domains and not others:
            return None
        try:
            return scientific(space_of(self.nodes, {**domains, **others}))
        except InvalidArgument as error:
            raise DeclarationError(f'hint when: {error}') from error

    def tuned(self, left_out: Collection[str]) -> Space | None:
        """Returns the space of nuisance parameters with what they depend on; None if none does on anything.

        Args:
            left_out: Nuisance parameters that are not tuned.
        """
        nuisance = {name: domain for name, domain in self.nuisance.items() if name not in left_out}
        if not any('when' in self.nodes[name].hints for name in nuisance):
            return None
        return space_of(self.nodes, nuisance)

    def check(self, name: str) -> None:
        """Raises `DeclarationError` if a parameter cannot be swept."""
        owner = self.owner(name)
        if owner is not None and owner in self.faults:
            raise DeclarationError(self.faults[owner])
        if owner is not None and owner != name and self.default(name) is EMPTY:
            default = self.nodes[owner].default
            raise DeclarationError(
                f'`{name}` is no entry of the default of `{owner}`, {default!r} ({self.places(owner)[0]})'
                f'{suggestion(name, _entries(owner, default))}'
            )

    def as_read(self, values: Mapping[str, Any]) -> dict[str, dict[str, Any]]:
        """Returns values as the code expects them (lists, where the default is one), by manager.

        Entries of dicts come after the dicts.

        Raises:
            DeclarationError: A value is not of the parameter's type, or none of its choices.
        """
        values_of: dict[str, dict[str, Any]] = {}
        for name in sorted(values, key=lambda name: name not in self.nodes):
            manager = self.managers[self.owner(name) or name]
            values_of.setdefault(manager, {})[name] = _as_declared(values[name], self._node(name))
        return values_of

    def kind(self, name: str) -> type | None:
        """Returns the type of a parameter's values; None if any will do, or there is no such parameter."""
        return kind_of(self._node(name)) if self.owner(name) is not None else None

    def _node(self, name: str) -> HyperParameterNode:
        """Returns a parameter, or the entry of a dict as one."""
        if name in self.nodes:
            return self.nodes[name]
        return _node(name, [HyperParameterOccurrence(name, self.default(name))])

    def to_dict(self) -> dict[str, dict[str, Any]]:
        """For `sweep.json`: of every parameter the role, the default's source and the places."""
        return {
            name: {'role': role_of(node), 'default': _default(node), 'places': self.places(name)}
            for name, node in self.nodes.items()
        }


def read_project(files: Sequence[Path], folder: Path) -> DeclaredParameters:
    """Reads what files declare; nothing is imported or run.

    Args:
        files: All Python files of the project.
        folder: What places are told relative to.

    Raises:
        DeclarationError: A call of a manager is not as it must be, or a nuisance parameter's hints are not.
    """
    parsed = find_in_files(files, None, [])
    rows: dict[str, list[HyperParameterOccurrence]] = {}
    managers: dict[str, set[str]] = {}
    for manager, occurrences in parsed.occurrences.items():
        for row in occurrences:
            rows.setdefault(row.name, []).append(_nearer(row, folder))
            managers.setdefault(row.name, set()).add(manager)
        checked_names({row.name: rows[row.name] for row in occurrences})
    faults = {name: _fault(name, rows[name], managers[name]) for name in rows}
    faults = {name: fault for name, fault in faults.items() if fault}
    nodes = {name: _node(name, places) for name, places in rows.items()}
    nuisance = _domains(nodes, faults, 'nuisance')
    for name, domain in nuisance.items():
        if domain.default is UNSET:
            raise DeclarationError(
                f"{_listed(rows[name])}: `{name}` has role='nuisance': it needs a default that is a "
                f'literal, with which tuning begins'
            )
    managers_known = {'_', *parsed.occurrences}
    texts = [
        *parsed.warnings.values(),
        *(some for name, some in parsed.passed.items() if name in managers_known),
    ]
    messages = [text.removeprefix(f'{folder}{os.sep}') for some in texts for text in some]
    messages += _doubtful_hints(nodes.values())
    return DeclaredParameters(nodes, {name: min(managers[name]) for name in rows}, faults, messages, nuisance)


def _doubtful_hints(nodes: Iterable[HyperParameterNode]) -> list[str]:
    """What is said of hints that mean nothing here; one may be misspelt."""
    return [
        f'{row.place}: hint {hint!r} of `{node.name}` means nothing to a sweep{suggestion(hint, KNOWN_HINTS)}'
        for node in nodes
        for row in node.occurrences
        for hint in row.hints
        if hint not in KNOWN_HINTS
    ]


def _nearer(row: HyperParameterOccurrence, folder: Path) -> HyperParameterOccurrence:
    assert row.filename is not None
    return replace(row, filename=os.path.relpath(row.filename, folder))


def _node(name: str, rows: Iterable[HyperParameterOccurrence]) -> HyperParameterNode:
    """A parameter in plain values: without the texts of its files."""
    places = tuple(replace(row, source=None, ast_node=None) for row in rows)
    value = next((row.value for row in places if row.has_default_value), EMPTY)
    return HyperParameterNode(name, value, None if value is EMPTY else Priority.PARSED, places)


def _fault(name: str, rows: list[HyperParameterOccurrence], managers: Collection[str]) -> str:
    """Returns why a parameter cannot be swept; empty if it can."""
    if len(managers) > 1:
        listed = ' and '.join(f'`{manager}`' for manager in sorted(managers))
        return f'`{name}` is declared by the managers {listed} ({_listed(rows)}): rename one of them'
    with_default = [row for row in rows if row.has_default_value]
    if len(with_default) > 1:
        shown = '\n'.join(row.context() for row in with_default)
        return f'`{name}` has {len(with_default)} defaults, so it is not one parameter; give it one\n{shown}'
    early = [row for row in rows if row.is_early]
    if early:
        shown = '\n'.join(row.context() for row in early)
        return (
            f'`{name}` is read once, while its module is imported, so it cannot have another value for every '
            f'architecture; read it in a function that model() calls\n{shown}'
        )
    return ''


def _domains(
    nodes: Mapping[str, HyperParameterNode], faults: Mapping[str, str], role: Role
) -> dict[str, Domain]:
    """The values of all parameters of a role, which must have some."""
    domains = {}
    for name, node in nodes.items():
        if role_of(node) != role:
            continue
        if name in faults:
            raise DeclarationError(faults[name])
        domain = domain_of(node)
        if domain is None:
            raise DeclarationError(
                f'{_listed(node.occurrences)}: `{name}` has role={role!r}, but its hints give neither '
                f'choices nor a range'
            )
        domains[name] = domain
    return domains


def _as_declared(value: Any, node: HyperParameterNode) -> Any:
    """Returns a point's value, which has no lists or dicts, as the code has it."""
    choices = node.hints.get('choices')
    if isinstance(choices, list | tuple | set | frozenset):
        for choice in choices:
            if freeze(choice) == value:
                return fresh(choice)
    return checked(thaw(value, node.default if node.has_plain_default else None), node)


def _entries(name: str, value: Any) -> Iterator[str]:
    """Yields the names of the entries of a dict, at whatever depth."""
    for key, inner in value.items() if isinstance(value, dict) else ():
        yield f'{name}{SEPARATOR}{key}'
        yield from _entries(f'{name}{SEPARATOR}{key}', inner)


def _default(node: HyperParameterNode) -> str | None:
    if node.default is EMPTY:
        return None
    return repr(node.default) if node.has_plain_default else str(node.default)


def _listed(rows: Iterable[HyperParameterOccurrence]) -> str:
    return ', '.join(row.place for row in rows)
