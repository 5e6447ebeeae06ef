"""What limits say of a model that exceeds them."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sweeper.space.constraints import Limits

AMOUNTS = st.integers(1, 10**12)
MEASURES = st.fixed_dictionaries(
    {'parameters': AMOUNTS, 'flops': AMOUNTS, 'memory': AMOUNTS, 'latency': st.floats(1e-6, 10)}
)


@given(limits=st.dictionaries(st.sampled_from(['parameters', 'flops', 'memory']), AMOUNTS), measures=MEASURES)
def test_a_model_is_rejected_if_and_only_if_it_has_more_than_a_limit(limits, measures):
    exceeded = any(measures[name] > limit for name, limit in limits.items())
    assert (Limits(**limits).violation(measures) is not None) == exceeded
    assert bool(Limits(**limits)) == bool(limits)
    assert Limits.from_dict(Limits(**limits).to_dict()) == Limits(**limits)


@pytest.mark.parametrize(
    ('limits', 'measures', 'reason'),
    [
        ({'parameters': 1e6}, {'parameters': 1234567}, '1,234,567 parameters; the limit is 1,000,000 par'),
        ({'flops': 1e3}, {'flops': 1001}, '1,001 FLOPs per sample; the limit is 1,000 FLOPs per sample'),
        ({'memory': 2048}, {'memory': 2049}, '2,049 bytes of memory; the limit is 2,048 bytes of memory'),
        ({'latency': 0.01}, {'latency': 0.0212}, '21.2 ms per sample; the limit is 10 ms per sample'),
    ],
)
def test_the_reason_has_both_numbers(limits, measures, reason):
    assert Limits(**limits).violation(measures).startswith(reason)
