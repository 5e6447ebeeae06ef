"""What kind of value a parameter takes."""

import argparse

import pytest

from sweeper.declare import DeclarationError, HyperParameterManager, bind
from sweeper.declare.domains import checked
from sweeper.declare.types import as_kind, from_text, kind_of


def node(call):
    return HyperParameterManager('_').parse_source(call).get_nodes()[0]


@pytest.mark.parametrize(
    ('call', 'kind'),
    [
        ("_('x', 1)", int),
        ("_('x', True)", bool),
        ("_('x', 1, type='float')", float),
        ("_('x', 1, choices=[1, 2.5])", float),
        ("_('x', 1, range=(0, 8))", int),
        ("_('x', 0, range=(0.0, 1))", float),
        ("_('x', range=(1, 8))", int),
        ("_('x', choices=['a', 'b'])", str),
        ("_('x', None, choices=['a', None])", None),
        ("_('x', 1, choices=['a', 1])", None),
        ("_('x', True, choices=[1, 2])", None),
        ("_('x', None)", None),
        ("_('x', f())", None),
        ("_('x', 1j)", None),
        ("_('x', {1})", set),
        ("_('x', 1, range='wide')", int),
    ],
)
def test_hints_and_the_default_tell(call, kind):
    assert kind_of(node(call)) is kind


@pytest.mark.parametrize(
    ('value', 'kind', 'result'),
    [
        ('1e-4', float, 1e-4),
        (1, float, 1.0),
        (2.0, int, 2),
        ([1, [2]], tuple, (1, [2])),
        ([1, 1], set, {1}),
        (None, int, None),
        ('a', None, 'a'),
        ('true', bool, True),
        ('12', str, '12'),
    ],
)
def test_a_files_value_becomes_what_it_should_be(value, kind, result):
    found = as_kind(value, kind)
    assert (found, type(found)) == (result, type(result))


@pytest.mark.parametrize(
    ('value', 'kind'),
    [
        (1.5, int),
        (True, int),
        (1, bool),
        ('x', float),
        (1, str),
        ([1], dict),
        ('ab', list),
        (True, float),
        ({}, list),
    ],
)
def test_a_value_of_another_kind_is_refused(value, kind):
    with pytest.raises(ValueError, match=r'is not an? |neither'):
        as_kind(value, kind)


@pytest.mark.parametrize('text', ['(' * 500, '__import__("os")', '', '{[]: 1}', '\0', '-' * 100_000 + '1'])
def test_a_text_that_is_no_literal_is_a_text_or_refused(text):
    assert from_text(text, None) == text
    with pytest.raises(ValueError, match='as Python writes it'):
        from_text(text, list)


def test_a_value_is_one_of_the_choices():
    kernel = node("_('kernel', (3, 3), choices=[(3, 3), (5, 5)])")
    assert checked([5, 5], kernel) == (5, 5)
    with pytest.raises(
        DeclarationError, match=r'`kernel`: \(4, 4\) is not among its choices \(3, 3\), \(5, 5\)'
    ):
        checked([4, 4], kernel)


@pytest.mark.parametrize(
    ('call', 'value', 'message'),
    [
        (
            "_('rate', 0.5, range=(0.0, 0.9))",
            1.5,
            '`rate`: 1.5 is not in its range: it must be a number from 0 to 0.9',
        ),
        ("_('rate', 0.5, range=(0, 0.9))", -1, '-1.0 is not in its range'),
        ("_('rate', 0.5, range=(0, 0.9))", None, 'None is not in its range'),
        ("_('width', 8, range=(1, 64), log=True)", 65, 'it must be an integer from 1 to 64 (log)'),
        ("_('width', 8, range=(1, 64), role='fixed')", 0, '0 is not in its range'),
    ],
)
def test_a_value_is_in_the_range(call, value, message):
    with pytest.raises(DeclarationError) as caught:
        checked(value, node(call))
    assert message in str(caught.value)


def test_a_value_in_the_range_has_its_type():
    assert type(checked(1, node("_('rate', 0.5, range=(0, 1))"))) is float
    assert type(checked(4.0, node("_('width', 8, range=(1, 64))"))) is int


def test_an_option_of_a_program_has_its_range(capsys):
    manager = HyperParameterManager('_').parse_source("_('rate', 0.5, range=(0.0, 0.9))")
    parser = argparse.ArgumentParser()
    bind(parser, manager)
    assert parser.parse_args(['--rate', '0.25']).rate == 0.25
    with pytest.raises(SystemExit):
        parser.parse_args(['--rate', '1.5'])
    assert '1.5 is not in its range' in capsys.readouterr().err
