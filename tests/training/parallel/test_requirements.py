"""What several processes cannot train together is an error before anything is trained."""

from dataclasses import replace

import pytest
import torch
from torch.utils.data import IterableDataset, TensorDataset

from sweeper import FixedSweep, InvalidArgument, ProblemError, RayExecutor, SweepConfig, sweep
from sweeper.amounts import processes_of
from sweeper.executor_options import ExecutorOptions
from sweeper.executors import open_executor
from sweeper.problem.parameters import parameters_of
from sweeper.problem.problem import Problem
from sweeper.problem.reference import find_problem
from sweeper.training.data import as_split
from sweeper.training.facts import ProblemFacts
from sweeper.training.parallel.checks import check_together
from sweeper.training.parallel.requirements import why_not_together
from sweeper.training.stream import split_of
from sweeper.work import WorkerSpec


class Numbers(IterableDataset):
    def __iter__(self):
        return iter([(torch.ones(2), 0)] * 4)

    def __len__(self):
        return 4


SPLIT = as_split(TensorDataset(torch.ones(4, 2), torch.zeros(4).long()), torch.device('cpu'))
STREAM = split_of(Numbers(), torch.device('cpu'))


def problem(**options):
    return Problem(
        'here', torch.nn.Linear, torch.nn.CrossEntropyLoss, 'classification', lambda: None, None, **options
    )


def facts(**changes):
    parameters = parameters_of('here', lambda width: None, None)
    return replace(ProblemFacts('here', None, None, parameters, 4, 'cpu'), **changes)


@pytest.mark.parametrize(
    ('options', 'train', 'reason'),
    [
        ({'train': lambda run: None}, SPLIT, r'train\(run\)'),
        ({'attach': lambda engine, run: None}, SPLIT, 'its attach would take part'),
        ({'callbacks': list}, SPLIT, 'its callbacks would take part'),
        ({'attach': lambda engine, run: None, 'callbacks': list}, SPLIT, 'its attach and callbacks would'),
        ({}, STREAM, 'training data is a stream'),
    ],
)
def test_what_cannot_be_divided_is_said_with_the_reason(options, train, reason):
    why = why_not_together(problem(**options), train)
    with pytest.raises(ProblemError, match=rf"processes_per_run=2: .* 'here' together: .*{reason}"):
        check_together(2, facts(why_not_together=why), 'cpu', 'auto')
    check_together(1, facts(why_not_together=why), 'cpu', 'lanes')


@pytest.mark.parametrize(
    'options', [{}, {'clip_norm': 1.0, 'accumulate': 2, 'ema': 0.9, 'precision': 'bf16'}]
)
def test_other_problems_can_be_divided(options):
    assert why_not_together(problem(**options), SPLIT) is None
    check_together(2, facts(), 'cpu', 'auto')
    check_together(4, facts(device='cuda'), 'cuda', 'eager')


@pytest.mark.parametrize('step', ['captured', 'lanes'])
def test_steps_that_are_not_eager_are_refused(step):
    with pytest.raises(InvalidArgument, match=f"step='{step}' with processes_per_run=3: .*must be 'auto' or"):
        check_together(3, facts(), 'cpu', step)


def test_devices_whose_processes_cannot_talk_are_refused():
    with pytest.raises(InvalidArgument, match=r"device='auto' with processes_per_run=2: .*gradients on mps"):
        check_together(2, facts(device='mps'), 'auto', 'auto')


@pytest.mark.parametrize(
    ('processes', 'gpus', 'expected'),
    [(None, 0, 1), (None, 0.25, 1), (None, 1, 1), (None, 4, 4), (1, 4, 1), (4, 4, 4), (3, 0, 3), (1, 0.5, 1)],
)
def test_there_is_a_process_for_each_gpu_unless_it_is_said(processes, gpus, expected):
    assert processes_of(processes, gpus) == expected
    assert SweepConfig(processes_per_run=processes, gpus_per_run=gpus).processes_per_run == processes


@pytest.mark.parametrize(
    ('processes', 'gpus', 'message'),
    [
        (2, 4, 'processes_per_run=2 with gpus_per_run=4 must be 1, or 4: a GPU for each'),
        (2, 0.5, 'processes_per_run=2 with gpus_per_run=0.5 must be 1$'),
        (2, 1, 'processes_per_run=2 with gpus_per_run=1 must be 1$'),
        (0, 0, 'processes_per_run=0: must be an integer of at least 1'),
        (2.0, 2, 'processes_per_run=2.0: must be an integer'),
    ],
)
def test_processes_without_a_gpu_of_their_own_are_refused(processes, gpus, message):
    with pytest.raises(InvalidArgument, match=message):
        SweepConfig(processes_per_run=processes, gpus_per_run=gpus)


def test_an_executor_divides_its_cores_among_runs():
    assert open_executor('local', ExecutorOptions(cores=8, processes_per_run=2)).cores == 4
    assert open_executor('local', ExecutorOptions(cores=8)).cores == 8
    cluster = open_executor('ray', ExecutorOptions(cores=8, gpus_per_run=2))
    assert (cluster.cpus, cluster.processes_per_run, cluster.slot.cpus) == (4, 2, 2)
    alone = open_executor('ray', ExecutorOptions(cores=8, gpus_per_run=2, processes_per_run=1))
    assert (alone.cpus, alone.processes_per_run, alone.slot.cpus) == (8, 1, 1)


def test_an_agent_deals_out_cards_together_if_a_run_has_several(write_problem):
    reference = find_problem(write_problem().path)
    for device, gpus, expected in [('cuda', 2, 2), ('cpu', 2, 0), ('cuda', 0.5, 0.5)]:
        options = RayExecutor(gpus_per_run=gpus)._agent_options(WorkerSpec(reference, 0, device))
        assert options.gpus_per_run == expected


def test_a_run_in_this_process_is_not_divided():
    with pytest.raises(InvalidArgument, match=r"processes_per_run needs executor='local'.* trains alone"):
        SweepConfig(executor='inline', processes_per_run=2)


@pytest.mark.slow
def test_a_sweep_of_what_cannot_be_divided_ends_before_anything_is_trained(write_problem, tiny, tmp_path):
    problem = write_problem(ending='def attach(engine, run):\n    pass')
    selector, options = FixedSweep.with_fixed_trials([(4,)], 1), {'cores': 2, 'processes_per_run': 2}
    with pytest.raises(ProblemError, match=r'processes_per_run=2: .*its attach would take part'):
        sweep(problem.path, selector, 1, tiny, tmp_path / 'out', progress='none', **options)
    assert not problem.calls and not (tmp_path / 'out' / 'points').exists()
