"""The command `hotline`: arguments only. What each command does stands in `controller/commands/`."""

from __future__ import annotations

import argparse
import importlib
import os
import signal
import sys
from collections.abc import Sequence
from pathlib import Path

HOME = Path(__file__).resolve().parent.parent


class _Command(argparse.ArgumentParser):
    """A command whose options may stand anywhere: argparse before Python 3.13 refuses `trace --config FILE copy.wav`,
    since it takes the optional `copy.wav` for left out as soon as it meets the option (python/cpython issue 59317).
    """

    _within = False

    def parse_known_args(self, args=None, namespace=None):  # type: ignore[no-untyped-def]
        if self._within or "--" in (args or ()):  # what follows `--` it would read as options
            return super().parse_known_args(args, namespace)
        self._within = True
        try:
            return self.parse_known_intermixed_args(args, namespace)
        finally:
            self._within = False


def parser() -> argparse.ArgumentParser:
    """The command line."""
    top = argparse.ArgumentParser(
        prog="hotline",
        description="12345 政务服务便民热线: an open telephony and contact-centre engine on Asterisk.",
    )
    commands = top.add_subparsers(dest="command", metavar="COMMAND", required=True, parser_class=_Command)

    def add(name: str, text: str, module: str, *, config: bool = True) -> argparse.ArgumentParser:
        sub = commands.add_parser(name, help=text, description=text)
        sub.set_defaults(module=module)
        if config:
            sub.add_argument("--config", type=Path, default=None, help="configuration file (default: hotline.toml)")
        return sub

    demo = add("demo", "carry real SIP calls from dial to ticket and say how each went", "demo", config=False)
    demo.add_argument("--json", type=Path, metavar="FILE", help="write the summary as JSON")
    demo.add_argument("--keep", action="store_true", help="leave everything running and say how to dial in")
    demo.add_argument("--story", action="append", metavar="LETTER", help="only these stories (a, b, …)")

    add("test", "set up and run lint, types, import contracts and all tests", "test", config=False).add_argument(
        "pytest", nargs="*", help="arguments for pytest instead of the whole run (put them after --)"
    )
    add("lint", "lint, types and import contracts only", "test", config=False)

    run = add("run", "serve for real", "run")
    run.add_argument(
        "--leave-asterisk", action="store_true", help="when this ends, let Asterisk and the calls in it go on"
    )
    run.add_argument("--standby", action="store_true", help="wait while another one serves, and take over when it ends")
    add("check", "validate the configuration and say what is wrong, file and line", "check")
    calendar = add("calendar", "a month's working days and who says so; check a year's notice", "calendar")
    calendar.add_argument("month", nargs="?", help="such as 2027-02, or a year; default: this month")
    calendar.add_argument("--check", type=Path, metavar="FILE", help="a notice as TOML or CSV: faults, sums, doubts")

    asterisk = add("asterisk", "find or prepare an Asterisk", "asterisk", config=False)
    asterisk.add_argument("action", choices=("prepare", "version"))

    agent = add("agent", "sign an agent in or out, make him ready or not ready", "agent")
    agent.add_argument("action", choices=("sign-in", "ready", "not-ready", "sign-out", "pin", "list"))
    agent.add_argument("id", nargs="?", help="the agent's extension")
    agent.add_argument("--reason", default="break", help="why not ready")
    agent.add_argument("--remove", action="store_true", help="with pin: he can sign in at no phone any more")
    agent.add_argument("--seat", help="sign in at this phone instead of his own")

    token = add("token", "give those who work on tickets their access tokens, or take them away", "token")
    token.add_argument("action", choices=("add", "remove", "list"))
    token.add_argument("id", nargs="?", help="whose: an id such as water-1; an agent's is his extension")
    token.add_argument(
        "--role",
        choices=("agent", "dispatcher", "unit", "supervisor", "inspector", "leader", "system"),
        help="what he is",
    )
    token.add_argument("--unit", help="his handling unit; of several cities, the city that he works for")
    token.add_argument("--note", default="", help="who that is, for people")

    phone = add("phone", "print what a softphone needs to register as this extension, or to dial in", "phone")
    phone.add_argument("id", nargs="?", help="an extension; without one: how a citizen's softphone dials in")

    audit = add("audit", "what supervisors ordered: read the trail, or check that it is whole", "audit")
    audit.add_argument("--day", metavar="DATE", help="only this day: 2026-11-22, 20261122, today or yesterday")
    audit.add_argument("--agent", metavar="ID", help="only lines about this agent")
    audit.add_argument("--json", action="store_true", help="as JSON")
    audit.add_argument("--check", action="store_true", help="find changed and missing lines; prints the last seal")
    audit.add_argument("--seal", metavar="SEAL", help="with --check: a seal noted earlier must still be there")

    kpi = add("kpi", "figures with their proof: the definitions, one's value, where two differ", "kpi")
    kpi.add_argument("names", nargs="*", metavar="NAME", help="a definition; or: diff A B; without one all are listed")
    kpi.add_argument("--day", metavar="DATE", help="2026-11-22, 20261122, today or yesterday, in the hotline's zone")
    kpi.add_argument("--from", dest="since", metavar="WHEN", help="a day, or 2026-11-22T08:00 (local), or with a zone")
    kpi.add_argument("--to", dest="until", metavar="WHEN", help="with --from; a day is meant with its end")
    kpi.add_argument("--queue", help="only calls of this queue")
    kpi.add_argument("--city", help="only calls of this city, by its organisation's id")
    kpi.add_argument("--calls", action="store_true", help="list the ids: + in the numerator, - in the denominator only")
    kpi.add_argument("--json", action="store_true", help="as JSON")

    day = add("day", "close a day with a hash chain; find what was changed in a closed one", "day")
    day.add_argument("action", choices=("close", "verify", "list"))
    day.add_argument("day", nargs="?", metavar="DATE", help="2026-11-22, 20261122, today or yesterday")
    day.add_argument("--json", action="store_true", help="as JSON")

    recordings = add("recordings", "a key for the archive, what is in it, whose copy a file is", "recordings")
    recordings.add_argument("action", choices=("new-key", "status", "trace"))
    recordings.add_argument("file", nargs="?", type=Path, metavar="FILE", help="with trace: a sound file")

    model = add("model", "get a speech model from Vosk's own list, or check one", "model", config=False)
    model.add_argument("action", choices=("fetch", "list", "check"))
    model.add_argument("what", nargs="?", metavar="zh|en|FOLDER", help="the language to fetch, or the folder to check")
    model.add_argument("--language", choices=("zh", "en"), help="with check: of the calls that it is for")
    model.add_argument("--verbose", action="store_true", help="with check: what it heard")

    transcripts = add("transcripts", "transcripts that wait or were given up; have them made again", "transcripts")
    transcripts.add_argument("action", choices=("list", "again"))
    transcripts.add_argument("call", nargs="?", help="with again: the id of one call")
    transcripts.add_argument("--state", choices=("waiting", "failed", "done"), default="failed", help="with list")
    transcripts.add_argument("--all", action="store_true", help="with again: all that were given up")
    transcripts.add_argument(
        "--cause", choices=("no_model", "crashed", "timeout", "damaged", "gone"), help="with again: all of this cause"
    )

    prompts = add("prompts", "build the spoken prompts, or check that they are fresh", "prompts", config=False)
    prompts.add_argument("action", choices=("build", "check"))
    prompts.add_argument("--only", action="append", metavar="ID", help="only these prompts")
    prompts.add_argument("--engine", choices=("auto", "kokoro", "espeak"), default="auto")
    prompts.add_argument("--studio", type=Path, metavar="FOLDER", help="studio recordings that override the voices")

    replay = add("replay", "repeat a journal and report the first decision that differs, or none", "replay")
    replay.add_argument(
        "file", metavar="DAY", help="a day (2026-11-22, 20261122, today, yesterday), or a file of the journal folder"
    )
    replay.add_argument("--with", dest="change", type=Path, metavar="CHANGE.toml", help="with other staffing or rules")
    replay.add_argument("--json", type=Path, metavar="FILE", help="with a change: write the figures as JSON")

    verify = add("verify", "check journals: fairness, reservations, ends; by rules of its own", "verify")
    verify.add_argument(
        "journal",
        nargs="+",
        metavar="DAY|FILE",
        help="a day (20261122, 2026-11-22, today, yesterday), files of the journal folder, or a folder",
    )
    verify.add_argument("--json", action="store_true", help="print everything as JSON")
    verify.add_argument("--strict", action="store_true", help="count also what the journal alone cannot decide")
    verify.add_argument("--no-replay", action="store_true", help="leave out the replay, which takes most of the time")
    verify.add_argument(
        "--any-configuration",
        action="store_true",
        help="check who fits whom by this configuration even if the journal was written under another",
    )
    verify.add_argument("--idle-ms", type=float, default=20.0, help="bound of idle-while-waiting (default 20 ms)")
    simulate = add("simulate", "generated days through the same rules: rates, waits", "simulate", config=False)
    simulate.add_argument("plan", type=Path, nargs="?", metavar="PLAN.toml", help="who calls and who works")
    simulate.add_argument("--check", action="store_true", help="compare with Erlang C or A; without PLAN both samples")
    simulate.add_argument("--verify", action="store_true", help="hold every decision against the promises of verify")
    simulate.add_argument("--seed", type=_whole, help="instead of the plan's")
    simulate.add_argument("--runs", type=_positive, help="instead of the plan's; with --check no more either")
    simulate.add_argument("--json", type=Path, metavar="FILE", help="write the figures as JSON")

    staffing = add("staffing", "calls to come, and how many agents they need, by half-hour", "staffing")
    staffing.add_argument("action", choices=("forecast", "required", "plan"))
    staffing.add_argument("--day", help="the first day (2026-11-23, today, tomorrow); default: tomorrow")
    staffing.add_argument("--days", type=_positive, default=1, metavar="N", help="so many days (default 1)")
    staffing.add_argument("--queue", action="append", metavar="ID", help="only this queue; may be given again")
    staffing.add_argument("--from", dest="history", type=Path, metavar="FILE.csv", help="arrivals of an earlier system")
    staffing.add_argument("--back-test", action="store_true", help="with forecast: how far off it would have been")
    staffing.add_argument("--weeks", type=_positive, default=4, metavar="N", help="with --back-test (default 4)")
    staffing.add_argument("--no-simulation", action="store_true", help="with required: by Erlang's formulas alone")
    staffing.add_argument(
        "--solver", choices=("auto", "highs", "greedy"), default="auto", help="with plan: HiGHS where it is installed"
    )
    staffing.add_argument("--limit-s", type=_positive, default=30, metavar="S", help="HiGHS takes at most (default 30)")
    staffing.add_argument("--csv", type=Path, metavar="FILE", help="write a row for each half-hour")
    staffing.add_argument("--json", type=Path, metavar="FILE", help="write all of it as JSON; - prints it")
    staffing.add_argument("--nice", type=_whole, default=0, metavar="N", help="give way to others, as nice(1)")

    why = add("why", "tell every decision about a call, with its reason", "why")
    why.add_argument("call", help="a call's id or a ticket's number")
    why.add_argument("--day", help="look only into this day's journals (2026-11-22, 20261122, today, yesterday)")
    why.add_argument("--json", action="store_true", help="print everything as JSON")

    bench = add("bench", "measure, beside a peer where there is one", "bench", config=False)
    bench.add_argument(
        "name",
        choices=(
            *("ami", "prompt", "join", "acd", "queue", "controller", "races", "simulate", "cities", "restart"),
            *("deadlines", "knowledge", "repeats", "speech", "live_words", "spoken", "suggest"),
            *("tickets", "transcripts", "inspection", "recordings", "kpi", "staffing"),
        ),
    )
    bench.add_argument("--json", type=Path, metavar="FILE")
    bench.add_argument("--quick", action="store_true", help="a smaller run, where the benchmark has one")
    bench.add_argument("--model", type=Path, metavar="FOLDER", help="with speech or spoken: the model to measure")

    drill = add("drill", "hurt a hotline under load with real calls and count who saw it", "drill", config=False)
    drill.add_argument("name", choices=("kill",))
    drill.add_argument("-n", type=int, default=20, metavar="N", help="so many faults (default 20; about 6 a minute)")
    drill.add_argument("--seed", type=int, help="repeat a drill (default: a new one, printed)")
    drill.add_argument(
        "--fault",
        choices=("delay", "double", "reorder", "stop", "asterisk", "disk", "locked-db"),
        help="beside or instead of kills: events late by up to 60 s, doubled, reordered; SIGSTOP; Asterisk killed; ...",
    )
    drill.add_argument(
        "--within", type=float, default=3600.0, metavar="S", help="no new fault after so many seconds (default 3600)"
    )
    drill.add_argument("--citizens", type=int, default=12, metavar="N", help="calls at a time (default 12)")
    drill.add_argument("--json", type=Path, metavar="FILE")
    return top


def _whole(text: str) -> int:
    if not text.isascii() or not text.isdigit():
        raise argparse.ArgumentTypeError(f"{text!r} is no whole number from 0 on")
    return int(text)


def _positive(text: str) -> int:
    if (number := _whole(text)) < 1:
        raise argparse.ArgumentTypeError("at least 1 is needed")
    return number


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command; its exit status."""
    arguments = parser().parse_args(argv)
    arguments.home = Path(os.environ.get("HOTLINE_HOME", HOME))
    arguments.var = Path(os.environ.get("HOTLINE_VAR", arguments.home / "var")).absolute()
    if getattr(arguments, "config", "") is None:
        arguments.config = arguments.home / "hotline.toml"
    try:  # importing takes a second or two: Ctrl-C may come there too
        module = importlib.import_module(f"controller.commands.{arguments.module}")
        return int(module.main(arguments))
    except KeyboardInterrupt:
        return 130
    except BrokenPipeError:
        return 141


if __name__ == "__main__":
    status = main()
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # everything is ended: an impatient Ctrl-C must not change how
    sys.exit(status)
