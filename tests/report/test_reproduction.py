"""How to reproduce a sweep: what is said is true of the commands that are on record."""

import dataclasses

import pytest

from sweeper.report.reproduction import reproduction
from sweeper.store.manifest import Manifest
from sweeper.store.origin import Origin, commands

MANIFEST = Manifest('problem', 'fast', {}, 1, 0, 9)
FIRST, SECOND = Origin('first', selector='FixedSweep'), Origin('second', selector='FixedSweep', first_point=3)


def said(*origin, **changes):
    return reproduction(dataclasses.replace(MANIFEST, origin=origin, **changes))


def test_one_command_gives_the_same_results():
    assert said(FIRST).startswith('This command, run in an empty folder, gives the same results')
    assert said(FIRST, dataclasses.replace(FIRST, first_point=5)) == said(FIRST), 'it went on later'


def test_several_commands_do_it_together():
    text = said(FIRST, SECOND, FIRST)
    assert text.startswith('2 commands made this. Run one after the other in this order')
    assert commands([FIRST, SECOND, FIRST]) == ['first', 'second']


@pytest.mark.parametrize('origin', [(Origin('last'),), (Origin('last'), SECOND)])
def test_nothing_is_promised_of_a_folder_that_kept_the_last_command_only(origin):
    assert 'others may have added architectures' in said(*origin)
    assert 'same results' not in said(*origin)
    assert said() == said(Origin()) == 'Which commands made this is not known.'


def test_what_changed_meanwhile_is_said():
    text = said(FIRST, changes=('the source of problem', 'version of torch'))
    assert 'was accepted (the source of problem; version of torch)' in text
