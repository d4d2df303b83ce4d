"""Debian's Prometheus: promtool reads the shipped rules, and a real server scrapes a hotline that serves."""

from __future__ import annotations

import asyncio
import contextlib
import json
import re
import shutil
import socket
import subprocess
import threading
import urllib.error
import urllib.request
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest

from tests.core.test_prometheus_files import DASHBOARD, NAME, RULES, TESTS, recorded, rules
from tests.doors.prometheus_programs import NoPrometheus, Programs, find_prometheus
from tests.fakes.exchange import FakeExchange
from tests.fakes.website import site
from tests.serving import NUMBERS, Served, configuration

pytestmark = pytest.mark.doors

WITHIN_S = 40.0
"""For what takes a second on a machine at rest."""


@pytest.fixture(scope="module")
def programs() -> Programs:
    """Skipped, with the reason in pytest's summary, where there can be none."""
    try:
        return find_prometheus()
    except NoPrometheus as reason:
        pytest.skip(f"no Prometheus for the tests: {reason}")


def promtool(programs: Programs, *arguments: str | Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run([programs.promtool, *arguments], capture_output=True, text=True, timeout=60)


def test_promtool_finds_no_fault_in_the_rules(programs: Programs) -> None:
    done = promtool(programs, "check", "rules", "--lint=all", "--lint-fatal", RULES)
    assert done.returncode == 0, done.stdout + done.stderr
    assert f"{len(rules())} rules found" in done.stdout + done.stderr


def test_each_alert_fires_and_clears(programs: Programs) -> None:
    done = promtool(programs, "test", "rules", TESTS)
    assert done.returncode == 0, done.stdout + done.stderr


def test_a_rule_that_is_wrong_fails_its_test(programs: Programs, tmp_path: Path) -> None:
    """The tests of the rules can fail: an alert that fires at another bound is seen."""
    text = RULES.read_text(encoding="utf-8")
    assert "hotline_recordings_damaged > 0" in text
    changed = text.replace("hotline_recordings_damaged > 0", "hotline_recordings_damaged > 1")
    (tmp_path / RULES.name).write_text(changed, encoding="utf-8")
    shutil.copy(TESTS, tmp_path)
    done = promtool(programs, "test", "rules", tmp_path / TESTS.name)
    assert done.returncode != 0
    assert "HotlineRecordingsDamaged" in done.stdout + done.stderr


def free_port() -> int:
    """One on which nobody listens now."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        port: int = free.getsockname()[1]
    return port


def at(query: str) -> str:
    """Where an instant query is asked."""
    return f"/api/v1/query?query={quote(query)}"


class Server:
    """A Prometheus of the test's own on this machine; asked by its HTTP interface."""

    def __init__(self, programs: Programs, folder: Path, target: str) -> None:
        self._programs, self._folder = programs, folder
        self._address = f"127.0.0.1:{free_port()}"
        text = RULES.read_text(encoding="utf-8")
        assert "interval: 15s" in text
        (folder / RULES.name).write_text(text.replace("interval: 15s", "interval: 1s"), encoding="utf-8")
        (folder / "prometheus.yml").write_text(
            "global: {scrape_interval: 1s, scrape_timeout: 1s, evaluation_interval: 1s}\n"
            f"rule_files: [{RULES.name}]\n"
            f"scrape_configs: [{{job_name: hotline, static_configs: [{{targets: ['{target}']}}]}}]\n"
        )
        self._process: asyncio.subprocess.Process | None = None

    @contextlib.asynccontextmanager
    async def running(self) -> AsyncIterator[Server]:
        """Until the end of the block; ready in it."""
        with (self._folder / "prometheus.log").open("wb") as log:
            self._process = await asyncio.create_subprocess_exec(
                self._programs.prometheus,
                f"--config.file={self._folder / 'prometheus.yml'}",
                f"--storage.tsdb.path={self._folder / 'tsdb'}",
                f"--web.listen-address={self._address}",
                stdout=log,
                stderr=log,
                cwd=self._folder,
            )
        try:
            await self.until("/-/ready", lambda _: True)
            yield self
        finally:
            with contextlib.suppress(ProcessLookupError):
                self._process.terminate()
            await self._process.wait()

    async def ask(self, query: str) -> list[dict[str, Any]]:
        """An instant query's samples."""
        found: list[dict[str, Any]] = (await self._get(at(query)))["data"]["result"]
        return found

    async def until(self, path: str, holds: Callable[[Any], bool]) -> Any:
        """What `path` answers once it holds."""
        answer: Any = None
        try:
            async with asyncio.timeout(WITHIN_S):
                while True:
                    if self._process is None or self._process.returncode is not None:
                        break
                    with contextlib.suppress(OSError):
                        answer = await self._get(path)
                        if holds(answer):
                            return answer
                    await asyncio.sleep(0.1)
        except TimeoutError:
            pass
        log = (self._folder / "prometheus.log").read_text(errors="replace")[-1500:]
        raise AssertionError(f"{path} answered {answer}; Prometheus says:\n{log}")

    async def _get(self, path: str) -> Any:
        return await asyncio.to_thread(self._fetch, path)

    def _fetch(self, path: str) -> Any:
        opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
        with opener.open(f"http://{self._address}{path}", timeout=10) as answer:
            body = answer.read()
        return json.loads(body) if path.startswith("/api/") else body


def value_is(number: float) -> Callable[[Any], bool]:
    """Whether an instant query has one sample of this value."""

    def holds(answer: Any) -> bool:
        return [float(one["value"][1]) for one in answer["data"]["result"]] == [number]

    return holds


async def test_a_real_prometheus_scrapes_a_hotline_that_serves(programs: Programs, tmp_path: Path) -> None:
    """The hotline is a process of its own; its exchange is the behaving fake, which is told to bring three calls."""
    (tmp_path / "secret").write_text("right\n")
    port = free_port()
    address = f"127.0.0.1:{port}"
    rest = NUMBERS.replace("[recording]", "[recording]\nrecord = false")
    async with FakeExchange(user="ctl", secret="right") as exchange:
        door = {"mode": "attach", "ami_port": exchange.port, "ami_secret_file": "secret", "spool": str(tmp_path)}
        file = configuration(tmp_path, {"asterisk": door, "web": {"port": port}}, rest=rest)
        # Prometheus looks at its targets only 5 s after its start: the hotline starts meanwhile.
        async with Server(programs, tmp_path, address).running() as server, Served("run", "--config", str(file)):
            await server.until(at("hotline_exchange_connected"), value_is(1))
            for _ in range(3):
                call = exchange.arrive()
                await exchange.saw("Redirect", Channel=call.channel, Context="p-hold")
            exchange.hang_up(call)  # a rate has no value before a call's fate is known
            await server.until(at('hotline_calls_waiting{queue="general"}'), value_is(2))
            await server.until(at("hotline_calls_arrived_total"), value_is(3))
            level = 'hotline_service_level_ratio{definition="sl15.offered.v1", queue="all"}'
            await server.until(at(level), value_is(0))
            offered = await server.ask('hotline_calls_offered_total{queue="general"}')
            assert offered[0]["metric"] | {"job": "hotline", "instance": address} == offered[0]["metric"]
            await assert_files_fit(server)


async def assert_files_fit(server: Server) -> None:
    """Every name that the rules and the dashboard ask for has come, and the server can work each of them out."""
    board = json.loads(DASHBOARD.read_text(encoding="utf-8"))
    asked = [target["expr"] for panel in board["panels"] for target in panel["targets"]]
    for expression in asked:
        await server.ask(re.sub(r"\$(instance|queue)", ".*", expression))
    with pytest.raises(urllib.error.HTTPError):
        await server.ask("sum(")
    names = {name for expression in (*asked, *(rule["expr"] for rule in rules())) for name in NAME.findall(expression)}
    held = await server.until("/api/v1/label/__name__/values", lambda _: True)
    assert names - recorded() <= set(held["data"])
    groups = await server.until(
        "/api/v1/rules",
        lambda answer: all(rule["health"] != "unknown" for g in answer["data"]["groups"] for rule in g["rules"]),
    )
    found = [rule for group in groups["data"]["groups"] for rule in group["rules"]]
    assert len(found) == len(rules())
    assert {rule["health"] for rule in found} == {"ok"}, found


async def test_the_text_is_made_outside_the_loop() -> None:
    async with site() as hotline:
        made = []
        metrics, render = hotline.backend.metrics, hotline.backend.metrics.render

        def noting() -> bytes:
            made.append(threading.get_ident())
            return render()

        metrics.render = noting  # type: ignore[method-assign]
        async with hotline.session.get(hotline.url("/metrics")) as answer:
            assert answer.status == 200
    assert len(made) == 1
    assert made[0] != threading.get_ident()
