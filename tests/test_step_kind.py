"""How training steps were taken: a kind and a reason, and one text in files."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sweeper.step_kind import StepKind

WHY = 'it takes fewer than 48 steps'


@pytest.mark.parametrize(
    ('kind', 'text'),
    [
        (StepKind(''), ''),
        (StepKind('captured'), 'captured'),
        (StepKind('eager', WHY), f'eager, because {WHY}'),
        (StepKind('lanes', lanes=8), 'in 8 lanes'),
        (StepKind('captured').alone('of this'), 'captured; not in lanes, because of this'),
        (StepKind('eager', WHY).alone('of this'), f'eager, because {WHY}; not in lanes, because of this'),
    ],
)
def test_a_kind_and_its_reason_are_one_text_in_files(kind, text):
    assert str(kind) == text and StepKind.parse(text) == kind


REASONS = st.none() | st.text()


@given(st.sampled_from(['eager', 'captured', '']), REASONS, REASONS)
def test_what_is_written_is_read_back(kind, reason, why_alone):
    step = StepKind(kind, reason)
    step = step if why_alone is None else step.alone(why_alone)
    assert str(StepKind.parse(str(step))) == str(step)


@given(st.text())
def test_any_text_is_read_and_stays_the_same(text):
    assert str(StepKind.parse(text)) == text or text.startswith('in ')
