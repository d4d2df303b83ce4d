"""One call: its states, the one table of its moves, the mark it carries in Asterisk, and its record.

The states are drawn with lettered arrows in ``docs/states.md``; the letters stand beside the moves below.
"""

from __future__ import annotations

import enum
from dataclasses import dataclass

from pbx.ids import AgentId, CallId, ChannelName, QueueId, TicketNumber


class CallState(enum.Enum):
    """Where a caller is."""

    ARRIVED = "arrived"  #: answered by the exchange, nothing said to him yet
    ASKING = "asking"  #: in the menu: a question is played, a key may come
    PLAYING = "playing"  #: listens to a message that no key answers
    MESSAGE = "message"  #: 留言: speaks after the tone; then the dialplan thanks him and lets him go
    WAITING = "waiting"  #: in a queue's line, hears music
    OFFERED = "offered"  #: still hears music while one agent's phone is rung for him
    TALKING = "talking"  #: joined with an agent (and perhaps a third party)
    HELD = "held"  #: 保持: on hold, hears music; his agent is kept for him, or asks a colleague meanwhile
    SURVEY = "survey"  #: the agent has left; ticket number and satisfaction question, by the dialplan alone
    NET = "net"  #: in Asterisk's own Queue(), the safety net
    DIALLING = "dialling"  #: 外呼: the hotline calls him; he has not answered yet
    ENDED = "ended"  #: hung up


class CallInput(enum.Enum):
    """What moves a call from one state to the next."""

    ASK = "ask"
    PLAY = "play"
    RECORD = "record"
    QUEUE = "queue"
    OFFER = "offer"
    OFFER_FAILED = "offer_failed"
    JOIN = "join"
    HOLD = "hold"
    AGENT_LEFT = "agent_left"
    FALL_BACK = "fall_back"
    RECLAIM = "reclaim"
    END = "end"


_A, _I = CallState, CallInput

