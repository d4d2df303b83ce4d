"""Talking to a hotline that serves: its address and token are where the configuration's data folder has them."""

from __future__ import annotations

import json
import urllib.error
import urllib.request
from pathlib import Path
from typing import Any


class ClientError(Exception):
    """The hotline did not do what was asked; the text is for the user."""


class Client:
    """The HTTP API, for command lines and the demo. Blocking."""

    def __init__(self, data: Path, *, timeout_s: float = 10.0) -> None:
        try:
            self.url = (data / "web-address").read_text(encoding="utf-8").strip()
            self._token = (data / "api-token").read_text(encoding="utf-8").strip()
        except OSError:
            raise ClientError("the hotline is not running (start it with `./hotline run`)") from None
        self._timeout_s = timeout_s

    def get(self, path: str) -> Any:
        """GET `path`; the JSON answer. Raises `ClientError`."""
        return self._call("GET", path, None)

    def post(self, path: str, body: object = None) -> Any:
        """POST JSON to `path`; the JSON answer. Raises `ClientError`."""
        return self._call("POST", path, body if body is not None else {})

    def patch(self, path: str, body: object) -> Any:
        """PATCH `path` with JSON; the JSON answer. Raises `ClientError`."""
        return self._call("PATCH", path, body)

    def _call(self, method: str, path: str, body: object) -> Any:
        data = json.dumps(body).encode() if body is not None else None
        headers = {"Authorization": f"Bearer {self._token}", "Content-Type": "application/json"}
        request = urllib.request.Request(  # noqa: S310 - our own http address
            self.url.rstrip("/") + path, data=data, method=method, headers=headers
        )
        opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
        try:
            with opener.open(request, timeout=self._timeout_s) as answer:
                return json.load(answer)
        except urllib.error.HTTPError as error:
            with error:
                raise ClientError(refused_words(error.read())) from None
        except (urllib.error.URLError, OSError):
            raise ClientError(f"no answer from {self.url}: is the hotline running?") from None


def refused_words(body: bytes) -> str:
    """The sentence of a refusal for people, with its detail where it has one; what is no JSON, as it came."""
    try:
        told = json.loads(body)
        message, detail = told.get("message", {}), told.get("detail", {})
        more = "; " + ", ".join(f"{name}: {value}" for name, value in detail.items()) if detail else ""
        return f"{message.get('en', told.get('error', ''))} ({message.get('zh', '')}){more}"
    except ValueError:
        return body.decode(errors="replace")[:200]
