"""[recording.archive] and [[recording.keep]] of the configuration: where recordings are kept, and for how long.

Secrets never stand in the configuration: keys and credentials come from a file of mode 0600 or from the environment.
"""

from __future__ import annotations

import os
import re
import stat
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

from pydantic import Field

from controller.config_base import Section
from controller.toml_lines import Path as TomlPath
from recordings.archive.form import Form
from recordings.archive.keys import KeyFault, KeyRing, parse_keys, read_key_file
from recordings.keeping import GENERAL_RULE, LONGEST_DAYS, KeepPolicy, KeepRule, unknown_types

if TYPE_CHECKING:
    from recordings.archive.archive import Archive

Wrong = Callable[[TomlPath, str], None]
"""Notes what is wrong at a place of the file."""

KEYS = "HOTLINE_RECORDING_KEYS"
"""The variable that holds the sealing keys where no `keys_file` does."""
ACCESS_KEY, SECRET_KEY = "HOTLINE_ARCHIVE_ACCESS_KEY", "HOTLINE_ARCHIVE_SECRET_KEY"
"""The variables that hold the object store's credentials where no `credentials_file` does."""

_ENDPOINT = re.compile(r"https?://[A-Za-z0-9.-]+(:[0-9]{1,5})?|https?://\[[0-9a-f:]+\](:[0-9]{1,5})?")
_PREFIX = re.compile(r"([A-Za-z0-9][A-Za-z0-9._-]*(/[A-Za-z0-9][A-Za-z0-9._-]*)*)?")
_BUCKET = r"^[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]$"


class KeepSection(Section):
    """[[recording.keep]]: see `recordings.keeping.KeepRule`."""

    name: Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9-]{0,31}$")]
    types: Annotated[list[str], Field(min_length=1)]
    keep_days: Annotated[int, Field(ge=1, le=LONGEST_DAYS)]
    transcript_keep_days: Annotated[int, Field(ge=1, le=LONGEST_DAYS)] | None = None  # as long as the recording


class ObjectStoreSection(Section):
    """[recording.archive.store]: an S3-compatible object store, `recordings.archive.object_shelf.ObjectStorePlace`."""

    endpoint: str
    bucket: Annotated[str, Field(pattern=_BUCKET)]
    region: str = "us-east-1"
    prefix: str = ""
    path_style: bool = True
    credentials_file: str | None = None
    connect_s: Annotated[float, Field(ge=0.1, le=60)] = 3.0
    timeout_s: Annotated[float, Field(ge=1, le=600)] = 30.0
    retry_s: Annotated[float, Field(ge=0, le=600)] = 10.0


class ArchiveSection(Section):
    """[recording.archive]: where finished recordings go; without it they stay WAV files in the data folder."""

    form: Literal["flac", "opus"] = "flac"
    folder: str | None = None  # relative to the configuration file; this or [recording.archive.store]
    store: ObjectStoreSection | None = None
    sealed: bool = True
    keys_file: str | None = None


@dataclass(frozen=True, slots=True)
class ArchivePlan:
    """A checked [recording.archive]. Paths are absolute; `workshop` is on the disk of the data folder."""

    section: ArchiveSection
    folder: Path | None
    workshop: Path
    keys_file: Path | None
    credentials_file: Path | None


class ArchiveFault(Exception):
    """A secret of the archive is not there or not usable; `place` below [recording.archive], the message never shows
    it."""

    def __init__(self, place: TomlPath, text: str) -> None:
        super().__init__(text)
        self.place = place


def archive_plan(section: ArchiveSection | None, folder: Path, data: Path, wrong: Wrong) -> ArchivePlan | None:
    """The plan for an archive; None without the section, and of no use after noting a fault.

    Paths are relative to `folder`.
    """
    if section is None:
        return None
    place = ("recording", "archive")
    if (section.folder is None) is (section.store is None):
        wrong(place, "needs one place: folder, or [recording.archive.store]")
    shelf = (folder / section.folder).resolve() if section.folder is not None else None
    ours = [data / one for one in OURS]
    if shelf is not None and any(shelf.is_relative_to(one) or one.is_relative_to(shelf) for one in ours):
        wrong((*place, "folder"), "holds, or lies in, a folder that the hotline uses itself; take one of its own")
    if section.keys_file is not None and not section.sealed:
        wrong((*place, "keys_file"), "is given, but sealed = false seals nothing; take one of them out")
    if (store := section.store) is not None:
        if not _ENDPOINT.fullmatch(store.endpoint):
            wrong((*place, "store", "endpoint"), "must be http:// or https:// with a host, and a port where it has one")
        if not _PREFIX.fullmatch(store.prefix):
            wrong((*place, "store", "prefix"), "must be names of letters, digits, . _ - with / between them")
    credentials = store.credentials_file if store is not None else None
    return ArchivePlan(
        section,
        shelf,
        data / WORKSHOP,
        folder / section.keys_file if section.keys_file is not None else None,
        folder / credentials if credentials is not None else None,
    )


