"""The drill's stage: the demonstration's, with a hotline of its own, a disk to be filled, a proxy before Asterisk."""

from __future__ import annotations

import asyncio
import contextlib
import random
import re
import sqlite3
import subprocess
from collections.abc import Callable, Collection
from datetime import datetime
from pathlib import Path

from controller.asterisk import Exchange
from controller.asterisk_tree import find_asterisk
from controller.build import Hotline
from controller.config import load
from controller.demo.stage import Stage, StageError
from controller.drill.ledger import Kept
from controller.drill.proxy import AmiProxy, Weather

CONFIGURATION = Path(__file__).with_name("hotline.toml")
DISK_MB = 512
"""Size of the disk of its own that the drill with a full disk gives the hotline."""
_CONNECTED = re.compile(r"^(\S+ \S+) INFO pbx\.ami: exchange connected, (\d+) channels", re.MULTILINE)


class DrillStage(Stage):
    """A hotline to be hurt. With `weather` its events come through a proxy; with `own_disk` its data lie on one."""

    def __init__(
        self,
        home: Path,
        var: Path,
        say: Callable[[str], None],
        folder: Path,
        source: random.Random,
        *,
        weather: Weather | None = None,
        own_disk: bool = False,
    ) -> None:
        super().__init__(home, var, None, say, folder=folder, configuration=CONFIGURATION)
        self._weather, self._source = weather, source
        self._own_disk = own_disk
        self.proxy: AmiProxy | None = None
        self.disk_is_real = False
        self._owned: Exchange | None = None

    async def spawn_controller(self) -> None:
        """Start the controller; before the first time, what it shall be hurt with."""
        if self._own_disk and not self.data.exists():
            self.disk_is_real = await asyncio.to_thread(self._mount)
        if self._weather is not None and self.proxy is None:
            await self._put_proxy_between(self._weather)
        await super().spawn_controller()

    async def close(self) -> None:
        """End everything, the proxy and the disk too."""
        await super().close()
        if self._owned is not None:
            await self._owned.stop(grace_s=3)
            self._owned = None
        if self.proxy is not None:
            await self.proxy.__aexit__(None, None, None)
            self.proxy = None
        await asyncio.to_thread(self._unmount)

    def _clear(self) -> None:
        self._unmount()  # of a drill that was killed
        super()._clear()

    # ---------------------------------------------------------------- the proxy

    async def _put_proxy_between(self, weather: Weather) -> None:
        """Start Asterisk ourselves and let the controller attach to it through the proxy."""
        hotline = Hotline(load(self.config), self.var, self.say)
        binary = find_asterisk(self.var)
        if binary is None:
            raise StageError("no Asterisk; run ./hotline asterisk prepare")
        wanted = await asyncio.to_thread(hotline.asterisk.settings)
        self._owned = Exchange(binary, wanted)
        await self._owned.start()
        self.proxy = AmiProxy(wanted.ami_host, wanted.ami_port, weather, self._source)
        await self.proxy.__aenter__()
        secret = self.folder / "ami-secret"
        secret.unlink(missing_ok=True)
        secret.touch(mode=0o600)
        secret.write_text(wanted.ami_secret, encoding="utf-8")
        attach = (
            f'[asterisk]\nmode = "attach"\nami_host = "127.0.0.1"\nami_port = {self.proxy.port}\n'
            f'ami_secret_file = "{secret}"\nspool = "{wanted.instance / "spool"}"\n'
        )
        text = self.config.read_text(encoding="utf-8")
        self.config.write_text(text.replace("[asterisk]\n", attach), encoding="utf-8")

    # ---------------------------------------------------------------- the disk

    def _mount(self) -> bool:
        """Give the data folder a small disk of its own, where this user may mount; whether it has one."""
        self.data.mkdir(parents=True, mode=0o755)
        command = ["mount", "-t", "tmpfs", "-o", f"size={DISK_MB}m,mode=755", "hotline-drill", str(self.data)]
        return subprocess.run(command, capture_output=True, check=False).returncode == 0

    def _unmount(self) -> None:
        if self.data.is_mount():
            subprocess.run(["umount", "-l", str(self.data)], capture_output=True, check=False)

    # ---------------------------------------------------------------- what the hotline says of itself

    def log_size(self) -> int:
        """Where the controller's log ends now."""
        with contextlib.suppress(OSError):
            return (self.folder / "controller.log").stat().st_size
        return 0

    def connected_at(self, since: int) -> float | None:
        """When the exchange was connected (epoch seconds), by the log from byte `since` on; None if not yet."""
        with (self.folder / "controller.log").open("rb") as file:
            file.seek(since)
            found = _CONNECTED.search(file.read().decode(errors="replace"))
        return datetime.strptime(found[1], "%Y-%m-%d %H:%M:%S,%f").timestamp() if found else None

    def calls_of(self, numbers: Collection[str]) -> dict[str, str]:
        """The ids of these callers' calls, as far as they are stored."""
        marks = ",".join("?" * len(numbers))
        query = f"SELECT caller, call FROM calls WHERE caller IN ({marks})"  # noqa: S608 - only question marks
        with contextlib.closing(sqlite3.connect(self.data / "hotline.db", timeout=30)) as database:
            return dict(database.execute(query, list(numbers)).fetchall())

    def open_calls(self) -> int:
        """How many stored calls have no end."""
        with contextlib.closing(sqlite3.connect(self.data / "hotline.db", timeout=30)) as database:
            return int(database.execute("SELECT count(*) FROM calls WHERE ended_at IS NULL").fetchone()[0])

    def kept(self) -> list[Kept]:
        """Every stored call."""
        query = (
            "SELECT caller, call, dialled, queue, arrived_at, queued_at, joined_at, released_at, ended_at, outcome, "
            "agent, in_net FROM calls ORDER BY arrived_at"
        )
        with contextlib.closing(sqlite3.connect(self.data / "hotline.db", timeout=30)) as database:
            return [Kept(*row) for row in database.execute(query)]
