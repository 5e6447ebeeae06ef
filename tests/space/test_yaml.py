"""YAML and JSON as people write it: numbers are numbers, and no key is there twice."""

from pathlib import Path

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from sweeper.errors import FolderError, InvalidArgument
from sweeper.io.documents import parsed, read_document, to_yaml, write_document

YAML = Path('x.yaml')
SCALARS = st.one_of(
    st.none(), st.booleans(), st.integers(), st.floats(allow_nan=False), st.text(max_size=8),
    st.sampled_from(['1e-4', 'on', 'no', '010', '~', '', '<<', '2020-01-01', '1_000', '1:30', '.5', '=']),
)  # fmt: skip
DATA = st.recursive(
    SCALARS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
)


@given(DATA)
def test_what_is_written_is_read_back_equal(data):
    assert repr(parsed(to_yaml(data), YAML)) == repr(data)


@given(st.dictionaries(st.text(max_size=5), SCALARS, max_size=5))
def test_other_readers_of_yaml_read_the_same(data):
    assert repr(yaml.safe_load(to_yaml(data))) == repr(data)


def test_plain_values_are_those_of_yaml_1_2():
    text = (
        '[1e-4, 1E5, .5, 5., !!float 1, 010, 0x10, 0o10, on, no, Yes, 2020-01-01, 1_000, ~, null, True, -.inf'
    )
    assert parsed(text + ']', YAML) == [
        1e-4, 1e5, 0.5, 5.0, 1.0, 10, 16, 8, 'on', 'no', 'Yes', '2020-01-01', '1_000', None, None, True,
        float('-inf'),
    ]  # fmt: skip
    assert parsed('a: &x {b: 1}\nc: {<<: *x, d: 2}', YAML)['c'] == {'b': 1, 'd': 2}


def test_keys_that_are_there_twice_are_an_error_with_their_lines():
    with pytest.raises(InvalidArgument) as error:
        parsed('a: 1\nb: {c: 1,\n  c: 2}\na: 3', YAML)
    assert 'line 4: a is given a second time (first in line 1)' in str(error.value)
    assert 'line 3: c is given a second time (first in line 2)' in str(error.value)
    with pytest.raises(InvalidArgument, match='b is given 2 times'):
        parsed('{"a": [{"b": 1, "b": 2}]}', Path('x.json'))


def test_what_is_no_document_is_named_with_its_file(tmp_path):
    (tmp_path / 'x.yaml').write_bytes(b'\xff')
    for path, text in ((YAML, 'a: ['), (Path('x.json'), '{'), (YAML, '!!python/object:os.system {}')):
        with pytest.raises(InvalidArgument, match=f'{path.name} is not'):
            parsed(text, path)
    with pytest.raises(InvalidArgument, match='is no text in UTF-8'):
        read_document(tmp_path / 'x.yaml')
    with pytest.raises(FolderError, match='cannot write'):
        write_document(tmp_path / 'missing' / 'x.yaml', {})
