"""What holds for every test: one category each, no task left behind, real parts never skipped in silence."""

from __future__ import annotations

import asyncio
import inspect
import os
from collections.abc import AsyncIterator

import hypothesis
import pytest

# A busy machine is no fault of the code: examples have no deadline, the tests themselves have one (pytest-timeout).
# Examples are the same in every run, so that a run that fails fails again; HOTLINE_EXAMPLES=new looks for new ones.
hypothesis.settings.register_profile("same", deadline=None, derandomize=True)
hypothesis.settings.register_profile("new", deadline=None)
hypothesis.settings.load_profile("new" if os.environ.get("HOTLINE_EXAMPLES") == "new" else "same")

CATEGORIES = {"core", "doors", "asterisk", "browser", "scenario"}


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Refuse a test without a category: whoever runs a part of the tests must know what is in it."""
    for item in items:
        found = CATEGORIES & {mark.name for mark in item.iter_markers()}
        if len(found) != 1:
            raise pytest.UsageError(f"{item.nodeid}: needs exactly one category of {sorted(CATEGORIES)}, has {found}")
    # Quick ones first: who broke a rule hears it within seconds.
    order = ["core", "doors", "scenario", "asterisk", "browser"]
    items.sort(key=lambda item: min(order.index(mark.name) for mark in item.iter_markers() if mark.name in order))


@pytest.fixture
async def _leak_check() -> AsyncIterator[None]:
    before = asyncio.all_tasks()
    yield
    leaked = [task for task in asyncio.all_tasks() - before if task is not asyncio.current_task() and not task.done()]
    if leaked:
        names = ", ".join(repr(task.get_coro()) for task in leaked)
        for task in leaked:
            task.cancel()
        await asyncio.gather(*leaked, return_exceptions=True)
        pytest.fail(f"tasks left behind: {names}")


@pytest.fixture(autouse=True)
def no_leaked_tasks(request: pytest.FixtureRequest) -> None:
    """An asynchronous test that leaves a task behind has failed."""
    function = getattr(request, "function", None)
    if function is not None and inspect.iscoroutinefunction(function):
        request.getfixturevalue("_leak_check")
