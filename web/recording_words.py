"""What people read about recordings, by code: Chinese and English."""

from __future__ import annotations

MESSAGES: dict[str, tuple[str, str]] = {
    "unknown_recording": ("没有此录音(或尚未完成)", "there is no such recording, or it is not finished"),
    "unknown_transcript": ("没有此转写(或尚未完成)", "there is no such transcript, or it is not ready"),
    "transcript_erased": (
        "通话文字已按保存期限销毁, 不再转写",
        "the transcript's time is over: it was erased, and is not made again",
    ),
    "transcripts_off": ("本热线未开启录音转写", "this hotline makes no transcripts ([speech] transcribe)"),
    "unknown_hold": ("没有此保留, 或已解除", "there is no such hold, or it has ended"),
    "archive_unavailable": ("录音归档存储暂不可用, 请稍后再试", "the archive of recordings is away; try again later"),
    "disk_unavailable": ("磁盘空间不足, 请稍后再试", "there is no room on the disk; try again later"),
    "range_not_satisfiable": ("请求的字节范围超出文件", "the range of bytes lies outside the file"),
    "recording_damaged": ("录音文件已损坏, 已记录", "the recording is damaged; it has been logged"),
    "recording_erased": (
        "录音已销毁或正在销毁, 无法保留",
        "the recording is erased, or is just being erased",
    ),
}
