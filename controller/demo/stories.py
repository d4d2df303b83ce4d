"""The demonstration's stories: real calls, each with what is expected of it. docs/demo.md tells them in words."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from pathlib import Path

from controller.demo import ears
from controller.demo.acts import (
    AGENT_HZ,
    CITIZEN_HZ,
    THIRD_HZ,
    Scene,
    call_id,
    dial,
    expect,
    expect_in_time,
    expect_words,
    field_of,
    fill_ticket,
    settle,
    survey,
    talk,
    wait_of,
)
from controller.softphone import AnswerPolicy, Tone

Script = Callable[[Scene], Awaitable[None]]

# ---------------------------------------------------------------- the stories


async def story_a(scene: Scene) -> None:
    """Mandarin complaint: menu 1, music, agent, ticket, satisfaction 5."""
    stage, told = scene.stage, scene.tales[0]
    call = await dial(scene, told)
    await call.hear_sound(timeout=3)
    await call.press("1")
    await stage.call_state(await call_id(scene, told), "waiting", 15)
    start = asyncio.get_running_loop().time()
    await call.hear_sound(timeout=5)
    await call.hear_sound(timeout=5, frames=25)
    told.check(call.heard.packets, "music is heard while he waits")
    phone = stage.agent("1001", AnswerPolicy.auto(0.5))
    await stage.ready("1001")
    agent = await phone.incoming(timeout=15)
    await talk(scene, told, call, agent, "a")
    heard = call.heard.pcm(start=start)
    told.check(len(heard) > 0, "sound after the menu")
    await fill_ticket(scene, told, "1001", "complaint", "路灯不亮 💡", "家门口的路灯坏了,请求修理。")
    await agent.hangup()
    await survey(scene, told, call, "5")
    await settle(scene, told)
    expect(told, menu_path=("1",), language="zh", queue="general", agent="1001", outcome="answered", score=5)
    told.check(told.ticket.get("type") == "complaint", "a ticket of type complaint (投诉)", told.ticket.get("type"))
    told.check(told.ticket.get("satisfaction") == 5, "satisfaction 5 in the ticket", told.ticket.get("satisfaction"))
    expect_words(scene, told, "a")
    expect_in_time(told)


async def story_b(scene: Scene) -> None:
    """English desk: key 9, English prompts, an English-speaking agent although another is idle for longer."""
    stage, told = scene.stage, scene.tales[0]
    stage.agent("1001", AnswerPolicy.auto(0.3))
    phone = stage.agent("1003", AnswerPolicy.auto(0.5))
    await stage.ready("1001", "1003")
    call = await dial(scene, told)
    await call.hear_sound(timeout=3)
    await call.press("9")
    agent = await phone.incoming(timeout=15)
    await talk(scene, told, call, agent, "b")
    heard = call.heard.pcm()
    english = ears.prompt_heard(heard, ears.sound(stage.home, "en/desk-english"))
    told.check(english > 0.9, "the English desk's prompt is heard in English", f"correlation {english:.2f}")
    await fill_ticket(scene, told, "1003", "inquiry", "Residence permit", "Asks how to extend a residence permit.")
    await agent.hangup()
    await survey(scene, told, call, "4")
    question = ears.prompt_heard(call.heard.pcm(), ears.sound(stage.home, "en/ticket-number-is"), part=(0.0, 0.5))
    told.check(question > 0.9, "the ticket's number is announced in English", f"correlation {question:.2f}")
    await settle(scene, told)
    expect(told, menu_path=("9",), language="en", queue="english", agent="1003", outcome="answered", score=4)
    told.check(told.ticket.get("language") == "en", "an English ticket", told.ticket.get("language"))
    expect_words(scene, told, "b")
    expect_in_time(told)


async def story_c(scene: Scene) -> None:
    """一号答: key 2; the agent adds a department, all three hear each other, the agent leaves, the two go on."""
    stage, told = scene.stage, scene.tales[0]
    phone = stage.agent("1004", AnswerPolicy.auto(0.4))
    department = stage.agent("2001", AnswerPolicy.auto(0.6))
    await stage.ready("1004")
    call = await dial(scene, told)
    await call.hear_sound(timeout=3)
    await call.press("2")
    agent = await phone.incoming(timeout=15)
    await agent.answered(timeout=10)
    await fill_ticket(scene, told, "1004", "inquiry", "开办小餐馆", "咨询开办小餐馆需要的手续。")
    await stage.post("/api/agents/1004/third-party", {"endpoint": "2001"})
    third = await department.incoming(timeout=10)
    await third.answered(timeout=10)
    call.play(Tone(CITIZEN_HZ))
    agent.play(Tone(AGENT_HZ))
    third.play(Tone(THIRD_HZ))
    parties = (("citizen", call, AGENT_HZ, THIRD_HZ), ("agent", agent, CITIZEN_HZ, THIRD_HZ),
               ("department", third, CITIZEN_HZ, AGENT_HZ))  # fmt: skip
    for name, party, *tones in parties:
        for hz in tones:
            try:
                await party.hear_tone(hz, timeout=6, share=0.2)
            except TimeoutError:
                told.check(False, f"the {name} hears the tone of {hz:g} Hz")
    await agent.hangup()
    try:
        await call.hear_tone(THIRD_HZ, timeout=5, frames=50, share=0.8)
    except TimeoutError:
        told.check(False, "citizen and department go on after the agent has left")
    told.check(call.state.value == "confirmed", "the citizen is still in the call", call.state.value)
    await stage.agent_state("1004", "wrap_up")
    await third.hangup()
    call.play(Tone(CITIZEN_HZ, seconds=0.1))
    await survey(scene, told, call, "4")
    await settle(scene, told)
    expect(told, menu_path=("2",), language="zh", queue="approvals", agent="1004", outcome="answered", score=4)
    if told.recording:
        path = Path(told.recording)
        caller, heard = await asyncio.to_thread(lambda: (ears.leg_of(path, 0), ears.leg_of(path, 1)))
        for leg, hz, name in ((caller, CITIZEN_HZ, "the citizen"), (heard, AGENT_HZ, "the agent"),
                              (heard, THIRD_HZ, "the department")):  # fmt: skip
            seconds = ears.tone_seconds(leg, hz)
            told.check(seconds >= 0.3, f"the recording holds {name} ({hz:g} Hz)", f"{seconds:.1f} s of it")
        stray = ears.tone_seconds(caller, AGENT_HZ) + ears.tone_seconds(caller, THIRD_HZ)
        told.check(stray == 0, "the citizen's leg holds nobody else", f"{stray:.1f} s of others")
    expect_in_time(told)


async def story_d(scene: Scene) -> None:
    """The first agent does not answer; the next is rung at once."""
    stage, told = scene.stage, scene.tales[0]
    absent = stage.agent("1001", AnswerPolicy.no_answer())
    phone = stage.agent("1002", AnswerPolicy.auto(0.5))
    await stage.ready("1001", "1002")
    call = await dial(scene, told)
    await call.hear_sound(timeout=3)
    await call.press("1")
    await absent.incoming(timeout=15)
    agent = await phone.incoming(timeout=15)
    await talk(scene, told, call, agent, "d")
    await fill_ticket(scene, told, "1002", "help", "停水", "小区从昨晚开始停水。")
    await agent.hangup()
    await survey(scene, told, call, "5")
    await settle(scene, told)
    offers = [(one["agent"], one["outcome"]) for one in told.record.get("offers", ())]
    told.check([agent for agent, _ in offers] == ["1001", "1002"], "offered to 1001, then to 1002", offers)
    expect(told, agent="1002", outcome="answered", queue="general")
    expect_words(scene, told, "d")
    expect_in_time(told)


async def story_e(scene: Scene) -> None:
    """The caller hangs up while an agent's phone rings: it stops, the agent is ready again, the call is abandoned."""
    stage, told = scene.stage, scene.tales[0]
    phone = stage.agent("1001", AnswerPolicy.no_answer())
    await stage.ready("1001")
    call = await dial(scene, told)
    await call.hear_sound(timeout=3)
    await call.press("1")
    ringing = await phone.incoming(timeout=15)
    await stage.agent_state("1001", "ringing")
    await call_id(scene, told)
    since = asyncio.get_running_loop().time()
    await call.hangup()
    end = await ringing.ended(timeout=5)
    told.check(end.at - since < 1.0, "the agent's phone stops within 1 s", f"{end.at - since:.2f} s")
    await stage.agent_state("1001", "ready", 5)
    await settle(scene, told)
    expect(told, outcome="abandoned", agent=None, queue="general", ticket=None)


