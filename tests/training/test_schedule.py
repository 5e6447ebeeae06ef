import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sweeper.training.schedule import geometric, triangular


def test_triangular_starts_and_ends_near_the_low_rate_and_peaks_near_the_high_one():
    lrs = triangular(0.1, 0.9, 1000, 1)
    assert lrs.shape == (1000,)
    assert lrs[0] == pytest.approx(0.1, abs=1e-3) == pytest.approx(lrs[-1], abs=1e-3)
    assert lrs.max() == pytest.approx(0.9, abs=1e-3)
    assert np.argmax(lrs) in (499, 500)


def test_triangular_rises_linearly_and_falls_back_as_it_rose():
    lrs = triangular(0.1, 0.9, 100, 1)
    assert np.allclose(np.diff(lrs[:50]), 0.8 / 50)
    assert np.allclose(lrs, lrs[::-1])


def test_triangular_repeats_its_cycles():
    lrs = triangular(0.1, 0.9, 90, 3).reshape(3, 30)
    assert np.allclose(lrs, lrs[0])
    assert lrs[0].argmax() in (14, 15)


@given(
    low=st.floats(1e-8, 1.0),
    ratio=st.floats(1.0, 1e4),
    steps=st.integers(1, 300),
    cycles=st.integers(1, 20),
)
def test_triangular_stays_in_its_range(low, ratio, steps, cycles):
    lrs = triangular(low, low * ratio, steps, cycles)
    assert lrs.shape == (steps,)
    assert (lrs >= low * (1 - 1e-9)).all()
    assert (lrs <= low * ratio * (1 + 1e-9)).all()


def test_geometric_goes_from_start_to_end_by_a_constant_factor():
    lrs = geometric(1e-5, 10.0, 61)
    assert lrs.shape == (61,)
    assert lrs[0] == pytest.approx(1e-5)
    assert lrs[-1] == pytest.approx(10.0)
    assert np.allclose(lrs[1:] / lrs[:-1], 10**0.1)
