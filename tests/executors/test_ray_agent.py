"""An agent of the executor on Ray, as Ray calls it, but in this process."""

import asyncio
import os
import sys

import pytest

from sweeper import ProblemError, WorkerSpec
from sweeper.executors.base import Task
from sweeper.executors.ray import agent as agent_module
from sweeper.executors.ray.agent import Agent
from sweeper.executors.ray.messages import AgentOptions, SealedTask
from sweeper.executors.ray.shipping import pack
from sweeper.executors.ray.versions import versions
from sweeper.problem.reference import find_problem

pytestmark = pytest.mark.slow

PROBLEM = """
import threading
import torch

accuracy_style = 'classification'
loss = torch.nn.CrossEntropyLoss


def dataset():
    {dataset}
    inputs = torch.randn(32, 4)
    data = torch.utils.data.TensorDataset(inputs, (inputs[:, 0] > 0).long())
    return data, data


def model(text='', path=None):
    print(text)
    if path:
        open(path).read()
    return torch.nn.Linear(4, 2)
"""
THREAD = 'threading.Thread(target=threading.Event().wait, daemon=True).start()'  # cannot be forked


@pytest.fixture(autouse=True)
def no_ray(monkeypatch):
    monkeypatch.setattr(agent_module, '_node_id', lambda: 'id')
    monkeypatch.setattr(agent_module, '_node_name', lambda: 'far (10.0.0.7)')
    monkeypatch.setattr(sys, 'path', [*sys.path])
    monkeypatch.chdir(os.getcwd())


def made(tmp_path, dataset='pass', device='cpu'):
    path = tmp_path / 'problem_of_agent.py'
    path.write_text(PROBLEM.format(dataset=dataset))
    spec = WorkerSpec(find_problem(path), 0, device)
    options = AgentOptions(spec, 1, 1, None, None, 0.0, str(tmp_path), (str(tmp_path),))
    return Agent(options, pack(spec.problem, False))


def brief(*point):
    hparams = {'lr_min': 0.01, 'lr_max': 0.3, 'batch_size': 8, 'steps': 20}
    return SealedTask.of(Task('run', 'train_briefly', point, {'seed': 1, **hparams}), None)


@pytest.mark.parametrize('dataset', ['pass', THREAD], ids=['by the fork server', 'by a worker'])
def test_it_says_where_it_is_and_what_the_problem_is_and_runs_tasks(dataset, tmp_path):
    async def use(agent):
        report = await agent.begin()
        facts = await agent.facts()
        first, second = await asyncio.gather(agent.run(0, brief('one')), agent.run(1, brief('two')))
        return report, facts, first, second, await agent.end()

    report, facts, *replies, end = asyncio.run(use(made(tmp_path, dataset)))
    assert (report.node, report.name, report.versions) == ('id', 'far (10.0.0.7)', versions())
    assert (facts.name, facts.train_size, facts.device) == ('problem_of_agent', 32, 'cpu')
    assert [reply.opened().error for reply in replies] == [None, None]
    pieces = sorted([*(reply.printed for reply in replies), end])
    assert [number for number, _ in pieces] == [0, 1, 2]
    printed = [(key, text) for _, texts in pieces for key, text in texts if key is not None]
    assert printed == [(0, 'one\n'), (1, 'two\n')]


def test_what_keeps_a_node_from_running_tasks_is_told_with_its_name(tmp_path):
    async def use(agent):
        await agent.begin()
        facts = await agent.facts()
        replies = await asyncio.gather(agent.run(0, brief()), agent.run(1, brief()))
        again = await agent.run(2, brief())
        await agent.end()
        return facts, [reply.opened() for reply in [*replies, again]]

    facts, outcomes = asyncio.run(use(made(tmp_path, "raise OSError('no data')")))
    assert isinstance(facts, ProblemError) and 'no data' in str(facts)
    for outcome in outcomes:
        assert isinstance(outcome, ProblemError)
        assert 'no data' in str(outcome) and 'on the node far (10.0.0.7)' in str(outcome)


def test_it_tells_what_is_printed_while_a_run_goes_on_and_can_be_ended_meanwhile(tmp_path):
    os.mkfifo(tmp_path / 'fifo')

    async def use(agent):
        await agent.begin()
        running = asyncio.ensure_future(agent.run(0, brief('early', str(tmp_path / 'fifo'))))
        pieces = [await agent.printed()]
        waiting = asyncio.ensure_future(agent.printed())
        await asyncio.sleep(0)  # so that it does wait
        pieces.append(await agent.end())
        pieces.append(await waiting)
        assert not running.done()
        running.cancel()
        return pieces

    pieces = asyncio.run(use(made(tmp_path)))
    assert (0, 'early\n') in pieces[0][1]
    assert sorted(number for number, _ in pieces) == [0, 1, 2]


def test_one_that_never_began_can_be_ended(tmp_path):
    assert asyncio.run(made(tmp_path).end()) == (0, [])
