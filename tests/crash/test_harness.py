"""The harness sees what it is there to see: it is shown folders and processes with known faults."""

import json
import os
import random
import subprocess
import sys
from dataclasses import replace
from types import SimpleNamespace

import pytest

from sweeper.errors import FolderError
from sweeper.io import files

from .adaptive import SELECTORS, Eager, Generations
from .child import MARK
from .compare import differences
from .damage import DamagedFiles
from .plan import Counts, Damage, WriteFault, make_plan
from .runs import Run, finished_runs, lost_runs, repeated_runs, submitted_runs
from .session import end_what_is_left
from .tally import Outcome, Tally
from .write_steps import WriteSteps

pytestmark = pytest.mark.slow

RESULT = {'seed': 1, 'seconds': 0.25, 'perf_val': 0.5}
DAMAGE = Damage(kind=0, file=0, how='truncated', length=0.5, seed=1)


@pytest.fixture
def make_sweep(tmp_path):
    """Makes folders of a small sweep: point 0 has trials, point 1 is being tuned."""

    def make(name, seconds=0.25):
        folder = tmp_path / name
        contents = {
            'points/params.csv': 'id,width,kind\n0,4,ReLU\n1,5,Tanh\n',
            'points/results.csv': f'id,trial,seconds,perf_val\n0,0,{seconds},0.5\n',
            'points/0/hparams/final.json': '{}',
            'points/0/trials/0/result.json': json.dumps(RESULT | {'seconds': seconds}, indent=2),
            'points/0/trials/0/model.pt': 'weights',
            'points/1/hparams/runs/0-0.npz': 'curve',
            'points/1/hparams/runs/1-1.npz': 'curve',
            'points/1/hparams/runs/3-1.npz': 'curve',
        }
        for path, text in contents.items():
            (folder / path).parent.mkdir(parents=True, exist_ok=True)
            (folder / path).write_text(text)
        return folder

    return make


def undamaged(path):
    return False


def test_folders_that_differ_in_timings_and_what_was_set_aside_are_the_same(make_sweep):
    folder, reference = make_sweep('one'), make_sweep('other', seconds=0.5)
    (folder / 'damaged' / 'points').mkdir(parents=True)
    (folder / 'damaged' / 'points' / 'x.json').touch()
    (folder / 'log.txt').write_text('hello')
    assert differences(folder, reference) == []


@pytest.mark.parametrize('name', ['points/0/trials/0/result.json', 'points/results.csv', 'points/params.csv'])
def test_one_changed_digit_is_a_difference(make_sweep, name):
    folder, reference = make_sweep('one'), make_sweep('other')
    path = folder / name
    path.write_text(path.read_text().replace('0.5', '0.6').replace('5,Tanh', '6,Tanh'))
    assert differences(folder, reference) == [name]


def test_a_file_too_many_and_an_empty_folder_are_differences(make_sweep):
    folder, reference = make_sweep('one'), make_sweep('other')
    (folder / 'points' / 'funcres.pt.partial').touch()
    (reference / 'points' / '2').mkdir()
    assert differences(folder, reference) == ['points/2', 'points/funcres.pt.partial']


def test_finished_runs_are_those_on_disk(make_sweep):
    assert finished_runs(make_sweep('one'), undamaged) == {
        Run(0, 'tuning'), Run(0, 'trial 0'), Run(1, 'lr_vs_perf 0 of stage 0'),
        Run(1, 'candidates 1 of stage 1'), Run(1, 'candidates 1 of stage 3'),
    }  # fmt: skip


def test_a_run_with_a_damaged_file_is_not_finished(make_sweep):
    folder = make_sweep('one')
    model = folder / 'points' / '0' / 'trials' / '0' / 'model.pt'
    assert Run(0, 'trial 0') not in finished_runs(folder, lambda path: path == model)