async def story_f(scene: Scene) -> None:
    """Two wrong keys, then silence: he reaches an agent all the same."""
    stage, told = scene.stage, scene.tales[0]
    phone = stage.agent("1001", AnswerPolicy.auto(0.4))
    await stage.ready("1001")
    call = await dial(scene, told)
    await call.hear_sound(timeout=3)
    await call.press("7")
    wrong = ears.sound(stage.home, "zh/invalid-key")
    await asyncio.sleep(len(wrong) / ears.RATE + 0.3)  # he hears that the key was wrong
    await call.press("8")
    agent = await phone.incoming(timeout=20)
    await talk(scene, told, call, agent, "f")
    told.check(
        ears.prompt_heard(call.heard.pcm(), wrong) > 0.9, "he is told that the key was wrong", "that was not heard"
    )
    await fill_ticket(scene, told, "1001", "complaint", "噪音扰民", "楼下商铺夜间噪音。")
    await agent.hangup()
    await survey(scene, told, call, "3")
    await settle(scene, told)
    expect(told, menu_path=("wrong", "wrong"), agent="1001", outcome="answered", queue="general", score=3)
    expect_words(scene, told, "f")
    expect_in_time(told)


async def story_g(scene: Scene) -> None:
    """A key pressed during the greeting cuts it."""
    stage, told = scene.stage, scene.tales[0]
    phone = stage.agent("1001", AnswerPolicy.auto(0.4))
    await stage.ready("1001")
    call = await dial(scene, told)
    await call.hear_sound(timeout=3, frames=20)
    released = await call.press("1")
    agent = await phone.incoming(timeout=10)
    await agent.answered(timeout=10)
    heard = call.heard.pcm()
    greeting = ears.sound(stage.home, "zh/welcome")
    begun = ears.prompt_heard(heard, greeting, part=(0.0, 0.1))
    rest = ears.prompt_heard(heard, greeting, part=(0.7, 1.0))
    told.check(begun > 0.8, "the greeting begins", f"correlation {begun:.2f}")
    told.check(rest < 0.6, "the rest of the greeting is cut", f"correlation {rest:.2f}")
    told.check(released is not None, "the key is sent")
    await talk(scene, told, call, agent, "g")
    await fill_ticket(scene, told, "1001", "praise", "表扬", "感谢上次及时修好路灯。")
    await agent.hangup()
    await survey(scene, told, call, "5")
    await settle(scene, told)
    expect(told, menu_path=("1",), agent="1001", outcome="answered", queue="general")
    expect_words(scene, told, "g")
    expect_in_time(told)


