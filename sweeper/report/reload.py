"""The problem of a sweep that is over, loaded once more to look into what was trained."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from ..errors import ProblemError
from ..io.opening import open_file
from ..problem.fingerprint import source_fingerprint
from ..problem.problem import Problem, load_problem
from ..problem.reference import ProblemReference, find_problem
from ..seeding import run_seed
from ..store.manifest import Manifest

if TYPE_CHECKING:
    import torch

    from ..training.workspace import Workspace


@contextmanager
def reopened_workspace(manifest: Manifest, module_name: str | None = None) -> Iterator[Workspace]:
    """Loads the problem that a sweep was of, and its data, on the CPU; meanwhile as `reloaded_problem`.

    Args:
        manifest: Says which problem the sweep was of.
        module_name: Where the problem is now, as for `sweep`; None if it is where it was.

    Raises:
        ProblemError: It is not there, or it changed.
    """
    import torch

    from ..training.workspace import Workspace, load_splits

    device = torch.device('cpu')
    with reloaded_problem(manifest, module_name) as problem:
        splits = load_splits(problem, run_seed(manifest.seed, 'dataset', 0), device)
        if len(splits.train) != manifest.train_size:
            raise ProblemError(
                f'the data of {problem.name!r} changed since the sweep: it has {len(splits.train)} training '
                f'samples now, and had {manifest.train_size}'
            )
        yield Workspace(problem, splits, device, 'eager')


@contextmanager
def reloaded_problem(manifest: Manifest, module_name: str | None = None) -> Iterator[Problem]:
    """Loads the problem that a sweep was of, without its data; see `reopened_workspace`.

    Meanwhile `sys.argv` is the problem's, as when it was swept, and not that of who looks at the results.
    """
    given = module_name or manifest.path or manifest.module
    if manifest.source is None and module_name is None:
        raise ProblemError(f'the problem {given!r} was not in a file, so it cannot be loaded again')
    reference = find_problem(given)
    if given.endswith('.py'):  # what changed had better not be run
        reference = _unchanged(reference, Path(given).resolve(), manifest)
    problem = load_problem(reference)
    if problem.fingerprint() != manifest.source:
        raise _changed(given, manifest)
    with reference.with_own_argv():
        yield problem


def load_weights(model: torch.nn.Module, path: Path) -> None:
    """Gives a model the weights in a file of a sweep's folder, in which a link is not followed."""
    import torch

    with open_file(path) as file:
        model.load_state_dict(torch.load(file, map_location='cpu', weights_only=True))


def _unchanged(reference: ProblemReference, file: Path, manifest: Manifest) -> ProblemReference:
    """Says where a problem is that did not change: a file by itself, or a module of the package around it."""
    folder, names = file.parent, [] if file.stem == '__init__' else [file.stem]
    while (folder / '__init__.py').is_file():
        names.insert(0, folder.name)
        folder = folder.parent
    package = '.'.join(names if file.stem == '__init__' else names[:-1])
    is_inside = bool(package) and source_fingerprint(file, package) == manifest.source
    if not is_inside and source_fingerprint(file) != manifest.source:
        raise _changed(str(file), manifest)
    if not is_inside or reference.is_main:
        return reference
    if str(folder) not in sys.path:
        sys.path.insert(0, str(folder))
    return ProblemReference('.'.join(names), None, False)


def _changed(where: str, manifest: Manifest) -> ProblemError:
    python = '.'.join(map(str, sys.version_info[:2]))
    swept = manifest.versions.get('python')
    also = f' (or only seems to have: the sweep used Python {swept}, this is {python})' * (swept != python)
    return ProblemError(
        f'the problem {where!r} changed since the sweep{also}: what was trained then can no longer be '
        f'inspected. Run the sweep again, or name the problem as it was'
    )
