"""Spaces with conditions and clauses, drawn by hypothesis."""

from hypothesis import strategies as st

from sweeper.errors import InvalidArgument
from sweeper.space import Bits, Categorical, Condition, Float, Integer, Ordinal, Space

NAMES = ('a', 'b', 'net.depth', 'net.width', 'lr')
CHOICES = st.lists(
    st.sampled_from(['x', 'y', 'z', None, True, 1.5, (1, 2)]), min_size=1, max_size=4, unique=True
)
COUNTABLE = st.one_of(
    CHOICES.map(Categorical),
    CHOICES.map(Ordinal),
    st.builds(lambda low, width: Integer(low, low + width), st.integers(-3, 5), st.integers(1, 4)),
    st.builds(lambda low, ratio: Integer(low, low * ratio, log=True), st.integers(1, 3), st.integers(2, 3)),
    st.builds(
        lambda length, ones: Bits(length, {min(n, length) for n in ones}),
        st.integers(1, 3),
        st.sets(st.integers(0, 3)),
    ),
    st.builds(lambda count: Float(0.0, 0.25 * count, step=0.25), st.integers(1, 4)),
)
DOMAINS = COUNTABLE | st.builds(
    lambda width, log: Float(0.125, 0.125 + width, log=log), st.integers(1, 4), st.booleans()
)


@st.composite
def conditions_on(draw, name, domain):
    is_ordered = domain.rank(domain.decode(0.5)) is not None
    values = domain.values(3)
    operators = ['==', '!=', 'in', 'not in', *(['<', '<=', '>', '>='] if is_ordered else [])]
    operator = draw(st.sampled_from(operators))
    if operator in ('in', 'not in'):
        return Condition(name, operator, draw(st.lists(st.sampled_from(values), min_size=1, max_size=3)))
    return Condition(name, operator, draw(st.sampled_from(values)))


@st.composite
def expressions(draw, domains):
    parts = [
        draw(conditions_on(*draw(st.sampled_from([*domains.items()]))))
        for _ in range(draw(st.integers(1, 3)))
    ]
    expression = parts[0]
    for part in parts[1:]:
        expression = expression & part if draw(st.booleans()) else expression | part
    return expression


@st.composite
def spaces(draw, domains=DOMAINS):
    """A space of up to five parameters; a child may stand before its parent."""
    names = draw(st.permutations(NAMES))[: draw(st.integers(1, len(NAMES)))]
    drawn = {name: draw(domains) for name in names}
    conditions = {}
    for index, name in enumerate(names[1:], 1):
        if draw(st.booleans()):
            conditions[name] = draw(expressions({parent: drawn[parent] for parent in names[:index]}))
    forbidden = [draw(expressions(drawn)) for _ in range(draw(st.integers(0, 2)))]
    shuffled = {name: drawn[name] for name in draw(st.permutations(names))}
    try:
        return Space(shuffled, conditions, forbidden)
    except InvalidArgument as error:
        if 'no point is left' not in str(error):
            raise
        return Space(shuffled, conditions)
