"""How long a caller will wait still: an interval from the live state, which never rises without a stated cause.

He is served at the (`ahead` + 1)-th time that an agent of his becomes free. `Scene.free` is how often that is
expected to have happened `t` seconds from now: every agent works off his present call (what remains of a talk follows
from its age and the talks of this queue so far) and then one caller in each cycle, while those ahead give up at the
rate that has been seen. Around that expectation the wait is taken as gamma distributed: exactly right for agents with
exponential times (k-th departure of n servers, an Erlang distribution), widened for what is not known well: the mean
of the talks from few samples, and a model that is only a model (`MODEL_SPREAD`). `domain.md` 2.13 and 4 ask for an
interval that is honest: `tests/core/test_estimate_coverage.py` measures how often it holds.
"""

from __future__ import annotations

import enum
import math
from bisect import bisect_left, bisect_right, insort
from collections import deque
from collections.abc import Callable, Iterable
from dataclasses import dataclass

from pbx.call import Estimate, Interval

DEFAULT_TALK_S = 150.0
"""Mean talk before any has been measured: Changzhou's 150 s (`domain.md` 1.9)."""

DEFAULT_PATIENCE_S = 900.0
"""One caller in so many seconds of waiting gives up, before any has: few, so that nobody is promised too much."""

SIDE = 1.32
"""Normal deviate of each end, 9 % below and 9 % above: the interval is to hold for 80 % and more."""

MODEL_SPREAD = 0.1
"""Relative spread of the wait for what the model leaves out: breaks, hand-overs, agents of other queues."""

LONGER_TALKS = 1.1
"""Talks that have become longer by this factor are a cause that may be stated."""

_EVERYBODY_GONE = 30.0
"""After so many mean patiences e^-30 of those ahead are left; beyond it nothing is to be computed."""

COARSE_FROM_MIN = 20
"""Above so many minutes the interval is told in steps of five: a finer one would claim to be exact."""


# ---------------------------------------------------------------- what has been seen


class Talks:
    """The lengths of a queue's latest talks, in seconds; before any, those that the configuration expects.

    The expectation is `_PRIOR` points of an exponential distribution with the mean `expected_s`; each measured talk
    drives one of them out, so a queue has its own figures after a few calls and follows the day's changes.
    """

    _PRIOR = 20
    _KEPT = 200

    def __init__(self, expected_s: float = DEFAULT_TALK_S) -> None:
        """Raises ValueError unless the expectation is positive."""
        if expected_s <= 0:
            raise ValueError(f"talks of {expected_s} s cannot be expected")
        points = [-math.log(1.0 - (place + 0.5) / self._PRIOR) for place in range(self._PRIOR)]
        scale = expected_s / (sum(points) / len(points))
        self._prior = sorted(point * scale for point in points)
        self._seen: deque[float] = deque()
        self._sorted = list(self._prior)
        self._sum = sum(self._sorted)
        self._squares = sum(length * length for length in self._sorted)

    def add(self, seconds: float) -> None:
        """A talk has ended after so many seconds; a negative length counts as 0."""
        seconds = max(seconds, 0.0)
        if len(self._seen) < self._PRIOR:  # the point that resembles it least stands for it no more
            self._forget(self._prior.pop(min(range(len(self._prior)), key=lambda at: abs(self._prior[at] - seconds))))
        elif len(self._seen) == self._KEPT:
            self._forget(self._seen.popleft())
        self._seen.append(seconds)
        insort(self._sorted, seconds)
        self._sum += seconds
        self._squares += seconds * seconds

    def _forget(self, seconds: float) -> None:
        del self._sorted[bisect_left(self._sorted, seconds)]
        self._sum -= seconds
        self._squares -= seconds * seconds

    @property
    def seen(self) -> tuple[float, ...]:
        """The lengths that were measured and count still, oldest first."""
        return tuple(self._seen)

    @property
    def samples(self) -> int:
        """From how many lengths the figures are made."""
        return len(self._sorted)

    @property
    def mean_s(self) -> float:
        """The mean length; at least one second, so that no rate is infinite."""
        return max(self._sum / len(self._sorted), 1.0)

    @property
    def spread(self) -> float:
        """Squared coefficient of variation."""
        mean = self._sum / len(self._sorted)
        return max(self._squares / len(self._sorted) - mean * mean, 0.0) / max(mean * mean, 1.0)

    def remaining(self, age_s: float) -> float:
        """How much longer a talk lasts on average that has lasted `age_s` already.

        One that is longer than all that have been seen is expected to last half as long again, as long talks do.
        """
        place = bisect_right(self._sorted, age_s)
        longer = self._sorted[place:]
        if not longer:
            return max(self.mean_s, age_s / 2)
        return max(sum(longer) / len(longer) - age_s, 1.0)


