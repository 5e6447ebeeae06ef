"""What a selector hears, and when it is asked, depends on results only, not on which is there first."""

import hashlib
import math
import random
from collections import Counter, deque

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sweeper import DONE, WAIT, FixedSweep, ParamSelector, Proposal, Selector, events
from sweeper.errors import InvalidPoint, SelectorError
from sweeper.points import NamedPoint
from sweeper.results import PointError, TrialResult, Tuned
from sweeper.run.driver import Request, SelectorDriver
from sweeper.store.records import PointRecord

TUNING = None


def number_of(point, *what):
    """A number in [0, 1) that stands for what a run of that name comes to, in every process."""
    digest = hashlib.sha256(repr((point, *what)).encode()).digest()
    return int.from_bytes(digest[:6], 'big') / 2**48


class World:
    """Fake results: each run has its one outcome, which is known once the run is in `done`.

    A run is a point with a trial's index, or with `TUNING`.

    Args:
        failing: Runs that fail.
        share: So many of the others fail too, always the same ones.
    """

    def __init__(self, failing=(), share=0.0):
        self.done = set()
        self._failing, self._share = set(failing), share

    def fails(self, run):
        return run in self._failing or number_of(*run, 'fails') < self._share

    def error(self, point, run):
        phase = 'tuning' if run is TUNING else f'trial {run}'
        return PointError('ValueError', f'{point} failed', phase)

    def __getitem__(self, point):
        return PointRecord(self.tuned(point), self.trials(point), self.errors(point))

    def tuned(self, point):
        run = point, TUNING
        if run in self.done and not self.fails(run):
            return Tuned(number_of(point, 'lr'), 1 + number_of(point, 'lr'), 8, 1, 1)
        return None

    def trials(self, point):
        done = sorted(index for one, index in self.done if one == point and index is not TUNING)
        return {index: self.trial(point, index) for index in done if not self.fails((point, index))}

    def trial(self, point, index):
        scores = [number_of(point, index, score) for score in range(4)]
        return TrialResult(0, 1, 0.0, False, *scores)

    def errors(self, point):
        failed = [index for one, index in self.done if one == point and self.fails((point, index))]
        order = sorted(failed, key=lambda index: -1 if index is TUNING else index)
        return [self.error(point, index) for index in order]


class Talk:
    """A driver of a selector, driven as a sweep drives it, and what there is left to run for it."""

    def __init__(self, selector, world, check_params=lambda point: None):
        self.selector, self.world = selector, world
        self.driver = SelectorDriver(selector, world, check_params)
        self.proposals = []
        self.asked = {}
        self.most_open = 0

    def go_on(self):
        """Asks and tells until nothing is known that could be told."""
        while True:
            for proposal in self.driver.ask():
                assert proposal.first == self.asked.get(proposal.point, 0)
                self.asked[proposal.point] = proposal.first + proposal.trials
                self.proposals.append(proposal)
            if not self.driver.tell():
                return

    def left_to_run(self):
        """The runs that could be done next, as a sweep would do them: a point's tuning, then its trials."""
        world, left = self.world, []
        for point, trials in self.asked.items():
            if (point, TUNING) not in world.done:
                left.append((point, TUNING))
            elif not world.fails((point, TUNING)):
                left += [(point, index) for index in range(trials) if (point, index) not in world.done]
        return left

    def run_to_the_end(self, choose):
        """Lets runs be done as `choose(left)` says, some at a time, until the selector has no more."""
        self.go_on()
        while left := self.left_to_run():
            self.world.done |= set(choose(left))
            self.go_on()
        assert self.driver.is_over
        return self.selector.said


def all_at_once(left):
    return left