CALL_MOVES: dict[tuple[CallState, CallInput], CallState] = {
    (_A.ARRIVED, _I.ASK): _A.ASKING,  # a
    (_A.ARRIVED, _I.PLAY): _A.PLAYING,  # b
    (_A.ARRIVED, _I.QUEUE): _A.WAITING,  # c  direct mode: no menu
    (_A.ASKING, _I.ASK): _A.ASKING,  # d
    (_A.ASKING, _I.PLAY): _A.PLAYING,  # e
    (_A.ASKING, _I.QUEUE): _A.WAITING,  # f
    (_A.PLAYING, _I.ASK): _A.ASKING,  # g
    (_A.PLAYING, _I.PLAY): _A.PLAYING,  # h
    (_A.PLAYING, _I.QUEUE): _A.WAITING,  # i
    (_A.WAITING, _I.ASK): _A.ASKING,  # K  he pressed a key in the line
    (_A.WAITING, _I.PLAY): _A.PLAYING,  # L
    (_A.WAITING, _I.OFFER): _A.OFFERED,  # j
    (_A.OFFERED, _I.OFFER_FAILED): _A.WAITING,  # k
    (_A.OFFERED, _I.JOIN): _A.TALKING,  # l
    (_A.TALKING, _I.JOIN): _A.TALKING,  # m  a third party joins
    (_A.TALKING, _I.AGENT_LEFT): _A.SURVEY,  # n  the last agent has left
    (_A.OFFERED, _I.AGENT_LEFT): _A.SURVEY,  # o  the talk was so short that its beginning was not seen
    (
        _A.TALKING,
        _I.OFFER_FAILED,
    ): _A.WAITING,  # p  refused in the same instant as he answered: back to the line
    (_A.ARRIVED, _I.FALL_BACK): _A.NET,  # q
    (_A.ASKING, _I.FALL_BACK): _A.NET,  # q
    (_A.PLAYING, _I.FALL_BACK): _A.NET,  # q
    (_A.WAITING, _I.FALL_BACK): _A.NET,  # q
    (_A.OFFERED, _I.FALL_BACK): _A.NET,  # q
    (_A.NET, _I.FALL_BACK): _A.NET,  # q
    (_A.NET, _I.RECLAIM): _A.WAITING,  # r  a controller is there again
    (_A.NET, _I.JOIN): _A.TALKING,  # s  the net's own agent answered
    (_A.NET, _I.AGENT_LEFT): _A.SURVEY,  # t
    (_A.TALKING, _I.HOLD): _A.HELD,  # v
    (_A.HELD, _I.JOIN): _A.TALKING,  # w  resumed, or joined with the one whom the agent has asked
    (_A.TALKING, _I.OFFER): _A.OFFERED,  # x  transferred: another phone is rung for him
    (_A.HELD, _I.OFFER): _A.OFFERED,  # x
    (_A.TALKING, _I.QUEUE): _A.WAITING,  # y  transferred into a line
    (_A.HELD, _I.QUEUE): _A.WAITING,  # y
    (_A.HELD, _I.OFFER_FAILED): _A.WAITING,  # z  his agent is gone while he was on hold
    (_A.HELD, _I.AGENT_LEFT): _A.SURVEY,  # A  the talk was over before the exchange could hold it
    (_A.DIALLING, _I.PLAY): _A.PLAYING,  # B  he has answered our call: the recording notice first
    (_A.DIALLING, _I.HOLD): _A.HELD,  # C  he has answered, his agent is fetched
    (_A.PLAYING, _I.HOLD): _A.HELD,  # D  the notice is over, his agent is fetched
    (_A.DIALLING, _I.QUEUE): _A.WAITING,  # E  he has answered, an agent is looked for
    (_A.PLAYING, _I.RECORD): _A.MESSAGE,  # M
    (_A.MESSAGE, _I.RECORD): _A.MESSAGE,  # N
    (_A.MESSAGE, _I.FALL_BACK): _A.NET,  # q
    (_A.DIALLING, _I.FALL_BACK): _A.NET,  # q
    (_A.HELD, _I.FALL_BACK): _A.NET,  # q
    (_A.ARRIVED, _I.END): _A.ENDED,  # u  hang-up is possible everywhere
    (_A.ASKING, _I.END): _A.ENDED,
    (_A.PLAYING, _I.END): _A.ENDED,
    (_A.WAITING, _I.END): _A.ENDED,
    (_A.OFFERED, _I.END): _A.ENDED,
    (_A.TALKING, _I.END): _A.ENDED,
    (_A.SURVEY, _I.END): _A.ENDED,
    (_A.NET, _I.END): _A.ENDED,
    (_A.HELD, _I.END): _A.ENDED,
    (_A.DIALLING, _I.END): _A.ENDED,
    (_A.MESSAGE, _I.END): _A.ENDED,
}


def moved(state: CallState, cause: CallInput) -> CallState | None:
    """Where `cause` takes a call that is in `state`; None when the table has no such move (it is then
    ignored).
    """
    return CALL_MOVES.get((state, cause))


class Outcome(enum.Enum):
    """How a call ended, in the words of the field (``docs/glossary.md``)."""

    ANSWERED = "answered"  #: an agent talked with the caller
    ABANDONED = "abandoned"  #: the caller hung up while he was in a line or being offered
    LEFT_MENU = "left_menu"  #: the caller hung up before he was in any line
    CALLBACK = "callback"  #: the caller left the line with a call-back registered: he keeps his place
    CLOSED = "closed"  #: outside the opening hours; heard so and was released
    OVERFLOWED = "overflowed"  #: the queue was full; heard so, and was released or left a voice message
    SURVEYED = "surveyed"  #: a call of ours that asked by itself how satisfied he is, and he answered it with a key
    UNREACHED = "unreached"  #: a call of ours that was not answered, was busy or could not be placed
    FAILED = "failed"  #: ended in a way that the controller did not see (it was away, or the exchange restarted)


