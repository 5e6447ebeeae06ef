"""Principal components are those of the singular value decomposition, whatever the numbers."""

import numpy as np
import pytest

from sweeper.report.components import principal_components


def reference(rows):
    centred = rows - rows.mean(axis=0)
    left, values, _ = np.linalg.svd(centred, full_matrices=False)
    return (left * values)[:, :3], (values**2 / (values**2).sum())[:3]


@pytest.mark.parametrize('scale', [1, 1e-160, 1e200])
@pytest.mark.parametrize('width', [3, 7, 50, 51, 400])
def test_they_are_those_of_the_singular_value_decomposition(width, scale):
    rng = np.random.default_rng(width)
    rows = rng.normal(size=(50, width)) * np.geomspace(9, 0.5, width) + rng.normal(size=width)
    coordinates, shares = principal_components(rows * scale)
    expected, expected_shares = reference(rows)
    np.testing.assert_allclose(np.abs(coordinates / scale), np.abs(expected), rtol=1e-5, atol=1e-7)
    np.testing.assert_allclose(shares, expected_shares, rtol=1e-9)
    assert (coordinates.max(axis=0) == np.abs(coordinates).max(axis=0)).all(), 'signs are settled'


@pytest.mark.parametrize(('width', 'left'), [(1, 1), (2, 2), (3, 3)])
def test_fewer_than_three_values_leave_zeros(width, left):
    rows = np.random.default_rng(0).normal(size=(20, width))
    coordinates, shares = principal_components(rows)
    assert coordinates.shape == (20, 3) and shares.shape == (3,)
    assert (coordinates[:, left:] == 0).all() and (shares[left:] == 0).all()
    assert (coordinates[:, :left] != 0).all() and shares.sum() == pytest.approx(1)


@pytest.mark.parametrize('width', [2, 90])
def test_what_lies_on_a_line_has_one_component(width):
    along = np.linspace(-1, 1, 30)
    coordinates, shares = principal_components(np.outer(along, np.arange(1, width + 1)) + 5)
    np.testing.assert_allclose(shares, [1, 0, 0])
    length = np.linalg.norm(np.arange(1, width + 1))
    np.testing.assert_allclose(np.abs(coordinates[:, 0]), np.abs(along) * length, atol=1e-9)
    assert (coordinates[:, 1:] == 0).all()


@pytest.mark.parametrize('value', [0.0, 0.1, -3e30])
@pytest.mark.parametrize('shape', [(9, 4), (9, 40), (1, 4), (9, 1)])
def test_without_variance_all_are_in_one_place(shape, value):
    coordinates, shares = principal_components(np.full(shape, value))
    assert (coordinates == 0).all() and (shares == 0).all()


@pytest.mark.parametrize('bad', [np.nan, np.inf, -np.inf])
def test_rows_that_are_not_finite_are_nowhere_and_leave_the_others_alone(bad):
    rows = np.random.default_rng(0).normal(size=(20, 5))
    spoilt = np.insert(rows, 3, bad, axis=0)
    coordinates, shares = principal_components(spoilt)
    assert np.isnan(coordinates[3]).all()
    expected, expected_shares = principal_components(rows)
    np.testing.assert_array_equal(np.delete(coordinates, 3, axis=0), expected)
    np.testing.assert_array_equal(shares, expected_shares)
    assert np.isnan(principal_components(np.full((4, 2), bad))[0]).all()
