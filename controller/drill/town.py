"""The drill's people: citizens who call without a pause and agents who answer, on real SIP phones.

They know nothing of what is done to the hotline; they write down what they see (`ledger.py`). What they do is drawn
from one seeded source, so that a drill can be repeated; when what happens depends on the machine.
"""

from __future__ import annotations

import asyncio
import contextlib
import random
from collections.abc import Callable
from typing import Any

from controller.demo.stage import Stage
from controller.drill.ledger import DIRECT, MENU, Ledger, Placed, Ring
from controller.softphone import Call, CallFailed, Phone

STEP_S = 10.0
"""Being answered by the exchange takes longer than this: the call has failed."""
PATIENCE_S = 150.0
"""A citizen who has not been served after so long has been forgotten: he counts as lost."""
BURST = 10
"""So many packets after a gap tell whether it was one."""
LOUD = 12
"""An A-law packet with so many different values is music or speech, not silence or a room's noise."""


class Town:
    """Citizens and agents. `citizens` of them call at a time."""

    def __init__(self, stage: Stage, ledger: Ledger, seed: int, citizens: int, epoch: Callable[[], float]) -> None:
        """`epoch`: what must be added to the loop's clock to get epoch seconds."""
        self._stage, self._ledger, self._epoch = stage, ledger, epoch
        self._citizens = citizens
        self._seed = seed
        self._serial = 0
        self._closing = asyncio.Event()
        self._callers: set[asyncio.Task[None]] = set()
        self._talks: set[asyncio.Task[None]] = set()
        self._answered: dict[str, asyncio.Future[Ring]] = {}
        self._draw = random.Random(seed)  # noqa: S311 - a script, no secret
        self._loop = asyncio.get_running_loop()
        self.alive: dict[str, Placed] = {}  #: calls that the exchange has answered and that are not over
        self.voice = b"".join(bytes(self._draw.choices(range(256), k=160)) for _ in range(10))

    def _now(self) -> float:
        return self._loop.time() + self._epoch()

    def _at(self, instant: float) -> float:
        return instant + self._epoch()

    # ---------------------------------------------------------------- agents

    def open(self) -> None:
        """The agents' phones answer from now on."""
        for number, phone in self._stage.phones.items():
            phone.record = False
            phone.on_call = lambda call, agent=number: self._keep(self._talks, self._take(agent, call))

    def _keep(self, kept: set[asyncio.Task[None]], work: object) -> None:
        task: asyncio.Task[None] = self._loop.create_task(work)  # type: ignore[arg-type]
        kept.add(task)
        task.add_done_callback(kept.discard)

    async def _take(self, agent: str, call: Call) -> None:
        """An agent's phone rings: most answer, a few decline or let it ring."""
        draw = self._draw
        ring = Ring(agent, call.remote_number, self._now(), call.header("X-CallId") or "")
        self._ledger.rings.append(ring)
        mood, rings_s, talk_s = draw.random(), draw.uniform(0.2, 1.2), draw.uniform(1.6, 4.0)
        try:
            if mood < 0.03:
                ring.declined = True  # lets it ring
                await call.ended(60)
                return
            with contextlib.suppress(TimeoutError):
                await call.ended(rings_s)
                return
            if mood < 0.06:
                ring.declined = True
                call.reject(486)
                return
            call.play(self.voice, loop=True)
            call.answer()
            ring.answered_at = self._now()
            with contextlib.suppress(TimeoutError):
                ring.heard_at = self._at((await call.event("rtp", 3)).at)
                found = self._answered.get(ring.number)
                if found is not None and not found.done():
                    found.set_result(ring)
            with contextlib.suppress(TimeoutError):
                await call.ended(talk_s)
                return
            ring.hung_up_at = self._now()
            await call.hangup()
        finally:
            if not self._closing.is_set() or call.state.value == "ended":
                with contextlib.suppress(TimeoutError):
                    ring.ended_at = self._at((await call.ended(5)).at)

    # ---------------------------------------------------------------- citizens

    async def begin(self) -> None:
        """Let the citizens call, each again as soon as his call is over."""
        for index in range(self._citizens):
            phone = await self._stage.citizen(f"139{index:08d}", record=False)
            self._keep(self._callers, self._calls(phone, random.Random(self._seed * 1000 + index)))  # noqa: S311

    async def end(self, timeout_s: float) -> None:
        """Nobody calls any more; wait for the calls that are there."""
        self._closing.set()
        if self._callers:
            await asyncio.wait(self._callers, timeout=timeout_s)
        await self.close()

    async def close(self) -> None:
        """Send everybody home at once."""
        self._closing.set()
        tasks = [*self._callers, *self._talks]
        for task in self._callers:
            task.cancel()
        if self._talks:
            await asyncio.wait(self._talks, timeout=3)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def _calls(self, phone: Phone, draw: random.Random) -> None:
        while not self._closing.is_set():
            self._serial += 1
            number = f"138{self._serial:08d}"
            dialled = MENU if draw.random() < 0.25 else DIRECT
            seen = Placed(number, dialled, self._now())
            self._ledger.placed.append(seen)
            try:
                await self._call(phone, seen, draw)
            finally:
                self.alive.pop(number, None)
                self._answered.pop(number, None)
            with contextlib.suppress(TimeoutError):  # until he calls again
                async with asyncio.timeout(draw.uniform(0.05, 1.0)):
                    await self._closing.wait()

    async def _call(self, phone: Phone, seen: Placed, draw: random.Random) -> None:
        answered: asyncio.Future[Ring] = self._loop.create_future()
        self._answered[seen.number] = answered
        call = await phone.call(seen.dialled, from_number=seen.number)
        deaf: list[Callable[[], None]] = []
        try:
            try:
                seen.answered_at = self._at(await call.answered(STEP_S))
            except (CallFailed, TimeoutError) as error:
                seen.failed = str(error) or "no answer"
                return
            self.alive[seen.number] = seen
            deaf.append(call.listen(_Ear(seen, answered, self._loop.time()).hears))
            if seen.dialled == MENU:
                await self._choose(call, seen, draw)
            await self._wait(call, seen, answered, draw)
        finally:
            for stop in deaf:
                stop()
            call.begin_hangup()
            with contextlib.suppress(TimeoutError):
                seen.ended_at = self._at((await call.ended(5)).at)

    async def _choose(self, call: Call, seen: Placed, draw: random.Random) -> None:
        """Listens to the menu for a moment and presses a key."""
        with contextlib.suppress(TimeoutError):
            await call.ended(draw.uniform(0.5, 4.0))
            return
        seen.keyed_at = self._now()
        await call.press(draw.choice("12291"))
        seen.keyed_at = self._now()

    async def _wait(self, call: Call, seen: Placed, answered: asyncio.Future[Ring], draw: random.Random) -> None:
        """Waits for an agent, talks, says how satisfied he is; or loses patience on the way."""
        patience = draw.uniform(0.5, 6.0) if draw.random() < 0.12 else PATIENCE_S
        ended = asyncio.ensure_future(call.ended(PATIENCE_S + 60))
        try:
            first: set[asyncio.Future[Any]] = {ended, answered}
            await asyncio.wait(first, timeout=patience, return_when=asyncio.FIRST_COMPLETED)
            if ended.done():
                return
            if not answered.done():
                if patience < PATIENCE_S:
                    seen.hung_up_at = self._now()
                return
            leaves = draw.random()
            if leaves < 0.2:  # he ends the talk himself
                await asyncio.wait({ended}, timeout=draw.uniform(0.3, 1.2))
                if not ended.done():
                    seen.hung_up_at = self._now()
                return
            ring = answered.result()
            while ring.ended_at is None and not ended.done():
                await asyncio.wait({ended}, timeout=0.2)  # the agent is heard no more: only the phone's owner sees when
            if leaves < 0.5:
                await asyncio.wait({ended}, timeout=draw.uniform(0.5, 2.0))
                if not ended.done() and call.state.value == "confirmed":
                    with contextlib.suppress(RuntimeError):
                        await call.press(draw.choice("12345"))
                await asyncio.wait({ended}, timeout=15)
            if not ended.done():
                seen.hung_up_at = self._now()
        finally:
            ended.cancel()
            await asyncio.gather(ended, return_exceptions=True)