@dataclass(frozen=True, slots=True)
class CallMark:
    """What a call carries in its own channel (variable ``Q``) so that a restarted controller finds it again.

    Times are epoch seconds of the exchange's clock. `asterisk.md` section 11.1 lists what Asterisk cannot
    know by itself.
    """

    dialled: str
    language: str
    arrived_at: float
    node: str = ""
    queue: str = ""
    priority: int = 0
    queued_at: float = 0.0
    place_at: float = 0.0  #: `CallRecord.place_at`; 0 = his place is that of `queued_at`, and the field is left out

    def encode(self) -> str:
        """The mark as one channel variable: fields joined by ``|`` (no comma, quote or backslash may occur in
        them).
        """
        fields = (
            self.dialled,
            self.language,
            f"{self.arrived_at:.3f}",
            self.node,
            self.queue,
            str(self.priority),
        )
        place = (f"{self.place_at:.3f}",) if self.place_at else ()
        return "|".join((*fields, f"{self.queued_at:.3f}", *place))

    @staticmethod
    def decode(text: str) -> CallMark | None:
        """The mark that `encode` wrote; None for an empty or foreign value (the call is then treated as just
        arrived).
        """
        parts = text.split("|")
        if len(parts) not in (7, 8):
            return None
        try:
            place_at = float(parts[7]) if len(parts) == 8 else 0.0
            queued_at, priority = float(parts[6]), int(parts[5])
            return CallMark(parts[0], parts[1], float(parts[2]), parts[3], parts[4], priority, queued_at, place_at)
        except ValueError:
            return None


@dataclass(frozen=True, slots=True)
class OfferRecord:
    """One agent's phone rung for one call. Times are epoch seconds; `outcome` is ``ringing`` until it is
    known.
    """

    agent: AgentId
    offered_at: float
    reason: str
    outcome: str = "ringing"
    ended_at: float | None = None


@dataclass(frozen=True, slots=True)
class HoldSpan:
    """From when to when a caller was on hold (epoch seconds), and by whom; `ended_at` None = he still is."""

    agent: AgentId
    began_at: float
    ended_at: float | None = None


@dataclass(frozen=True, slots=True)
class TransferRecord:
    """One hand-over of a call: who asked (`by`), in which way, to whom, when, and what became of it.

    `way`: ``blind`` (转接), ``attended`` (咨询转接), ``three_way`` (三方通话), ``ticket`` (工单流转). `target`:
    ``agent:1002``, ``queue:english``, ``extension:8001``, ``destination:110`` or ``number:…``. `outcome`: ``asked``
    until it is known, then ``done``, ``joined`` (a third party is in the talk), ``failed`` with the exchange's word in
    `detail`, ``cancelled``. `ended_at`: when that was known, epoch seconds.
    """

    by: AgentId
    way: str
    target: str
    asked_at: float
    outcome: str = "asked"
    detail: str = ""
    ended_at: float | None = None


@dataclass(frozen=True, slots=True)
class Interval:
    """An announced wait in whole minutes from `low` to `high`; `high` 0 = less than one minute.

    `low` 0 with `high` above = at most `high`. `high` None = nobody can say, as no agent is there.
    """

    low: int
    high: int | None

    def holds(self, seconds: float) -> bool:
        """Whether a wait of so many seconds is what had been announced; what nobody could say does not count."""
        return self.high is not None and self.low * 60.0 <= seconds <= max(self.high, 1) * 60.0


@dataclass(frozen=True, slots=True)
class Estimate:
    """What a waiting caller was told at epoch second `at`: the interval, and by what it had been estimated.

    `ahead`: how many were served before him by his agents, `agents`: how many of these worked, `talk_s`: their mean
    talk in seconds. `cause` is the stated one when the wait had become longer (`acd.estimate.Cause`), else empty.
    """

    at: float
    interval: Interval
    ahead: float
    agents: int
    talk_s: float
    cause: str = ""