async def story_h(scene: Scene) -> None:
    """A direct-mode number: no menu, an agent within one ring."""
    stage, told = scene.stage, scene.tales[0]
    phone = stage.agent("1001", AnswerPolicy.auto(0.4))
    await stage.ready("1001")
    call = await dial(scene, told, "12328")
    agent = await phone.incoming(timeout=15)
    await talk(scene, told, call, agent, "h")
    await fill_ticket(scene, told, "1001", "suggestion", "建议", "建议增设公交站。")
    menu = ears.prompt_heard(call.heard.pcm(), ears.sound(stage.home, "zh/menu-main"), part=(0.0, 0.3))
    told.check(menu < 0.6, "no menu is heard", f"correlation {menu:.2f}")
    await agent.hangup()
    await survey(scene, told, call, "5")
    await settle(scene, told)
    expect(told, menu_path=(), dialled="12328", agent="1001", outcome="answered", queue="general")
    wait = wait_of(told)
    told.check(wait is not None and wait <= 5.0, "an agent within one ring (5 s)", f"{wait} s")
    expect_words(scene, told, "h")


async def story_i(scene: Scene) -> None:
    """kill -9 of the controller, twice: once it comes back at once, once a citizen dials while it is away.

    First one citizen talks, one waits and one is in the menu: the talk goes on unharmed, the other two are served by
    the restarted controller. Then a fourth dials while no controller lives: the safety net gives him an agent.
    """
    stage = scene.stage
    talking, waiting, in_menu, meanwhile = scene.tales
    loop = asyncio.get_running_loop()
    first, second = stage.agent("1001", AnswerPolicy.auto(0.3)), stage.agent("1002", AnswerPolicy.auto(0.5))
    english = stage.agent("1003", AnswerPolicy.auto(0.3))
    asterisk = stage.asterisk_pid
    await stage.ready("1001")
    one = await dial(scene, talking)
    await one.hear_sound(timeout=3)
    await one.press("1")
    agent_one = await first.incoming(timeout=15)
    await agent_one.answered(timeout=5)
    one.play(Tone(CITIZEN_HZ))
    agent_one.play(Tone(AGENT_HZ))
    await one.hear_tone(AGENT_HZ, timeout=5)
    await fill_ticket(scene, talking, "1001", "help", "停水", "小区停水。")
    two = await dial(scene, waiting)
    await two.hear_sound(timeout=3)
    await two.press("9")  # the English desk, where nobody is ready
    await stage.call_state(await call_id(scene, waiting), "waiting", 15)
    queued_at = await field_of(scene, await call_id(scene, waiting), "queued_at")
    three = await dial(scene, in_menu)
    await three.hear_sound(timeout=3)
    await call_id(scene, in_menu)

    killed = loop.time()
    await stage.kill_controller()
    await three.press("1")  # he answers the menu while nobody listens to him
    await stage.start_controller()
    back = loop.time()
    talking.check(stage.asterisk_pid == asterisk, "Asterisk goes on untouched", "it was started anew")
    heard = one.heard
    arrivals = [packet[0] for packet in heard.packets if killed <= packet[0] <= back]
    gap = ears.longest_gap(arrivals)
    talking.check(arrivals and gap < 0.5, "the talk has no gap of 0.5 s", f"{gap:.2f} s in {back - killed:.1f} s")
    share = heard.tone_share(AGENT_HZ, killed, back)
    talking.check(share > 0.9, "the agent's tone is heard all the while", f"share {share:.2f}")
    await stage.ready("1003")
    agent_two = await english.incoming(timeout=15)
    await agent_two.answered(timeout=10)
    await stage.ready("1002")
    agent_three = await second.incoming(timeout=40)
    await agent_three.answered(timeout=10)
    three.play(Tone(CITIZEN_HZ))
    await agent_three.hear_tone(CITIZEN_HZ, timeout=5, frames=60)  # shorter than a second would count as no talk
    for agent in (agent_one, agent_two, agent_three):
        await agent.hangup()
    for citizen in (one, two, three):
        await citizen.hear_sound(timeout=5)
        await citizen.press("5")
    ends = [await citizen.ended(timeout=60) for citizen in (one, two, three)]

    await stage.agent_state("1002", "ready", 20)
    await stage.not_ready("1001", "1003")
    await stage.kill_controller()
    phone = await stage.citizen(meanwhile.caller)
    four = await phone.call("12345")
    await four.answered(timeout=10)
    agent_four = await second.incoming(timeout=25)
    await agent_four.answered(timeout=10)
    agent_four.play(Tone(AGENT_HZ))
    await four.hear_tone(AGENT_HZ, timeout=5)
    await stage.start_controller()
    await stage.call_state(await call_id(scene, meanwhile), "talking", 10)
    await agent_four.hangup()
    await four.hear_sound(timeout=5)
    await four.press("5")
    ends.append(await four.ended(timeout=60))

    for told, end in zip(scene.tales, ends, strict=True):
        told.check(end.by == "remote", "the exchange ends the call after the survey", end.by)
        await settle(scene, told, transcript=False, recorded=told is not meanwhile)
        expect(told, score=5)
    expect(talking, outcome="answered", agent="1001", queue="general")
    expect(waiting, outcome="answered", agent="1003", queue="english", language="en", menu_path=("9",))
    place = waiting.record.get("queued_at") or 0.0
    waiting.check(abs(place - queued_at) < 0.01, f"his place in the line is kept ({queued_at})", place)
    expect(in_menu, outcome="answered", agent="1002", queue="general")
    expect(meanwhile, outcome="answered", agent="1002", in_net=True)


