"""A sweep in TensorBoard."""

from __future__ import annotations

import io
import os
import re
import time
from collections.abc import Iterable, Mapping
from pathlib import Path
from textwrap import indent
from typing import Any

from ..errors import InvalidArgument
from ..extras import needed
from ..points import Point
from ..results import PointError
from ..text import reason, users_frames
from .logger import Logger, point_id

_FILE = 'events.out.tfevents.sweeper'
_LONGEST = 80


class TensorBoardListener(Logger):
    """Writes a run per trial: its final scores as scalars, and the HPARAMS tab's hyperparameters.

    A run is a folder, `width=16, kind=relu <key>/trial 0`; the trials of an architecture are one group of the
    HPARAMS tab, which shows their mean. A point that failed has a run `failed` with that status, and the
    error as a text. When a sweep is resumed, its runs are replaced.

    It writes with TensorBoard's own classes, as `torch.utils.tensorboard` does, which would import torch into
    this process and cannot group runs.

    Args:
        log_dir: What `tensorboard --logdir` is given; made if need be. One sweep per folder, or the runs of
            architectures that are in both are those of the last.

    Raises:
        MissingExtra: TensorBoard is not installed.
        InvalidArgument: The folder cannot be written.
    """

    def __init__(self, log_dir: str | os.PathLike[str]) -> None:
        super().__init__()
        with needed('tensorboard', 'TensorBoardListener needs TensorBoard'):
            import tensorboard.plugins.hparams.summary_v2
            import tensorboard.summary.writer.record_writer  # noqa: F401
        self.log_dir = Path(log_dir)
        try:
            self.log_dir.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise InvalidArgument(f'log_dir={str(log_dir)!r}: {reason(error, log_dir)}') from error
        self._folders: dict[Point, Path] = {}

    def start(self) -> None:
        self._folders.clear()

    def keep_trials(self, point: Point, trials: Mapping[int, Mapping[str, float]]) -> None:
        for number, scores in trials.items():
            self._write(point, f'trial {number}', 'STATUS_SUCCESS', _scalars(scores))

    def keep_failure(self, point: Point, error: PointError) -> None:
        text = f'{error}\n\n{indent(users_frames(error.traceback), "    ")}'  # Markdown's code
        self._write(point, 'failed', 'STATUS_FAILURE', [_text('error', text)])

    def _write(self, point: Point, run: str, status: str, summaries: Iterable[Any]) -> None:
        """Writes a run whole, in place of what was there."""
        from tensorboard.compat.proto.event_pb2 import Event
        from tensorboard.plugins.hparams.summary_v2 import hparams_pb
        from tensorboard.summary.writer.record_writer import RecordWriter

        folder, now = self._folder(point), time.time()
        start = hparams_pb(self.hyperparameters(point), trial_id=folder.name, start_time_secs=now)
        content = io.BytesIO()
        writer = RecordWriter(content)
        writer.write(Event(wall_time=now, file_version='brain.Event:2').SerializeToString())
        for summary in (start, *summaries, _session_end(status, now)):
            writer.write(Event(wall_time=now, step=0, summary=summary).SerializeToString())
        path = folder / run / _FILE
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content.getvalue())

    def _folder(self, point: Point) -> Path:
        """Where the runs of a point are; emptied of earlier runs when it is first asked for."""
        if point not in self._folders:
            name = re.sub(r'[^\w=.,+() -]', '_', self.title(point))[:_LONGEST]
            self._folders[point] = self.log_dir / f'{name} {point_id(point)}'
            for earlier in self._folders[point].glob(f'*/{_FILE}'):
                earlier.unlink()
        return self._folders[point]


def _scalars(scores: Mapping[str, float]) -> list[Any]:
    from tensorboard.compat.proto.summary_pb2 import Summary

    return [Summary(value=[Summary.Value(tag=name, simple_value=score)]) for name, score in scores.items()]


def _text(tag: str, text: str) -> Any:
    from tensorboard.compat.proto.summary_pb2 import Summary
    from tensorboard.compat.proto.tensor_pb2 import TensorProto
    from tensorboard.compat.proto.types_pb2 import DT_STRING
    from tensorboard.plugins.text.metadata import create_summary_metadata

    tensor = TensorProto(dtype=DT_STRING, string_val=[text.encode()])
    metadata = create_summary_metadata(display_name=tag, description='')
    return Summary(value=[Summary.Value(tag=tag, metadata=metadata, tensor=tensor)])


def _session_end(status: str, now: float) -> Any:
    from tensorboard.compat.proto.summary_pb2 import Summary
    from tensorboard.plugins.hparams import metadata
    from tensorboard.plugins.hparams.api_pb2 import Status
    from tensorboard.plugins.hparams.plugin_data_pb2 import HParamsPluginData, SessionEndInfo

    ended = HParamsPluginData(session_end_info=SessionEndInfo(status=Status.Value(status), end_time_secs=now))
    about = metadata.create_summary_metadata(ended)
    value = Summary.Value(tag=metadata.SESSION_END_INFO_TAG, metadata=about, tensor=metadata.NULL_TENSOR)
    return Summary(value=[value])
