"""DOOR to an S3-compatible object store (MinIO, Ceph, OSS, OBS, COS): a shelf whose files are objects.

The client is obstore (the Rust crate object_store): multipart uploads, retries of what may be retried, and time limits
are its own. A file appears only when its upload is complete, so no reader ever sees a part.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING

from recordings.archive.shelf import KeyTaken, NotOnShelf, ShelfAway, ShelfError, checked_key

if TYPE_CHECKING:
    from obstore.store import S3Store


@dataclass(frozen=True, slots=True)
class ObjectStorePlace:
    """Where the object store is. `endpoint` as `https://host:port`; times in seconds.

    `path_style`: the bucket is the first part of the path (MinIO, Ceph), not of the host's name. `timeout_s` bounds one
    request, `retry_s` all tries of one; an hour's outage is not waited for here but by whoever calls again.
    """

    endpoint: str
    bucket: str
    access_key: str
    secret_key: str
    region: str = "us-east-1"
    prefix: str = ""
    path_style: bool = True
    connect_s: float = 3.0
    timeout_s: float = 30.0
    retry_s: float = 10.0


class ObjectShelf:
    """A shelf in one bucket, below one prefix. See `recordings.archive.shelf.Shelf`."""

    def __init__(self, place: ObjectStorePlace) -> None:
        """Connects with the first request."""
        self._place = place
        self._made: S3Store | None = None

    def _store(self) -> S3Store:
        if self._made is None:
            from obstore.store import S3Store  # with the first request: a starting controller has callers waiting

            p = self._place
            self._made = S3Store(
                p.bucket,
                prefix=p.prefix or None,
                endpoint=p.endpoint,
                region=p.region,
                access_key_id=p.access_key,
                secret_access_key=p.secret_key,
                virtual_hosted_style_request=not p.path_style,
                client_options={
                    "allow_http": p.endpoint.startswith("http://"),
                    "connect_timeout": timedelta(seconds=p.connect_s),
                    "timeout": timedelta(seconds=p.timeout_s),
                },
                retry_config={"max_retries": 3, "retry_timeout": timedelta(seconds=p.retry_s)},
            )
        return self._made

    def put(self, key: str, source: Path) -> None:
        """See Shelf.put."""
        import obstore

        there, size = self.size(key), source.stat().st_size
        if there == size:
            return
        if there is not None:
            raise KeyTaken("another file lies at this place in the archive")
        try:
            with _said():
                obstore.put(self._store(), checked_key(key), source)
        except NotOnShelf as error:
            raise ShelfError(f"the object store has no bucket named {self._place.bucket}: make it") from error

    def size(self, key: str) -> int | None:
        """See Shelf.size."""
        import obstore

        try:
            with _said():
                return int(obstore.head(self._store(), checked_key(key))["size"])
        except NotOnShelf:
            return None

    def read(self, key: str, start: int, length: int) -> bytes:
        """See Shelf.read."""
        import obstore

        with _said():
            return bytes(obstore.get_range(self._store(), checked_key(key), start=start, length=length))

    def erase(self, key: str) -> bool:
        """See Shelf.erase."""
        import obstore

        if self.size(key) is None:
            return False
        with _said():
            obstore.delete(self._store(), key)
        return True


@contextmanager
def _said() -> Iterator[None]:
    """obstore's errors as ours; its long ones name addresses and paths, which stay out of what is shown."""
    from obstore.exceptions import BaseError, PermissionDeniedError, UnauthenticatedError

    try:
        yield
    except (FileNotFoundError, NotADirectoryError) as error:
        raise NotOnShelf("there is no such file in the archive") from error
    except (PermissionDeniedError, UnauthenticatedError) as error:
        raise ShelfError(
            "the object store refuses our key: check access_key, secret_key and the bucket's policy"
        ) from (error)
    except (BaseError, OSError) as error:
        raise ShelfAway(f"the object store does not answer as it should ({type(error).__name__})") from error
