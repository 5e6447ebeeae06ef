"""Nuisance parameters are tuned beside learning rate and batch size, in a made-up world."""

import json
import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sweeper.io.checksums import json_bytes
from sweeper.io.files import npz_bytes, read_npz
from sweeper.space import Categorical, Float
from sweeper.store.tuned_files import final_content, misc_content
from sweeper.tuning.candidates import Candidate, Scored
from sweeper.tuning.nuisance import at_both_rates, finalists, grid_and_scattered
from sweeper.tuning.settings import PRESETS, get_settings
from sweeper.tuning.start import start_tuning

from .test_tuner import driven

FAST = get_settings('fast')
TRAIN_SIZE = 5000
TRIAL = TRAIN_SIZE * FAST.trial_epochs(TRAIN_SIZE)
MOMENTUM = Float(0.0, 0.99, default=0.0)
DECAY = Float(1e-6, 1e-1, log=True, default=1e-5)
LAYER = Categorical(('batch', 'group', None, 'layer'), default='batch')


class World:
    """Answers the tuner's runs: nuisance parameters have best values, others cost performance.

    Args:
        best: The best value of each nuisance parameter, by name.
        domains: What they may be.
        coupled: By how many decades the best learning rate falls with the first of them.
        late: The first of them does the opposite in trainings shorter than a twentieth of a trial.
        unread: What nobody asks for; all but the first only from the second round on.
    """

    def __init__(self, best=None, domains=None, coupled=0.0, late=False, unread=()):
        self.best = best or {}
        self.domains = {'momentum': MOMENTUM} if domains is None else domains
        self.coupled, self.late, self.unread = coupled, late, list(unread)
        self.stages, self.samples = [], 0

    def answer(self, stage):
        self.stages.append(stage)
        return [getattr(self, run.function)(**run.arguments) for run in stage.runs]

    def measure_curve(self, *, seed, lrs, batch_sizes):
        self.samples += int(np.sum(batch_sizes))
        learned = 1 - np.exp(-8 * np.cumsum(lrs * (lrs < 1)) / len(lrs))
        perf = 0.1 + 0.6 * learned + np.random.default_rng(seed).normal(0, 0.01, len(lrs))
        loss = np.where(np.maximum.accumulate(lrs > 3), np.inf, 2.5 - 2.2 * perf)
        return {'loss': loss, 'perf': perf, 'step': 'captured'}

    def train_briefly(
        self, *, seed, lr_min, lr_max, batch_size, steps, nuisance=None, holdout_seed=0, held_out=0,
        holdout_part=0, cycles=1,
    ):  # fmt: skip
        assert lr_min < lr_max
        samples = batch_size * steps
        self.samples += samples
        shares = {name: domain.encode(nuisance[name]) for name, domain in self.domains.items()}
        off = [
            abs(shares[name] - domain.encode(self.best[name]))
            for name, domain in self.domains.items()
            if name in self.best
        ]
        if self.late and samples < TRIAL / 20:
            off[0] = 1 - off[0]
        best_lr = 0.3 * 10 ** (-self.coupled * next(iter(shares.values()), 0))
        lr_off = 0.3 * abs(math.log10(lr_max / best_lr))
        perf = 0.9 * (1 - (1 + samples / 200) ** -0.5) * max(0.0, 1 - lr_off - 0.5 * sum(off))
        perf += np.random.default_rng([seed, holdout_seed, held_out, holdout_part]).normal(0, 1e-4)
        unread = self.unread[: 1 if len(self.stages) == 2 else None]
        told = {'unread': json.dumps(unread)} if unread else {}
        return {'loss': 1 - perf, 'perf': perf, 'step': 'captured', **told}


def run(world, settings=FAST, train_size=TRAIN_SIZE, seed=0):
    """Returns what was tuned."""
    return driven(start_tuning(settings, train_size, seed, world.domains), world)


def off_by(tuned, world):
    """How far a choice is from the best, as a share of all values."""
    return max(
        abs(domain.encode(tuned.nuisance[name]) - domain.encode(world.best[name]))
        for name, domain in world.domains.items()
    )


# What is chosen


@pytest.mark.parametrize('preset', PRESETS)
@pytest.mark.parametrize('best', [0.0, 0.5, 0.9])
def test_a_value_about_the_best_is_chosen(preset, best):
    world = World({'momentum': best})
    tuned = run(world, get_settings(preset))
    assert off_by(tuned, world) < (0.3 if preset == 'fastest' else 0.2)
    assert 0.3 / 5 < tuned.lr_max < 0.3 * 1.5


@pytest.mark.parametrize('preset', ['fast', 'slow'])
@pytest.mark.parametrize('best', [1e-6, 1e-4, 1e-2])
def test_a_value_of_a_logarithmic_range_is_chosen_by_ratios(preset, best):
    world = World({'decay': best}, {'decay': DECAY})
    assert off_by(run(world, get_settings(preset)), world) < 0.2


