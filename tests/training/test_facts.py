import pickle
import subprocess
import sys
from pathlib import Path

import pytest
import torch

from sweeper.errors import InvalidPoint
from sweeper.points import NamedPoint
from sweeper.problem.parameters import ModelSignature
from sweeper.problem.problem import load_problem
from sweeper.problem.reference import find_problem
from sweeper.training.facts import check

DIGITS = Path(__file__).parents[2] / 'examples' / 'digits_mlp.py'
LAYER = torch.nn.Linear(2, 2)


@pytest.mark.parametrize(
    ('model', 'good', 'bad'),
    [
        (lambda a, b: None, [(1, 2), NamedPoint(b=1, a=2)], [(1,), (1, 2, 3), NamedPoint(a=1)]),
        (lambda a, b=2: None, [(1,), (1, 2), NamedPoint(a=1)], [(), NamedPoint(b=1), NamedPoint(c=1)]),
        (lambda *values: None, [(), (1, 2, 3)], [NamedPoint(a=1)]),
        (lambda *, a: None, [NamedPoint(a=1)], [(1,)]),
        (lambda **values: None, [NamedPoint(a=1), NamedPoint()], [(1,)]),
        (torch.nn.Linear, [(1, 2)], [(1,)]),
        (int, [(1,), (1, 2, 3)], []),
    ],
)
def test_points_that_model_cannot_take_are_told_from_its_signature(model, good, bad):
    for point in good:
        ModelSignature.of('here', model).check_params(point)
    for point in bad:
        with pytest.raises(InvalidPoint, match=r'model\(.* of here cannot take the parameters'):
            ModelSignature.of('here', model).check_params(point)


def test_parameter_names_are_those_that_a_tuple_fills():
    assert ModelSignature.of('here', lambda a, /, b, *c, d=1, **e: None).parameter_names() == ['a', 'b']


def test_the_signature_is_told_as_it_is_written_whatever_its_defaults():
    def model(width: int = 3, layer=LAYER, *, act=lambda: None): ...

    signature = pickle.loads(pickle.dumps(ModelSignature.of('here', model)))
    assert signature.parameter_names() == ['width', 'layer']
    signature.check_params((1,))
    with pytest.raises(InvalidPoint, match=r'model\(width: int = 3, layer=Linear.*too many positional'):
        signature.check_params((1, 2, 3))


def test_what_is_to_know_of_a_problem():
    problem = load_problem(find_problem(DIGITS))
    facts, splits = check(problem, 0, 'cpu')
    assert (facts.name, facts.path, facts.device) == ('digits_mlp', str(DIGITS), 'cpu')
    assert facts.train_size == len(splits.train) == 1437 and len(splits.val) == 360
    assert facts.source == problem.fingerprint()
    assert pickle.loads(pickle.dumps(facts)) == facts


@pytest.mark.slow
def test_a_process_that_has_not_imported_torch_sweeps_without_it(tmp_path):
    program = f"""
import sys
from sweeper import FixedSweep, get_settings, sweep
settings = get_settings('fastest').replace(trial_samples=1000, cycle_epochs=1)
if __name__ == '__main__':
    selector = FixedSweep.with_fixed_trials([(4, 'relu')], 2)
    (result,) = sweep({str(DIGITS)!r}, selector, 1, settings, 'out', cores=1, progress='none')
    print(result.perf_val.shape, 'torch' in sys.modules)
"""
    done = subprocess.run(
        [sys.executable, '-c', program], cwd=tmp_path, capture_output=True, text=True, timeout=120
    )
    assert done.stdout == '(2,) False\n', done.stderr