class Patience:
    """At which rate those who wait give up: hang-ups by seconds of waiting, the newest callers counting most."""

    _CALLS = 200
    _PRIOR = 5.0

    def __init__(self, expected_s: float = DEFAULT_PATIENCE_S) -> None:
        """`expected_s`: mean patience before anybody has waited. Raises ValueError unless it is positive."""
        if expected_s <= 0:
            raise ValueError(f"a patience of {expected_s} s cannot be expected")
        self._gone = self._PRIOR
        self._waited = self._PRIOR * expected_s

    def add(self, waited_s: float, *, gave_up: bool) -> None:
        """A caller's waiting has ended."""
        keep = 1.0 - 1.0 / self._CALLS
        self._gone = self._gone * keep + gave_up
        self._waited = self._waited * keep + max(waited_s, 0.0)

    @classmethod
    def of(cls, gone: float, waited_s: float) -> Patience:
        """The patience that had these `sums`."""
        found = cls()
        found._gone, found._waited = gone, waited_s
        return found

    @property
    def sums(self) -> tuple[float, float]:
        """Hang-ups, and the seconds of waiting in which they happened; older ones count less."""
        return self._gone, self._waited

    @property
    def rate(self) -> float:
        """Hang-ups for each second that one caller waits."""
        return self._gone / max(self._waited, 1.0)


# ---------------------------------------------------------------- what will happen


@dataclass(frozen=True, slots=True)
class Busy:
    """An agent at work: free in `seconds` on average; `sure` = then exactly (wrap-up has an end that is known)."""

    seconds: float
    sure: bool = False


@dataclass(frozen=True, slots=True)
class Scene:
    """What an estimate is made from: the state in which a caller waits.

    `ahead`: callers who are served before him by the same agents; a fraction where those of another queue share only
    some of the agents. `agents`: those signed in for him who work. `cycle_s`: mean time from one caller to the next of
    one agent (ringing, talk, wrap-up), `spread` its squared coefficient of variation, `samples` how many lengths it
    was measured by. `gives_up`: rate (1/s) at which each of those ahead hangs up. `talk_s`: mean talk.
    """

    ahead: float
    agents: tuple[Busy, ...]
    cycle_s: float
    spread: float = 1.0
    samples: int = 1
    gives_up: float = 0.0
    talk_s: float = DEFAULT_TALK_S

    def free(self, seconds: float) -> float:
        """How often an agent has become free `seconds` from now, on average."""
        return sum(_freed(busy, seconds, self.cycle_s) for busy in self.agents)


def _freed(busy: Busy, seconds: float, cycle_s: float) -> float:
    """How often one agent has become free: once when his present call is over, then once in each cycle."""
    if seconds >= busy.seconds:
        return 1.0 + (seconds - busy.seconds) / cycle_s
    return 0.0 if busy.sure else seconds / busy.seconds


class Cause(enum.Enum):
    """Why an announced wait has become longer; the caller is told in these words."""

    NONE = ""
    FEWER_AGENTS = "fewer_agents"  #: agents have signed out, or are not ready
    PRIORITY = "priority"  #: callers with priority have come before him
    LONGER_TALKS = "longer_talks"  #: the talks of today have become longer
    SLOWER = "slower"  #: those who talk now take longer than expected


def quantiles(scene: Scene) -> tuple[float, float, float] | None:
    """Low end, median and high end of the remaining wait in seconds; None when no agent is there to become free."""
    if not scene.agents:
        return None
    needed = scene.ahead + 1.0
    # Departures of many agents look like a Poisson stream at first; each agent's own regularity shows after a turn.
    turn = min(1.0, len(scene.agents) / needed)
    of_times = (turn + (1.0 - turn) * scene.spread) / needed
    of_mean = scene.spread / max(scene.samples, 1)
    variance = of_times + of_mean + MODEL_SPREAD**2
    # Each is right to a tenth of a second, so where many leave at one instant they could change places.
    low, middle, high = sorted(_wait(scene, _gamma(variance, side)) for side in (-SIDE, 0.0, SIDE))
    return low, middle, high


def _gamma(variance: float, normal: float) -> float:
    """The quantile of a gamma distribution with mean 1 that stands at `normal` (Wilson and Hilferty 1931)."""
    ninth = variance / 9.0
    return max(1.0 - ninth + normal * math.sqrt(ninth), 0.0) ** 3


