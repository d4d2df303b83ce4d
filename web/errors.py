"""From an exception to an answer, once: status, stable code, and what to tell people in both languages.

The body is always ``{"error": code, "message": {"zh": …, "en": …}}``; a refused body or query adds
``"problems"``, every one of them. No message repeats what the client sent.
"""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass

from aiohttp import web

from knowledge.entry import KnowledgeRefused
from tickets.deadlines import CalendarError
from tickets.texts import TicketRefused
from tickets.ticket import TicketType, Urgency
from web.alert_words import MESSAGES as _ALERTS
from web.backend import NotFound, Refused, Unavailable
from web.figure_words import MESSAGES as _FIGURES
from web.inspection_words import MESSAGES as _INSPECTION
from web.recording_words import MESSAGES as RECORDINGS
from web.staffing_desk import MESSAGES as _STAFFING
from web.ticket_words import MESSAGES as TICKETS

log = logging.getLogger(__name__)

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]

MESSAGES: dict[str, tuple[str, str]] = {
    **_INSPECTION,
    **_FIGURES,
    **_ALERTS,
    **_STAFFING,
    "internal": ("服务器内部错误, 已记录", "an internal error; it has been logged"),
    "not_found": ("没有这个地址", "there is no such address"),
    "method_not_allowed": ("此地址不支持该操作", "this address does not take that method"),
    "body_too_large": ("请求内容过大", "the request body is too large"),
    "not_http": ("请求不符合 HTTP 格式", "the request is not well-formed HTTP"),
    "bad_encoding": ("请求内容与其压缩方式不符", "the body is not what its Content-Encoding says"),
    "not_json": ("请求内容须为 JSON 对象", "the body must be a JSON object, sent as application/json"),
    "bad_request": ("请求内容有误", "the request is not acceptable; see the problems"),
    "unauthorized": ("需要有效的访问令牌", "a valid bearer token is needed"),
    "unknown_agent": ("没有此话务员", "there is no such agent"),
    "unknown_endpoint": ("没有此分机", "there is no such extension"),
    "unknown_call": ("没有此通话", "there is no such call"),
    "unknown_service": ("没有此服务类别", "there is no such service_code"),
    "unknown_attribute": ("该服务没有此附加项", "the service has no such attribute"),
    "bad_attribute": ("附加项的值不符合其类型", "the attribute's value is not of its datatype"),
    "unknown_token": ("没有此凭据", "there is no such token"),
    "unknown_jurisdiction": ("没有此辖区", "there is no such jurisdiction_id"),
    "missing_columns": ("首行须含列名 类型、内容", "the first line must name the columns, 类型 and 内容 among them"),
    "unknown_column": ("未知列", "unknown column"),
    "no_location": ("须提供坐标、地址或地址编号", "give lat and long, address_string or address_id"),
    "not_a_form": ("请求内容须为表单", "the body must be a form (application/x-www-form-urlencoded)"),
    "unknown_ticket": ("没有此工单", "there is no such ticket"),
    **RECORDINGS,
    "exchange_unavailable": ("交换机未连接, 请稍后再试", "the exchange is not connected; try again later"),
    "store_unavailable": ("数据库暂不可用, 请稍后再试", "the database is away; try again later"),
    "not_signed_in": ("话务员未签入", "the agent has not signed in"),
    "already_signed_in": ("话务员已签入", "the agent has signed in already"),
    "phone_unreachable": ("话机未注册", "the agent's phone is not registered"),
    "unknown_reason": ("没有此示忙原因", "there is no such not-ready reason"),
    "no_seat": (
        "该话务员没有可用的座席: 没有自己的话机, 或其座席已由他人签入 (见 detail); 请指定座席签入",
        "the agent has no seat: no phone of his own, or another agent has signed in there (see detail); name a seat",
    ),
    "unknown_seat": ("没有此座席", "there is no such seat"),
    "agent_in_call": ("话务员正在处理来电, 结束后再换座席", "the agent is busy with a call; change the seat after it"),
    "seat_in_call": ("该座席的话务员正在处理来电", "the agent at that seat is busy with a call"),
    "not_in_wrap_up": ("话务员不在话后整理中", "the agent is not in after-call work"),
    "wrap_up_too_long": ("超过话后整理的最长时限", "longer than after-call work may last"),
    "reason_taken": ("该原因的示忙人数已达上限", "as many agents as may are not ready for this reason already"),
    "party_not_ready": ("对方话务员现在不能接听", "that agent cannot be called now"),
    "unknown_party": ("没有此分机或话务员", "there is no such extension or agent"),
    "no_callback": ("本热线未配置回拨", "this hotline has not been configured to call anybody back"),
    "unknown_callback": ("没有此回电请求(或已结束)", "there is no such call-back, or it is over"),
    "no_campaign": ("本热线未开启自动语音回访", "this hotline has no automatic voice follow-up"),
    "callback_dialling": ("正在回拨, 不能取消", "it is being called right now and cannot be cancelled"),
    "not_holding": ("来电人未被保持", "the caller is not on hold"),
    "already_held": ("来电人已被保持", "the caller is on hold already"),
    "in_conference": (
        "三方通话中不能进行此操作, 请先请第三方退出",
        "not while a third party is in the talk",
    ),
    "already_consulting": ("正在咨询另一方", "somebody is being asked already"),
    "not_consulting": ("没有正在咨询的对方", "nobody is being asked"),
    "party_not_answered": ("对方尚未接听", "the other side has not answered yet"),
    "already_joining": ("正在接回来电人", "the caller is being fetched already"),
    "not_for_queues": ("不能咨询队列", "a queue cannot be asked; choose an agent"),
    "party_already_there": ("对方已在通话中或正在振铃", "that party is in the talk already, or is being rung"),
    "party_not_there": ("对方不在通话中", "that party is not in the talk"),
    "party_unreachable": ("对方话机未注册", "that phone is not registered"),
    "forbidden_number": ("该号码不允许呼叫或转接", "calls to that number are not allowed"),
    "no_trunk": ("未配置外呼中继", "there is no trunk for calls to the outside"),
    "way_not_allowed": ("该转办对象不支持此方式", "that destination cannot be reached in this way"),
    "ticket_delayed": (
        "数据库暂不可用, 工单恢复后即发出; 紧急情况请立即转接或三方通话",
        "the database is away: the ticket goes out when it is back; where there is danger, transfer the caller now",
    ),
    "unknown_destination": ("没有此转办对象", "there is no such destination"),
    "unknown_purpose": ("外呼目的有误", "the purpose is not acceptable"),
    "busy": ("话务员正忙", "the agent is busy"),
    "not_talking": ("话务员不在通话中", "the agent is not in a talk"),
    "unknown_type": ("没有此工单类型", "there is no such ticket type"),
    "closed": ("工单已办结", "the ticket is closed"),
    "not_registered": ("工单尚未登记类型和内容", "the ticket has no type and text yet"),
    "incomplete": ("已登记工单的内容不能为空", "a registered ticket keeps a text"),
    "unknown_unit": ("没有此承办单位", "there is no such handling unit"),
    "title_too_long": ("标题过长", "the title is too long"),
    "text_too_long": ("内容过长", "the text is too long"),
    "bad_title": ("标题含有不允许的字符", "the title has characters that are not allowed"),
    "too_few_words": ("检索词至少两个字", "name at least two characters to look for"),
    "bad_text": ("内容含有不允许的字符", "the text has characters that are not allowed"),
    # tickets
    "conflict": (
        "工单刚刚已被他人变更, 请按最新状态重试",
        "somebody else has just changed the ticket; look at it again",
    ),
    "registered": ("工单已登记", "the ticket is registered already"),
    "not_dispatched": ("工单尚未派出", "the ticket is with the hotline; no unit has it"),
    "not_signed": ("工单已派出, 尚未签收", "the ticket has been dispatched and is not signed for"),
    "in_handling": ("工单正在办理", "the ticket is being handled"),
    "under_review": ("工单已答复, 正在审核", "the ticket has been answered; the answer is being reviewed"),
    "archived": ("工单已归档", "the ticket is archived"),
    "merged": ("工单已并入另一工单, 请在该工单办理", "the ticket has been merged into another; go on there"),
    "not_your_ticket": ("贵单位不是该工单的主办或协办单位", "your unit neither leads nor co-handles this ticket"),
    "not_lead": ("仅主办单位可以进行此操作", "only the unit that leads the ticket may do this"),
    **TICKETS,
    "own_request": ("不得审批、复核本人或本单位的申请", "nobody decides or judges what he or his unit has asked for"),
    "nothing_asked": ("没有待审核的此类申请", "there is no such request that waits for a decision"),
    "asked_already": ("已有同类申请待审核", "such a request waits for a decision already"),
    "needs_supervisor": (
        "多次派单后须由班长或值班领导指定承办单位",
        "after so many dispatches a supervisor designates the unit",
    ),
    "designated": (
        "该工单为指定承办, 不得退单, 可提出派单异议",
        "the unit is designated; it can object, not return the ticket",
    ),
    "return_too_late": ("已超过退单时限", "the time to return the ticket is over"),
    "extension_too_late": ("须在到期前申请延期", "an extension is asked for before the deadline has passed"),
    "too_many_extensions": ("延期次数已达上限", "the ticket has been extended as often as may be"),
    "bad_until": ("时间不在允许范围内", "that instant is not in the range allowed"),
    "unknown_pause": ("没有此暂停计时事由", "there is no such reason to stop the clock"),
    "paused": ("工单暂停计时, 请先恢复", "the clock of this ticket stands still; let it run again first"),
    "not_paused": ("工单并未暂停计时", "the clock of this ticket runs"),
    "hard_case_already": ("工单已认定为疑难", "the ticket is a hard case already"),
    "same_unit": ("该单位已在办理此工单", "this unit has the ticket already"),
    "redo_exhausted": ("重办次数已达上限, 请提级办理", "it has been handled again as often as may be; escalate it"),
    "no_caller": ("该工单没有可回访的电话号码", "the ticket has no number that could be called"),
    "not_closed": ("工单尚未办结", "the ticket is not closed yet"),
    "no_match": ("没有找到相符的工单", "no ticket matches"),
    "too_many_queries": ("查询次数过多, 请稍后再试", "too many queries; try again later"),
    "unknown_mass_incident": ("没有此事件", "there is no such incident"),
    "incident_closed": ("事件已办结", "the incident is closed"),
    "joined_already": ("工单已归入一个事件", "the ticket belongs to an incident already"),
    "not_joined": ("工单未归入事件", "the ticket belongs to no incident"),
    "not_contacted": ("未联系上诉求人, 不能记录其意见", "whom nobody has reached has said nothing"),
    "bad_into": ("不能并入该工单", "it cannot be merged into that ticket"),
    "unknown_target": ("没有此工单", "there is no such ticket"),
    "unknown_request": ("没有此申请", "the ticket has no such request"),
    "not_decided": ("该申请尚未审批", "nobody has decided this request"),
    "judged_already": ("该审批已复核", "this decision has been judged already"),
    "too_many_attachments": ("附件数量已达上限", "the ticket has as many files as it may have"),
    "unknown_class": ("分类目录中没有此分类", "there is no such class in the classification tree"),
    "unknown_region": ("没有此省、市、县", "there is no such province, city or county"),
    "unknown_row": ("权属资料库中没有此条", "there is no such row in the ownership register"),
    "doubled_row": ("权属资料库中已有此条", "the ownership register says so already"),
    "place_too_long": ("地点过长", "the place is too long"),
    "bad_basis": ("依据含有不允许的字符", "the basis has characters that are not allowed"),
    "basis_too_long": ("依据过长", "the basis is too long"),
    "no_way": ("两地没有共同的省级平台, 不能转办", "no province stands above both; this cannot be handed over"),
    "through_another": (
        "须经另一热线 (省级平台或该市) 转办",
        "this goes through another hotline, the province's or the city's, which hands it on and tracks it",
    ),
    "not_offered": ("此工单不是其他热线转来的", "no other hotline has handed this ticket over to us"),
    # the exchange with other installations
    "unsigned": ("消息未签名", "the message is not signed"),
    "unknown_key": ("没有此密钥", "there is no such key"),
    "wrong_signature": ("签名有误", "the signature is wrong"),
    "out_of_time": ("消息时间超出允许范围", "the message is too old, or a clock is wrong"),
    "replayed": ("消息重复提交", "this very message has been here before"),
    "too_large": ("消息过大", "the message is too large"),
    "not_a_message": ("不是有效的交换消息", "that is no message of the exchange"),
    "wrong_version": ("消息版本不支持", "the message is of another version"),
    "bad_body": ("消息内容有误", "the message's body is wrong"),
    "wrong_parties": ("发送方或接收方与密钥不符", "the sender or receiver is not the key's"),
    "unknown_thread": ("没有此转办", "nothing of ours is meant by this"),
    "file_missing": ("附件尚未送达", "the file that it names has not come yet"),
    "wrong_file": (
        "文件与其摘要或大小不符, 请重新发送",
        "the file is not the one of this digest and size; send it again",
    ),
    "too_far_ahead": ("缺少较早的消息", "too many messages before this one are missing"),
    "caller_hidden": ("诉求人信息保密, 无权修改", "the caller of this ticket is hidden from you"),
    "unknown_urgency": ("没有此紧急程度", "there is no such urgency"),
    "unknown_channel": ("没有此受理渠道", "there is no such channel"),
    "unknown_role": ("没有此角色", "there is no such role"),
    "unknown_move": ("没有此操作", "there is no such move"),
    "unknown_word": ("没有此取值", "there is no such value"),
    "not_names": ("须为编号列表", "must be a list of ids"),
    "bad_place": ("坐标有误", "that is no place on earth"),
    "bad_time": ("时间有误", "that is no instant"),
    "bad_class_code": ("分类编码有误", "that is no code of a class"),
    "bad_region": ("地区编码有误", "that is no code of a region"),
    "reason_too_long": ("理由过长", "the reason is too long"),
    "bad_reason": ("理由含有不允许的字符", "the reason has characters that are not allowed"),
    "caller_too_long": ("内容过长", "is too long"),
    "bad_caller": ("含有不允许的字符", "has characters that are not allowed"),
    "caller_name_too_long": ("内容过长", "is too long"),
    "bad_caller_name": ("含有不允许的字符", "has characters that are not allowed"),
    "caller_region_too_long": ("内容过长", "is too long"),
    "bad_caller_region": ("含有不允许的字符", "has characters that are not allowed"),
    "address_too_long": ("内容过长", "is too long"),
    "bad_address": ("含有不允许的字符", "has characters that are not allowed"),
    "incident_too_long": ("内容过长", "is too long"),
    "bad_incident": ("含有不允许的字符", "has characters that are not allowed"),
    "bad_phone": (
        "电话号码只能包含数字、空格、连字符、括号和加号",
        "a telephone number has digits, blanks, hyphens, brackets and a plus only",
    ),
    "event_to_come": ("事发时间不能晚于现在", "it cannot have happened later than now"),
    "bad_score": ("满意度须为 1 至 5", "satisfaction is a number from 1 to 5"),
    "bad_kind": ("不接受此类文件", "files of this kind are not taken"),
    "name_too_long": ("文件名过长", "the file's name is too long"),
    "bad_name": ("文件名有误", "the file's name is not acceptable"),
    "unknown_attachment": ("没有此附件", "there is no such file"),
    "hard_limit": ("硬性时限不得延期", "a hard deadline cannot be extended"),
    "not_authorised": ("无权批准此暂停事由", "your role may not grant a pause for this reason"),
    "calendar": (
        "工作日历缺少该年度的数据, 请补充节假日安排",
        "the working calendar has no data for that year; enter the notice",
    ),
    # problems of one field
    "out_of_range": ("超出允许范围", "is out of range"),
    "unknown_field": ("未知字段", "unknown field"),
    "doubled_field": ("字段重复", "the field is there twice"),
    "missing": ("缺少此字段", "the field is missing"),
    "not_text": ("须为文本", "must be a text"),
    "not_one_of": ("没有此取值", "there is no such value"),
    "not_a_number": ("须为数字", "must be a number"),
    "empty": ("不能为空", "must not be empty"),
    "too_long": ("内容过长", "is too long"),
    "bad_characters": ("含有不允许的字符", "has characters that are not allowed"),
    "until_before_since": ("结束时间早于开始时间", "lies before `since`"),
    "window_too_long": ("时间范围过长", "the time window is too long"),
    "not_a_whole_number": ("须为整数", "must be a whole number"),
    "not_an_instant": (
        "须为时间 (秒, 或带时区的 ISO 8601)",
        "must be epoch seconds, or ISO 8601 with its zone",
    ),
    # the caller list
    "unknown_queue": ("没有此技能组", "there is no such queue"),
    "unknown_kind": ("没有此类别", "there is no such kind"),
    # supervision
    "not_allowed": ("没有此权限", "this right is not yours"),
    "not_your_queue": ("不属于您负责的技能组", "this is not of your queues"),
    "ordered_otherwise": (
        "另一位班长刚刚下达了不同的指令 (见 detail); 如仍要执行, 请以 confirm 确认",
        "another supervisor has just ordered otherwise (see detail); repeat it with confirm to overrule him",
    ),
    "unknown_skill": ("没有此技能", "there is no such skill"),
    "level_out_of_range": ("技能等级须为 1 至 5", "a skill's level is from 1 to 5"),
    "skill_twice": ("同一技能出现两次", "a skill stands twice"),
    "priority_out_of_range": ("优先级须为 0 至 9", "a priority is from 0 to 9"),
    "until_past": ("截止时间已过", "its end is past already"),
    "unknown_notice": ("没有此通知或通知已结束", "there is no such notice, or it is over"),
    "unknown_incident": ("没有此类事件的语音 (notice-类别)", "there is no prompt of such an incident (notice-KIND)"),
    "unknown_sound": ("没有此录音", "there is no such sound"),
    "not_wav": ("不是 WAV 文件", "this is no plain wav file"),
    "sound_format": (
        "须为 16 位、单声道或双声道、8 至 48 kHz 的 PCM",
        "must be PCM of 16 bits, one or two channels, 8 to 48 kHz",
    ),
    "sound_length": ("录音长度须为 1 至 60 秒", "must last from 1 to 60 seconds"),
    "sound_silent": ("录音几乎无声", "next to nothing is heard in it"),
    "no_own_sounds": (
        "外接的 Asterisk 不支持上传录音",
        "the hotline's own Asterisk alone plays uploaded sounds (see [asterisk] mode)",
    ),
    "not_kept": ("录音无法保存", "the sound cannot be kept; see the log"),
    "unknown_area": ("没有此区域的语音 (area-区域)", "there is no prompt of such an area (area-AREA)"),
    "unknown_dialled": ("热线没有此号码", "the hotline has no such number"),
    "noticed_already": ("相同的通知正在播放", "the same notice is being given already"),
    "being_offered": ("正在为该来电振铃, 请稍后再试", "a phone is ringing for this caller right now; try again"),
    "not_waiting": ("该来电不在排队中", "this caller does not wait in a line"),
    "agent_not_available": ("该话务员现在不能接听", "that agent cannot take a call now; the caller keeps his place"),
    "no_phone": ("您没有用于监听的话机", "you have no phone to listen with (phone in [[supervisors]])"),
    "already_listening": ("您正在监听另一通话, 请先停止", "you listen to another talk; stop that first"),
    "not_listening": ("您没有在监听", "you listen to nothing"),
    "not_true_or_false": ("须为 true 或 false", "must be true or false"),
    "not_levels": ("须为技能与等级的对照", "must give skills their levels"),
    "unknown_number": ("名单中没有此号码", "the number is not in the list"),
    "over_already": ("截止时间已过", "its end is past already"),
    "needs_queue": ("骚扰号码须指定接听专席, 不得静默拦截", "a nuisance needs the queue of a desk; nobody is blocked"),
    "bad_listing": ("名单内容有误", "the entry cannot be followed"),
    # the knowledge base
    "unknown_entry": ("没有此知识条目", "there is no such entry"),
    "unknown_version": ("没有此版本", "there is no such version"),
    "unknown_task": ("没有此待答问题", "there is no such question"),
    "unknown_state": ("没有此状态", "there is no such state"),
    "unknown_language": ("不支持此语言", "entries are written in zh or en"),
    "unknown_format": ("只支持 CSV 或 XLSX 文件", "the file must be CSV or XLSX"),
    "knowledge_not_now": ("当前状态下不允许此操作", "the version's state does not allow this"),
    "knowledge_incomplete": ("送审前须填写问题、答复、责任单位和来源", "it needs question, answer, unit and source"),
    "knowledge_conflict": ("内容已被他人更新, 请核对最新内容 (见 present)", "it was changed meanwhile; see present"),
    "task_not_now": ("当前状态下不允许此操作", "the question's state does not allow this"),
    "not_all_yours": (
        "其中有其他热线的工单, 请由可见全部工单者办结",
        "some of its tickets are another hotline's; whoever sees all of them closes it",
    ),
    "another_hotlines": (
        "这是其他热线的工单, 由其热线或省级平台决定; 可转派下级办理",
        "it is another hotline's ticket, which decides this, or the province; hand it on",
    ),
    "not_your_review": ("由工单所属的热线审核", "the hotline whose ticket it is reviews the reply"),
    "not_your_unit": ("不属于您的单位", "this is another unit's"),
    "own_entry": ("不能审核自己编写或送审的内容", "nobody reviews what he has written or submitted himself"),
    "reason_needed": ("请说明理由", "a reason is needed"),
    "not_an_inquiry": ("只有咨询类工单的答复可以入库", "only the answers to inquiries become entries"),
    "ticket_not_closed": ("工单尚未办结", "the ticket is not closed yet"),
    "taken_already": ("该工单的答复已入库", "there is an entry from this ticket already"),
    "bad_file": ("文件无法读取", "the file cannot be read"),
    "no_rows": ("文件没有内容", "the file has no rows below its headings"),
    "too_many_rows": ("文件行数过多, 请拆分", "the file has too many rows; divide it"),
    "file_too_large": ("文件过大", "the file is too large"),
    "missing_column": (
        "首行须为列名, 且包含“问题”",
        "the first line must name the columns, question among them",
    ),
    "doubled_column": ("列名重复", "a column stands twice"),
    "stands_twice": ("编号重复", "stands twice in the file"),
    "not_a_day": ("须为日期 (如 2026-11-22)", "must be a day, such as 2026-11-22"),
    "too_many_requests": ("请求过于频繁, 请稍后再试", "too many requests; try again later"),
    "unknown_turn": ("没有此句", "the transcript has no such turn"),
    "turn_conflict": ("此句已被他人更正, 请核对最新内容 (见 present)", "it was corrected meanwhile; see present"),
    "masked_changed": ("隐去的内容 (星号) 须原样保留", "the stars that hide something must stay as they are"),
    "nothing_to_change": ("没有要修改的内容", "nothing to change was given"),
}
"""What people read, by code.

Chinese and English. A code without an entry is shown with the general refusal.
"""

