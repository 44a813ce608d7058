"""``rtfx send``: a command for a player that runs."""

from __future__ import annotations

import sys
from collections.abc import Iterator

import click

from ..errors import UsageError
from .options import debug_option
from .output import json_line, say, status


@click.command("send", context_settings={"ignore_unknown_options": True})
@click.argument("words", metavar="COMMAND [ARGUMENTS]", nargs=-1, type=click.UNPROCESSED)
@click.option("--name", metavar="CLIENT", help="The player started with this --name (default the newest one).")
@click.option("--list", "listed", is_flag=True, help="List the commands and the players that run.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object for each command.")
@debug_option
def command(words: tuple[str, ...], name: str | None, listed: bool, as_json: bool) -> int:
    """Send a command to the player that runs.

    An address and a value set a parameter, an address alone prints it. - reads commands from standard input, one on
    each line.

    \b
    rtfx send preset next
    rtfx send amp.drive 0.7
    rtfx send state preset_name
    """
    if listed:
        _list(as_json)
        return 0
    if not words:
        raise UsageError("no command was given: rtfx send --list lists all of them")
    from ..remote.socket import player

    worst = 0
    for code, text in player(name).ask(_lines(words)):
        worst = max(worst, code)
        if as_json:
            json_line({"code": code, "ok": not code, "text": text})
        elif code:
            status(text)
        elif text:
            say(text)
        sys.stdout.flush()
    return worst


def _lines(words: tuple[str, ...]) -> Iterator[str]:
    """Yield the command that the words make, or each line of standard input."""
    if words == ("-",):
        yield from (line.strip() for line in sys.stdin if line.strip())
    else:
        yield " ".join(words)


def _list(as_json: bool) -> None:
    from ..live.commands import COMMANDS
    from ..remote.socket import players

    running = players()
    if as_json:
        for command in COMMANDS.values():
            json_line(
                {
                    "command": command.name,
                    "arguments": command.arguments,
                    "default": command.default,
                    "help": command.help,
                }
            )
        for one in running:
            json_line({"player": one.name, "process": one.process, "socket": str(one.path)})
        return
    width = max(len(command.usage) for command in COMMANDS.values())
    for command in COMMANDS.values():
        default = f" (without arguments: {command.default})" if command.default else ""
        say(f"{command.usage:{width}}  {command.help}{default}")
    say()
    for one in running:
        say(f"player {one.name}, process {one.process}: {one.path}")
    if not running:
        say("no player runs")
