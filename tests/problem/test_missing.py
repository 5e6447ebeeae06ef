"""An import that fails names its place and what was probably meant, in whatever process."""

import pytest

from sweeper.errors import ProblemError
from sweeper.problem.reference import find_problem, load_module


@pytest.mark.parametrize(
    ('line', 'told'),
    [
        ('from layrs_{n} import a', "No module named 'layrs_{n}' (FILE:1): did you mean 'layers_{n}'?"),
        ('import layrs_{n}', "(FILE:1): did you mean 'layers_{n}'?"),
        ('from layers_{n} import hiden', "(FILE:1): did you mean 'hidden'?"),
        ('from layers_{n} import zzz', "(FILE:1): 'layers_{n}' has 'hidden', 'WIDTH', 'nn'"),
        ('import parts_{n}.block', "(FILE:1): did you mean 'parts_{n}.blocks'?"),
        ('from parts_{n}.zzz import a', "(FILE:1): 'parts_{n}' has 'blocks'"),
        ('from parts_{n} import blocs', "(FILE:1): did you mean 'blocks'?"),
        (
            'import quite_another',
            "(FILE:1): there is no module 'quite_another' next to that file, and none is installed",
        ),
        ('import uses_{n}', "(USES:2): did you mean 'layers_{n}'?"),
        ('from .layers_{n} import hidden', '(FILE:1). A file with relative imports is a module of a package'),
    ],
)
@pytest.mark.parametrize('in_worker', [False, True])
def test_a_missing_import_is_told_with_its_place(line, told, in_worker, tmp_path, monkeypatch, request):
    n = f'{abs(hash(request.node.name))}'
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(tmp_path)
    (tmp_path / f'layers_{n}.py').write_text('from torch import nn\ndef hidden(): pass\nWIDTH = 1\n')
    (tmp_path / f'uses_{n}.py').write_text(f'\nimport layer_{n}\n')
    (tmp_path / f'parts_{n}').mkdir()
    (tmp_path / f'parts_{n}' / '__init__.py').write_text('')
    (tmp_path / f'parts_{n}' / 'blocks.py').write_text('')
    problem = tmp_path / f'wanting_{n}.py'
    problem.write_text(line.format(n=n))
    with pytest.raises(ProblemError) as caught:
        load_module(find_problem(problem), in_worker=in_worker)
    expected = told.format(n=n).replace('FILE', problem.name).replace('USES', f'uses_{n}.py')
    assert expected in str(caught.value)
