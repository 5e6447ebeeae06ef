"""What can be wrong with a space, all of it at once."""

from __future__ import annotations

import difflib
from collections.abc import Collection, Iterable, Mapping
from graphlib import CycleError
from typing import Any

from ..errors import InvalidArgument
from .base import Domain
from .conditions import Expression
from .expressions import expression_of
from .feasibility import dependency_order


def raise_faults(faults: Collection[str], where: str = 'the space') -> None:
    """Raises `InvalidArgument` with all faults, if there are any."""
    if len(faults) == 1:
        (fault,) = faults
        raise InvalidArgument(fault if where == 'the space' else f'{where}: {fault}')
    if faults:
        listed = ''.join(f'\n- {fault}' for fault in faults)
        raise InvalidArgument(f'{where} has {len(faults)} faults:{listed}')


def suggestion(name: str, names: Iterable[str]) -> str:
    """Returns what to say after a name that is not there: which was meant, or which there are."""
    names = list(names)
    close = difflib.get_close_matches(name, names, n=1)
    return f'; did you mean {close[0]}?' if close else f'; it has {", ".join(names)}'


def domain_faults(domains: Mapping[str, Any]) -> list[str]:
    """Says what is no domain."""
    if not domains:
        return ['a space needs at least one parameter; got none']
    return [
        f'parameter {name!r}: {domain!r} is no domain; valid are Integer, Float, Categorical, Ordinal, Bits'
        for name, domain in domains.items()
        if not isinstance(domain, Domain)
    ]


def checked_expressions(
    domains: Mapping[str, Domain],
    conditions: Mapping[str, str | Expression],
    forbidden: Iterable[str | Expression],
    faults: list[str],
) -> tuple[dict[str, Expression], list[Expression]]:
    """Returns conditions and clauses that are about these parameters, and adds what is wrong to `faults`."""
    active: dict[str, Expression] = {}
    for name, stated in conditions.items():
        where = f'condition of {name!r}'
        if name not in domains:
            faults.append(f'{where}: the space has no such parameter{suggestion(name, domains)}')
        else:
            for expression in _checked(where, stated, domains, faults):
                active[name] = expression
    active = {name: active[name] for name in domains if name in active}
    clauses: list[Expression] = []
    for stated in forbidden:
        clauses += _checked('forbidden', stated, domains, faults)
    return active, clauses


def order_of(
    domains: Mapping[str, Domain], conditions: Mapping[str, Expression], faults: list[str]
) -> list[str]:
    """Returns the names, each after those it depends on; adds a cycle to `faults`."""
    try:
        return dependency_order(domains, conditions)
    except CycleError as error:
        names = error.args[1][::-1]
        chain = ' depends on '.join(map(repr, names))
        faults.append(f'conditions in a cycle, so that none of them can hold: {chain}')
        return list(domains)


def _checked(
    where: str, stated: str | Expression, domains: Mapping[str, Domain], faults: list[str]
) -> list[Expression]:
    try:
        expression = expression_of(stated)
    except InvalidArgument as error:
        faults.append(f'{where}: {error}')
        return []
    wrong = []
    for condition in expression.conditions():
        if condition.name not in domains:
            wrong.append(f'no parameter {condition.name!r}{suggestion(condition.name, domains)}')
        elif fault := condition.fault(domains[condition.name]):
            wrong.append(fault)
    faults += [f'{where}: {fault}' for fault in dict.fromkeys(wrong)]
    return [] if wrong else [expression]
