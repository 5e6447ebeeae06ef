"""Spaces in YAML and JSON, in our form and in Vega's."""

import json
import random
import sys

import pytest
from hypothesis import given

from sweeper.errors import InvalidArgument, MissingExtra
from sweeper.space import Bits, Categorical, Condition, Float, Integer, Ordinal, Space

from .strategies import spaces

OURS = """
parameters:
  network:
    depth: [1, 2, 3]
    head: {width: {range: [8, 128], log: true, step: 8, default: 32}}
  size: {ordinal: [small, large]}
  optimizer: [adam, sgd]
  momentum: {range: [0, 0.99], when: optimizer == 'sgd'}
  lr: {range: [1e-5, 1e-1], log: true, role: nuisance, default: 1e-3}
  switch: [on, off, true, null, 1e3]
  bias: true
  seed: {constant: 3, when: {network.depth: [2, 3], size: large}}
  mask: {bits: 4, weight: 2}
  ratio: {range: [0, 1], type: float, step: 0.25}
forbidden:
  - network.depth == 3 and size == 'large'
  - {network.depth: 1, optimizer: sgd}
"""

SPACE = Space(
    {
        'network.depth': Categorical([1, 2, 3]),
        'network.head.width': Integer(8, 128, log=True, step=8, default=32),
        'size': Ordinal(['small', 'large']),
        'optimizer': Categorical(['adam', 'sgd']),
        'momentum': Float(0.0, 0.99),
        'lr': Float(1e-5, 1e-1, log=True, role='nuisance', default=1e-3),
        'switch': Categorical(['on', 'off', True, None, 1000.0]),
        'bias': Categorical([True]),
        'seed': Categorical([3]),
        'mask': Bits(4, 2),
        'ratio': Float(0.0, 1.0, step=0.25),
    },
    {'momentum': "optimizer == 'sgd'", 'seed': "network.depth in [2, 3] and size == 'large'"},
    ["network.depth == 3 and size == 'large'", "network.depth == 1 and optimizer == 'sgd'"],
)

# As those in Vega's examples: hyperparameters of a training, and of a network.
ASHA = """
pipeline: [hpo]
hpo:
    search_algorithm: {type: AshaHpo}
    search_space:
        type: SearchSpace
        hyperparameters:
            -   {key: dataset.batch_size, type: CATEGORY, range: [8, 16, 32, 64, 128, 256]}
            -   {key: trainer.optimizer.params.lr, type: FLOAT_EXP, range: [0.00001, 0.1]}
            -   {key: trainer.optimizer.type, type: CATEGORY, range: ['Adam', 'SGD']}
            -   {key: trainer.optimizer.params.momentum, type: FLOAT, range: [0.0, 0.99]}
        condition:
            -   {key: c, child: trainer.optimizer.params.momentum, parent: trainer.optimizer.type, type: EQUAL, range: ["SGD"]}
benchmark:
    hpo: {search_algorithm: {policy: {total_epochs: 50}}}
"""  # noqa: E501

EVERY_TYPE = """
search_space:
    hyperparameters:
        - {key: category, type: CATEGORY, range: [a, [1, 2], 3]}
        - {key: two, type: CATEGORY, range: [a, b, c], sample_num: 2}
        - {key: flag, type: BOOL}
        - {key: int, type: INT, range: [1, 9], slice: 3}
        - {key: int_exp, type: INT_EXP, range: [1, 1000]}
        - {key: float, type: FLOAT, range: [1, 2]}
        - {key: float_exp, type: FLOAT_EXP, range: [1e-4, !!float 1e-1]}
        - {key: int_cat, type: int_cat, range: [16, 32]}
        - {key: float_cat, type: FLOAT_CAT, range: [1, 0.5]}
        - {key: text, type: STRING, range: [on, '1']}
        - {key: code, type: BINARY_CODE, range: [4]}
        - {key: two_of_code, type: BINARY_CODE, range: [4, 2]}
        - {key: edges, type: ADJACENCY_LIST, range: [1, 2, 3], sample_num: 2}
        - {key: half, type: HALF, range: [64]}
    condition:
        - {key: a, child: int, parent: category, type: NOT_EQUAL, range: [a]}
        - {key: b, child: float, parent: int_exp, type: IN, range: [10, 100]}
        - {key: c, child: flag, parent: int_cat, type: IN, range: [16]}
    forbidden:
        - {int_cat: 16, text: 'on'}
"""


