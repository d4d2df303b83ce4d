"""The files with secrets that a configuration names, read before anything is served: each fault with its line."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

from controller.config import Settings
from controller.config_archive import archive_faults
from controller.config_faults import Problem, dotted, read_text
from controller.config_sections import PeerKeySection
from controller.config_webhooks import hooks_of
from controller.toml_lines import Path as TomlPath
from controller.toml_lines import scan
from tickets.exchange.signing import Key


def key_of(section: PeerKeySection, peer: str, folder: Path) -> Key:
    """A key that is shared with `peer`; its file is relative to `folder`. Blocks.

    Raises OSError for a file that cannot be read, ValueError for one that others may read, or that holds too little.
    """
    file = folder / section.file
    if file.stat().st_mode & 0o077:
        raise ValueError(f"others can read {file.name}; chmod 600 it")
    return Key(section.id, peer, file.read_bytes().strip())


def secret_faults(settings: Settings) -> list[Problem]:
    """What is wrong with the secrets of webhooks, peers and the archive of recordings. Blocks."""
    lines = scan(read_text(settings.file))
    faults = [(path, fault) for path, read in _files(settings) if (fault := _fault(read))]
    return [
        Problem(str(settings.file), lines.line_of(path), f"{dotted(path)} {fault}")
        for path, fault in [*faults, *archive_faults(settings.archive)]
    ]


def _files(settings: Settings) -> Iterator[tuple[TomlPath, Callable[[], object]]]:
    """Each place that names a file, and what reads it."""
    raw, folder = settings.raw, settings.file.parent
    for index, hook in enumerate(raw.webhooks):
        yield ("webhooks", index, "secret_file"), partial(hooks_of, [hook], folder)
    for index, peer in enumerate(raw.exchange.peers):
        for place, key in enumerate(peer.keys):
            path: TomlPath = ("exchange", "peers", index, "keys", place, "file")
            yield path, partial(key_of, key, peer.id, folder)


def _fault(read: Callable[[], object]) -> str:
    try:
        read()
    except OSError as error:
        return f"cannot be read: {error.strerror}"
    except ValueError as error:
        return str(error)
    return ""
