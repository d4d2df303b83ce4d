"""The API's token: one file of mode 0600 in the data folder. Apart from `auth.py`, so that a start reads it at once."""

from __future__ import annotations

import os
import secrets
import stat
import tempfile
from pathlib import Path

SHORTEST_TOKEN = 16
"""Characters; a generated token has 43."""


class TokenError(Exception):
    """The token's file cannot be used; the text says why and what to do."""


def load_or_make_token(path: Path) -> str:
    """The token in `path`, made (mode 0600) when there is none.

    Blocking. TokenError when the file is not safe to use.
    """
    try:
        return _load(path)
    except FileNotFoundError:
        pass
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")  # mkstemp gives mode 0600
    try:
        with os.fdopen(handle, "w", encoding="ascii") as file:
            file.write(secrets.token_urlsafe(32) + "\n")
            file.flush()
            os.fsync(file.fileno())
        os.link(name, path)  # whole or not at all, and never over another process's token
    except FileExistsError:
        pass
    finally:
        os.unlink(name)
    return _load(path)


def _load(path: Path) -> str:
    with path.open(encoding="utf-8", errors="replace") as file:
        mode = stat.S_IMODE(os.fstat(file.fileno()).st_mode)
        token = file.read(4096).strip()
    if mode & 0o077:
        raise TokenError(f"{path} may be read by others (mode {mode:04o}); delete it and a new token will be made")
    if len(token) < SHORTEST_TOKEN or not token.isascii() or not token.isprintable() or " " in token:
        raise TokenError(f"{path} holds no usable token; delete it and a new one will be made")
    return token
