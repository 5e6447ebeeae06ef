"""Conditions written as Python: `optimizer == 'sgd' and depth > 2`, read without running anything."""

from __future__ import annotations

import ast
from typing import Any, cast

from ..errors import InvalidArgument
from .conditions import Condition, Expression, Operator, joined

_OPERATORS: dict[type[ast.cmpop], Operator] = {
    ast.Eq: '==', ast.NotEq: '!=', ast.In: 'in', ast.NotIn: 'not in', ast.Is: '==', ast.IsNot: '!=',
    ast.Lt: '<', ast.LtE: '<=', ast.Gt: '>', ast.GtE: '>=',
}  # fmt: skip
_SWAPPED: dict[str, str] = {'==': '==', '!=': '!=', '<': '>', '<=': '>=', '>': '<', '>=': '<='}
_OPPOSITE: dict[str, str] = {
    '==': '!=', '!=': '==', 'in': 'not in', 'not in': 'in', '<': '>=', '>=': '<', '>': '<=', '<=': '>',
}  # fmt: skip
FORMS = "valid are such as `optimizer == 'sgd'`, `depth in [1, 2]`, `2 < depth`, joined by and, or, not"


def expression_of(given: str | Expression) -> Expression:
    """Returns the condition that is meant by a text, or by itself.

    A parameter whose name is no plain one, dots aside, is written `_('its name')`.

    Raises:
        InvalidArgument: It is none.
    """
    if isinstance(given, Expression):
        return given
    if not isinstance(given, str):
        raise InvalidArgument(f'condition {given!r}: must be a text or a Condition')
    try:
        tree = ast.parse(given.strip(), mode='eval').body
    except (SyntaxError, ValueError, RecursionError):
        raise InvalidArgument(f'condition {given!r}: {FORMS}') from None
    try:
        return expression_in(tree)
    except InvalidArgument as error:
        raise InvalidArgument(f'condition {given!r}: {error}') from None


def expression_in(tree: ast.expr) -> Expression:
    """Returns the condition that a piece of Python states.

    Raises:
        InvalidArgument: It states none.
    """
    match tree:
        case ast.BoolOp(op, parts):
            return joined(map(expression_in, parts), every=isinstance(op, ast.And))
        case ast.UnaryOp(ast.Not(), operand):
            return _opposite(operand)
        case ast.Compare(left, operators, rights):
            sides = [left, *rights]
            pairs = zip(sides, operators, rights, strict=False)
            return joined((_comparison(*pair) for pair in pairs), every=True)
    if (name := _name_in(tree)) is not None:
        return Condition(name, '==', True)
    raise InvalidArgument(f'`{ast.unparse(tree)}` is no condition; {FORMS}')


def _opposite(tree: ast.expr) -> Expression:
    """What holds where the stated does not, as far as all parameters in it are part of the point."""
    match tree:
        case ast.UnaryOp(ast.Not(), operand):
            return expression_in(operand)
        case ast.BoolOp(op, parts):
            return joined(map(_opposite, parts), every=isinstance(op, ast.Or))
        case ast.Compare(_, [_, _, *_], _):
            pairs = expression_in(tree).conditions()
            return joined(map(_negated, pairs), every=False)
    stated = expression_in(tree)
    assert isinstance(stated, Condition)
    return _negated(stated)


def _negated(condition: Condition) -> Condition:
    if condition.operator == '==' and condition.value is True:
        return Condition(condition.name, '==', False)
    return Condition(condition.name, cast(Operator, _OPPOSITE[condition.operator]), condition.value)


def _comparison(left: ast.expr, operator: ast.cmpop, right: ast.expr) -> Condition:
    sign = _OPERATORS[type(operator)]
    if (name := _name_in(left)) is not None:
        return Condition(name, sign, _value_in(right))
    name = _name_in(right)
    if name is not None and sign in _SWAPPED:
        return Condition(name, cast(Operator, _SWAPPED[sign]), _value_in(left))
    raise InvalidArgument(
        f'`{ast.unparse(left)} {sign} {ast.unparse(right)}`: must compare a parameter with a value'
    )


def _name_in(tree: ast.expr) -> str | None:
    """The parameter that is meant: `a`, `a.b`, or `_('a')`."""
    match tree:
        case ast.Name(name):
            return name
        case ast.Attribute(owner, name):
            outer = _name_in(owner)
            return None if outer is None else f'{outer}.{name}'
        case ast.Call(ast.Name() | ast.Attribute(), [ast.Constant(str(name)), *_]):
            return name
    return None


def _value_in(tree: ast.expr) -> Any:
    try:
        return ast.literal_eval(tree)
    except (ValueError, TypeError, SyntaxError, MemoryError, RecursionError):
        text = ast.unparse(tree)
        raise InvalidArgument(f'{text} is no literal value; write a text as {text!r}') from None