_REFUSED = ("当前状态下不允许此操作", "this is not allowed in the present state")


def message(code: str, allowed: Sequence[str] = ()) -> dict[str, str]:
    """The texts of a code in both languages; with the values that are `allowed`, where these are known."""
    chinese, english = MESSAGES.get(code, _REFUSED)
    if allowed:
        return {"zh": f"{chinese}; 可用: {', '.join(allowed)}", "en": f"{english}; allowed: {', '.join(allowed)}"}
    return {"zh": chinese, "en": english}


@dataclass(frozen=True, slots=True)
class Problem:
    """What is wrong with one field of a body or query; `field` is empty for the whole of it.

    `allowed` are the values that the field may have, where there are only some.
    """

    field: str
    code: str
    allowed: tuple[str, ...] = ()

    def as_json(self) -> dict[str, object]:
        """The problem as an answer tells it."""
        told: dict[str, object] = {
            "field": self.field,
            "code": self.code,
            "message": message(self.code, self.allowed),
        }
        return {**told, "allowed": list(self.allowed)} if self.allowed else told


class ApiError(Exception):
    """An answer that is no success. `problems` name the fields at fault, `detail` says more to the machine."""

    def __init__(
        self,
        status: int,
        code: str,
        problems: Sequence[Problem] = (),
        headers: Mapping[str, str] | None = None,
        detail: Mapping[str, str] | None = None,
    ) -> None:
        super().__init__(code)
        self.status = status
        self.code = code
        self.problems = tuple(problems)
        self.headers = headers
        self.detail = dict(detail or {})

    def response(self) -> web.Response:
        """The JSON answer."""
        same = [problem.allowed for problem in self.problems if problem.code == self.code]
        body: dict[str, object] = {"error": self.code, "message": message(self.code, same[0] if same else ())}
        if self.problems:
            body["problems"] = [problem.as_json() for problem in self.problems]
        if self.detail:
            body["detail"] = self.detail
        return web.json_response(body, status=self.status, headers=self.headers)


