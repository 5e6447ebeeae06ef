"""Files with the state of trials at the end of a cycle."""

from __future__ import annotations

import io
import json
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from ...errors import FolderError
from ...io.files import check_archive, make_folder, write_whole
from ...io.opening import read_file
from ...step_kind import StepKind
from ...text import reason

_SHARE = 0.02
"""Of the time that a trial takes, what goes into writing its state at most."""


@dataclass(frozen=True)
class CheckpointPlan:
    """Where and how often the trials of a point keep their state.

    Attributes:
        folder: For states, in that of the point; both are made if need be.
        seconds: How long a trial waits between two states at least. Results do not depend on it.
        identity: Tells this version of the sweep from any other, whose states are of no use.
    """

    folder: str
    seconds: float
    identity: str

    def of(
        self, index: int, point: str, seeds: Sequence[int], plan: Mapping[str, Any], lanes: range
    ) -> Checkpoint:
        """Returns where some trials keep their state.

        Args:
            index: The number of the first of all.
            point: Tells the point from others.
            seeds: Those of all.
            plan: How they are trained.
            lanes: Which of them.
        """
        first, last = index + lanes[0], index + lanes[-1]
        name = f'{first}-{last}.pt' if len(lanes) > 1 else f'{first}.pt'
        trials = [seeds[lane] for lane in lanes]
        identity = json.dumps([self.identity, torch.__version__, point, trials, {**plan}])
        return Checkpoint(Path(self.folder, name), self.seconds, identity)


class Checkpoint:
    """The file with the state of a trial, or of several that are trained side by side.

    Args:
        path: Where it is; it need not be there.
        seconds: How long to wait between two states at least.
        identity: Tells the trial, and what it is made of, from any other that may be kept there.

    Attributes:
        kind: How steps are taken: a state that other ones led to is of no use.
    """

    def __init__(self, path: Path, seconds: float, identity: str) -> None:
        self._path, self._seconds, self._identity = path, seconds, identity
        self._due = time.monotonic() + seconds
        self._content = self._read()
        self.kind: StepKind | None = None

    def _read(self) -> dict[str, Any] | None:
        """What the file has, if it is of this trial; what cannot be read is written anew later."""
        try:
            check_archive(self._path)
            state = torch.load(io.BytesIO(read_file(self._path)), map_location='cpu', weights_only=True)
            return {**state} if state['identity'] == self._identity else None
        except Exception:  # whatever has come into the place of what was written
            return None

    @property
    def kept_kind(self) -> StepKind | None:
        """How steps were taken that led to the state that is kept; None if there is none."""
        return None if self._content is None else StepKind(*self._content['kind'])

    def take(self) -> dict[str, Any] | None:
        """Returns the state, once, if steps of this kind led to it."""
        kind, content, self._content = self.kept_kind, self._content, None
        return content if kind == self.kind else None

    @property
    def is_due(self) -> bool:
        """Whether it is time to write a state."""
        return time.monotonic() >= self._due

    def write(self, state: Mapping[str, Any]) -> None:
        """Writes a state in place of an earlier one; if that fails, the trial just goes on."""
        assert self.kind is not None
        began = time.monotonic()
        buffer = io.BytesIO()
        torch.save({'identity': self._identity, 'kind': tuple(self.kind), **state}, buffer)
        try:
            make_folder(self._path.parent.parent)  # a trial may begin before its tuning is on disk
            make_folder(self._path.parent)
            write_whole(self._path, buffer.getvalue())
        except (OSError, FolderError) as error:
            why = reason(error, self._path) if isinstance(error, OSError) else error
            print(f'[sweeper] the state of this trial could not be saved: {why}')
        now = time.monotonic()
        self._due = now + (max(self._seconds, (now - began) / _SHARE) if self._seconds else 0)
