"""Access tokens of those who work on tickets (`docs/tickets.md`): each bears a role, and a unit where there is one.

They stand in one file of mode 0600 in the data folder, as SHA-256 digests: a token is 256 random bits, which no
dictionary holds, so a fast hash is enough, and the one who checks looks a digest up instead of comparing secrets. The
file is read again when it has changed: `./hotline token` works beside a hotline that serves.
"""

from __future__ import annotations

import asyncio
import hashlib
import json
import logging
import os
import re
import secrets
import time
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path

from tickets.moves import Actor, Role

log = logging.getLogger(__name__)

ACCESS = "access.json"
"""The file's name in the data folder."""

ROLES = tuple(role for role in Role if role is not Role.ADMIN)
"""What a token may bear: the hotline's own token alone has every right."""

_ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,31}")


class BadToken(ValueError):
    """A token that cannot be given or taken away; the text says why."""


@dataclass(frozen=True, slots=True)
class Holder:
    """Whose a token is. `note` says to people who that is, `made_at` is in epoch seconds."""

    role: str
    unit: str
    digest: str
    made_at: float
    note: str = ""


def digest_of(token: str) -> str:
    """A token's digest, in hexadecimal."""
    return hashlib.sha256(token.encode("utf-8", "surrogateescape")).hexdigest()


class AccessFile:
    """The holders of tokens by their ids."""

    def __init__(self, file: Path) -> None:
        self.file = file

    def read(self) -> dict[str, Holder]:
        """The holders; none when there is no file. Blocks. Raises OSError, and ValueError for a file not ours."""
        try:
            found = json.loads(self.file.read_text(encoding="utf-8"))
        except FileNotFoundError:
            return {}
        try:
            return {id: Holder(**values) for id, values in found.items()}
        except (AttributeError, TypeError):
            raise ValueError(f"{self.file} is no file of access tokens") from None

    def add(self, id: str, role: Role, unit: str, *, made_at: float, note: str = "") -> str:
        """Make somebody's token and return it; it is nowhere else. Blocks. Raises `BadToken`, OSError, ValueError."""
        holders = self.read()
        if not _ID.fullmatch(id):
            raise BadToken("an id has letters, digits, dots, dashes or underscores, 32 at most")
        if id in ("admin", "system"):
            raise BadToken(f"{id} is the hotline itself")
        if id in holders:
            raise BadToken(f"{id} has a token already; remove that first")
        if role not in ROLES:
            raise BadToken(f"the role must be one of {', '.join(one.value for one in ROLES)}")
        if role is Role.UNIT and not unit:
            raise BadToken("somebody of a unit needs --unit")
        token = secrets.token_urlsafe(32)
        holders[id] = Holder(role.value, unit, digest_of(token), made_at, note)
        self._write(holders)
        return token

    def remove(self, id: str) -> None:
        """Take somebody's token away. Blocks. Raises `BadToken`, OSError, ValueError."""
        holders = self.read()
        if holders.pop(id, None) is None:
            raise BadToken(f"{id} has no token")
        self._write(holders)

    def _write(self, holders: Mapping[str, Holder]) -> None:
        self.file.parent.mkdir(parents=True, exist_ok=True)
        part = self.file.with_name(f".{self.file.name}.part")
        part.unlink(missing_ok=True)
        with os.fdopen(os.open(part, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w", encoding="utf-8") as out:
            json.dump({id: asdict(one) for id, one in holders.items()}, out, indent=1, sort_keys=True)
            out.flush()
            os.fsync(out.fileno())
        part.replace(self.file)


class Holders:
    """Finds whose a token is; implements `web.auth.Holders`. Looks at the file at most every `every_s` seconds.

    A file that cannot be read lets nobody in, and says so once.
    """

    def __init__(self, file: AccessFile, *, every_s: float = 1.0, clock: Callable[[], float] = time.monotonic) -> None:
        self._file, self._every_s, self._clock = file, every_s, clock
        self._looked_at = float("-inf")
        self._look_in_turn = asyncio.Lock()
        self._seen: tuple[int, int, int] | None = None
        self._by_digest: dict[str, Actor] = {}
        self._broken = False

    async def find(self, token: str) -> Actor | None:
        """Who bears this token; None when nobody does."""
        if self._due():
            async with self._look_in_turn:  # who comes while the file is read has to wait for what it says
                if self._due():
                    await asyncio.to_thread(self._look)
                    self._looked_at = self._clock()
        return self._by_digest.get(digest_of(token))

    def _due(self) -> bool:
        return self._clock() - self._looked_at >= self._every_s

    def _look(self) -> None:
        try:
            found = self._file.file.stat()
            seen = (found.st_mtime_ns, found.st_ino, found.st_size)
            if seen != self._seen:
                holders = self._file.read()
                self._by_digest = {one.digest: Actor(id, Role(one.role), one.unit) for id, one in holders.items()}
                self._seen = seen
            self._broken = False
        except FileNotFoundError:
            self._by_digest, self._seen = {}, None
        except (OSError, ValueError) as error:
            self._by_digest, self._seen = {}, None
            if not self._broken:
                log.error(
                    "access tokens cannot be read: %s", type(error).__name__, extra={"action": "access.unreadable"}
                )
            self._broken = True