class Conversation(ParamSelector):
    """Notes every word, in order."""

    def __init__(self):
        self.said = []

    def note(self, *words):
        self.said.append(words)

    def on_hparams_found(self, values, lr_min, lr_max, batch_size):
        self.note('tuned', values, lr_min, lr_max, batch_size)

    def on_trials_completed(self, values, *scores):
        assert len({array.shape for array in scores}) == 1 and scores[0].ndim == 1
        self.note('trials', values, *(tuple(array.tolist()) for array in scores))

    def on_point_failed(self, values, error):
        self.note('failed', values, error.phase)

    def told(self):
        """What it was told, without what it answered."""
        return [words for words in self.said if words[0] != 'asked']


class Adaptive(Conversation):
    """Decides by every bit of what it heard, by how often it was asked, and by its own random numbers.

    Args:
        proposals: How many it makes in all.
        patience: How many things it may want to hear before it goes on.
        seed: Of its random numbers.
    """

    def __init__(self, proposals, patience, seed):
        super().__init__()
        self.left, self.patience = proposals, patience
        self.rng = random.Random(seed)
        self.points, self.asked, self.over = [(0,)], Counter(), set()
        self.waits_for = 0

    def note(self, what, *details):
        super().note(what, *details)
        if what == 'asked':
            return
        self.waits_for -= 1
        self.rng.seed(repr((self.rng.random(), what, details)))
        point = details[0]
        if what == 'trials':
            self.asked[point] -= len(details[-1])
        if what == 'failed' or not self.asked[point]:
            self.over.add(point)

    def has_more_trials(self):
        return self.left > 0

    def get_next_trials(self):
        hears_more = any(point not in self.over for point in self.asked)
        if hears_more and self.waits_for > 0 and self.rng.random() < 0.8:
            self.note('asked', None)
            return None
        self.left -= 1
        if self.rng.random() < 0.6:
            self.points.append((self.rng.randrange(10**6),))
        point, trials = self.rng.choice(self.points[-5:]), self.rng.randrange(4)
        self.waits_for = self.rng.randrange(self.patience + 1)
        self.asked[point] += trials
        if trials and not self.failed(point):
            self.over.discard(point)
        self.note('asked', point, trials)
        return point, trials

    def failed(self, point):
        return any(words[:2] == ('failed', point) for words in self.said)


class Listed(Conversation):
    """Proposes what it was given, and None where that says None, until it has heard something."""

    def __init__(self, proposals, adaptive=True):
        super().__init__()
        self.proposals = deque(proposals)
        self.adaptive = adaptive

    def has_more_trials(self):
        return bool(self.proposals)

    def get_next_trials(self):
        proposal = self.proposals.popleft()
        self.note('asked', proposal)
        return proposal


class Drawn:
    """Chooses at random which runs are done next: one, some, or all."""

    def __init__(self, rng):
        self.rng = rng

    def __call__(self, left):
        return self.rng.sample(left, self.rng.choice([1, 1, self.rng.randint(1, len(left)), len(left)]))


ORDERS = st.randoms(use_true_random=False)
SELECTORS = st.builds(
    lambda *given: lambda: Adaptive(*given), st.integers(1, 25), st.integers(0, 5), st.integers(0, 9)
)


# Whatever the order


@settings(max_examples=100)
@given(selectors=SELECTORS, share=st.sampled_from([0, 0.15, 0.6]), rng=ORDERS)
def test_the_conversation_is_the_same_in_whatever_order_results_become_known(selectors, share, rng):
    expected = Talk(selectors(), World(share=share)).run_to_the_end(all_at_once)
    assert Talk(selectors(), World(share=share)).run_to_the_end(Drawn(rng)) == expected


@settings(max_examples=60)
@given(selectors=SELECTORS, share=st.sampled_from([0, 0.15]), rng=ORDERS, data=st.data())
def test_the_conversation_is_the_same_when_a_sweep_is_started_again_with_what_is_known(
    selectors, share, rng, data
):
    whole = Talk(selectors(), World(share=share))
    expected = whole.run_to_the_end(all_at_once)
    runs = sorted(whole.world.done, key=repr)
    interrupted = World(share=share)
    interrupted.done |= set(data.draw(st.sets(st.sampled_from(runs)), label='found on disk'))
    assert Talk(selectors(), interrupted).run_to_the_end(Drawn(rng)) == expected


