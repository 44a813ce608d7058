"""``rtfx midi``: the MIDI devices, and what arrives from them."""

from __future__ import annotations

import time

import click

from .options import Number, debug_option
from .output import json_line, say, status


@click.command("midi")
@click.argument("names", metavar="[NAME]...", nargs=-1)
@click.option("--list", "only_list", is_flag=True, help="Only list the devices.")
@click.option("--seconds", type=Number(0, min_open=True), metavar="S", help="End after this time.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object for each device and message.")
@debug_option
def command(names: tuple[str, ...], only_list: bool, seconds: float | None, as_json: bool) -> None:
    """List MIDI devices, then print each message until Ctrl-C: which control sends what.

    NAME is a part of the name of an input; without it all are listened to.
    """
    from ..remote.midi import POLL_SECONDS
    from ..remote.midi_parser import CLOCK, NAMES, Parser
    from ..remote.midi_ports import Ports, devices

    for kind in ("input", "output"):
        for name in devices(kind):
            json_line({"device": name, "kind": kind}) if as_json else say(f"{kind:6}  {name}")
    if only_list:
        return
    ports = Ports(names, tell=status)
    ports.start()
    if not as_json:
        status("move a control; Ctrl-C ends this")
    parsers: dict[str, Parser] = {}
    end = None if seconds is None else time.monotonic() + seconds
    try:
        while end is None or time.monotonic() < end:
            for name, data in ports.fetch():
                for message in parsers.setdefault(name, Parser()).feed(data):
                    if as_json:
                        kind = NAMES.get(message.kind, hex(message.kind))
                        values = list(message.data)
                        json_line({"device": name, "kind": kind, "channel": message.channel, "data": values})
                    elif message.kind != CLOCK:
                        preset = f" (preset {message.data[0] + 1})" if NAMES.get(message.kind) == "PC" else ""
                        say(f"{name}: {message}{preset}")
            time.sleep(POLL_SECONDS)
    finally:
        ports.close()