def test_lost_runs_are_noticed():
    before = [Run(0, 'trial 0'), Run(0, 'tuning'), Run(1, 'candidates 0 of stage 2'), Run(2, 'lr_vs_perf 0')]
    assert lost_runs(before, before) == []
    assert lost_runs(before, [Run(0, 'tuning'), Run(1, 'tuning')]) == [
        Run(0, 'trial 0'), Run(2, 'lr_vs_perf 0')
    ]  # fmt: skip


def test_runs_done_twice_are_noticed(make_sweep):
    notes = [
        {'what': 'submitted', 'point': point, 'name': name}
        for point, name in [
            ([4, 'ReLU'], 'trial 0'), ([4, 'ReLU'], 'candidates 2 of stage 1'), ([4, 'ReLU'], 'trial 1'),
            ([5, 'Tanh'], 'lr_vs_perf 0 of stage 0'), ([5, 'Tanh'], 'candidates 1 of stage 2'),
            ([5, 'Tanh'], 'lr_vs_perf 1 of stage 0'), ([5, 'Tanh'], 'lr_vs_perf 1 of stage 0'),
            ([5, 'Tanh'], 'candidates 1 of stage 3'),
        ]
    ]  # fmt: skip
    folder = make_sweep('one')
    submitted = submitted_runs(notes, folder)
    assert repeated_runs(finished_runs(folder, undamaged), submitted) == [
        Run(0, 'candidates 2 of stage 1'), Run(0, 'trial 0'), Run(1, 'candidates 1 of stage 3'),
        Run(1, 'lr_vs_perf 0 of stage 0'), Run(1, 'lr_vs_perf 1 of stage 0'),
    ]  # fmt: skip


@pytest.mark.parametrize('text', ['id,width,kind\n0,4,ReLU\n', 'id,width,kind\n0,4x,ReLU\n', ''])
def test_a_point_that_was_submitted_without_an_id_is_noticed(make_sweep, text):
    folder = make_sweep('one')
    (folder / 'points' / 'params.csv').write_text(text)
    with pytest.raises(ValueError, match=r'params\.csv'):
        submitted_runs([{'what': 'submitted', 'point': [5, 'Tanh'], 'name': 'trial 0'}], folder)


@pytest.mark.parametrize('how', ['truncated', 'emptied', 'overwritten'])
def test_damage_is_done_to_a_file_and_known_until_it_is_written_anew(make_sweep, how):
    folder, untouched = make_sweep('one'), make_sweep('other')
    damaged = DamagedFiles(folder)
    assert damaged.inflict(replace(DAMAGE, how=how, kind=0.99)) is not None
    (name,) = differences(folder, untouched)
    assert damaged.is_damaged(folder / name)
    os.replace(untouched / name, folder / name)
    assert not damaged.is_damaged(folder / name)


def test_what_was_set_aside_without_damage_is_noticed_once(make_sweep):
    folder = make_sweep('one')
    damaged, aside = DamagedFiles(folder), folder / 'damaged' / 'points'
    assert 'trials/0/model.pt' in damaged.inflict(replace(DAMAGE, kind=0.4))
    (aside / '0' / 'trials').mkdir(parents=True)
    os.replace(folder / 'points' / '0' / 'trials' / '0', aside / '0' / 'trials' / '0')
    assert damaged.set_aside_without_need() == []
    os.replace(folder / 'points' / 'params.csv', aside / 'params.csv')
    assert damaged.set_aside_without_need() == ['points/params.csv']
    assert damaged.set_aside_without_need() == []


def test_of_two_copies_only_one_is_damaged_at_a_time(tmp_path):
    (tmp_path / 'copies').mkdir()
    for name in ('sweep.json', 'copies/sweep.json'):
        (tmp_path / name).write_text('0123456789')
    damaged = DamagedFiles(tmp_path)
    assert damaged.inflict(DAMAGE) is not None
    assert damaged.inflict(DAMAGE) is None


def test_an_empty_folder_cannot_be_damaged(tmp_path):
    assert DamagedFiles(tmp_path).inflict(DAMAGE) is None


