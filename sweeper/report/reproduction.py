"""What can be promised to who wants to run a sweep again."""

from __future__ import annotations

from ..store.manifest import Manifest
from ..store.origin import commands

_SAME = (
    'the same results, on any number of cores of the same kind of machine, with the same versions and data'
)


def reproduction(manifest: Manifest) -> str:
    """Says what the commands that are on record give when they are run again."""
    known = commands(manifest.origin)
    if not known:
        return 'Which commands made this is not known.'
    if any(command.selector is None for command in manifest.origin):
        text = (
            'An earlier version of sweeper began this folder. It kept the last command only: others may have '
            'added architectures that the commands below do not train.'
        )
    elif len(known) == 1:
        text = f'This command, run in an empty folder, gives {_SAME}.'
    else:
        text = (
            f'{len(known)} commands made this. Run one after the other in this order, in an empty folder, '
            f'they give {_SAME}.'
        )
    if manifest.changes:
        text += (
            f' But something changed in between and was accepted ({"; ".join(manifest.changes)}): earlier '
            f'results come from the earlier state.'
        )
    return text
