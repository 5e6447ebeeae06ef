"""Shows a sweep that runs in another process, from what is in its folder."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable
from pathlib import Path

from ...events import PointFailed, PointFlagged, PointTuned, Status, SweepEnded, SweepStarted, TrialsDone
from ...listeners.base import Listener
from ...stats.design import Design
from ...store.following import Follower, News
from ...store.lock import holder
from ...store.looks import look_under_way
from ...store.manifest import Manifest
from ...store.status_file import read_note, since
from .snapshot import SnapshotBuilder
from .view import Snapshot


def watch(
    folder: Path,
    open_display: Callable[[float], Listener],
    wait: Callable[[], object],
    on_start: Callable[[], None] = lambda: None,
    on_wait: Callable[[], None] = lambda: None,
) -> None:
    """Shows a sweep until it ends; returns at once if none is running in a folder that holds one.

    Args:
        folder: As long as it holds no sweep, one is waited for.
        open_display: Called as `open_display(elapsed)`, with the seconds that the sweep is going on already;
            returns what is told of it. Called again if the sweep is started anew.
        wait: Called between two looks.
        on_start: Called once there is a sweep.
        on_wait: Called once, before that, if there is none.

    Raises:
        FolderError: The folder holds something else, or cannot be read.
    """
    follower, who = Follower(folder), dict[str, object]()
    display, generation, is_waiting = None, -1, False
    try:
        while True:
            is_running = follower.is_running
            news = follower.look()  # after that question: whatever the sweep left is seen
            if follower.manifest is not None:
                if generation != follower.generation:
                    if display is None:
                        on_start()
                    else:
                        display.handle(SweepEnded())
                    display, generation = open_display(elapsed(folder)), follower.generation
                    metrics = tuple(follower.manifest.metrics)
                    ratio, design = follower.manifest.val_to_train, _design(follower.manifest)
                    # What follows was there before.
                    display.handle(SweepStarted(folder, (), metrics, ratio, design=design))
                assert display is not None
                publish(display, news)
                who = holder(folder) or who  # at the end, what it said last
                display.handle(status_of(follower, who))
                if not is_running:
                    return
            elif not is_waiting:
                is_waiting = True
                on_wait()
            wait()
    finally:
        if display is not None:
            display.handle(SweepEnded())


def snapshot_of(folder: Path) -> Snapshot:
    """Returns what is to be shown of a sweep that is running, at one look."""
    follower = Follower(folder)
    news = follower.look()
    builder = SnapshotBuilder()
    if (manifest := follower.manifest) is not None:
        builder = SnapshotBuilder(manifest.metrics, _design(manifest))
    publish(builder, news)
    builder.handle(status_of(follower, holder(folder)))
    return builder.snapshot(elapsed(folder))


def _design(manifest: Manifest) -> Design:
    return manifest.design(look_under_way(manifest.looks))


def elapsed(folder: Path) -> float:
    """For how many seconds the sweep is running; 0 if it does not say."""
    started = since(holder(folder))
    return 0.0 if started is None else max(0.0, time.time() - started)


def publish(listener: Listener, news: Iterable[News]) -> None:
    """Has a listener handle what it would have been told in the sweep's process."""
    for change in news:
        point = change.point
        if change.tuned is not None:
            listener.handle(PointTuned(point, change.tuned))
        if change.trials:
            listener.handle(TrialsDone(point, change.trials))
        if change.flags is not None:
            listener.handle(PointFlagged(point, tuple(change.flags)))
        if change.error is not None:
            listener.handle(PointFailed(point, change.error))


def status_of(follower: Follower, who: dict[str, object]) -> Status:
    """Where a sweep stands: by its results as far as these tell it, else by what it says of itself.

    Args:
        follower: Has looked at the folder.
        who: What `lock.holder` says.
    """
    points, done = follower.points, follower.trials_done
    counts = {'tuned': follower.tuned, 'failed': follower.failed, 'trials_done': done}
    if (content := read_note(who)) is None:
        return Status(points=len(points), trials=done, running=(), more_to_come=True, **counts)
    note, running = content
    left = note.seconds_left
    return Status(
        points=max(note.points, len(points)),
        trials=max(note.trials, done),
        running=[(points[point_id], what) for point_id, what in running if 0 <= point_id < len(points)],
        more_to_come=note.more_to_come,
        cores=note.cores,
        busy=note.busy,
        share=note.share,
        seconds_left=None if left is None else max(0.0, left - max(0.0, time.time() - note.at)),
        **counts,
    )
