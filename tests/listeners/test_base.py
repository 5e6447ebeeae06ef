"""Listeners observe: one that raises is dropped."""

import warnings

import pytest

from sweeper.errors import InvalidArgument, ListenerWarning
from sweeper.events import PointTuned, SweepEnded
from sweeper.listeners.base import Listeners, SweepListener, check_hooks
from sweeper.results import Tuned
from sweeper.selectors.base import ParamSelector
from sweeper.selectors.fixed import FixedSweep

TUNED = PointTuned((16,), Tuned(0.1, 0.2, 32, 1, 1))
METHODS = (
    'on_start', 'on_hparams_found', 'on_trials_completed', 'on_flagged', 'on_point_failed', 'on_status',
    'on_end',
)  # fmt: skip


class Recorder(SweepListener):
    def __init__(self, heard, name, fails_in=None):
        self._heard, self._name, self._fails_in = heard, name, fails_in

    def on_hparams_found(self, *arguments):
        self._hear('on_hparams_found', *arguments)

    def on_end(self):
        self._hear('on_end')

    def _hear(self, method, *arguments):
        self._heard.append((self._name, method, *arguments))
        if method == self._fails_in:
            raise RuntimeError('the display is gone')


def test_everyone_is_told_in_order():
    heard = []
    listeners = Listeners(iter([Recorder(heard, 'a'), Recorder(heard, 'b')]))
    listeners.publish(TUNED)
    assert heard == [(name, 'on_hparams_found', (16,), 0.1, 0.2, 32) for name in ('a', 'b')]


def test_a_listener_that_raises_is_reported_and_dropped_and_the_others_go_on():
    heard = []
    bad = Recorder(heard, 'bad', fails_in='on_hparams_found')
    listeners = Listeners([Recorder(heard, 'a'), bad, Recorder(heard, 'b')])
    with pytest.warns(ListenerWarning, match='handling PointTuned') as caught:
        listeners.publish(TUNED)
    assert len(caught) == 1 and 'the display is gone' in str(caught[0].message)
    assert [name for name, *_ in heard] == ['a', 'bad', 'b']
    heard.clear()
    with warnings.catch_warnings():
        warnings.simplefilter('error')
        listeners.publish(SweepEnded())
    assert [name for name, *_ in heard] == ['a', 'b']


def test_of_equal_listeners_the_one_that_raised_is_dropped():
    class Equal(Recorder):
        def __eq__(self, other):
            return isinstance(other, Equal)

        __hash__ = None

    heard = []
    listeners = Listeners([Equal(heard, 'a'), Equal(heard, 'bad', fails_in='on_hparams_found')])
    with pytest.warns(ListenerWarning):
        listeners.publish(TUNED)
    listeners.publish(SweepEnded())
    assert [name for name, *_ in heard] == ['a', 'bad', 'a']


def test_a_listener_that_cannot_even_be_printed_is_reported_and_dropped():
    class Unprintable(Recorder):
        def __repr__(self):
            raise RuntimeError('no words')

    heard = []
    listeners = Listeners([Unprintable(heard, 'bad', fails_in='on_hparams_found'), Recorder(heard, 'b')])
    with pytest.warns(ListenerWarning, match='Unprintable object at .* handling PointTuned'):
        listeners.publish(TUNED)
    assert [name for name, *_ in heard] == ['bad', 'b']


def test_a_list_of_listeners_is_the_callers_own():
    given = [Recorder([], 'bad', fails_in='on_end')]
    with pytest.warns(ListenerWarning):
        Listeners(given).publish(SweepEnded())
    assert len(given) == 1


def test_an_interrupt_in_a_listener_is_not_swallowed():
    class Interrupted(SweepListener):
        def on_end(self):
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        Listeners([Interrupted()]).publish(SweepEnded())


@pytest.mark.parametrize('method', METHODS)
def test_a_listener_need_not_override_anything(method):
    arguments = {
        'on_start': 2,
        'on_hparams_found': 4,
        'on_trials_completed': 5,
        'on_flagged': 2,
        'on_point_failed': 2,
        'on_status': 1,
        'on_end': 0,
    }
    assert getattr(SweepListener(), method)(*[None] * arguments[method]) is None
    getattr(FixedSweep([((1,), 1)]), method)(*[None] * arguments[method])


def test_a_selector_must_say_what_is_next_and_whether_there_is_more():
    class Unfinished(ParamSelector):
        def has_more_trials(self):
            return True

    with pytest.raises(TypeError, match='get_next_trials'):
        Unfinished()


@pytest.mark.parametrize('kind', [SweepListener, ParamSelector])
def test_a_method_that_is_misspelt_is_an_error_that_says_what_was_meant(kind):
    misspelt = type('Mine', (kind,), {
        'on_trial_completed': lambda self, *_: None,
        'has_more_trials': lambda self: False,
        'get_next_trials': lambda self: None,
    })  # fmt: skip
    with pytest.raises(InvalidArgument, match=r'Mine\.on_trial_completed .* mean on_trials_completed\?'):
        check_hooks(misspelt())


def test_methods_of_other_interfaces_are_no_ones_business():
    class Mine(SweepListener):
        on_a_roll = 3

        def on_train_epoch_start(self):
            pass

    check_hooks(Mine())


def test_what_handles_events_is_a_listener():
    class Mine:
        def __init__(self):
            self.events = []

        def handle(self, event):
            self.events.append(event)

    mine = Mine()
    Listeners([mine]).publish(TUNED)
    assert mine.events == [TUNED]