@pytest.mark.parametrize('preset', ['fast', 'slow', 'slowest'])
@pytest.mark.parametrize('best', LAYER.choices)
def test_the_best_choice_is_found(preset, best):
    assert run(World({'layer': best}, {'layer': LAYER}), get_settings(preset)).nuisance == {'layer': best}


@pytest.mark.parametrize('best', [0.1, 0.8])
def test_the_best_learning_rate_may_depend_on_it(best):
    world = World({'momentum': best}, coupled=1.5)
    tuned = run(world)
    best_lr = 0.3 * 10 ** (-1.5 * MOMENTUM.encode(tuned.nuisance['momentum']))
    assert off_by(tuned, world) < 0.3
    assert best_lr / 5 < tuned.lr_max < 2 * best_lr


@pytest.mark.parametrize('preset', ['fast', 'slow', 'slowest'])
@pytest.mark.parametrize('best', [0.2, 0.8])
def test_what_pays_in_long_trainings_only_is_chosen(preset, best):
    world = World({'momentum': best}, late=True)
    assert off_by(run(world, get_settings(preset)), world) < 0.35


def test_several_are_tuned_together():
    world = World(
        {'momentum': 0.8, 'layer': 'group', 'decay': 1e-3},
        {'momentum': MOMENTUM, 'layer': LAYER, 'decay': DECAY},
    )
    tuned = run(world, get_settings('slow'))
    assert tuned.nuisance.keys() == {'momentum', 'layer', 'decay'}
    default = World(world.best, world.domains)
    perfs = [
        default.train_briefly(
            seed=0, lr_min=0.01, lr_max=tuned.lr_max, batch_size=16, steps=TRIAL // 16, nuisance=values
        )['perf']
        for values in (tuned.nuisance, {name: domain.default for name, domain in world.domains.items()})
    ]
    assert perfs[0] > perfs[1] + 0.2


# How it is done


@pytest.mark.parametrize('preset', PRESETS)
def test_the_budget_is_the_same(preset):
    settings, world = get_settings(preset), World({'momentum': 0.5})
    told = run(world, settings).report['budget']
    assert told['samples'] == world.samples
    assert 0.7 * settings.tuning_budget < told['trials'] <= settings.tuning_budget


@pytest.mark.parametrize('domains', [[MOMENTUM], [MOMENTUM, DECAY], [MOMENTUM, DECAY, LAYER, LAYER]])
def test_the_first_round_has_the_defaults_at_every_rate_and_scattered_values(domains):
    named = {f'parameter {index}': domain for index, domain in enumerate(domains)}
    found = grid_and_scattered(FAST, TRAIN_SIZE, 0.01, 1.0, named)
    defaults = tuple((name, domain.default) for name, domain in named.items())
    assert [one.nuisance for one in found[: FAST.lr_candidates]] == [defaults] * FAST.lr_candidates
    scattered = found[FAST.lr_candidates :]
    assert len(scattered) == FAST.lr_candidates * min(3, len(domains))
    assert all(0.01 <= one.lr <= 1.0 for one in scattered)
    for place, domain in enumerate(domains[:2]):  # every third of all values has some
        thirds = [int(3 * domain.encode(one.nuisance[place][1])) for one in scattered]
        assert {*thirds} >= {0, 1, 2}


