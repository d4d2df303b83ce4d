"""What people read of the bounds between an actor and a ticket, by code: Chinese and English."""

from __future__ import annotations

MESSAGES: dict[str, tuple[str, str]] = {
    "unit_gone": (
        "您的访问令牌所属单位已不在名录中, 请联系热线管理员",
        "the organisation of your token is not in the register any more; ask who runs the hotline",
    ),
    "own_ticket": (
        "不得审核、评价本单位或本人办理的工单",
        "nobody reviews or judges what he or his own unit has handled",
    ),
    "not_taken_by_you": (
        "此工单由他人受理, 由其本人、派单员或班长直接办结",
        "somebody else took this ticket down; he, a dispatcher or a supervisor closes it",
    ),
}