_FIELD_AT_FAULT = {
    "unknown_reason": "reason",
    "unknown_skill": "skills",
    "level_out_of_range": "skills",
    "skill_twice": "skills",
    "priority_out_of_range": "priority",
    "until_past": "until",
    "unknown_incident": "kind",
    "unknown_area": "area",
    "not_wav": "body",
    "sound_format": "body",
    "sound_length": "body",
    "sound_silent": "body",
    "unknown_dialled": "number",
    "unknown_class": "class_code",
    "bad_place": "lat",
}
"""Codes of the hotline's rules that are about one field of the body: 422."""


_NO_RIGHT = frozenset(
    {"not_allowed", "not_your_queue", "not_your_unit", "not_all_yours", "not_your_review", "another_hotlines"}
    | {"own_entry", "not_taken_by_you", "unit_gone"}
)


def refusal(code: str, detail: Mapping[str, str] | None = None) -> ApiError:
    """The answer to a request that the hotline refused with `code`.

    403 for want of a right, 404, 422 for a field, 503, or 409 for all that the state forbids. ``allowed`` of the detail
    has the values that there are, separated by commas.
    """
    if code in _NO_RIGHT:
        return ApiError(403, code)
    allowed = tuple(one for one in (detail or {}).get("allowed", "").split(",") if one)
    if code in _FIELD_AT_FAULT:
        return ApiError(422, code, [Problem(_FIELD_AT_FAULT[code], code, allowed)])
    if code == "way_not_allowed" and allowed:
        return ApiError(409, code, [Problem("way", code, allowed)])
    if code.startswith("unknown_"):
        return ApiError(404, code)
    if code in ("exchange_unavailable", "store_unavailable", "ticket_delayed"):
        return ApiError(503, code)
    return ApiError(409, code, detail=detail)


