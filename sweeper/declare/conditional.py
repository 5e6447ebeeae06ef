"""Declared parameters that depend on others: `_('momentum', 0.9, when=_('optimizer') == 'sgd')`."""

from __future__ import annotations

from collections.abc import Mapping

from ..errors import DeclarationError, InvalidArgument
from ..space import Domain, Space
from ..space.conditions import Expression
from ..space.expressions import expression_of
from ..space.restricted import Restricted
from .domains import domain_of
from .occurrence import HyperParameterNode


def condition_of(node: HyperParameterNode) -> Expression | None:
    """Returns when a parameter is in use, by its hint `when`; None: always.

    Raises:
        DeclarationError: The hint states no condition.
    """
    if 'when' not in node.hints:
        return None
    try:
        return expression_of(node.hints['when'])
    except InvalidArgument as error:
        raise DeclarationError(f'{_place(node)}: hint when of `{node.name}`: {error}') from error


def space_of(nodes: Mapping[str, HyperParameterNode], varied: Mapping[str, Domain]) -> Space:
    """Returns the space of some parameters, with what they depend on as far as that is declared.

    Args:
        nodes: All declared parameters.
        varied: The values of those that are meant, declared or not; they may be others than declared.

    Raises:
        DeclarationError: A parameter depends on one of which no values are known, or has an impossible
            condition.
    """
    domains = dict(varied)
    conditions: dict[str, Expression] = {}
    waiting = [*domains]
    while waiting:
        name = waiting.pop(0)
        condition = condition_of(nodes[name]) if name in nodes else None
        if condition is None:
            continue
        conditions[name] = condition
        for parent in condition.names():
            declared = domain_of(nodes[parent]) if parent in nodes else None
            if parent in varied and declared is not None:
                domains[parent] = Restricted(varied[parent], declared, role=varied[parent].role)
            elif parent not in domains and declared is not None:
                domains[parent] = declared
                waiting.append(parent)
            elif parent not in domains:
                known = 'has neither choices nor a range' if parent in nodes else 'is not declared'
                raise DeclarationError(
                    f'{_place(nodes[name])}: hint when of `{name}` is about `{parent}`, which {known}'
                )
    try:
        return Space(domains, conditions)
    except InvalidArgument as error:
        places = ', '.join(_place(nodes[name]) for name in conditions)
        raise DeclarationError(f'{places}: hint when: {error}') from error


def _place(node: HyperParameterNode) -> str:
    return node.declaration.place if node.declaration is not None else 'run time'
