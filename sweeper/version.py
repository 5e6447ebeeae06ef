"""The version: the one place where it stands.

Major or minor changes whenever the results of a sweep can change, the last number never does so. A sweep's
folder records the first two, so a resumed sweep notices that its earlier results may differ from new ones.
"""

from __future__ import annotations

__version__ = '0.4.0'
RESULTS_VERSION = __version__.rpartition('.')[0]
