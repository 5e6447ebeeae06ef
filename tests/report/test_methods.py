"""The paragraphs for the methods section of a paper."""

import json
import re
from dataclasses import replace

import pytest
from typer.testing import CliRunner

from sweeper import report_methods
from sweeper.cli import app
from sweeper.report.methods.sources import SOURCES
from sweeper.results import PointError
from sweeper.store.looks import recorded_look
from sweeper.store.manifest import Manifest
from sweeper.store.store import Store
from sweeper.tuning.fixed import FixedHyperparameters
from sweeper.tuning.methods import record
from sweeper.tuning.settings import get_settings

from .conftest import trial, tuned

CLOSE = {(16, 'relu'): [0.9, 0.91, 0.92], (32, 'relu'): [0.91, 0.9, 0.93], (64, 'tanh'): [0.92, 0.9, 0.94]}
CLOSE[32, 'tanh'] = [0.9, 0.92, 0.93]
FOUR = '4 architectures that differ in hidden (16, 32, 64) and nonlinearity (relu, tanh)'


@pytest.fixture
def written(tmp_path, monkeypatch):
    """Returns a function that writes a folder with a manifest of its own, and gives its methods."""
    monkeypatch.setattr('os.fsync', lambda file: None)

    def write(points=CLOSE, tuning='fastest', metric=None, trials=None, epochs=None, failures=(), **facts):
        method = get_settings(tuning) if isinstance(tuning, str) else tuning
        preset, settings = record(method, 4)
        manifest = Manifest('digits', preset, settings, 4, 7, 1437, **facts)
        with Store.opened(tmp_path / 'sweep', manifest, ['hidden', 'nonlinearity']) as store:
            store.add_points([*points, *failures])
            for place, (point, perfs) in enumerate(points.items()):
                chosen = tuned()
                store.write_tuned(point, replace(chosen, epochs=epochs[place]) if epochs else chosen)
                for index, perf in enumerate(perfs):
                    store.write_trial(point, index, trial(perf) if isinstance(perf, float) else perf)
            for point in failures:
                store.write_errors(point, [PointError('ValueError', 'no such width', 'tuning', 'Traceback')])
            store.collate()
        return report_methods(tmp_path / 'sweep', metric)

    return write


def test_it_says_what_was_compared_tuned_trained_and_tested(written):
    text = written(val_size=360)
    for told in (
        FOUR, 'seed 7', 'the learning rate, the batch size and the length of training were tuned',
        'preset "fastest"', '0.5 trials of 60 epochs', 'from 1e-05 to 10', 'batch sizes (from 8 to 64)',
        'held out', 'trained 3 times on all 1,437 training samples', 'validation performance',
        'on 360 validation samples', "Welch's t-test (Welch 1947) with variances moderated", 'Smyth 2004',
        'all 6 pairs (Holm 1979)', 'Gupta 1965; Hsu 1996', 'Schuirmann 1987', 'look 1', 'Lan and DeMets 1983',
        'tuned once',
    ):  # fmt: skip
        assert told in text, told
    assert 'diverged' not in text and 'left out' not in text


def test_what_is_cited_is_listed_and_nothing_else(written):
    text, _, references = written().partition('References\n')
    listed = {key for key, source in SOURCES.items() if source in references}
    assert listed == {key for key in SOURCES if key in text}
    assert {*re.findall(r'[A-ZŠ]\w+(?: and \w+| et al\.)? (?:19|20)\d\d', text)} <= {*SOURCES}, (
        'all are known'
    )
    assert listed and 'Nadeau' not in references


def test_the_design_of_the_sweep_is_told_as_it_is(written):
    text = written(paired=True, planned_looks=3, margin=0.005)
    assert 'paired t-tests' in text and 'Welch' not in text
    assert '3 looks at the results were planned, each at the level 0.017' in text
    assert 'by less than 0.0050, which was set in advance' in text


@pytest.mark.parametrize(('look', 'says'), [(1, 'once, as planned'), (2, 'no error is left')])
def test_more_looks_than_were_planned_claim_nothing(written, look, says):
    assert says in written(
        planned_looks=1, looks=[recorded_look([3 - look + n] * 4) for n in range(1, look + 1)]
    )


def test_resamples_are_named_with_their_test(written):
    text = written(resample={'splits': 'folds:3', 'samples': 1797, 'val_to_train': 0.5})
    assert 'the folds of 3-fold cross-validation' in text and 'Nadeau and Bengio 2003' in text
    assert 'not in the split of the data' not in text


def test_several_tunings_are_told(written):
    assert 'tuned 3 times, from different seeds, with the same budget' in written(tunings=3)


def test_what_is_done_once_or_twice_is_not_done_1_or_2_times(written):
    text = written({point: perfs[:1] for point, perfs in CLOSE.items()}, tunings=2)
    assert 'tuned twice, from different seeds' in text and 'then trained once on all' in text


def test_architectures_that_failed_are_not_passed_over(written):
    text = written(failures=[(99, 'tanh')])
    assert 'We compared 5 architectures' in text
    assert ' 1 of them could not be tuned or trained and was left out.' in text


def test_lengths_that_differ_are_told(written):
    assert 'A trial took 10 to 60 epochs, as tuned for the architecture' in written(epochs=[10, 60, 60, 20])


def test_early_stopping_is_told(written):
    assert 'had not improved for 3 learning-rate cycles' in written(
        stopping={'stop': 'held-out', 'patience': 3}
    )


def test_that_nothing_was_tuned_is_told(written):
    text = written(tuning=FixedHyperparameters(lr=0.5, batch_size=32))
    assert (
        'not tuned: all architectures were trained with a learning rate of 0.5 and a batch size of 32' in text
    )
    assert 'Smith 2017' not in text and 'tuned once' not in text


def test_settings_of_ones_own_are_no_preset(written):
    text = written(
        tuning=get_settings('fast').replace(length='fixed', score_on='training', batch_objective=32)
    )
    assert 'settings of our own' in text and 'on the data they were trained on' in text
    assert 'length of training' not in text and 'with a batch size of 32' in text


def test_trials_that_diverged_are_told(written):
    points = {**CLOSE, (99, 'tanh'): [0.9, 0.91, 0.92, trial(0.0, diverged=True)]}
    text = written(points)
    assert 'Of 16 trials, 1 diverged' in text and '3 to 4 times' in text


def test_another_metric_is_named(written):
    text = written(metric='loss')
    assert 'validation loss' in text and 'hyperparameters were tuned by performance' in text


def test_a_sweep_without_trials_says_so(written):
    text = written({(16, 'relu'): []})
    assert 'We compared 1 architecture with' in text and 'There are no trials yet.' in text


def test_values_of_users_stay_on_their_line(written):
    text = written({(16, 'a\nb\x1b[2J'): [0.9, 0.8], (16, 'c'): [0.9, 0.7]})
    assert len(text.partition('References')[0].strip().split('\n\n')) == 3 and '\x1b' not in text


def test_the_command_prints_it(written, tmp_path):
    text = written()
    done = CliRunner().invoke(app, ['report', str(tmp_path / 'sweep'), '--format', 'methods'])
    assert done.exit_code == 0 and done.output == text
    assert json.loads((tmp_path / 'sweep' / 'sweep.json').read_text())['preset'] == 'fastest'


def test_it_says_by_how_many_processes_models_were_trained(written):
    told = 'Each model was trained by 4 processes (data-parallel, synchronous)'
    assert told in ' '.join(written(processes_per_run=4).split())


def test_it_says_nothing_of_processes_where_one_trained_each_model(written):
    assert 'processes' not in written()