@settings(max_examples=60)
@given(selectors=SELECTORS, share=st.sampled_from([0, 0.15, 0.6]), rng=ORDERS)
def test_every_result_is_told_exactly_once_in_the_order_of_the_proposals(selectors, share, rng):
    talk = Talk(selectors(), World(share=share))
    talk.run_to_the_end(Drawn(rng))
    assert talk.selector.told() == expected_tells(talk)
    counts = Counter(words[:2] for words in talk.selector.told() if words[0] != 'trials')
    assert set(counts.values()) <= {1}


def expected_tells(talk):
    """What is to be told, by the rule: per proposal its point's tuning, then its trials; one failure each."""
    world, tells, tuned, failed = talk.world, [], set(), set()

    def fail(point, run):
        failed.add(point)
        tells.append(('failed', point, world.error(point, run).phase))

    for point, first, trials in ((p.point, p.first, p.trials) for p in talk.proposals):
        indices = range(first, first + trials)
        if point not in tuned | failed:
            if world.fails((point, TUNING)):
                fail(point, TUNING)
            else:
                tuned.add(point)
                found = world.tuned(point)
                tells.append(('tuned', point, found.lr_min, found.lr_max, found.batch_size))
        if point in failed:
            continue
        if bad := [index for index in indices if world.fails((point, index))]:
            fail(point, bad[0])
        elif trials:
            done = [world.trial(point, index) for index in indices]
            names = ('perf_train', 'loss_train', 'perf_val', 'loss_val')
            tells.append(('trials', point, *(tuple(getattr(one, name) for one in done) for name in names)))
    return tells


# One rule at a time


def finish(world, *runs):
    world.done |= set(runs)


def test_a_selector_is_adaptive_unless_it_says_otherwise():
    assert ParamSelector.adaptive is True
    assert FixedSweep.adaptive is False


def test_a_point_is_told_of_after_those_proposed_before_it():
    world, selector = World(), Listed([((1,), 2), ((2,), 1)])
    talk = Talk(selector, world)
    talk.go_on()
    finish(world, ((2,), TUNING), ((2,), 0), ((1,), TUNING), ((1,), 1))
    talk.go_on()
    assert [words[:2] for words in selector.told()] == [('tuned', (1,))]
    finish(world, ((1,), 0))
    talk.go_on()
    kinds = [words[:2] for words in selector.told()]
    assert kinds == [('tuned', (1,)), ('trials', (1,)), ('tuned', (2,)), ('trials', (2,))]
    assert talk.driver.is_over


def test_trials_are_told_by_index_in_arrays_whatever_was_done_first():
    world, selector = World(), Listed([((1,), 3)])
    talk = Talk(selector, world)
    talk.go_on()
    for index in (2, 0, 1):
        finish(world, ((1,), TUNING), ((1,), index))
        talk.go_on()
    [words] = [words for words in selector.told() if words[0] == 'trials']
    expected = [world.trial((1,), index) for index in range(3)]
    names = ('perf_train', 'loss_train', 'perf_val', 'loss_val')
    assert words[2:] == tuple(tuple(getattr(one, name) for one in expected) for name in names)


def test_trials_asked_for_later_are_told_apart_from_those_before():
    world, selector = World(), Listed([((1,), 2), ((2,), 0), ((1,), 1)])
    talk = Talk(selector, world)
    talk.run_to_the_end(all_at_once)
    assert talk.proposals == [Request((1,), 0, 2), Request((2,), 0, 0), Request((1,), 2, 1)]
    told = [(words[0], words[1], len(words[-1])) for words in selector.told() if words[0] == 'trials']
    assert told == [('trials', (1,), 2), ('trials', (1,), 1)]


