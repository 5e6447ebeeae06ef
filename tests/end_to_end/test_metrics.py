"""A sweep by metrics of the problem's own: recorded everywhere, read back, and resumed to the bit."""

import csv
import json
import math

import numpy as np
import pytest

from sweeper import (
    FixedSweep,
    FolderError,
    Metric,
    MetricInfo,
    ParamSelector,
    Selector,
    events,
    load,
    load_model,
)  # fmt: skip
from sweeper.metric import PERFORMANCE, metrics_from

METRICS = """
from sklearn.metrics import average_precision_score
from sweeper import Metric

def predict(model, batch):
    output = model(batch[0])
    return output[:, 1] - output[:, 0], batch[1].float()

metrics = {
    'auc': Metric('auc'),
    'precision': average_precision_score,
    'gap': Metric(lambda outputs, targets: (outputs - targets).abs().mean(), higher=False),
    'cross_entropy': 'loss',
}
"""
NEGATIVE = """
def step(model, batch):
    return torch.nn.functional.cross_entropy(model(batch[0]), batch[1]) - 5

metrics = {'likelihood': 'loss'}
"""
DIVERGING = """
def step(model, batch):
    return (model(batch[0]) ** 4).mean()

metrics = {'likelihood': 'loss', 'gap': Metric(lambda outputs, targets: outputs.mean(), higher=True)}
"""
EPISODES = """
samples = 20

class Walk(torch.nn.Module):
    def __init__(self, width):
        super().__init__()
        self.at = torch.nn.Parameter(torch.zeros(width))

def model(width):
    return Walk(width)

def train(run):
    for batch in run:
        with torch.no_grad():
            run.model.at += run.lr
        run.report((run.model.at - 3).abs().sum())
        run.score(-100 * (run.model.at - 3).abs().sum().item())

metrics = {'return': Metric(None, higher=True)}
"""
POINTS = FixedSweep.with_fixed_trials([(2,), (8,)], 2)
TEST = """
def dataset():
    inputs = torch.randn(128, 4, generator=torch.Generator().manual_seed(0))
    data = TensorDataset(inputs, (inputs[:, 0] > 0).long())
    return Subset(data, range(64)), Subset(data, range(64, 96)), Subset(data, range(96, 128))
"""


@pytest.fixture
def by_metrics(write_problem):
    return lambda ending=METRICS, **sections: write_problem(ending=ending, accuracy_style='', **sections)


def swept(problem, folder, sweep_inline, **options):
    return sweep_inline(problem.path, FixedSweep.with_fixed_trials([(2,), (8,)], 2), folder, **options)


def contents(folder):
    kept = {
        'result.json',
        'final.json',
        'misc.json',
        'throughtime.npz',
        'results.npz',
        'results.csv',
        'model.pt',
    }
    return {path.relative_to(folder): path.read_bytes() for path in folder.rglob('*') if path.name in kept}


def without_seconds(content):
    return {
        path: json.loads(data) | {'seconds': 0, 'checksum': ''} if path.name == 'result.json' else data
        for path, data in content.items()
        if path.name != 'results.csv'
    }