@dataclass(frozen=True, slots=True)
class VoiceMessage:
    """What a caller spoke after the tone: a span of the call's recording (epoch seconds).

    `ended_at` None = he still speaks. `ended_by`: ``key`` (he pressed #), ``silence``, ``longest`` (the time was over),
    ``hung_up``, or ``failed`` (the exchange could not take it).
    """

    began_at: float
    ended_at: float | None = None
    ended_by: str = ""


@dataclass(frozen=True, slots=True)
class Consent:
    """The recording notice as this caller got it: which prompt, in which language, when it was over (epoch seconds).

    `how`: ``heard`` to its end, or ``cut`` (he pressed a key during it, or went on into the safety net).
    """

    notice: str
    language: str
    how: str
    at: float


@dataclass(frozen=True, slots=True)
class RecordingPause:
    """From when to when silence stands in the recording instead of what was said (epoch seconds).

    `cause` and `ended_by` are words of `recordings.policy` (``agent``, ``supervisor``, ``keys``; ``asked``, ``left``,
    ``longest``, …), `by` is who asked for it, empty for what the hotline does by itself, `agent` in whose talk it was.
    `ended_at` None = it is paused.
    """

    cause: str
    began_at: float
    by: str = ""
    agent: str = ""
    ended_at: float | None = None
    ended_by: str = ""

    def encode(self) -> str:
        """What the caller's channel carries while it is paused (variable ``RECPAUSE``), for a controller that comes."""
        return f"{self.cause}|{self.by}|{self.agent}|{self.began_at:.3f}"

    @staticmethod
    def decode(text: str) -> RecordingPause | None:
        """The open pause that `encode` wrote; None for an empty or foreign value."""
        parts = text.split("|")
        try:
            cause, by, agent, began_at = parts
            return RecordingPause(cause, float(began_at), by, agent)
        except ValueError:
            return None


@dataclass(frozen=True, slots=True)
class CallRecord:
    """The instants of one call, from which every figure is computed (`domain.md` 0.2: store raw instants).

    All times are epoch seconds of the exchange's clock; None = has not happened. `recording` is the raw
    file's name; where the sealed one is, `recordings/sql.py` knows. `place_at` is the instant that gives him his place
    in the line where that is not `queued_at`, `favours` the named rules by which he stands there (`acd/favours.py`).
    `estimates` are the waits that he was told. `callback` is the request for which the hotline called him.
    """

    call: CallId
    channel: ChannelName
    dialled: str
    caller: str
    arrived_at: float
    language: str = "zh"
    menu_path: tuple[str, ...] = ()
    menu_done_at: float | None = None
    queue: QueueId | None = None
    queued_at: float | None = None
    offers: tuple[OfferRecord, ...] = ()
    agent: AgentId | None = None
    joined_at: float | None = None
    released_at: float | None = None
    score: int | None = None
    ticket: TicketNumber | None = None
    recording: str | None = None
    in_net: bool = False
    outcome: Outcome | None = None
    ended_at: float | None = None
    place_at: float | None = None
    favours: tuple[str, ...] = ()
    holds: tuple[HoldSpan, ...] = ()
    transfers: tuple[TransferRecord, ...] = ()
    direction: str = "inbound"  #: or ``outbound``: the hotline called; `caller` is then the one who was called
    placed_by: AgentId | None = None  #: whose call that was
    unreached: str = ""  #: why nobody answered it: ``busy``, ``no_answer``, ``failed``; empty where that is not known
    purpose: str = ""  #: what for: ``follow_up`` (回访), ``call_back`` (回拨), …
    estimates: tuple[Estimate, ...] = ()
    callback: str = ""
    message: VoiceMessage | None = None  #: 留言
    consent: Consent | None = None  #: None = he was not given the recording notice
    pauses: tuple[RecordingPause, ...] = ()  #: of the recording
    mutes: tuple[tuple[float, float], ...] = ()  #: when his agent was muted, from and to; an end of 0 = he still is
    scored_at: float | None = None  #: when he said how satisfied he is; None where nobody saw it
    live_words: str = ""  #: a `pbx.live_words.LiveMark`; empty: nobody heard it while it was talked