def test_candidates_are_scored_on_the_same_held_out_samples():
    world = World({'momentum': 0.5})
    run(world, seed=3)
    asked = [request.arguments for stage in world.stages[1:] for request in stage.runs]
    assert {one['held_out'] for one in asked} == {TRAIN_SIZE // 5}
    assert len({one['holdout_seed'] for one in asked}) == 1
    assert all(one['nuisance'].keys() == {'momentum'} for one in asked)
    assert len({one['seed'] for one in asked}) == len(world.stages) - 1
    other = World({'momentum': 0.5})
    run(other, seed=4)
    assert other.stages[1].runs[0].arguments['holdout_seed'] != asked[0]['holdout_seed']


def test_scored_on_training_data_nothing_is_held_out_without_nuisance_parameters():
    world = World(domains={})
    tuned = run(world, FAST.replace(score_on='training'))
    assert tuned.nuisance == {} and 'nuisance' not in final_content(tuned)
    for stage in world.stages[1:]:
        for request in stage.runs:
            assert request.arguments.keys() == {'seed', 'lr_min', 'lr_max', 'batch_size', 'steps'}


def test_the_last_round_compares_values_that_are_far_apart():
    world = World({'momentum': 0.5})
    tuned = run(world)
    last = sorted({row['nuisance']['momentum'] for row in tuned.report['rounds'][-1]})
    assert 2 < len(last) <= 4
    assert np.diff([MOMENTUM.encode(value) for value in last]).min() >= 0.25


@pytest.mark.parametrize('train_size', [1, 3, 4, 7])
@pytest.mark.parametrize('preset', PRESETS)
def test_tiny_data_can_be_tuned_for(preset, train_size):
    world = World({'momentum': 0.5})
    assert 0 <= run(world, get_settings(preset), train_size).nuisance['momentum'] <= 0.99
    assert {one.arguments.get('held_out', 0) for one in world.stages[1].runs} == {train_size // 5}


def test_a_lucky_performance_on_few_samples_does_not_decide_against_a_far_lower_loss():
    class Lucky(World):
        def train_briefly(self, *, nuisance, **arguments):
            answer = super().train_briefly(nuisance=nuisance, **arguments)
            is_good = nuisance['momentum'] > 0.6
            return answer | {'loss': 0.5 if is_good else 1.5, 'perf': 0.8 if is_good else 0.81}

    assert run(Lucky({'momentum': 0.5}), train_size=500).nuisance['momentum'] > 0.6
    assert run(Lucky({'momentum': 0.5}), train_size=500_000).nuisance['momentum'] < 0.6


@pytest.mark.parametrize('best', [0.1, 0.8])
def test_for_throughput_the_batch_size_is_the_largest_all_the_same(best):
    settings = FAST.replace(batch_objective='throughput', batch_tolerance=1.0)
    tuned = run(World({'momentum': best}), settings)
    assert tuned.batch_size == 125


# What is told


def test_everything_is_told_and_can_be_written():
    kinds = Categorical((None, True, 'text', (1, 2), 0.5, frozenset({1})), default=None)
    tuned = run(
        World({'momentum': 0.5, 'kind': (1, 2)}, {'momentum': MOMENTUM, 'kind': kinds}), get_settings('slow')
    )
    assert tuned.nuisance['kind'] == (1, 2)
    assert json.loads(json_bytes(final_content(tuned)))['nuisance'] == {**tuned.nuisance, 'kind': [1, 2]}
    assert json_bytes(misc_content(tuned)) and npz_bytes(tuned.curves['candidates'])
    table = tuned.curves['candidates']
    assert table['nuisance_momentum'].dtype == float and table['nuisance_kind'].dtype.kind == 'U'
    assert len(table['nuisance_kind']) == len(table['lr']) == sum(map(len, tuned.report['rounds']))
    assert 'momentum' in tuned.report['why'] and 'held-out' in tuned.report['why']


def test_what_no_code_asked_for_is_flagged():
    tuned = run(World({'momentum': 0.5}, unread=['width', 'read in the first round']))
    assert 'unread' in tuned.flags and misc_content(tuned)['unread'] == [*tuned.unread] == ['width']
    assert 'unread' not in misc_content(run(World({'momentum': 0.5})))


def test_answers_that_were_written_and_read_back_give_the_same_tuning(tmp_path):
    class Stored(World):
        """Answers from a file, as a tuning does that goes on where it was interrupted."""

        def answer(self, stage):
            answers = []
            for result in super().answer(stage):
                (tmp_path / 'run.npz').write_bytes(npz_bytes({k: np.asarray(v) for k, v in result.items()}))
                answers.append(read_npz(tmp_path / 'run.npz'))
            return answers

    one, other = (
        run(world({'momentum': 0.5, 'layer': None}, {'momentum': MOMENTUM, 'layer': LAYER}, unread=['width']))
        for world in (World, Stored)
    )
    assert json_bytes(final_content(one)) == json_bytes(final_content(other))
    assert json_bytes(misc_content(one)) == json_bytes(misc_content(other))


# Finalists


def test_finalists_are_the_best_that_are_far_from_each_other():
    values = [0.0, 0.1, 0.3, 0.5, 0.6, 0.98]
    scored = [
        Scored(Candidate(0.1, 8, (('momentum', value),)), loss, 0.5)
        for value, loss in zip(values, [0.3, 0.2, 0.1, 0.4, 0.5, math.inf], strict=True)
    ]
    found = finalists(FAST, scored, {'momentum': MOMENTUM}, 4)
    assert [one.nuisance[0][1] for one in found] == [0.3, 0.0, 0.6]
    assert finalists(FAST, scored, {'momentum': MOMENTUM}, 2) == found[:2]
    bare = [one._replace(candidate=one.candidate._replace(nuisance=())) for one in scored]
    assert finalists(FAST, bare, {}, 4) == [bare[2].candidate]
    layers = [Scored(Candidate(0.1, 8, (('layer', name),)), 0.1, 0.5) for name in LAYER.choices]
    assert len(finalists(FAST, layers, {'layer': LAYER}, 9)) == 4


def test_other_finalists_are_tried_at_the_rate_of_the_best_too():
    best, one, other = (
        Candidate(lr, 8, (('momentum', value),)) for lr, value in ((0.1, 0), (0.2, 1), (0.1, 2))
    )
    assert at_both_rates([best, one, other]) == [one, one._replace(lr=0.1), other]  # whatever texts hash to
    assert at_both_rates([best]) == []


@given(st.sampled_from(list(PRESETS)), st.integers(0, 2**32), st.integers(1, 20_000))
def test_the_same_answers_give_the_same_tuning(preset, seed, train_size):
    one, other = (
        run(World({'momentum': 0.5}), get_settings(preset), train_size, seed=seed) for _ in range(2)
    )
    assert final_content(one) == final_content(other) and misc_content(one) == misc_content(other)
