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


def parser() -> argparse.ArgumentParser:
    """The command line."""
    top = argparse.ArgumentParser(
        prog="hotline",
        description="12345 政务服务便民热线: an open telephony and contact-centre engine on Asterisk.",
    )
    commands = top.add_subparsers(dest="command", metavar="COMMAND", required=True)

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
    add("check", "validate the configuration and say what is wrong, file and line", "check")

    asterisk = add("asterisk", "find or prepare an Asterisk", "asterisk", config=False)
    asterisk.add_argument("action", choices=("prepare", "version"))

    agent = add("agent", "sign an agent in or out, make him ready or not ready", "agent")
    agent.add_argument("action", choices=("sign-in", "ready", "not-ready", "sign-out", "pin", "list"))
    agent.add_argument("id", nargs="?", help="the agent's extension")
    agent.add_argument("--reason", default="break", help="why not ready")
    agent.add_argument("--remove", action="store_true", help="with pin: he can sign in at no phone any more")
    agent.add_argument("--seat", help="sign in at this phone instead of his own")

    phone = add("phone", "print what a softphone needs to register as this extension, or to dial in", "phone")
    phone.add_argument("id", nargs="?", help="an extension; without one: how a citizen's softphone dials in")

    model = add("model", "get a speech model from Vosk's own list", "model", config=False)
    model.add_argument("action", choices=("fetch", "list"))
    model.add_argument("language", nargs="?", choices=("zh", "en"))

    prompts = add("prompts", "build the spoken prompts, or check that they are fresh", "prompts", config=False)
    prompts.add_argument("action", choices=("build", "check"))
    prompts.add_argument("--only", action="append", metavar="ID", help="only these prompts")
    prompts.add_argument("--engine", choices=("auto", "kokoro", "espeak"), default="auto")
    prompts.add_argument("--studio", type=Path, metavar="FOLDER", help="studio recordings that override the voices")

    replay = add("replay", "repeat a journal and report the first decision that differs, or none", "replay")
    replay.add_argument("file", type=Path, help="a file of the journal folder")

    bench = add("bench", "measure, beside a peer where there is one", "bench", config=False)
    bench.add_argument("name", choices=("ami", "prompt", "join", "acd"))
    bench.add_argument("--json", type=Path, metavar="FILE")
    return top


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
