"""A sweep that writes its summaries as Parquet gives the same results, and says early what it lacks."""

import builtins

import pandas
import pytest
from typer.testing import CliRunner

from sweeper import FixedSweep, MissingExtra, cli, load

from ..crash.compare import contents

pytestmark = pytest.mark.slow

POINTS = [((2,), 2), ((4,), 2)]


@pytest.mark.parametrize('executor', ['local', 'inline'])
def test_all_else_is_the_same_and_the_table_is_that_of_to_frame(
    write_problem, sweep_inline, tmp_path, executor
):
    problem, typed, plain = write_problem(), tmp_path / 'typed', tmp_path / 'plain'
    options = {'executor': executor, 'cores': 2}
    sweep_inline(problem.path, FixedSweep(POINTS), typed, summaries='parquet', **options)
    results = sweep_inline(problem.path, FixedSweep(POINTS), plain, **options)
    found, expected = contents(typed), contents(plain)
    gone = {'points/results.csv', 'points/0/results.npz', 'points/1/results.npz'}
    assert expected.keys() - found.keys() == gone
    assert found.keys() - expected.keys() == {'points/results.parquet'}
    different = {name for name in found.keys() & expected.keys() if found[name] != expected[name]}
    assert different == {'sweep.json', 'copies/sweep.json'}
    table = pandas.read_parquet(typed / 'points/results.parquet')
    frame = load(typed).to_frame()
    assert list(table) == list(frame) and len(table) == len(results) * 2
    for name in table:
        assert table[name].fillna(-1).tolist() == frame[name].fillna(-1).tolist()


def test_it_is_kept_to_without_saying_so_again_and_collate_changes_it(write_problem, sweep_inline, tmp_path):
    problem, folder = write_problem(), tmp_path / 'out'
    sweep_inline(problem.path, FixedSweep(POINTS), folder, summaries='parquet')
    sweep_inline(problem.path, FixedSweep([*POINTS, ((6,), 1)]), folder)
    points = folder / 'points'
    assert len(pandas.read_parquet(points / 'results.parquet')) == 5 and not (points / 'results.csv').exists()
    for kind, expected in (('csv', 'results.csv'), ('parquet', 'results.parquet')):
        result = CliRunner().invoke(cli.app, ['collate', str(folder), '--summaries', kind])
        assert result.exit_code == 0, result.output
        assert [path.name for path in points.glob('results.*')] == [expected]
        assert len(list(points.glob('*/results.npz'))) == (3 if kind == 'csv' else 0)
    result = CliRunner().invoke(cli.app, ['collate', str(folder), '--summaries', 'xlsx'])
    assert result.exit_code == cli.WRONG_INPUT and 'valid are csv, parquet' in result.output


def test_without_pyarrow_it_is_refused_before_anything_is_trained(
    write_problem, sweep_inline, tmp_path, monkeypatch
):
    real = builtins.__import__

    def absent(name, *args, **options):
        if name.partition('.')[0] == 'pyarrow':
            raise ImportError(f'no module {name}')
        return real(name, *args, **options)

    monkeypatch.setattr(builtins, '__import__', absent)
    with pytest.raises(MissingExtra, match=r"summaries='parquet' needs pyarrow: pip install .*\[parquet\]"):
        sweep_inline(write_problem().path, FixedSweep(POINTS), tmp_path / 'out', summaries='parquet')
    assert not (tmp_path / 'out').exists()
