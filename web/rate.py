"""How often strangers may ask: a token bucket for each address, and one for all of them together.

Addresses are kept in memory only, as long as their buckets are not full again, and stand in no log.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass

from aiohttp import web

from web.errors import ApiError


@dataclass(frozen=True, slots=True)
class RateRules:
    """Requests: so many at once (`burst`), then `per_minute`. `all_per_s`: of everybody together, in a second.

    A city's citizens may share one address (carrier-grade NAT), so one address has room for many.
    """

    burst: int = 30
    per_minute: float = 60.0
    all_per_s: float = 50.0
    most_addresses: int = 20_000


class RateLimit:
    """The buckets. `clock` in seconds, of any origin; it need not be right, only go on."""

    def __init__(self, rules: RateRules, clock: Callable[[], float]) -> None:
        self._rules = rules
        self._clock = clock
        self._left: OrderedDict[str, tuple[float, float]] = OrderedDict()  #: address -> (requests left, when)
        self._all = (rules.all_per_s, clock())

    def check(self, request: web.Request) -> None:
        """Count a request; ApiError 429 with ``Retry-After`` when it is too many."""
        wait = self.take(request.remote or "")
        if wait > 0:
            raise ApiError(429, "too_many_requests", headers={"Retry-After": str(max(1, round(wait + 0.5)))})

    def take(self, address: str) -> float:
        """0 when the address may ask now, else after how many seconds."""
        rules, now = self._rules, self._clock()
        per_s = rules.per_minute / 60.0
        left, since = self._left.pop(address, (float(rules.burst), now))
        left = min(float(rules.burst), left + max(0.0, now - since) * per_s)
        wait = (1.0 - left) / per_s if left < 1.0 else self._take_of_all(now)
        self._left[address] = (left if wait > 0 else left - 1.0, now)
        while len(self._left) > rules.most_addresses:
            self._left.popitem(last=False)  # who has not asked for longest
        return wait

    def _take_of_all(self, now: float) -> float:
        rate = self._rules.all_per_s
        left, since = self._all
        left = min(rate, left + max(0.0, now - since) * rate)
        if left < 1.0:
            self._all = (left, now)
            return (1.0 - left) / rate
        self._all = (left - 1.0, now)
        return 0.0
