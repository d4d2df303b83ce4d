"""What people read of quality inspection, by code: Chinese and English."""

from __future__ import annotations

MESSAGES: dict[str, tuple[str, str]] = {
    "unknown_inspection": ("此通话没有质检结果(或尚未完成)", "the call has not been inspected, or not yet"),
    "unknown_card": ("没有此评分表", "there is no such score card"),
    "unknown_score": ("没有此评分", "there is no such score"),
    "unknown_note": ("没有此辅导记录", "there is no such coaching note"),
    "bad_card": ("评分表有误, 见 detail", "the score card cannot be used; see detail"),
    "bad_answers": ("每一评分项都须有允许的分值", "every item needs one of the answers that it may have"),
    "bad_plan": ("抽检方案有误", "the sampling plan cannot be drawn"),
    "plan_taken": ("已有同名抽检方案", "there is a plan of that id already"),
    "scored_already": ("您已按此评分表评过该通话", "you have scored this call by this card already"),
    "own_call": ("不能给自己的通话评分", "nobody scores his own call"),
    "own_score": ("不能处理针对自己评分的申诉", "nobody judges the appeal against his own score"),
    "no_agent": ("该通话没有话务员接听", "no agent talked in this call"),
    "score_not_now": ("当前状态下不允许此操作", "the score's state does not allow this"),
    "appeal_too_late": ("已超过申诉时限", "the time to appeal is over"),
}