WORKSHOP = "archive-work"
"""In the data folder: what is on its way into the archive or out of it."""

OURS = ("recordings", WORKSHOP, "journal", "attachments", "asterisk")
"""Folders below the data folder in which, or around which, no archive may lie."""


def keep_policy(
    keep_days: int, transcript_days: int | None, sections: list[KeepSection], types: frozenset[str], wrong: Wrong
) -> KeepPolicy:
    """The rules for how long recordings and transcripts are kept; `types` are those that a ticket can have."""
    rules: list[KeepRule] = []
    for index, one in enumerate(sections):
        if one.name == GENERAL_RULE or one.name in [rule.name for rule in rules]:
            wrong(("recording", "keep", index, "name"), f"{one.name} is taken already; every rule needs its own name")
        rule = KeepRule(one.name, frozenset(one.types), one.keep_days, one.transcript_keep_days)
        for unknown in unknown_types(KeepPolicy(keep_days, (rule,)), types):
            known = ", ".join(sorted(types))
            wrong(("recording", "keep", index, "types", one.types.index(unknown)), f"{unknown!r} is none of {known}")
        rules.append(rule)
    return KeepPolicy(keep_days, tuple(rules), transcript_days)


# ---------------------------------------------------------------- secrets


def sealing_keys(plan: ArchivePlan, environment: Mapping[str, str] = os.environ) -> KeyRing | None:
    """The keys, None where nothing is sealed. Blocks. Raises ArchiveFault."""
    if not plan.section.sealed:
        return None
    try:
        if plan.keys_file is not None:
            return read_key_file(plan.keys_file)
        if not environment.get(KEYS):
            raise KeyFault(
                f"needs keys_file, or {KEYS} in the environment (make a key: hotline recordings new-key), "
                "or sealed = false"
            )
        return parse_keys(environment[KEYS], KEYS)
    except KeyFault as error:
        place = ("keys_file",) if plan.keys_file is not None else ()
        raise ArchiveFault(place, str(error)) from None


def credentials(plan: ArchivePlan, environment: Mapping[str, str] = os.environ) -> tuple[str, str]:
    """The object store's access key and secret key. Blocks. Raises ArchiveFault."""
    file = plan.credentials_file
    if file is None:
        missing = [name for name in (ACCESS_KEY, SECRET_KEY) if not environment.get(name)]
        if missing:
            raise ArchiveFault(("store",), f"needs credentials_file, or {' and '.join(missing)} in the environment")
        return environment[ACCESS_KEY], environment[SECRET_KEY]
    place = ("store", "credentials_file")
    try:
        if stat.S_IMODE(file.stat().st_mode) & 0o077:
            raise ArchiveFault(place, f"others may read {file}: chmod 600 {file}")
        words = file.read_text(encoding="ascii").split()
    except (OSError, UnicodeError) as error:
        raise ArchiveFault(place, f"{file} cannot be read: {getattr(error, 'strerror', None) or error}") from None
    if len(words) != 2:
        raise ArchiveFault(place, f"{file} must hold two words: the access key and the secret key")
    return words[0], words[1]


def archive_faults(plan: ArchivePlan | None) -> list[tuple[TomlPath, str]]:
    """What is wrong with the archive's secrets, with the place in the configuration. Blocks."""
    if plan is None:
        return []
    found: list[tuple[TomlPath, str]] = []
    reads: list[Callable[[ArchivePlan], object]] = [sealing_keys]
    if plan.section.store is not None:
        reads.append(credentials)
    for read in reads:
        try:
            read(plan)
        except ArchiveFault as fault:
            found.append((("recording", "archive", *fault.place), str(fault)))
    return found


def archive_of(plan: ArchivePlan) -> Archive:
    """The archive itself; it connects with the first request. Blocks. Raises ArchiveFault."""
    from recordings.archive.archive import Archive
    from recordings.archive.object_shelf import ObjectShelf, ObjectStorePlace
    from recordings.archive.shelf import FolderShelf, Shelf

    section, shelf = plan.section, plan.folder
    made: Shelf
    if section.store is not None:
        access, secret = credentials(plan)
        s = section.store
        made = ObjectShelf(
            ObjectStorePlace(
                s.endpoint,
                s.bucket,
                access,
                secret,
                s.region,
                s.prefix,
                s.path_style,
                s.connect_s,
                s.timeout_s,
                s.retry_s,
            )
        )
    else:
        assert shelf is not None
        made = FolderShelf(shelf)
    return Archive(made, Form(section.form), sealing_keys(plan), plan.workshop)
