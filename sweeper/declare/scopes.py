"""Which name means what in a source: every binding in every scope, and what an expression may stand for.

A module is walked once, without recursion. That gives its scopes, each with the bindings of its names, and
the calls in it. What a name means is found afterwards, from all bindings in the scope where it is found: an
alias means what it is bound to, and a name that is bound to two things may mean both.
"""

from __future__ import annotations

import ast
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any, Final

MANAGER_MODULE = 'sweeper.m'
_MANAGER_CLASS = 'HyperParameterManager'


@dataclass(frozen=True)
class Manager:
    """The manager of that name: imported from `sweeper.m`, or built under that name."""

    name: str


@dataclass(frozen=True)
class Free:
    """A name that the module does not bind; whoever runs it provides it."""

    name: str


@dataclass(frozen=True)
class Foreign:
    """A name imported from another module, of which this one says no more.

    Attributes:
        module: The module, as written after `from`; empty in `import name`, and perhaps after dots.
        level: The number of dots.
        name: What it is called in that module.
    """

    module: str
    level: int
    name: str

    def __str__(self) -> str:
        return '.' * self.level + self.module


@dataclass(frozen=True)
class Known:
    """A module of ours, or anything else that cannot be a manager."""

    what: str


PACKAGE: Final = Known('sweeper')
MODULE: Final = Known(MANAGER_MODULE)
OTHER: Final = Known('other')
Meaning = Manager | Free | Foreign | Known


@dataclass(slots=True)
class Binding:
    """One binding of a name.

    Attributes:
        lineno: The line of the binding.
        what: What it is bound to: a meaning, or an expression whose meaning it has.
        scope: The scope in which that expression is evaluated.
    """

    lineno: int
    what: Meaning | ast.expr
    scope: Scope


@dataclass(eq=False)
class Scope:
    """A scope of Python: a module, class, function or comprehension.

    Attributes:
        kind: The type of its node.
        parent: The scope around it; None for a module.
        bindings: By name.
        global_names: Names that are declared `global` in it.
        nonlocal_names: Names that are declared `nonlocal` in it.
        arguments: The names of its arguments, if it is a function.
    """

    kind: type[ast.AST]
    parent: Scope | None
    bindings: dict[str, list[Binding]] = field(default_factory=dict)
    global_names: set[str] = field(default_factory=set)
    nonlocal_names: set[str] = field(default_factory=set)
    arguments: set[str] = field(default_factory=set)

    def bind(self, name: str, lineno: int, what: Meaning | ast.expr, scope: Scope | None = None) -> None:
        """Adds a binding; the expression is evaluated in `scope`, or here."""
        self.bindings.setdefault(name, []).append(Binding(lineno, what, scope or self))

    def owner(self, name: str) -> Scope | None:
        """Returns the scope whose bindings `name` has when it is used here; None if nobody binds it."""
        scope: Scope | None = self
        while scope is not None:
            if name in scope.bindings and (scope is self or scope.kind is not ast.ClassDef):
                return scope
            if name in scope.global_names:
                while scope.parent is not None:
                    scope = scope.parent
            else:
                scope = scope.parent
                continue
            return scope if name in scope.bindings else None
        return None

    def is_argument(self, name: str) -> bool:
        """Whether a name is an argument of this function; whoever calls it may pass anything."""
        return name in self.arguments

    def is_run_on_import(self) -> bool:
        """Whether what stands here is run when the module is imported: it is in no function."""
        return not any(scope.kind in _FUNCTIONS for scope in (self, *self.outer()))

    def outer(self) -> Iterator[Scope]:
        """Yields the scopes around this one, the nearest first."""
        scope = self.parent
        while scope is not None:
            yield scope
            scope = scope.parent


@dataclass
class Escape:
    """An assignment to an attribute or item, through which a manager could not be followed."""

    target: ast.expr
    value: ast.expr
    scope: Scope


