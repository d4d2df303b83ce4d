"""The page of open tickets in a real Chromium: a unit sees its own, and what it is reminded of as it is made, once."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import replace

import pytest
from playwright.async_api import expect

from pbx.ids import TicketNumber
from tests.browser.chromium import chromium, chromium_path
from tests.browser.test_query_page import WATER_BUREAU
from tests.doors.test_web_tickets import People
from tests.fakes.backend import MemoryBackend
from tests.fakes.desk import NoReminders
from tests.fakes.website import site
from tests.ticket_story import BOSS, DESK, MONDAY
from tickets.flow import Intake
from tickets.given import Move
from tickets.moves import TicketInput
from tickets.organisations import OrganisationTree
from tickets.schedule import Act, Made, Outcome
from tickets.ticket import Channel, Ticket, TicketChange
from web.backend import ChangeSignal

pytestmark = [
    pytest.mark.browser,
    pytest.mark.skipif(
        chromium_path() is None and "CI" not in os.environ, reason="no Chromium (Debian's package chromium)"
    ),
]


class SomeReminders(NoReminders):
    """What the test makes is kept and told."""

    def __init__(self, backend: MemoryBackend) -> None:
        self._backend, self._signal, self._made = backend, ChangeSignal(), list[Made]()

    def make(self, ticket: Ticket, act: Act) -> None:
        no, now = len(self._made) + 1, self._backend.clock()
        self._made.append(Made(ticket.number, f"k{no}", "r", act, ("unit",), "water", now, now, now, Outcome.MADE, no))
        self._signal.bump()

    async def changed(self, version: int) -> int:
        return await self._signal.wait(version)

    @property
    def version(self) -> int:  # type: ignore[override]
        return self._signal.version

    async def newest(self) -> int:
        return len(self._made)

    async def after(self, no: int, count: int) -> Sequence[tuple[Made, Ticket]]:
        return [(one, self._backend.desk.tickets[TicketNumber(one.ticket)]) for one in self._made if one.no > no]

    async def of(self, numbers: Sequence[TicketNumber]) -> dict[str, list[Made]]:
        return {number: [one for one in self._made if one.ticket == number] for number in numbers}


async def test_a_unit_sees_its_tickets_and_each_reminder_as_it_is_made() -> None:
    backend = MemoryBackend()
    backend.reminders = reminders = SomeReminders(backend)
    found = []
    for unit, words in (("water", "<b>家里停水了</b>"), ("roads", "路灯不亮")):
        taken = await backend.desk.take(
            Intake(Channel.WEB, backend.clock()), TicketChange(type="help", text=words), BOSS
        )
        found.append(await backend.desk.move(taken.number, Move(TicketInput.REFER, unit=unit), DESK))
    reminders.make(found[0], Act.SOON)
    async with site(backend, holders=People()) as running, chromium() as browser:
        page = await browser.new_page(locale="zh-CN")
        page.set_default_timeout(10_000)
        complaints: list[str] = []
        page.on("pageerror", lambda error: complaints.append(str(error)))
        await page.goto(running.url("/tickets"))
        await page.fill("#token", "nobody-knows-this-token-0123456789")
        await page.click("#enter button")
        await expect(page.locator("#message")).to_contain_text("访问令牌")
        await page.fill("#token", "water-token-0123456789")
        await page.click("#enter button")
        rows = page.locator("#list tbody tr")
        await expect(rows).to_have_count(1)
        await expect(rows).to_contain_text("<b>家里停水了</b>")
        await expect(rows.locator("li")).to_contain_text(["临期"])
        reminders.make(found[1], Act.REMIND)  # another unit's
        reminders.make(found[0], Act.REMIND)
        await expect(rows.locator("li.remind")).to_contain_text("催办")
        await expect(rows.locator("li")).to_have_count(2)
    assert complaints == []


async def test_times_are_the_hotline_s_and_a_unit_has_its_name() -> None:
    """Wherever the browser is: a deadline is one of the hotline's working hours."""
    tree = OrganisationTree([WATER_BUREAU])
    backend = MemoryBackend(clock=lambda: MONDAY)
    backend.desk.policy = replace(backend.desk.policy, organisations=tree, units=tree.register())
    taken = await backend.desk.take(Intake(Channel.WEB, MONDAY), TicketChange(type="help", text="停水"), BOSS)
    given = await backend.desk.move(taken.number, Move(TicketInput.REFER, unit="water"), DESK)
    assert given.sign_due == MONDAY + 5.5 * 3600.0, "Monday 09:00 in Shanghai, 4 working hours, the lunch break"
    shown = {"zh-CN": ("水务局", "2026年11月23日 14:30"), "en-US": ("Water Bureau", "23 Nov 2026, 14:30")}
    async with site(backend, holders=People(), clock=lambda: MONDAY) as running, chromium() as browser:
        for locale, (unit, due) in shown.items():
            context = await browser.new_context(locale=locale, timezone_id="America/New_York")
            page = await context.new_page()
            page.set_default_timeout(10_000)
            await page.goto(running.url("/tickets"))
            await page.fill("#token", "water-token-0123456789")
            await page.click("#enter button")
            cells = page.locator("#list tbody tr td")
            await expect(cells.nth(2)).to_have_text(unit)
            await expect(cells.nth(3)).to_have_text(due)
            await context.close()
