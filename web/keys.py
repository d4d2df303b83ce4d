"""What the handlers find in the application: typed keys, set once by `web.app.create_app`."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from aiohttp import web

from web.backend import Backend
from web.knowledge_backend import KnowledgeBackend


@dataclass(frozen=True, slots=True)
class WebLimits:
    """What one client may ask for. Lengths in characters, sizes in bytes, times in seconds."""

    body_bytes: int = 64 * 1024
    title_length: int = 120
    text_length: int = 10_000
    usual_window_s: float = 24 * 3600.0
    longest_window_s: float = 31 * 24 * 3600.0
    ticket_window_s: float = 3660 * 24 * 3600.0  #: lists of tickets come in pages, so they may reach back far


BACKEND: web.AppKey[Backend] = web.AppKey("backend", Backend)
LIMITS: web.AppKey[WebLimits] = web.AppKey("limits", WebLimits)
PROXIES: web.AppKey[frozenset[str]] = web.AppKey("proxies", frozenset)
"""Addresses of proxies before the pages, whose X-Forwarded-For is believed."""

CLOCK: web.AppKey[Callable[[], float]] = web.AppKey("clock", Callable[[], float])  # type: ignore[arg-type]
KNOWLEDGE: web.AppKey[KnowledgeBackend | None] = web.AppKey("knowledge", KnowledgeBackend)
"""None where the hotline serves no knowledge base (a stage without a store)."""
