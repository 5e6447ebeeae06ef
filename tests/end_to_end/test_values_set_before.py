"""Values set before a sweep, of any kind, in any way: what the model reads, what is recorded and compared."""

import argparse
import ast
import json

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from sweeper import FixedSweep, m
from sweeper.declare import bind
from sweeper.declare.serial import save
from sweeper.errors import EqualPointsWarning, FolderError
from sweeper.frozen import freeze
from sweeper.points import as_point, point_key, value_from_text, value_to_text
from sweeper.problem.presets import load_values
from sweeper.problem.reference import find_problem

pytestmark = pytest.mark.slow

MODEL = """
from sweeper.m import _

def model():
    record(repr(_('value', None)))
    return torch.nn.Linear(4, _('outputs', 2))
"""
texts = st.text(st.characters(codec='utf-8', exclude_characters='\0'), max_size=6) | st.sampled_from(
    ['a, b', '"', "it's", 'é😀', '1', 'true', '', '[1]', 'a=b']
)
plain = st.none() | st.booleans() | st.integers(-(2**70), 2**70) | st.floats(allow_nan=False) | texts
values = st.recursive(
    plain,
    lambda inner: (
        st.lists(inner, max_size=2)
        | st.lists(inner, max_size=2).map(tuple)
        | st.dictionaries(texts.filter(lambda key: key != '__is_dict__'), inner, max_size=2)
    ),
    max_leaves=4,
)


def in_code(value, _path):
    m._.set_value('value', value)


def by_argument(value, path):
    m._.parse_file(path)
    parser = argparse.ArgumentParser()
    bind(parser, m._)
    parser.parse_args([f'--value={value!r}'])


def by_file(value, path):
    file = path.with_suffix('.json')
    m._.set_value('value', value)
    save(m._, file)
    m._.reset()
    load_values(find_problem(path), file)


def is_literal(value):
    try:
        return value != '' and ast.literal_eval(repr(value)) == value
    except ValueError:  # inf
        return False


def is_json(value):
    """Whether JSON has it as it is: no tuples, and at the top no dict without a mark."""
    return json.loads(json.dumps(value)) == value


WAYS = {in_code: lambda _: True, by_argument: is_literal, by_file: is_json}


def check_value(value, way, write_problem, sweep_inline, folder, executor):
    problem = write_problem(model=MODEL)
    out = folder / problem.name
    points = [({}, 0)]
    m._.reset()
    try:
        way(value, problem.path)
        sweep_inline(problem.path, FixedSweep(points), out, executor=executor)
        assert {repr(eval(call, {'inf': float('inf')})) for call in problem.calls} == {repr(value)}
        recorded = json.loads((out / 'sweep.json').read_text())['values']['value']
        assert recorded == value_to_text(freeze(value))
        assert repr(value_from_text(recorded)) == repr(freeze(value))
        calls = len(problem.calls)
        sweep_inline(problem.path, FixedSweep(points), out, executor=executor)
        assert len(problem.calls) == calls
        m._.set_value('value', [value])
        with pytest.raises(FolderError, match='value of the parameter value'):
            sweep_inline(problem.path, FixedSweep(points), out, executor=executor)
    finally:
        m._.__init__('_')  # forgets what was parsed, too


def sharing(examples):
    return settings(
        max_examples=examples, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
    )


@sharing(12)
@given(data=st.data())
def test_in_this_process(data, write_problem, sweep_inline, tmp_path):
    way = data.draw(st.sampled_from([*WAYS]))
    value = data.draw(values.filter(WAYS[way]))
    check_value(value, way, write_problem, sweep_inline, tmp_path, 'inline')


@sharing(3)
@given(data=st.data())
def test_in_workers(data, write_problem, sweep_inline, tmp_path):
    way = data.draw(st.sampled_from([*WAYS]))
    value = data.draw(values.filter(WAYS[way]))
    check_value(value, way, write_problem, sweep_inline, tmp_path, 'local')


@sharing(6)
@given(base=st.sampled_from([0, 1]), wrap=st.sampled_from([lambda v: v, lambda v: [v], lambda v: {'a': v}]))
def test_points_equal_to_python_are_one_point_and_warned_of(
    base, wrap, write_problem, sweep_inline, tmp_path
):
    problem = write_problem(model='def model(width):\n    record(width)\n    return torch.nn.Linear(4, 2)')
    points = [as_point((wrap(kind(base)),)) for kind in (int, float, bool)]
    assert len({*points}) == 1 and len({*map(point_key, points)}) == 3
    with pytest.warns(EqualPointsWarning) as caught:
        results = sweep_inline(
            problem.path, FixedSweep([(point, 0) for point in points]), tmp_path / problem.name
        )
    assert len(caught) == 2 and len({*problem.calls}) == 1
    assert len(results) <= 1