class ModuleScopes:
    """The scopes of a module and the calls in it.

    Attributes:
        module: The outermost scope.
        calls: Calls of a name, or of an attribute of a name, with the scope that each is in.
        statements: Those calls that are statements of their own: what they return is not used.
        escapes: Assignments to what is no name.
    """

    def __init__(self, tree: ast.Module) -> None:
        self.module = Scope(ast.Module, None)
        self.calls: list[tuple[ast.Call, Scope]] = []
        self.statements: set[ast.expr] = set()
        self.escapes: list[Escape] = []
        self._scopes = [self.module]
        self._meanings: dict[tuple[Scope, str], frozenset[Meaning]] = {}
        self._walk(tree)
        self._move_declared()

    def meanings(self, expression: ast.expr, scope: Scope) -> frozenset[Meaning]:
        """Returns all that an expression may mean, evaluated in `scope`."""
        return self._meanings_of(expression, scope, frozenset())

    def meanings_of_name(self, name: str, scope: Scope) -> frozenset[Meaning]:
        """Returns all that a name may mean in `scope`."""
        return self._of_name(name, scope, frozenset())

    def _meanings_of(
        self, expression: ast.expr, scope: Scope, seen: frozenset[tuple[Scope, str]]
    ) -> frozenset[Meaning]:
        match expression:
            case ast.Name(id=name):
                return self._of_name(name, scope, seen)
            case ast.Attribute(value=value, attr=attribute):
                return frozenset(
                    _attribute(base, attribute) for base in self._meanings_of(value, scope, seen)
                )
            case ast.NamedExpr(value=value):
                return self._meanings_of(value, scope, seen)
            case ast.IfExp(body=first, orelse=other):
                return self._meanings_of(first, scope, seen) | self._meanings_of(other, scope, seen)
            case ast.Call(func=function, args=[ast.Constant(value=str(name)), *_]):
                if getattr(function, 'id', getattr(function, 'attr', None)) == _MANAGER_CLASS:
                    return frozenset([Manager(name)])
        return frozenset([OTHER])

    def _of_name(self, name: str, scope: Scope, seen: frozenset[tuple[Scope, str]]) -> frozenset[Meaning]:
        owner = scope.owner(name)
        if owner is None:
            return frozenset([Free(name)])
        key = owner, name
        if key in seen:  # `a = b; b = a`
            return frozenset()
        if (known := self._meanings.get(key)) is not None:
            return known
        meanings: set[Meaning] = set()
        for binding in owner.bindings[name]:
            if isinstance(binding.what, ast.expr):
                meanings |= self._meanings_of(binding.what, binding.scope, seen | {key})
            else:
                meanings.add(binding.what)
        if not seen:
            self._meanings[key] = frozenset(meanings)
        return frozenset(meanings)

    def _walk(self, tree: ast.Module) -> None:
        self._stack: list[tuple[ast.AST, Scope]] = [(tree, self.module)]
        stack, handlers = self._stack, _HANDLERS
        while stack:
            node, scope = stack.pop()
            handler = handlers.get(type(node))
            if handler is not None:
                handler(self, node, scope)
                continue
            for child in _children(node):
                stack.append((child, scope))

    def forget(self) -> None:
        """Cuts the circles of references, so that the memory is free at once."""
        for scope in self._scopes:
            scope.bindings.clear()

    def _push(self, nodes: Iterable[ast.AST | None], scope: Scope) -> None:
        self._stack.extend((node, scope) for node in nodes if node is not None)

    def _inner(self, node: ast.AST, scope: Scope) -> Scope:
        self._scopes.append(Scope(type(node), scope))
        return self._scopes[-1]

    def _move_declared(self) -> None:
        """Gives bindings under `global` and `nonlocal` to the scopes that own them."""
        for scope in self._scopes:
            for name in scope.global_names | scope.nonlocal_names:
                bindings = scope.bindings.pop(name, [])
                owner: Scope | None = self.module
                if name in scope.nonlocal_names and scope.parent is not None:
                    owner = scope.parent.owner(name)
                if owner is not None and bindings:
                    owner.bindings.setdefault(name, []).extend(bindings)

    def _function(self, node: Any, scope: Scope) -> None:
        inner = self._inner(node, scope)
        if not isinstance(node, ast.Lambda):
            scope.bind(node.name, node.lineno, OTHER)
            self._push([*node.decorator_list, node.returns], scope)
        arguments = node.args
        positional = [*arguments.posonlyargs, *arguments.args]
        without = len(positional) - len(arguments.defaults)
        defaults = [*[None] * without, *arguments.defaults, *arguments.kw_defaults, None, None]
        named = [*positional, *arguments.kwonlyargs, arguments.vararg, arguments.kwarg]
        for argument, default in zip(named, defaults, strict=True):
            if argument is not None:
                inner.bind(argument.arg, argument.lineno, default or OTHER, scope)
                inner.arguments.add(argument.arg)
                self._push([argument.annotation, default], scope)
        self._push(node.body if isinstance(node.body, list) else [node.body], inner)

    def _class(self, node: ast.ClassDef, scope: Scope) -> None:
        scope.bind(node.name, node.lineno, OTHER)
        self._push([*node.decorator_list, *node.bases, *node.keywords], scope)
        self._push(node.body, self._inner(node, scope))

    def _comprehension(self, node: Any, scope: Scope) -> None:
        inner = self._inner(node, scope)
        parts = [node.key, node.value] if isinstance(node, ast.DictComp) else [node.elt]
        for index, generator in enumerate(node.generators):
            self._push([generator.iter], scope if index == 0 else inner)
            parts += [generator.target, *generator.ifs]
        self._push(parts, inner)

    def _name(self, node: ast.Name, scope: Scope) -> None:
        if isinstance(node.ctx, ast.Store):
            scope.bind(node.id, node.lineno, OTHER)

    def _assign(self, node: ast.Assign, scope: Scope) -> None:
        for target in node.targets:
            self._target(target, node.value, scope)
        self._push([node.value], scope)

    def _annotated_assign(self, node: ast.AnnAssign, scope: Scope) -> None:
        if node.value is not None:  # else nothing is bound
            self._target(node.target, node.value, scope)
        self._push([node.annotation, node.value], scope)

    def _named_expression(self, node: ast.NamedExpr, scope: Scope) -> None:
        owner = scope
        while owner.kind in _COMPREHENSIONS and owner.parent is not None:
            owner = owner.parent
        owner.bind(node.target.id, node.lineno, node.value, scope)
        self._push([node.value], scope)

    def _target(self, target: ast.expr, value: ast.expr, scope: Scope) -> None:
        if isinstance(target, ast.Name):
            scope.bind(target.id, target.lineno, value)
            return
        if isinstance(target, ast.Tuple | ast.List) and isinstance(value, ast.Tuple | ast.List):
            is_starred = any(isinstance(item, ast.Starred) for item in (*target.elts, *value.elts))
            if len(target.elts) == len(value.elts) and not is_starred:
                for inner_target, inner_value in zip(target.elts, value.elts, strict=True):
                    self._target(inner_target, inner_value, scope)
                return
        elif isinstance(target, ast.Attribute | ast.Subscript):
            self.escapes.append(Escape(target, value, scope))
        self._push([target], scope)

    def _import(self, node: ast.Import, scope: Scope) -> None:
        for alias in node.names:
            first = alias.name.partition('.')[0]
            module, _, name = alias.name.rpartition('.') if alias.asname else ('', '', first)
            meaning: Meaning = {MANAGER_MODULE: MODULE, 'sweeper': PACKAGE}.get(
                alias.name if alias.asname else first, Foreign(module, 0, name)
            )
            scope.bind(alias.asname or first, node.lineno, meaning)

    def _import_from(self, node: ast.ImportFrom, scope: Scope) -> None:
        module = node.module or ''
        for alias in node.names:
            meaning: Meaning = Foreign(module, node.level, alias.name)
            if node.level == 0 and module == MANAGER_MODULE:
                meaning = Manager(alias.name)
            elif node.level == 0 and f'{module}.{alias.name}' == MANAGER_MODULE:
                meaning = MODULE
            if alias.name != '*':
                scope.bind(alias.asname or alias.name, node.lineno, meaning)

    def _bound_text(self, node: Any, scope: Scope) -> None:
        """Notes a name that is a plain text in its node: `except … as name`, `case [*name]`."""
        name = node.rest if isinstance(node, ast.MatchMapping) else node.name
        if name is not None:
            scope.bind(name, node.lineno, OTHER)
        self._push(_children(node), scope)

    def _global(self, node: ast.Global, scope: Scope) -> None:
        if scope.parent is not None:
            scope.global_names.update(node.names)

    def _nonlocal(self, node: ast.Nonlocal, scope: Scope) -> None:
        scope.nonlocal_names.update(node.names)

    def _statement(self, node: ast.Expr, scope: Scope) -> None:
        self.statements.add(node.value)
        self._push([node.value], scope)

    def _call(self, node: ast.Call, scope: Scope) -> None:
        function = node.func
        while isinstance(function, ast.Attribute):
            function = function.value
        if isinstance(function, ast.Name | ast.NamedExpr):
            self.calls.append((node, scope))
        self._push(_children(node), scope)


