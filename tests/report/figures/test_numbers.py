from hypothesis import given
from hypothesis import strategies as st

from sweeper.report.figures.numbers import exactly


@given(st.floats(allow_nan=False, allow_infinity=False))
def test_numbers_that_differ_never_read_alike(value):
    assert float(exactly(value)) == value


def test_numbers_are_short():
    assert [exactly(one) for one in (16.0, 0.1, 1e6, 1234567.0)] == ['16', '0.1', '1e+06', '1234567']
