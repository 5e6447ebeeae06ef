"""The Pareto front of results, and where it is told."""

import json
import math

import pandas
import pytest

from sweeper import EvolutionSweep, InvalidArgument, Objective, get_settings, load, pareto_front, sweep
from sweeper.metric import MetricInfo
from sweeper.pareto import DOUBTED
from sweeper.report.document import everything
from sweeper.report.flags import EXCLUSIONS
from sweeper.results import ModelCost, PointResult, SweepResults, TrialResult
from sweeper.store.store import Store


def results(rows, higher=True, **options):
    """Results of points that are numbered: of each the performances of its trials, and its parameters."""
    points = [(number,) for number in range(len(rows))]
    trials = {
        point: {
            index: TrialResult(0, 2.0, 4.0, not math.isfinite(perf), perf, 0.1, perf, 0.1)
            for index, perf in enumerate(perfs)
        }
        for point, (perfs, _) in zip(points, rows, strict=True)
    }
    entries = [PointResult(point, 0.1, 0.1, 8, *[[]] * 4) for point in points]
    metric = MetricInfo('f1', higher=higher)
    made = SweepResults(entries, columns=['width'], trials=trials, metric_infos=(metric,), **options)
    made.costs = {
        point: ModelCost(parameters, parameters, None)
        for point, (_, parameters) in zip(points, rows, strict=True)
        if parameters
    }
    return made


def front(*arguments):
    return [result.params[0] for result in pareto_front(*arguments)]


ROWS = [([0.5, 0.7], 10), ([0.9], 100), ([0.6], 11), ([0.8], 100), ([0.95], None), ([0.2], 5)]


def test_the_front_is_what_nothing_is_better_than_the_best_first():
    assert front(results(ROWS)) == [1, 0, 5]
    assert front(results(ROWS), 'f1') == [4]
    assert front(results(ROWS), ['parameters', 'f1']) == [5, 0, 1]
    assert front(results(ROWS), [Objective('parameters', higher=True), 'f1']) == [1]


def test_lower_is_better_where_the_metric_says_so():
    assert front(results(ROWS, higher=False)) == [5]


def test_what_cannot_be_compared_is_not_on_the_front_and_bars_nobody():
    rows = [([0.9, math.inf], 1), ([0.99], 1), ([0.5], 3), ([], 1)]
    assert front(results(rows, flags={(1,): ['nothing_learned']})) == [2]


def test_the_flags_of_the_front_are_those_of_the_report():
    assert {*DOUBTED} <= {*EXCLUSIONS}


def test_an_unknown_objective_is_named():
    with pytest.raises(InvalidArgument, match="no objective 'size'; valid are performance, loss"):
        pareto_front(results(ROWS), 'performance,size')


def test_a_table_has_the_objectives_and_the_front():
    made = results(ROWS)
    plain = made.to_frame()
    frame = made.to_frame(objectives='performance,parameters')
    assert list(frame.columns[: len(plain.columns)]) == list(plain.columns)
    assert list(frame.columns[len(plain.columns) :]) == [
        'objective_performance', 'objective_parameters', 'pareto_front'
    ]  # fmt: skip
    assert list(frame[frame['pareto_front']]['width']) == [0, 0, 1, 5]
    assert list(frame['objective_performance'])[:2] == pytest.approx([0.6, 0.6])
    assert frame['pareto_front'].dtype == bool and isinstance(frame, pandas.DataFrame)


@pytest.mark.slow
def test_a_sweep_has_a_front_in_results_and_report(write_problem, tmp_path):
    problem, out = write_problem().path, tmp_path / 'out'
    selector = EvolutionSweep({'width': [2, 4, 8, 30]}, 4, objectives='performance,parameters', population=2)
    tuning = get_settings('fastest').replace(trial_samples=2000)
    swept = sweep(problem, selector, 1, tuning, out, executor='inline', progress='none')
    names = [result.params['width'] for result in pareto_front(swept)]
    assert names and names == [result.params['width'] for result in pareto_front(load(out))]
    assert {point['width'] for point in swept.costs} == {2, 4, 8, 30}
    document = json.loads(everything(Store.read(out)))
    assert [*document['pareto_front']] == ['parameters', 'flops', 'seconds']
    assert {f'width={name}' for name in names} == {*document['pareto_front']['parameters']}
