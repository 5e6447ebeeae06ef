"""A sweep keeps the weights that it is told to keep; all else is as if it kept them all."""

import shutil

import pytest
from typer.testing import CliRunner

from sweeper import FixedSweep, cli, load, load_model
from sweeper.errors import FolderError
from sweeper.report.representations import representations
from sweeper.store.store import Store

from ..crash.compare import differences

pytestmark = pytest.mark.slow

POINTS = [((2,), 3), ((4,), 3)]
MANIFESTS = {'sweep.json', 'copies/sweep.json'}


@pytest.fixture(scope='module')
def problem(problem_file, tmp_path_factory):
    return problem_file(tmp_path_factory.mktemp('problem'))


@pytest.fixture(scope='module')
def all_kept(problem, sweep_inline, tmp_path_factory):
    folder = tmp_path_factory.mktemp('all') / 'out'
    sweep_inline(problem.path, FixedSweep(POINTS), folder)
    return folder


def kept_of(folder):
    """Which trials have trained weights, by point."""
    paths = [path.relative_to(folder).parts for path in folder.rglob('model.pt')]
    return {point: {int(parts[3]) for parts in paths if parts[1] == str(point)} for point in range(2)}


def best_of(folder):
    return {point: {int(result.perf_val.argmax())} for point, result in enumerate(load(folder))}


@pytest.mark.parametrize('executor', ['local', 'inline'])
@pytest.mark.parametrize('step', ['auto', 'lanes'])
@pytest.mark.parametrize('which', ['best', 'none'])
def test_all_but_the_weights_is_as_if_all_were_kept(problem, sweep_inline, tmp_path, which, step, executor):
    for name, options in (('kept', {'keep_weights': which, 'executor': executor}), ('all', {})):
        sweep_inline(problem.path, FixedSweep(POINTS), tmp_path / name, step=step, cores=2, **options)
    folder, reference = tmp_path / 'kept', tmp_path / 'all'
    assert kept_of(folder) == (best_of(reference) if which == 'best' else {0: set(), 1: set()})
    different = set(differences(folder, reference))
    gone = {path.relative_to(reference).as_posix() for path in reference.rglob('model*.pt')}
    gone -= {path.relative_to(folder).as_posix() for path in folder.rglob('model*.pt')}
    recorded = {f'points/{p}/trials/{i}/result.json' for p in range(2) for i in range(3)}
    assert different == gone | MANIFESTS | (recorded if which == 'none' else set())
    for ours, theirs in zip(load(folder), load(reference), strict=True):
        assert all((a == b).all() if hasattr(a, 'all') else a == b for a, b in zip(ours, theirs, strict=True))


def test_models_that_are_kept_are_loaded_and_of_others_it_is_said_why_they_are_not_there(
    problem, sweep_inline, tmp_path, all_kept
):
    folder, best = tmp_path / 'out', best_of(all_kept)
    sweep_inline(problem.path, FixedSweep(POINTS), folder, keep_weights='best')
    expected, loaded = load_model(all_kept, (2,)), load_model(folder, (2,))
    for ours, theirs in zip(loaded.parameters(), expected.parameters(), strict=True):
        assert (ours == theirs).all()
    assert representations(Store.read(folder), [(2,), (4,)]).failed == ()
    (kept,) = best[0]
    other = (kept + 1) % 3
    with pytest.raises(FolderError, match=rf"weights of trial {other} .*'best' keeps .* of trial {kept}"):
        load_model(folder, (2,), trial=other)


def test_weights_that_were_not_kept_come_back_as_it_is_said(problem, sweep_inline, tmp_path, all_kept):
    folder = tmp_path / 'out'
    sweep_inline(problem.path, FixedSweep(POINTS), folder, keep_weights='none')
    with pytest.raises(FolderError, match="'none' keeps those of no trial"):
        load_model(folder)
    ((_, why), _) = representations(Store.read(folder), [(2,), (4,)]).failed
    assert "keep_weights='none' keeps those of no trial" in why
    shutil.rmtree(folder / 'points/0/trials/1')
    sweep_inline(problem.path, FixedSweep(POINTS), folder, keep_weights='all')
    assert kept_of(folder) == {0: {1}, 1: set()}
    assert (folder / 'points/0/trials/1/model.pt').read_bytes() == (
        all_kept / 'points/0/trials/1/model.pt'
    ).read_bytes()


def test_the_command_line_has_the_choice_and_says_what_is_valid(problem, all_kept, tmp_path):
    folder = shutil.copytree(all_kept, tmp_path / 'out')
    command = ['run', str(problem.path), '--point', 'width=2', '--out', str(folder)]
    result = CliRunner().invoke(cli.app, [*command, '--keep-weights', 'worst'])
    assert result.exit_code == cli.WRONG_INPUT
    assert '--keep-weights worst: valid are all, best, none' in result.output
