"""Where a sweep was run: what is good to know for who wants to run it again."""

from __future__ import annotations

import os
import platform
import shlex
import sys
from contextlib import suppress
from pathlib import Path


def told_origin() -> dict[str, str]:
    """Returns the command of this process and its machine, which is not named."""
    return {
        'command': _command(),
        'processor': f'{_processor()}, {os.cpu_count()} cores',
        'system': _system(),
    }


def _command() -> str:
    program = Path(sys.argv[0]).name if sys.argv and sys.argv[0] else 'python'
    words = ['sweeper' if program == '__main__.py' else program, *sys.argv[1:]]
    return shlex.join(['python', *words] if program.endswith('.py') and program != '__main__.py' else words)


def _processor() -> str:
    with suppress(OSError):
        for line in Path('/proc/cpuinfo').read_text(errors='replace').splitlines():
            if line.startswith('model name'):
                return line.partition(':')[2].strip()
    return platform.processor() or platform.machine()


def _system() -> str:
    return f'{platform.system()} {platform.machine()}'