@dataclass(frozen=True, slots=True)
class Story:
    """A story: its letter, its words, its script, and the agents it needs (stories that share one play in turn)."""

    letter: str
    title: str
    expected: str
    script: Script
    calls: tuple[str, ...] = ("",)


STORIES = (
    Story("a", "普通话投诉 · Mandarin complaint", "menu 1, music, agent 1001, ticket 投诉, satisfaction 5", story_a),
    Story("b", "英语专席 · English desk", "key 9, English prompts, English-speaking agent 1003 only", story_b),
    Story("c", "一号答三方通话 · approvals, three-way", "key 2, three hear each other, agent leaves", story_c),
    Story("d", "首位坐席未接 · first agent does not answer", "1001 rings in vain, 1002 answers within 15 s", story_d),
    Story("e", "振铃时挂机 · caller hangs up while it rings", "phone stops, agent ready again, abandoned", story_e),
    Story("f", "两次错键 · two wrong keys, then silence", "reaches an agent", story_f),
    Story("g", "按键打断 · key during the greeting", "the greeting is cut", story_g),
    Story("h", "直通 · direct-mode number", "no menu, agent within one ring", story_h),
    Story(
        "i",
        "控制器被杀 · controller killed (-9)",
        "nobody is lost",
        story_i,
        ("talks", "waits", "in the menu", "dials meanwhile"),
    ),
)