def _attribute(base: Meaning, attribute: str) -> Meaning:
    if base == PACKAGE and f'sweeper.{attribute}' == MANAGER_MODULE:
        return MODULE
    if isinstance(base, Foreign):  # a module of the project, perhaps
        inner = f'{base.module}.{base.name}' if base.module else base.name
        return Foreign(inner, base.level, attribute)
    return Manager(attribute) if base == MODULE else OTHER


_FUNCTIONS = (ast.FunctionDef, ast.AsyncFunctionDef, ast.Lambda)
_COMPREHENSIONS = (ast.ListComp, ast.SetComp, ast.DictComp, ast.GeneratorExp)
_HANDLERS: dict[type[ast.AST], Callable[..., None]] = {
    ast.FunctionDef: ModuleScopes._function,
    ast.AsyncFunctionDef: ModuleScopes._function,
    ast.Lambda: ModuleScopes._function,
    ast.ClassDef: ModuleScopes._class,
    **dict.fromkeys(_COMPREHENSIONS, ModuleScopes._comprehension),
    ast.Name: ModuleScopes._name,
    ast.Assign: ModuleScopes._assign,
    ast.AnnAssign: ModuleScopes._annotated_assign,
    ast.NamedExpr: ModuleScopes._named_expression,
    ast.Import: ModuleScopes._import,
    ast.ImportFrom: ModuleScopes._import_from,
    ast.ExceptHandler: ModuleScopes._bound_text,
    ast.MatchAs: ModuleScopes._bound_text,
    ast.MatchStar: ModuleScopes._bound_text,
    ast.MatchMapping: ModuleScopes._bound_text,
    ast.Global: ModuleScopes._global,
    ast.Nonlocal: ModuleScopes._nonlocal,
    ast.Expr: ModuleScopes._statement,
    ast.Call: ModuleScopes._call,
    ast.Constant: lambda _self, _node, _scope: None,
}
_LEAVES = frozenset(
    ['id', 'ctx', 'op', 'ops', 'attr', 'arg', 'name', 'names', 'kind', 'type_comment', 'lineno', 'is_async']
)  # fields that hold no expression
_FIELDS: dict[type, tuple[str, ...]] = {}


def _children(node: ast.AST) -> list[ast.AST]:
    kind = type(node)
    if kind not in _FIELDS:
        _FIELDS[kind] = tuple(name for name in kind._fields if name not in _LEAVES)
    children: list[Any] = []
    for name in _FIELDS[kind]:
        value = getattr(node, name, None)
        if type(value) is list:
            children += value
        else:
            children.append(value)
    return [child for child in children if isinstance(child, ast.AST)]
