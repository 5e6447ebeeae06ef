"""A sweep whose points' folders are in folders is run, continued and looked at like any other."""

import pytest
from typer.testing import CliRunner

from sweeper import FixedSweep, cli, load, load_model

from ..conftest import SHORT
from ..crash.compare import contents

pytestmark = pytest.mark.slow

MANIFESTS = {'sweep.json', 'copies/sweep.json'}


@pytest.mark.parametrize('executor', ['local', 'inline'])
def test_the_results_and_files_are_those_of_a_sweep_with_all_in_one(
    write_problem, sweep_inline, tmp_path, executor
):
    problem, grouped, flat = write_problem(), tmp_path / 'grouped', tmp_path / 'flat'
    options = {'points_per_folder': 2, 'executor': executor, 'cores': 2}
    sweep_inline(problem.path, FixedSweep([((2,), 1), ((4,), 2)]), grouped, **options)
    for folder in (grouped, flat):  # the first goes on as it is
        sweep_inline(problem.path, FixedSweep([((2,), 2), ((4,), 2), ((6,), 1)]), folder)
    assert {path.name for path in (grouped / 'points').iterdir() if path.is_dir()} == {'0-1', '2-3'}
    found = {
        name.replace('/0-1/', '/').replace('/2-3/', '/'): content
        for name, content in contents(grouped).items()
        if name not in ('points/0-1', 'points/2-3')
    }
    expected = contents(flat)
    assert {name for name in found if found[name] != expected.get(name)} == MANIFESTS
    assert found.keys() == expected.keys()
    assert [len(result.perf_val) for result in load(grouped)] == [2, 2, 1]
    assert load_model(grouped, (4,), trial=1) is not None


def test_the_command_line_groups_them_and_every_command_reads_them(write_problem, tmp_path):
    problem, folder = write_problem(), str(tmp_path / 'out')
    words = ['--grid', 'width=2,4', '--trials', '1', '--out', folder, '--points-per-folder', '1', *SHORT]
    result = CliRunner().invoke(cli.app, ['run', str(problem.path), *words, '--executor', 'inline'])
    assert result.exit_code == 0, result.output
    assert (tmp_path / 'out/points/1-1/1/trials/0/result.json').exists()
    page = str(tmp_path / 'page.html')
    looks = (['status', folder], ['collate', folder], ['report', folder, '--format', 'csv'])
    for command in (*looks, ['report', folder, '--out', page, '--representations', 'best']):
        result = CliRunner().invoke(cli.app, command)
        assert result.exit_code == 0, result.output
    words[words.index('1', 6)] = '7'
    result = CliRunner().invoke(cli.app, ['run', str(problem.path), *words, '--executor', 'inline'])
    assert result.exit_code == cli.WRONG_INPUT
    assert '--points-per-folder 7: ' in result.output and 'in folders of 1' in result.output
