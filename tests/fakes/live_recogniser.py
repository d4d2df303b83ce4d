"""A live recogniser's process without a model: of each leg it hears "w" once a second of sound. For tests of what is
around it. Its first argument may be ``stop``: it loads, and then reads nothing more; ``bad``: it has no model;
``choose``: it hears the first phrase of the leg's closed list instead; ``deaf``: it knows none of the list.
"""

from __future__ import annotations

import json
import sys
import time

from recordings.closed import ClosedList
from recordings.live_recogniser import CLOSE, DROP, HEAD, OPEN, SOUND


def say(message: dict[str, object]) -> None:
    sys.stdout.write(json.dumps(message) + "\n")
    sys.stdout.flush()


def main(how: str) -> None:
    if how == "bad":
        say({"failed": "no model"})
        return
    say({"ready": {}})
    if how == "stop":
        time.sleep(3600)
    at: dict[int, int] = {}
    word: dict[int, str] = {}
    messages = sys.stdin.buffer
    while len(head := messages.read(HEAD.size)) == HEAD.size:
        kind, leg, length = HEAD.unpack(head)
        payload = messages.read(length)
        if kind == OPEN:
            at[leg], word[leg] = 0, "w"
            if how == "choose":
                word[leg] = ClosedList.decode(payload[4:]).phrases[0]
        elif kind == SOUND and how == "deaf":
            say({"leg": leg, "at": at[leg], "deaf": True})
        elif kind == SOUND and leg in at:
            before, at[leg] = at[leg], at[leg] + len(payload) // 2
            if before // 8000 != at[leg] // 8000:
                end = at[leg] // 8000
                say({"leg": leg, "at": at[leg], "final": [[end - 0.5, end - 0.25, word[leg], 1.0]]})
            else:
                say({"leg": leg, "at": at[leg], "partial": f"p{at[leg]}"})
        elif kind == CLOSE and leg in at:
            say({"leg": leg, "at": at.pop(leg), "closed": True})
        elif kind == DROP:
            at.pop(leg, None)


if __name__ == "__main__":
    main(sys.argv[1])
