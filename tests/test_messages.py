"""What a message says of an error of the system: words and the file, no number, no Python."""

import ast
import builtins
import errno
from pathlib import Path

import pytest

import sweeper
from sweeper.text import reason

ROOT = Path(sweeper.__file__).parent
MODULES = sorted(path.relative_to(ROOT).as_posix() for path in ROOT.rglob('*.py') if path.name != 'text.py')
OF_THE_SYSTEM = {
    name for name, one in vars(builtins).items() if isinstance(one, type) and issubclass(one, OSError)
}


@pytest.mark.parametrize(
    ('error', 'path', 'said'),
    [
        (OSError(errno.ENOSPC, 'No space left on device', '/a/b'), None, 'No space left on device: /a/b'),
        (OSError(errno.ENOSPC, 'No space left on device', '/a/b'), Path('/a/b'), 'No space left on device'),
        (OSError(errno.EIO, 'Input/output error'), None, 'Input/output error'),
        (OSError(errno.EBADF, 'Bad file descriptor', 3), None, 'Bad file descriptor'),
        (OSError('just words'), None, 'just words'),
        (ValueError('no number'), '/a', 'no number'),
    ],
)  # fmt: skip
def test_a_reason_has_words_and_the_file_unless_that_is_named_already(error, path, said):
    assert reason(error, path) == said


def raw_errors(source):
    """The lines where a handler of errors of the system puts one into a text as it is."""
    found = []
    for handler in ast.walk(ast.parse(source)):
        if isinstance(handler, ast.ExceptHandler) and handler.name and handler.type:
            kinds = {node.id for node in ast.walk(handler.type) if isinstance(node, ast.Name)}
            if kinds & OF_THE_SYSTEM:
                shown = (ast.unparse(part) for part in map(_as_text, ast.walk(handler)) if part is not None)
                found += [one for one in shown if one in (handler.name, f'{handler.name}.strerror')]
    return found


def _as_text(node):
    """What of an expression becomes part of a text."""
    match node:
        case ast.FormattedValue(value) | ast.Call(ast.Name('str' | 'repr'), [value]):
            return value
        case ast.Attribute(_, 'strerror'):
            return node
    return None


@pytest.mark.parametrize('name', MODULES)
def test_no_error_of_the_system_is_shown_as_python_writes_it(name):
    assert raw_errors((ROOT / name).read_text()) == []


@pytest.mark.parametrize(
    ('handler', 'shown'),
    [
        ("except OSError as e:\n    raise X(f'cannot: {e}')", 1),
        ("except (ValueError, PermissionError) as e:\n    raise X(str(e))", 1),
        ("except OSError as e:\n    raise X(f'cannot: {e.strerror or e}')", 1),
        ("except OSError as e:\n    raise X(f'cannot: {reason(e)}') from e", 0),
        ("except ValueError as e:\n    raise X(f'cannot: {e}')", 0),
    ],
)  # fmt: skip
def test_one_that_is_shown_raw_is_found(handler, shown):
    assert len(raw_errors(f'try:\n    x()\n{handler}')) == shown
