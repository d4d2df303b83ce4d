"""A real call inspected: phones that speak, Asterisk's recording, the process that inspects, the interface."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.asterisk.test_hotline_serves import folder, serving  # noqa: F401 - a fixture

pytestmark = pytest.mark.asterisk

SOUNDS = Path(__file__).parents[3] / "ivr" / "sounds" / "zh"


async def test_a_call_is_inspected_as_soon_as_it_is_over(folder: Path) -> None:  # noqa: F811
    """The citizen speaks, nobody does, the agent speaks; each of them is found, and nothing is said of words."""
    rules = folder / "strict.toml"
    rules.write_text(
        "[talk]\ndead_air_s = 1.0\n\n"
        '[[lists]]\nid = "greeting"\nkind = "opening"\nname_zh = "开头语"\nname_en = "greeting"\nwords = ["您好"]\n',
        "utf-8",
    )
    async with serving(folder, inspection={"rules": rules.name}) as scene:
        await scene.ready()
        mine, theirs = await scene.talk()
        await mine.play(SOUNDS / "thanks.alaw").finished()
        await theirs.hear_silence(1.2, timeout=10)
        await theirs.play(SOUNDS / "please-hold.alaw").finished()
        await theirs.hangup()
        await mine.ended(20)
        (call,) = [one["call"] for one in (await scene.api.get("/api/calls"))["calls"]]
        told = await scene.api.until(f"/api/inspection/calls/{call}", lambda answer: "found" in answer, within=40)
        found = told["found"]
        assert (found["sound"], found["words"], told["agent"]) == ("judged", "no_transcript", "1001")
        figures = found["figures"]
        assert 0.8 < figures["citizen_s"] < 3
        assert 0.8 < figures["agent_s"] < 3
        parts = sum(figures[name] for name in ("citizen_s", "agent_s", "both_s", "silence_s"))
        assert parts == pytest.approx(figures["talk_s"], abs=0.01)
        silences = [one for one in found["findings"] if one["rule"] == "dead-air"]
        assert len(silences) == found["counts"]["dead-air"] >= 1
        assert all(one["end_s"] - one["at_s"] >= 1.0 for one in silences)
        assert found["said"] == {"greeting": "not_judged"}
        results = await scene.api.until("/api/inspection/results", lambda answer: answer["lines"], within=40)
        assert results["lines"][0]["rates"]["dead-air"] == {
            "found": 1, "judged": 1, "times": len(silences), "rate": 1.0,
        }  # fmt: skip
    assert "Traceback" not in scene.hotline.text
