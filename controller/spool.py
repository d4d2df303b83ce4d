"""What waits on disk while the database is away: operations as JSON lines, written back before anything newer.

The file holds callers' data like the database itself, so its mode is 0600. An operation may be performed twice when the
program dies in the middle of writing the file back; every operation that can be spooled is therefore the same done
twice as done once (an upsert, or one ticket per call).
"""

from __future__ import annotations

import json
import logging
import os
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Generic, TypeVar

from pydantic import TypeAdapter, ValidationError
from sqlalchemy import Connection

log = logging.getLogger(__name__)

A = TypeVar("A")
R = TypeVar("R")


@dataclass(frozen=True, slots=True, eq=False)
class Operation(Generic[A, R]):
    """One kind of write: its stable name, what it does inside the writer's transaction, and its argument's JSON form.

    `perform` may run more than once for one argument (a batch that failed is tried again), so it may change nothing but
    the database. Without `adapter` it cannot be spooled and is lost when the database stays away. `perform_many` does a
    row of them at once, with the same effect, for an operation without a result. `posts`: it may leave something to be
    sent, a move or a message; who sends is woken after its commit (`Store.listen`).
    """

    name: str
    perform: Callable[[Connection, A], R]
    adapter: TypeAdapter[A] | None = None
    perform_many: Callable[[Connection, Sequence[A]], None] | None = None
    posts: bool = False


class Spool:
    """The file. Not safe for two threads; only the writer's thread uses it."""

    def __init__(self, path: Path, operations: Iterable[Operation[Any, Any]]) -> None:
        self._path = path
        self._operations: Mapping[str, Operation[Any, Any]] = {operation.name: operation for operation in operations}
        self._size = 0  #: bytes that hold whole lines; a torn end is cut off before the next line is written
        self.count = 0  #: operations that wait in the file
        if path.exists():
            for line in self._lines():
                self._size += len(line)
                self.count += 1

    @property
    def path(self) -> Path:
        """Where the file is."""
        return self._path

    def append(self, items: Iterable[tuple[Operation[Any, Any], Any]]) -> int:
        """Add operations and make them durable; how many could be kept. Raises OSError: then none of them was."""
        lines = [self._line(operation, argument) for operation, argument in items if operation.adapter is not None]
        if not lines:
            return 0
        self._path.parent.mkdir(parents=True, exist_ok=True)
        handle = os.open(self._path, os.O_CREAT | os.O_RDWR | os.O_CLOEXEC, 0o600)
        try:
            os.ftruncate(handle, self._size)
            os.lseek(handle, self._size, os.SEEK_SET)
            data = b"".join(lines)
            try:
                written = 0
                while written < len(data):
                    written += os.write(handle, data[written:])
                os.fsync(handle)
            except OSError:
                os.ftruncate(handle, self._size)
                raise
        finally:
            os.close(handle)
        self._size += len(data)
        self.count += len(lines)
        return len(lines)

    def read(self) -> Iterator[tuple[Operation[Any, Any], Any]]:
        """The operations that wait, oldest first; a line that cannot be understood is logged, without data."""
        if not self.count:
            return
        for number, line in enumerate(self._lines(), 1):
            try:
                entry = json.loads(line)
                operation = self._operations[entry["operation"]]
                if operation.adapter is None:
                    raise KeyError(operation.name)
                argument = operation.adapter.validate_python(entry["argument"], strict=False)
            except (ValueError, KeyError, TypeError, ValidationError) as error:
                log.error(
                    "a spooled operation cannot be understood and is left out: line %d (%s)",
                    number,
                    type(error).__name__,
                    extra={"action": "spool_line_damaged"},
                )
                continue
            yield operation, argument

    def clear(self) -> None:
        """All of it is in the database: remove the file."""
        self._path.unlink(missing_ok=True)
        self._size = self.count = 0

    def _lines(self) -> Iterator[bytes]:
        with self._path.open("rb") as file:
            for line in file:
                if line.endswith(b"\n"):
                    yield line

    @staticmethod
    def _line(operation: Operation[A, Any], argument: A) -> bytes:
        if operation.adapter is None:
            raise AssertionError(f"{operation.name} cannot be spooled")
        name = json.dumps(operation.name).encode()
        return b'{"operation":' + name + b',"argument":' + operation.adapter.dump_json(argument) + b"}\n"
