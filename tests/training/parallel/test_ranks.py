"""What ranks tell each other, and how they share a batch."""

import random

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from sweeper.training.parallel.ranks import OtherRankFailed, Ranks


@given(st.integers(1, 40), st.integers(1, 6))
def test_a_batch_is_shared_evenly_and_each_sample_counts_once(samples, size):
    batch = torch.arange(100, 100 + samples)
    shares = [Ranks(rank, size).share(batch) for rank in range(size)]
    counted = torch.cat([part for part, weight in shares if weight])
    assert torch.equal(counted, batch)
    assert sum(weight for _, weight in shares) == pytest.approx(1)
    sizes = [len(part) for part, weight in shares if weight]
    assert max(sizes) - min(sizes) <= 1
    assert [weight for part, weight in shares if weight] == [size / samples for size in sizes]


def test_a_rank_without_a_sample_takes_part_and_does_not_count():
    part, weight = Ranks(2, 3).share(torch.tensor([7, 8]))
    assert part.tolist() == [7] and weight == 0


def decisions(ranks):
    return (
        ranks.agreed(ranks.rank == 0),
        ranks.agreed(ranks.rank == 1),
        ranks.all(True),
        ranks.all(ranks.rank == 0),
    )


@pytest.mark.slow
def test_the_first_decides_or_all_do(in_both):
    assert in_both(decisions) == [(True, False, True, False)] * 2


def sums(ranks):
    own = torch.tensor([1.0, 10.0]) * (ranks.rank + 1)
    return ranks.total(own).tolist(), own.tolist(), ranks.gathered({'rank': ranks.rank})


@pytest.mark.slow
def test_values_are_added_up_and_gathered_by_rank(in_both):
    first, second = in_both(sums)
    assert first == ([3.0, 30.0], [1.0, 10.0], [{'rank': 0}, {'rank': 1}])
    assert second == ([3.0, 30.0], [2.0, 20.0], [{'rank': 0}, {'rank': 1}])


def draws(ranks, seed):
    torch.manual_seed(5), np.random.seed(5), random.seed(5)
    ranks.seed(seed)
    return torch.rand(1).item(), np.random.rand(), random.random()


@pytest.mark.slow
def test_each_draws_other_numbers_and_the_first_goes_on(in_both):
    first, second = in_both(draws, 1)
    torch.manual_seed(5), np.random.seed(5), random.seed(5)
    assert first == (torch.rand(1).item(), np.random.rand(), random.random())
    assert all(one != other for one, other in zip(first, second, strict=True))
    assert in_both(draws, 1) == [first, second]
    assert in_both(draws, 2)[1] != second


def squares(ranks, fails_in):
    done = []

    def work(values):
        done.extend(values)
        if ranks.rank == fails_in:
            raise LookupError(f'in {ranks.rank}')
        return [value**2 for value in values]

    try:
        return ranks.shared_out(range(5), work), done
    except (LookupError, OtherRankFailed) as error:
        return repr(error), done


@pytest.mark.slow
def test_work_is_shared_out_and_what_came_of_it_is_in_order_everywhere(in_both):
    assert in_both(squares, None) == [([0, 1, 4, 9, 16], [0, 2, 4]), ([0, 1, 4, 9, 16], [1, 3])]


@pytest.mark.slow
@pytest.mark.parametrize('fails_in', [0, 1])
def test_work_that_fails_in_one_fails_in_all_and_they_go_on_together(in_both, fails_in):
    errors = [error for error, _ in in_both(squares, fails_in)]
    assert errors[fails_in] == f"LookupError('in {fails_in}')"
    assert errors[1 - fails_in].startswith('OtherRankFailed')
    assert in_both(squares, None)[0] == ([0, 1, 4, 9, 16], [0, 2, 4])
