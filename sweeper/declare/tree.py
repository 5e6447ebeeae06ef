"""Nested names: `a.b` is the value `b` in the tree `a`, and no name is both a value and a tree."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, ClassVar

from ..errors import ImpossibleTree
from .occurrence import HyperParameterNode

DICT_ANNOTATION = '__is_dict__'
"""The key that says of a mapping within a tree: I am a value."""


SEPARATOR = '.'
"""What stands between the parts of a nested name, unless a manager is told otherwise."""


class Names:
    """Names of which none is the beginning of another; a name's parts may be empty.

    Args:
        separator: What stands between the parts of a name.
        names: The names that it holds at first.

    Raises:
        ImpossibleTree: One of them is the beginning of another.
    """

    def __init__(self, separator: str, names: Iterable[str] = ()) -> None:
        self._separator = separator
        self._leaves: set[str] = set()
        self._branches: dict[str, list[str]] = {}  # with the names below each, in the order of adding
        for name in names:
            self.add(name)

    def __contains__(self, name: str) -> bool:
        return name in self._leaves

    def below(self, branch: str) -> Sequence[str]:
        """Returns the names that begin with this one and a separator; it takes no look at any other."""
        return self._branches.get(branch, ())

    def extend(self, names: Iterable[str]) -> None:
        """Adds several names, or none if one cannot be added.

        Raises:
            ImpossibleTree: As for `add`.
        """
        added: list[str] = []
        try:
            for name in names:
                if name not in self._leaves:
                    self.add(name)
                    added.append(name)
        except ImpossibleTree:
            for name in reversed(added):
                self._drop_last(name)
            raise

    def add(self, name: str) -> None:
        """Adds a name, unless it is there.

        Raises:
            ImpossibleTree: It is the beginning of a name that is there, or the other way round.
        """
        if name in self._leaves:
            return
        if name in self._branches:
            raise _both(name, min(self._branches[name]))
        branches = list(beginnings(name, self._separator))
        if leaves := self._leaves.intersection(branches):
            raise _both(min(leaves), name)
        self._leaves.add(name)
        for branch in branches:
            self._branches.setdefault(branch, []).append(name)

    def _drop_last(self, name: str) -> None:
        """Takes a name back that was added last."""
        self._leaves.remove(name)
        for branch in beginnings(name, self._separator):
            self._branches[branch].pop()
            if not self._branches[branch]:
                del self._branches[branch]


def beginnings(name: str, separator: str) -> Iterator[str]:
    """Yields the names of the branches that a name is in, from the top."""
    end = name.find(separator)
    while end >= 0:
        yield name[:end]
        end = name.find(separator, end + len(separator))


def _both(name: str, longer: str) -> ImpossibleTree:
    message = f'node `{name}` is both a leaf and a tree: there is also `{longer}`'
    return ImpossibleTree(message, (name, longer))


def nest(values: Mapping[str, Any], separator: str, *, annotate_dict: bool = False) -> dict[str, Any]:
    """Returns values by nested name as a tree of dicts.

    Args:
        values: By name.
        separator: What stands between the parts of a name.
        annotate_dict: Marks each value that is a dict, so that it is told from a branch.

    Raises:
        ImpossibleTree: A name is the beginning of another, or the mark is a key of a value.
    """
    Names(separator, values)  # raises if one is the beginning of another
    tree: dict[str, Any] = {}
    for name, value in values.items():
        *branches, leaf = name.split(separator)
        node = tree
        for branch in branches:
            node = node.setdefault(branch, {})
        if annotate_dict and isinstance(value, dict):
            if DICT_ANNOTATION in value:
                raise ImpossibleTree(
                    f'`{name}` is {value!r}: a dict may not have the key {DICT_ANNOTATION!r}'
                )
            value = {**value, DICT_ANNOTATION: True}
        node[leaf] = value
    return tree


def flatten(
    tree: Mapping[str, Any],
    separator: str,
    prefix: str = '',
    is_value: Callable[[str], bool] = lambda _: False,
) -> dict[str, Any]:
    """Returns the values of a tree by nested name; the inverse of `nest`.

    Args:
        tree: Nested mappings. One that is marked as a dict is a value.
        separator: What stands between the parts of a name.
        prefix: The name of the tree itself.
        is_value: Tells that a name is known to have a value, also if that is a mapping without a mark.

    Raises:
        ImpossibleTree: A key of a branch is not a string.
    """
    values: dict[str, Any] = {}
    stack: list[tuple[str | None, Any]] = [(prefix or None, tree)]
    while stack:
        name, node = stack.pop()
        is_branch = isinstance(node, Mapping) and not node.get(DICT_ANNOTATION, False)
        if not is_branch or (name is not None and is_value(name)):
            if name is None:
                raise ImpossibleTree(f'{node!r} is a value, not a tree of names and values')
            values[name] = _without_mark(node)
            continue
        for key in reversed(node):
            if not isinstance(key, str):
                where = '' if name is None else f' of `{name}`'
                raise ImpossibleTree(
                    f'key {key!r}{where} is no string: mark a dict by {DICT_ANNOTATION!r}: True'
                )
            if key != DICT_ANNOTATION:
                stack.append((key if name is None else f'{name}{separator}{key}', node[key]))
    return values


def _without_mark(value: Any) -> Any:
    if isinstance(value, Mapping) and DICT_ANNOTATION in value:
        return {key: item for key, item in value.items() if key != DICT_ANNOTATION}
    return value


@dataclass
class HyperParameterTree:
    """Parameters by the parts of their names.

    Attributes:
        name: The whole name of this branch or leaf; '' at the top.
        node: The parameter, if this is a leaf.
        children: What is below, by the next part of the name.
        separator: What stands between the parts of a name.
    """

    DICT_ANNOTATION: ClassVar[str] = DICT_ANNOTATION

    name: str = ''
    node: HyperParameterNode | None = None
    children: dict[str, HyperParameterTree] = field(default_factory=dict)
    separator: str = SEPARATOR

    @classmethod
    def of(cls, nodes: Iterable[HyperParameterNode], separator: str) -> HyperParameterTree:
        """Builds the tree of `nodes`."""
        top = cls(separator=separator)
        for node in nodes:
            branch, parts = top, node.name.split(separator)
            for end, part in enumerate(parts, start=1):
                branch = branch.children.setdefault(
                    part, cls(separator.join(parts[:end]), separator=separator)
                )
            branch.node = node
        return top

    def is_leaf(self) -> bool:
        """Whether this is a parameter."""
        return self.node is not None

    def is_branch(self) -> bool:
        """Whether there is something below."""
        return bool(self.children)

    def flatten(self) -> Iterator[HyperParameterNode]:
        """Yields the parameters from here on."""
        stack = [self]
        while stack:
            tree = stack.pop()
            if tree.node is not None:
                yield tree.node
            stack.extend(reversed(tree.children.values()))

    def count(self) -> int:
        """Returns how many parameters there are from here on that have a value."""
        return sum(not node.empty for node in self.flatten())

    @property
    def empty(self) -> bool:
        """Whether nothing is here or below."""
        return self.node is None and not self.children

    def get(self, name: str) -> HyperParameterTree | None:
        """Returns the branch or leaf of a name, counted from here; None if there is none."""
        node: HyperParameterTree | None = self
        for part in name.split(self.separator) if name else ():
            node = node.children.get(part) if node is not None else None
        return node

    def __getitem__(self, part: str) -> HyperParameterTree:
        return self.children[part]
