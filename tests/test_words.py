"""Names in the package are the field's words, and nouns (CONTRIBUTING.md, *Style*)."""

import ast
import re
from pathlib import Path

import pytest

import sweeper

ROOT = Path(sweeper.__file__).parent
HOME_MADE = {
    'again', 'audience', 'bench', 'bury', 'doubt', 'doubts', 'foot', 'leash', 'lifeline', 'noting', 'picture',
    'stranger', 'strangers', 'subject', 'subjects',
}  # fmt: skip
NO_NOUNS = {'asked', 'found', 'one', 'ones', 'told', 'tried'}


def names_given(source):
    """Every name that a source gives to something, with its line."""
    for node in ast.walk(ast.parse(source)):
        match node:
            case ast.Name(ctx=ast.Store(), id=name) | ast.Attribute(ctx=ast.Store(), attr=name):
                yield name, node.lineno
            case ast.arg(arg=name) | ast.ClassDef(name=name) | ast.FunctionDef(name=name):
                yield name, node.lineno
            case ast.MatchAs(name=str(name)) | ast.MatchStar(name=str(name)):
                yield name, node.lineno


def parts_of(name):
    return {part.lower() for part in re.findall('[A-Z]?[a-z0-9]+|[A-Z]+', name)}


def refused(source):
    """Names that are not to be given, with their lines; names of tests are sentences."""
    return [
        (name, line)
        for name, line in names_given(source)
        if not name.startswith('test_') and (parts_of(name) & HOME_MADE or name.strip('_') in NO_NOUNS)
    ]


@pytest.mark.parametrize('path', sorted(ROOT.rglob('*.py')), ids=lambda path: str(path.relative_to(ROOT)))
def test_names_are_nouns_and_words_of_the_field(path):
    assert not parts_of(path.stem) & HOME_MADE
    assert refused(path.read_text(encoding='utf-8')) == []


@pytest.mark.parametrize(
    'source',
    [
        'one = 1',
        'self._told = 2',
        'def open_bench(): pass',
        'class Subject: pass',
        'lambda found: 0',
        'match x:\n    case [*tried]: pass',
        '[0 for one in ()]',
        'for one, two in (): pass',
    ],
)
def test_names_are_seen_wherever_they_are_given(source):
    assert len(refused(source)) == 1