def written(tmp_path, text, name='space.yaml'):
    path = tmp_path / name
    path.write_text(text, encoding='utf-8')
    return path


def test_parameters_may_have_the_names_of_keys(tmp_path):
    text = 'parameters: {optimizer: {type: [adam, sgd], step: {range: [1, 9]}, default: 3}}'
    space = Space.load(written(tmp_path, text))
    assert [*space] == ['optimizer.type', 'optimizer.step', 'optimizer.default']


def test_a_space_is_read_from_yaml_and_json(tmp_path):
    space = Space.load(written(tmp_path, OURS))
    assert space == SPACE and repr(space) == repr(SPACE)
    assert Space.load(written(tmp_path, json.dumps(SPACE.to_dict()), 'space.json')) == SPACE


@given(spaces())
def test_spaces_are_read_back_as_they_were_written(tmp_path_factory, space):
    for suffix in ('yaml', 'json'):
        path = tmp_path_factory.mktemp('spaces') / f'space.{suffix}'
        space.save(path)
        again = Space.load(path)
        assert again == space and repr(again) == repr(space)
        assert [*again] == [*space] and again.sample(random.Random(1)) == space.sample(random.Random(1))
    assert Space.from_dict(space.to_dict()) == space


def test_a_space_of_vega_is_read_and_its_training_is_nuisance(tmp_path):
    space = Space.load(written(tmp_path, ASHA))
    assert {domain.role for domain in space.values()} == {'nuisance'}
    names = {len(space.sample(random.Random(seed))) for seed in range(20)}
    assert names == {3, 4}
    assert space['trainer.optimizer.params.lr'] == Float(1e-5, 0.1, log=True, role='nuisance')
    assert Space.load(written(tmp_path, ASHA), section='hpo') == space


def test_every_type_of_vega_is_read_and_drawn(tmp_path):
    space = Space.load(written(tmp_path, EVERY_TYPE))
    for seed in range(30):
        space.check(space.sample(random.Random(seed)))
    assert space['two'].values()[:3] == [('a', 'b'), ('a', 'c'), ('b', 'a')] and space['two'].size == 6
    assert space['flag'] == Categorical([True, False]) and space['category'].choices == ('a', (1, 2), 3)
    assert space['int_exp'] == Integer(1, 1000, log=True) and space['float'] == Float(1.0, 2.0)
    assert repr(space['float_cat'].choices) == '(1.0, 0.5)' and space['text'].choices == ('on', '1')
    assert (
        space['code'].size == 15
        and space['two_of_code'] == Bits(4, 2)
        and space['half'] == Bits(64, (32, 64))
    )
    assert space['edges'].choices[0] == ((1, 2), (1, 3)) and space['edges'].size == 3
    assert str(space.conditions['float']) == 'int_exp >= 10 and int_exp <= 100'
    assert str(space.conditions['int']) == "category != 'a'"
    assert str(space.forbidden[0]) == "int_cat == 16 and text == 'on'"
    again = Space.from_dict(space.to_dict())
    assert again == space