def test_no_trials_means_the_tuning_is_told_and_that_is_all():
    selector = Listed([((1,), 0), ((1,), 0), NamedPoint(a=1) and ({'a': 1}, 0)])
    Talk(selector, World()).run_to_the_end(all_at_once)
    assert [words[:2] for words in selector.told()] == [('tuned', (1,)), ('tuned', NamedPoint(a=1))]


def test_none_is_asked_again_after_every_thing_it_hears_and_not_before():
    world, selector = World(), Listed([((1,), 1), ((2,), 1), None, None, None, ((3,), 0)])
    talk = Talk(selector, world)
    talk.go_on()
    said = [('asked', ((1,), 1)), ('asked', ((2,), 1)), ('asked', None)]
    assert selector.said == said
    finish(world, ((2,), TUNING), ((2,), 0))  # none of the first proposal's: nothing to hear yet
    talk.go_on()
    assert selector.said == said
    finish(world, ((1,), TUNING))
    talk.go_on()
    assert [words[0] for words in selector.said[3:]] == ['tuned', 'asked']
    finish(world, ((1,), 0))
    talk.go_on()
    kinds = [words[0] for words in selector.said[5:]]
    assert kinds == ['trials', 'asked', 'tuned', 'asked', 'trials']
    assert selector.said[8] == ('asked', ((3,), 0))


def test_it_is_asked_no_more_once_it_has_no_more_trials():
    selector = Listed([((1,), 1)])
    talk = Talk(selector, World())
    assert not talk.driver.is_over
    talk.run_to_the_end(all_at_once)
    assert [words[0] for words in selector.said] == ['asked', 'tuned', 'trials']


def test_over_is_over_only_when_everything_is_told():
    world = World()
    talk = Talk(Listed([((1,), 0)]), world)
    talk.go_on()
    assert not talk.driver.is_over
    finish(world, ((1,), TUNING))
    talk.go_on()
    assert talk.driver.is_over


# Failures


def test_a_failed_tuning_is_told_once_and_nothing_else_of_its_point():
    world, selector = World([((1,), TUNING)]), Listed([((1,), 2), ((2,), 1), ((1,), 3)])
    Talk(selector, world).run_to_the_end(all_at_once)
    kinds = [words[:3] for words in selector.told()]
    assert kinds[0] == ('failed', (1,), 'tuning')
    assert [words[:2] for words in kinds[1:]] == [('tuned', (2,)), ('trials', (2,))]


@pytest.mark.parametrize('first', [1, 3])
def test_of_several_failed_trials_the_lowest_is_told_whichever_was_first(first):
    world, selector = World([((1,), 1), ((1,), 3)]), Listed([((1,), 4)])
    talk = Talk(selector, world)
    talk.go_on()
    finish(world, ((1,), TUNING), ((1,), first))
    talk.go_on()
    assert [words[0] for words in selector.told()] == ['tuned']
    talk.run_to_the_end(all_at_once)
    assert selector.told()[1:] == [('failed', (1,), 'trial 1')]


def test_trials_of_a_proposal_before_the_one_that_fails_are_told():
    world, selector = World([((1,), 2)]), Listed([((1,), 2), ((1,), 2), ((1,), 1)])
    Talk(selector, world).run_to_the_end(all_at_once)
    assert [words[0] for words in selector.told()] == ['tuned', 'trials', 'failed']
    assert selector.told()[-1] == ('failed', (1,), 'trial 2')


def test_later_proposals_of_a_failed_point_are_over_at_once():
    world, selector = World([((1,), 0)]), Listed([((1,), 1), ((1,), 5), ((2,), 0)])
    talk = Talk(selector, world)
    talk.go_on()
    finish(world, ((1,), TUNING), ((1,), 0), ((2,), TUNING))
    talk.go_on()
    assert [words[:2] for words in selector.told()] == [('tuned', (1,)), ('failed', (1,)), ('tuned', (2,))]
    assert talk.driver.is_over


