"""Shares of trials and Wilson's intervals of them."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import binomtest

from sweeper.stats.shares import share


@given(total=st.integers(1, 200), data=st.data())
def test_the_interval_is_that_of_scipy(total, data):
    number = data.draw(st.integers(0, total))
    known = binomtest(number, total).proportion_ci(method='wilson')
    counted = share(number, total)
    assert counted[:2] == (number, total)
    assert counted[2:] == pytest.approx(tuple(known), abs=1e-9)
    assert 0 <= counted.low <= number / total <= counted.high <= 1


def test_a_share_in_words():
    assert str(share(9, 10)) == '9 of 10 (0.60 to 0.98)'
    assert str(share(3, 3)) == '3 of 3 (0.44 to 1.00)'