def test_a_process_that_is_left_behind_is_named_and_ended():
    program = 'import time; time.sleep(60)'
    environment = os.environ | {MARK: 'this test'}
    with subprocess.Popen([sys.executable, '-c', program], env=environment) as process:
        assert end_what_is_left([], 'another test') == []
        (left,) = end_what_is_left([], 'this test')
        assert left.startswith(f'{process.pid} ')
        assert process.wait(10) < 0


@pytest.fixture
def write_steps(monkeypatch):
    """Installs write steps that fail at a given one; what they replace is put back."""

    def install(at, action):
        told = []
        monkeypatch.setattr(files, 'os', os)
        monkeypatch.setattr(files, 'open', open, raising=False)
        steps = WriteSteps(at, action, on_fault=told.append, on_file=lambda: told.append('a file'))
        steps.install()
        return told

    return install


@pytest.mark.parametrize(('at', 'step'), [(0, 'open'), (1, 'write'), (2, 'fsync'), (3, 'replace')])
def test_a_write_fails_at_the_step_that_was_chosen(write_steps, tmp_path, at, step):
    writer = files.AtomicWriter(tmp_path)
    told = write_steps(at, 'EIO')
    with pytest.raises(FolderError):
        writer.write_bytes(tmp_path / 'x', b'12345678')
    assert len(told) == 1 and told[0].startswith(f'EIO at step {at}, {step} of {tmp_path / "x"}')
    assert not (tmp_path / 'x').exists()
    assert [path.stat().st_size for path in tmp_path.iterdir()] == {0: [], 1: [4]}.get(at, [8])
    writer.write_bytes(tmp_path / 'x', b'12345678')
    assert told[-1] == 'a file'


def test_a_full_disk_stays_full(write_steps, tmp_path):
    writer = files.AtomicWriter(tmp_path)
    write_steps(2, 'ENOSPC')
    for _ in range(3):
        with pytest.raises(FolderError):
            writer.write_bytes(tmp_path / 'x', b'12345678')


def test_a_plan_is_its_seeds_and_has_all_faults():
    counts = Counts(30, 30, 20, 20)
    plan = make_plan(random.Random(3), counts)
    assert plan == make_plan(random.Random(3), counts) != make_plan(random.Random(4), counts)
    assert {one.selector for one in plan} == set(SELECTORS)
    sessions = [session for one in plan for session in one.sessions]
    assert sum(len(session.worker_kills) for session in sessions) == 30
    assert sum(len(session.damages) for session in sessions) == 20
    assert sum(session.end is not None for session in sessions) == 50
    errors = [s.end.action for s in sessions if isinstance(s.end, WriteFault) and s.end.action != 'SIGKILL']
    assert len(errors) == 20


@pytest.mark.parametrize('what', vars(Outcome()))
def test_whatever_goes_wrong_is_counted_and_said(what):
    tally = Tally()
    tally.count(what, [], 'here')
    assert tally.wrong() == 0
    tally.count(what, ['this', 'that'], 'here')
    assert tally.wrong() == 2
    assert tally.problems == {f'{what.replace("_", " ")}: this, that': ['here']}


@pytest.mark.parametrize('kind', [Generations, Eager])
def test_the_selectors_decide_by_the_last_bit_of_the_results(kind):
    class Numbers(list):
        tolist = list.copy

    def proposals(loss_of):
        selector, proposed = kind(seed=2), []
        while selector.has_more_trials():
            point, trials = selector.get_next_trials()
            proposed.append((point, trials))
            if point[0] == 0:
                selector.on_point_failed(point, SimpleNamespace(kind='Error', message=''))
                continue
            if point not in {(w, k) for w, k in (p for p, _ in proposed[:-1])}:
                selector.on_hparams_found(point, 0.1, 1.0, 8)
            for _ in range(trials):
                selector.on_trials_completed(point, *(Numbers([loss_of(point)]) for _ in range(4)))
        return proposed

    assert proposals(lambda p: 1 / p[0]) == proposals(lambda p: 1 / p[0])
    assert proposals(lambda p: 1 / p[0]) != proposals(lambda p: 1 / p[0] + 2**-50)
