"""Options of the command line for declared parameters: `bind(parser, _)`."""

from __future__ import annotations

import re
import warnings
from collections.abc import Collection
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..errors import DeclarationError, DeclarationWarning, InvalidArgument, SweepError
from .domains import checked
from .listing import LISTINGS, show
from .manager import HyperParameterManager
from .occurrence import HyperParameterNode
from .serial import FORMATS, load, save
from .types import from_text, kind_of

if TYPE_CHECKING:
    from argparse import Action, ArgumentParser, Namespace, _ArgumentGroup

ACTIONS = ('save', 'load', 'list', 'detail')
_AS_OPTION = re.compile(r'[\w./:][\w./:-]*')


def bind(
    parser: ArgumentParser,
    manager: HyperParameterManager,
    *,
    inject_actions: bool | Collection[str] = True,
    action_prefix: str = 'hp',
    prefix: str = '',
    serial_format: str = 'auto',
    show_defaults: bool = True,
) -> None:
    """Gives a parser an option for every parameter that is known; parsing arguments then sets the values.

    `--hp-load` is done before all other options, `--hp-save` and the listings after them. The namespace has
    each parameter's value under its name. A subparser is bound like any other parser.

    Args:
        parser: Takes the options. Call `parse_args` of it (or of the parser that it belongs to) as ever.
        manager: Has the parameters, by `parse_file` or because the code has run.
        inject_actions: Which of `save`, `load`, `list` and `detail` to offer; True for all.
        action_prefix: `hp` in `--hp-save`.
        prefix: Comes before the name in the option of each parameter: `model-` gives `--model-width`.
        serial_format: The default of `--hp-serial-format`.
        show_defaults: Whether the help of each option ends with its default.

    Raises:
        InvalidArgument: An action or format is unknown, or an option is there already.
        DeclarationError: A hint `type` names no type.
    """
    if isinstance(inject_actions, bool):
        inject_actions = ACTIONS if inject_actions else ()
    if unknown := set(inject_actions) - set(ACTIONS):
        raise InvalidArgument(
            f'inject_actions={inject_actions!r}: unknown {", ".join(map(repr, sorted(unknown)))}; '
            f'valid are {", ".join(ACTIONS)}'
        )
    if serial_format not in FORMATS:
        raise InvalidArgument(f'serial_format={serial_format!r}: valid are {", ".join(FORMATS)}')
    binding = _Binding(parser, manager, prefix, show_defaults)
    binding.add_parameters()
    binding.add_actions(inject_actions, action_prefix, serial_format)
    binding.take_over()


