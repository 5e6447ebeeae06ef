"""Which candidates there are, which of them go on, and which one wins."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sweeper.tuning.candidates import (
    Candidate,
    Scored,
    at_other_sizes,
    batch_sizes,
    even,
    grid,
    ladder,
    patient,
    reference_size,
    size_limits,
    sure_rung,
    thinned_out,
    winner,
)
from sweeper.tuning.lr_range import LRRange
from sweeper.tuning.settings import PRESETS, get_settings

FAST = get_settings('fast')
TRAIN_SIZES = st.integers(1, 10**6)
SETTINGS = st.builds(
    lambda preset, objective, sizes, lrs: get_settings(preset).replace(
        batch_objective=objective, batch_candidates=sizes, lr_candidates=lrs
    ),
    st.sampled_from(list(PRESETS)),
    st.sampled_from(['performance', 'throughput', 1, 32, 1000]),
    st.integers(1, 6),
    st.integers(2, 12),
)
LRS = st.floats(math.log(FAST.lr_start), math.log(FAST.lr_end)).map(
    lambda log: min(max(math.exp(log), FAST.lr_start), FAST.lr_end)
)
RANKS = st.one_of(
    st.just((math.inf, 0.0)),
    st.tuples(st.floats(0, 10), st.floats(0, 1)),
    st.tuples(st.sampled_from([0.5, 1.0]), st.sampled_from([0.2, 0.9])),  # some are equal
)
SCORED = st.builds(
    lambda lr, size, rank: Scored(Candidate(lr, size), *rank), LRS, st.sampled_from([8, 32, 128]), RANKS
)
ROUNDS = st.lists(SCORED, min_size=1, max_size=40, unique_by=lambda one: one.candidate).filter(
    lambda scored: any(math.isfinite(one.loss) for one in scored)
)


def scored(perfs, lrs=None, size=32, losses=None):
    """A round of these performances, at rising learning rates."""
    lrs = np.geomspace(0.01, 0.01 * 2 ** (len(perfs) - 1), len(perfs)).tolist() if lrs is None else lrs
    losses = [1 - perf for perf in perfs] if losses is None else losses
    return [
        Scored(Candidate(lr, size), loss, perf) for lr, loss, perf in zip(lrs, losses, perfs, strict=True)
    ]


def ratios(lrs):
    return np.divide(lrs[1:], lrs[:-1])


# Batch sizes


@given(TRAIN_SIZES, st.sampled_from(list(PRESETS)))
def test_limits_fit_the_training_set(train_size, preset):
    settings = get_settings(preset)
    least, largest = size_limits(settings, train_size)
    assert 1 <= least <= largest <= settings.batch_end
    assert largest <= max(1, train_size / 4)


@pytest.mark.parametrize(
    ('train_size', 'expected'),
    [(1, (1, 1)), (7, (1, 1)), (8, (2, 2)), (32, (8, 8)), (100, (8, 25)), (512, (8, 128)), (10**6, (8, 128))],
)
def test_limits_for_some_sizes(train_size, expected):
    assert size_limits(FAST.replace(batch_start=8, batch_end=128), train_size) == expected


@given(st.integers(1, 10**4), TRAIN_SIZES)
def test_an_even_size_is_that_of_an_epochs_largest_batch(size, train_size):
    batches = math.ceil(train_size / size)
    found = even(size, train_size)
    assert 1 <= found <= min(size, train_size)
    assert math.ceil(train_size / found) == batches and (found - 1) * batches < train_size
    assert even(found, train_size) == found


@given(SETTINGS, TRAIN_SIZES)
def test_batch_sizes_rise_within_their_limits(settings, train_size):
    sizes = batch_sizes(settings, train_size)
    assert sizes == sorted(set(sizes)) and 1 <= len(sizes) <= settings.batch_candidates
    assert all(type(size) is int for size in sizes)
    if isinstance(settings.batch_objective, str):
        least, largest = size_limits(settings, train_size)
        assert even(least, train_size) <= sizes[0] and sizes[-1] <= largest
    if len(sizes) > 1:
        assert (sizes[0], sizes[-1]) == (even(least, train_size), even(largest, train_size))


@given(SETTINGS, TRAIN_SIZES)
def test_the_range_tests_batch_size_fits_the_training_set(settings, train_size):
    size = reference_size(settings, train_size)
    assert 1 <= size <= train_size and type(size) is int
    if isinstance(settings.batch_objective, str):
        assert size <= max(1, train_size // 4)


@given(TRAIN_SIZES, st.integers(1, 2000), st.integers(1, 6))
def test_a_batch_size_that_is_asked_for_is_the_only_one(train_size, size, batch_candidates):
    settings = FAST.replace(batch_objective=size, batch_candidates=batch_candidates)
    assert batch_sizes(settings, train_size) == [even(min(size, train_size), train_size)]


# The first round


@given(SETTINGS, TRAIN_SIZES, LRS, st.floats(1.5, 1e5))
def test_the_grid_rises_within_the_settings_at_the_range_tests_batch_size(settings, train_size, low, span):
    low = min(low, settings.lr_end / span)
    found = grid(settings, train_size, low, low * span)
    assert len(set(found)) == len(found) <= settings.lr_candidates
    assert {one.batch_size for one in found} == {reference_size(settings, train_size)}
    lrs = [one.lr for one in found]
    assert lrs == sorted(lrs) and settings.lr_start <= lrs[0] and lrs[-1] <= settings.lr_end


def test_the_grid_goes_from_low_to_high():
    found = grid(FAST.replace(lr_candidates=5, batch_size=32), 2**20, 0.01, 0.16)
    np.testing.assert_allclose([one.lr for one in found], [0.01, 0.02, 0.04, 0.08, 0.16])


@given(SETTINGS, TRAIN_SIZES, LRS)
def test_every_other_batch_size_has_a_candidate_within_the_settings(settings, train_size, lr):
    best = Candidate(lr, reference_size(settings, train_size))
    found = at_other_sizes(settings, train_size, best)
    sizes = [one.batch_size for one in found]
    assert best.batch_size not in sizes
    assert sorted({best.batch_size, *sizes}) == sorted({best.batch_size, *batch_sizes(settings, train_size)})
    assert len(set(sizes)) == len(sizes)
    assert all(settings.lr_start <= one.lr <= settings.lr_end for one in found)


def test_the_rate_goes_with_the_root_of_the_batch_size():
    settings = FAST.replace(batch_candidates=3, batch_start=8, batch_end=128)
    found = at_other_sizes(settings, 2**20, Candidate(0.02, 32))
    assert [one.batch_size for one in found] == [8, 128]
    np.testing.assert_allclose([one.lr for one in found], [0.01, 0.04])


# The rounds


@given(ROUNDS, st.sampled_from(['performance', 'throughput', 32]), st.floats(1, 10))
def test_thinning_out_keeps_the_best_and_looks_beside_the_winner(done, objective, apart):
    settings = FAST.replace(batch_objective=objective)
    kept = thinned_out(settings, done, apart)
    ranks, best = {one.candidate: one.early_rank for one in done}, winner(settings, done).candidate
    assert max(ranks.values()) in [ranks.get(one) for one in kept]
    assert any(one.batch_size == best.batch_size and 0.5 < one.lr / best.lr < 2 for one in kept)
    assert len(set(kept)) == len(kept)
    assert all(settings.lr_start <= one.lr <= settings.lr_end for one in kept)
    new = [one for one in kept if one not in ranks]
    assert len(new) <= 2 and {one.batch_size for one in new} <= {best.batch_size}
    old = [one for one in kept if one in ranks]
    assert min(2, len(done)) <= len(old) <= max(2, math.ceil(len(done) / 2)) + 3


def test_thinning_out_keeps_the_better_ones_of_a_round_and_new_neighbours():
    done = scored([0.1, 0.2, 0.3, 0.9, 0.4, 0.5, 0.6, 0.7, 0.0], lrs=np.geomspace(1e-4, 1, 9).tolist())
    kept = thinned_out(FAST, done, 2.0)
    best, lrs = done[3].candidate, sorted(one.lr for one in kept)
    assert {best, done[7].candidate} <= set(kept) and done[8].candidate not in kept
    assert any(lr == pytest.approx(2 * best.lr) for lr in lrs)
    assert any(lr == pytest.approx(best.lr / 2) for lr in lrs)


def test_thinning_out_does_not_try_what_is_nearly_there():
    done = scored([0.8, 0.9, 0.7], lrs=[0.05, 0.1, 0.2])
    settings = FAST.replace(lr_start=0.01, lr_end=0.1)
    kept = thinned_out(settings, done[:2], 2.0)
    assert sorted(one.lr for one in kept) == [0.05, 0.1]
    assert len(thinned_out(FAST, done, 1.01)) == 2


@given(st.lists(st.floats(0, 1), min_size=18, max_size=18))
def test_for_throughput_every_batch_size_stays_in_with_its_best(perfs):
    done = [
        one
        for index, size in enumerate((8, 32, 128))
        for one in scored(perfs[6 * index : 6 * index + 6], size=size)
    ]
    kept = thinned_out(FAST.replace(batch_objective='throughput'), done, 2.0)
    for size in (8, 32, 128):
        ranks = [one.early_rank for one in done if one.candidate.batch_size == size]
        of_size = [
            one.early_rank for one in done if one.candidate in kept and one.candidate.batch_size == size
        ]
        assert max(of_size) == max(ranks)


def flat_range(baseline=2.3, cutoff=10.0):
    """What a range test says that learned nothing."""
    return LRRange(cutoff / 1000, cutoff, cutoff, baseline, 0.1, baseline, 0.1, {}, [], {})


@given(SETTINGS, ROUNDS, TRAIN_SIZES, st.floats(0.01, 10))
def test_where_nothing_was_learned_a_few_rates_below_the_highest_that_does_no_harm_go_on(
    settings, done, train_size, baseline
):
    kept = patient(settings, train_size, done, flat_range(baseline))
    best = winner(settings, done).candidate
    assert 1 <= len(kept) <= 5 and kept == sorted(set(kept))
    assert any(one.is_beside(best) and 1 / 1.2 < one.lr / best.lr < 1.2 for one in kept), (
        'it may be no chance'
    )
    assert all(settings.lr_start <= one.lr <= settings.lr_end for one in kept if one != best)
    assert {one.batch_size for one in kept if one != best} <= {batch_sizes(settings, train_size)[0]}


def test_rates_whose_loss_rose_do_not_go_on_where_nothing_was_learned():
    done = scored([0.1] * 5, losses=[2.3, 2.3, 2.3, 4.0, math.inf])
    kept = patient(FAST.replace(batch_objective=8), 1000, done, flat_range())
    assert kept[-1].lr == pytest.approx(done[2].candidate.lr * math.sqrt(8 / done[2].candidate.batch_size))
    patient_ones = [one.lr for one in kept if one != winner(FAST, done).candidate]
    np.testing.assert_allclose(ratios(patient_ones), 3)


def test_where_no_rate_does_harm_those_up_to_where_the_loss_doubles_go_on():
    done = scored([0.1] * 3, losses=[2.3, 2.3, 2.3])
    (*_, highest) = patient(FAST.replace(batch_objective=8), 1000, done, flat_range(cutoff=4.0))
    assert highest.lr == pytest.approx(4 * math.sqrt(8 / done[0].candidate.batch_size))


RUNGS = st.lists(st.integers(-6, 6), min_size=1, max_size=5, unique=True)


@given(LRS, st.integers(1, 512), RUNGS)
def test_a_ladder_rises_within_the_settings(lr, size, rungs):
    base = Candidate(lr, size)
    found = ladder(FAST, base, rungs)
    lrs = [one.lr for one in found]
    assert lrs == sorted(set(lrs)) and 1 <= len(lrs) <= len(rungs)
    assert all(FAST.lr_start <= one <= FAST.lr_end for one in lrs)
    assert {one.batch_size for one in found} == {size}
    if 0 in rungs:
        assert base in found


def test_the_rungs_of_a_ladder_are_equally_far_apart():
    lrs = [one.lr for one in ladder(FAST, Candidate(0.01, 8), (1, -1, 0, 2))]
    assert len(lrs) == 4 and lrs[1] == 0.01
    np.testing.assert_allclose(ratios(lrs), ratios(lrs)[0])
    assert 1.1 < ratios(lrs)[0] < 3


# The end


@given(ROUNDS, st.sampled_from(['performance', 32]))
def test_the_lowest_loss_wins_early(done, objective):
    best = winner(FAST.replace(batch_objective=objective), done)
    assert best in done and best.loss == min(one.loss for one in done)


def test_performance_ranks_before_the_loss_but_for_the_early_rank():
    one, other = scored([0.5, 0.6], losses=[0.7, 0.9])
    assert one.rank < other.rank and one.early_rank > other.early_rank
    same, better = scored([0.5, 0.5], losses=[0.7, 0.6])
    assert same.rank < better.rank and same.early_rank < better.early_rank


@given(ROUNDS, st.floats(0, 1))
def test_for_throughput_the_largest_size_close_to_the_best_wins(done, tolerance):
    settings = FAST.replace(batch_objective='throughput', batch_tolerance=tolerance)
    chosen = winner(settings, done)
    best = max(one.perf for one in done)
    assert chosen in done and chosen.perf >= best - tolerance
    for one in done:
        if one.perf >= best - tolerance and np.isfinite(one.loss):
            assert one.candidate.batch_size <= chosen.candidate.batch_size
            assert one.candidate.batch_size < chosen.candidate.batch_size or one.rank <= chosen.rank


@pytest.mark.parametrize(
    ('perfs', 'tolerance', 'expected'),
    [
        ([0.9, 0.9, 0.9], 0.01, 128),
        ([0.9, 0.895, 0.7], 0.01, 32),
        ([0.9, 0.88, 0.7], 0.01, 8),
        ([0.7, 0.9, 0.88], 0.01, 32),
        ([0.9, 0.5, 0.895], 0.01, 128),
        ([0.9, 0.89, 0.88], 0.0, 8),
    ],
)
def test_the_size_that_wins_for_throughput(perfs, tolerance, expected):
    done = [
        Scored(Candidate(0.1, size), 1 - perf, perf) for size, perf in zip((8, 32, 128), perfs, strict=True)
    ]
    settings = FAST.replace(batch_objective='throughput', batch_tolerance=tolerance)
    assert winner(settings, done).candidate.batch_size == expected


@pytest.mark.parametrize(
    ('perf', 'tolerance'), [(0.9, 0.01), (0.9, 1.0), (0.001, 0.01)], ids=['usual', 'tolerant', 'low']
)
def test_one_that_diverged_does_not_win_for_throughput_however_low_all_performances_are(perf, tolerance):
    settings = FAST.replace(batch_objective='throughput', batch_tolerance=tolerance)
    done = [Scored(Candidate(0.1, 8), 1.0, perf), Scored(Candidate(0.1, 128), math.inf, 0.0)]
    assert winner(settings, done) == done[0]


@pytest.mark.parametrize(
    ('perfs', 'expected'),
    [
        ([0.5], 0),
        ([0.5, 0.6], 0),
        ([0.5, 0.6, 0.7, 0.65], 2),
        ([0.5, 0.6, 0.7, 0.0], 1),  # the best is next to a cliff
        ([0.7, 0.6, 0.5, 0.4], 0),
    ],
)
def test_a_rung_is_judged_with_the_one_above_it(perfs, expected):
    rungs = scored(perfs)
    assert sure_rung(rungs) == rungs[expected]


@given(st.lists(RANKS, min_size=1, max_size=6))
def test_a_sure_rung_has_one_above_it(ranks):
    rungs = [Scored(Candidate(0.01 * 2**index, 8), *rank) for index, rank in enumerate(ranks)]
    assert sure_rung(rungs) in rungs[: max(1, len(rungs) - 1)]
