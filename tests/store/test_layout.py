"""Every path in a sweep's folder is the documented one."""

from pathlib import Path

import pytest

from sweeper.store.layout import CURVE_NAMES, SweepLayout

SWEEP = SweepLayout(Path('folder'))
POINT = SWEEP.point(12)
TRIAL = POINT.trial(3)


@pytest.mark.parametrize(
    ('path', 'expected'),
    [
        (SWEEP.manifest, 'folder/sweep.json'),
        (SWEEP.manifest_copy, 'folder/copies/sweep.json'),
        (SWEEP.params_csv_copy, 'folder/copies/params.csv'),
        (SWEEP.running, 'folder/running.json'),
        (SWEEP.log, 'folder/log.txt'),
        (SWEEP.damaged, 'folder/damaged'),
        (SWEEP.earlier, 'folder/earlier'),
        (SWEEP.points, 'folder/points'),
        (SWEEP.params_lookup, 'folder/points/params_lookup.pt'),
        (SWEEP.params_csv, 'folder/points/params.csv'),
        (SWEEP.funcres, 'folder/points/funcres.pt'),
        (SWEEP.results_csv, 'folder/points/results.csv'),
        (POINT.folder, 'folder/points/12'),
        (POINT.final, 'folder/points/12/hparams/final.json'),
        (POINT.misc, 'folder/points/12/hparams/misc.json'),
        (POINT.curve('lr_vs_perf'), 'folder/points/12/hparams/lr_vs_perf.npz'),
        (POINT.runs, 'folder/points/12/hparams/runs'),
        (POINT.run(1, 7), 'folder/points/12/hparams/runs/1-7.npz'),
        (POINT.log, 'folder/points/12/log.txt'),
        (POINT.results, 'folder/points/12/results.npz'),
        (POINT.error, 'folder/points/12/error.json'),
        (POINT.trials, 'folder/points/12/trials'),
        (TRIAL.result, 'folder/points/12/trials/3/result.json'),
        (TRIAL.model, 'folder/points/12/trials/3/model.pt'),
        (TRIAL.model_init, 'folder/points/12/trials/3/model_init.pt'),
        (TRIAL.throughtime, 'folder/points/12/trials/3/throughtime.npz'),
    ],
    ids=lambda value: value if isinstance(value, str) else '',
)
def test_paths_are_as_documented(path, expected):
    assert path == Path(expected)


def test_curves_have_known_names():
    assert CURVE_NAMES == ('lr_vs_perf', 'candidates')
    with pytest.raises(AssertionError):
        POINT.curve('other')