def test_a_failure_of_trials_that_were_not_asked_for_is_none_of_its():
    world, selector = World([((1,), 7)]), Listed([((1,), 2)])
    finish(world, ((1,), 7))
    Talk(selector, world).run_to_the_end(all_at_once)
    assert [words[0] for words in selector.told()] == ['tuned', 'trials']


# How far ahead


class Endless(Conversation):
    """Proposes ever new points, as long as it is asked, up to a number."""

    def __init__(self, points, adaptive=True):
        super().__init__()
        self.left, self.adaptive = points, adaptive

    def has_more_trials(self):
        return self.left > 0

    def get_next_trials(self):
        self.left -= 1
        return (self.left,), 1


@pytest.mark.parametrize('points', [30, 99, 100, 101, 700])
def test_a_hundred_proposals_at_most_wait_for_their_results(points):
    world, talk = World(), None
    talk = Talk(Endless(points), world)
    talk.go_on()
    assert len(talk.proposals) == min(points, 100)
    for point in [proposal.point for proposal in talk.proposals]:
        finish(world, (point, TUNING), (point, 0))
        talk.go_on()
        answered = len(talk.selector.told()) // 2
        assert len(talk.proposals) <= answered + 100
        assert len(talk.proposals) > answered + 49 or not talk.selector.left  # and enough to be busy with