@dataclass
class _Binding:
    """A parser and the parameters that it has options for.

    Attributes:
        parser: Gets an option for each parameter.
        manager: Holds the parameters, and gets the values.
        prefix: Comes before their names.
        show_defaults: Whether help tells defaults.
        names: Of those that have an option, by where argparse leaves what was given. That place is not the
            name: a parser and its subparser may both have options for one parameter.
        required: The options of parameters that must have a value given.
    """

    parser: ArgumentParser
    manager: HyperParameterManager
    prefix: str
    show_defaults: bool = True
    names: dict[str, str] = field(default_factory=dict)
    required: list[Action] = field(default_factory=list)

    def add_parameters(self) -> None:
        group = self.parser.add_argument_group('parameters declared in the code')
        for node in self.manager.get_nodes():
            if _AS_OPTION.fullmatch(self.prefix + node.name):
                self._add_parameter(group, node)
            else:
                warnings.warn(
                    f'`{node.name}` has no option: its name cannot be one', DeclarationWarning, stacklevel=3
                )

    def _add_parameter(self, group: _ArgumentGroup, node: HyperParameterNode) -> None:
        import argparse

        destination = f'{id(self)} {node.name}'
        self.names[destination] = node.name
        name = self.prefix + node.name
        flag = f'--{name.replace("_", "-")}'
        kind = kind_of(node)
        options: dict[str, Any] = {
            'dest': destination,
            'default': argparse.SUPPRESS,
            'help': _help(node, self.show_defaults),
        }
        choices = node.hints.get('choices')
        if isinstance(choices, list | tuple | set | frozenset):
            options['choices'] = list(choices)
        if kind is bool:
            options |= {'nargs': '?', 'const': True, 'metavar': 'BOOL'}
        elif not all(isinstance(choice, str | int | float) for choice in options.get('choices', [()])):
            options['metavar'] = re.sub(r'\W', '_', node.name.upper())

        def convert(text: str) -> Any:
            try:
                value = from_text(text, kind)
                return checked(value, node) if 'range' in node.hints else value
            except (ValueError, DeclarationError) as error:
                raise argparse.ArgumentTypeError(str(error)) from error

        try:
            action = group.add_argument(flag, type=convert, **options)
            if node.hints.get('required'):
                action.required = True  # as help shows it; a file may have the value, too
                self.required.append(action)
            if kind is bool:
                options |= {'help': f'{flag} false', 'action': 'store_const', 'const': False}
                del options['nargs'], options['metavar']
                options.pop('choices', None)
                group.add_argument(f'--no-{flag[2:]}', **options)
        except argparse.ArgumentError as error:
            raise InvalidArgument(
                f'`{node.name}`: the parser has {flag} already; choose a prefix, '
                f"as in bind(parser, {self.manager.placeholder}, prefix='hp-')"
            ) from error

    def add_actions(self, actions: Collection[str], prefix: str, serial_format: str) -> None:
        import argparse

        group = self.parser.add_argument_group('what is done with these parameters') if actions else None
        self.actions = {name: f'{id(self)} --{name}' for name in (*ACTIONS, 'serial-format', 'exit')}
        self.serial_format = serial_format
        self.shown: dict[str, str] = {}  # what an action is called in the namespace

        def add(action: str, /, **options: Any) -> None:
            assert group is not None
            self.shown[action] = f'{prefix}-{action}'.replace('-', '_')
            options = {'default': argparse.SUPPRESS, **options}  # which a formatter would tell
            group.add_argument(f'--{prefix}-{action}', dest=self.actions[action], **options)

        if 'save' in actions:
            add('save', metavar='FILE', help='write all values to FILE, after everything else is done')
        if 'load' in actions:
            add('load', metavar='FILE', help='read values from FILE; other options count before these')
        if 'list' in actions:
            add('list', nargs='?', const='yaml', choices=LISTINGS,
                help='show all values and stop; `detail` with type and places')  # fmt: skip
        if 'detail' in actions:
            add('detail', action='store_true', help=f'the same as --{prefix}-list detail')
        if {'save', 'load'} & set(actions):
            add('serial-format', choices=FORMATS,
                help='how FILE is written; auto: by its suffix. Only what is asked for by name is loaded '
                'as pickle, since that can run any code')  # fmt: skip
        if actions:
            add('exit', action='store_true', help='stop when all this is done')

    def take_over(self) -> None:
        """Does what the options ask for whenever the parser has parsed arguments.

        `parse_args` and a parser's subparsers all go through `parse_known_args`.
        """
        original = self.parser.parse_known_args

        def parse_known_args(args: Any = None, namespace: Any = None) -> tuple[Namespace, list[str]]:
            try:
                for action in self.required:
                    action.required = False
                parsed, rest = original(args, namespace)
            finally:
                for action in self.required:
                    action.required = True
            try:
                self._apply(parsed)
            except SweepError as error:
                self.parser.error(str(error))
            return parsed, rest

        self.parser.parse_known_args = parse_known_args  # type: ignore[method-assign, assignment]

    def _apply(self, namespace: Namespace) -> None:
        values = vars(namespace)
        options = {action: values.pop(place, None) for action, place in self.actions.items()}
        given = {name: values.pop(place) for place, name in self.names.items() if place in values}
        form = options['serial-format'] or self.serial_format
        known = dict(given)
        if options['load'] is not None:
            known |= load(self.manager, Path(options['load']), form)
        self.manager.set_values(given)
        listing = 'detail' if options['detail'] else options['list']
        if listing is None:
            self._require(known)
        for node in self.manager.get_nodes():
            values[node.name] = node.value if node.has_plain_value else None
        options['serial-format'] = form
        for action, name in self.shown.items():  # unless a parameter is called so
            flags = action in ('detail', 'exit')
            values.setdefault(name, bool(options[action]) if flags else options[action])
        if options['save'] is not None:
            save(self.manager, Path(options['save']), form)
        if listing is not None:
            show(self.manager, listing)
        if listing is not None or options['exit']:
            self.parser.exit()

    def _require(self, known: Collection[str]) -> None:
        missing = [
            f'--{self.prefix}{node.name.replace("_", "-")}'
            for node in self.manager.get_nodes()
            if node.hints.get('required') and node.name not in known
        ]
        if missing:
            raise DeclarationError(f'the following are required: {", ".join(missing)}')


def _help(node: HyperParameterNode, show_default: bool) -> str:
    """Returns what the hint `help` says, and the default."""
    text = str(node.hints.get('help', ''))
    value = repr(node.value) if node.has_plain_value else str(node.value)
    if node.value is not None and node.priority is None:
        value = 'none'
    if not show_default and not node.hints.get('required'):
        return text.replace('%', '%%')
    required = 'required' if node.hints.get('required') else f'default: {value}'
    return f'{text} ({required})'.strip().replace('%', '%%')
