"""DOOR to the kernel: whether anybody still writes a file.

Asterisk says nothing when a MixMonitor ends with its call, and its stream buffer reaches the file only when
it is closed (in lumps of 32 KiB, shared/asterisk.md section 6): finishing a moment too early would cut a
second off.
"""

from __future__ import annotations

import errno
import fcntl
import os
import signal
import time
from pathlib import Path

POLL_S = 0.02
REST_S = 1.5
"""Where the kernel cannot tell: how long a file must not have grown. A lump of 32 KiB is 1.02 s of stereo
audio.
"""


def has_writer(path: Path) -> bool | None:
    """Whether a process has the file open for writing; None if this file system or user cannot ask.

    Linux grants a read lease only on a file that nobody has open for writing (fcntl(2), "Leases"); it is
    given back at once. The signal for a broken lease is set to one that is ignored by default, for the
    microseconds between.
    """
    descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        fcntl.fcntl(descriptor, fcntl.F_SETSIG, signal.SIGURG)
        fcntl.fcntl(descriptor, fcntl.F_SETLEASE, fcntl.F_RDLCK)
        fcntl.fcntl(descriptor, fcntl.F_SETLEASE, fcntl.F_UNLCK)
        return False
    except OSError as error:
        return True if error.errno == errno.EAGAIN else None
    finally:
        os.close(descriptor)


def wait_until_closed(path: Path, timeout_s: float) -> bool:
    """Block until no process writes the file any more; False if that has not come after `timeout_s` seconds.

    Raises FileNotFoundError if the file is gone. Where the kernel cannot tell, the file must rest for REST_S.
    """
    deadline = time.monotonic() + timeout_s
    rested: tuple[int, float] | None = None
    while True:
        writer = has_writer(path)
        if writer is False:
            return True
        now = time.monotonic()
        if writer is None:
            size = path.stat().st_size
            if rested is None or rested[0] != size:
                rested = (size, now)
            elif now - rested[1] >= REST_S:
                return True
        if now >= deadline:
            return False
        time.sleep(POLL_S)