def test_it_is_asked_for_many_at_a_time_since_every_time_the_lookup_is_written():
    world = World()
    talk, rounds = Talk(Endless(1000), world), 0
    while talk.selector.left:
        before = len(talk.proposals)
        talk.go_on()
        rounds += len(talk.proposals) > before
        point = talk.proposals[len(talk.selector.told()) // 2].point
        finish(world, (point, TUNING), (point, 0))
    assert rounds <= 20


def test_a_tenth_of_all_points_may_wait_if_that_is_more():
    world, selector = World(), Endless(5000)
    talk = Talk(selector, world)
    talk.go_on()
    most, answered = 0, 0
    while answered < len(talk.proposals):
        point = talk.proposals[answered].point
        world.done = {(point, TUNING), (point, 0)}
        talk.go_on()
        answered += 1
        open_proposals = len(talk.proposals) - answered
        assert open_proposals <= max(100, len(talk.proposals) / 10)
        most = max(most, open_proposals)
    assert answered == 5000
    assert most > 400


def test_how_far_ahead_it_is_asked_follows_from_what_was_told_alone():
    def asked_when(world_first):
        world, selector = World(), Endless(300)
        if world_first:
            world.done = {((point,), run) for point in range(300) for run in (TUNING, 0)}
        talk, asked = Talk(selector, world), []
        selector.note = lambda *words: asked.append(selector.left)
        talk.run_to_the_end(lambda left: left[-1:])
        return asked

    assert asked_when(True) == asked_when(False)


def test_one_that_does_not_adapt_is_asked_for_everything_at_once():
    talk = Talk(Endless(1234, adaptive=False), World())
    assert len(talk.driver.ask()) == 1234
    assert talk.driver.ask() == []


def test_a_point_is_checked_before_it_is_taken():
    def refuse(point):
        raise InvalidPoint(f'not {point}')

    with pytest.raises(InvalidPoint, match=r'not \(1,\)'):
        Talk(Listed([([1], 1)]), World(), refuse).go_on()


@pytest.mark.parametrize('trials', [-1, True, 1.0, '3', None, np.int64(3)], ids=repr)
def test_a_number_of_trials_that_is_none_is_refused(trials):
    with pytest.raises(InvalidPoint, match='must be an integer of at least 0'):
        Talk(Listed([((1,), trials)]), World()).go_on()


@pytest.mark.parametrize('proposal', [5, (1,), ((1,), 2, 3), 'abc'], ids=repr)
def test_what_is_no_proposal_is_refused(proposal):
    with pytest.raises(
        InvalidPoint, match=r'Listed.get_next_trials\(\) must return \(params, trials\) or None'
    ):
        Talk(Listed([proposal]), World()).go_on()


@pytest.mark.parametrize('method', ['on_hparams_found', 'on_trials_completed', 'on_point_failed'])
def test_what_a_selector_raises_is_passed_on(method):
    selector = Listed([((1,), 1), ((2,), 1)])

    def raises(*_):
        raise ZeroDivisionError(method)

    setattr(selector, method, raises)
    with pytest.raises(ZeroDivisionError, match=method):
        Talk(selector, World([((2,), TUNING)])).run_to_the_end(all_at_once)


def test_the_numbers_of_these_tests_are_in_range():
    assert all(0 <= number_of((index,), 'lr') < 1 for index in range(100))
    assert not math.isclose(number_of((1,), 0), number_of((1,), 1))


# Points that may not be trained


class Rejecting:
    """Rejects what it is told to, and counts what it was asked about."""

    def __init__(self, is_rejected):
        self.is_rejected, self.batches = is_rejected, []

    def __call__(self, points):
        self.batches.append(points)
        return {point: 'too large' for point in points if self.is_rejected(point)}


def limited(selector, world, is_rejected):
    talk = Talk(selector, world)
    talk.driver = SelectorDriver(selector, world, lambda _: None, Rejecting(is_rejected))
    return talk


@settings(max_examples=60)
@given(selectors=SELECTORS, share=st.sampled_from([0, 0.15]), rng=ORDERS)
def test_the_conversation_is_the_same_in_whatever_order_if_points_are_rejected(selectors, share, rng):
    def is_rejected(point):
        return number_of(point, 'rejected') < 0.5

    expected = limited(selectors(), World(share=share), is_rejected).run_to_the_end(all_at_once)
    talk = limited(selectors(), World(share=share), is_rejected)
    assert talk.run_to_the_end(Drawn(rng)) == expected
    assert not any(is_rejected(proposal.point) for proposal in talk.proposals)


def test_a_rejected_point_is_told_as_a_failure_and_the_selector_asked_for_another():
    class Counting(Selector):
        """Goes on from one number to the next; waits after each."""

        def __init__(self):
            self.number, self.told, self.waits = 0, [], False

        def ask(self):
            if self.waits or self.number == 4:
                return WAIT if self.waits else DONE
            self.number, self.waits = self.number + 1, True
            return Proposal((self.number,), 1)

        def tell(self, event):
            self.told.append(event)
            self.waits = False

    selector = Counting()
    driver = SelectorDriver(selector, World(), lambda _: None, Rejecting(lambda point: point[0] < 3))
    assert driver.ask() == [Request((3,), 0, 1)]
    assert [(type(event), event.point) for event in selector.told] == [
        (events.PointRejected, (1,)),
        (events.PointRejected, (2,)),
    ]
    assert all(isinstance(event, events.PointFailed) for event in selector.told)
    assert selector.told[0].error == PointError('Rejected', 'too large', 'tuning')


def test_all_points_of_a_selector_that_does_not_adapt_are_looked_at_together():
    selector = FixedSweep.with_fixed_trials([(number,) for number in range(5000)], 1)
    rejecting = Rejecting(lambda point: point[0] < 4000)
    driver = SelectorDriver(selector, World(), lambda _: None, rejecting)
    assert [request.point for request in driver.ask()] == [(number,) for number in range(4000, 5000)]
    assert len(rejecting.batches) == 1 and not driver.more_to_come


def test_a_search_that_finds_nothing_but_rejected_points_ends():
    class Endless(Selector):
        number = 0

        def ask(self):
            self.number += 1
            return Proposal((self.number,), 1)

        def tell(self, event):
            pass

    driver = SelectorDriver(Endless(), World(), lambda _: None, Rejecting(lambda _: True))
    with pytest.raises(SelectorError, match=r'Endless has proposed 1,000 points in a row .*: too large'):
        driver.ask()
    rare = SelectorDriver(Endless(), World(), lambda _: None, Rejecting(lambda point: point[0] % 800))
    assert [request.point for request in rare.ask()][:2] == [(800,), (1600,)]
