"""A line of a source in its context."""

import pytest

from sweeper.declare import MissingSource, SourceError, SourceHelper


def test_a_line_is_shown_with_those_around_it():
    helper = SourceHelper('\n'.join(f'line {n}' for n in range(1, 13)))
    assert helper.format(10, 1) == '     9: line 9\n==> 10: line 10\n    11: line 11\n'
    assert helper.format(1, 1) == '==> 1: line 1\n    2: line 2\n'
    assert helper.format(12, 0) == '==> 12: line 12\n'
    assert helper.format(99, 1) == ''


@pytest.mark.parametrize('end', ['\n', '\r\n', '\r'])
def test_lines_are_counted_as_python_counts_them(end):
    helper = SourceHelper(f'\ufeffa{end}b\x0cb\u2028b{end}c')
    assert helper.lines() == ['a', 'b\x0cb\u2028b', 'c']


def test_a_file_is_read_in_its_encoding(tmp_path):
    path = tmp_path / 'a.py'
    path.write_bytes('# coding: latin-1\nä'.encode('latin-1'))
    assert SourceHelper.from_file(path).lines()[1] == 'ä'
    with pytest.raises(MissingSource):
        SourceHelper.from_file(tmp_path / 'b.py')
    with pytest.raises(SourceError, match='cannot be read'):
        SourceHelper.from_file(tmp_path)


def test_names_of_hpman_show_lines_too(tmp_path):
    file = tmp_path / 'a.py'
    file.write_text('a = 1\nb = 2\n')
    assert SourceHelper.format_given_source_and_lineno('a = 1\nb = 2\n', 2) == SourceHelper(
        'a = 1\nb = 2\n'
    ).format(2)
    assert SourceHelper.format_given_filepath_and_lineno(str(file), 2).startswith(f'{file}:2\n')
    assert SourceHelper.format_given_filepath_and_lineno(None, None) == 'None:None'
