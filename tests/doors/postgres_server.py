"""A PostgreSQL of our own for the tests: its data in a temporary folder, reached by a socket file, ended with them."""

from __future__ import annotations

import glob
import os
import platform
import pwd
import shutil
import subprocess
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import psycopg

from controller.debian import PrepareError, is_prepared, prepare_tree

ROOT = Path(__file__).resolve().parents[2]
START_S = 60.0


class NoPostgres(Exception):
    """There is no PostgreSQL here and none could be prepared; the text says why."""


class PostgresServer:
    """One server. Ours runs as an unprivileged user when the tests run as root, which PostgreSQL refuses."""

    def __init__(self, programs: Path, environment: Mapping[str, str]) -> None:
        self._programs = programs
        self._environment = {**os.environ, **environment, "LC_ALL": "C"}
        self._as: dict[str, Any] = {}
        self.folder = Path(tempfile.mkdtemp(prefix="hotline-pg-"))
        if os.geteuid() == 0:
            user = pwd.getpwnam("nobody")
            self._as = {"user": user.pw_uid, "group": user.pw_gid, "extra_groups": ()}
            os.chown(self.folder, user.pw_uid, user.pw_gid)
        self._data = self.folder / "data"
        self._databases = 0
        self._process: subprocess.Popen[bytes] | None = None
        self._run(
            "initdb", "--auth=trust", "--username=hotline", "--encoding=UTF8", "--no-sync", f"--pgdata={self._data}"
        )

    def _run(self, program: str, *arguments: str) -> None:
        done = subprocess.run(
            [self._programs / program, *arguments],
            env=self._environment,
            cwd=self.folder,
            capture_output=True,
            timeout=START_S,
            **self._as,
        )
        if done.returncode != 0:
            raise NoPostgres(f"{program} failed: {done.stderr.decode(errors='replace')[-500:]}")

    def start(self) -> None:
        """Start it and wait until it answers."""
        settings = {"listen_addresses": "", "unix_socket_directories": str(self.folder), "fsync": "off"}
        with (self.folder / "log").open("ab") as log:
            self._process = subprocess.Popen(
                [
                    self._programs / "postgres",
                    "-D",
                    str(self._data),
                    *(part for name, value in settings.items() for part in ("-c", f"{name}={value}")),
                ],
                env=self._environment,
                cwd=self.folder,
                stdout=log,
                stderr=log,
                **self._as,
            )
        ready = [str(self._programs / "pg_isready"), "-h", str(self.folder), "-t", "1"]
        for _ in range(int(START_S * 10)):
            if subprocess.run(ready, env=self._environment, capture_output=True).returncode == 0:
                return
            try:
                self._process.wait(0.1)
            except subprocess.TimeoutExpired:
                continue
            raise NoPostgres(f"postgres ended at once: {(self.folder / 'log').read_text()[-500:]}")
        raise NoPostgres("postgres did not answer")

    def stop(self, *, crash: bool = False) -> None:
        """Stop it: fast (open connections are ended), or by SIGQUIT as in a crash."""
        if self._process is not None:
            self._process.send_signal(3 if crash else 2)
            self._process.wait(START_S)
            self._process = None

    def remove(self) -> None:
        """Stop it and remove all of it."""
        self.stop()
        shutil.rmtree(self.folder)

    def url(self, database: str) -> str:
        """How the hotline names a database of this server."""
        return f"postgresql://hotline@/{database}?host={self.folder}"

    def execute(self, statement: str, database: str = "postgres") -> None:
        """Run one statement beside the program under test."""
        with psycopg.connect(f"host={self.folder} user=hotline dbname={database}", autocommit=True) as connection:
            connection.execute(statement.encode())

    def new_database(self) -> str:
        """A new empty database's name."""
        self._databases += 1
        name = f"test_{self._databases}"
        self.execute(f"CREATE DATABASE {name}")
        return name

    def drop_database(self, name: str) -> None:
        """Remove a database, whoever is connected to it."""
        self.execute(f"DROP DATABASE IF EXISTS {name} WITH (FORCE)")


def find_postgres(places: Sequence[str] = ("/usr/lib/postgresql/*/bin",)) -> tuple[Path, Mapping[str, str]]:
    """Folder of PostgreSQL's programs and what their environment needs; a private tree is prepared if there is none.

    Raises `NoPostgres`.
    """
    on_path = shutil.which("initdb")
    candidates = [Path(on_path).resolve().parent] if on_path and places else []
    candidates += [Path(found) for place in places for found in sorted(glob.glob(place), reverse=True)]
    for folder in candidates:
        if (folder / "postgres").exists() and (folder / "pg_isready").exists():
            return folder, {}
    return _prepared()


def _prepared() -> tuple[Path, Mapping[str, str]]:
    try:
        release = platform.freedesktop_os_release()
    except OSError:
        release = {}
    # The tree's programs start each other by path, so they need the machine's own loader: the suite must be its own.
    suite = release.get("VERSION_CODENAME", "")
    package = {"bookworm": "postgresql-15", "trixie": "postgresql-17", "forky": "postgresql-18"}.get(suite)
    if package is None:
        raise NoPostgres("no PostgreSQL on this machine, and it is not a Debian whose package could be prepared")
    tree = ROOT / "var" / "postgresql"
    packages = [package]
    try:
        if not is_prepared(tree, packages, suite=suite):
            prepare_tree(packages, suite=suite, root=tree, cache=ROOT / "var" / "cache", progress=lambda text: None)
    except PrepareError as error:
        raise NoPostgres(str(error)) from None
    (programs,) = tree.glob("usr/lib/postgresql/*/bin")
    libraries = {str(path.parent) for path in tree.glob("usr/lib/*-linux-gnu/libpq.so.5")}
    libraries |= {str(path.parent) for path in tree.glob("lib/*-linux-gnu/*.so*")}
    return programs, {"LD_LIBRARY_PATH": ":".join(sorted(libraries))}
