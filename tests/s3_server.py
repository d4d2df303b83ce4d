"""A real HTTP server that speaks S3 (moto), in this process; it can go away and come back with what it holds."""

from __future__ import annotations

import logging
import urllib.request
from typing import Any

BUCKET = "recordings"


class S3Server:
    """Serves on a free port of loopback until `close`; with one bucket."""

    def __init__(self) -> None:
        logging.getLogger("werkzeug").setLevel(logging.ERROR)
        self.port = 0
        self._server: Any = None
        self.open()
        request = urllib.request.Request(f"{self.url}/{BUCKET}", method="PUT")
        urllib.request.build_opener(urllib.request.ProxyHandler({})).open(request, timeout=10).close()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def open(self) -> None:
        """Serve, on the port of before if there was one."""
        from moto.server import ThreadedMotoServer

        self._server = ThreadedMotoServer("127.0.0.1", self.port, verbose=False)
        self._server.start()
        _, self.port = self._server.get_host_and_port()

    def close(self) -> None:
        """Answer nobody any more."""
        if self._server is not None:
            self._server.stop()
            self._server = None