@pytest.mark.parametrize(
    ('text', 'faults'),
    [
        ('parameters: {a: [1, 2], a: [3]}', ['line 1: a is given a second time (first in line 1)']),
        ('parameters:\n  a: [1]\n  b: 2\n  a: 3', ['line 4: a is given a second time (first in line 2)']),
        ('parameters: {a: []}', ['a: there must be at least one value']),
        ('parameters: {a: {range: [3, 1]}}', ['a: low=3, high=1: low must be below high']),
        ('parameters: {a: {range: [1, x]}}', ['a: range [1, ', 'must be [low, high], two numbers']),
        ('parameters: {a: {rnage: [1, 2], log: true}}', ['a: rnage: there is no such key; did you mean range?']),  # noqa: E501
        ('parameters: {a: {range: [1, 2], lgo: true}}', ['a: lgo: does not go with range; did you mean log?']),  # noqa: E501
        ('parameters: {a: {choices: [1], range: [1, 2]}}', ['a: ', 'must have one of']),
        ('parameters: {a: {range: [1, 2], role: nusance}}', ["role 'nusance': valid are scientific"]),
        ('parameters: {a: [1], a.b: [1], a: }', ['a is given a second time']),
        ('parameters: {a: {b: [1]}, a.b: [1]}', ['a.b: there are two parameters of that name']),
        ('parameters: {a: [1, 2], b: {range: [1, 2], when: [a == 1, a == 2]}}', ['2 conditions', '`and` or `or`']),  # noqa: E501
        ('parameters: {a: [1, 2], b: {range: [1, 2], when: aa == 1}}', ["no parameter 'aa'; did you mean a?"]),  # noqa: E501
        ('parameters: {a: {type: integer, low: 1, high: 2, log: true}}', ["a: low, high: there are no such keys; valid are a list of values, {'range': [low, high]}"]),  # noqa: E501
        ('parameters: {a: {type: categorical, values: [1, 2]}}', ['a: values: there are no such keys; valid are a list']),  # noqa: E501
        ('parameters: {a: [1, 2]}\nforbiden: []', ['forbiden: a space has no such key; did you mean forbidden?']),  # noqa: E501
        ('parameters: {a: [1, 2]}\nforbidden:\n  - a in [1, 2]', ['no point is left']),
        (
            'parameters: {a: [], b: {range: [2, 1]}, c: {choices: [1, 2], when: a == 1}, d: {choices: [1], when: e}}',  # noqa: E501
            ['space.yaml has 3 faults:\n- a: ', '- b: ', "- condition of 'd': no parameter 'e'"],
        ),
        ('parameters: 7', ['a space is a mapping with parameters']),
        ('[1', ['is not yaml']),
        ('x: {search_space: {}}\ny: {search_space: {}}', ['several spaces, in x, y: say which section']),
        (ASHA.replace('SGD"]', 'SDG"]'), ["is never 'SDG'", "did you mean 'SGD'?"]),
        (ASHA.replace('type: FLOAT_EXP', 'type: FLOTE'), ["type 'FLOTE': valid are CATEGORY"]),
        (ASHA.replace('range: [0.0, 0.99]', 'rnage: [0.0, 0.99]'), ['rnage: there is no such key; did you mean range?']),  # noqa: E501
        (ASHA.replace('type: EQUAL, range: ["SGD"]', 'type: EQUAL, range: [SGD, Adam]'), ['exactly one value']),  # noqa: E501
        (
            EVERY_TYPE.replace('child: float,', 'child: int,'),
            ["condition of 'int': there are 2", '`when: category != \'a\' or (int_exp >= 10 and int_exp <= 100)`'],  # noqa: E501
        ),
        (EVERY_TYPE.replace('[16, 32]', '[16, 3.5]').replace('[4, 2]', '[4, 2, 1]'), ['3.5 is no int', '[bits, ones]']),  # noqa: E501
        (EVERY_TYPE.replace('key: two,', 'key: flag,'), ['flag: there are two parameters of that name']),
    ],
)  # fmt: skip
def test_what_is_wrong_with_a_file_is_said_at_once(tmp_path, text, faults):
    with pytest.raises(InvalidArgument) as error:
        Space.load(written(tmp_path, text))
    assert [fault for fault in ['space.yaml', *faults] if fault not in str(error.value)] == []


def test_files_that_cannot_be_read_or_written_are_named(tmp_path):
    for path, message in ((tmp_path / 'no.yaml', 'cannot read'), (tmp_path / 'a.txt', 'must be a .yaml')):
        with pytest.raises(InvalidArgument, match=message):
            Space.load(path)
    with pytest.raises(InvalidArgument, match=r'must be a \.yaml, \.yml or \.json file'):
        SPACE.save(tmp_path / 'space.txt')
    with pytest.raises(InvalidArgument, match='a is given 2 times'):
        Space.load(written(tmp_path, '{"parameters": {"a": [1], "a": [2]}}', 'space.json'))
    with pytest.raises(InvalidArgument, match='there is no section nas'):
        Space.load(written(tmp_path, ASHA), section='nas')
    classes = Space({'a': Categorical([int, str]), 'b': Integer(1, 2)}, {'b': Condition('a', '==', int)})
    with pytest.raises(InvalidArgument, match='compares with what is no literal'):
        classes.save(tmp_path / 'space.yaml')


def test_without_pyyaml_it_is_said_what_to_install(tmp_path, monkeypatch):
    path = written(tmp_path, OURS)
    monkeypatch.setitem(sys.modules, 'yaml', None)
    import sweeper.io.documents as documents

    documents._loader.cache_clear()
    with pytest.raises(MissingExtra, match=r"pip install 'fair-sweeper\[spaces\]'"):
        Space.load(path)
    assert Space.load(written(tmp_path, json.dumps(SPACE.to_dict()), 'space.json')) == SPACE