def test_all_metrics_are_recorded_for_every_split_and_cycle(by_metrics, sweep_inline, tmp_path):
    results = swept(by_metrics(dataset=TEST), tmp_path / 'out', sweep_inline)
    assert results.objective == MetricInfo('auc', best=1.0, chance=0.5, worst=0.0)
    assert [info.name for info in results.metric_infos] == ['auc', 'precision', 'gap', 'cross_entropy']
    trial = tmp_path / 'out/points/1/trials/1'
    result = json.loads((trial / 'result.json').read_text())
    names = {
        f'{name}_{split}'
        for name in ('precision', 'gap', 'cross_entropy')
        for split in ('train', 'val', 'test')
    }
    assert result['metrics'].keys() == names
    assert result['metrics']['cross_entropy_val'] == result['loss_val']
    (_, point) = results.metrics['auc']
    assert results.metrics['auc'][point]['val'][1] == result['perf_val']
    assert results.metrics['gap'][point]['test'][1] == result['metrics']['gap_test']
    curves = np.load(trial / 'throughtime.npz')
    assert {'perf_val', 'precision_val', 'gap_train', 'cross_entropy_val'} <= {*curves}
    assert curves['gap_val'][-1] == result['metrics']['gap_val']
    assert result['best_val'] == max(curves['perf_val'])
    assert result['best_epoch'] == curves['epochs'][np.argmax(curves['perf_val'])]
    with open(next((tmp_path / 'out').rglob('results.csv'))) as file:
        rows = list(csv.DictReader(file))
    assert float(rows[-1]['gap_val']) == result['metrics']['gap_val']
    frame = results.to_frame()
    assert frame['precision_test'].iloc[-1] == result['metrics']['precision_test']
    assert frame['best_val'].iloc[-1] == result['best_val']
    finals = np.load(tmp_path / 'out/points/1/results.npz')
    assert finals['final_gap_val'][1] == result['metrics']['gap_val']
    assert (
        load(tmp_path / 'out').metrics['gap'][point]['val'].tolist()
        == results.metrics['gap'][point]['val'].tolist()
    )


@pytest.mark.parametrize('ending', [METRICS, NEGATIVE], ids=['auc', 'negative loss'])
def test_killed_in_between_it_goes_on_to_the_same(by_metrics, sweep_inline, tmp_path, ending):
    problem = by_metrics(ending)
    whole = swept(problem, tmp_path / 'whole', sweep_inline)

    class Killed(Exception):
        pass

    class Killer:
        def handle(self, event):
            if isinstance(event, events.TrialsDone):
                raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        swept(problem, tmp_path / 'parts', sweep_inline, listeners=[Killer()])
    parts = swept(problem, tmp_path / 'parts', sweep_inline)
    assert without_seconds(contents(tmp_path / 'parts')) == without_seconds(contents(tmp_path / 'whole'))
    assert parts.objective == whole.objective


def test_a_loss_of_any_sign_is_an_objective_in_its_own_unit(by_metrics, sweep_inline, tmp_path):
    results = swept(by_metrics(NEGATIVE), tmp_path / 'out', sweep_inline, hparams='fastest')
    assert not results.objective.higher
    for result in results:
        assert (result.perf_val == result.loss_val).all() and (result.loss_val < -4.5).all()
    best = min(results, key=lambda result: result.perf_val.mean())
    assert load_model(tmp_path / 'out')[0].out_features == best.params[0]
    misc = json.loads((tmp_path / 'out/points/1/hparams/misc.json').read_text())
    assert misc['span'] < 0 and misc['perf'] < -4.5
    assert not results.flags


def test_what_diverged_has_the_worst_value_and_reads_back(by_metrics, sweep_inline, tmp_path, write_problem):
    from sweeper import FixedHyperparameters

    problem = by_metrics('from sweeper import Metric\n' + DIVERGING)
    method = FixedHyperparameters(lr=1e3, batch_size=8, epochs=2)
    results = swept(problem, tmp_path / 'out', sweep_inline, hparams=method)
    assert results[0].perf_val.tolist() == [math.inf] * 2
    again = load(tmp_path / 'out')
    assert again[0].perf_val.tolist() == [math.inf] * 2
    assert again.metrics['gap'][results[0].params]['val'].tolist() == [-math.inf] * 2
    assert results.flags == again.flags and 'trial_diverged' in results.flags[results[0].params]


def test_without_data_the_score_has_the_unit_of_the_metric(by_metrics, sweep_inline, tmp_path):
    problem = by_metrics('from sweeper import Metric\n' + EPISODES, dataset='', model='', loss='')
    results = swept(problem, tmp_path / 'out', sweep_inline)
    assert results.objective.name == 'return'
    assert all((result.perf_val < -1).all() for result in results)


def test_another_objective_is_another_sweep(by_metrics, write_problem, sweep_inline, tmp_path):
    problem = by_metrics()
    swept(problem, tmp_path / 'out', sweep_inline)
    problem.path.write_text(problem.text.replace("'auc': Metric('auc')", "'f1': Metric('f1', threshold=0.0)"))
    with pytest.raises(FolderError, match='objective: auc there, f1 asked'):
        swept(problem, tmp_path / 'out', sweep_inline, if_changed='accept:source')