class _Ear:
    """What a caller hears: the longest silence while he waits, the longest gap of packets while he talks."""

    def __init__(self, seen: Placed, answered: asyncio.Future[Ring], now: float) -> None:
        self._seen, self._answered = seen, answered
        self._sound, self._packet = now, 0.0
        self._gap: tuple[float, float, int] | None = None

    def hears(self, arrival: float, payload: bytes) -> None:
        """One packet."""
        seen = self._seen
        if not self._answered.done():
            if len(set(payload)) >= LOUD:
                seen.silence_s = max(seen.silence_s, arrival - self._sound)
                self._sound = arrival
            else:
                seen.silence_s = max(seen.silence_s, arrival - self._sound)
            self._packet = 0.0
        elif self._answered.result().ended_at is None:
            if self._packet and arrival - self._packet > max(0.1, seen.gap_s):
                self._gap = (arrival - self._packet, arrival, BURST)
            self._packet = arrival
            if self._gap is not None:
                self._weigh(arrival, *self._gap)

    def _weigh(self, arrival: float, gap_s: float, since: float, left: int) -> None:
        """A gap counts when the packets after it come at their own pace; a burst had waited for this process."""
        if left > 0:
            self._gap = (gap_s, since, left - 1)
            return
        self._gap = None
        if arrival - since > BURST * 0.02 * 0.6:
            self._seen.gap_s = max(self._seen.gap_s, gap_s)
