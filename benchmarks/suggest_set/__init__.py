"""A small labelled set of talks: what callers say, with the type and the class under which an agent would file it.

``talks.csv`` has 56 openings of calls, written for this measurement in the way people speak, without punctuation, as a
recogniser gives them. Types and classes (of the sample tree) were set by the author when the line was written; where
two fit, the one that an agent would more likely choose. Those marked ``tune`` were looked at while the words of
`tickets/likely.toml` were chosen, those marked ``hold`` only measured - but both are of one author, who also chose the
words: another hotline's callers speak in other ones, so the figures show that it works, not how well it will there.

`spoken` makes a talk of a question of `benchmarks.knowledge_set` in which it comes as people say it on the telephone:
after a greeting, in pieces, with fillers, and followed by what helps nobody to find anything. `misheard` does to a text
what a recogniser does: it takes a character for another one of the same sound, or loses it.
"""

from __future__ import annotations

import csv
from dataclasses import dataclass
from pathlib import Path
from random import Random

FOLDER = Path(__file__).parent

OPENINGS = ("喂你好", "您好我想问个事", "你好是12345吗", "哎你好同志", "喂您好麻烦问一下", "你好我有个事情想问问你们")
FILLERS = ("嗯", "那个", "就是", "就是说", "然后", "这个", "啊")
REST = (
    "我也不太懂这些",
    "麻烦您帮我看一下",
    "我年纪大了手机上不会弄",
    "我上次打过一次电话没有人告诉我",
    "我就住在人民路那边",
    "我姓王你记一下我的电话",
    "好的好的谢谢你啊",
)

ALIKE = """
政正证症整 务物勿雾 居局举剧具 住注柱著 单丹担 工公功攻供 灯登等 路录陆鹿 办半班拌
理里礼李离 费废飞肥 交叫教脚较 社设射 保报宝抱 医一衣已以 户护互湖 身深申神 份分 积及级机记
金今斤进近 家加假驾 水谁睡 电店点典 停听庭 孩还海 学雪血 校笑小消 房防方放 产铲 转专赚
移宜艺 退推 休修秀 补不步部 残蚕 疾急集几 失师实时十 业夜页 贷代带待 买卖埋 车扯 生声升省
老劳 人任认 年念 钱前浅 资字自 料了 多夺 少烧 天田 气汽期七 煤没媒
"""
"""Groups of characters that sound alike, tones left aside: among these a recogniser errs (shared/speech.md 3)."""

_SOUNDS = {one: [other for other in group if other != one] for group in ALIKE.split() for one in group}


@dataclass(frozen=True, slots=True)
class Talk:
    """What a caller says, and how it would be filed."""

    text: str
    type: str
    klass: str
    tune: bool


def talks() -> list[Talk]:
    """The set, in the order of the file."""
    with (FOLDER / "talks.csv").open(encoding="utf-8", newline="") as file:
        return [Talk(row["talk"], row["type"], row["class"], row["set"] == "tune") for row in csv.DictReader(file)]


def spoken(question: str, draw: Random) -> list[str]:
    """The question as the portions in which a caller's words come: greeting, the question in pieces, the rest."""
    cut = len(question) // 2 + draw.randint(-2, 2)
    pieces = [question[:cut], question[cut:]] if len(question) > 8 else [question]
    asked = [draw.choice(FILLERS) + piece for piece in pieces]
    return [draw.choice(OPENINGS), *asked, *draw.sample(REST, 2)]


def misheard(text: str, share: float, draw: Random) -> str:
    """The text with `share` (0..1) of its characters misheard: one that sounds alike where there is one, else lost."""
    heard = []
    for one in text:
        if draw.random() >= share:
            heard.append(one)
        elif others := _SOUNDS.get(one):
            heard.append(draw.choice(others))
    return "".join(heard)
