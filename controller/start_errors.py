"""Why a hotline cannot start, in one sentence for its operator."""

from __future__ import annotations

import errno
import os


class StartError(Exception):
    """The hotline cannot start; the text is one sentence for the operator, with what to do."""


def reason(error: OSError) -> str:
    """The system's own words, without its number."""
    return os.strerror(error.errno) if error.errno and error.errno > 0 else str(error.strerror or error)


def plain(error: OSError) -> str:
    """One sentence with what to do for a refusal of the operating system."""
    place = error.filename or "the data folder"
    if error.errno in (errno.ENOSPC, errno.EDQUOT):
        return f"the disk of {place} is full; make room and start again"
    if error.errno in (errno.EACCES, errno.EPERM, errno.EROFS):
        return f"{place} cannot be used ({reason(error)}); give this user the right, or set [hotline] data elsewhere"
    if error.errno in (errno.EEXIST, errno.ENOTDIR):
        return f"{place} is a file where a folder is needed; remove it, or set [hotline] data elsewhere"
    if error.filename:
        return f"{place}: {reason(error)}; put that right and start again"
    return f"{reason(error)}; put that right and start again"
