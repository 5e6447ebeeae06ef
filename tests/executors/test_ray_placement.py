"""Where agents go, and how they become more and fewer; decided without a cluster."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sweeper.executors.ray import growth
from sweeper.executors.ray.growth import MOST_SCOUTS, SECONDS_IDLE, AgentState, Decision, Demand, decide
from sweeper.executors.ray.placement import Node, Placement, Slot, placements

CPU = Slot()
QUARTER = Slot(gpus=0.25)


def nodes(*cpus, **others):
    return [Node(f'node {number}', '', amount, **others) for number, amount in enumerate(cpus)]


def slots_by_node(agents):
    by_node = {}
    for agent in agents:
        by_node.setdefault(agent.node, []).append(agent.slots)
    return by_node


def agent(slots, node='node 0', has_place=True, idle=None):
    return AgentState(Placement(node, slots), has_place, idle)


def test_a_node_has_one_agent_with_all_its_cores():
    assert slots_by_node(placements(nodes(4, 0, 2.5), CPU, None)) == {'node 0': [4], 'node 2': [2]}


def test_what_is_limited_is_taken_evenly():
    assert slots_by_node(placements(nodes(8, 8, 1), CPU, 7)) == {'node 0': [3], 'node 1': [3], 'node 2': [1]}
    assert slots_by_node(placements(nodes(8, 8), CPU, 0)) == {}


@pytest.mark.parametrize(
    ('gpus', 'agents'),
    [(0.25, [4, 4]), (0.3, [3, 3]), (0.5, [2, 2]), (1, [1, 1]), (2, [1]), (3, []), (1 / 3, [3, 3])],
)
def test_the_runs_of_an_agent_share_one_gpu_and_what_needs_several_has_an_agent_of_its_own(gpus, agents):
    slot = Slot(gpus=gpus)
    assert slots_by_node(placements(nodes(64, gpus=2.0), slot, None)).get('node 0', []) == agents
    for count in agents:
        assert slot.times(count)['num_gpus'] <= max(1, gpus)


def test_a_share_of_a_gpu_that_others_use_is_used():
    assert slots_by_node(placements(nodes(64, gpus=1.5), QUARTER, None)) == {'node 0': [4, 2]}
    assert QUARTER.times(2) == {'num_cpus': 2, 'num_gpus': 0.5}


def test_cores_and_memory_limit_what_a_gpu_is_shared_by():
    assert slots_by_node(placements(nodes(3, gpus=1.0), QUARTER, None)) == {'node 0': [3]}
    assert slots_by_node(placements(nodes(9), Slot(cpus=4), None)) == {'node 0': [2]}
    assert slots_by_node(placements(nodes(9, memory=5e9), Slot(memory=2 * 10**9), None)) == {'node 0': [2]}


def test_nodes_without_a_gpu_have_no_part_in_what_needs_one():
    mixed = [Node('cpus', '', 64), Node('gpus', '', 8, 1.0)]
    assert slots_by_node(placements(mixed, QUARTER, None)) == {'gpus': [4]}


@given(
    st.lists(st.tuples(st.integers(0, 70), st.integers(0, 9)), max_size=6),
    st.sampled_from([CPU, QUARTER, Slot(2), Slot(gpus=1), Slot(gpus=2), Slot(3, 0.3)]),
    st.none() | st.integers(0, 100),
)
def test_never_more_than_there_is_and_never_less_than_fits(sizes, slot, most):
    free = [Node(f'{number}', '', cpus, gpus) for number, (cpus, gpus) in enumerate(sizes)]
    agents = placements(free, slot, most)
    room = sum(slot.number_in(node) for node in free)
    assert sum(one.slots for one in agents) == (room if most is None else min(room, most))
    for node in free:
        own = [one.slots for one in agents if one.node == node.id]
        assert sum(slot.times(slots)['num_cpus'] for slots in own) <= node.cpus
        assert sum(slot.times(slots).get('num_gpus', 0) for slots in own) <= node.gpus + 1e-3


# more and fewer


def test_all_room_is_taken_until_it_is_known_what_waits():
    decision = decide(nodes(2, 4), CPU, [], [], Demand(None))
    assert slots_by_node(decision.start) == {'node 0': [2], 'node 1': [4]} and decision.scouts == 0


def test_a_limit_counts_all_agents():
    decision = decide(nodes(0, 4), CPU, [agent(2)], [], Demand(3))
    assert slots_by_node(decision.start) == {'node 1': [1]}


def test_more_is_taken_only_while_something_waits():
    assert decide(nodes(4), CPU, [agent(2)], [], Demand(None, runs=2, more=0)) == Decision()
    decision = decide(nodes(4), CPU, [agent(2)], [], Demand(None, runs=2, more=1))
    assert slots_by_node(decision.start) == {'node 0': [4]}


def test_runs_of_a_node_that_was_lost_get_others():
    decision = decide(nodes(4), CPU, [agent(1, 'node 1')], [], Demand(None, runs=3, more=0))
    assert slots_by_node(decision.start) == {'node 0': [4]}


def test_what_an_agent_on_its_way_needs_is_not_given_out_twice():
    coming = agent(3, has_place=False)
    assert slots_by_node(decide(nodes(4), CPU, [coming], [], Demand(None)).start) == {'node 0': [1]}
    assert decide(nodes(1), CPU, [coming], [], Demand(None)).start == []


def test_what_there_is_no_room_for_is_asked_for_by_scouts():
    full = [agent(2)]
    assert decide(nodes(0), CPU, full, [], Demand(None, runs=2, more=3)).scouts == 3
    assert decide(nodes(0), CPU, full, [], Demand(4, runs=2, more=30)).scouts == 2
    assert decide(nodes(0), CPU, full, [], Demand(2, runs=2, more=30)).scouts == 0
    assert decide(nodes(0), CPU, full, [], Demand(None, runs=2, more=1000)).scouts == MOST_SCOUTS
    assert decide(nodes(0), CPU, full, [], Demand(None, runs=2, more=0)).scouts == 0


def test_without_any_agent_a_scout_waits_for_the_first_room():
    for demand in (Demand(None), Demand(5), Demand(None, runs=0, more=0)):
        assert decide([], CPU, [], [], demand) == Decision(scouts=1)


def test_the_place_of_a_scout_is_for_an_agent():
    decision = decide(nodes(3), CPU, [], ['node 0'], Demand(None))
    assert slots_by_node(decision.start) == {'node 0': [4]}


def test_what_is_idle_is_given_back_when_nothing_waits():
    agents = [agent(2, idle=SECONDS_IDLE), agent(8, idle=SECONDS_IDLE), agent(4, idle=SECONDS_IDLE - 1)]
    assert decide(nodes(0), CPU, agents, [], Demand(None, runs=2, more=0)).give_back == [1, 0]
    assert decide(nodes(0), CPU, agents, [], Demand(None, runs=5, more=0)).give_back == [1]
    for more in (None, 1):
        assert decide(nodes(0), CPU, agents, [], Demand(None, runs=2, more=more)).give_back == []


def test_what_has_a_run_is_not_given_back(monkeypatch):
    monkeypatch.setattr(growth, 'SECONDS_IDLE', 0.0)
    agents = [agent(8), agent(2, idle=0.0)]
    assert decide(nodes(0), CPU, agents, [], Demand(None, runs=1, more=0)).give_back == [1]


def test_the_last_agent_stays():
    idle = [agent(2, idle=SECONDS_IDLE)] * 2
    assert decide(nodes(0), CPU, idle, [], Demand(None, runs=0, more=0)).give_back == [0]