def _wait(scene: Scene, factor: float) -> float:
    """After how many seconds he is served if everything takes `factor` times as many departures as expected.

    Those ahead are fewer by those who give up: k' = -s(t) - g k, hence k is 0 when the departures, each weighted by
    e^(g t), have reached `ahead`. Then he is first, and waits for one departure more.
    """
    limit = (scene.ahead + 2.0) * max(factor, 1.0) * (scene.cycle_s + max(busy.seconds for busy in scene.agents))
    first = 0.0
    if scene.ahead > 0:
        first = _inverse(lambda t: _weighted(scene, t), scene.ahead * factor, limit)
    before = scene.free(first)
    return _inverse(scene.free, before + factor, first + limit)


def _weighted(scene: Scene, seconds: float) -> float:
    """Departures until `seconds`, each weighted by how many who were behind it have given up meanwhile."""
    rate = scene.gives_up
    if rate * seconds < 1e-6:
        return scene.free(seconds)
    seconds = min(seconds, _EVERYBODY_GONE / rate)
    total = 0.0
    for busy in scene.agents:
        at_once = busy.sure or busy.seconds < 0.001
        if not at_once:
            total += math.expm1(rate * min(seconds, busy.seconds)) / (rate * busy.seconds)
        if seconds >= busy.seconds:
            if at_once:
                total += math.exp(rate * busy.seconds)
            total += (math.exp(rate * seconds) - math.exp(rate * busy.seconds)) / (rate * scene.cycle_s)
    return total


def _inverse(rising: Callable[[float], float], value: float, limit: float) -> float:
    """Where a function that never falls reaches `value`, to a tenth of a second; `limit` if only beyond it."""
    low, high = 0.0, limit
    while high - low > 0.1:
        middle = (low + high) / 2
        if rising(middle) >= value:
            high = middle
        else:
            low = middle
    return high


# ---------------------------------------------------------------- what is said


def rounded(low_s: float, high_s: float) -> Interval:
    """An interval of whole minutes that holds the given one: it is never made narrower by being spoken."""
    high = math.ceil(high_s / 60.0)
    low = int(low_s // 60)
    if high <= 1:
        return Interval(0, 0)
    if high > COARSE_FROM_MIN:
        high, low = math.ceil(high / 5) * 5, low // 5 * 5
    return Interval(low, high)


def announce(scene: Scene, before: Estimate | None, at: float) -> Estimate:
    """What the caller is told at epoch second `at`, after what he was told `before`.

    The announced wait rises only with a cause that can be stated: fewer agents, callers with priority before him,
    longer talks; or because it has become more likely than not that what he was told fails, as those who talk now take
    longer. Otherwise it stays as it was, or falls.
    """
    found = quantiles(scene)
    if found is None:
        cause = Cause.FEWER_AGENTS if before is not None and before.agents else Cause.NONE
        return Estimate(at, Interval(0, None), scene.ahead, 0, scene.talk_s, cause.value)
    low, middle, high = found
    agents = len(scene.agents)
    wait = rounded(low, high)
    if before is None or before.interval.high is None or wait.high is None:
        return Estimate(at, wait, scene.ahead, agents, scene.talk_s)
    cause = _cause(scene, before, middle) if wait.high > before.interval.high else Cause.NONE
    if cause is not Cause.NONE:
        return Estimate(at, wait, scene.ahead, agents, scene.talk_s, cause.value)
    most = min(wait.high, before.interval.high)
    # What it is measured against stays what it was when the wait last rose, or a cause that came slowly would be lost.
    against = max(agents, before.agents), min(scene.talk_s, before.talk_s)
    return Estimate(at, Interval(min(wait.low, most), most), scene.ahead, *against)


def _cause(scene: Scene, before: Estimate, middle_s: float) -> Cause:
    if len(scene.agents) < before.agents:
        return Cause.FEWER_AGENTS
    if scene.ahead > before.ahead:
        return Cause.PRIORITY
    if scene.talk_s >= before.talk_s * LONGER_TALKS:
        return Cause.LONGER_TALKS
    if middle_s > max(before.interval.high or 0, 1) * 60.0:
        return Cause.SLOWER
    return Cause.NONE


def shared(ahead: Iterable[tuple[int, int]]) -> float:
    """How many of those ahead are served by his agents: each counts by the share of his own agents who are his too.

    `ahead`: for every caller ahead, how many agents could serve him, and how many of these could serve our caller.
    """
    return sum(common / own for own, common in ahead if own)