class Told(Selector):
    def __init__(self):
        self.told, self.left = [], 1

    def ask(self):
        from sweeper import DONE, Proposal

        self.left -= 1
        return DONE if self.left < 0 else Proposal((2,), 1)

    def tell(self, event):
        self.told.append(event)


class Param(ParamSelector):
    def __init__(self):
        self.left = 1

    def has_more_trials(self):
        return self.left > 0

    def get_next_trials(self):
        self.left -= 1
        self.told = self.objective
        return (2,), 1


class OwnObjective(Param):
    def objective(self):
        return 'its own'


def test_selectors_know_the_objective_before_they_are_asked(by_metrics, sweep_inline, tmp_path):
    problem = by_metrics()
    selectors = Told(), Param(), OwnObjective()
    for number, selector in enumerate(selectors):
        sweep_inline(problem.path, selector, tmp_path / str(number))
    assert isinstance(selectors[0].told[0], events.SweepStarted)
    assert selectors[0].told[0].metrics[0].name == selectors[1].told.name == 'auc'
    assert selectors[2].objective() == 'its own'


WRONG = {
    "metrics = ['auc']": "metrics=\\['auc'\\]: must be a dict",
    'metrics = {}': 'must be a dict of at least one metric',
    "metrics = {'auc': 'acu'}": "no predefined metric 'acu'; valid are accuracy, ",
    "metrics = {'my auc': 'auc'}": "'my auc' cannot be the name",
    "metrics = {'loss': 'auc'}": "'loss' is what training minimises",
    "metrics = {'own': lambda outputs, targets: 0.0}": 'say whether higher values are better',
    "metrics = {'auc': 3}": r'Metric\(3\): must be a name, a function',
    "from sweeper import Metric\nmetrics = {'x': Metric('mse', higher=True)}": 'lower values are better',
    "from sweeper import Metric\nmetrics = {'x': Metric('mse', best='low')}": "best='low'",
    "from sweeper import Metric\nmetrics = {'x': Metric(None, higher=True)}": "'x' has no function",
    "metrics = {'auc': 'auc'}\naccuracy_style = 'classification'": 'which is the name of one: leave it out',
    "metrics = {'error': 'mse'}": r"'error' cannot score outputs of shape \(\d+, 2\) by targets of shape",
}


@pytest.mark.parametrize('ending', WRONG)
def test_metrics_that_cannot_be_are_refused_before_training(ending, by_metrics, sweep_inline, tmp_path):
    with pytest.raises(Exception, match=WRONG[ending]):
        swept(by_metrics(ending), tmp_path / 'out', sweep_inline)
    assert not (tmp_path / 'out/points').exists()


def test_a_module_called_metrics_is_none_of_the_problem_s(write_problem, sweep_inline, tmp_path):
    problem = write_problem(ending='from sklearn import metrics')
    assert swept(problem, tmp_path / 'out', sweep_inline).objective.name == 'accuracy'


def test_a_folder_without_metrics_has_a_performance(write_problem, sweep_inline, tmp_path):
    problem = write_problem()
    swept(problem, tmp_path / 'out', sweep_inline)
    for path in (tmp_path / 'out').rglob('sweep.json'):
        content = json.loads(path.read_text())
        del content['metrics'], content['checksum']
        path.write_text(json.dumps(content))
    assert load(tmp_path / 'out').objective == PERFORMANCE


@pytest.mark.parametrize('name', ['matthews_corrcoef_score', 'hinge_loss', 'max_error', 'cosine_distance'])
def test_the_direction_is_that_of_scikit_learn_s_names(name):
    def function(y_true, y_pred):
        return 0.0

    function.__name__ = name
    assert metrics_from({'m': function})['m'].info.higher == name.endswith('_score')


def test_a_metric_may_be_used_under_two_names():
    metric = Metric('f1')
    names = [each.info.name for each in metrics_from({'one': metric, 'two': metric}).values()]
    assert names == ['one', 'two'] and metric.info.name == 'f1'
