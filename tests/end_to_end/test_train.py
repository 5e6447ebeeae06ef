"""Tuning and training one architecture."""

import pytest

from sweeper import load, train
from sweeper.errors import FolderError, InvalidArgument, PointFailed

pytestmark = pytest.mark.slow

BREAKS = """
def model(width, depth=1):
    if width == 9:
        raise ValueError('nine is too many')
    return torch.nn.Linear(4, 2)
"""


def test_train_adds_trials_and_archives(write_problem, tmp_path, tiny):
    problem, folder = write_problem(), tmp_path / 'out'
    options = {'executor': 'inline', 'progress': 'none', 'cores': 1}
    first = train(problem.path, (4,), folder, tiny, 2, **options)
    more = train(problem.path, (4,), folder, tiny, 1, **options)
    assert len(more.perf_val) == 3
    assert list(more.loss_val[:2]) == list(first.loss_val)
    assert more.bs == first.bs

    anew = train(problem.path, (5,), folder, tiny, 1, history=tmp_path / 'history', **options)
    assert len(anew.perf_val) == 1
    assert len(load(tmp_path / 'history' / '0')[0].perf_val) == 3


def test_train_adds_trials_also_where_the_manifest_is_read_from_its_copy(write_problem, tmp_path, tiny):
    problem, folder = write_problem(), tmp_path / 'out'
    options = {'executor': 'inline', 'progress': 'none', 'cores': 1}
    train(problem.path, (4,), folder, tiny, 2, **options)
    (folder / 'sweep.json').unlink()
    assert len(train(problem.path, (4,), folder, tiny, 1, **options).perf_val) == 3
    (folder / 'sweep.json').unlink()
    anew = train(problem.path, (4,), folder, tiny, 1, history=tmp_path / 'history', **options)
    assert len(anew.perf_val) == 1
    assert len(load(tmp_path / 'history' / '0')[0].perf_val) == 3


def test_train_puts_a_change_to_the_user(write_problem, tmp_path, tiny):
    problem, folder = write_problem(), tmp_path / 'out'
    options = {'executor': 'inline', 'progress': 'none', 'cores': 1}
    first = train(problem.path, (4,), folder, tiny, 1, **options)
    problem.path.write_text(problem.text.replace('manual_seed(0)', 'manual_seed(1)'))
    with pytest.raises(FolderError, match="if_changed='accept:source'"):
        train(problem.path, (4,), folder, tiny, 1, **options)
    more = train(problem.path, (4,), folder, tiny, 1, if_changed='accept:source', **options)
    assert len(more.perf_val) == 2 and more.loss_val[0] == first.loss_val[0]
    problem.path.write_text(problem.text)
    with pytest.raises(InvalidArgument, match='history='):
        train(problem.path, (4,), folder, tiny, 1, if_changed='restart', **options)
    anew = train(problem.path, (4,), folder, tiny, 1, history=tmp_path / 'history', **options)
    assert str(anew) == str(first)


def test_train_refuses_a_folder_with_another_architecture(write_problem, tmp_path, tiny):
    problem, options = write_problem(), {'executor': 'inline', 'progress': 'none'}
    train(problem.path, (4,), tmp_path / 'out', tiny, 1, **options)
    with pytest.raises(FolderError, match=r'another architecture \(4\), not \(5\)'):
        train(problem.path, (5,), tmp_path / 'out', tiny, 1, **options)


def test_train_raises_if_the_architecture_fails(write_problem, tmp_path, tiny):
    problem, options = write_problem(model=BREAKS), {'executor': 'inline', 'progress': 'none'}
    for _ in range(2):  # also when the failure is found on disk
        with pytest.raises(PointFailed, match='nine is too many'):
            train(problem.path, (9,), tmp_path / 'out', tiny, 1, **options)


def test_train_refuses_negative_trials(write_problem, tmp_path, tiny):
    with pytest.raises(InvalidArgument, match='trials=-1'):
        train(write_problem().path, (4,), tmp_path / 'out', tiny, -1)