_VALUES: Mapping[str, tuple[str, ...]] = {
    "unknown_type": tuple(one.value for one in TicketType),
    "unknown_urgency": tuple(one.value for one in Urgency),
}
"""What a ticket's fields may be, where there are only some words."""

_BAD_FILES = frozenset({"bad_file", "no_rows", "too_many_rows", "file_too_large", "missing_column", "doubled_column"})

_HTTP_CODES = {404: "not_found", 405: "method_not_allowed", 413: "body_too_large"}


def answer_for(error: Exception) -> ApiError:
    """The one table from exceptions to answers; every other exception is an internal error."""
    match error:
        case ApiError():
            return error
        case NotFound():
            return ApiError(404, f"unknown_{error.what}")
        case TicketRefused() if error.field:
            return ApiError(422, error.code, [Problem(error.field, error.code, _VALUES.get(error.code, ()))])
        case CalendarError():
            return ApiError(409, "calendar")
        case KnowledgeRefused() if error.field:
            return ApiError(422, error.code, [Problem(error.field, error.code)])
        case KnowledgeRefused() if error.code in _BAD_FILES:
            return ApiError(422, error.code)
        case Refused() | TicketRefused() | KnowledgeRefused():
            return refusal(error.code)
        case Unavailable():
            return ApiError(503, f"{error.what}_unavailable")
        case web.RequestPayloadError():
            return ApiError(400, "bad_encoding")
        case web.HTTPException():
            allow = {"Allow": error.headers["Allow"]} if "Allow" in error.headers else None
            return ApiError(error.status, _HTTP_CODES.get(error.status, "bad_request"), headers=allow)
        case _:
            return ApiError(500, "internal")


@web.middleware
async def errors_middleware(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Turns what a handler raises into an answer.

    Internal errors are logged with the route, never with its values.
    """
    try:
        return await handler(request)
    except Exception as error:
        if isinstance(error, web.HTTPException) and error.status < 400:
            raise
        answer = answer_for(error)
        if answer.status == 500:
            resource = request.match_info.route.resource
            route = resource.canonical if resource is not None else "?"
            log.exception("request failed: %s %s", request.method, route, extra={"action": "web.failed"})
        response = answer.response()
        if isinstance(error, web.RequestPayloadError):
            response.force_close()  # where the next request would begin, nobody knows
        return response
